"""audit-fanout: one immutable record of every event, found through several indexes, written to several sinks.

Promises: each event has exactly one entry in the store, hash-linked to the one before it, and a line in the archive.
Owns: schema ``audit`` (entries, heads, checkpoints; it may insert and read, never change or delete an entry) and the archive.
Never does: let one sink wait for another, or pass over an event; what cannot be read is kept until its key is released.
"""
