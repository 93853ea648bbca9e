"""``fwknopctl knock``: build one SPA packet and send it."""

from __future__ import annotations

import os
import re
import secrets
import socket
import time
from argparse import Namespace
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from fwknopd.ctl.errors import CtlError
from fwknopd.ctl.key_sources import (
    digest_type,
    keys_from,
    rc_settings,
    stdin_settings,
    uci_client,
)
from fwknopd.ctl.output import clean, print_json, print_note
from fwknopd.key_handing import DEFAULT_SPA_PORT
from fwknopd.spa.digest import DigestType
from fwknopd.spa.errors import SpaError
from fwknopd.spa.message import MessageType
from fwknopd.spa.packet import MIN_GPG_TEXT, SpaKeys, encode
from fwknopd.spa.request import UNSPECIFIED

SOURCE = "source"
RESOLVE = "resolve"
_ACCESS = re.compile(r"(?:tcp|udp)/\d{1,5}(?:,(?:tcp|udp)/\d{1,5})*")
_NAT = re.compile(r"(?P<host>[^\s:,/]+)(?:[:,](?P<port>\d{1,5}))?")
_USER = "fwknopctl"


@dataclass(frozen=True, slots=True)
class Knock:
    """Everything one knock needs; ``timeout`` is seconds, 0 for what the server gives."""

    server: str
    port: int
    access: str
    allow_ip: IPv4Address
    keys: SpaKeys = field(repr=False)
    nat: str | None = None
    timeout: int = 0
    user: str = _USER
    digest: DigestType = DigestType.SHA256
    source_port: int = 0

    @property
    def message_type(self) -> MessageType:
        """The type that carries what is asked for."""
        if self.nat is None:
            return MessageType.CLIENT_TIMEOUT_ACCESS if self.timeout else MessageType.ACCESS
        return MessageType.CLIENT_TIMEOUT_NAT_ACCESS if self.timeout else MessageType.NAT_ACCESS

    @property
    def message(self) -> str:
        """The request as it goes into the packet."""
        return f"{self.allow_ip},{self.access}"


def send_knock(options: Namespace) -> int:
    """The verb ``knock``."""
    knock = knock_from(options)
    packet = packet_of(knock)
    if options.print:
        text = packet.decode("ascii")
        print_json({"packet": text}) if options.json else print(text)
        return 0
    address = _send(knock, packet, _family(options))
    _report(knock, packet, address, as_json=options.json)
    return 0


def knock_from(options: Namespace) -> Knock:
    """What to send: the command line over the stanza over the defaults. Raises CtlError."""
    settings = _settings(options)
    keys = uci_client(options).keys if _from_uci(options) else keys_from(settings)
    access = _matching(
        _ACCESS, _needed(settings, "ACCESS", "--access tcp/22"), "--access", "tcp/22"
    )
    return Knock(
        server=_needed(settings, "SPA_SERVER", "--server NAME"),
        port=_number(settings, "SPA_SERVER_PORT", DEFAULT_SPA_PORT, 65535),
        access=access,
        allow_ip=_allow_ip(settings.get("ALLOW_IP", SOURCE)),
        keys=keys,
        nat=_nat(settings.get("NAT_ACCESS"), access),
        timeout=_number(settings, "FW_TIMEOUT", 0, 65536),
        user=settings.get("SPOOF_USER") or os.environ.get("LOGNAME") or _USER,
        digest=digest_type(settings, "DIGEST_TYPE"),
        source_port=_number(settings, "SPA_SOURCE_PORT", 0, 65535),
    )


def packet_of(knock: Knock) -> bytes:
    """A fresh packet. Raises CtlError when a server would refuse it."""
    try:
        packet = encode(
            user=knock.user,
            timestamp=int(time.time()),
            rand="".join(secrets.choice("0123456789") for _ in range(16)),
            message_type=knock.message_type,
            message=knock.message,
            nat_access=knock.nat,
            client_timeout=knock.timeout,
            keys=knock.keys,
            digest_type=knock.digest,
            salt=secrets.token_bytes(8),
        )
    except SpaError as error:
        raise CtlError(
            f"the server would refuse this knock: {error.detail or error.code}",
            "Check --access, --nat, --timeout and --user",
        ) from None
    if len(packet) >= MIN_GPG_TEXT:
        raise CtlError(
            f"the packet has {len(packet)} characters, and servers take less than {MIN_GPG_TEXT}",
            "Ask for fewer ports in one knock",
        )
    return packet


