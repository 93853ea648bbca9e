"""The stanzas of access.conf with their QR codes, as the stock page shows them."""

from __future__ import annotations

from dataclasses import dataclass, field

from fwknop_webui import qr
from fwknop_webui.client_keys import key_fields, summarise
from fwknop_webui.i18n import _
from fwknopd.config.classic_parts import ClassicParts, FoundStanza
from fwknopd.key_handing import KeyFields, android_fields, qr_payload, qr_problems

PER_PAGE = 4
"""Codes on one page, each some 3 kB."""


@dataclass(frozen=True, slots=True)
class ShownStanza:
    """One stanza, read-only. ``picture`` is None when there is no code; ``trouble`` says why.

    ``converted``: options whose keys the code holds in another way of writing than the file.
    """

    label: str
    found: FoundStanza
    picture: qr.QrPicture | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()
    trouble: str = ""
    converted: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """SOURCE."""
        return self.found.section.get("SOURCE")

    @property
    def destination(self) -> str:
        """DESTINATION, "" where there is none."""
        return self.found.section.get("DESTINATION")


@dataclass(frozen=True, slots=True)
class CodePage:
    """Some of the stanzas. Pages are counted from 1."""

    stanzas: tuple[ShownStanza, ...]
    number: int
    count: int
    total: int


def code_page(parts: ClassicParts, number: int) -> CodePage:
    """The page of that number, or the nearest there is."""
    count = max(1, -(-len(parts.stanzas) // PER_PAGE))
    number = min(max(1, number), count)
    chosen = parts.stanzas[(number - 1) * PER_PAGE : number * PER_PAGE]
    return CodePage(tuple(map(_shown, chosen)), number, count, len(parts.stanzas))


def _shown(found: FoundStanza) -> ShownStanza:
    label = found.name or _("Stanza {n}").format(n=found.number)
    if not summarise(found.section).is_usable:
        return ShownStanza(label, found, trouble=_("There is no key a phone could scan."))
    try:
        fields, converted = android_fields(key_fields(found.section))
        picture = qr.draw(qr_payload(fields))
    except (qr.QrTooLong, ValueError):
        return ShownStanza(label, found, trouble=_("The keys don't fit into a QR code."))
    return ShownStanza(label, found, picture, _warnings(found, fields), converted=converted)


def _warnings(found: FoundStanza, fields: KeyFields) -> tuple[str, ...]:
    if found.stanza is None:
        return qr_problems(fields)
    return qr_problems(fields, found.stanza.keys.hmac_type, found.stanza.keys.mode)
