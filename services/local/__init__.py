"""Everything on one machine: a database, a broker and the five services, without Docker.

It promises that what is acknowledged is still there after the next start, and that nothing runs on after it stops,
however it stops. It owns the state directory. It is never part of a deployment.
"""