def _from_uci(options: Namespace) -> bool:
    return bool(options.uci or options.client)


def _settings(options: Namespace) -> dict[str, str]:
    if _from_uci(options):
        settings = {}
    elif options.rc or options.stanza:
        settings = rc_settings(options)
    else:
        settings = stdin_settings()
    given = {
        "SPA_SERVER": options.server,
        "SPA_SERVER_PORT": options.port,
        "ACCESS": options.access,
        "ALLOW_IP": options.allow_ip,
        "NAT_ACCESS": options.nat,
        "FW_TIMEOUT": options.timeout,
        "SPOOF_USER": options.user,
    }
    return settings | {name: value for name, value in given.items() if value is not None}


def _needed(settings: dict[str, str], name: str, option: str) -> str:
    if not settings.get(name):
        raise CtlError(f"{name} is not known", f"Give it as {option}, or in the stanza")
    return settings[name]


def _matching(pattern: re.Pattern[str], text: str, option: str, example: str) -> str:
    if not pattern.fullmatch(text):
        raise CtlError(f"{option}: {text!r} can't be understood", f"Write it like {example}")
    return text


def _number(settings: dict[str, str], name: str, default: int, maximum: int) -> int:
    text = settings.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) <= maximum):
        raise CtlError(f"{name}: {text!r} is not a number", f"Give 0 to {maximum}")
    return int(text)


def _allow_ip(text: str) -> IPv4Address:
    if text.lower() == RESOLVE:
        # Stanzas for the fwknop client say so; what it would ask is a third party.
        print_note(
            f"'{RESOLVE}' is taken as '{SOURCE}': fwknopctl asks no web server for its address. "
            "Where the server wants one in the packet, give --allow-ip ADDRESS"
        )
        return UNSPECIFIED
    if text.lower() == SOURCE:
        return UNSPECIFIED
    try:
        return IPv4Address(text)
    except ValueError:
        raise CtlError(
            f"--allow-ip: {text!r} is neither an IPv4 address nor '{SOURCE}'",
            "Packets carry IPv4 addresses only; with 'source' the server takes the address the"
            " knock comes from, IPv6 too",
        ) from None


def _nat(text: str | None, access: str) -> str | None:
    """``host,port`` from host:port; without a port it is that of the first access."""
    if text is None:
        return None
    match = _NAT.fullmatch(text)
    if match is None:
        raise CtlError(f"--nat: {text!r} can't be understood", "Write it like 192.168.1.5:22")
    port = match["port"] or access.partition(",")[0].partition("/")[2]
    return f"{match['host']},{port}"


def _family(options: Namespace) -> socket.AddressFamily:
    if options.ipv4:
        return socket.AF_INET
    return socket.AF_INET6 if options.ipv6 else socket.AF_UNSPEC


def _send(knock: Knock, packet: bytes, family: socket.AddressFamily) -> str:
    """Send to the server's first usable address and return it. Raises CtlError."""
    try:
        found = socket.getaddrinfo(knock.server, knock.port, family, socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not a name"
        raise CtlError(
            f"the server {knock.server!r} can't be found: {reason}",
            "Check its name, or give its address",
        ) from None
    failures = []
    for kind, _, _, _, address in found:
        try:
            with socket.socket(kind, socket.SOCK_DGRAM) as sender:
                if knock.source_port:
                    sender.bind(("", knock.source_port))
                sender.sendto(packet, address)
        except OSError as error:
            failures.append(f"{address[0]}: {error.strerror}")
        else:
            return str(address[0])
    raise CtlError(
        f"the knock could not be sent: {'; '.join(failures)}", "Is there a way to the server?"
    )


def _report(knock: Knock, packet: bytes, address: str, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "sent": True,
                "address": address,
                "port": knock.port,
                "bytes": len(packet),
                "message": knock.message,
                "nat": knock.nat,
                "timeout": knock.timeout or None,
            }
        )
        return
    whom = "the address it comes from" if knock.allow_ip == UNSPECIFIED else str(knock.allow_ip)
    inside = f", forwarded to {knock.nat.replace(',', ':')}" if knock.nat else ""
    print(
        f"Sent a knock of {len(packet)} bytes to {address} port {knock.port}, "
        f"asking for {knock.access} for {whom}{clean(inside)}."
    )
    print("A server never answers a knock: try the connection now.")
