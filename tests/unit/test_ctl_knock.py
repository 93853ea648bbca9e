"""fwknopctl knock: what arrives at a server, and where the keys come from."""

from __future__ import annotations

import io
import json
import shutil
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from fwknopd.ctl import main
from fwknopd.ctl.fwknoprc import parse_fwknoprc
from fwknopd.spa.digest import DigestType
from fwknopd.spa.message import MessageType, SpaMessage
from fwknopd.spa.mode import EncryptionMode
from fwknopd.spa.packet import SpaKeys, classify, decode

Capsys = pytest.CaptureFixture[str]

KEY, HMAC_KEY = b"k" * 31 + b"1", b"h" * 63 + b"2"
KEY_BASE64, HMAC_KEY_BASE64 = b64encode(KEY).decode(), b64encode(HMAC_KEY).decode()
KEYS = SpaKeys(KEY, HMAC_KEY)
RC = f"""\
# a comment
[default]
ALLOW_IP            192.0.2.1

[home]
SPA_SERVER          127.0.0.1
ACCESS              tcp/22
ALLOW_IP            192.0.2.7   # the office
KEY_BASE64          {KEY_BASE64}
USE_HMAC            Y
HMAC_KEY_BASE64     {HMAC_KEY_BASE64}
"""


class Server:
    """A UDP socket where a server would be."""

    def __init__(self, family: socket.AddressFamily, address: str) -> None:
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.socket.settimeout(5)
        self.port = str(self.socket.getsockname()[1])

    def message(self, keys: SpaKeys = KEYS) -> SpaMessage:
        return decode(classify(self.socket.recv(2000)), keys)


@pytest.fixture
def server() -> Iterator[Server]:
    opened = Server(socket.AF_INET, "127.0.0.1")
    yield opened
    opened.socket.close()


@pytest.fixture
def rc(tmp_path: Path) -> Path:
    return written(tmp_path, RC)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "fwknoprc"
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def knock(*arguments: str) -> None:
    assert main(["knock", *arguments]) == 0


def complaint(capsys: Capsys, *arguments: str) -> str:
    assert main(["knock", *arguments]) == 1
    captured = capsys.readouterr()
    assert not captured.out
    return captured.err


def test_a_stanza_is_enough(server: Server, rc: Path, capsys: Capsys) -> None:
    before = int(time.time())
    knock("--rc", str(rc), "--stanza", "home", "--port", server.port)
    message = server.message()
    assert message.message == b"192.0.2.7,tcp/22"
    assert message.message_type is MessageType.ACCESS
    assert before <= message.timestamp <= time.time()
    out = capsys.readouterr().out
    assert f"to 127.0.0.1 port {server.port}, asking for tcp/22 for 192.0.2.7." in out
    assert KEY_BASE64 not in out


@pytest.mark.parametrize(
    ("arguments", "message", "kind", "nat", "timeout"),
    [
        (["--access", "tcp/22,udp/53"], b"192.0.2.7,tcp/22,udp/53", "ACCESS", None, 0),
        (["--allow-ip", "source"], b"0.0.0.0,tcp/22", "ACCESS", None, 0),
        (["--allow-ip", "10.1.2.3"], b"10.1.2.3,tcp/22", "ACCESS", None, 0),
        (["--timeout", "90"], b"192.0.2.7,tcp/22", "CLIENT_TIMEOUT_ACCESS", None, 90),
        (["--nat", "10.0.0.5:80"], b"192.0.2.7,tcp/22", "NAT_ACCESS", b"10.0.0.5,80", 0),
        (["--nat", "10.0.0.5,80"], b"192.0.2.7,tcp/22", "NAT_ACCESS", b"10.0.0.5,80", 0),
        (["--nat", "nas.lan"], b"192.0.2.7,tcp/22", "NAT_ACCESS", b"nas.lan,22", 0),
        (
            ["--nat", "10.0.0.5:80", "--timeout", "60"],
            b"192.0.2.7,tcp/22",
            "CLIENT_TIMEOUT_NAT_ACCESS",
            b"10.0.0.5,80",
            60,
        ),
    ],
)
def test_the_command_line_wins_over_the_stanza(
    server: Server,
    rc: Path,
    arguments: list[str],
    message: bytes,
    kind: str,
    nat: bytes | None,
    timeout: int,
) -> None:
    knock("--rc", str(rc), "--stanza", "home", "--port", server.port, *arguments)
    received = server.message()
    assert received.message == message
    assert received.message_type.name == kind
    assert (received.nat_access, received.client_timeout) == (nat, timeout)


