"""The benchmark: fwknopd beside the C daemon, in network namespaces of its own.

`python -m tests.bench` (`make bench`) starts each contestant on a router made for it alone,
knocks, floods and measures from outside, and takes turns between them, so that a machine
whose speed drifts is slow for all. Absolute times are this machine's; the ratios to the C
daemon of the same run are what to compare.
"""
