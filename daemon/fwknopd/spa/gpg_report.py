"""What gpg said of a message: its status lines and the text it put out, as one value.

Status lines are gpg's interface for programs (doc/DETAILS of GnuPG). Lines nobody knows
are passed over; whatever the lines, the outcome is a value.

Of several signatures only the first counts, as in the C daemon.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

PREFIX = "[GNUPG:] "

_GOOD = "GOODSIG"
_FAULTS = {
    "BADSIG": "the signature is wrong",
    "ERRSIG": "the signature can't be checked",
    "EXPSIG": "the signature has expired",
    "EXPKEYSIG": "the signing key has expired",
    "REVKEYSIG": "the signing key has been revoked",
}
_NO_SIGNER = "9"
_TRUSTED = frozenset({"TRUST_FULLY", "TRUST_ULTIMATE"})
_WRONG = 11
_NOT_OPENED = "the passphrase (GPG_DECRYPT_PW) doesn't open the key"


@dataclass(frozen=True, slots=True)
class Signature:
    """The first signature of a message.

    ``signer`` is the fingerprint of the key that made it, or its 16-digit id where gpg
    doesn't tell more, in capitals. ``fault`` says why it is not good; "" for a good one.
    ``trusted``: the key is known to be its owner's, so of full or ultimate validity.
    """

    signer: str
    fault: str = ""
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a message. ``text`` is None when gpg didn't open it; then ``fault`` says why.

    ``signature`` is None when there is none.
    """

    text: bytes | None
    signature: Signature | None = None
    fault: str = ""


def read_report(lines: Iterable[str], text: bytes) -> Report:
    """The report of one `gpg --decrypt`. ``lines`` is all it said, ``text`` its output."""
    status = [line.removeprefix(PREFIX).split() for line in lines if line.startswith(PREFIX)]
    words = [line for line in status if line]
    opened = [line[0] for line in words]
    # Exactly one text: gpg must not have strung several together, of which one is signed.
    whole = opened.count("DECRYPTION_OKAY") == opened.count("PLAINTEXT") == 1
    if not whole or not text or "DECRYPTION_FAILED" in opened:
        return Report(None, fault=_why_closed(words))
    return Report(text, _first_signature(words))


def _why_closed(words: list[list[str]]) -> str:
    for word, *rest in words:
        if word in ("BAD_PASSPHRASE", "MISSING_PASSPHRASE"):
            return _NOT_OPENED
        # ERROR <what> <code>
        if word == "ERROR" and rest[:1] == ["pkdecrypt_failed"] and _fault(rest[1:]) == _WRONG:
            return _NOT_OPENED
    if any("NO_SECKEY" in line[:1] for line in words):
        return "it is encrypted to a key that is not in the key ring (GPG_HOME_DIR)"
    if ["DECRYPTION_OKAY"] in words and not any("PLAINTEXT" in line[:1] for line in words):
        return (
            "gpg decrypted it but can't read what is in it: perhaps it is compressed, which "
            "OpenWrt's gpg can't undo (the client's gpg.conf: personal-compress-preferences none)"
        )
    return "gpg can't decrypt it"


def _fault(rest: list[str]) -> int:
    """The lower half of a libgpg-error value, which says what is wrong; 0 if there is none."""
    text = rest[0] if rest else ""
    return int(text) & 0xFFFF if text.isascii() and text.isdigit() and len(text) < 12 else 0


def _first_signature(words: list[list[str]]) -> Signature | None:
    """From the line that judges the first signature to the one that judges the next."""
    signature: Signature | None = None
    for word, *rest in words:
        if word == _GOOD or word in _FAULTS:
            if signature is not None:
                break
            signature = _judged(word, rest)
        elif word == "NEWSIG" and signature is not None:
            break
        elif signature is not None and word == "VALIDSIG" and rest:
            signature = Signature(rest[0].upper(), signature.fault, signature.trusted)
        elif signature is not None and word in _TRUSTED:
            signature = Signature(signature.signer, signature.fault, True)
    return signature


def _judged(word: str, rest: list[str]) -> Signature:
    # ERRSIG <keyid> <pkalgo> <hashalgo> <class> <time> <reason> <fingerprint>
    signer = rest[0] if rest else ""
    fault = _FAULTS.get(word, "")
    if word == "ERRSIG":
        if len(rest) > 6 and rest[6] != "-":
            signer = rest[6]
        if rest[5:6] == [_NO_SIGNER]:
            fault = "the signing key is not in the key ring"
    return Signature(signer.upper(), fault)


# From the child that ran gpg

_ANSWER, _FAULT = b"answer\n", b"fault\n"


def packed(lines: bytes, text: bytes) -> bytes:
    """An answer as bytes: what gpg said, and what it put out."""
    return b"%s%d\n%s%s" % (_ANSWER, len(lines), lines, text)


def failed(why: str) -> bytes:
    """Why there is no answer, as bytes."""
    return _FAULT + why.encode("utf-8", "replace")


def unpacked(data: bytes) -> tuple[list[str], bytes] | str:
    """What `packed` or `failed` was given: lines and text, or why there is no answer."""
    if data.startswith(_FAULT):
        return data.removeprefix(_FAULT).decode("utf-8", "replace")
    count, _, rest = data.removeprefix(_ANSWER).partition(b"\n")
    if not data.startswith(_ANSWER) or not count.isdigit() or len(count) > 9:
        return "gpg's answer can't be read"
    length = int(count)
    if length > len(rest):
        return "gpg said too much"
    return rest[:length].decode("latin-1").splitlines(), rest[length:]
