"""A stand-in for the command ubus that answers with what the real one said.

The daemon asks it for the device of a logical network. Answers are files, so a test
may change what the router's network looks like while the daemon runs.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

# Recorded with the rulesets of tests/data/fw4, from the same router.
RECORDED = Path(__file__).with_name("network.interface.dump.json")

_SCRIPT = """\
#!/bin/sh
# ubus [-S] [-t SECONDS] call OBJECT METHOD [MESSAGE]
while :; do
	case "$1" in
	-t | -s) shift 2 ;;
	-*) shift ;;
	*) break ;;
	esac
done
answer="${0%/*}/../ubus/$2.$3.json"
[ "$1" = call ] && [ -f "$answer" ] && exec cat "$answer"
echo "Command failed: Not found" >&2
exit 4
"""


def install_ubus(folder: Path) -> Path:
    """Put the command into ``folder``/bin, its answers into ``folder``/ubus; returns the former."""
    answers, programs = folder / "ubus", folder / "bin"
    answers.mkdir()
    programs.mkdir()
    dump = answers / "network.interface.dump.json"
    shutil.copyfile(RECORDED, dump)
    for interface in json.loads(dump.read_text())["interface"]:
        name = interface["interface"]
        (answers / f"network.interface.{name}.status.json").write_text(json.dumps(interface))
    command = programs / "ubus"
    command.write_text(_SCRIPT)
    command.chmod(0o755)
    return programs
