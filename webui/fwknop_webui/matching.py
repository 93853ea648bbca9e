"""Which section of one version of a file is which of another.

libuci calls anonymous sections by their position, so after an edit by somebody else the same
id may be another client's. They are known by their name, by their content, by what tells
clients apart (label and keys), and by their place only when none was added or taken away.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from fwknopd.config.uci_format import UciPackage, UciSection
from fwknopd.config.variables import is_secret

ACCESS = "access"
PLACEHOLDERS = frozenset({"CHANGEME", "__CHANGEME__"})


def matched(before: UciPackage, after: UciPackage) -> dict[str, str]:
    """Ids in ``after`` by those in ``before``, of the sections that are in both."""
    found: dict[str, str] = {}
    for section_type in dict.fromkeys(item.type for item in before.sections):
        found |= _matched(before.of_type(section_type), after.of_type(section_type))
    return found


def _matched(before: Sequence[UciSection], after: Sequence[UciSection]) -> dict[str, str]:
    found: dict[str, str] = {}
    for trait in (_name, _content, _label, _keys):
        _pair(found, before, after, trait)
    if len(before) == len(after):
        _pair_by_place(found, before, after)
    return found


def _pair(
    found: dict[str, str],
    before: Sequence[UciSection],
    after: Sequence[UciSection],
    trait: Callable[[UciSection], Hashable],
) -> None:
    """Match what has the same trait; of several with the same one, the first with the first."""
    taken = set(found.values())
    waiting: dict[Hashable, list[str]] = {}
    for item in after:
        if item.id not in taken:
            waiting.setdefault(trait(item), []).append(item.id)
    for item in before:
        shared: object = trait(item)
        if item.id not in found and shared and waiting.get(shared):
            found[item.id] = waiting[shared].pop(0)


def _pair_by_place(
    found: dict[str, str], before: Sequence[UciSection], after: Sequence[UciSection]
) -> None:
    """What is left was edited where it stands.

    A client only if something in it is still the same: it may be another one in its place.
    """
    taken = set(found.values())
    for old, new in zip(before, after, strict=True):
        is_free = old.id not in found and new.id not in taken
        if is_free and old.name == new.name and (old.type != ACCESS or _is_alike(old, new)):
            found[old.id] = new.id


def _is_alike(old: UciSection, new: UciSection) -> bool:
    mine, theirs = set(_options(old)), set(_options(new))
    return not mine.isdisjoint(theirs) or not mine or not theirs


def _options(section: UciSection) -> tuple[tuple[str, Hashable], ...]:
    return tuple((item.name, item.value) for item in section.options)


def _name(section: UciSection) -> Hashable:
    return section.name


def _content(section: UciSection) -> Hashable:
    # Never empty, so that sections without any option find each other too.
    return (section.name, _options(section))


def _label(section: UciSection) -> Hashable:
    return "" if section.name else section.get("name")


def _keys(section: UciSection) -> Hashable:
    return () if section.name else tuple(filter(_is_key, _options(section)))


def _is_key(option: tuple[str, Hashable]) -> bool:
    return is_secret(option[0]) and option[1] not in PLACEHOLDERS
