"""Whether what is wanted can be had, told as who wants it knows the clients. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from fwknopd.config import old_key_sections as old_keys
from fwknopd.config.problems import ConfigError, Problem, Severity
from fwknopd.config.settings import Configuration
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_model import UciPackage, UciSection
from fwknopd.config.wanted import State, Wanted
from fwknopd.keys import weaknesses
from fwknopd.policy.stanza import Stanza

ACCESS = old_keys.ACCESS
Place = tuple[str, int | None]
"""A file, and a line of it where one can be named."""
NO_PLACE: Place = ("", None)


def check(package: UciPackage, wanted: Wanted, file: str) -> None:
    """Whether the daemon can use it, and every client that is to be there can knock.

    Raises ConfigError, with the daemon's own words.
    """
    found = _read(package, wanted, file)
    stanzas = {stanza.number: stanza for stanza in found.stanzas}
    present = {c.name: c for c in wanted.clients if c.state in (None, State.PRESENT)}
    wrong: list[Problem] = []
    for number, section in enumerate(package.of_type(ACCESS), start=1):
        client = present.get(old_keys.name_of(section))
        if client is None or section.get(old_keys.OWNER):
            continue
        place = client.origin
        if number not in stanzas:
            wrong += _why_not(section, found.problems, place)
        elif client.keys:
            wrong += _weaknesses(stanzas[number], section, place or NO_PLACE)
    if wrong:
        raise ConfigError(wrong)


def _read(package: UciPackage, wanted: Wanted, file: str) -> Configuration:
    """Raises ConfigError, which names the line of a table where that is what has a fault."""
    try:
        return configuration_from_uci(package, file)
    except ConfigError as error:
        origins = {client.name: client.origin for client in wanted.clients}
        names = {section.id: old_keys.name_of(section) for section in package.of_type(ACCESS)}
        told = [_with_origin(item, names.get(item.section, ""), origins) for item in error.problems]
        raise ConfigError(told) from None


def _with_origin(problem: Problem, name: str, origins: Mapping[str, Place | None]) -> Problem:
    return _of_client(problem, name, origins[name]) if name in origins else problem


def _of_client(problem: Problem, name: str, place: Place | None) -> Problem:
    """As somebody knows it who wrote what is wanted, in a row or for a client by its name.

    That there is no key is found where a client begins, at its SOURCE.
    """
    option = (
        "" if problem.option == "SOURCE" and "SOURCE" not in problem.message else problem.option
    )
    message = f"client {name}: {problem.message}"
    if place is not None:
        return replace(problem, file=place[0], line=place[1], option=option, message=message)
    # "client NAME: OPTION: ..." in parts, for the page shows rows alone, and translates those.
    message = f"{f'client {name}: '}{f'{option}: ' if option else ''}{problem.message}"
    return replace(problem, file="", line=None, option="", message=message)


def _why_not(
    section: UciSection, problems: Iterable[Problem], place: Place | None
) -> list[Problem]:
    """Why a client could not knock."""
    own = [problem for problem in problems if problem.section == section.id]
    if not own:
        unsaid = ("", "it could not knock", "Look at its options and keys.", section.id)
        own = [Problem(Severity.ERROR, *NO_PLACE, *unsaid)]
    name = old_keys.name_of(section)
    return [_of_client(replace(item, severity=Severity.ERROR), name, place) for item in own]


def _weaknesses(stanza: Stanza, section: UciSection, place: Place) -> list[Problem]:
    """What nobody may type on the page, no tool may set. A client may be without an HMAC key."""
    keys = stanza.keys
    found = weaknesses(keys.encryption_key or b"", keys.hmac_key)
    weak = [text for text in found if keys.hmac_key or "HMAC" not in text]
    name = old_keys.name_of(section)
    message = f"client {name} gets bad keys"
    return [Problem(Severity.ERROR, *place, "", message, text, section.id) for text in weak[:1]]
