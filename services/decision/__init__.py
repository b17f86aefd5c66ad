"""decision: applies every command and fact, and is the only writer of approval state.

Promises the guarantees G1 to G6. Owns the schemas ``approvals`` and ``directory``. Never talks to people, never
sends anything the log has not acknowledged before it commits an offset.
"""
