"""Clients as access.conf text: for people to look at, and to take elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from fwknopd.config.stanza_commands import COMMAND_FIELDS
from fwknopd.config.uci_config import DROPPED_OPTIONS
from fwknopd.config.uci_format import encode_text
from fwknopd.config.uci_model import UciSection
from fwknopd.config.variable import Kind, Scope
from fwknopd.config.variables import is_secret, lookup
from fwknopd.keys import encode_key_base64
from fwknopd.policy.stanza import Network, Stanza
from fwknopd.spa.mode import EncryptionMode
from fwknopd.spa.request import PortSpec

MASK = "<hidden>"
_COLUMN = 27
_UNWRITABLE = re.compile(r"[;\x00-\x1f\x7f]")

Pairs = Sequence[tuple[str, str]]


def format_access_conf(stanzas: Iterable[Pairs], show_keys: bool = False) -> str:
    """Stanzas of (name, value) pairs as a file fwknopd can read; keys are masked unless asked for.

    A pair with an empty name is a comment.
    """
    return "\n".join("".join(_lines(pairs, show_keys)) for pairs in stanzas)


def _lines(pairs: Pairs, show_keys: bool) -> Iterator[str]:
    for name, value in pairs:
        if not name:
            yield f"# {_UNWRITABLE.sub(' ', value)}\n"
        elif is_secret(name) and not show_keys:
            yield f"{name:<{_COLUMN}}{MASK}\n"
        elif _UNWRITABLE.search(value):
            yield f"# {name} is left out: access.conf can't hold its value\n"
        else:
            yield f"{name:<{_COLUMN}}{value}\n"


def stanza_pairs(stanza: Stanza) -> list[tuple[str, str]]:
    """A client as the daemon understands it, with every value in its canonical form."""
    pairs = [("", stanza.name)] if stanza.name else []
    if not stanza.enabled:
        pairs.append(("", "switched off"))
    pairs.append(("SOURCE", _networks(stanza.sources)))
    if stanza.destinations is not None:
        pairs.append(("DESTINATION", _networks(stanza.destinations)))
    pairs += _key_pairs(stanza)
    pairs += _port_pairs(stanza)
    pairs.append(("FW_ACCESS_TIMEOUT", str(stanza.fw_access_timeout)))
    pairs.append(("MAX_FW_TIMEOUT", str(stanza.max_fw_timeout)))
    pairs += _rule_pairs(stanza)
    return pairs


def _networks(networks: tuple[Network, ...] | None) -> str:
    return "ANY" if networks is None else ", ".join(_network(network) for network in networks)


def _network(network: Network) -> str:
    whole = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if whole else str(network)


def _key_pairs(stanza: Stanza) -> Iterator[tuple[str, str]]:
    keys = stanza.keys
    yield "KEY_BASE64", encode_key_base64(keys.encryption_key or b"")
    if keys.hmac_key:
        yield "HMAC_KEY_BASE64", encode_key_base64(keys.hmac_key)
        yield "HMAC_DIGEST_TYPE", keys.hmac_type.value
    if keys.mode is not EncryptionMode.CBC:
        yield "ENCRYPTION_MODE", keys.mode.value


def _port_pairs(stanza: Stanza) -> Iterator[tuple[str, str]]:
    if stanza.open_ports is not None:
        yield "OPEN_PORTS", _ports(stanza.open_ports)
    if stanza.restrict_ports:
        yield "RESTRICT_PORTS", _ports(stanza.restrict_ports)


def _ports(ports: frozenset[PortSpec]) -> str:
    return ", ".join(str(port) for port in sorted(ports))


def _rule_pairs(stanza: Stanza) -> Iterator[tuple[str, str]]:
    if stanza.require_username is not None:
        yield "REQUIRE_USERNAME", stanza.require_username
    if stanza.require_source_address:
        yield "REQUIRE_SOURCE_ADDRESS", "Y"
    yield from _command_pairs(stanza)
    if stanza.force_nat is not None:
        yield "FORCE_NAT", f"{stanza.force_nat.address} {stanza.force_nat.port}"
    if stanza.disable_dnat:
        yield "DISABLE_DNAT", "Y"
    if stanza.access_expire is not None:
        yield "", f"refused from {datetime.fromtimestamp(stanza.access_expire, UTC)} on"
        yield "ACCESS_EXPIRE_EPOCH", str(stanza.access_expire)


def _command_pairs(stanza: Stanza) -> Iterator[tuple[str, str]]:
    for name, field in COMMAND_FIELDS.items():
        value = getattr(stanza, field)
        if isinstance(value, tuple):
            yield "", f"{name}: {'; '.join(value)}"
        elif value:
            yield name, "Y" if value is True else str(value)


def section_pairs(section: UciSection) -> list[tuple[str, str]]:
    """A UCI ``access`` section word for word, SOURCE first, our own options as comments.

    Nothing is lost but lines no access.conf can hold; passphrases it can't hold as text
    become base64.
    """
    pairs = [
        _section_pair(option.name, ", ".join(option.items))
        for option in section.options
        if option.name not in DROPPED_OPTIONS
    ]
    return sorted(pairs, key=_rank)


def _rank(pair: tuple[str, str]) -> int:
    """Comments, then SOURCE, then the rest; sorting keeps their order otherwise."""
    return 0 if not pair[0] else 1 if pair[0] == "SOURCE" else 2


def _section_pair(name: str, value: str) -> tuple[str, str]:
    variable = lookup(Scope.ACCESS, name)
    if variable is not None and variable.uci_only:
        return "", f"{name}: {value}"
    is_text_key = variable is not None and variable.kind is Kind.KEY_TEXT
    if is_text_key and _UNWRITABLE.search(value):
        return f"{name}_BASE64", encode_key_base64(encode_text(value.strip()))
    return name, value
