"""The daemon process: one selectors loop around the engine and its edges.

Error policy by phase of life: at start a fault is fatal, with one clear line each; at
a reload the old configuration stays in force and the fault is reported; a packet is
never fatal; a lost device or firewall is repaired and reported.
"""

from __future__ import annotations

import selectors
import signal
from collections import deque
from collections.abc import Callable

from fwknopd import __version__
from fwknopd.capture import CaptureError
from fwknopd.capture.links import LinkNotices
from fwknopd.capture.reopening import ReopeningCapture
from fwknopd.capture_set import CaptureSet
from fwknopd.clock import SystemClock
from fwknopd.config.problems import ConfigError, Problem
from fwknopd.config.settings import Configuration
from fwknopd.control.server import ControlServer
from fwknopd.engine import Engine, EngineSettings
from fwknopd.events import EventKind, EventLog
from fwknopd.firewall_guard import FirewallGuard
from fwknopd.options import Options
from fwknopd.policy.packet import Packet
from fwknopd.signals import SignalPipe
from fwknopd.startup import capture_plans, errors_of, load_configuration, policy_settings

QUEUE_LIMIT = 20_000
"""Packets held between capture and judgement, some 10 MiB at the very most."""

DRAIN_LIMIT = 5_000
"""Packets taken from one capture in one go: a burst must leave the kernel's ring first."""

JUDGE_BATCH = 200
"""Packets judged before the captures are drained again."""

Callback = Callable[[int], None]


