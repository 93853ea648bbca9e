"""What gpg says of a message and of a key ring: lines in which others' text stands."""

from __future__ import annotations

from fwknopd.spa.gpg_report import packed, read_report, unpacked
from fwknopd.spa.gpg_ring import read_ring
from tests.fuzz.mutators import parts
from tests.fuzz.target import Target

GPG_WORDS = (
    *(b"[GNUPG:] ", b"GOODSIG", b"BADSIG", b"ERRSIG", b"VALIDSIG", b"DECRYPTION_OKAY", b"NEWSIG"),
    *(b"PLAINTEXT", b"DECRYPTION_FAILED", b"TRUST_FULLY", b"NO_SECKEY", b"ERROR"),
    *(b"pkdecrypt_failed", b"BAD_PASSPHRASE", b"answer\n", b"fault\n", b"pub", b"sub", b"sec"),
    *(b"fpr", b"uid", b"cut:"),
)


def check_gpg(data: bytes) -> None:
    """A report, a ring, or a word why not; never an error, for gpg's text holds others' text."""
    answer = unpacked(data)
    if isinstance(answer, str):
        lines, text = data.decode("latin-1").splitlines(), b"text"
    else:
        lines, text = answer
    report = read_report(lines, text)
    assert report.text is None or report.fault == ""
    again = unpacked(packed(data, b"text"))
    assert not isinstance(again, str)
    assert again[1] == b"text"
    ring = read_ring(lines)
    for key in (*ring.public, *ring.secret):
        assert key.newest("e") is None or key.newest("e") in key.parts
        assert key.is_named("alice") in (True, False)
        assert key.trusted in (True, False)
        assert all(part.is_long in (True, False) for part in key.parts)
    assert ring.recipients is not None


def gpg_seeds() -> list[bytes]:
    said = (
        b"[GNUPG:] ENC_TO 0123456789ABCDEF 1 0\n[GNUPG:] DECRYPTION_OKAY\n"
        b"[GNUPG:] PLAINTEXT 62 1800000000\n[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 0123456789ABCDEF x\n"
        b"[GNUPG:] VALIDSIG 0123456789ABCDEF0123456789ABCDEF01234567 2026 1 0 4 0 1 8 00\n"
        b"[GNUPG:] TRUST_FULLY 0 pgp\n"
    )
    ring = (
        b"sec:u:2048:1:0123456789ABCDEF:1500000000:::u:::scESC:::+:::23::0:\n"
        b"fpr:::::::::0123456789ABCDEF0123456789ABCDEF01234567:\nuid:u::::1::A::Alice <a@b>:\n"
        b"ssb:u:2048:1:1123456789ABCDEF:1500000000::::::e:::+:::23:\n"
        b"pub:e:1024:17:2123456789ABCDEF:1500000000:::-:::sc:::#:\ncut:\n"
    )
    refused = (
        b"[GNUPG:] ERROR pkdecrypt_failed 11\n[GNUPG:] NO_SECKEY 0123\n"
        b"[GNUPG:] ERRSIG 0123456789ABCDEF 1 8 00 1500000000 9 0123\n"
    )
    return [packed(said, b"text"), packed(refused, b""), b"fault\nno gpg here", said, ring, refused]


TARGETS = (
    Target(
        "gpg_words",
        "What gpg says of a message and of a key ring gives a value, whatever the lines.",
        check_gpg,
        gpg_seeds,
        parts((b"\n", b" ", b":"), GPG_WORDS),
        GPG_WORDS,
        grown=1 << 16,
    ),
)
