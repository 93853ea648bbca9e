"""Files people bring along: backups, captures, pasted packets."""

from __future__ import annotations

import base64
import gzip
import io
import struct
import tarfile
import zlib
from random import Random

from fwknop_webui.backup_archive import Backup, NoBackup, pack, unpack
from fwknop_webui.sealed_backup import SealError, is_sealed, unseal
from fwknopd.capture import CaptureError
from fwknopd.capture.pcap import PcapFileCapture
from fwknopd.config.problems import ConfigError
from fwknopd.config.uci_format import encode_text, format_uci, parse_uci
from fwknopd.config.uci_model import is_writable_type
from fwknopd.ctl.packet_input import payload_of
from tests.fuzz.mutators import behind_first_byte, blind, one_of, parts
from tests.fuzz.target import Target
from tests.fuzz.targets.state import kept
from tests.fuzz.targets.uci import FILE_WORDS, package_seeds
from tests.interop.spa_vectors import load_vectors
from tests.unit.capture.frames import ethernet, ipv4, udp

# Backups: the first byte chooses whether the rest is compressed first.


def check_backup(data: bytes) -> None:
    """A package or a word why not, and the package is in a backup made of it."""
    content = data[1:]
    if data[:1] == b"\1":
        content = gzip.compress(content, 1, mtime=0)
    try:
        found = unpack(content)
    except (NoBackup, ConfigError):
        return
    assert found.package.sections
    if all(is_writable_type(section.type) for section in found.package.sections):
        assert same_again(found)


def same_again(found: Backup) -> bool:
    """Is a backup of what was in a backup the same?"""
    again = unpack(pack(found.package, {}, 0.0))
    # As bytes: parts of a character that quotes kept apart are one when they are together.
    return encode_text(format_uci(again.package)) == encode_text(format_uci(found.package))


def tar_seeds() -> list[bytes]:
    texts = package_seeds()[:2]
    package = parse_uci(texts[0], "f")
    ours = zlib.decompress(pack(package, {"etc/fwknop/access.conf": "x\n"}, 1.0), 31)
    made = []
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=form) as archive:
            long = tarfile.TarInfo("x" * 60 + "/" + "x" * 90)
            archive.addfile(long)
            member = tarfile.TarInfo("./etc/config/fwknopd")
            member.size = len(texts[1])
            archive.addfile(member, io.BytesIO(texts[1]))
        made.append(file.getvalue())
    short = [tar.rstrip(b"\0") + bytes(600) for tar in (ours, *made)]
    return [*(b"\1" + tar for tar in short), b"\0" + texts[1], b"\0" + pack(package, {}, 1.0)]


BLOCK = 512


def tar(data: bytes, random: Random) -> bytes:
    """A field of a member's header changed, and its checksum put right; or members repeated."""
    blocks = [data[at : at + BLOCK] for at in range(0, len(data), BLOCK)]
    if len(blocks) < 3:
        return blind(data, random)
    heads = [n for n, block in enumerate(blocks) if block[257:262] == b"ustar"] or [0]
    place = random.choice(heads)
    if random.random() < 0.15:
        many = random.choice((2, 3, 20, 900))
        return b"".join(
            (*blocks[: place + 1], *(blocks[place] for _ in range(many)), *blocks[place:])
        )
    block = bytearray(blocks[place].ljust(BLOCK, b"\0"))
    start, size = random.choice(_FIELDS)
    value = random.choice(
        (*_NUMBERS, random.randbytes(size), blind(bytes(block[start : start + size]), random))
    )
    block[start : start + size] = value[:size].ljust(size, b"\0")
    if random.random() < 0.95:
        block[148:156] = b"        "
        block[148:156] = b"%06o\0 " % sum(block)
    blocks[place] = bytes(block)
    return b"".join(blocks)


# Name, mode, size, time, kind, link, magic, user's name, and of GNU's the sparse part.
_FIELDS = ((0, 100), (100, 8), (124, 12), (124, 12), (136, 12), (156, 1), (156, 1), (157, 100),
           (257, 8), (265, 32), (345, 155), (386, 24), (482, 2))  # fmt: skip
_NUMBERS = (
    *(
        b"\xff" * 12,
        b"\x80" + b"\0" * 7 + b"\xff" * 4,
        b"\xff" * 10 + b"\xfe\0",
        b"-1",
        b"77777777777",
    ),
    *(b"x", b"g", b"L", b"K", b"S", b"1", b"2", b"5", b"7", b"00000001000", b"9999", b"0", b""),
    *(b"etc/config/fwknopd", b"../etc/config/fwknopd", b"/etc/config/fwknopd", b"etc/fwknop/\xff"),
)


