"""A UCI package as somebody wants it: the same again when it is so already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from fwknopd.config import old_key_sections as old_keys
from fwknopd.config.package_parts import Parts
from fwknopd.config.problems import ConfigError, Problem, Severity
from fwknopd.config.stanza_keys import ENCRYPTION_NAMES, HMAC_NAMES, KEY_NAMES
from fwknopd.config.uci_config import is_unsaid, uci_enabled
from fwknopd.config.uci_edit import new_section_id
from fwknopd.config.uci_model import UciOption, UciPackage, UciSection, UciValue
from fwknopd.config.values import says_off
from fwknopd.config.variables import is_secret
from fwknopd.config.wanted import State, Wanted, WantedClient
from fwknopd.config.wanted_check import check

ACCESS = old_keys.ACCESS
HOUR = 3600
_HEAD = ("name", "enabled", "note")


@dataclass(frozen=True, slots=True)
class Moment:
    """``now`` is epoch seconds; ``section_id`` makes a name nobody else makes."""

    now: int
    section_id: Callable[[], str]


def as_wanted(package: UciPackage, wanted: Wanted, moment: Moment, file: str) -> UciPackage:
    """The package with everything that is wanted.

    Raises ConfigError when a client has several sections, when the daemon could not use the
    result, or when a client that is to be there could not knock.
    """
    package = _with_switch(package, wanted.enabled)
    if wanted.network is not None:
        package = _with_option(package, "network", "network", wanted.network)
    for name, value in wanted.settings.items():
        package = _with_option(package, "config", name, value)
    package = _with_clients(package, wanted.clients, moment, file)
    if wanted.exclusive:
        package = _without_others(package, wanted)
    check(package, wanted, file)
    return package


def find(package: UciPackage, name: str, file: str) -> UciSection | None:
    """A client by its name. Raises ConfigError when several have it, or old keys alone.

    Old keys are no client: changed as one they would work for good.
    """
    named = [s for s in package.of_type(ACCESS) if old_keys.name_of(s) == name]
    found = [section for section in named if not section.get(old_keys.OWNER)]
    if len(found) > 1:
        _refuse(file, found[1], f"several clients are called {name}", "Give one another name.")
    if named and not found:
        owner = named[0].get(old_keys.OWNER)
        message = f"{name} are old keys of the client {owner}, and no client"
        _refuse(file, named[0], message, "Name that client, or choose another name.")
    return found[0] if found else None


def _refuse(file: str, section: UciSection, message: str, remedy: str) -> None:
    place = (section.line, "name", message, remedy, section.id)
    raise ConfigError([Problem(Severity.ERROR, file, *place)])


# Settings


def _with_switch(package: UciPackage, enabled: bool | None) -> UciPackage:
    """Any section that says so switches it on, so all have to say no."""
    sections = package.of_type("global")
    is_on = uci_enabled(package)
    if enabled is None or (enabled == is_on and not is_unsaid(package)):
        return package
    if not sections:
        return _with_option(package, "global", "uci_enabled", "1")
    for section in sections if not enabled else sections[:1]:
        new = section.with_option(UciOption("uci_enabled", str(int(enabled))))
        package = package.with_section(new)
    return package


def _with_option(package: UciPackage, kind: str, name: str, value: UciValue) -> UciPackage:
    """The option where it is said last, which counts; in the first section when nowhere."""
    sections = package.of_type(kind)
    having = [section for section in sections if section.option(name)]
    if not value:
        for section in having:
            package = package.with_section(_without_option(section, name))
        return package
    if sections:
        place = (having or [sections[0]])[-1]
        return package.with_section(place.with_option(UciOption(name, value)))
    made = UciSection(kind, None, new_section_id(package, kind), (UciOption(name, value),))
    return UciPackage((*package.sections, made))


def _without_option(section: UciSection, name: str) -> UciSection:
    return replace(section, options=tuple(o for o in section.options if o.name != name))


# Clients


def _with_clients(
    package: UciPackage, clients: Iterable[WantedClient], moment: Moment, file: str
) -> UciPackage:
    parts = Parts(package)
    for client in clients:
        old = parts.part(client.name)
        parts.exchange(old, _with_client(old, client, _Among(parts, moment, file)))
    return parts.package


@dataclass(frozen=True, slots=True)
class _Among:
    """What a client's part has to fit in with."""

    parts: Parts
    moment: Moment
    file: str


