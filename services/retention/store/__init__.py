"""All of retention's SQL: the rules people set, the records that go, the audit log, and how far each run came.

Nothing here commits: that a removal and what accounts for it stand or fall together is up to the caller's transaction.
"""
