"""The only way in: webhooks and the REST API.

Promises: what it answers 2xx to has been authenticated, is well formed, and is on ``intake.v1`` with the broker's
acknowledgement; the same ``Idempotency-Key`` never stands for two commands.
Owns: schema ``command`` (idempotency keys, Connect tenants), authentication, the early guard.
Never does: change approval state, decide for real, log or echo what people wrote.
"""