def test_no_two_knocks_are_alike(server: Server, rc: Path) -> None:
    for _ in range(2):
        knock("--rc", str(rc), "--stanza", "home", "--port", server.port, "--user", "ann")
    first, second = server.message(), server.message()
    assert first.user == "ann"
    assert first.rand != second.rand


def test_over_ipv6(rc: Path, capsys: Capsys) -> None:
    server = Server(socket.AF_INET6, "::1")
    knock("--rc", str(rc), "--stanza", "home", "--server", "::1", "--port", server.port)
    assert server.message().message == b"192.0.2.7,tcp/22"
    capsys.readouterr()
    server.socket.close()
    stanza = ("--rc", str(rc), "--stanza", "home", "--server", "::1", "-4")
    assert "can't be found" in complaint(capsys, *stanza)


def test_json(server: Server, rc: Path, capsys: Capsys) -> None:
    knock("--rc", str(rc), "--stanza", "home", "--port", server.port, "--json")
    sent = json.loads(capsys.readouterr().out)
    assert sent == {
        "sent": True,
        "address": "127.0.0.1",
        "port": int(server.port),
        "bytes": sent["bytes"],
        "message": "192.0.2.7,tcp/22",
        "nat": None,
        "timeout": None,
    }


def test_printing_sends_nothing(server: Server, rc: Path, capsys: Capsys) -> None:
    knock("--rc", str(rc), "--stanza", "home", "--port", server.port, "--print")
    packet = capsys.readouterr().out.strip().encode()
    assert decode(classify(packet), KEYS).message == b"192.0.2.7,tcp/22"
    server.socket.settimeout(0)
    with pytest.raises(BlockingIOError):
        server.socket.recv(2000)


# Where the keys come from


