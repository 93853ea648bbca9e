"""Every verdict in plain language: what happened, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from fwknop_webui.i18n import _
from fwknop_webui.i18n import noop as N_
from fwknopd.policy.verdict import Reason


@dataclass(frozen=True, slots=True)
class Explanation:
    """``title`` follows the verdict's word; ``remedy`` is "" when there is nothing to do."""

    title: str
    remedy: str = ""


_TABLE: dict[Reason, Explanation] = {
    Reason.ACCEPTED: Explanation(N_("The knock was right and the door was opened")),
    Reason.LOG_ONLY: Explanation(
        N_("The knock was right, but this client is only logged: nothing was opened"),
        N_("Untick “Log only” of the client to let it in."),
    ),
    Reason.NOT_SPA: Explanation(
        N_("Not a knock: the packet doesn't look like one"),
        N_("Nothing to do: scanners send such packets to every address."),
    ),
    Reason.SOURCE_NOT_ALLOWED: Explanation(
        N_("No client may knock from this address"),
        N_("If it was yours: widen the allowed source addresses (SOURCE) of the client."),
    ),
    Reason.NO_CLIENT_MATCHED: Explanation(
        N_("No client's keys fit"),
        N_(
            "If it was yours: scan the client's QR code again, and compare the HMAC type "
            "in the app with the one shown beside the code."
        ),
    ),
    Reason.WRONG_LENGTH: Explanation(
        N_("The packet's length fits no client's keys"),
        N_("If it was yours: check in the app that HMAC and encryption mode are as shown here."),
    ),
    Reason.DECRYPT_FAILED: Explanation(
        N_("The HMAC was right, but the packet could not be decrypted"),
        N_("The encryption key in the app differs: scan the client's QR code again."),
    ),
    Reason.GPG_FAILED: Explanation(
        N_("gpg could not say whose knock this is"),
        N_("The detail says why: gpg or python-gnupg is missing, or gpg does not answer."),
    ),
    Reason.GPG_BUSY: Explanation(
        N_("Too many knocks waited for gpg"),
        N_("Knock again. If it persists, set an HMAC key: then strangers' packets cost no gpg."),
    ),
    Reason.SIGNATURE_MISSING: Explanation(
        N_("The knock was not signed with GPG"),
        N_("Sign it (fwknop --gpg-sign), or set GPG_DISABLE_SIG if it needs no signature."),
    ),
    Reason.SIGNATURE_BAD: Explanation(
        N_("The knock's GPG signature is no good"),
        N_("The detail says why. The key ring must have the client's public key and trust it."),
    ),
    Reason.SIGNER_NOT_ALLOWED: Explanation(
        N_("The knock was signed with a GPG key that is not one of this client's"),
        N_("If it was yours: add the key to GPG_FINGERPRINT_ID or GPG_REMOTE_ID of the client."),
    ),
    Reason.MALFORMED: Explanation(
        N_("The packet decrypted, but what it says makes no sense"),
        N_("Update the app. If it persists, knock with another client program to compare."),
    ),
    Reason.REPLAY: Explanation(
        N_("This very packet was seen before"),
        N_(
            "Knock anew instead of sending a stored packet again. If you didn't, "
            "somebody recorded a knock and tried it; it opened nothing."
        ),
    ),
    Reason.REPLAY_CACHE_FULL: Explanation(
        N_("The router has too many knocks to remember, so it can't rule out a repeated one"),
        N_("Wait two minutes and knock again. If it persists, somebody floods it with knocks."),
    ),
    Reason.TOO_OLD: Explanation(
        N_("The knock is too old"),
        N_("Set the phone's clock to automatic, and check the router's time (NTP)."),
    ),
    Reason.FROM_THE_FUTURE: Explanation(
        N_("The knock is from the future"),
        N_("Set the phone's clock to automatic, and check the router's time (NTP)."),
    ),
    Reason.CLOCK_NOT_SET: Explanation(
        N_("The router doesn't know the time yet, so it can't tell old knocks from new ones"),
        N_(
            "Wait until the router has its time from NTP, or set the time in System. If no "
            "time server can be reached, untick “Wait for the clock” in Settings."
        ),
    ),
    Reason.DESTINATION_NOT_ALLOWED: Explanation(
        N_("The packet was sent to an address this client may not knock at"),
        N_("Correct DESTINATION of the client, or the server address in the app."),
    ),
    Reason.CLIENT_DISABLED: Explanation(
        N_("This client is disabled"),
        N_("Enable it on the Clients page if it should get in."),
    ),
    Reason.CLIENT_EXPIRED: Explanation(
        N_("This client's access has expired"),
        N_("Move its expiry date (ACCESS_EXPIRE) on the Clients page if it should get in."),
    ),
    Reason.OUTSIDE_HOURS: Explanation(
        N_("This client may not knock at this time"),
        N_(
            "Change its hours or days on the Clients page if it should get in. If the time "
            "shown is not yours, set the time zone in System."
        ),
    ),
    Reason.ADDRESS_REQUIRED: Explanation(
        N_("The knock didn't name the address to open for"),
        N_(
            "Set “Allow IP” to “Resolve IP” in the app, or untick "
            "REQUIRE_SOURCE_ADDRESS of the client."
        ),
    ),
    Reason.USERNAME_MISMATCH: Explanation(
        N_("The user name in the knock is not the one required"),
        N_("Correct REQUIRE_USERNAME of the client, or the user name in the app."),
    ),
    Reason.PORT_NOT_ALLOWED: Explanation(
        N_("It asked for a port this client may not open"),
        N_("Add the port to the client's allowed ports, or correct it in the app."),
    ),
    Reason.NAT_NOT_ENABLED: Explanation(
        N_("It asked for forwarding to another host, which is switched off"),
        N_("Switch forwarding on in Settings if you want it."),
    ),
    Reason.NAT_TARGET_INVALID: Explanation(
        N_("It asked for forwarding to a host that can't be used"),
        N_("Correct the inside address or name in the app."),
    ),
    Reason.COMMAND_NOT_ALLOWED: Explanation(
        N_("It asked to run a command, which this client may not do"),
        N_(
            "Use an access request instead of “server command” in the app, or see the client's "
            "tab Commands for what it may run."
        ),
    ),
    Reason.TOO_MANY_COMMANDS: Explanation(
        N_("It asked to run a command while too many others run or wait"),
        N_("Wait for them to end, or set a shorter time limit (CMD_EXEC_TIMEOUT) in Settings."),
    ),
    Reason.NOT_SUPPORTED: Explanation(
        N_("It asked for something this daemon doesn't do"),
        N_("The detail says what. Choose another kind of request in the app."),
    ),
    Reason.FIREWALL_ERROR: Explanation(
        N_("The knock was right, but the firewall did not take the rule"),
        N_("Look at the state of the firewall above and at the system log, then knock again."),
    ),
}


