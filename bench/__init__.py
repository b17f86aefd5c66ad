"""Measurements anyone can repeat. Not timed tests: they print what they saw."""
