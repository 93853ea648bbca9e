"""A hostile world: what happens to a daemon whose machine, or whose neighbours, fail it.

It is killed, stopped and refused things at every system call of a grant (`tracing`), runs
out of descriptors and disk, meets programs that hang and clocks that jump. What is promised
is always the same: no door is open that should be closed, no used packet opens anything
again, every door is on the list, and nobody needs to start the daemon anew.
"""
