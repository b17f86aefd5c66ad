"""The read side: what approvers, auditors and operators look at.

Promises: shows nothing of another site; an audit entry only to those who may read it; nothing it shows is kept from
an earlier look, except how far the audit log had come, to say how fast it grows.
Owns: nothing; its database role may only read.
Never does: change anything, ask for a licence, show operators what people wrote.
"""
