"""``fwknopctl client``: what the web page does to clients, for people and scripts."""

from __future__ import annotations

import json
import shlex
from argparse import Namespace
from collections.abc import Collection, Mapping

from fwknopd.config import wanted_table
from fwknopd.config.old_key_sections import FIRST_USE, OWNER, name_of, owners
from fwknopd.config.problems import ConfigError, Problem
from fwknopd.config.stanza_keys import KEY_NAMES
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_model import UciPackage, UciSection
from fwknopd.config.unset_variables import is_no_key
from fwknopd.config.values import says_off
from fwknopd.config.wanted import State, wanted_from_json
from fwknopd.config.wanted_package import find
from fwknopd.ctl.answers import Json
from fwknopd.ctl.apply import load, make
from fwknopd.ctl.errors import CtlError
from fwknopd.ctl.key_sources import digest_type, stdin_settings
from fwknopd.ctl.output import print_json, print_note, table
from fwknopd.ctl.problems import config_error
from fwknopd.ctl.verb import DEFAULT_UCI
from fwknopd.uci_store import Loaded

RELOAD = "To use it now: fwknopctl reload"
UNUSABLE = "unusable"
"""The state of a client that the daemon leaves out, as in its metrics."""


def list_clients(options: Namespace) -> int:
    """The action ``list``."""
    package = load(options).package
    found = _with_unusable(_described(package), package, options.uci)
    if options.json:
        print_json({"clients": found})
        return 0
    rows = [(item["name"], item["state"], _keys_told(item)) for item in found]
    print(table(("CLIENT", "STATE", "KEYS"), rows))
    for item in found:
        if item["why"]:
            print_note(f"client {item['name']} is not in use: {item['why']}")
    return 0


def _with_unusable(found: list[Json], package: UciPackage, file: str) -> list[Json]:
    """With those told apart that are to be there, and that the daemon can't use."""
    try:
        configuration = configuration_from_uci(package, file)
    except ConfigError as error:
        print_note(f"the daemon can't use {file}: {error.problems[0]}")
        return [_judged(item, range(len(found) + 1), {}) for item in found]
    usable = {stanza.number for stanza in configuration.stanzas}
    why = {problem.section: _reason(problem) for problem in reversed(configuration.problems)}
    return [_judged(item, usable, why) for item in found]


def _judged(client: Json, usable: Collection[int], why: Mapping[str, str]) -> Json:
    number, section = client.pop("number"), client.pop("section")
    if number in usable or client["state"] is State.REVOKED:
        return {**client, "why": ""}
    return {**client, "state": UNUSABLE, "why": why.get(section, "look at its options and keys")}


def _reason(problem: Problem) -> str:
    return ": ".join(filter(None, (problem.option, problem.message)))


def add(options: Namespace) -> int:
    """The action ``add``."""
    loaded = load(options)
    if _found(options, loaded) is not None:
        raise CtlError(
            f"there is a client {options.name!r} already",
            "Choose another name, or give that one fresh keys: fwknopctl client rotate",
            "exists",
        )
    rules = dict(map(_rule, options.set))
    kind = str(rules.get("HMAC_DIGEST_TYPE", ""))
    keys = _keys_read() if options.stdin else fresh_keys(KEY_NAMES, kind)
    hint = f"{RELOAD}. Its keys: {_command(options, 'qr', f'--client={options.name}')}"
    return _make(options, loaded, hint, {"options": rules, "keys": keys})


def rotate(options: Namespace) -> int:
    """The action ``rotate``: one client, or every one that may knock."""
    if options.all == bool(options.name):
        raise CtlError("rotate wants one client, or --all", "Name the client, or say --all")
    return _rotate_all(options) if options.all else _rotate_one(options)


def _rotate_one(options: Namespace) -> int:
    """Who is revoked stays so, and its old keys do not work beside them."""
    loaded = load(options)
    section = _existing(options, loaded)
    keys = _keys_read() if options.stdin else _fresh_keys_of(section)
    revoked = (
        "The client stays revoked, and its old keys do not work any more. To let it in with the "
        f"new ones: {_command(options, 'client restore', *_as_argument(options.name))}"
    )
    hint = revoked if _state(section) is State.REVOKED else RELOAD
    return _make(options, loaded, hint, {"keys": keys, **_overlap(options)})


def _command(options: Namespace, verb: str, *words: str) -> str:
    """A command to paste into a shell, to which a name may look like more commands."""
    place = () if options.uci == DEFAULT_UCI else (f"--uci={options.uci}",)
    return f"fwknopctl {verb} {shlex.join([*place, *words])}"


def _as_argument(name: str) -> tuple[str, ...]:
    return ("--", name) if name.startswith("-") else (name,)


