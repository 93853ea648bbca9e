"""What a rule found when it had nothing against a knock, in words. The rules themselves
are in `rules`; here is only what they looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fwknopd.policy.addresses import HostName
from fwknopd.policy.command import Command
from fwknopd.policy.cycle import lifetime as cycle_lifetime
from fwknopd.policy.knock import FORWARDED, LOCAL, Knock
from fwknopd.policy.rules import (
    RULES,
    both_clocks,
    lifetime,
    listed,
    utc,
)
from fwknopd.policy.schedule import local_time
from fwknopd.policy.stanza import NEVER, NatTarget, Stanza
from fwknopd.policy.verdict import AccessDecision, CommandDecision, CycleDecision, Decision
from fwknopd.spa.message import MessageType, SpaMessage
from fwknopd.spa.request import UNSPECIFIED, PortSpec

NAMES = ("signer", "age", "hours", "address", "source-address", "user", "nat")
"""What the rules of `RULES` are called in an explanation."""

_TYPES = {
    MessageType.COMMAND: "command",
    MessageType.ACCESS: "access",
    MessageType.NAT_ACCESS: "NAT access",
    MessageType.CLIENT_TIMEOUT_ACCESS: "access with timeout",
    MessageType.CLIENT_TIMEOUT_NAT_ACCESS: "NAT access with timeout",
    MessageType.LOCAL_NAT_ACCESS: "local NAT access",
    MessageType.CLIENT_TIMEOUT_LOCAL_NAT_ACCESS: "local NAT access with timeout",
}


def _signer(knock: Knock) -> str:
    if knock.signer is None:
        return "signatures are not looked at (GPG_DISABLE_SIG)"
    return f"key {knock.signer} is one of this client's"


def _age(knock: Knock) -> str:
    limit = knock.settings.max_age
    rule = f"limit {limit} s" if limit is not None else "packets of any age are taken"
    return f"{both_clocks(knock)}, {rule}"


def _hours(knock: Knock) -> str:
    here = local_time(knock.now, knock.utc_offset)
    if knock.stanza.schedule is None:
        return f"it is {here} here; this client may knock at any time"
    return f"it is {here} here, and this client may knock {knock.stanza.schedule}"


def _address(knock: Knock) -> str:
    if knock.message.request.address != UNSPECIFIED:
        return f"lets in {knock.address}, as the packet says"
    origin = "the proxy's X-Forwarded-For" if knock.forwarded_for else "the packet's source"
    return f"lets in {knock.address}, {origin}: the packet says 0.0.0.0"


def _source_address(knock: Knock) -> str:
    if knock.stanza.require_source_address:
        return "the packet names an address, as REQUIRE_SOURCE_ADDRESS wants"
    return "REQUIRE_SOURCE_ADDRESS is off"


def _user(knock: Knock) -> str:
    if knock.stanza.require_username is None:
        return f"any user may knock; this one is {knock.message.user!a}"
    return f"user {knock.message.user!a}, as REQUIRE_USERNAME wants"


def _nat(knock: Knock) -> str:
    if knock.message.message_type in FORWARDED:
        return "forwarding to an inside host is on"
    if knock.message.message_type in LOCAL:
        return "NAT to the router itself is on"
    return "the packet asks for none"


_FACTS = (_signer, _age, _hours, _address, _source_address, _user, _nat)
CHECKS = tuple(zip(NAMES, RULES, _FACTS, strict=True))
"""Name, rule, and what to say when the rule passes; all of `RULES`, in their order."""


def clock_fact(knock: Knock, problem: str) -> str:
    """What there is to say of the router's clock when it stops nobody."""
    if not problem:
        return "the router's clock is set"
    why = "packets don't age" if knock.settings.wait_for_clock else "WAIT_FOR_CLOCK is off"
    return f"{problem}; but {why}"


Fact = Callable[[Knock], str]


def ports_fact(stanza: Stanza, asked: tuple[PortSpec, ...]) -> str:
    """The ports asked for and those allowed."""
    if stanza.open_ports is None:
        return f"{listed(asked)}; OPEN_PORTS is not set, so any port may be asked for"
    return f"{listed(asked)}; OPEN_PORTS allows {listed(sorted(stanza.open_ports))}"


