"""All of audit-fanout's SQL: the chains, what could not be read, and what proves or exports them.

Its role may insert and read entries, never change or delete one.
"""