# Sealed backups


def check_sealed_backup(data: bytes) -> None:
    """Content, or SealError; costs that would take all memory or all day are refused first."""
    try:
        content = unseal(data, "passphrase")
    except SealError:
        return
    assert is_sealed(data)
    assert content == b"content"


def sealed_seeds() -> list[bytes]:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from fwknop_webui.sealed_backup import _Costs, _key

    salt, nonce = b"s" * 16, b"n" * 12
    text = [base64.b64encode(part).decode() for part in (salt, nonce)]
    header = (f"fwknop-wrt backup 1\nscrypt 2 1 1 {text[0]}\naes-256-gcm {text[1]}\n").encode()
    key = _key("passphrase", salt, _Costs(2, 1, 1))
    sealed = header + base64.encodebytes(AESGCM(key).encrypt(nonce, b"content", header))
    return [sealed, sealed.replace(b"scrypt 2 1 1", b"scrypt 20 99 9"), header]


# Captures and pasted packets


def check_capture(data: bytes) -> None:
    """Packets or CaptureError, of any file; as much as libpcap takes it for."""
    path = kept("capture", data)
    try:
        capture = PcapFileCapture(path, "udp")
    except CaptureError:
        return
    try:
        for _ in range(1 + len(data) // 16):
            if capture.exhausted:
                break
            for packet in capture.read(100):
                assert packet.payload in data
        assert capture.exhausted
    except CaptureError as error:
        assert str(error)
    finally:
        capture.close()


def capture_seeds() -> list[bytes]:
    frame = ethernet(ipv4(udp(load_vectors()[0].packet)))
    made = []
    for order, magic in (("<", 0xA1B2C3D4), (">", 0xA1B2C3D4), ("<", 0xA1B23C4D)):
        head = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
        record = struct.pack(order + "IIII", 1, 0, len(frame), len(frame)) + frame
        made.append(head + record * 2)
    padded = frame + bytes(-len(frame) % 4)
    section = struct.pack("<IIIHHq", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1) + struct.pack("<I", 28)
    device = struct.pack("<IIHHII", 1, 20, 1, 0, 65535, 20)
    size = 32 + len(padded)
    block = struct.pack("<IIIIIII", 6, size, 0, 0, 0, len(frame), len(frame)) + padded
    return [*made, section + device + block + struct.pack("<I", size)]


def check_pasted(data: bytes) -> None:
    """A payload no longer than what was pasted; the same again if pasted as hexadecimal."""
    payload = payload_of(data)
    assert len(payload) <= len(data)
    if data.strip():
        assert payload_of(data.strip().hex(" ").encode()) == data.strip()


TARGETS = (
    Target(
        "backup",
        "A backup, an archive of any other kind or a file gives a package or a word why not.",
        check_backup,
        tar_seeds,
        behind_first_byte(one_of(tar, tar, parts((b"\n", b"\0", b" "), FILE_WORDS))),
        (*FILE_WORDS, *_NUMBERS),
        longest=1 << 15,
    ),
    Target(
        "sealed_backup",
        "A sealed backup opens or is refused, whatever costs it claims.",
        check_sealed_backup,
        sealed_seeds,
        parts((b"\n", b" ", b"="), (b"scrypt 1 1 1", b"scrypt 10 8 1", b"fwknop-wrt backup 1")),
        (b"fwknop-wrt backup 1\n", b"scrypt ", b"aes-256-gcm "),
        longest=1024,
    ),
    Target(
        "capture_file",
        "A capture file gives packets or CaptureError.",
        check_capture,
        capture_seeds,
        blind,
        (b"\xa1\xb2\xc3\xd4", b"\xd4\xc3\xb2\xa1", b"\x0a\x0d\x0d\x0a", b"\xff\xff\xff\xff"),
        longest=2048,
    ),
    Target(
        "pasted_packet",
        "What is pasted to be explained gives a payload, hexadecimal digits or not.",
        check_pasted,
        lambda: [load_vectors()[0].packet, load_vectors()[0].packet.hex(":").encode(), b"0x00 ff"],
        parts((b" ", b":", b"\n"), (b"0x", b"ff", b"f")),
        (b"0x", b"ff:", b" "),
        grown=1 << 17,
    ),
)