@pytest.mark.parametrize(
    "text",
    [
        f"KEY_BASE64: {KEY_BASE64}\nHMAC_KEY_BASE64: {HMAC_KEY_BASE64}\n",
        f"KEY_BASE64:{KEY_BASE64} HMAC_KEY_BASE64:{HMAC_KEY_BASE64}",
        f"KEY {KEY.decode()}\nHMAC_KEY {HMAC_KEY.decode()}\n",
    ],
    ids=["as keygen prints", "as a QR code holds", "passphrases"],
)
def test_keys_from_standard_input(
    server: Server, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    knock("--server", "127.0.0.1", "--port", server.port, "--access", "tcp/22")
    assert server.message().message == b"0.0.0.0,tcp/22"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_keys_typed_in(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["", HMAC_KEY_BASE64, "a passphrase"])
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("fwknopd.ctl.key_sources.getpass", lambda _: next(answers))
    knock("--server", "127.0.0.1", "--port", server.port, "--access", "tcp/22")
    assert server.message(SpaKeys(b"a passphrase", HMAC_KEY)).message == b"0.0.0.0,tcp/22"


UCI = f"""\
config access 'tablet'
\toption SOURCE 'ANY'
\toption KEY_BASE64 '{KEY_BASE64}'
\toption HMAC_KEY_BASE64 '{HMAC_KEY_BASE64}'

config access
\toption SOURCE 'ANY'
\toption name 'Ann phone'
\toption KEY 'a passphrase'
\toption HMAC_KEY 'and another'
\toption HMAC_DIGEST_TYPE 'sha512'
\toption ENCRYPTION_MODE 'CTR'

config access
\toption SOURCE 'ANY'
\toption KEY_BASE64 '__CHANGEME__'
"""


@pytest.fixture
def uci(tmp_path: Path) -> Path:
    path = tmp_path / "fwknopd"
    path.touch(mode=0o600)
    path.write_text(UCI)
    return path


@pytest.mark.parametrize(
    ("client", "keys"),
    [
        ("tablet", KEYS),
        ("#1", KEYS),
        (
            "Ann phone",
            SpaKeys(b"a passphrase", b"and another", EncryptionMode.CTR, DigestType.SHA512),
        ),
    ],
)
def test_keys_of_a_client_in_uci(server: Server, uci: Path, client: str, keys: SpaKeys) -> None:
    place = ("--server", "127.0.0.1", "--port", server.port, "--access", "tcp/22")
    knock("--uci", str(uci), "--client", client, *place)
    assert server.message(keys).message == b"0.0.0.0,tcp/22"


@pytest.mark.parametrize(
    ("client", "says"),
    [
        ("fone", "has no client 'fone'.\n  It has: tablet, Ann phone, #3"),
        ("#3", "placeholder"),
    ],
)
def test_a_client_without_keys(uci: Path, capsys: Capsys, client: str, says: str) -> None:
    place = ("--server", "127.0.0.1", "--access", "tcp/22")
    assert says in complaint(capsys, "--uci", str(uci), "--client", client, *place)


def test_uci_needs_a_client_and_a_file(uci: Path, tmp_path: Path, capsys: Capsys) -> None:
    assert "which client's keys?" in complaint(
        capsys, "--uci", str(uci), "--server", "x", "--access", "tcp/22"
    )
    missing = ("--uci", str(tmp_path / "none"), "--client", "a", "--server", "x")
    assert "does not exist" in complaint(capsys, *missing, "--access", "tcp/22")


# The .fwknoprc


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("NOSUCH 1", "there is no setting NOSUCH"),
        ("USE_GPG Y", "USE_GPG is not supported here"),
        ("SPA_SERVER_PROTO tcp", "SPA_SERVER_PROTO is not supported here"),
        ("NAT_LOCAL Y", "NAT_LOCAL is not supported here"),
        ("SPOOF_SOURCE_IP 192.0.2.1", "SPOOF_SOURCE_IP is not supported here"),
        ("what is this", "there is no setting what"),
        ("ACCESS=tcp/22", "neither a setting nor a stanza"),
        ("ALLOW_IP somewhere", "'somewhere' is neither an IPv4 address nor 'source'"),
        ("SPA_SERVER_PORT 99999", "SPA_SERVER_PORT: '99999' is not a number"),
        ("FW_TIMEOUT -1", "FW_TIMEOUT: '-1' is not a number"),
        ("KEY_BASE64 not!base64", "KEY_BASE64: The key is not base64"),
        ("HMAC_DIGEST_TYPE crc32", "HMAC_DIGEST_TYPE: 'crc32' is not known"),
        ("ENCRYPTION_MODE Asymmetric", "GPG knocks are not supported"),
        ("ACCESS icmp/1", "--access: 'icmp/1' can't be understood"),
        ("ACCESS tcp/70000", "the server would refuse this knock"),
        ("SPOOF_USER a:b", "the server would refuse this knock"),
        ("NAT_ACCESS a/b:1", "--nat: 'a/b:1' can't be understood"),
        ("ACCESS " + ",".join(f"tcp/{port}" for port in range(60000, 60017)), "fewer ports"),
    ],
)
def test_what_a_stanza_can_not_ask_for(
    tmp_path: Path, capsys: Capsys, lines: str, says: str
) -> None:
    path = written(tmp_path, f"{RC}{lines}\n")
    assert says in complaint(capsys, "--rc", str(path), "--stanza", "home")


def test_errors_in_a_file_name_the_line(tmp_path: Path, capsys: Capsys) -> None:
    path = written(tmp_path, "[a]\n\nUSE_GPG Y\n")
    assert f"{path}:3: USE_GPG" in complaint(capsys, "--rc", str(path), "--stanza", "a")


def test_an_unknown_stanza_lists_those_there_are(rc: Path, capsys: Capsys) -> None:
    assert "It has: home" in complaint(capsys, "--rc", str(rc), "--stanza", "work")


