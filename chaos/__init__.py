"""The fault harness: the real system under load, broken in every way there is, and judged from what it stored."""
