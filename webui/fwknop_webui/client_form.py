"""The form of one client: its fields by tab, from the section and back to changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fwknop_webui import ports
from fwknop_webui.check import check, elsewhere, errors_by_field
from fwknop_webui.client_keys import (
    ENCRYPTION_OPTIONS,
    HMAC_OPTIONS,
    KEY_FIELDS,
    KeyKind,
    KeySummary,
    TypedKeys,
    kinds,
    summarise,
)
from fwknop_webui.client_rows import ACCESS
from fwknop_webui.forms import (
    BoundField,
    Field,
    Widget,
    field_changes,
    stored_values,
    typed_values,
    unacceptable,
)
from fwknop_webui.i18n import _
from fwknop_webui.i18n import noop as N_
from fwknop_webui.staging import Draft
from fwknopd.config.problems import Problem
from fwknopd.config.uci_changes import (
    AddSection,
    DeleteOption,
    UciChange,
    apply,
    new_section_id,
)
from fwknopd.config.uci_format import UciSection
from fwknopd.config.variables import Scope


def _field(option: str, label: str, widget: Widget = Widget.TEXT, **more: str) -> Field:
    return Field(option, label, Scope.ACCESS, widget, **more)


OPEN_PORTS = _field(
    "OPEN_PORTS",
    N_("May open"),
    text=N_("Ports as protocol/number, with commas between. Nothing at all: any port it asks for."),
    placeholder="tcp/8080, udp/53",
)

TABS: tuple[tuple[str, str, tuple[Field, ...]], ...] = (
    (
        "general",
        N_("General"),
        (
            _field("name", N_("Name")),
            _field("enabled", N_("Enabled"), Widget.FLAG),
            OPEN_PORTS,
            _field("FW_ACCESS_TIMEOUT", N_("Open for"), Widget.NUMBER),
            _field("log_only", N_("Log only"), Widget.FLAG),
            _field("note", N_("Note")),
        ),
    ),
    (
        "network",
        N_("Network"),
        (
            _field("SOURCE", N_("May knock from")),
            _field("REQUIRE_SOURCE_ADDRESS", N_("Knock must name its address"), Widget.FLAG),
            _field("REQUIRE_USERNAME", N_("Required user name")),
            _field("DESTINATION", N_("Knock must be sent to")),
            _field("RESTRICT_PORTS", N_("May never open")),
            _field("grant_source", N_("Let in the knock's source, too"), Widget.FLAG),
            _field("widen_ipv4", N_("Widen IPv4 to prefix"), Widget.NUMBER),
            _field("widen_ipv6", N_("Widen IPv6 to prefix"), Widget.NUMBER),
        ),
    ),
    (
        "forwarding",
        N_("Forwarding"),
        (
            _field("nat_targets", N_("May be led to")),
            _field(
                "FORCE_NAT",
                N_("Always lead to"),
                text=N_("An address, a blank and a port, such as 192.168.1.10 22."),
            ),
            _field("FORWARD_ALL", N_("Forward everything"), Widget.FLAG),
            _field("DISABLE_DNAT", N_("Keep the destination address"), Widget.FLAG),
            _field("FORCE_MASQUERADE", N_("Appear as this router"), Widget.FLAG),
            _field("FORCE_SNAT", N_("Appear as this address")),
        ),
    ),
    (
        "time",
        N_("Time"),
        (
            _field("MAX_FW_TIMEOUT", N_("Longest time on request"), Widget.NUMBER),
            _field("cut_at_expiry", N_("Cut connections at the end"), Widget.FLAG),
            _field(
                "ACCESS_EXPIRE",
                N_("Access ends on"),
                Widget.DATE,
                text=N_("From the first minute of this day on the client is refused."),
            ),
            _field("allowed_hours", N_("Hours"), placeholder="08:00-18:00"),
            _field("allowed_days", N_("Days"), placeholder="mon tue wed thu fri"),
        ),
    ),
    (
        "keys",
        N_("Keys"),
        (
            _field("HMAC_DIGEST_TYPE", N_("HMAC type"), Widget.SELECT),
            _field("ENCRYPTION_MODE", N_("Encryption mode"), Widget.SELECT),
        ),
    ),
    (
        "commands",
        N_("Commands"),
        (
            _field("ENABLE_CMD_EXEC", N_("May run commands"), Widget.FLAG),
            _field("allowed_commands", N_("Only these commands")),
            _field("CMD_EXEC_USER", N_("Run as user")),
            _field("CMD_EXEC_GROUP", N_("Run with group")),
            _field("ENABLE_CMD_SUDO_EXEC", N_("Run through sudo"), Widget.FLAG),
            _field("CMD_SUDO_EXEC_USER", N_("sudo's user")),
            _field("CMD_SUDO_EXEC_GROUP", N_("sudo's group")),
            _field("CMD_CYCLE_OPEN", N_("Run instead of opening")),
            _field("CMD_CYCLE_CLOSE", N_("Run instead of closing")),
            _field("CMD_CYCLE_TIMER", N_("Time between the two"), Widget.NUMBER),
        ),
    ),
)
FIELDS = tuple(item for _name, _title, fields in TABS for item in fields)
SHOWN = frozenset((*(item.option for item in FIELDS), *KEY_FIELDS))


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab with its fields; ``faults`` is how many of them need a look."""

    name: str
    title: str
    fields: tuple[BoundField, ...]
    faults: int