class Service:
    """Owns the loop. Every descriptor's selector data is a callback taking the event mask."""

    def __init__(
        self,
        options: Options,
        configuration: Configuration | None,
        engine: Engine,
        clock: SystemClock,
    ) -> None:
        self.options = options
        self.configuration = configuration
        self.engine = engine
        self.clock = clock
        self.started = clock.monotonic()
        self.loaded_at = clock.now()
        self.load_errors: tuple[Problem, ...] = ()
        self.overflowed = 0
        self.selector = selectors.DefaultSelector()
        self.captures = CaptureSet(clock.monotonic)
        self.guard = FirewallGuard(engine, clock.monotonic)
        self.links = LinkNotices()
        self._queue: deque[Packet] = deque()
        self._watched: dict[int, ReopeningCapture] = {}
        self._judged = 0
        self._running = False
        self._stopping = False

    @property
    def events(self) -> EventLog:
        """The event log."""
        return self.engine.events

    # Life

    def start(self, control: ControlServer | None, signals: SignalPipe) -> None:
        """Open everything. Raises FirewallError, and CaptureError for what won't pass by itself.

        A device that is missing or down is waited for: at boot the uplink comes late.
        """
        self._watch(signals, lambda _: self._signalled(signals.take()))
        self._configure_engine()
        self.captures.apply(capture_plans(self.options, self.configuration))
        self._check_captures()
        adopted = self.guard.start(self.captures.devices())
        if adopted:
            self.engine.memory.outlived()
        fd = self.engine.firewall.fileno()
        if fd is not None:
            self._watch(fd, lambda _: self.guard.notified())
        self._watch(self.links.fileno(), lambda _: self._links_changed())
        if control is not None:
            control.attach(self.selector)
            self.events.sinks.append(lambda event: control.publish(event.as_json()))
        self._watch_captures()
        self._running = True
        self._report_start(adopted)

    def _check_captures(self) -> None:
        for capture in self.captures:
            if capture.fault is not None and not capture.fault.passing:
                raise capture.fault

    def _watch(self, source: SignalPipe | int, callback: Callback) -> None:
        self.selector.register(source, selectors.EVENT_READ, callback)

    def _report_start(self, adopted: int) -> None:
        self.events.record(
            EventKind.START,
            detail=f"fwknopd {__version__} started: {len(self.engine.settings.stanzas)} clients, "
            f"firewall {self.engine.firewall.name}, {adopted} open doors taken over",
        )
        if self.configuration is None:
            self.events.record(EventKind.RELOAD, detail=idle_text(self.options))
        for problem in self.configuration.problems if self.configuration else ():
            self.events.record(EventKind.RELOAD, detail=str(problem), reason=problem.severity)
        for capture in self.captures:
            self._report_capture(capture)

    def run(self) -> None:
        """Loop until a signal or the packet limit stops it."""
        while not self._stopping:
            self.turn()

    def turn(self) -> None:
        """Wait for something to happen and deal with it."""
        for key, mask in self.selector.select(self._timeout()):
            key.data(mask)
        self._judge_queue()
        self._run_timers()

    def stop(self) -> None:
        """Orderly end: report, close the captures, take our rules away."""
        self.engine.report_rejected()
        if self._running:
            self.events.record(
                EventKind.STOP, detail="Shutting down fwknopd; its firewall rules are removed"
            )
        self.captures.close()
        self.links.close()
        self.engine.firewall.stop()

    # Packets

    def _watch_captures(self) -> None:
        """Make the selector's view of capture descriptors match the open captures."""
        wanted = {fd: c for c in self.captures if (fd := c.fileno()) is not None}
        for fd in [fd for fd, c in self._watched.items() if wanted.get(fd) is not c]:
            self.selector.unregister(fd)
            del self._watched[fd]
        for fd, capture in wanted.items():
            if fd not in self._watched:
                self._watched[fd] = capture
                self._watch(fd, self._drainer(capture))

    def _drainer(self, capture: ReopeningCapture) -> Callback:
        return lambda _: self._drain(capture)

    def _drain(self, capture: ReopeningCapture) -> None:
        fd = capture.fileno()
        try:
            packets = capture.read(DRAIN_LIMIT)
        except CaptureError:
            if fd in self._watched:
                del self._watched[fd]
                self.selector.unregister(fd)
            self._report_capture(capture)
            return
        room = QUEUE_LIMIT - len(self._queue)
        self._queue.extend(packets[:room])
        self.overflowed += max(0, len(packets) - room)

    def _judge_queue(self) -> None:
        count = min(JUDGE_BATCH, len(self._queue))
        if self.options.packet_limit:
            count = min(count, self.options.packet_limit - self._judged)
        self.engine.handle_all([self._queue.popleft() for _ in range(count)])
        self._judged += count
        if count and self._judged == self.options.packet_limit:
            self._end(f"Packet count limit ({self._judged}) reached. Exiting...")

    # Time

    def _timeout(self) -> float | None:
        if self._queue:
            return 0
        dues = (self.engine.next_due(), self.captures.next_retry(), self.guard.retry_at)
        first = min((due for due in dues if due is not None), default=None)
        return None if first is None else max(0.0, first - self.clock.monotonic())

    def _run_timers(self) -> None:
        now = self.clock.monotonic()
        self.engine.tick()
        self.guard.retry(now)
        if self.captures.retry(due=now):
            self._captures_changed()

    def _links_changed(self) -> None:
        """A device came or went: look after the lost ones now, and reopen what can be."""
        self.links.drain()
        for capture in self.captures:
            self._drain(capture)
        if self.captures.retry():
            self._captures_changed()

    def _captures_changed(self) -> None:
        self._watch_captures()
        self.guard.cover(self.captures.devices())
        for capture in self.captures:
            self._report_capture(capture)

    def _report_capture(self, capture: ReopeningCapture) -> None:
        text = f"Sniffing interface: {capture.device}" if capture.device else capture.name
        if capture.detail:
            text = f"Not capturing on {capture.name}: {capture.detail}"
        if capture.reported != text:
            capture.reported = text
            self.events.record(EventKind.CAPTURE, detail=text, state=str(capture.state))

    # Signals and reload

    def _signalled(self, numbers: set[int]) -> None:
        ending = numbers & {signal.SIGTERM, signal.SIGINT}
        if ending:
            self._end(f"Got {signal.Signals(max(ending)).name}. Exiting...")
        elif signal.SIGHUP in numbers:
            self.events.record(EventKind.RELOAD, detail="Got SIGHUP. Re-reading configs.")
            self.reload()

    def _end(self, why: str) -> None:
        self.events.record(EventKind.STOP, detail=why)
        self._stopping = True

    def reload(self) -> tuple[Problem, ...]:
        """Use the files as they are now; the errors found, and then nothing has changed."""
        try:
            configuration = load_configuration(self.options)
        except ConfigError as error:
            self.load_errors = errors_of(error)
            for problem in self.load_errors:
                self.events.record(EventKind.ERROR, detail=f"Configuration not used: {problem}")
            return self.load_errors
        self.load_errors = ()
        self.configuration, self.loaded_at = configuration, self.clock.now()
        self._configure_engine()
        self.captures.apply(capture_plans(self.options, configuration))
        self._captures_changed()
        self.events.record(
            EventKind.RELOAD,
            detail=f"Configuration loaded: {len(self.engine.settings.stanzas)} clients",
        )
        return ()

    def _configure_engine(self) -> None:
        configuration = self.configuration
        if configuration is None:
            self.engine.configure(EngineSettings(self.engine.settings.policy, ()))
            return
        policy = policy_settings(configuration.settings, test=self.options.test)
        self.engine.configure(EngineSettings(policy, configuration.stanzas, test=self.options.test))


def idle_text(options: Options) -> str:
    """Why a daemon without a configuration does nothing."""
    return (
        f"Nothing to guard: Enable config overwrite is off in {options.uci}, and "
        f"{options.access_file or options.config_file} does not exist. "
        "Tick Enable config overwrite, or write the classic files."
    )
