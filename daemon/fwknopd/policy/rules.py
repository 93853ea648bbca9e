"""May this client have what its authenticated message asks for? One function per rule.

The order is the C daemon's (behaviour notes, packet processing), because it decides
which of several reasons people are told. On purpose different: a port list is a set,
so a port written twice changes nothing; MAX_FW_TIMEOUT caps every lifetime; and an
address that can't be a client's is refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache

from fwknopd.policy.addresses import HostName
from fwknopd.policy.command_rules import decide_command
from fwknopd.policy.cycle import decide_cycle
from fwknopd.policy.doors import doors_of_knock, target_of
from fwknopd.policy.gpg import unlisted
from fwknopd.policy.knock import FORWARDED, LOCAL, Knock
from fwknopd.policy.schedule import local_time
from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import AccessDecision, Reason, Refusal, Verdict
from fwknopd.replay import ReplayEntry
from fwknopd.spa.request import UNSPECIFIED, CommandRequest, PortSpec

_PORTS_SHOWN = 12


Rule = Callable[[Knock], Refusal | None]


def decide(knock: Knock, entry: ReplayEntry | None = None) -> Verdict:
    """The verdict on an authenticated message that is no replay.

    ``entry`` is what will be remembered of it. Who may open doors is told so at once: to make
    another verdict with it takes as long as to come to this one.
    """
    for rule in RULES:
        refusal = rule(knock)
        if refusal is not None:
            return refusal
    if isinstance(knock.message.request, CommandRequest):
        return decide_command(knock, knock.message.request)
    return _access(knock, knock.message.request.ports, entry)


def signer(knock: Knock) -> Refusal | None:
    """GPG_REMOTE_ID and GPG_FINGERPRINT_ID."""
    access = knock.stanza.gpg
    if access is None or knock.signer is None:
        return None
    why = unlisted(knock.signer, access)
    return knock.refuse(Reason.SIGNER_NOT_ALLOWED, why) if why else None


def age(knock: Knock) -> Refusal | None:
    """MAX_SPA_PACKET_AGE, in both directions."""
    limit = knock.settings.max_age
    behind = knock.now - knock.message.timestamp
    if limit is None or abs(behind) <= limit:
        return None
    reason = Reason.TOO_OLD if behind > 0 else Reason.FROM_THE_FUTURE
    detail = f"{both_clocks(knock)}, limit {limit} s"
    return knock.refuse(reason, detail, seconds_apart=abs(behind))


def both_clocks(knock: Knock) -> str:
    """What the packet's clock and the router's say, and how far they are apart."""
    sent, now = knock.message.timestamp, knock.now
    return f"packet's clock {utc(sent)}, router's clock {utc(now)}, {abs(now - sent)} s apart"


def address_known(knock: Knock) -> Refusal | None:
    """There is an address to let in."""
    # Any other address is taken, as the C daemon does: a door that nobody can use, such
    # as one for a multicast address, harms nobody.
    if not knock.address.is_unspecified:
        return None
    return knock.refuse(Reason.MALFORMED, "neither the message nor the packet names an address")


def address_given(knock: Knock) -> Refusal | None:
    """REQUIRE_SOURCE_ADDRESS."""
    if not knock.stanza.require_source_address or knock.message.request.address != UNSPECIFIED:
        return None
    return knock.refuse(
        Reason.ADDRESS_REQUIRED,
        "the packet says 0.0.0.0 (any source), but REQUIRE_SOURCE_ADDRESS wants an address in it",
    )


def username(knock: Knock) -> Refusal | None:
    """REQUIRE_USERNAME."""
    required = knock.stanza.require_username
    if required is None or knock.message.user == required:
        return None
    detail = f"the packet is from user {knock.message.user!a}, REQUIRE_USERNAME is {required!a}"
    return knock.refuse(Reason.USERNAME_MISMATCH, detail)


def nat_enabled(knock: Knock) -> Refusal | None:
    """NAT of the kind asked for is switched on."""
    kind, settings = knock.message.message_type, knock.settings
    if kind in FORWARDED and not settings.enable_ipt_forwarding:
        return knock.refuse(
            Reason.NAT_NOT_ENABLED, "forwarding to an inside host is off (ENABLE_IPT_FORWARDING)"
        )
    if kind in LOCAL and not settings.enable_ipt_local_nat:
        return knock.refuse(
            Reason.NAT_NOT_ENABLED, "NAT to the router itself is off (ENABLE_IPT_LOCAL_NAT)"
        )
    return None


def within_hours(knock: Knock) -> Refusal | None:
    """allowed_hours and allowed_days, on the router's wall clock."""
    schedule = knock.stanza.schedule
    if schedule is None:
        return None
    here = local_time(knock.now, knock.utc_offset)
    if schedule.allows(here):
        return None
    detail = f"it is {here} here, and this client may knock {schedule}"
    return knock.refuse(Reason.OUTSIDE_HOURS, detail)


