"""What the system needs around it where it runs for real."""
