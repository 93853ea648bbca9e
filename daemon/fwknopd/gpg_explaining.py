"""Explanations of packets that gpg has to open: made anew until every question is answered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fwknopd.policy.explanation import Explanation
from fwknopd.policy.gpg_questions import GpgAnswer, GpgFacts, GpgQuestion, NeedsGpg
from fwknopd.policy.packet import Address, Packet
from fwknopd.undecided import Gpg

MOST = 8
"""Packets whose answers are kept until somebody fetches the explanation."""

Explain = Callable[[GpgFacts], Explanation]


class GpgExplaining:
    """Has gpg asked what an explanation leaves open, and keeps the answers for the next try."""

    def __init__(self, gpg: Gpg) -> None:
        self._gpg = gpg
        self._answers: dict[Packet, dict[GpgQuestion, GpgAnswer | None]] = {}

    def explain(self, packet: Packet, explain: Explain) -> tuple[Explanation, bool]:
        """The explanation as far as it goes, and whether that is all of it."""
        answers = self._answers.get(packet, {})
        known = {question: answer for question, answer in answers.items() if answer is not None}
        explanation = explain(GpgFacts(known, self._gpg.recipients))
        if not explanation.questions:
            self._answers.pop(packet, None)
            return explanation, True
        if packet not in self._answers:
            while len(self._answers) >= MOST:
                self._answers.pop(next(iter(self._answers)))
            self._answers[packet] = answers
        for client in explanation.clients:
            if client.question is not None and client.question not in answers:
                answers[client.question] = None
                need = NeedsGpg(client.question, client.stanza, True)
                self._ask(need, packet.source, answers)
        return explanation, False

    def _ask(
        self, need: NeedsGpg, source: Address, answers: dict[GpgQuestion, GpgAnswer | None]
    ) -> None:
        self._gpg.ask(need, source, partial(answers.__setitem__, need.question))


def explained_now(explain: Explain, packet: Packet) -> Explanation:
    """The whole explanation, with gpg run here."""
    first = explain(GpgFacts())
    if not first.questions:
        return first
    # Loaded only for those who knock with GPG.
    from fwknopd.gpg_queue import GpgQueue
    from fwknopd.loop import Loop
    from fwknopd.workers import Workers

    loop = Loop()
    workers = Workers(loop)
    queue = GpgQueue(workers)
    explaining, whole = GpgExplaining(queue), False
    try:
        while not whole:
            first, whole = explaining.explain(packet, explain)
            workers.finish()
        return first
    finally:
        workers.close()
        queue.close()
        loop.close()
