"""Which section of one version of a file is which of another.

libuci calls anonymous sections by their position, so after an edit by somebody else the same
id may be another client's. They are known by their name, by their content, by what tells
clients apart (label and keys), and by their place only when none was added or taken away.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from fwknopd.config.uci_changes import new_section_id
from fwknopd.config.uci_format import UciPackage, UciSection
from fwknopd.config.variables import is_secret

ACCESS = "access"
PLACEHOLDERS = frozenset({"CHANGEME", "__CHANGEME__"})


def matched(before: UciPackage, after: UciPackage, *, certain: bool = False) -> dict[str, str]:
    """Ids in ``after`` by those in ``before``, of the sections that are in both.

    ``certain``: without clients that only stand in the same place.
    """
    found: dict[str, str] = {}
    for section_type in dict.fromkeys(item.type for item in before.sections):
        by_place = section_type != ACCESS or not certain
        olds, news = before.of_type(section_type), after.of_type(section_type)
        found |= _matched(olds, news, by_place=by_place)
    return found


def twins(mine: Sequence[UciSection], theirs: Sequence[UciSection]) -> dict[str, str]:
    """Ids in ``theirs`` by those in ``mine``, of sections two people added that are one.

    What is alike is, and so is a client that has the same name or the same keys.
    """
    found: dict[str, str] = {}
    for section_type in dict.fromkeys(item.type for item in mine):
        ours = [item for item in mine if item.type == section_type]
        others = [item for item in theirs if item.type == section_type]
        for trait in (_name, _content, *((_called, _any_keys) if section_type == ACCESS else ())):
            _pair(found, ours, others, trait)
    return found


def aligned(package: UciPackage, to: UciPackage) -> UciPackage:
    """The package with the ids that its sections have in ``to``; the others get new ones.

    So what differs from ``to`` is told of the section it differs in, not of its place.
    """
    known = {new: old for old, new in matched(to, package, certain=True).items()}
    names = UciPackage(tuple(item for item in package.sections if item.name))
    used, sections = UciPackage((*to.sections, *names.sections)), []
    for item in package.sections:
        made = known.get(item.id) or item.name or new_section_id(used, item.type)
        sections.append(replace(item, id=made))
        used = UciPackage((*used.sections, sections[-1]))
    return UciPackage(tuple(sections))


def _matched(
    before: Sequence[UciSection], after: Sequence[UciSection], *, by_place: bool
) -> dict[str, str]:
    found: dict[str, str] = {}
    for trait in (_name, _content, _label, _keys):
        _pair(found, before, after, trait)
    if by_place and len(before) == len(after):
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
    return () if section.name else _any_keys(section)


def _called(section: UciSection) -> Hashable:
    """What the daemon calls the client: two of that name it would not take."""
    return section.get("name") or section.name


def _any_keys(section: UciSection) -> Hashable:
    return tuple(sorted(filter(_is_key, _options(section)), key=repr))


def _is_key(option: tuple[str, Hashable]) -> bool:
    return is_secret(option[0]) and option[1] not in PLACEHOLDERS
