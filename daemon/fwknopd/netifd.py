"""Asking OpenWrt's network daemon which devices the logical networks have now.

The answer changes with every redial, and netifd may be slow or hang, so it is asked by a
program of its own, whose end is one more descriptor of the loop. While a network has no
device it is asked again after growing pauses, and at once when the kernel says that a
device or address has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from math import inf
from os import O_RDONLY, devnull
from os import close as close_descriptor
from os import open as open_descriptor

from fwknopd.network import LogicalNetwork, NetworkError, find_device, parse_dump
from fwknopd.spawning import Child, find_program, memory_file, text_of

TIME_LIMIT = 5.0
"""Seconds for an answer that nobody waits for."""

WAIT_LIMIT = 1.0
"""Seconds the daemon waits for its very first answer, so that it starts with captures."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds between two questions: doubled each time, until something changes."""

_ARGUMENTS = ("call", "network.interface", "dump")
_OUTPUT_LIMIT = 1 << 20


class Question:
    """One run of ubus. Asking raises NetworkError."""

    def __init__(self) -> None:
        self._files = ExitStack()
        try:
            self._output = self._files.enter_context(memory_file())
            self._child = self._start()
        except OSError as error:
            self._files.close()
            raise _cannot_ask(str(error.strerror)) from None
        except BaseException:
            self._files.close()
            raise

    def _start(self) -> Child:
        program = find_program("ubus")
        if program is None:
            raise _cannot_ask("there is no program ubus")
        # Nothing to read, and complaints are of no use: the exit status says enough.
        null = open_descriptor(devnull, O_RDONLY)
        try:
            return Child(program, _ARGUMENTS, (null, self._output.fileno()))
        except OSError as error:
            raise _cannot_ask(f"{program}: {error.strerror}") from None
        finally:
            close_descriptor(null)

    def fileno(self) -> int:
        """Readable when the answer is there."""
        return self._child.fileno()

    def has_ended(self, time_limit: float = 0.0) -> bool:
        """Whether the answer is there, after ``time_limit`` seconds at most."""
        return self._child.has_ended(time_limit)

    def kill(self) -> None:
        """Stop waiting for it; `finish` must still be called, once it has ended."""
        self._child.kill()

    def finish(self) -> tuple[LogicalNetwork, ...]:
        """The networks; gives everything back. Raises NetworkError."""
        with self._files:
            status = self._child.reap()
            text = text_of(self._output, _OUTPUT_LIMIT)
        if status:
            raise NetworkError(
                f"the network daemon gave no answer (ubus ended with status {status})",
                "Check that netifd and ubusd run, or set PCAP_INTF to a device name instead",
            )
        return parse_dump(text)


def _cannot_ask(why: str) -> NetworkError:
    return NetworkError(
        f"the network daemon can't be asked: {why}",
        "Logical networks exist on OpenWrt only; elsewhere set PCAP_INTF to a device name",
    )


def _no_answer(seconds: float) -> NetworkError:
    return NetworkError(
        f"the network daemon gave no answer within {seconds:g} seconds",
        "Check that netifd and ubusd run; it is asked again",
    )


