"""A table of clients beside those that are there: what each row comes to. Pure but for new keys."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from fwknopd.config.stanza_keys import ENCRYPTION_NAMES, HMAC_NAMES, KEY_NAMES
from fwknopd.config.uci_model import UciSection, UciValue
from fwknopd.config.variables import is_secret
from fwknopd.config.wanted import Wanted, WantedClient
from fwknopd.config.wanted_csv import Row
from fwknopd.keys import encode_key_base64, generate_encryption_key, generate_hmac_key
from fwknopd.spa.digest import DigestType

GPG_KEY = "GPG_DECRYPT_ID"
STATE = ("name", "enabled")


@dataclass(frozen=True, slots=True)
class Beside:
    """A row, and the client of that name if there is one."""

    row: Row
    section: UciSection | None


def wanted_of(found: Sequence[Beside]) -> Wanted:
    """What the rows say. Whoever is revoked stays so."""
    return Wanted(clients=tuple(_completed(item.row, item.section) for item in found))


def _completed(row: Row, section: UciSection | None) -> WantedClient:
    """With the options the table has no column for, and fresh keys where there are none."""
    client = row.client
    emptied = {"note": ""} if "note" in row.columns else {}
    options = {**_untold(section, row.columns), **emptied, **(client.options or {})}
    keys = {**_missing_keys(client, section), **client.keys}
    return replace(client, options=options, keys=keys)


def _untold(section: UciSection | None, columns: frozenset[str]) -> dict[str, UciValue]:
    """Options of which the table says nothing, not even by an empty cell."""
    return {
        option.name: option.value
        for option in (section.options if section else ())
        if not (option.name in columns or option.name in STATE or is_secret(option.name))
    }


def _missing_keys(client: WantedClient, section: UciSection | None) -> dict[str, str]:
    """A key of each kind that is missing. Who can knock as he is keeps what he has."""
    if section is not None and any(map(section.get, (*KEY_NAMES, GPG_KEY))):
        return {}
    rules = client.options or {}
    kinds = (HMAC_NAMES,) if GPG_KEY in rules else (ENCRYPTION_NAMES, HMAC_NAMES)
    missing = [names[0] for names in kinds if not client.keys.keys() & set(names)]
    kind = str(rules.get("HMAC_DIGEST_TYPE", "")).lower()
    # A type that nobody knows is refused with everything else that the daemon would refuse.
    return fresh_keys(missing, DigestType(kind) if kind in set(DigestType) else DigestType.SHA256)


def fresh_keys(used: Collection[str], hmac_type: DigestType) -> dict[str, str]:
    """A key for each there is: who knocks with GPG has none but the HMAC key."""
    keys = {}
    if set(used) & set(ENCRYPTION_NAMES):
        keys["KEY_BASE64"] = encode_key_base64(generate_encryption_key())
    if set(used) & set(HMAC_NAMES):
        keys["HMAC_KEY_BASE64"] = encode_key_base64(generate_hmac_key(hmac_type))
    return keys
