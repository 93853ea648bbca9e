"""``python -m tests.fuzz run|keep|list [TARGET ...]``; `make fuzz` is the first."""

from __future__ import annotations

import argparse
import os
import sys

from tests.fuzz.campaign import keep, run
from tests.fuzz.registry import TARGETS

SECONDS = 60


def main() -> int:
    """0 when nothing broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("action", choices=("run", "keep", "list"))
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for each target")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="side by side")
    options = parser.parse_intermixed_args()
    if strangers := [name for name in options.targets if name not in TARGETS]:
        parser.error(f"there is no target {', '.join(strangers)}; there are {', '.join(TARGETS)}")
    if options.action == "list":
        for target in TARGETS.values():
            print(f"{target.name:<18} {target.proves}")
    elif options.action == "keep":
        keep(options.targets)
    else:
        return 0 if run(options.targets, options.seconds, options.jobs) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
