"""The flow, in order.

command      HTTP in (webhooks, people) ──▶ intake.v1
decision     intake.v1 ──▶ schema approvals, directory ──▶ events.v1, replies.v1
audit_fanout events.v1 ──▶ schema audit, archive
retention    by policy ──▶ deletions, and a record of each on intake.v1
console      reads only
rules        the pure guards that command and decision both run
"""