def test_a_file_others_can_read_is_noted(server: Server, rc: Path, capsys: Capsys) -> None:
    rc.chmod(0o644)
    knock("--rc", str(rc), "--stanza", "home", "--port", server.port)
    assert f"Run `chmod 600 {rc}`" in capsys.readouterr().err


def test_nobody_is_asked_for_the_own_address(
    server: Server, tmp_path: Path, capsys: Capsys
) -> None:
    """The stanzas that the page makes say `resolve`, for the fwknop client."""
    path = written(tmp_path, f"{RC}ALLOW_IP resolve\n")
    knock("--rc", str(path), "--stanza", "home", "--port", server.port, "--json")
    assert server.message().message == b"0.0.0.0,tcp/22"
    out, err = capsys.readouterr()
    assert json.loads(out)["sent"]
    assert err.startswith("fwknopctl: note: 'resolve' is taken as 'source'")


@pytest.mark.parametrize(
    ("missing", "says"),
    [("SPA_SERVER", "--server NAME"), ("ACCESS", "--access tcp/22"), ("KEY_BASE64", "KEY_BASE64")],
)
def test_what_is_missing_is_named(tmp_path: Path, capsys: Capsys, missing: str, says: str) -> None:
    lines = [line for line in RC.splitlines() if not line.startswith(missing)]
    path = written(tmp_path, "\n".join(lines))
    assert says in complaint(capsys, "--rc", str(path), "--stanza", "home")


def test_a_server_that_does_not_exist(rc: Path, capsys: Capsys) -> None:
    text = complaint(capsys, "--rc", str(rc), "--stanza", "home", "--server", "no.such.invalid")
    assert "the server 'no.such.invalid' can't be found" in text


def test_keys_never_show(rc: Path) -> None:
    stanzas = parse_fwknoprc(rc.read_text(), "rc")
    assert KEY_BASE64 not in repr(stanzas)


@pytest.mark.client
@pytest.mark.parametrize(
    "lines",
    [
        f"KEY_BASE64: {KEY_BASE64}\nHMAC_KEY_BASE64 {HMAC_KEY_BASE64}\nUSE_HMAC Y",
        "KEY pass#word",
        "KEY pass word\nHMAC_KEY hm;ac",
        "KEY password\nHMAC_KEY hmac\nHMAC_DIGEST_TYPE SHA512\nENCRYPTION_MODE CTR",
        "KEY password-of-more-than-16-bytes\nENCRYPTION_MODE legacy",
        "KEY password\nFW_TIMEOUT 77",
        "KEY password\nNAT_ACCESS 10.0.0.5:22",
        "\tKEY\tpassword  \nALLOW_IP source\nSPOOF_USER ann",
        "KEY password\nDIGEST_TYPE SHA512",
    ],
)
def test_the_real_client_reads_a_stanza_the_same(
    tmp_path: Path, server: Server, lines: str
) -> None:
    """Its packet and ours, made from one file, say the same under the same keys."""
    text = f"[default]\nALLOW_IP 192.0.2.7\n[s]\nSPA_SERVER 127.0.0.1\nACCESS tcp/22\n{lines}\n"
    rc = written(tmp_path, text)
    saved = tmp_path / "packet"
    command = [shutil.which("fwknop") or "fwknop", "--rc-file", str(rc), "-n", "s", "-T"]
    subprocess.run(
        [*command, "-B", str(saved), "--no-save-args"],
        env={"HOME": str(tmp_path), "LOGNAME": "test", "USER": "test"},
        check=True,
        capture_output=True,
        timeout=30,
    )
    from fwknopd.ctl.arguments import parse
    from fwknopd.ctl.knock import knock_from, packet_of

    ours = knock_from(parse(["knock", "--rc", str(rc), "--stanza", "s", "--user", "ann"]))
    theirs = decode(classify(saved.read_bytes().strip()), ours.keys)
    mine = decode(classify(packet_of(ours)), ours.keys)
    for name in ("message_type", "message", "nat_access", "client_timeout", "digest_type"):
        assert getattr(theirs, name) == getattr(mine, name), name
    assert len(saved.read_bytes().strip()) > 140
