"""The clients as the list shows them: one row per ``access`` section, in file order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fwknop_webui.check import Checked
from fwknop_webui.client_keys import KeySummary, summarise
from fwknop_webui.forms import Field, Widget
from fwknop_webui.i18n import _
from fwknop_webui.ports import split
from fwknop_webui.staging import Draft
from fwknopd.config.uci_format import UciPackage, UciSection
from fwknopd.config.variables import Scope

ACCESS = "access"
ENABLED = Field("enabled", "Enabled", Scope.ACCESS, Widget.FLAG)
LOG_ONLY = Field("log_only", "Log only", Scope.ACCESS, Widget.FLAG)
DEFAULT_OPEN_SECONDS = "30"


@dataclass(frozen=True, slots=True)
class State:
    """A word and the colour that goes with it."""

    text: str
    css: str


@dataclass(frozen=True, slots=True)
class ClientRow:
    """One client. ``last_knock`` is epoch seconds, 0 when none is known."""

    section: str
    number: int
    label: str
    note: str
    state: State
    is_enabled: bool
    sources: str
    ports: str
    open_for: str
    keys: KeySummary
    is_staged: bool
    last_knock: float = 0.0


def client_rows(
    draft: Draft, checked: Checked, now: float, last_knocks: Mapping[str, float]
) -> list[ClientRow]:
    """All rows. ``last_knocks`` are epoch seconds by the label the daemon uses."""
    changed = {change.section for change in draft.changes}
    expired = _expired(checked, now)
    return [
        _row(number, section, number in expired, section.id in changed, last_knocks)
        for number, section in enumerate(draft.package.of_type(ACCESS), 1)
    ]


def find_row(draft: Draft, section_id: str) -> ClientRow | None:
    """The row of one client; None when there is no such section."""
    rows = client_rows(draft, Checked(None, ()), 0.0, {})
    return next((row for row in rows if row.section == section_id), None)


def label_of(section: UciSection, number: int) -> str:
    """What the daemon calls the client in its events: its name, or its number."""
    return section.get("name") or section.name or f"#{number}"


def section_labels(package: UciPackage) -> dict[str, str]:
    """What to call the clients' sections where an id alone would say little."""
    return {
        section.id: f"{section.id} ({label_of(section, number)})"
        for number, section in enumerate(package.of_type(ACCESS), 1)
    }


def _expired(checked: Checked, now: float) -> set[int]:
    stanzas = checked.configuration.stanzas if checked.configuration else ()
    return {
        stanza.number
        for stanza in stanzas
        if stanza.access_expire is not None and stanza.access_expire < now
    }


def _row(
    number: int,
    section: UciSection,
    expired: bool,
    staged: bool,
    last_knocks: Mapping[str, float],
) -> ClientRow:
    label = label_of(section, number)
    keys = summarise(section)
    enabled = bool(ENABLED.read(section))
    return ClientRow(
        section=section.id,
        number=number,
        label=label,
        note=section.get("note"),
        state=_state(enabled, expired, keys, log_only=bool(LOG_ONLY.read(section))),
        is_enabled=enabled,
        sources=section.get("SOURCE") or "ANY",
        ports=", ".join(split(section.get("OPEN_PORTS"))),
        open_for=section.get("FW_ACCESS_TIMEOUT") or DEFAULT_OPEN_SECONDS,
        keys=keys,
        is_staged=staged,
        last_knock=last_knocks.get(label, 0.0),
    )


def _state(enabled: bool, expired: bool, keys: KeySummary, *, log_only: bool) -> State:
    if not enabled:
        return State(_("Disabled"), "")
    if not keys.is_usable:
        return State(_("No key"), "important")
    if expired:
        return State(_("Expired"), "warning")
    return State(_("Log only"), "notice") if log_only else State(_("Enabled"), "success")
