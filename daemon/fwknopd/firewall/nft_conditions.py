"""Does a stranger's first packet meet what a rule asks for, as nft lists it? Pure.

The stranger has any public address, and has never knocked. What can't be known of his packet
is met perhaps; what this module can't read is told as such. It must never be sure and wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from fwknopd.firewall import nft_transport
from fwknopd.firewall.nft_first_packet import (
    EXACT,
    VERSIONS,
    Met,
    Seen,
    compared,
    values_of,
)
from fwknopd.firewall.nft_marks import SETS, TEST, Effect, effect_on_mark
from fwknopd.firewall.nft_stranger_addresses import is_among, is_at, unreachable
from fwknopd.firewall.nft_walk import NEUTRAL

# Neither `! x` nor `& x == y` is a value.
_VALUE = r'(?P<value>\{[^}]*\}|@\S+|"[^"]*"(?:-"[^"]*")?|[^\s{}"!&(][^\s{}"]*)'
_OP = r"(?:(?P<op>!=|==|<=|>=|<|>) )?"
_KEY = (
    r"(?:(?:meta|ether|vlan|ip6?|tcp|udp|th|rt) \w+|[io]if\w*"
    r"|socket (?:transparent|wildcard|mark|cgroupv2 level \d+)"
    r"|ct (?:(?:original|reply) (?:ip6? )?[\w-]+|\w+))"
)
_FLAGS = r"\(?\w+(?:(?: \| |,)\w+)*\)?"

_COUNT = re.compile(r"ct count over (?P<number>\d{1,9})(?!\d)")
_RATE = re.compile(
    r"limit rate over \d+(?: ?[a-z]+)?/(?:second|minute)(?: burst (?P<burst>\d{1,9}) \w+)?"
)
_WIDE = 5
"""The burst of a limit that tells none."""

Judge = Callable[[re.Match[str], Seen], Met]


def met_by(rest: str, seen: Seen) -> tuple[str, Met] | None:
    """What follows the next statement, and whether it is met; None if it can't be read."""
    for pattern, judge in _STATEMENTS:
        match = pattern.match(rest)
        if match:
            met = Met.MAYBE if _is_of_any(match) else judge(match, seen)
            return rest[match.end() :].lstrip(), met
    return None


def _is_of_any(match: re.Match[str]) -> bool:
    """Whether a set is asked for that has ``*``, which is anything."""
    value = match.groupdict().get("value") or ""
    return "*" in values_of(value)


def entry_of(key: str, entries: Iterable[str], seen: Seen) -> str | None:
    """The verdict that a map has for the packet; "" for none, None if it can't be told."""
    for entry in entries:
        value, _, verdict = entry.rpartition(" : ")
        found = met_by(f"{key} {value.strip()}", seen)
        if found is None or found[0] or found[1] in (Met.MAYBE, Met.AT_FIRST):
            return None
        if found[1] is Met.YES:
            return verdict.strip()
    return ""


# Each kind of statement


def _passes(_match: re.Match[str], _seen: Seen) -> Met:
    return Met.YES


def _is_not(_match: re.Match[str], _seen: Seen) -> Met:
    return Met.NO


def _may(_match: re.Match[str], _seen: Seen) -> Met:
    return Met.MAYBE


def _limit(match: re.Match[str], _seen: Seen) -> Met:
    return Met.AT_FIRST if not match["over"] else Met.NO if _is_wide(match[0]) else Met.MAYBE


def _counted(match: re.Match[str], _seen: Seen) -> Met:
    """Elements put into a set: not when it is full, or has no place for packets of this kind.

    With a limit, those beyond it may be what the rule is about.
    """
    body = match["body"]
    return Met.NO if " over " in body and _is_wide(body) else Met.MAYBE


def _is_wide(limit: str) -> bool:
    """Whether a stranger's first packet is surely not beyond it."""
    count = _COUNT.search(limit)
    if count is not None:
        return int(count["number"]) >= _WIDE
    rate = _RATE.search(limit)
    return rate is not None and int(rate["burst"] or _WIDE) >= _WIDE


def _device(match: re.Match[str], seen: Seen) -> Met:
    values = values_of(match["value"])
    if match["key"].startswith("oif") or any(not _is_name(value) for value in values):
        return Met.MAYBE
    names = [value.strip('"') for value in values]
    return compared(any(_fits(name, seen.packet.device) for name in names), match["op"])


def _is_name(value: str) -> bool:
    return value.startswith('"') or not (value[:1] in "@" or value.isdigit())


def _fits(name: str, device: str) -> bool:
    return device.startswith(name[:-1]) if name.endswith("*") else name == device


def _state(match: re.Match[str], seen: Seen) -> Met:
    if not seen.tracked:
        return Met.MAYBE
    return compared("new" in values_of(match["value"]), match["op"])


def _status(match: re.Match[str], seen: Seen) -> Met:
    if match["value"] != "dnat" or not seen.tracked:
        return Met.MAYBE
    return compared(seen.packet.translated, match["op"])


def _direction(match: re.Match[str], seen: Seen) -> Met:
    if not seen.tracked:
        return Met.MAYBE
    return compared(match["value"] == "original", match["op"])


