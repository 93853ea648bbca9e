"""`fwknopd --dump-serv-err-codes`: the C daemon's numbers and words, for its test tools.

This daemon uses none of them: it gives reasons (policy.verdict) instead. The words are
kept letter for letter, misspellings too, because such tools compare them.
"""

from __future__ import annotations

_MESSAGES = (
    "Data is not a valid SPA message format",
    "Not enough data to be a valid SPA message",
    "Data is not an SPA message",
    "SPA via HTTP request, but ENABLE_SPA_OVER_HTTP is not set",
    "Error creating FKO context for incoming data.",
    "Unable to retrieve digest from the SPA data.",
    "Error trying to access the digest.cache file",
    "Detected SPA message replay",
    "SPA message timestamp is outside the allowable window",
    "SPA message did not pass access checks",
    "An error occurred while executing an SPA command message",
    "Unsupported SPA message operation",
    "Undefined/unknown fwknopd Error",
    "General SPA message processing error",
)
_FIREWALL = (
    "An error occurred while tring to add a firewall rule",
    "An error occurred while tring to delete a firewall rule",
    "Unknown/unclassified firewall rule processing error",
)
CODES: tuple[tuple[int, str], ...] = (
    *enumerate(_MESSAGES, start=0x1000),
    *enumerate(_FIREWALL, start=0x2000),
)


def error_codes_text() -> str:
    """One line per code."""
    return "\n".join(f"err code: {code}, err string: '{text}'" for code, text in CODES)
