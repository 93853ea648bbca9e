"""Conntrack with kernels that can't be had here: old, busy, incomplete, or with other plans."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

import pytest

from fwknopd.connections import Counted, Cut
from fwknopd.firewall import conntrack as conntrack_module
from fwknopd.firewall import dead_ends
from fwknopd.firewall.conntrack import COUNT_SECONDS, NO_MODULE, NOT_ALLOWED, TOO_MANY, Conntrack
from fwknopd.firewall.ctnetlink import (
    CT_DELETE,
    CT_GET,
    CT_NEW,
    CTA_FILTER,
    CTA_NAT_DST,
    CTA_TIMEOUT,
    CTA_ZONE,
)
from fwknopd.firewall.netlink import (
    NLM_F_DUMP_FILTERED,
    Keep,
    Message,
    Request,
    attributes,
)
from fwknopd.policy.stanza import Address
from tests.unit.firewall.ct_messages import CLOSED, IN_A_ZONE, OVER_IPV6, TRANSLATED, message
from tests.unit.firewall.doors import door

TO_HOST = door("198.51.100.7", "tcp/2222", "192.168.1.100:22")
WEB = door("198.51.100.7", "tcp/80")
DNS6 = door("2001:db8:1::7", "udp/53")


@dataclass
class Kernel:
    """What answers. ``refuses`` is the errno of each kind of request, in turn."""

    entries: list[bytes] = field(default_factory=lambda: [TRANSLATED, CLOSED, OVER_IPV6])
    filters: bool = True
    fault: int = 0
    refuses: dict[int, list[int]] = field(default_factory=dict)
    seconds: float = 0.0
    """What every entry takes."""
    now: float = 100.0
    asked: list[Request] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def kinds(self, kind: int) -> list[Request]:
        return [request for request in self.asked if request.kind == kind]

    # The part of a netlink socket

    def answers(self, request: Request, keep: Keep | None = None) -> Iterator[Message]:
        self.asked.append(request)
        if self.fault:
            raise OSError(self.fault, os.strerror(self.fault))
        family = request.payload[0]
        filtered = CTA_FILTER in dict(attributes(request.payload[4:]))
        for entry in self.entries:
            self.now += self.seconds
            if family in (0, entry[0]) and (keep is None or keep(entry, 0, len(entry))):
                understood = NLM_F_DUMP_FILTERED if filtered and self.filters else 0
                yield message(entry, understood)

    def ask(self, request: Request) -> list[Message]:
        return list(self.answers(request))

    def do(self, requests: Sequence[Request]) -> list[int]:
        self.asked += requests
        return [self._outcome(request.kind) for request in requests]

    def _outcome(self, kind: int) -> int:
        codes = self.refuses.get(kind, [])
        return codes.pop(0) if codes else 0

    def close(self) -> None:
        pass


class OneAddress:
    """A router of which these are the addresses."""

    def has(self, address: Address) -> bool:
        return str(address) in ("198.51.100.1", "2001:db8:1::1")

    def close(self) -> None:
        pass


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(conntrack_module, "NetlinkSocket", lambda: made)
    monkeypatch.setattr(conntrack_module, "OwnAddresses", OneAddress)
    return made


@pytest.fixture
def conntrack(kernel: Kernel) -> Conntrack:
    return Conntrack(kernel.monotonic)


def test_an_entry_that_two_answers_name_counts_once(kernel: Kernel, conntrack: Conntrack) -> None:
    assert conntrack.count([TO_HOST]) == Counted({TO_HOST: 1})
    assert len(kernel.kinds(CT_GET)) == 2, "asked for what it began, and for what was begun to it"


def test_a_kernel_that_cannot_filter_is_asked_for_everything_once(
    kernel: Kernel, conntrack: Conntrack
) -> None:
    kernel.filters = False
    assert conntrack.count([TO_HOST]) == Counted({TO_HOST: 1})
    kernel.asked.clear()
    assert conntrack.count([TO_HOST, DNS6]) == Counted({TO_HOST: 1, DNS6: 1})
    assert [request.payload for request in kernel.asked] == [b"\x02\0\0\0", b"\x0a\0\0\0"]


def test_no_doors_are_no_question(kernel: Kernel, conntrack: Conntrack) -> None:
    assert conntrack.count([]) == Counted()
    assert kernel.asked == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EPERM, NOT_ALLOWED),
        (errno.EINVAL, NO_MODULE),
        (errno.EPROTONOSUPPORT, NO_MODULE),
        (errno.ENOBUFS, "the kernel can't be asked for its connections: No buffer space"),
        (errno.EBADMSG, "the kernel can't be asked for its connections: Bad message"),
    ],
)
def test_why_connections_cannot_be_told(
    kernel: Kernel, conntrack: Conntrack, code: int, words: str
) -> None:
    kernel.fault = code
    counted, cut = conntrack.count([WEB]), conntrack.cut([WEB], [])
    assert words in counted.problem
    assert counted.of(WEB) is None
    assert cut == Cut(problem=counted.problem)
    assert conntrack.problem() == counted.problem
    kernel.fault = 0
    assert conntrack.problem() == ""


def test_what_cannot_be_understood_is_a_problem_and_no_crash(
    kernel: Kernel, conntrack: Conntrack
) -> None:
    kernel.entries = [b"\x02\0\0\0" + b"\xff" * 60]
    assert "can't be understood" in conntrack.count([WEB]).problem
    assert "can't be understood" in conntrack.cut([WEB], []).problem


def test_counting_ends_in_time(kernel: Kernel, conntrack: Conntrack) -> None:
    kernel.entries = [TRANSLATED] * 10_000
    kernel.seconds = COUNT_SECONDS / 100
    assert conntrack.count([TO_HOST]).problem == TOO_MANY
    assert kernel.now - 100 < COUNT_SECONDS * 1.1


def test_what_was_found_in_time_is_cut(kernel: Kernel, conntrack: Conntrack) -> None:
    kernel.seconds = 1.5
    made = conntrack.cut([TO_HOST], [])
    assert (made.count, made.problem) == (1, TOO_MANY)


def test_a_closed_connection_is_ended_but_not_counted(kernel: Kernel, conntrack: Conntrack) -> None:
    assert conntrack.count([WEB]) == Counted()
    assert conntrack.cut([WEB], []).count == 0
    assert len(kernel.kinds(CT_NEW)) == 1, "its ends may still send"


def test_one_that_ended_meanwhile_is_not_counted(kernel: Kernel, conntrack: Conntrack) -> None:
    kernel.refuses = {CT_DELETE: [errno.ENOENT]}
    assert conntrack.cut([TO_HOST], []) == Cut({TO_HOST: 0})
    assert len(kernel.kinds(CT_NEW)) == 1


def test_an_offloaded_connection_that_the_kernel_keeps_is_told_of(
    kernel: Kernel, conntrack: Conntrack
) -> None:
    kernel.refuses = {CT_DELETE: [errno.EBUSY]}
    made = conntrack.cut([TO_HOST], [])
    assert made.count == 0
    assert made.problem.startswith("1 of them are offloaded")
    assert kernel.kinds(CT_NEW) == []


def test_a_server_that_spoke_in_between_is_cut_off_again(
    kernel: Kernel, conntrack: Conntrack
) -> None:
    kernel.refuses = {CT_NEW: [errno.EEXIST, errno.EEXIST]}
    assert conntrack.cut([TO_HOST], []) == Cut({TO_HOST: 1})
    assert len(kernel.kinds(CT_NEW)) == 3


def test_one_that_always_comes_back_is_told_of(kernel: Kernel, conntrack: Conntrack) -> None:
    kernel.refuses = {CT_NEW: [errno.EEXIST] * 100}
    made = conntrack.cut([TO_HOST], [])
    assert "did not end all of them for good: File exists" in made.problem
    assert len(kernel.kinds(CT_NEW)) < 10


SYN_SENT, ESTABLISHED = 1, 3


def status(bits: int) -> bytes:
    """The attribute with an entry's status."""
    return bytes.fromhex("08000300") + bits.to_bytes(4)


