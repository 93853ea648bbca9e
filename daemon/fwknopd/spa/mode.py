"""Names of the encryption modes. Nothing here needs a crypto library."""

from __future__ import annotations

from enum import StrEnum


class EncryptionMode(StrEnum):
    """How a stanza's packets are encrypted; the values are access.conf's spellings.

    PCBC is missing on purpose: libfko numbers it but never implemented it.
    """

    CBC = "CBC"
    ECB = "ECB"
    CFB = "CFB"
    OFB = "OFB"
    CTR = "CTR"
    ASYMMETRIC = "Asymmetric"
    LEGACY = "legacy"

    @classmethod
    def from_text(cls, text: str) -> EncryptionMode:
        """The mode with this name in any case; ValueError names the valid ones."""
        for mode in cls:
            if mode.value.lower() == text.lower():
                return mode
        raise ValueError(f"{text!r} is not an encryption mode; use one of {', '.join(cls)}")


class EncryptionGuess(StrEnum):
    """What the length of a wire text alone says about its encryption."""

    RIJNDAEL = "rijndael"
    GPG = "gpg"
    UNKNOWN = "unknown"
