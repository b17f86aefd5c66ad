"""A simulated Confluence: sites with spaces, people and pages, known to the system only by what it is sent over HTTP."""
