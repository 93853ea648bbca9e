"""``fwknopctl expiring``: who will not get in any more soon, and whose old keys end."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fwknopd.config.problems import ConfigError
from fwknopd.config.settings import Configuration
from fwknopd.control.client import NOT_RUNNING
from fwknopd.ctl.answers import Json, children, flag, number, text
from fwknopd.ctl.daemon import ask
from fwknopd.ctl.errors import CtlError
from fwknopd.ctl.output import clean, duration, print_json, table
from fwknopd.ctl.verb import DEFAULT_CONFIG, DEFAULT_UCI
from fwknopd.policy.stanza import Stanza


@dataclass(frozen=True, slots=True)
class End:
    """When somebody's access ends, or his old keys', in epoch seconds."""

    name: str
    ends: int
    old_keys: bool


def show_expiring(options: Namespace) -> int:
    """The verb ``expiring``: soonest first, those that are over before them."""
    now = int(time.time())
    ends = _of_uci(options.uci) if options.uci else _in_force(options)
    soon = sorted((e for e in ends if e.ends <= now + options.within), key=lambda e: e.ends)
    if options.json:
        print_json({"clients": [_described(end, now) for end in soon]})
    elif soon:
        print(table(("CLIENT", "ENDS", "", "WHAT"), [_row(end, now) for end in soon]))
    else:
        print("Nobody's access ends in this time.")
    return 0


def _in_force(options: Namespace) -> list[End]:
    """As the daemon has it, wherever that is from; if it doesn't run, as it would read it."""
    try:
        clients = children(ask(options, "clients"), "clients")
    except CtlError as error:
        if error.code != NOT_RUNNING:
            raise
        return _of_files()
    if any("ends" not in client for client in clients):
        # A daemon from before it told this.
        return _of_files()
    return [
        End(text(c, "old_keys_of") or text(c, "label"), int(number(c, "ends")), _is_old(c))
        for c in clients
        if flag(c, "enabled") and c["ends"] is not None and not flag(c, "ended")
    ]


def _is_old(client: Json) -> bool:
    return bool(text(client, "old_keys_of"))


def _of_files() -> list[End]:
    """Of UCI, unless that is off there and the classic files are what counts."""
    # Not for who asks the daemon.
    from fwknopd.configuration import UciOff, load_files, read_uci
    from fwknopd.ctl.problems import config_error

    try:
        found = read_uci(Path(DEFAULT_UCI)) if _is_there(DEFAULT_UCI) else None
        is_said = not (isinstance(found, UciOff) and found.unsaid)
        if not isinstance(found, Configuration) and is_said and _is_there(DEFAULT_CONFIG):
            found = load_files(Path(DEFAULT_CONFIG))
    except ConfigError as error:
        raise config_error(error) from None
    return list(_ends(found.stanzas)) if isinstance(found, Configuration) else _of_uci(DEFAULT_UCI)


def _is_there(file: str) -> bool:
    """Raises CtlError where only root may know."""
    try:
        return Path(file).exists()
    except OSError as error:
        raise CtlError(f"{file} can't be read: {error.strerror}", "Run it as root") from None


def _of_uci(file: str) -> list[End]:
    from fwknopd.config.uci_config import configuration_from_uci
    from fwknopd.ctl.apply import load
    from fwknopd.ctl.problems import config_error

    try:
        return list(_ends(configuration_from_uci(load(Namespace(uci=file)).package, file).stanzas))
    except ConfigError as error:
        raise config_error(error) from None


def _ends(stanzas: Iterable[Stanza]) -> Iterator[End]:
    for stanza in stanzas:
        if stanza.enabled and stanza.access_expire is not None:
            name = stanza.old_keys_of or stanza.label
            yield End(name, stanza.access_expire, bool(stanza.old_keys_of))


def _described(end: End, now: int) -> Json:
    return {"name": end.name, "ends": end.ends, "over": end.ends <= now, "old_keys": end.old_keys}


def _row(end: End, now: int) -> tuple[str, str, str, str]:
    day = time.strftime("%Y-%m-%d %H:%M", time.localtime(end.ends))
    how = "over" if end.ends <= now else f"in {duration(end.ends - now)}"
    return clean(end.name), day, how, "old keys" if end.old_keys else "access"