@dataclass(frozen=True, slots=True)
class ClientForm:
    """What the page shows: values, errors, and what may be said of the keys.

    ``section`` is None for a client that is being added.
    """

    section: UciSection | None
    values: Mapping[str, str]
    typed_ports: str
    errors: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    no_hmac: bool = False

    @property
    def is_new(self) -> bool:
        """Whether saving adds a client."""
        return self.section is None

    @property
    def section_id(self) -> str:
        """The section's id, "" for a new client."""
        return self.section.id if self.section else ""

    @property
    def heading(self) -> str:
        """The name, or what the page is for."""
        if self.section is None:
            return _("Add client")
        return self.section.get("name") or _("Client without a name")

    @property
    def services(self) -> tuple[ports.Service, ...]:
        """The common services to tick."""
        return ports.services(self.typed_ports)

    @property
    def keys(self) -> KeySummary:
        """What may be said of the stored keys."""
        return summarise(self.section)

    @property
    def key_kinds(self) -> tuple[KeyKind, ...]:
        """Ways of writing the encryption key."""
        return kinds(self.section, ENCRYPTION_OPTIONS)

    @property
    def hmac_kinds(self) -> tuple[KeyKind, ...]:
        """Ways of writing the HMAC key."""
        return kinds(self.section, HMAC_OPTIONS)

    @property
    def tabs(self) -> tuple[Tab, ...]:
        """The tabs."""
        return tuple(self._tab(name, title, fields) for name, title, fields in TABS)

    def _tab(self, name: str, title: str, fields: tuple[Field, ...]) -> Tab:
        bound = tuple(self._bound(item) for item in fields)
        faults = sum(1 for item in bound if item.error)
        if name == "keys":
            faults += sum(1 for item in ("key", "hmac_key") if item in self.errors)
        return Tab(name, title, bound, faults)

    def _bound(self, item: Field) -> BoundField:
        value = ports.others(self.typed_ports) if item is OPEN_PORTS else self.values[item.option]
        return BoundField(item, value, self.errors.get(item.option, ""))


def stored_form(
    section: UciSection | None, defaults: Mapping[str, str] | None = None
) -> ClientForm:
    """The form as it opens; ``defaults`` are what a new client starts with, by option."""
    values = stored_values(FIELDS, section)
    if section:
        return ClientForm(section, values, values["OPEN_PORTS"])
    return ClientForm(None, {**values, **(defaults or {})}, ports.FOR_NEW_CLIENTS)


@dataclass(frozen=True, slots=True)
class TypedClient:
    """A posted client form."""

    values: Mapping[str, str]
    keys: TypedKeys

    @classmethod
    def from_form(
        cls, form: Mapping[str, str], ticked: Iterable[str], section: UciSection | None
    ) -> TypedClient:
        """Read the fields. ``ticked`` are the services; "do" says which button was pressed."""
        values = typed_values(FIELDS, form)
        stored = section.get("OPEN_PORTS") if section else ""
        values["OPEN_PORTS"] = ports.joined(ticked, values["OPEN_PORTS"], stored)
        return cls(values, TypedKeys.from_form(form, generate=form.get("do") == "generate"))

    def as_form(
        self,
        section: UciSection | None,
        errors: Mapping[str, str] | None = None,
        problems: tuple[Problem, ...] = (),
    ) -> ClientForm:
        """The form again, as it was filled in, but without the keys."""
        typed_ports = self.values["OPEN_PORTS"]
        return ClientForm(
            section,
            self.values,
            typed_ports,
            {**self.keys.unsent, **(errors or {})},
            problems,
            self.keys.no_hmac,
        )

    def changes(self, draft: Draft, section: UciSection | None) -> tuple[str, list[UciChange]]:
        """The section's id and what to change in it; a new section gets SOURCE first."""
        if section:
            return section.id, self._options(section.id, section)
        section_id = new_section_id(draft.package, ACCESS)
        # The stock init script starts a stanza at SOURCE, so each needs one.
        values = {**self.values, "SOURCE": self.values["SOURCE"] or "ANY"}
        changes = field_changes((_SOURCE,), section_id, None, values)
        return section_id, [
            AddSection(section_id, ACCESS),
            *changes,
            *(c for c in self._options(section_id, None) if getattr(c, "option", "") != "SOURCE"),
        ]

    def _options(self, section_id: str, section: UciSection | None) -> list[UciChange]:
        return [
            *field_changes(FIELDS, section_id, section, self.values),
            *self.keys.changes(section_id, section),
        ]


_SOURCE = next(item for item in FIELDS if item.option == "SOURCE")


def judge(
    typed: TypedClient, draft: Draft, section: UciSection | None, file: str
) -> tuple[Draft, ClientForm | None]:
    """The draft with what was typed, and the form with its errors when that is no good."""
    errors = unacceptable({**typed.values, **typed.keys.texts})
    if errors:
        return draft, typed.as_form(section, errors)
    section_id, changes = typed.changes(draft, section)
    changed = draft.with_changes(changes)
    found = _findings(changed, section_id, file)
    errors = {KEY_FIELDS.get(o, o): text for o, text in errors_by_field(found, SHOWN).items()}
    errors |= typed.keys.faults(changed.package.section(section_id), found)
    # Sections of the stock configuration have no name and may stay so.
    if not typed.values["name"] and (section is None or section.get("name")):
        errors["name"] = _("Expecting: a name, such as “Anna's phone”.")
    others = elsewhere(found, SHOWN)
    return changed, typed.as_form(section, errors, others) if errors or others else None


def _findings(draft: Draft, section_id: str, file: str) -> tuple[Problem, ...]:
    """What the loader says to the client, checked as if it were enabled.

    The daemon overlooks errors of a disabled client; but whoever types one wants to know.
    """
    section = draft.package.section(section_id)
    hidden = [DeleteOption(section_id, "enabled")] if section and section.option("enabled") else []
    return check(apply(draft.package, hidden), file).of_section(section_id)
