"""What is measured: one file for each kind of load, each a function of a `Bench`."""
