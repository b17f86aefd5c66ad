"""The whole system on one machine: its servers out of packages, its own issuer, a supervisor, a simulated site.

Not a service. The processes are the same as anywhere else and verify with the same code.
"""
