"""What policy makes of a packet: a closed list of reasons and four kinds of verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from fwknopd.grants import Door
from fwknopd.policy.command import Command
from fwknopd.policy.stanza import Address, Stanza
from fwknopd.replay import ReplayEntry
from fwknopd.spa.message import SpaMessage
from fwknopd.spa.request import PortSpec


class Reason(StrEnum):
    """Why a packet got its verdict. Stable: shown in events, the UI and metrics."""

    ACCEPTED = "accepted"
    # Would have been accepted, from a client for which nothing is opened.
    LOG_ONLY = "log-only"
    # The packet never got as far as a client; such packets are counted, not listed.
    NOT_SPA = "not-spa"
    SOURCE_NOT_ALLOWED = "source-not-allowed"
    NO_CLIENT_MATCHED = "no-client-matched"
    WRONG_LENGTH = "wrong-length"
    # gpg could not say whose packet it is.
    GPG_FAILED = "gpg-failed"
    GPG_BUSY = "gpg-busy"
    # The packet decrypted with a client's keys.
    DECRYPT_FAILED = "decrypt-failed"
    SIGNATURE_MISSING = "signature-missing"
    SIGNATURE_BAD = "signature-bad"
    SIGNER_NOT_ALLOWED = "signer-not-allowed"
    MALFORMED = "malformed"
    REPLAY = "replay"
    REPLAY_CACHE_FULL = "replay-cache-full"
    TOO_OLD = "too-old"
    FROM_THE_FUTURE = "from-the-future"
    CLOCK_NOT_SET = "clock-not-set"
    DESTINATION_NOT_ALLOWED = "destination-not-allowed"
    CLIENT_DISABLED = "client-disabled"
    CLIENT_EXPIRED = "client-expired"
    OUTSIDE_HOURS = "outside-hours"
    ADDRESS_REQUIRED = "address-required"
    USERNAME_MISMATCH = "username-mismatch"
    PORT_NOT_ALLOWED = "port-not-allowed"
    NAT_NOT_ENABLED = "nat-not-enabled"
    NAT_TARGET_INVALID = "nat-target-invalid"
    COMMAND_NOT_ALLOWED = "command-not-allowed"
    TOO_MANY_COMMANDS = "too-many-commands"
    NOT_SUPPORTED = "not-supported"
    FIREWALL_ERROR = "firewall-error"


ACCEPTING = frozenset({Reason.ACCEPTED, Reason.LOG_ONLY})
"""Whoever gets one of these had the right; all others are refusals."""


@dataclass(frozen=True, slots=True)
class AccessDecision:
    """Open ``doors`` for ``lifetime`` seconds.

    ``lookup`` is a host name whose address has to be found first; `policy.doors.resolved`
    then makes the final decision. ``signer`` is the GPG key that signed the packet, None
    where nobody asked for one. ``replay_entry`` is what has to be remembered for this
    packet to work only once; None when replay detection is off.
    """

    stanza: Stanza
    message: SpaMessage
    doors: tuple[Door, ...]
    lifetime: int
    lookup: str = ""
    signer: str | None = None
    replay_entry: ReplayEntry | None = field(default=None, compare=False, repr=False)

    @property
    def reason(self) -> Reason:
        """ACCEPTED, or that nothing is done for this client."""
        return _reason(self.stanza)


@dataclass(frozen=True, slots=True)
class CommandDecision:
    """Run the command of an authorised command message. The rest as for access."""

    stanza: Stanza
    message: SpaMessage
    address: Address
    command: Command
    signer: str | None = None
    replay_entry: ReplayEntry | None = field(default=None, compare=False, repr=False)

    @property
    def reason(self) -> Reason:
        """ACCEPTED, or that nothing is done for this client."""
        return _reason(self.stanza)


@dataclass(frozen=True, slots=True)
class CycleDecision:
    """Run ``opening`` now, and ``closing`` (None: nothing) after ``lifetime`` seconds.

    ``undoes`` are the words of ``closing`` without times in them, () when it is None.
    The rest as for access.
    """

    stanza: Stanza
    message: SpaMessage
    address: Address
    port: PortSpec
    opening: Command
    closing: Command | None
    undoes: tuple[bytes, ...]
    lifetime: int
    signer: str | None = None
    replay_entry: ReplayEntry | None = field(default=None, compare=False, repr=False)

    @property
    def reason(self) -> Reason:
        """ACCEPTED, or that nothing is done for this client."""
        return _reason(self.stanza)


@dataclass(frozen=True, slots=True)
class Refusal:
    """No. ``stanza`` is the client that authenticated the packet, None if none did.

    ``detail`` is for people: it adds numbers or names to the reason, and never keys.
    ``facts`` are those numbers and names for programs, which put them in their own words.
    ``replay_entry`` as for access: a refused packet is used up too.
    """

    reason: Reason
    detail: str = ""
    stanza: Stanza | None = None
    message: SpaMessage | None = None
    facts: tuple[tuple[str, str | int], ...] = field(default=(), compare=False)
    replay_entry: ReplayEntry | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.reason in (Reason.ACCEPTED, Reason.LOG_ONLY):
            raise ValueError(f"a refusal can't carry the reason '{self.reason}'")


def _reason(stanza: Stanza) -> Reason:
    return Reason.LOG_ONLY if stanza.log_only else Reason.ACCEPTED


Decision = AccessDecision | CommandDecision | CycleDecision
Verdict = Decision | Refusal
