"""Turns: one command of a client at a time, in order, and never too many waiting."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

import pytest

from fwknopd.command_queue import IN_ALL, PER_CLIENT, Asker, CommandQueue
from fwknopd.policy.command import Command, Ended

WELL = Ended(0)


class Runner:
    def __init__(self) -> None:
        self.running: list[tuple[str, bool, Callable[[Ended], None]]] = []

    def start(self, command: Command, closing: bool, done: Callable[[Ended], None]) -> None:
        self.running.append((command.text, closing, done))

    def wait(self, over: Callable[[], bool], seconds: float) -> None:
        raise AssertionError("a queue never waits")

    def end(self, text: str, ended: Ended = WELL) -> None:
        (found,) = [entry for entry in self.running if entry[0] == text]
        self.running.remove(found)
        found[2](ended)

    def texts(self) -> list[str]:
        return [text for text, _, _ in self.running]


@pytest.fixture
def runner() -> Runner:
    return Runner()


def command(text: str) -> Command:
    return Command((text.encode(),), "", "", 60)


def ignore(_: Ended) -> None:
    """For who doesn't care how it ends."""


def test_commands_of_a_client_run_one_by_one_in_order(runner: Runner) -> None:
    queue, told = CommandQueue(runner), list[tuple[str, Ended]]()
    for text in ("one", "two", "three"):
        queue.add("phone", command(text), lambda ended, text=text: told.append((text, ended)))  # type: ignore[misc]
    assert runner.texts() == ["one"]
    runner.end("one", Ended(3))
    assert runner.texts() == ["two"]
    runner.end("two")
    runner.end("three")
    assert told == [("one", Ended(3)), ("two", WELL), ("three", WELL)]
    assert len(queue) == 0


def test_clients_do_not_wait_for_each_other(runner: Runner) -> None:
    queue = CommandQueue(runner)
    queue.add("phone", command("slow"), ignore)
    queue.add("laptop", command("quick"), ignore)
    assert runner.texts() == ["slow", "quick"]


def test_what_closes_waits_for_what_opens(runner: Runner) -> None:
    queue = CommandQueue(runner)
    queue.add("phone", command("open"), ignore)
    queue.add("phone", command("close"), ignore, closing=True)
    assert runner.texts() == ["open"]
    runner.end("open")
    assert [(text, closing) for text, closing, _ in runner.running] == [("close", True)]


def test_a_client_can_have_only_so_many_waiting(runner: Runner) -> None:
    queue = CommandQueue(runner)
    for number in range(PER_CLIENT):
        assert queue.why_full("phone") == ""
        queue.add("phone", command(str(number)), ignore)
    assert queue.why_full("phone") == "8 commands of this client are running or waiting already"
    assert queue.why_full("laptop") == ""
    runner.end("0")
    assert queue.why_full("phone") == ""


def test_all_together_can_have_only_so_many_waiting(runner: Runner) -> None:
    queue = CommandQueue(runner)
    for number in range(IN_ALL):
        queue.add(f"client {number}", command(str(number)), ignore)
    assert queue.why_full("newcomer") == "64 commands are running or waiting already"


def test_what_closes_is_not_counted(runner: Runner) -> None:
    queue = CommandQueue(runner)
    for number in range(IN_ALL + 1):
        queue.add("phone", command(str(number)), ignore, closing=True)
    assert queue.why_full("phone") == ""
    assert len(queue) == IN_ALL + 1


def test_who_is_told_of_an_end_may_ask_for_more(runner: Runner) -> None:
    queue = CommandQueue(runner)
    queue.add("phone", command("one"), lambda _: queue.add("phone", command("two"), ignore))
    runner.end("one")
    assert runner.texts() == ["two"]


def test_what_is_forgotten_is_never_begun_and_is_told(runner: Runner) -> None:
    queue, told = CommandQueue(runner), list[Ended]()
    asker = Asker("phone", "digest", ip_address("192.0.2.7"))
    for text in ("runs", "waits"):
        queue.add("phone", command(text), told.append, asker=asker)
    queue.add("phone", command("close"), ignore, closing=True)
    assert queue.forget(lambda each: each.owner == "digest", "the client is gone") == 1
    assert told == [Ended(fault="the client is gone")]
    runner.end("runs")
    assert runner.texts() == ["close"]


def test_what_closes_does_not_wait_for_what_has_not_begun(runner: Runner) -> None:
    queue = CommandQueue(runner)
    for text in ("runs", "waits"):
        queue.add("phone", command(text), ignore)
    queue.add("phone", command("open"), ignore, effect=("door",))
    queue.add("phone", command("close other"), ignore, closing=True, effect=("other",))
    queue.add("phone", command("close"), ignore, closing=True, effect=("door",))
    order = []
    while runner.running:
        order += runner.texts()
        runner.end(order[-1])
    assert order == ["runs", "close other", "waits", "open", "close"]
