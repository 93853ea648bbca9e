from __future__ import annotations

import pytest

from fwknopd.spa.gpg_report import PREFIX, Report, Signature, failed, packed, read_report, unpacked

SIGNER = "2B96E334758435CBE9ADF4C321176169BF48D714"
OTHER = "E0BF30701C7BE867F9C4E9CCEAF3CAB4002A22BD"
OPENED = ["BEGIN_DECRYPTION", "PLAINTEXT 62 1795316149 ", "PLAINTEXT_LENGTH 4"]
DONE = ["DECRYPTION_OKAY", "GOODMDC", "END_DECRYPTION"]


def good(signer: str = SIGNER, trust: str = "TRUST_ULTIMATE") -> list[str]:
    return [
        "NEWSIG",
        f"GOODSIG {signer[-16:]} somebody",
        f"VALIDSIG {signer} 2026-11-22 1795316149 0 4 0 1 10 00 {signer}",
        f"{trust} 0 pgp",
    ]


def report(*lines: str, text: bytes = b"text") -> Report:
    return read_report(["gpg: hello", *(PREFIX + line for line in lines)], text)


def test_a_good_signature_of_a_trusted_key() -> None:
    assert report(*OPENED, *good(), *DONE) == Report(b"text", Signature(SIGNER, "", True))


@pytest.mark.parametrize("trust", ["TRUST_UNDEFINED", "TRUST_MARGINAL", "TRUST_NEVER"])
def test_a_good_signature_of_another_key(trust: str) -> None:
    assert report(*OPENED, *good(trust=trust), *DONE).signature == Signature(SIGNER)


def test_no_signature() -> None:
    assert report(*OPENED, *DONE) == Report(b"text")


@pytest.mark.parametrize(
    ("lines", "signature"),
    [
        (
            ["NEWSIG", f"BADSIG {SIGNER[-16:]} somebody"],
            Signature(SIGNER[-16:], "the signature is wrong"),
        ),
        (
            ["NEWSIG", f"ERRSIG {SIGNER[-16:]} 1 10 00 1795718268 9 {SIGNER}"],
            Signature(SIGNER, "the signing key is not in the key ring"),
        ),
        (
            ["NEWSIG", f"ERRSIG {SIGNER[-16:]} 1 10 00 1795718268 4 -"],
            Signature(SIGNER[-16:], "the signature can't be checked"),
        ),
        (
            ["NEWSIG", f"EXPSIG {SIGNER[-16:]} x", f"VALIDSIG {SIGNER} 2026", "TRUST_FULLY 0"],
            Signature(SIGNER, "the signature has expired", True),
        ),
        (
            [f"REVKEYSIG {SIGNER[-16:]} x", f"VALIDSIG {SIGNER} 2026"],
            Signature(SIGNER, "the signing key has been revoked"),
        ),
        (["ERRSIG"], Signature("", "the signature can't be checked")),
    ],
)
def test_faulty_signatures(lines: list[str], signature: Signature) -> None:
    assert report(*OPENED, *lines, *DONE).signature == signature


def test_only_the_first_signature_counts() -> None:
    first = report(*OPENED, *good(trust="TRUST_UNDEFINED"), *good(OTHER), *DONE).signature
    assert first == Signature(SIGNER)
    # gpg 1.4 has no line that begins a signature.
    without = [line for line in (*good(), *good(OTHER)) if line != "NEWSIG"]
    assert report(*OPENED, *without, *DONE).signature == Signature(SIGNER, "", True)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [*OPENED, *good()],
        [*OPENED, *good(), *DONE, "DECRYPTION_FAILED"],
        # Two texts: which of them was signed?
        [*OPENED, *OPENED, *good(), *DONE],
        [*OPENED, *good(), *DONE, *DONE],
        ["END_DECRYPTION"],
    ],
)
def test_what_gpg_did_not_open_as_one_text_is_closed(lines: list[str]) -> None:
    closed = report(*lines)
    assert closed.text is None
    assert closed.signature is None
    assert closed.fault


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("NO_SECKEY 287DD901FE89BD70", "not in the key ring"),
        ("BAD_PASSPHRASE 287DD901FE89BD70", "passphrase"),
        ("ERROR pkdecrypt_failed 67108875", "passphrase"),
        ("ERROR pkdecrypt_failed 67108922", "can't decrypt"),
        ("ERROR pkdecrypt_failed", "can't decrypt"),
        ("DECRYPTION_OKAY", "compressed"),
    ],
)
def test_why_it_is_closed(line: str, why: str) -> None:
    assert why in report(line).fault


def test_what_is_no_status_line_says_nothing() -> None:
    lines = ["[GNUPG:]GOODSIG x", "gpg: [GNUPG:] GOODSIG x", PREFIX, f"{PREFIX}  "]
    assert read_report([*lines, *(PREFIX + line for line in (*OPENED, *DONE))], b"t") == Report(
        b"t"
    )


def test_an_answer_comes_back_as_it_was_packed() -> None:
    assert unpacked(packed(b"one\ntwo\n", b"te\nxt\0")) == (["one", "two"], b"te\nxt\0")
    assert unpacked(failed("no gpg")) == "no gpg"


@pytest.mark.parametrize("data", [b"", b"answer\n", b"answer\nx\n", b"answer\n-1\n", b"\xff" * 50])
def test_what_nobody_packed(data: bytes) -> None:
    assert unpacked(data) == "gpg's answer can't be read"


def test_an_answer_that_was_cut() -> None:
    assert unpacked(packed(b"x" * 100, b"")[:50]) == "gpg said too much"