def state(number: int) -> bytes:
    """The attributes with the state of a TCP connection."""
    return bytes.fromhex("30000480 2c000180 05000100") + bytes((number, 0, 0, 0))


def test_only_who_may_speak_gets_a_dead_end(kernel: Kernel, conntrack: Conntrack) -> None:
    unanswered = TRANSLATED.replace(status(0x1AE), status(0x1AC))
    kernel.entries = [unanswered.replace(state(ESTABLISHED), state(SYN_SENT))]
    assert conntrack.cut([TO_HOST], []) == Cut({TO_HOST: 1})
    assert kernel.kinds(CT_NEW) == []
    # Taken up in the middle, whoever spoke first.
    kernel.entries = [unanswered]
    assert conntrack.cut([TO_HOST], []) == Cut({TO_HOST: 1})
    assert len(kernel.kinds(CT_NEW)) == 1
    kernel.asked.clear()
    tunnel = door("198.51.100.7", "udp/9")
    kernel.entries = [IN_A_ZONE]
    assert conntrack.cut([tunnel], []) == Cut({tunnel: 1})
    [request] = kernel.kinds(CT_NEW)
    told = dict(attributes(request.payload[4:]))
    assert int.from_bytes(told[CTA_TIMEOUT]) == dead_ends.UNANSWERED_SECONDS
    assert told[CTA_ZONE] == b"\0\7"


