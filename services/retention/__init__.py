"""retention: on a clock, removes what a site's policies let go, and has each removal audited.

Promises: nothing goes without a policy, nothing under a legal hold goes, and what went from the audit log is accounted
for, so that what is left still verifies. Owns the schema ``retention``. Never touches an open approval's votes, and
never changes a record: it deletes it whole or leaves it.
"""
