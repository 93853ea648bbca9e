"""The classic files: access.conf with what it includes, fwknopd.conf, their import, .fwknoprc."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from itertools import chain

from fwknop_webui.importing import plan
from fwknopd.config.access_conf import stanzas_from_access_conf
from fwknopd.config.classic_parts import classic_parts
from fwknopd.config.classic_to_uci import uci_from_classic
from fwknopd.config.convert import masked_conf
from fwknopd.config.fwknopd_conf import settings_from_fwknopd_conf
from fwknopd.config.includes import IncludeError
from fwknopd.config.problems import ConfigError, Problem
from fwknopd.config.render import format_access_conf, stanza_pairs
from fwknopd.config.settings import ServerSettings
from fwknopd.config.uci_changes import apply, as_commands
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_format import decode_text, format_uci, parse_uci
from fwknopd.config.variables import ACCESS_VARIABLES, SERVER_VARIABLES, Variable
from fwknopd.ctl.errors import CtlError
from fwknopd.ctl.fwknoprc import FOLLOWED, choose_stanza, parse_fwknoprc
from tests.fuzz.mutators import parts
from tests.fuzz.target import Target

ALLOWED = ServerSettings(enable_ipt_forwarding=True)
KEY, OTHER = (base64.b64encode(letter * 32) for letter in (b"k", b"o"))
SEPARATOR = b"\0"


class Texts:
    """Files by number, as the parts of an input; together they are limited like real ones."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = dict(enumerate(texts))
        self._left = 50

    def read_file(self, path: str) -> str:
        self._left -= 1
        if self._left < 0:
            raise IncludeError("too many files", "Take some out.")
        number = int(path[-1]) if path[-1:].isascii() and path[-1:].isdigit() else 0
        if number not in self._texts:
            raise IncludeError(f"there is no {path}", "Name another.")
        return self._texts[number]

    def list_folder(self, path: str) -> Sequence[str]:
        if "none" in path:
            raise IncludeError(f"there is no {path}", "Name another.")
        return ["b.conf", "a.conf1", "c"]


def split(data: bytes) -> list[str]:
    """The texts of an input; the NUL between them ends up in none."""
    return [decode_text(text) for text in data.split(SEPARATOR)]


def check_problems(problems: Iterable[Problem]) -> None:
    """Each says something, on one line."""
    for problem in problems:
        assert problem.message
        assert str(problem).isprintable()


def check_access_conf(data: bytes) -> None:
    """Clients or ConfigError; what is written of the clients reads as the same clients."""
    main, *others = split(data)
    try:
        stanzas, problems = stanzas_from_access_conf(main, "f", Texts([main, *others]), ALLOWED)
    except ConfigError as error:
        check_problems(error.problems)
        return
    check_problems(problems)
    for stanza in stanzas:
        assert stanza.keys.encryption_key or stanza.gpg
        assert stanza.fw_access_timeout >= 1
        assert stanza.max_fw_timeout >= 1
    rendered = format_access_conf(map(stanza_pairs, stanzas), show_keys=True)
    if not stanzas or "is left out" in rendered or any(stanza.gpg for stanza in stanzas):
        return
    again, _ = stanzas_from_access_conf(rendered, "g", None, ALLOWED)
    assert [(s.keys, s.sources, s.open_ports) for s in again] == [
        (s.keys, s.sources, s.open_ports) for s in stanzas
    ]


def check_fwknopd_conf(data: bytes) -> None:
    """Settings in their ranges, or ConfigError."""
    main, *others = split(data)
    overrides = [(text, f"override {number}") for number, text in enumerate(others)]
    try:
        settings, problems = settings_from_fwknopd_conf(main, "f", overrides)
    except ConfigError as error:
        check_problems(error.problems)
        return
    check_problems(problems)
    assert 1 <= settings.max_spa_packet_age <= 100000
    assert 1 <= settings.udpserv_port <= 65535
    assert 1 <= settings.tcpserv_port <= 65535


def check_import(data: bytes) -> None:
    """What is imported can be written, is read back, and means what the files meant."""
    server, access, *others = [*split(data), "", ""][:4]
    reader = Texts(["", *others])
    servers = [(server, "fwknopd.conf")] if server else []
    accesses = [(access, "access.conf")] if access else []
    found = classic_parts(servers, accesses, reader)
    check_problems(found.problems)
    package = parse_uci("config access\n\toption SOURCE ANY\n\toption KEY x\n", "f")
    plan_ = plan(found, package)
    changes = plan_.changes(package)
    assert len(as_commands(changes)) >= len(changes)
    grown = apply(package, changes)
    assert parse_uci(format_uci(grown), "f") == grown
    masked_conf(access)
    try:
        imported = uci_from_classic(servers or [("", "f")], accesses, Texts(["", *others]))
    except ConfigError as error:
        check_problems(error.problems)
        return
    if imported.usable:
        written = format_uci(imported.package)
        configuration_from_uci(parse_uci(written, "f"), "f")


