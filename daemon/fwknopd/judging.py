"""Packets in, verdicts out: at once, or when gpg has answered.

What a packet uses up, and the doors it opens, are not seen to here but by who is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from typing import cast

from fwknopd.engine_edges import Clock, Memory
from fwknopd.policy.authorizer import Authorizer
from fwknopd.policy.gpg_questions import NeedsGpg
from fwknopd.policy.packet import Packet
from fwknopd.policy.settings import PolicySettings
from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import Reason, Refusal, Verdict
from fwknopd.undecided import Case, Gpg, Moment, Undecided

Settle = Callable[[list[tuple[Packet, Verdict]]], None]
"""Told of packets and their verdicts, in the order they came."""


FEW = 5
"""Packets for which nothing else has to be done meanwhile."""


class Judging:
    """Judges by the settings in force; a packet that needs gpg waits here."""

    def __init__(self, clock: Clock, memory: Memory, gpg: Gpg, settle: Settle) -> None:
        self.meanwhile: Callable[[], None] = lambda: None
        """Called between packets when there are many: others have to do something meanwhile."""
        self._clock = clock
        self._memory = memory
        self._settle = settle
        self._undecided = Undecided(gpg, self._judge_again)
        self._authorizer = Authorizer((), PolicySettings(), memory.cache)
        self._timed = False

    def configure(self, stanzas: Sequence[Stanza], policy: PolicySettings) -> None:
        """Judge by these from now on. Whatever it raises, those before are in force then."""
        authorizer = Authorizer(stanzas, policy, self._memory.cache)
        self._memory.use(policy)
        self._authorizer = authorizer
        self._timed = any(stanza.schedule is not None for stanza in stanzas)

    def judge(self, packets: Sequence[Packet]) -> list[Verdict | NeedsGpg]:
        """The verdicts, and those that are not `NeedsGpg` have been settled."""
        if not packets:
            return []
        self._memory.refresh()
        moment = self._moment()
        verdicts = self._verdicts(packets, moment)
        settled = _settled(packets, verdicts)
        self._settle(settled)
        if len(settled) < len(packets):
            for packet, verdict in zip(packets, verdicts, strict=True):
                if isinstance(verdict, NeedsGpg):
                    self._put_off(Case(packet, moment), verdict)
        return verdicts

    def between(self, work: Sized) -> Callable[[], None]:
        """What to call after each piece of this work."""
        return self.meanwhile if len(work) > FEW else lambda: None

    def _moment(self) -> Moment:
        # The time is taken once for all: in a flood, asking for it costs as much as judging.
        now = self._clock.now()
        offset = self._clock.utc_offset(now) if self._timed else 0
        return Moment(int(now), self._clock.problem(), offset)

    def _verdicts(self, packets: Sequence[Packet], moment: Moment) -> list[Verdict | NeedsGpg]:
        now, problem, offset = moment.now, moment.clock_problem, moment.utc_offset
        judge, facts = self._authorizer.judge, self._undecided.facts()
        meanwhile = self.between(packets)
        verdicts = []
        for packet in packets:
            verdicts.append(judge(packet, now, problem, offset, facts))
            meanwhile()
        return verdicts

    def _judge_again(self, cases: Sequence[Case]) -> None:
        """Judge packets for which gpg has answered, as of the moment they came."""
        self._memory.refresh()
        verdicts = list(map(self._verdict, cases))
        self._settle(_settled([case.packet for case in cases], verdicts))
        for case, verdict in zip(cases, verdicts, strict=True):
            if isinstance(verdict, NeedsGpg):
                self._put_off(case, verdict)

    def _verdict(self, case: Case) -> Verdict | NeedsGpg:
        moment, facts = case.moment, self._undecided.facts(case.answers)
        return self._authorizer.judge(
            case.packet, moment.now, moment.clock_problem, moment.utc_offset, facts
        )

    def _put_off(self, case: Case, need: NeedsGpg) -> None:
        if not self._undecided.add(case, need):
            detail = "copies of this packet wait for gpg already"
            self._settle([(case.packet, Refusal(Reason.GPG_BUSY, detail, need.stanza))])


def _settled(
    packets: Sequence[Packet], verdicts: Sequence[Verdict | NeedsGpg]
) -> list[tuple[Packet, Verdict]]:
    if NeedsGpg not in map(type, verdicts):
        return list(zip(packets, cast(Sequence[Verdict], verdicts), strict=True))
    return [
        (packet, verdict)
        for packet, verdict in zip(packets, verdicts, strict=True)
        if not isinstance(verdict, NeedsGpg)
    ]
