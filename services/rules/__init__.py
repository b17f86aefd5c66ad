"""The pure guards that ``command`` runs early, as a kindness, and ``decision`` runs for real inside the write.

No I/O, no clock, no logger: every function takes what it needs to know, and the time.
"""
