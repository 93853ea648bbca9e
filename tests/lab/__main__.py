"""python -m tests.lab run|knock|status"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.lab.client import Ask
from tests.lab.configs import first_boot_config
from tests.lab.errors import LabError
from tests.lab.folder import running_lab
from tests.lab.knock import knock, lan_ask
from tests.lab.lab import LabOptions
from tests.lab.process import SYSTEM_PATH
from tests.lab.ruleset import PROJECT
from tests.lab.run import run, say


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 fine, 1 not, with a message on stderr."""
    given = _parser().parse_args(arguments)
    # Debian's su keeps a PATH without the folders of nft and ip.
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
    try:
        return int(given.action(given))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description="The lab.")
    parser.add_argument(
        "--folder", type=Path, default=PROJECT / ".lab", help="the lab's own folder (.lab)"
    )
    verbs = parser.add_subparsers(required=True, metavar="run|knock|status")
    _add_run(verbs.add_parser("run", help="start a lab; Ctrl-C ends it"))
    _add_knock(verbs.add_parser("knock", help="knock at the running lab"))
    verbs.add_parser("status", help="what runs").set_defaults(action=_status)
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=8080, help="of the web page (8080)")
    parser.add_argument("--scenario", default="wan-drop", help="fw4 configuration (wan-drop)")
    parser.add_argument(
        "--fresh", action="store_true", help="as after a router's first boot: nothing switched on"
    )
    parser.set_defaults(action=_run)


def _add_knock(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--client", help="name of the client (the first with keys)")
    parser.add_argument("--access", help="proto/port to open (tcp/22; with --nat tcp/8080)")
    parser.add_argument("--nat", action="store_true", help="reach the LAN host through the router")
    parser.set_defaults(action=_knock)


def _run(given: argparse.Namespace) -> int:
    config = None
    if given.fresh:
        config, told = first_boot_config()
        say(f"As after a router's first boot: nothing is switched on. Its log says:\n{told}")
    return run(
        given.folder.absolute(),
        LabOptions(config=config, scenario=given.scenario, port=given.port),
    )


def _knock(given: argparse.Namespace) -> int:
    ask = lan_ask(given.access or "tcp/8080") if given.nat else Ask(given.access or "tcp/22")
    return knock(given.folder.absolute(), ask, given.client)


def _status(given: argparse.Namespace) -> int:
    record = running_lab(given.folder.absolute())
    print(f"A lab runs (pid {record.pid}): {record.url}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