def _version(match: re.Match[str], seen: Seen) -> Met:
    values = values_of(match["value"])
    if any(value.startswith(("@", "0x")) for value in values):
        return Met.MAYBE
    met = compared(any(VERSIONS.get(v) == seen.packet.version for v in values), match["op"])
    # Packets of some devices have no Ethernet header.
    return Met.MAYBE if met is Met.YES and match["key"] == "ether type" else met


def _address(match: re.Match[str], seen: Seen) -> Met:
    packet, values, op = seen.packet, values_of(match["value"]), match["op"]
    if VERSIONS[match["family"]] != packet.version:
        return Met.NO
    if op not in EXACT:
        return Met.MAYBE
    if match["end"] == "saddr":
        return compared(is_among(values, packet.version), op)
    if packet.address is not None:
        return compared(is_at(values, packet.address), op)
    return compared(False if unreachable(values) else None, op)


def _kind_of_place(match: re.Match[str], seen: Seen) -> Met:
    if seen.packet.translated is not False:
        return Met.MAYBE
    return compared("local" in values_of(match["value"]), match["op"])


def _mark(match: re.Match[str], seen: Seen) -> Met:
    """Others' bits may be set by programs that need no rule for it."""
    marks, mask = seen.marks, match["mask"] or ""
    if match["what"] == "ct mark" or not marks.bit_clear or _number(mask) != marks.bit:
        return Met.MAYBE
    return Met.of((_number(match["value"]) == 0) is (match["op"] != "!="))


def _number(text: str) -> int:
    return int(text, 16) if text.startswith("0x") else int(text or 0)


def _sets_mark(match: re.Match[str], seen: Seen) -> Met:
    marks = seen.marks
    effect = effect_on_mark(match[0], marks.bit, by_iptables=seen.by_iptables)
    if effect not in (None, Effect.KEPT, Effect.CLEARED):
        marks.bit_clear = False
    return Met.YES


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text + r"(?= |$)")


_STATEMENTS: tuple[tuple[re.Pattern[str], Judge], ...] = (
    (NEUTRAL, _passes),
    # Of these nobody knows whether they are only for packets of one kind.
    (
        _pattern(
            r'ct helper set "[^"]*"|meta (?:nftrace|priority) set \S+|flow (?:add|offload) @\S+'
            r"|tcp option maxseg size set (?:rt mtu|\d+)|ip6? (?:dscp|ecn|ttl|hoplimit) set \S+"
        ),
        _may,
    ),
    (
        _pattern(r"limit rate (?P<over>over )?\d+(?: ?[a-z]+)?/\w+(?: burst \d+ \w+)?"),
        _limit,
    ),
    (_pattern(r"ct count (?P<over>over )?\d+"), _limit),
    (_pattern(r'limit name "[^"]*"'), _may),
    (
        _pattern(r"(?:(?:add|update|delete) @\S+|meter \S+(?: size \d+)?) \{(?P<body>[^}]*)\}"),
        _counted,
    ),
    (SETS, _sets_mark),
    (_pattern(rf"{_KEY}(?: \. {_KEY})+ {_OP}{_VALUE}"), _may),
    (_pattern(rf"(?P<key>[io]if(?:name)?) {_OP}{_VALUE}"), _device),
    (_pattern(rf"ct state {_OP}{_VALUE}"), _state),
    (_pattern(rf"ct status {_OP}{_VALUE}"), _status),
    (_pattern(rf"ct direction {_OP}{_VALUE}"), _direction),
    (_pattern(rf"(?P<key>meta nfproto|meta protocol|ether type) {_OP}{_VALUE}"), _version),
    (
        _pattern(rf"(?:meta l4proto|(?P<family>ip6?) (?:protocol|nexthdr)) {_OP}{_VALUE}"),
        nft_transport.protocol,
    ),
    (
        _pattern(rf"tcp flags (?P<op>!= )?(?P<value>{_FLAGS}) / (?P<mask>{_FLAGS})"),
        nft_transport.flags,
    ),
    (
        _pattern(rf"tcp flags & (?P<mask>{_FLAGS}) (?P<op>==|!=) (?P<value>{_FLAGS})"),
        nft_transport.flags,
    ),
    (_pattern(rf"tcp flags {_OP}(?P<value>{_FLAGS})(?! [/&])"), nft_transport.plain_flags),
    (
        _pattern(rf"(?P<protocol>tcp|udp|th|udplite|sctp|dccp) (?P<end>[sd]port) {_OP}{_VALUE}"),
        nft_transport.port,
    ),
    (_pattern(rf"(?P<family>ip6?) (?P<end>[sd]addr) {_OP}{_VALUE}"), _address),
    (re.compile(r"(?:icmpv6|icmp|igmp|esp|ah|comp|arp|sctp|dccp|udplite) "), _is_not),
    (_pattern(rf"fib daddr(?: \. iif)? type {_OP}{_VALUE}"), _kind_of_place),
    # The way back may be in a table that only answers with a mark are led by.
    (_pattern(rf"fib saddr(?: \. (?:mark|iif))* (?:oif|check) {_OP}{_VALUE}"), _may),
    (TEST, _mark),
    (_pattern(rf"{_KEY} (?:& \S+ )?{_OP}{_VALUE}"), _may),
)
