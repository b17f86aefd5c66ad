"""The wire: every message, its type name, its topic and its key. No I/O here."""
