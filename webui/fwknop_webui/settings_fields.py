"""The fields of the page Settings, by heading, and the sections their options belong to."""

from __future__ import annotations

from dataclasses import dataclass

from fwknop_webui.forms import Field, Widget
from fwknop_webui.i18n import noop as N_
from fwknop_webui.spa_port import PortOptions
from fwknopd.config.uci_config import enables
from fwknopd.config.variables import Scope


def _uci(option: str, label: str, widget: Widget = Widget.TEXT, **more: str) -> Field:
    return Field(option, label, Scope.UCI, widget, **more)


def server_field(option: str, label: str, widget: Widget = Widget.TEXT, **more: str) -> Field:
    """A variable of the daemon."""
    return Field(option, label, Scope.SERVER, widget, **more)


class _Overwrite(Field):
    """The one switch that an init script reads, too: it knows fewer ways to say on."""

    __slots__ = ()

    def _is_on(self, stored: str) -> bool:
        return enables(stored)


UCI_ENABLED = _Overwrite("uci_enabled", N_("Enable config overwrite"), Scope.UCI, Widget.FLAG)
SPA_PORT = Field(
    "spa_port",
    N_("SPA port"),
    Scope.UCI,
    Widget.NUMBER,
    text=N_("The UDP port clients send their knock to. Tell it to every client you change it for."),
)
FILTER = server_field("PCAP_FILTER", N_("Capture filter"))
UDP_SERVER = server_field("ENABLE_UDP_SERVER", N_("Use a UDP socket"), Widget.FLAG)
OPEN_TIME = _uci(
    "fw_access_timeout",
    N_("Default open time"),
    Widget.NUMBER,
    text=N_("How long doors stay open: what is filled in when you add a client."),
    placeholder="30",
    unit=N_("seconds"),
)
LONGEST_TIME = _uci(
    "max_fw_timeout",
    N_("Longest time on request"),
    Widget.NUMBER,
    text=N_("How long a client may ask for: what is filled in when you add one."),
    placeholder="300",
    unit=N_("seconds"),
)

_LISTENING = (
    _uci(
        "network",
        N_("Network"),
        suggestions="networks",
        text=N_("Where knocks come in. Left empty: the device below, or wan if there is none."),
    ),
    server_field(
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
_OTHER_WAYS = (
    server_field("ENABLE_TCP_SERVER", N_("Listen on a TCP port"), Widget.FLAG),
    server_field(
        "TCPSERV_PORT",
        N_("TCP port"),
        Widget.NUMBER,
        placeholder="62201",
        needs="ENABLE_TCP_SERVER",
    ),
    server_field("ENABLE_SPA_OVER_HTTP", N_("Accept web knocks"), Widget.FLAG),
    server_field(
        "ALLOW_ANY_USER_AGENT",
        N_("From any web client"),
        Widget.FLAG,
        needs="ENABLE_SPA_OVER_HTTP",
    ),
    server_field(
        "ENABLE_X_FORWARDED_FOR",
        N_("Believe a reverse proxy"),
        Widget.FLAG,
        needs="ENABLE_SPA_OVER_HTTP",
    ),
)
_CHECKS = (
    server_field("MAX_SPA_PACKET_AGE", N_("Oldest knock accepted"), Widget.NUMBER),
    server_field("WAIT_FOR_CLOCK", N_("Wait for the clock"), Widget.FLAG),
    server_field("ENABLE_DIGEST_PERSISTENCE", N_("Remember used knocks"), Widget.FLAG),
)
_NEW_CLIENTS = (OPEN_TIME, LONGEST_TIME)
_FIREWALL = (server_field("firewall", N_("Firewall"), Widget.SELECT),)
_GPG = (
    server_field("GPG_HOME_DIR", N_("Folder of the key ring")),
    server_field("GPG_EXE", N_("The gpg program")),
)
_FORWARDING = (
    server_field("ENABLE_IPT_FORWARDING", N_("Allow forwarding"), Widget.FLAG),
    server_field("ENABLE_IPT_LOCAL_NAT", N_("Allow local NAT"), Widget.FLAG),
    server_field("ENABLE_NAT_DNS", N_("Host names as targets"), Widget.FLAG),
)
_PAGE = (
    _uci("session_idle", N_("Log out when idle for"), Widget.NUMBER),
    _uci("session_length", N_("Log out at the latest after"), Widget.NUMBER),
    _uci("listen", N_("Listen on")),
)
_TYPES = {
    **dict.fromkeys((item.option for item in _PAGE), "global"),
    "uci_enabled": "global",
    "fw_access_timeout": "global",
    "max_fw_timeout": "global",
    "network": "network",
}


@dataclass(frozen=True, slots=True)
class Group:
    """Fields under one heading."""

    title: str
    fields: tuple[Field, ...]


def groups(options: PortOptions) -> tuple[Group, ...]:
    """The form. A capture filter that is more than a port is shown as it is."""
    where = SPA_PORT if options.is_plain else FILTER
    return (
        Group(N_("Enable UCI/LuCI control"), (UCI_ENABLED,)),
        Group(N_("Listening for knocks"), (*_LISTENING, where, UDP_SERVER)),
        Group(N_("Checks of every knock"), _CHECKS),
        Group(N_("Times for new clients"), _NEW_CLIENTS),
        Group(N_("Firewall"), _FIREWALL),
        Group(N_("Forwarding to inside hosts"), _FORWARDING),
        Group(N_("Knocks over TCP and HTTP"), _OTHER_WAYS),
        Group(N_("GPG"), _GPG),
        Group(N_("This page"), _PAGE),
    )


def section_type(item: Field) -> str:
    """The type of section an option belongs to."""
    return _TYPES.get(item.option, "config")
