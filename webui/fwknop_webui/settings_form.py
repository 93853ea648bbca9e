"""The settings: one form over the sections ``global``, ``network`` and ``config``.

Several ``config`` sections are possible. Each option is changed where it stands last, as
that is the one that counts; a new one goes into the first section of its type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from fwknop_webui.check import check, elsewhere, errors_by_field
from fwknop_webui.forms import BoundField, Field, Widget, typed_values, unacceptable
from fwknop_webui.i18n import _
from fwknop_webui.i18n import noop as N_
from fwknop_webui.sections import Sections
from fwknop_webui.spa_port import PortOptions, port_fault
from fwknop_webui.staging import Draft
from fwknopd.config.device_names import is_device_name
from fwknopd.config.problems import Problem
from fwknopd.config.uci_changes import UciChange
from fwknopd.config.uci_format import UciPackage
from fwknopd.config.variables import Scope


def _uci(option: str, label: str, widget: Widget = Widget.TEXT, **more: str) -> Field:
    return Field(option, label, Scope.UCI, widget, **more)


def _server(option: str, label: str, widget: Widget = Widget.TEXT, **more: str) -> Field:
    return Field(option, label, Scope.SERVER, widget, **more)


UCI_ENABLED = _uci("uci_enabled", N_("Enable config overwrite"), Widget.FLAG)
SPA_PORT = Field(
    "spa_port",
    N_("SPA port"),
    Scope.UCI,
    Widget.NUMBER,
    text=N_("The UDP port clients send their knock to. Tell it to every client you change it for."),
)
FILTER = _server("PCAP_FILTER", N_("Capture filter"))
UDP_SERVER = _server("ENABLE_UDP_SERVER", N_("Use a UDP socket"), Widget.FLAG)
OPEN_TIME = _uci(
    "fw_access_timeout",
    N_("Default open time"),
    Widget.NUMBER,
    text=N_("How long doors stay open: what is filled in when you add a client."),
    placeholder="30",
    unit=N_("seconds"),
)

_LISTENING = (
    _uci(
        "network",
        N_("Network"),
        suggestions="networks",
        text=N_("Where knocks come in. Left empty: the device below, or wan if there is none."),
    ),
    _server(
        "PCAP_INTF",
        N_("Device"),
        suggestions="devices",
        placeholder=N_("that of the network"),
        text=N_(
            "Only for a device that belongs to no network. Normally leave it empty: "
            "a network's device may change, its name does not."
        ),
    ),
)
_TIME = (
    _server("MAX_SPA_PACKET_AGE", N_("Oldest knock accepted"), Widget.NUMBER),
    _server("WAIT_FOR_CLOCK", N_("Wait for the clock"), Widget.FLAG),
    OPEN_TIME,
)
_FORWARDING = (
    _server("ENABLE_IPT_FORWARDING", N_("Allow forwarding"), Widget.FLAG),
    _server("ENABLE_IPT_LOCAL_NAT", N_("Allow local NAT"), Widget.FLAG),
    _server("ENABLE_NAT_DNS", N_("Host names as targets"), Widget.FLAG),
)
_PORT_OPTIONS = ("PCAP_FILTER", "UDPSERV_PORT")
_NETWORK = re.compile(r"[A-Za-z0-9_]+")
_TYPES = {"uci_enabled": "global", "fw_access_timeout": "global", "network": "network"}


@dataclass(frozen=True, slots=True)
class Group:
    """Fields under one heading."""

    title: str
    fields: tuple[Field, ...]


def groups(options: PortOptions) -> tuple[Group, ...]:
    """The form. A capture filter that is more than a port is shown as it is."""
    where = SPA_PORT if options.is_plain else FILTER
    return (
        Group(N_("Enable Uci/Luci control"), (UCI_ENABLED,)),
        Group(N_("Listening for knocks"), (*_LISTENING, where, UDP_SERVER)),
        Group(N_("Time"), _TIME),
        Group(N_("Forwarding to inside hosts"), _FORWARDING),
    )


def section_type(item: Field) -> str:
    """The type of section an option belongs to."""
    return _TYPES.get(item.option, "config")


def port_options(package: UciPackage) -> PortOptions:
    """What the package says about the port."""
    sections = Sections(package)
    return PortOptions(
        pcap_filter=sections.value("config", "PCAP_FILTER"),
        udp_port=sections.value("config", "UDPSERV_PORT"),
        udp_server=bool(UDP_SERVER.read(sections.holder("config", "ENABLE_UDP_SERVER"))),
    )


def default_open_time(package: UciPackage) -> str:
    """What a new client starts with; "" for the daemon's own default."""
    return Sections(package).value("global", OPEN_TIME.option)


def network(package: UciPackage) -> str:
    """The network that is set, "" for none."""
    return Sections(package).value("network", "network").strip()


def overwrites(package: UciPackage) -> bool:
    """Whether the daemon shall run from these pages instead of the classic files."""
    return any(UCI_ENABLED.read(section) for section in package.of_type("global"))


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

    @property
    def groups(self) -> tuple[BoundGroup, ...]:
        """The fields by heading."""
        return tuple(
            BoundGroup(group.title, tuple(map(self._bound, group.fields)))
            for group in groups(self.options)
        )

    def _bound(self, item: Field) -> BoundField:
        return BoundField(item, self.values[item.option], self.errors.get(item.option, ""))


def _fields(options: PortOptions) -> tuple[Field, ...]:
    return tuple(item for group in groups(options) for item in group.fields)


def stored_form(package: UciPackage) -> SettingsForm:
    """The form as it opens."""
    options, sections = port_options(package), Sections(package)
    values = {
        item.option: item.read(sections.holder(section_type(item), item.option))
        for item in _fields(options)
    }
    if "spa_port" in values:
        values["spa_port"] = str(options.port)
    return SettingsForm(options, values)


def typed_form(form: Mapping[str, str], draft: Draft) -> SettingsForm:
    """The form again, as it was filled in."""
    options = port_options(draft.package)
    return SettingsForm(options, typed_values(_fields(options), form))


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
    return errors


def _changes(
    package: UciPackage,
    options: PortOptions,
    fields: tuple[Field, ...],
    typed: Mapping[str, str],
) -> list[UciChange]:
    sections = Sections(package)
    for item in fields:
        if item is not SPA_PORT:
            sections.change(section_type(item), item, typed[item.option])
    if "spa_port" in typed:
        udp_server = bool(typed["ENABLE_UDP_SERVER"])
        for option, value in options.changes(int(typed["spa_port"]), udp_server):
            sections.change("config", _server(option, option), value)
    return sections.changes


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
