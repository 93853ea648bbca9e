"""The clients as the list shows them: one row per ``access`` section, in file order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fwknop_webui.check import Checked
from fwknop_webui.client_keys import KeySummary, can_rotate, summarise
from fwknop_webui.forms import Field, Widget
from fwknop_webui.i18n import _
from fwknop_webui.i18n import noop as N_
from fwknop_webui.live import ClientLife
from fwknop_webui.old_keys import OldKeys, described, name_of, owners
from fwknop_webui.ports import split
from fwknop_webui.staging import Draft
from fwknopd.config.uci_format import UciPackage, UciSection
from fwknopd.config.variables import Scope

ACCESS = "access"
ENABLED = Field("enabled", "Enabled", Scope.ACCESS, Widget.FLAG)
LOG_ONLY = Field("log_only", "Log only", Scope.ACCESS, Widget.FLAG)
DEFAULT_OPEN_SECONDS = "30"
ROWS_PER_PAGE = 50
STATES = (
    ("enabled", N_("Enabled")),
    ("log-only", N_("Log only")),
    ("disabled", N_("Disabled")),
    ("expired", N_("Expired")),
    ("no-key", N_("No key")),
)


@dataclass(frozen=True, slots=True)
class State:
    """A word and the colour that goes with it; ``name`` is what the list is filtered by."""

    name: str
    text: str
    css: str


@dataclass(frozen=True, slots=True)
class ClientRow:
    """One client. ``last_knock`` is None when none is known.

    ``old_keys``: keys it had before, which still work unless they are over. ``labels``: what the
    daemon calls it, and its old keys.
    """

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
    last_knock: ClientLife | None = None
    old_keys: tuple[OldKeys, ...] = ()
    can_rotate: bool = False
    labels: tuple[str, ...] = ()

    @property
    def searched(self) -> str:
        """What a search looks at, in lower case."""
        seen = (self.label, self.note, self.sources, self.ports, self.state.text, self.keys.text)
        return " ".join(seen).lower()


def client_rows(
    draft: Draft, checked: Checked, now: float, lives: Mapping[str, ClientLife]
) -> list[ClientRow]:
    """All rows. ``lives`` are by the label the daemon uses.

    Old keys are no clients: they stand in the rows of those whose they are.
    """
    changed = {change.section for change in draft.changes}
    expired, owned = _expired(checked, now), owners(draft.package)
    old = {section.id for sections in owned.values() for section in sections}
    return [
        _row(
            (number, section),
            number in expired,
            section.id in changed,
            _Old(tuple(owned.get(name_of(section), ())), now, lives),
        )
        for number, section in enumerate(draft.package.of_type(ACCESS), 1)
        if section.id not in old
    ]


def shown_rows(rows: list[ClientRow], search: str, state: str) -> list[ClientRow]:
    """The rows with all words of ``search``, in this state ("" for any)."""
    words = search.lower().split()
    return [
        row
        for row in rows
        if all(word in row.searched for word in words) and state in ("", row.state.name)
    ]


def page_of(rows: Sequence[ClientRow], section_id: str) -> int:
    """The page of the list a client stands on, from 1; 1 for none."""
    places = (place for place, row in enumerate(rows) if row.section == section_id)
    return next(places, 0) // ROWS_PER_PAGE + 1


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
    place: tuple[int, UciSection],
    expired: bool,
    staged: bool,
    old: _Old,
) -> ClientRow:
    number, section = place
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
        last_knock=old.last_knock(label),
        old_keys=old.described(),
        can_rotate=can_rotate(section),
        labels=old.labels(label),
    )


@dataclass(frozen=True, slots=True)
class _Old:
    """A client's old keys, and what the daemon knows of all clients."""

    sections: tuple[UciSection, ...]
    now: float
    lives: Mapping[str, ClientLife]

    def described(self) -> tuple[OldKeys, ...]:
        return described(self.sections, self.now, self._ended)

    def labels(self, label: str) -> tuple[str, ...]:
        """The client's label, and those of its old keys."""
        return (label, *map(name_of, self.sections))

    def _ended(self, label: str) -> bool:
        return label in self.lives and self.lives[label].ended

    def last_knock(self, label: str) -> ClientLife | None:
        """The client's, or one with its old keys."""
        found = [self.lives[name] for name in self.labels(label) if name in self.lives]
        knocked = [life for life in found if life.last_knock]
        return max(knocked, key=lambda life: life.last_knock, default=None)


def _state(enabled: bool, expired: bool, keys: KeySummary, *, log_only: bool) -> State:
    if not enabled:
        return State("disabled", _("Disabled"), "")
    if not keys.is_usable:
        return State("no-key", _("No key"), "important")
    if expired:
        return State("expired", _("Expired"), "warning")
    if log_only:
        return State("log-only", _("Log only"), "notice")
    return State("enabled", _("Enabled"), "success")
