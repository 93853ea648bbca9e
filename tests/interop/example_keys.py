"""The keys of a public guide, under which packets and outputs were recorded."""

from __future__ import annotations

from base64 import b64decode

KEY_BASE64 = "Sz80RjpXOlhH2olGuKBUamHKcqyMBsS9BTgLaMugUsg="
HMAC_KEY_BASE64 = (
    "c0TOaMJ2aVPdYTh4Aa25Dwxni7PrLo2zLAtBoVwSepkvH6nLcW45Cjb9zaEC2SQd03kaaV+Ckx3FhCh5ohNM5Q=="
)
KEY, HMAC_KEY = b64decode(KEY_BASE64), b64decode(HMAC_KEY_BASE64)
