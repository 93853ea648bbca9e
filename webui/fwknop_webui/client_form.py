"""The form of one client: its fields by tab, from the section and back to changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from fwknop_webui import old_keys, ports
from fwknop_webui.check import check, elsewhere, errors_by_field
from fwknop_webui.client_fields import FIELDS, GPG_PASSPHRASE, OPEN_PORTS, SELDOM, SHOWN, TABS
from fwknop_webui.client_keys import (
    ENCRYPTION_OPTIONS,
    HMAC_OPTIONS,
    KEY_FIELDS,
    KeyKind,
    KeySummary,
    TypedKeys,
    can_rotate,
    kinds,
    summarise,
    type_it_again,
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
from fwknop_webui.rotation import followed
from fwknop_webui.saving import outdated_texts
from fwknop_webui.staging import Draft
from fwknopd.config.problems import Problem
from fwknopd.config.uci_changes import (
    AddSection,
    DeleteOption,
    SetOption,
    UciChange,
    apply,
    new_section_id,
)
from fwknopd.config.uci_format import UciSection


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
    values: Mapping[str, str] = field(repr=False)
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
    def can_rotate(self) -> bool:
        """Whether there are keys that could go on beside new ones."""
        return self.section is not None and can_rotate(self.section)

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
        bound = tuple(map(self._bound, filter(self._is_wanted, fields)))
        faults = sum(1 for item in bound if item.error)
        if name == "keys":
            faults += sum(1 for item in ("key", "hmac_key") if item in self.errors)
        return Tab(name, title, bound, faults)

    def _is_wanted(self, item: Field) -> bool:
        seen = self.values[item.option] or item.option in self.errors
        return bool(item.option not in SELDOM or seen)

    def _bound(self, item: Field) -> BoundField:
        if item.widget is Widget.SECRET:
            kept = bool(self.section and self.section.get(item.option))
            return BoundField(item, "", self.errors.get(item.option, ""), kept)
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


def cloned_form(template: UciSection, label: str) -> ClientForm:
    """The form of a new client with the rules of another one."""
    values = stored_values(FIELDS, template)
    values["name"] = _("{name} (copy)").format(name=label)
    return ClientForm(None, values, values["OPEN_PORTS"])


@dataclass(frozen=True, slots=True)
class TypedClient:
    """A posted client form. ``template``: the client whose rules a new one takes over."""

    values: Mapping[str, str] = field(repr=False)
    keys: TypedKeys
    forgets: bool = False
    """The stored passphrase of the GPG key is to go."""

    template: UciSection | None = field(default=None, repr=False)

    @classmethod
    def from_form(
        cls, form: Mapping[str, str], ticked: Iterable[str], section: UciSection | None
    ) -> TypedClient:
        """Read the fields. ``ticked`` are the services; "do" says which button was pressed."""
        values = typed_values(FIELDS, form)
        stored = section.get("OPEN_PORTS") if section else ""
        values["OPEN_PORTS"] = ports.joined(ticked, values["OPEN_PORTS"], stored)
        keys = TypedKeys.from_form(form, generate=form.get("do") == "generate")
        return cls(values, keys, forgets=bool(form.get(f"{_PASSPHRASE}_forget")))

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
            {**self._unsent, **(errors or {})},
            problems,
            self.keys.no_hmac,
        )

    def name_fault(self, changed: Draft, section: UciSection | None) -> str:
        """What to say when ``changed``, which has it, has another client of this name too."""
        former = old_keys.name_of(section) if section else ""
        return old_keys.name_fault(changed.package, self.values["name"], former)

    @property
    def _unsent(self) -> dict[str, str]:
        again = {_PASSPHRASE: type_it_again()} if self.values[_PASSPHRASE] else {}
        return self.keys.unsent | again

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
            *self._taken_over(section_id),
            *(c for c in self._options(section_id, None) if getattr(c, "option", "") != "SOURCE"),
        ]

    def _taken_over(self, section_id: str) -> list[UciChange]:
        """What no field shows, or none may show."""
        options = self.template.options if self.template else ()
        return [
            SetOption(section_id, option.name, option.value)
            for option in options
            if option.value
            and option.name not in _OWN_OF_EACH
            and not (self.forgets and option.name == _PASSPHRASE)
        ]

    def _options(self, section_id: str, section: UciSection | None) -> list[UciChange]:
        forgotten = [DeleteOption(section_id, _PASSPHRASE)] if self._forgets(section) else []
        return [
            *field_changes(FIELDS, section_id, section, self.values),
            *forgotten,
            *self.keys.changes(section_id, section, gpg=self._knocks_with_gpg(section)),
        ]

    def _forgets(self, section: UciSection | None) -> bool:
        is_there = section is not None and section.option(_PASSPHRASE) is not None
        return self.forgets and is_there and not self.values[_PASSPHRASE]

    def _knocks_with_gpg(self, section: UciSection | None) -> bool:
        stored = section or self.template
        kept = bool(stored and stored.get(_PASSPHRASE)) and not self.forgets
        return bool(kept or self.values[_PASSPHRASE] or self.values["GPG_ALLOW_NO_PW"])


_PASSPHRASE = GPG_PASSPHRASE.option
_OWN_OF_EACH = frozenset(
    {
        *(name for item in FIELDS for name in item.names if item is not GPG_PASSPHRASE),
        *KEY_FIELDS,
        *(old_keys.OWNER, old_keys.FIRST_USE),
    }
)
"""Options a clone does not take over as they are: its fields say them, or nobody may share them."""

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
    if section:
        changed = draft.with_package(followed(draft, changed.package, section))
    found = _findings(changed, section_id, file)
    errors = {KEY_FIELDS.get(o, o): text for o, text in errors_by_field(found, SHOWN).items()}
    errors |= typed.keys.faults(changed.package.section(section_id), found)
    # Sections of the stock configuration have no name and may stay so.
    if not typed.values["name"] and (section is None or section.get("name")):
        errors["name"] = _("Expecting: a name, such as “Anna's phone”.")
    if fault := typed.name_fault(changed, section):
        errors.setdefault("name", fault)
    others = elsewhere(found, SHOWN)
    return changed, typed.as_form(section, errors, others) if errors or others else None


def outdated_form(typed: TypedClient, draft: Draft, section: UciSection, file: str) -> ClientForm:
    """The form again, with what is set now beside all that differs."""
    changed, faulty = judge(typed, draft, section, file)
    shown = faulty or typed.as_form(section)
    return replace(shown, errors={**outdated_texts(draft, changed, section.id), **shown.errors})


def _findings(draft: Draft, section_id: str, file: str) -> tuple[Problem, ...]:
    """What the loader says to the client, checked as if it were enabled.

    The daemon overlooks errors of a disabled client; but whoever types one wants to know.
    """
    section = draft.package.section(section_id)
    hidden = [DeleteOption(section_id, "enabled")] if section and section.option("enabled") else []
    return check(apply(draft.package, hidden), file).of_section(section_id)
