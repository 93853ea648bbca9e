"""The settings: one form over the sections ``global``, ``network`` and ``config``.

Several sections of a type are possible. Each option is changed where it stands last, as
that is the one that counts, and cleared everywhere; a new one goes into the first section.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from fwknop_webui.check import check, elsewhere, errors_by_field
from fwknop_webui.forms import BoundField, Field, typed_values, unacceptable
from fwknop_webui.i18n import _
from fwknop_webui.saving import outdated_texts
from fwknop_webui.sections import Sections
from fwknop_webui.settings_fields import (
    LONGEST_TIME,
    OPEN_TIME,
    SPA_PORT,
    UCI_ENABLED,
    UDP_SERVER,
    groups,
    section_type,
    server_field,
)
from fwknop_webui.spa_port import PortOptions, port_fault
from fwknop_webui.staging import Draft
from fwknop_webui.web_settings import web_faults
from fwknopd.config.device_names import is_device_name
from fwknopd.config.problems import Problem
from fwknopd.config.uci_changes import UciChange
from fwknopd.config.uci_config import DEFAULT_NETWORK
from fwknopd.config.uci_format import UciPackage
from fwknopd.config.variables import Scope, lookup

_PORT_OPTIONS = ("PCAP_FILTER", "UDPSERV_PORT")
_NETWORK = re.compile(r"[A-Za-z0-9_]+")
_DEFAULT_TIMES = {"FW_ACCESS_TIMEOUT": OPEN_TIME, "MAX_FW_TIMEOUT": LONGEST_TIME}


def port_options(package: UciPackage) -> PortOptions:
    """What the package says about the port."""
    sections = Sections(package)
    return PortOptions(
        pcap_filter=sections.value("config", "PCAP_FILTER"),
        udp_port=sections.value("config", "UDPSERV_PORT"),
        udp_server=bool(UDP_SERVER.read(sections.holder("config", "ENABLE_UDP_SERVER"))),
    )


def default_times(package: UciPackage) -> dict[str, str]:
    """What a new client starts with, by option; "" for the daemon's own default."""
    sections = Sections(package)
    return {name: sections.value("global", item.option) for name, item in _DEFAULT_TIMES.items()}


def networks(package: UciPackage) -> list[str]:
    """The networks that are set."""
    return Sections(package).value("network", "network").split()


def listening_devices(package: UciPackage, known: Mapping[str, str]) -> list[str]:
    """The devices knocks come in on, those of a WAN first. ``known``: devices by network."""
    wanted = networks(package)
    if not wanted and (device := Sections(package).value("config", "PCAP_INTF")):
        return device.replace(",", " ").split()
    wanted = sorted(wanted or [DEFAULT_NETWORK], key=lambda name: not name.startswith("wan"))
    return list(dict.fromkeys(known[name] for name in wanted if known.get(name)))


def joined_networks(ticked: Iterable[str], typed: str, package: UciPackage) -> str:
    """One text of both; as it is stored when that says the same."""
    # Only blanks part them: control characters are for the checks behind this.
    wanted = list(dict.fromkeys((*ticked, *filter(None, typed.split(" ")))))
    stored = Sections(package).value("network", "network")
    return stored if set(wanted) == set(stored.split()) else " ".join(wanted)


def overwrites(package: UciPackage) -> bool:
    """Whether the daemon shall run from these pages instead of the classic files."""
    return any(UCI_ENABLED.read(section) for section in package.of_type("global"))


def switched_on(draft: Draft) -> Draft:
    """The draft with "Enable config overwrite" ticked."""
    sections = Sections(draft.package)
    _switch(sections, draft.package, "1")
    return draft.with_changes(sections.changes)


@dataclass(frozen=True, slots=True)
class BoundGroup:
    """A heading and its fields, ready to draw."""

    title: str
    fields: tuple[BoundField, ...]


@dataclass(frozen=True, slots=True)
class SettingsForm:
    """What the page shows."""

    options: PortOptions
    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    placeholders: Mapping[str, str] = field(default_factory=dict)
    """What stands in grey in fields whose default is another one here."""

    @property
    def groups(self) -> tuple[BoundGroup, ...]:
        """The fields by heading."""
        return tuple(
            BoundGroup(group.title, tuple(map(self._bound, group.fields)))
            for group in groups(self.options)
        )

    def _bound(self, item: Field) -> BoundField:
        shown = replace(item, placeholder=self.placeholders.get(item.option, item.placeholder))
        return BoundField(shown, self.values[item.option], self.errors.get(item.option, ""))


def _fields(options: PortOptions) -> tuple[Field, ...]:
    return tuple(item for group in groups(options) for item in group.fields)