RULES: tuple[Rule, ...] = (
    signer,
    age,
    within_hours,
    address_known,
    address_given,
    username,
    nat_enabled,
)


def clock_unset(knock: Knock, clock_problem: str) -> Refusal | None:
    """Nothing for which the time matters is granted while the clock can't be believed.

    With packet aging off that still is a client whose access ends on a day (ACCESS_EXPIRE),
    or who may only come at certain hours.
    """
    stanza = knock.stanza
    timed = stanza.access_expire is not None or stanza.schedule is not None
    timely = knock.settings.enable_spa_packet_aging or timed
    if not clock_problem or not timely or not knock.settings.wait_for_clock:
        return None
    detail = f"{clock_problem}; the packet's clock says {utc(knock.message.timestamp)}"
    return knock.refuse(Reason.CLOCK_NOT_SET, detail)


def ports_allowed(knock: Knock, asked: Iterable[PortSpec]) -> Refusal | None:
    """RESTRICT_PORTS, then OPEN_PORTS."""
    refused = _refused_ports(knock.stanza, dict.fromkeys(asked))
    return knock.refuse(Reason.PORT_NOT_ALLOWED, refused) if refused else None


def _access(knock: Knock, asked: tuple[PortSpec, ...], entry: ReplayEntry | None) -> Verdict:
    refused = ports_allowed(knock, asked)
    if refused is not None:
        return refused
    if knock.stanza.cmd_cycle_open:
        return decide_cycle(knock, asked)
    target = target_of(knock)
    if isinstance(target, Refusal):
        return target
    doors = doors_of_knock(knock, tuple(dict.fromkeys(asked)), target)
    if isinstance(doors, Refusal):
        return doors
    return AccessDecision(
        stanza=knock.stanza,
        message=knock.message,
        doors=doors,
        lifetime=lifetime(knock.stanza, knock.message.client_timeout),
        lookup=target.name if isinstance(target, HostName) else "",
        signer=knock.signer,
        replay_entry=entry,
    )


def lifetime(stanza: Stanza, client_timeout: int) -> int:
    """Seconds a grant lasts: the client's wish or the stanza's default, capped in both cases.

    Never 0, which a kernel timeout would take for "for ever".
    """
    return max(1, min(client_timeout or stanza.fw_access_timeout, stanza.max_fw_timeout))


def _refused_ports(stanza: Stanza, ports: Collection[PortSpec]) -> str:
    restricted = [port for port in ports if port in stanza.restrict_ports]
    if restricted:
        return f"in this client's RESTRICT_PORTS: {listed(restricted)}"
    if stanza.open_ports is None:
        return ""
    refused = [port for port in ports if port not in stanza.open_ports]
    if not refused:
        return ""
    allowed = listed(sorted(stanza.open_ports)) or "nothing"
    return f"not in this client's OPEN_PORTS ({allowed}): {listed(refused)}"


def listed(ports: Iterable[object]) -> str:
    """Ports in words, the first dozen."""
    texts = [str(port) for port in ports]
    more = len(texts) - _PORTS_SHOWN
    return ", ".join(texts[:_PORTS_SHOWN]) + (f" and {more} more" if more > 0 else "")


@lru_cache(maxsize=16)  # a flood of copies asks for the same few again and again
def utc(epoch: int) -> str:
    """An epoch second as people write it; the bare number when no calendar reaches it."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(epoch))
    except (OverflowError, OSError, ValueError):
        return f"{epoch} s after 1970"
