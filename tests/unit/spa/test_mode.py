"""Names of modes and errors."""

from __future__ import annotations

import pytest

from fwknopd.spa.errors import SpaError, SpaErrorCode
from fwknopd.spa.mode import EncryptionMode


@pytest.mark.parametrize("text", ["CBC", "cbc", "Legacy", "ASYMMETRIC", "ctr"])
def test_mode_names_have_no_case(text: str) -> None:
    assert EncryptionMode.from_text(text).value.lower() == text.lower()


@pytest.mark.parametrize("text", ["PCBC", "", "CBC "])
def test_other_modes_are_refused_and_the_valid_ones_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"use one of CBC, ECB, CFB, OFB, CTR, Asymmetric, legacy"):
        EncryptionMode.from_text(text)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (SpaErrorCode.HMAC_COMPAREFAIL, "FKO_ERROR_INVALID_DATA_HMAC_COMPAREFAIL"),
        (SpaErrorCode.INVALID_KEY_LEN, "FKO_ERROR_INVALID_KEY_LEN"),
        (SpaErrorCode.DECRYPTION_FAILURE, "FKO_ERROR_DECRYPTION_FAILURE"),
        (SpaErrorCode.GPGME_BAD_SIGNATURE, "FKO_ERROR_GPGME_BAD_SIGNATURE"),
        (SpaErrorCode.STRICT_PADDING, None),
        (SpaErrorCode.SIZE, None),
    ],
)
def test_codes_know_their_name_in_c(code: SpaErrorCode, name: str | None) -> None:
    assert code.libfko_name == name


def test_errors_read_as_code_and_detail() -> None:
    assert str(SpaError(SpaErrorCode.SIZE, "too short")) == "SIZE: too short"
    assert str(SpaError(SpaErrorCode.SIZE)) == "SIZE"