def check_fwknoprc(data: bytes) -> None:
    """Stanzas or CtlError, and of each its settings or CtlError."""
    try:
        stanzas = parse_fwknoprc(decode_text(data), "f")
    except CtlError as error:
        assert str(error)
        return
    for name in list(stanzas)[:3]:
        try:
            assert set(choose_stanza(stanzas, name, "f")) <= FOLLOWED
        except CtlError as error:
            assert str(error)


# Seeds


def line(variable: Variable) -> bytes:
    """The variable as one line, with the example of its help."""
    return f"{variable.name} {variable.example or variable.default or '1'}".encode()


def stanza(*lines: bytes) -> bytes:
    return b"\n".join((b"SOURCE ANY", b"KEY_BASE64 " + KEY, b"OPEN_PORTS tcp/22", *lines, b""))


def access_seeds() -> list[bytes]:
    every = [line(variable) for variable in ACCESS_VARIABLES if variable.name != "SOURCE"]
    return [
        *(stanza(*every[at : at + 8]) for at in range(0, len(every), 8)),
        stanza(b"HMAC_KEY_BASE64 " + OTHER) + b"# comment\n" + stanza(b"KEY top secret; x"),
        stanza()
        + b"%include 1\n%include_folder /x\n\0"
        + stanza(b"%include_keys 2")
        + b"\0KEY x\n",
    ]


def server_seeds() -> list[bytes]:
    every = [line(variable) + b";" for variable in SERVER_VARIABLES]
    return [
        *(b"\n".join(every[at : at + 10]) + b"\n" for at in range(0, len(every), 10)),
        b"PCAP_INTF eth0;\nPCAP_FILTER udp port 1;\nFWKNOP_RUN_DIR $PCAP_INTF/x;\n\0PCAP_INTF x;\n",
    ]


def import_seeds() -> list[bytes]:
    pairs = zip(server_seeds(), access_seeds(), strict=False)
    return [a.replace(SEPARATOR, b"") + SEPARATOR + b for a, b in pairs]


RC = b"""[default]
SPA_SERVER router.example.net
USE_HMAC Y
[phone]
ACCESS tcp/22,udp/53
ALLOW_IP resolve
KEY_BASE64 c2VjcmV0
HMAC_KEY: c2VjcmV0 # x
"""

NAMES = tuple(v.name.encode() for v in chain(ACCESS_VARIABLES, SERVER_VARIABLES))
VALUES = (
    *(b"ANY", b"Y", b"N", b"tcp/22,udp/53-60", b"192.0.2.0/24", b"2001:db8::/32", KEY, OTHER),
    *(b"12/31/2030", b"%include 1\n", b"%include_folder /x\n", b"%include_keys 2\n", b"SOURCE ANY"),
    *(
        b"$PCAP_INTF",
        b"__CHANGEME__",
        b"sha512",
        b"legacy",
        b"eth0",
        b"/etc/x",
        b"8-18",
        b"mon-fri",
    ),
)
WORDS = (*VALUES, *NAMES)

TARGETS = (
    Target(
        "access_conf",
        "access.conf with its includes gives clients or ConfigError; clients written out read "
        "back as the same.",
        check_access_conf,
        access_seeds,
        parts((b"\n", b" ", b"\0", b","), WORDS),
        WORDS,
        grown=1 << 17,
    ),
    Target(
        "fwknopd_conf",
        "fwknopd.conf with overrides gives settings in their ranges or ConfigError.",
        check_fwknopd_conf,
        server_seeds,
        parts((b"\n", b" ", b"\0", b";"), WORDS),
        WORDS,
        grown=1 << 17,
    ),
    Target(
        "import",
        "Classic files taken in by the page or fwknopctl make UCI that is read back, or are "
        "refused.",
        check_import,
        import_seeds,
        parts((b"\n", b" ", b"\0", b";", b","), WORDS),
        WORDS,
        grown=1 << 14,
    ),
    Target(
        "fwknoprc",
        "A .fwknoprc gives settings or CtlError.",
        check_fwknoprc,
        lambda: [RC],
        parts((b"\n", b" ", b"]"), (b"[", b"[x]", *(name.encode() for name in sorted(FOLLOWED)))),
        tuple(name.encode() for name in sorted(FOLLOWED)),
        grown=1 << 17,
    ),
)