_COMMAND_RUN = Explanation(N_("The knock was right, and its command was started"))
_COMMAND_FAILED = Explanation(
    N_("The command of a knock failed"),
    N_("The detail says how. Try the command by hand, as the same user and without a shell."),
)


def command_explanation(*, failed: bool) -> Explanation:
    """The words for a knock that had a command run, and for such a command that failed."""
    found = _COMMAND_FAILED if failed else _COMMAND_RUN
    return Explanation(_(found.title), _(found.remedy))


_IN_THEORY: dict[Reason, Explanation] = {
    Reason.ACCEPTED: Explanation(N_("The knock is right, and the door would be opened")),
    Reason.LOG_ONLY: Explanation(
        N_("The knock is right, but this client is only logged: nothing would be opened"),
        _TABLE[Reason.LOG_ONLY].remedy,
    ),
}
"""Of knocks nobody sent, where the words differ."""


def explain_in_theory(reason: str) -> Explanation:
    """The same as `explain` of a knock that was only tried."""
    if reason not in _IN_THEORY:
        return explain(reason)
    found = _IN_THEORY[Reason(reason)]
    return Explanation(_(found.title), _(found.remedy) if found.remedy else "")


def explain(reason: str | None) -> Explanation:
    """The words for a reason; one that a newer daemon may send is shown as it is."""
    try:
        found = _TABLE[Reason(reason or "")]
    except (ValueError, KeyError):
        return Explanation(reason or _("No reason given"))
    return Explanation(_(found.title), _(found.remedy) if found.remedy else "")
