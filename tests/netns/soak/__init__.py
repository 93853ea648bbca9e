"""A day's life, compressed: knocks of hundreds of clients, and everything that happens to a router.

Doors are open for seconds instead of minutes, and packets may be 15 seconds old, so what takes
a day comes round in minutes. `make soak` does it for SOAK_MINUTES, `make test` for some seconds.
Afterwards the daemon needs as much memory and as many descriptors as at the beginning, and
every door is accounted for: what was said is what the kernel had, at every moment looked at.
"""
