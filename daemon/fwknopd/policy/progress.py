"""Of several clients' refusals, the one people are told: that of the client that got furthest."""

from __future__ import annotations

from fwknopd.policy.verdict import Reason, Refusal

_PROGRESS = {
    reason: step
    for step, reason in enumerate(
        (
            Reason.NO_CLIENT_MATCHED,
            Reason.WRONG_LENGTH,
            Reason.GPG_BUSY,
            Reason.GPG_FAILED,
            Reason.DECRYPT_FAILED,
            Reason.SIGNATURE_MISSING,
            Reason.SIGNATURE_BAD,
            Reason.NOT_SUPPORTED,
            Reason.MALFORMED,
            Reason.CLOCK_NOT_SET,
            Reason.SIGNER_NOT_ALLOWED,
            Reason.TOO_OLD,
            Reason.FROM_THE_FUTURE,
            Reason.OUTSIDE_HOURS,
            Reason.ADDRESS_REQUIRED,
            Reason.USERNAME_MISMATCH,
            Reason.NAT_NOT_ENABLED,
            Reason.COMMAND_NOT_ALLOWED,
            Reason.PORT_NOT_ALLOWED,
            Reason.NAT_TARGET_INVALID,
        )
    )
}
"""How far a packet got with a client, by the reason it was refused."""


def further(one: Refusal, other: Refusal) -> Refusal:
    """The refusal that came later on the way; the first client's when both came as far."""
    if (one.stanza is None) != (other.stanza is None):
        return one if one.stanza is not None else other
    return other if _PROGRESS[other.reason] > _PROGRESS[one.reason] else one