def _rotate_all(options: Namespace) -> int:
    """In one go, or not at all. Who is revoked stays so, and gets no keys."""
    if options.stdin:
        raise CtlError("--stdin has the keys of one client", "Name it, or leave --stdin out")
    loaded = load(options)
    changed: list[Json] = []
    for section in loaded.package.of_type("access"):
        if section.get(OWNER) or _state(section) is State.REVOKED:
            continue
        name, keys = name_of(section), _fresh_keys_of(section)
        if not name or not keys:
            told = f"client {name!r}" if name else "a client without a name"
            print_note(f"{told} keeps what it has: no keys of it can be rotated")
            continue
        changed.append({"name": name, "keys": keys, **_overlap(options)})
    hint = f"{RELOAD}. {len(changed)} clients have fresh keys"
    return _make_all(options, loaded, hint, changed)


def _fresh_keys_of(section: UciSection) -> dict[str, str]:
    used = [o.name for o in section.options if o.name in KEY_NAMES and not is_no_key(o.text)]
    return fresh_keys(used, section.get("HMAC_DIGEST_TYPE"))


def _overlap(options: Namespace) -> Json:
    return {"overlap_hours": options.overlap, FIRST_USE: options.until_used}


def revoke(options: Namespace) -> int:
    """The action ``revoke``."""
    return _of_existing(options, {"state": State.REVOKED}, f"{RELOAD}, which closes its doors")


def restore(options: Namespace) -> int:
    """The action ``restore``."""
    return _of_existing(options, {"state": State.PRESENT}, RELOAD)


def delete(options: Namespace) -> int:
    """The action ``delete``."""
    return _of_existing(options, {"state": State.ABSENT}, f"{RELOAD}, which closes its doors")


def _of_existing(options: Namespace, client: Json, hint: str) -> int:
    loaded = load(options)
    _existing(options, loaded)
    return _make(options, loaded, hint, client)


def _make(options: Namespace, loaded: Loaded, hint: str, client: Json) -> int:
    """By way of a document that ``apply`` reads, so that the same rules hold.

    What was ``loaded`` to look at the client is what is changed: if somebody else has changed
    it meanwhile, nothing is.
    """
    return _make_all(options, loaded, hint, [{"name": options.name, **client}])


def _make_all(options: Namespace, loaded: Loaded, hint: str, clients: list[Json]) -> int:
    try:
        wanted = wanted_from_json(json.dumps({"clients": clients}), "the command line")
    except ConfigError as error:
        raise config_error(error) from None
    return make(wanted, options, loaded, hint)


def _found(options: Namespace, loaded: Loaded) -> UciSection | None:
    try:
        return find(loaded.package, options.name, options.uci)
    except ConfigError as error:
        raise config_error(error) from None


def _existing(options: Namespace, loaded: Loaded) -> UciSection:
    section = _found(options, loaded)
    if section is None:
        known = ", ".join(item["name"] for item in _described(loaded.package)) or "none"
        raise CtlError(f"{options.uci} has no client {options.name!r}", f"It has: {known}")
    return section


def _described(package: UciPackage) -> list[Json]:
    old = owners(package)
    return [
        {
            "number": number,
            "section": section.id,
            "name": name_of(section),
            "state": _state(section),
            "has_keys": any(section.get(name) for name in KEY_NAMES),
            "old_keys": len(old.get(name_of(section), ())),
        }
        for number, section in enumerate(package.of_type("access"), start=1)
        if not section.get(OWNER)
    ]


def _state(section: UciSection) -> State:
    return State.REVOKED if says_off(section.get("enabled")) else State.PRESENT


def _keys_told(client: Json) -> str:
    told = "yes" if client["has_keys"] else "none"
    return f"{told}, and old ones" if client["old_keys"] else told


def _rule(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CtlError(
            f"--set {name}: the value is missing", "Write OPTION=VALUE, as in OPEN_PORTS=tcp/22"
        )
    return name, value


def _keys_read() -> dict[str, str]:
    """Raises CtlError where there are none."""
    keys = {name: value for name, value in stdin_settings().items() if name in KEY_NAMES}
    if not any(keys.values()):
        raise CtlError(
            "there are no keys on standard input",
            "Write them there as fwknopctl keygen prints them, or leave --stdin out",
        )
    return keys


def fresh_keys(used: Collection[str], hmac_type: str) -> dict[str, str]:
    """A key for each there is, the HMAC key for the type of that name. Raises CtlError."""
    kind = digest_type({"TYPE": hmac_type} if hmac_type else {}, "TYPE")
    return wanted_table.fresh_keys(used, kind)