class Netifd:
    """The devices of the ``wanted`` networks as far as known, and who asks for them.

    ``watch`` and ``unwatch`` put a descriptor into the loop and take it out; ``answered``
    is told after every answer, or failure to get one.
    """

    def __init__(
        self,
        watch: Callable[[int, Callable[[int], None]], None],
        unwatch: Callable[[int], None],
        monotonic: Callable[[], float],
        answered: Callable[[], None],
    ) -> None:
        self.wanted: tuple[str, ...] = ()
        self.ask_at = inf
        """Monotonic second of the next question."""
        self._watch = watch
        self._unwatch = unwatch
        self._monotonic = monotonic
        self._answered = answered
        self._networks: tuple[LogicalNetwork, ...] | None = None
        self._fault: NetworkError | None = None
        self._devices: dict[str, str] = {}
        self._question: Question | None = None
        self._asked_at = -inf
        self._given_up = False
        self._pause = FIRST_PAUSE

    # What is known

    def device_of(self, network: str) -> str:
        """The device it has, or had when it was last up; "" if none is known.

        The name outlives a redial: what comes back finds its capture and its doors.
        """
        return self._devices.get(network, "")

    def trouble_with(self, network: str) -> str:
        """Why the network has no device now; "" when it has."""
        if self._networks is None:
            return str(self._fault) if self._fault else "the network daemon is being asked"
        try:
            find_device(self._networks, network)
        except NetworkError as error:
            return str(error)
        return str(self._fault) if self._fault else ""

    def _learn(self, networks: tuple[LogicalNetwork, ...]) -> None:
        self._networks, self._fault = networks, None
        present = {network.name for network in networks}
        self._devices = {name: d for name, d in self._devices.items() if name in present}
        for name in present:
            try:
                self._devices[name] = find_device(networks, name)
            except NetworkError:
                continue  # it keeps the device it had

    # Asking

    def look_up(self, networks: tuple[str, ...]) -> None:
        """Learn of networks not looked after so far; waits WAIT_LIMIT at most for the answer."""
        if not set(networks) - set(self.wanted):
            return
        if self._question is None:
            self._ask()
        if self._question is not None and self._question.has_ended(WAIT_LIMIT):
            self._finish()

    def want(self, networks: tuple[str, ...]) -> None:
        """Look after these networks from now on."""
        self.wanted = networks
        self._plan()

    def changed(self, *, links: bool) -> None:
        """The kernel said that addresses or, with ``links``, devices have changed."""
        if self.wanted and (links or self._is_needed()):
            self._pause = FIRST_PAUSE
            # Changes come in flocks, and the last of them counts.
            self.ask_at = min(self.ask_at, max(self._monotonic(), self._asked_at + FIRST_PAUSE))

    @property
    def is_asking(self) -> bool:
        """Is a question on its way?"""
        return self._question is not None

    def due(self) -> float:
        """Monotonic second at which `run_timers` has something to do; infinite when never."""
        if self._question is None:
            return self.ask_at
        return inf if self._given_up else self._asked_at + TIME_LIMIT

    def run_timers(self, now: float) -> None:
        """Ask, or stop waiting for an answer, when it is time."""
        if now < self.due():
            return
        if self._question is None:
            self._ask()
            if self._question is None:  # it can't even be asked
                self._plan()
                self._answered()
            return
        self._given_up = True
        self._question.kill()
        self._fault = _no_answer(TIME_LIMIT)
        self._answered()

    def _ask(self) -> None:
        self.ask_at, self._asked_at, self._given_up = inf, self._monotonic(), False
        try:
            self._question = Question()
        except NetworkError as error:
            self._fault = error
            return
        self._watch(self._question.fileno(), lambda _: self._ended())

    def _ended(self) -> None:
        self._finish()
        self._plan()
        self._answered()

    def _finish(self) -> None:
        question, self._question = self._question, None
        if question is None:
            return
        self._unwatch(question.fileno())
        try:
            networks = question.finish()
        except NetworkError as error:
            if not self._given_up:
                self._fault = error
            return
        # Late is better than never, and as true as any other answer.
        self._learn(networks)

    def _is_needed(self) -> bool:
        return any(self.trouble_with(network) for network in self.wanted)

    def _plan(self) -> None:
        """Ask again later if that is of any use."""
        if self._question is not None:
            return
        if not self.wanted or not self._is_needed():
            self._pause = FIRST_PAUSE
            if not self.wanted:
                self.ask_at = inf
            return
        self.ask_at = min(self.ask_at, self._monotonic() + self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def close(self) -> None:
        """Ask no more."""
        self.wanted, self.ask_at = (), inf
        if self._question is not None:
            self._question.kill()
            self._finish()