def stored_form(package: UciPackage) -> SettingsForm:
    """The form as it opens."""
    options, sections = port_options(package), Sections(package)
    values = {
        item.option: item.read(sections.holder(section_type(item), item.option))
        for item in _fields(options)
    }
    values["uci_enabled"] = "1" if overwrites(package) else ""
    if "spa_port" in values:
        values["spa_port"] = str(options.port)
    return SettingsForm(options, values)


def outdated_form(form: Mapping[str, str], draft: Draft, file: str) -> SettingsForm:
    """The form again, with what is set now beside all that differs."""
    changed, faulty = judge(form, draft, file)
    options = port_options(draft.package)
    values = typed_values(_fields(options), form)
    shown = faulty or SettingsForm(options, values)
    texts = _renamed(outdated_texts(draft, changed), options)
    return replace(shown, errors={**texts, **shown.errors})


def judge(form: Mapping[str, str], draft: Draft, file: str) -> tuple[Draft, SettingsForm | None]:
    """The draft with what was typed, and the form with its errors when that is no good."""
    options = port_options(draft.package)
    fields = _fields(options)
    typed = typed_values(fields, form)
    errors = _faults(typed)
    if errors:
        return draft, SettingsForm(options, typed, errors)
    changed = draft.with_changes(_changes(draft.package, options, fields, typed))
    errors, others = _findings(changed, file, options)
    faulty = SettingsForm(options, typed, errors, others) if errors or others else None
    return changed, faulty


def _faults(typed: Mapping[str, str]) -> dict[str, str]:
    """What is wrong already before the loader sees it."""
    errors = unacceptable(typed)
    if "spa_port" in typed and (fault := port_fault(typed["spa_port"])):
        errors["spa_port"] = fault
    if not all(map(is_device_name, typed["PCAP_INTF"].replace(",", " ").split())):
        errors.setdefault("PCAP_INTF", _("Expecting: a device name, such as eth0."))
    if not all(map(_NETWORK.fullmatch, typed["network"].split())):
        errors.setdefault("network", _("Expecting: a network's name, such as wan."))
    errors = {**web_faults(typed), **errors}
    for name, item in _DEFAULT_TIMES.items():
        if not _is_time(name, typed[item.option]):
            errors.setdefault(item.option, _("Expecting: a whole number of seconds, such as 30."))
    return errors


def field_fault(option: str, typed: str) -> str:
    """What is wrong with this field, whatever stands in the others; "" for nothing."""
    others = ("PCAP_INTF", "network", *(item.option for item in _DEFAULT_TIMES.values()))
    return _faults({**dict.fromkeys(others, ""), option: typed}).get(option, "")


def _is_time(option: str, typed: str) -> bool:
    """Whether a client could have it. The length first: int() refuses thousands of digits."""
    if not typed:
        return True
    variable = lookup(Scope.ACCESS, option)
    most = variable.maximum if variable else None
    is_short = typed.isascii() and typed.isdigit() and len(typed) <= 10
    return is_short and (most is None or int(typed) <= most)


def _changes(
    package: UciPackage,
    options: PortOptions,
    fields: tuple[Field, ...],
    typed: Mapping[str, str],
) -> list[UciChange]:
    sections = Sections(package)
    for item in fields:
        if item is UCI_ENABLED:
            _switch(sections, package, typed[item.option])
        elif item is not SPA_PORT:
            sections.change(section_type(item), item, typed[item.option])
    if "spa_port" in typed:
        udp_server = bool(typed["ENABLE_UDP_SERVER"])
        for option, value in options.changes(int(typed["spa_port"]), udp_server):
            sections.change("config", server_field(option, option), value)
    return sections.changes


def _switch(sections: Sections, package: UciPackage, typed: str) -> None:
    """Any section may switch it on, so all have to agree that it is off."""
    if bool(typed) == overwrites(package):
        return
    if typed:
        sections.change("global", UCI_ENABLED, typed)
    else:
        sections.clear("global", UCI_ENABLED)


def _findings(
    draft: Draft, file: str, options: PortOptions
) -> tuple[dict[str, str], tuple[Problem, ...]]:
    """Errors beside fields, and those of the same sections that have no field here."""
    own = {s.id for s in draft.package.sections if s.type != "access"}
    found = [p for p in check(draft.package, file).errors if p.section in own]
    names = {item.option for item in _fields(options)}
    shown = {*names, *_PORT_OPTIONS} if options.is_plain else names
    errors = errors_by_field(found, shown)
    return _renamed(errors, options), elsewhere(found, shown)


def _renamed(texts: Mapping[str, str], options: PortOptions) -> dict[str, str]:
    """Texts about options, by field: one field holds all that is about the port."""
    return {
        "spa_port" if option in _PORT_OPTIONS and options.is_plain else option: text
        for option, text in texts.items()
    }


def by_field(texts: Mapping[str, str], form: SettingsForm) -> dict[str, str]:
    """Texts about options, by the field of this form."""
    return _renamed(texts, form.options)
