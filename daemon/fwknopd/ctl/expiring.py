"""``fwknopctl expiring``: who will not get in any more soon, and whose old keys end."""

from __future__ import annotations

import time
from argparse import Namespace

from fwknopd.config.problems import ConfigError
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.ctl.answers import Json
from fwknopd.ctl.apply import load
from fwknopd.ctl.output import duration, print_json, table
from fwknopd.ctl.problems import config_error
from fwknopd.policy.stanza import Stanza


def show_expiring(options: Namespace) -> int:
    """The verb ``expiring``: soonest first, those that are over before them."""
    try:
        stanzas = configuration_from_uci(load(options).package, options.uci).stanzas
    except ConfigError as error:
        raise config_error(error) from None
    now = int(time.time())
    found = [_described(stanza, end, now) for stanza, end in _ending(stanzas, now + options.within)]
    if options.json:
        print_json({"clients": found})
    elif found:
        print(table(("CLIENT", "ENDS", "", "WHAT"), [_row(item, now) for item in found]))
    else:
        print("Nobody's access ends in this time.")
    return 0


def _ending(stanzas: tuple[Stanza, ...], until: int) -> list[tuple[Stanza, int]]:
    ends = [(s, s.access_expire) for s in stanzas if s.enabled and s.access_expire is not None]
    return sorted(((s, end) for s, end in ends if end <= until), key=lambda pair: pair[1])


def _described(stanza: Stanza, end: int, now: int) -> Json:
    return {
        "name": stanza.old_keys_of or stanza.label,
        "ends": end,
        "over": end <= now,
        "old_keys": bool(stanza.old_keys_of),
    }


def _row(item: Json, now: int) -> tuple[str, str, str, str]:
    end = item["ends"]
    day = time.strftime("%Y-%m-%d %H:%M", time.localtime(end))
    how = "over" if item["over"] else f"in {duration(end - now)}"
    return item["name"], day, how, "old keys" if item["old_keys"] else "access"
