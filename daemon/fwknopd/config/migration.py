"""A configuration as the stock packages left it, made ready for this one.

Runs at the first boot and after every installation, so on configurations that are in use:
nothing of what they mean may change, no key that is one is ever replaced, and running it
again changes nothing. Field reports: notes on luci-app-fwknopd, sections 1 and 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fwknopd.config.stanza_keys import KEY_NAMES
from fwknopd.config.stock_values import ends_early, until_end
from fwknopd.config.uci_changes import (
    AddSection,
    DeleteOption,
    SetOption,
    UciChange,
    apply,
    new_section_id,
)
from fwknopd.config.uci_model import UciOption, UciPackage, UciSection
from fwknopd.config.variable import Kind, Scope
from fwknopd.config.variables import lookup
from fwknopd.keys import is_placeholder

FIRST_CLIENT = "phone"
"""What the client of a fresh installation is called."""

DEFAULT_NETWORK = "wan"

_SCOPES = {"access": Scope.ACCESS, "config": Scope.SERVER}
_STALE = ("keytype", "hkeytype")
"""Written by early versions of the LuCI page. Which key option is filled says the same."""


@dataclass(frozen=True, slots=True)
class Migration:
    """What to change, and for each kind of change one sentence for the log."""

    changes: tuple[UciChange, ...]
    told: tuple[str, ...]


def migrate(
    package: UciPackage,
    fresh_keys: Callable[[], tuple[str, str]],
    network: str = DEFAULT_NETWORK,
) -> Migration:
    """What makes ``package`` ready; nothing when it is.

    ``fresh_keys`` makes an encryption and an HMAC key in base64; it is asked only when no
    client has a key of its own. ``network`` is watched where nothing says what to watch.
    """
    steps: list[tuple[str, Callable[[UciPackage], list[UciChange]]]] = [
        ("options of old LuCI pages that mean nothing are removed", _stale_options),
        ("placeholders beside real keys are removed", _placeholders),
        ("what the C server passed over, from a ; on, is removed", _ends),
        ("y and n are written as Y and N", _letters),
        (f"the network to watch is {network}", lambda current: _network(current, network)),
    ]
    if not any(map(has_key, package.of_type("access"))):
        steps.append(
            (
                f"the client {FIRST_CLIENT} has keys of its own; scan its QR code",
                lambda current: _first_client(current, fresh_keys),
            )
        )
    changes: list[UciChange] = []
    told: list[str] = []
    for sentence, step in steps:
        found = step(package)
        if found:
            package = apply(package, found)
            changes += found
            told.append(sentence)
    return Migration(tuple(changes), tuple(told))


def has_key(section: UciSection) -> bool:
    """Whether a client has any key that is not the placeholder everybody knows."""
    has_gpg = any(section.get(name).strip() for name in ("GPG_DECRYPT_PW", "GPG_ALLOW_NO_PW"))
    return has_gpg or any(_is_real(section.option(name)) for name in KEY_NAMES)


def _is_real(option: UciOption | None) -> bool:
    text = option.text.strip() if option else ""
    return bool(text) and not is_placeholder(text)


def _stale_options(package: UciPackage) -> list[UciChange]:
    return [
        DeleteOption(section.id, name)
        for section in package.of_type("access")
        for name in _STALE
        if section.option(name) is not None
    ]


def _placeholders(package: UciPackage) -> list[UciChange]:
    """A placeholder next to the same kind of key in its other form, which is the one in use."""
    return [
        DeleteOption(section.id, name)
        for section in package.of_type("access")
        for name, other in _pairs()
        if _is_real(section.option(other))
        and (option := section.option(name)) is not None
        and is_placeholder(option.text)
    ]


def _pairs() -> Iterator[tuple[str, str]]:
    for text in ("KEY", "HMAC_KEY"):
        yield text, f"{text}_BASE64"
        yield f"{text}_BASE64", text


def _ends(package: UciPackage) -> list[UciChange]:
    """Nothing but ``;`` is a mistake that is left for a person to see."""
    return [
        SetOption(section.id, option.name, value)
        for section in package.sections
        if section.type in _SCOPES
        for option in section.options
        if isinstance(option.value, str)
        and ends_early(lookup(_SCOPES[section.type], option.name), option.value)
        and (value := until_end(option.value)).strip()
    ]


def _letters(package: UciPackage) -> list[UciChange]:
    """The 2015 page wrote ENABLE_IPT_FORWARDING 'y', which later pages show as off."""
    return [
        SetOption(section.id, option.name, str(option.value).upper())
        for section in package.sections
        if section.type in _SCOPES
        for option in section.options
        if option.value in ("y", "n")
        and (variable := lookup(_SCOPES[section.type], option.name)) is not None
        and variable.kind is Kind.BOOLEAN
    ]


def _network(package: UciPackage, network: str) -> list[UciChange]:
    """Where nothing says what to watch, it would be wan anyway, and the page shows it now."""
    named = any(section.get("network").strip() for section in package.of_type("network"))
    device = any(section.get("PCAP_INTF").strip() for section in package.of_type("config"))
    if named or device:
        return []
    sections = package.of_type("network")
    if sections:
        return [SetOption(sections[0].id, "network", network)]
    added = new_section_id(package, "network")
    return [AddSection(added, "network"), SetOption(added, "network", network)]


def _first_client(
    package: UciPackage, fresh_keys: Callable[[], tuple[str, str]]
) -> list[UciChange]:
    """Keys for the first client, where no client has any; made if there is no client at all."""
    clients = package.of_type("access")
    section = clients[0].id if clients else new_section_id(package, "access")
    encryption, hmac = fresh_keys()
    changes: list[UciChange] = [] if clients else [AddSection(section, "access")]
    stored = clients[0] if clients else None
    changes += [DeleteOption(section, name) for name in KEY_NAMES if stored and stored.option(name)]
    wanted = {"name": FIRST_CLIENT, "SOURCE": "ANY"}
    changes += [
        SetOption(section, name, value)
        for name, value in wanted.items()
        if stored is None or not stored.get(name).strip()
    ]
    return [
        *changes,
        SetOption(section, "KEY_BASE64", encryption),
        SetOption(section, "HMAC_KEY_BASE64", hmac),
    ]