def test_thousands_made_to_be_in_the_way_are_deleted_all_the_same(
    kernel: Kernel, conntrack: Conntrack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_ends, "MOST", 2)
    numbers = [bytes((80, 0, 0, n)) for n in range(5)]
    kernel.entries = [TRANSLATED.replace(bytes.fromhex("91fbea10"), number) for number in numbers]
    made = conntrack.cut([TO_HOST], [])
    assert made.count == 5
    assert made.problem == "3 of them were too many, and may come back when a server speaks"
    assert len(kernel.kinds(CT_NEW)) == 2


def test_a_kernel_without_translation_gets_untranslated_dead_ends(
    kernel: Kernel, conntrack: Conntrack
) -> None:
    kernel.refuses = {CT_NEW: [errno.EOPNOTSUPP]}
    assert conntrack.cut([TO_HOST], []) == Cut({TO_HOST: 1})
    assert conntrack.cut([TO_HOST], []) == Cut({TO_HOST: 1})
    translated = [
        CTA_NAT_DST in dict(attributes(request.payload[4:])) for request in kernel.kinds(CT_NEW)
    ]
    assert translated == [True, False, False]


def test_dead_ends_are_taken_away_for_those_they_stop(kernel: Kernel, conntrack: Conntrack) -> None:
    conntrack.cut([TO_HOST, WEB, DNS6], [])
    kernel.asked.clear()
    conntrack.opened([door("203.0.113.5", "tcp/22")])
    assert kernel.asked == [], "nobody's: the kernel is not bothered"
    conntrack.opened([WEB])
    assert len(kernel.kinds(CT_DELETE)) == 1
    conntrack.opened([WEB])
    assert len(kernel.kinds(CT_DELETE)) == 1
    conntrack.opened([TO_HOST, DNS6])
    assert len(kernel.kinds(CT_DELETE)) == 3


def test_a_kernel_that_fails_while_a_door_opens_is_not_the_doors_fault(
    kernel: Kernel, conntrack: Conntrack, monkeypatch: pytest.MonkeyPatch
) -> None:
    conntrack.cut([WEB], [])

    def fail(requests: Sequence[Request]) -> list[int]:
        raise OSError(errno.ENOBUFS, "")

    monkeypatch.setattr(kernel, "do", fail)
    conntrack.opened([WEB])


def test_no_more_dead_ends_are_remembered_than_memory_allows(
    kernel: Kernel, conntrack: Conntrack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_ends, "REMEMBERED", 3)
    phone = bytes((198, 51, 100, 7))
    addresses = [bytes((198, 51, 100, number)) for number in range(10, 15)]
    kernel.entries = [TRANSLATED.replace(phone, address) for address in addresses]
    doors = [replace(TO_HOST, address=ip_address(address)) for address in addresses]
    assert conntrack.cut(doors, []).count == 5
    kernel.asked.clear()
    conntrack.opened(doors)
    assert len(kernel.kinds(CT_DELETE)) == 3
