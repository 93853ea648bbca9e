"""Old keys of a client that has new ones: sections of their own, which follow the client's rules.

What the client may do, its old keys may do, no more and no less; so whatever changes the
client changes them too. The daemon ends and removes them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from fwknopd.config.dates import parse_date
from fwknopd.config.invalid import InvalidValue, Leniencies
from fwknopd.config.old_keys import OPTION
from fwknopd.config.stanza_keys import KEY_NAMES
from fwknopd.config.uci_format import UciOption, UciPackage, UciSection

ACCESS = "access"
OWNER = OPTION
FIRST_USE = "end_at_first_use"
END = "ACCESS_EXPIRE_EPOCH"
ENDS = ("ACCESS_EXPIRE", END)
OF_KEYS = frozenset({*KEY_NAMES, "HMAC_DIGEST_TYPE", "ENCRYPTION_MODE"})
OWN = OF_KEYS | {"name", "note", OWNER, FIRST_USE, *ENDS}
"""Options that old keys have for themselves, beside all about GPG."""

MAX_NAME = 64


NAMES = ("(old keys)", "(old keys {n})")
"""What is put behind a client's name to name its old keys: first ones, and more."""


def name_of(section: UciSection) -> str:
    """By what old keys know their client: as the daemon calls it; "" if by its number only."""
    return section.get("name") or section.name or ""


def is_shared(package: UciPackage, name: str) -> bool:
    """Whether several have this name: then nobody can tell whose the old keys are."""
    return sum(1 for section in package.of_type(ACCESS) if name and name_of(section) == name) > 1


def owners(package: UciPackage) -> dict[str, list[UciSection]]:
    """The sections of old keys by their client's name, of clients that are there.

    Those of a name that several have are nobody's.
    """
    sections = package.of_type(ACCESS)
    names = Counter(map(name_of, sections))
    found: dict[str, list[UciSection]] = {
        name_of(section): []
        for section in sections
        if name_of(section) and names[name_of(section)] == 1 and not _of(section)
    }
    for section in sections:
        if _of(section) in found:
            found[_of(section)].append(section)
    return found


def made_from(
    package: UciPackage,
    client: UciSection,
    keys: UciSection,
    until: int,
    section_id: str,
    *,
    first_use: bool,
    names: tuple[str, str] = NAMES,
    taken: Collection[str] | None = None,
) -> UciPackage:
    """Keep the keys of ``keys`` beside the client's own, ``until`` epoch seconds.

    They become a section named ``section_id`` at the end of the file, so that its removal moves
    no other. ``taken``: names that are in use, where ``package`` is a part only.
    """
    name = name_of(client)
    if taken is None:
        taken = {section.get("name") for section in package.of_type(ACCESS)}
    own = [
        UciOption("name", _free_name(taken, name, names)),
        UciOption(OWNER, name),
        UciOption(END, str(until)),
        *([UciOption(FIRST_USE, "1")] if first_use else []),
        *(o for o in keys.options if o.name in OF_KEYS or o.name.startswith("GPG_")),
    ]
    section = UciSection(ACCESS, section_id, section_id, (*_rules(client), *own))
    return UciPackage((*package.sections, section))


def follow(package: UciPackage, section_id: str, former_name: str) -> UciPackage:
    """The package with the client's rules, and its name, also at its old keys.

    Nothing is done for a client that shares its name: the old keys may be the other one's.
    """
    client = package.section(section_id)
    if client is None or client.type != ACCESS or not former_name or _of(client):
        return package
    name = name_of(client)
    if is_shared(package, name) or _has_another(package, section_id, former_name):
        return package
    for old in _old_of(package, former_name):
        own = tuple(_renamed(o, former_name, name) for o in old.options if not _is_rule(o))
        followed = replace(old, options=(*_rules(client), *own))
        until = _earlier(end_of(client), end_of(old))
        if until != end_of(old):
            followed = followed.with_option(UciOption(END, str(until)))
        package = package.with_section(followed)
    return package


def ended(package: UciPackage, name: str) -> UciPackage:
    """The package without the old keys of this client."""
    return without(package, {section.id for section in owners(package).get(name, ())})


def without(package: UciPackage, section_ids: Collection[str]) -> UciPackage:
    """The package less these sections."""
    return UciPackage(tuple(item for item in package.sections if item.id not in section_ids))


def end_of(section: UciSection) -> int:
    """When its access ends, in epoch seconds; 0 when never, or when nobody can tell."""
    found = [option for option in section.options if option.name in ENDS]
    if not found:
        return 0
    text = found[-1].text.strip()
    if found[-1].name == END:
        return int(text) if text.isascii() and text.isdigit() and len(text) < 13 else 0
    try:
        return parse_date(text, Leniencies())
    except InvalidValue:
        return 0


def _earlier(one: int, other: int) -> int:
    return min(one, other) if one and other else one or other


def _old_of(package: UciPackage, name: str) -> list[UciSection]:
    return [s for s in package.of_type(ACCESS) if name and _of(s) == name]


def _has_another(package: UciPackage, section_id: str, name: str) -> bool:
    return any(s.id != section_id and name_of(s) == name for s in package.of_type(ACCESS))


def _of(section: UciSection) -> str:
    return section.get(OWNER)


def _is_rule(option: UciOption) -> bool:
    return option.name not in OWN and not option.name.startswith("GPG_")


def _rules(client: UciSection) -> tuple[UciOption, ...]:
    return tuple(option for option in client.options if _is_rule(option))


def _renamed(option: UciOption, former: str, name: str) -> UciOption:
    if option.name == OWNER:
        return replace(option, value=name)
    if option.name == "name":
        return replace(option, value=option.text.replace(former, name, 1)[:MAX_NAME])
    return option


def _free_name(taken: Collection[str], name: str, names: tuple[str, str]) -> str:
    for number in range(1, len(taken) + 2):
        ending = names[0] if number == 1 else names[1].format(n=number)
        made = f"{name[: MAX_NAME - len(ending) - 1]} {ending}"
        if made not in taken:
            break
    return made
