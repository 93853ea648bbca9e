"""A program in place of OpenWrt's ubus."""

from __future__ import annotations

from pathlib import Path


class Ubus:
    """A program in ubus's place: answers with the networks the test sets, and counts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._program = folder / "ubus"
        self._program.touch(mode=0o755)

    def says(self, **networks: str) -> None:
        """Each network's device; "" for one that is down."""
        entries = ", ".join(
            f'{{"interface": "{name}", "up": {"true" if device else "false"}, '
            f'"l3_device": "{device}"}}'
            for name, device in networks.items()
        )
        self.does(f"echo '{{\"interface\": [{entries}]}}'")

    def does(self, script: str) -> None:
        made = self._folder / "ubus.new"
        made.write_text(f'#!/bin/sh\necho "$@" >> {self._folder}/asked\n{script}\n')
        made.chmod(0o755)
        # Renamed over the old one: a running program must not be written to.
        made.replace(self._program)

    @property
    def asked(self) -> int:
        """How often it was run."""
        log = self._folder / "asked"
        return len(log.read_text().splitlines()) if log.exists() else 0