def _with_client(package: UciPackage, wanted: WantedClient, among: _Among) -> UciPackage:
    """``package``: the client's part of it."""
    section = find(package, wanted.name, among.file)
    if wanted.state is State.ABSENT:
        return package if section is None else _deleted(package, section)
    if section is None:
        return package if wanted.state is State.REVOKED else _added(package, wanted, among)
    if wanted.state is State.REVOKED:
        package = old_keys.ended(package, wanted.name)
        off = says_off(section.get("enabled"))
        revoked = section if off else section.with_option(UciOption("enabled", "0"))
        return package.with_section(revoked)
    return _changed(package, section, wanted, among)


def _deleted(package: UciPackage, section: UciSection) -> UciPackage:
    package = old_keys.ended(package, old_keys.name_of(section))
    return old_keys.without(package, {section.id})


def _added(package: UciPackage, wanted: WantedClient, among: _Among) -> UciPackage:
    empty = UciSection(ACCESS, None, among.parts.new_section_id())
    made = _rules(empty, wanted.name, wanted.options or {})
    return UciPackage((*package.sections, _with_keys(made, wanted.keys)))


def _changed(
    package: UciPackage, section: UciSection, wanted: WantedClient, among: _Among
) -> UciPackage:
    new = section if wanted.state is None else _without_option(section, "enabled")
    if wanted.options is not None:
        new = _rules(new, wanted.name, wanted.options)
    new = _with_keys(new, wanted.keys)
    package = package.with_section(new)
    if says_off(section.get("enabled")):
        # Revoked for a lost phone, perhaps: what that one has must not work again.
        package = old_keys.ended(package, wanted.name)
    elif dict(_keys(new)) != dict(_keys(section)):
        package = _with_overlap(package, new, section, wanted, among)
    return old_keys.follow(package, section.id, wanted.name)


def _rules(section: UciSection, name: str, options: Mapping[str, UciValue]) -> UciSection:
    """These rules and no others; keys, and what people call it, stay."""
    rules = {"SOURCE": "ANY", **options}
    kept = tuple(o for o in section.options if _is_kept(o) or o.name in rules)
    section = replace(section, options=kept)
    if not old_keys.name_of(section):
        section = section.with_option(UciOption("name", name))
    for option, value in rules.items():
        new = section.with_option(UciOption(option, value))
        section = new if value else _without_option(section, option)
    return section


def _is_kept(option: UciOption) -> bool:
    return option.name in _HEAD or is_secret(option.name)


def _with_keys(section: UciSection, keys: Mapping[str, str]) -> UciSection:
    """These keys; of two ways to write one, the other goes."""
    for names in (ENCRYPTION_NAMES, HMAC_NAMES):
        if any(name in keys for name in names):
            for name in set(names) - keys.keys():
                section = _without_option(section, name)
    for name, value in keys.items():
        section = section.with_option(UciOption(name, value))
    return section


def _keys(section: UciSection) -> Iterator[tuple[str, str]]:
    return ((option.name, option.text) for option in section.options if option.name in KEY_NAMES)


def _with_overlap(
    package: UciPackage,
    new: UciSection,
    old: UciSection,
    wanted: WantedClient,
    among: _Among,
) -> UciPackage:
    """Old keys that are the new ones again must not end with the overlap they belonged to."""
    again = {
        section.id
        for section in old_keys.owners(package).get(wanted.name, ())
        if dict(_keys(section)) == dict(_keys(new))
    }
    package = old_keys.without(package, again)
    if not wanted.overlap_hours or not any(True for _ in _keys(old)):
        return package
    until = among.moment.now + wanted.overlap_hours * HOUR
    end = old_keys.end_of(new)
    return old_keys.made_from(
        package,
        new,
        old,
        min(until, end) if end else until,
        among.moment.section_id(),
        taken=among.parts.names,
        first_use=wanted.end_at_first_use,
    )


def _without_others(package: UciPackage, wanted: Wanted) -> UciPackage:
    names = {client.name for client in wanted.clients}
    kept = [s for s in package.of_type(ACCESS) if old_keys.name_of(s) in names]
    owned = old_keys.owners(package)
    of_kept = {s.id for name in names for s in owned.get(name, ())}
    kept_ids = of_kept | {section.id for section in kept}
    others = {s.id for s in package.of_type(ACCESS) if s.id not in kept_ids}
    return old_keys.without(package, others)