def nat_fact(target: NatTarget | HostName | None, *, forced: bool) -> str:
    """Where NAT leads."""
    if target is None:
        return "no address is translated"
    if isinstance(target, HostName):
        return f"to port {target.port} of {target.name}, whose address is looked up then"
    return f"to {target}" + (", as FORCE_NAT says" if forced else ", as the packet asks")


def lifetime_fact(stanza: Stanza, client_timeout: int) -> str:
    """How long a door would stay open, and who said so."""
    wish = client_timeout or stanza.fw_access_timeout
    whose = "as the client asks" if client_timeout else "FW_ACCESS_TIMEOUT"
    seconds = lifetime(stanza, client_timeout)
    if seconds < wish:
        return f"{seconds} s: MAX_FW_TIMEOUT, instead of {wish} s ({whose})"
    return f"{seconds} s, {whose}"


def command_fact(stanza: Stanza) -> str:
    """By what a command is allowed."""
    if stanza.allowed_commands is None:
        return "commands are on (ENABLE_CMD_EXEC), and any may be asked for"
    return "commands are on (ENABLE_CMD_EXEC), and it is among allowed_commands"


def cycle_fact(stanza: Stanza, client_timeout: int) -> str:
    """What a knock does instead of opening doors, and what its time comes from."""
    instead = "CMD_CYCLE_OPEN is run instead of opening doors"
    if stanza.cmd_cycle_close.startswith(NEVER):
        return f"{instead}; nothing undoes it (CMD_CYCLE_CLOSE NONE)"
    timer = "CMD_CYCLE_TIMER" if stanza.cmd_cycle_timer else "FW_ACCESS_TIMEOUT"
    whose = "as the client asks" if client_timeout else timer
    seconds = cycle_lifetime(stanza, client_timeout)
    wish = client_timeout or stanza.cmd_cycle_timer or stanza.fw_access_timeout
    if seconds < wish:
        whose = f"MAX_FW_TIMEOUT, instead of {wish} s ({whose})"
    return f"{instead}, and CMD_CYCLE_CLOSE after {seconds} s: {whose}"


def run_text(command: Command) -> str:
    """What would be run, word by word."""
    words = " ".join(ascii(word.decode("latin-1")) for word in command.words)
    whose = f" as {command.account}" if command.account else ""
    return f"{words}{whose}, for {command.seconds} s at most"


def decision_text(decision: Decision) -> str:
    """What would be done."""
    if decision.stanza.log_only:
        return f"nothing is done (log_only); otherwise it {_deed(decision)}"
    return _deed(decision)


def _deed(decision: Decision) -> str:
    if isinstance(decision, CycleDecision):
        opening, later = run_text(decision.opening), decision.closing
        if later is None:
            return f"runs {opening}"
        return f"runs {opening}, and after {decision.lifetime} s {run_text(later)}"
    if isinstance(decision, CommandDecision):
        return f"runs {run_text(decision.command)}"
    end = ", and cuts connections then" if decision.stanza.cut_at_expiry else ""
    return f"opens {_doors_text(decision)}, for {decision.lifetime} s{end}"


def _doors_text(decision: AccessDecision) -> str:
    first = decision.doors[0]
    what = listed(dict.fromkeys(door.what for door in decision.doors))
    who = " and ".join(dict.fromkeys(door.who for door in decision.doors))
    nat = f" to {decision.lookup or first.nat}" if first.nat else ""
    at = f" at {first.destination}" if first.destination else ""
    masked = f", as {first.source_nat}" if first.source_nat else ""
    return f"{what}{at}{nat} for {who}{masked}"


def fields(message: SpaMessage) -> Iterator[tuple[str, str]]:
    """What the packet says. Server authentication may be a password: only whether it is there."""
    yield "type", f"{int(message.message_type)} ({_TYPES[message.message_type]})"
    yield "message", message.message.decode("latin-1")
    if message.nat_access is not None:
        yield "nat_access", message.nat_access.decode("latin-1")
    yield "user", message.user
    yield "timestamp", f"{message.timestamp} ({utc(message.timestamp)})"
    if message.client_timeout:
        yield "client_timeout", f"{message.client_timeout} s"
    if message.server_auth is not None:
        yield "server_auth", "present, not used"
    yield "version", message.version
    yield "digest", message.digest_type.value
    yield "rand", message.rand
