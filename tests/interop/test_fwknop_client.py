"""The real client, told what to do by the stanza we write, sends packets we can read."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fwknopd.key_handing import ClientProfile, client_command, fwknoprc_stanza
from fwknopd.spa import base64, cipher
from fwknopd.spa.digest import SALTED_PREFIX, DigestType
from fwknopd.spa.message import MessageType, SpaMessage
from fwknopd.spa.mode import EncryptionMode
from fwknopd.spa.packet import SpaKeys, classify, decode, seal

pytestmark = pytest.mark.client

SYMMETRIC = [mode for mode in EncryptionMode if mode is not EncryptionMode.ASYMMETRIC]
# A passphrase that the client's own KEY line would cut, and all byte values.
PASSPHRASE, HMAC_KEY = b"pass; word #1", bytes(range(64))


@dataclass(frozen=True)
class Knocker:
    """Runs the client in an empty home, against a socket of ours."""

    home: Path
    receiver: socket.socket

    def knock(self, profile: ClientProfile, *options: str) -> bytes:
        """The payload of the one datagram the client sends."""
        profile = replace(profile, server="127.0.0.1", port=self.receiver.getsockname()[1])
        rc_file = self.home / "rc"
        rc_file.touch(mode=0o600)
        rc_file.write_text(fwknoprc_stanza(profile))
        command = [*client_command(profile, str(rc_file)).split(" "), *options]
        environment = {"HOME": str(self.home), "PATH": "/usr/sbin:/usr/bin", "LOGNAME": "alice"}
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=20)
        payload: bytes = self.receiver.recv(2000)
        return payload


@pytest.fixture
def knocker(tmp_path: Path) -> Iterator[Knocker]:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(20)
        yield Knocker(tmp_path, receiver)


def profile_for(keys: SpaKeys) -> ClientProfile:
    return ClientProfile("my phone", "127.0.0.1", keys, access="tcp/22,udp/53", allow_ip="source")


def read(payload: bytes, keys: SpaKeys) -> SpaMessage:
    return decode(classify(payload), keys)


# The client makes no legacy packets with an HMAC, though libfko would.
COMBINATIONS = [
    (mode, hmac_type)
    for mode in SYMMETRIC
    for hmac_type in (None, *DigestType)
    if mode is not EncryptionMode.LEGACY or hmac_type is None
]


@pytest.mark.parametrize(("mode", "hmac_type"), COMBINATIONS)
def test_every_mode_with_every_hmac(
    knocker: Knocker, mode: EncryptionMode, hmac_type: DigestType | None
) -> None:
    keys = SpaKeys(PASSPHRASE, HMAC_KEY if hmac_type else None, mode, hmac_type or DigestType.MD5)
    payload = knocker.knock(profile_for(keys))
    message = read(payload, keys)
    assert message.message == b"0.0.0.0,tcp/22,udp/53"
    assert message.user == "alice"
    assert abs(message.timestamp - time.time()) < 60


@pytest.mark.parametrize("digest_type", DigestType)
def test_every_digest(knocker: Knocker, digest_type: DigestType) -> None:
    keys = SpaKeys(PASSPHRASE, HMAC_KEY)
    payload = knocker.knock(profile_for(keys), "-m", digest_type)
    assert read(payload, keys).digest_type is digest_type


@pytest.mark.parametrize(
    ("options", "kind", "nat", "timeout"),
    [
        (["-f", "60"], MessageType.CLIENT_TIMEOUT_ACCESS, None, 60),
        (["-N", "10.0.0.5:2222"], MessageType.NAT_ACCESS, b"10.0.0.5,2222", 0),
        (["-N", "lan.host:22", "-f", "9"], MessageType(4), b"lan.host,22", 9),
        (["--nat-local", "--nat-port", "40022"], MessageType(5), b"127.0.0.1,22", 0),
        (["--nat-local", "--nat-port", "40022", "-f", "9"], MessageType(6), b"127.0.0.1,22", 9),
    ],
)
def test_every_kind_of_access(
    knocker: Knocker, options: list[str], kind: MessageType, nat: bytes | None, timeout: int
) -> None:
    keys = SpaKeys(PASSPHRASE, HMAC_KEY)
    profile = replace(profile_for(keys), access="tcp/22")
    message = read(knocker.knock(profile, *options), keys)
    assert (message.message_type, message.nat_access) == (kind, nat)
    assert message.client_timeout == timeout


def test_commands(knocker: Knocker) -> None:
    keys = SpaKeys(PASSPHRASE, HMAC_KEY)
    profile = replace(profile_for(keys), access="")
    message = read(knocker.knock(profile, "-C", "echo hello, world"), keys)
    assert message.message_type is MessageType.COMMAND
    assert message.message == b"0.0.0.0,echo hello, world"


def test_the_longest_keys(knocker: Knocker) -> None:
    keys = SpaKeys(bytes(range(32)), bytes(range(128)), hmac_type=DigestType.SHA512)
    assert read(knocker.knock(profile_for(keys)), keys).user == "alice"


def test_every_line_of_the_stanza_is_obeyed(knocker: Knocker) -> None:
    keys = SpaKeys(PASSPHRASE, HMAC_KEY)
    profile = replace(profile_for(keys), allow_ip="192.0.2.7", fw_timeout=77)
    message = read(knocker.knock(profile), keys)
    assert message.message == b"192.0.2.7,tcp/22,udp/53"
    assert message.client_timeout == 77


def test_two_knocks_are_two_packets(knocker: Knocker) -> None:
    keys = SpaKeys(PASSPHRASE, HMAC_KEY)
    one, other = (read(knocker.knock(profile_for(keys)), keys) for _ in range(2))
    assert one.rand != other.rand


def test_we_make_the_very_packet_the_client_makes(knocker: Knocker) -> None:
    # Sealing what the client encrypted, under the salt it drew, gives its very packet.
    keys = SpaKeys(PASSPHRASE, HMAC_KEY)
    payload = knocker.knock(profile_for(keys))
    data = base64.decode_lenient(SALTED_PREFIX + payload[:-43])
    plaintext, _ = cipher.unpad(cipher.decrypt(keys.mode, PASSPHRASE, data))
    assert seal(plaintext, keys, data[8:16]) == payload
