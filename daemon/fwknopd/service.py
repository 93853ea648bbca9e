"""The daemon process: one loop around the engine and its edges.

Error policy by phase of life: at start a fault is fatal, with one clear line each; at
a reload the old configuration stays in force and the fault is reported; a packet is
never fatal; a lost device or firewall is repaired and reported.

The loop waits for others in these places only, each with a limit:

- making nftables rules runs nft: at a start, when the devices change, when somebody deleted
  the rules, for the first door of a kind, and for a diagnosis. With iptables every door runs
  a program. That takes milliseconds, and at the very worst the time limit of
  `firewall/process.py`; after a program that needed all of it none is run for as long, and
  after a look at others' rules no other look;
- a start or reload that names a new logical network waits a second for its device;
- a reload waits up to a second for a UCI file that another program has locked;
- counting the connections of doors takes half a second at most, cutting them two
  (`firewall/conntrack.py`);
- the end waits up to two seconds for commands that close what others have opened;
- a used packet is written to the journal before its door opens, and the disk waited for after;
- in a flood it lets packets gather for a moment (`pacing.py`).
"""

from __future__ import annotations

import signal
from contextlib import ExitStack
from functools import partial
from math import inf

from fwknopd import __version__
from fwknopd.capture_set import Opener, open_capture
from fwknopd.clock import SystemClock
from fwknopd.config.problems import Problem
from fwknopd.config.settings import Configuration
from fwknopd.control.server import ControlServer
from fwknopd.engine import Engine
from fwknopd.events import Event, EventKind, EventLog
from fwknopd.firewall import FirewallError
from fwknopd.firewall_guard import FirewallGuard
from fwknopd.first_knock import FirstKnock
from fwknopd.gpg_support import GpgSupport
from fwknopd.intake import Intake
from fwknopd.loop import Loop
from fwknopd.old_keys import OldKeys
from fwknopd.options import Options
from fwknopd.pacing import Pacing
from fwknopd.part_settings import capture_request, engine_settings
from fwknopd.policy.verdict import Refusal
from fwknopd.reloading import Reloading
from fwknopd.signals import SignalPipe
from fwknopd.workers import Workers

STOPPED = "Shutting down fwknopd; its firewall rules are removed"
STOPPED_OPEN = "Shutting down fwknopd; its firewall rules stay (FLUSH_IPT_AT_EXIT is N)"

JUDGE_BATCH = 200
"""Packets judged before the captures are drained again."""

FAULT_PAUSE_SECONDS = 0.1
"""Rest after the system refused what can't be done without, for it may go on refusing."""


class Service:
    """Owns the loop and everything in it."""

    def __init__(
        self,
        options: Options,
        configuration: Configuration | None,
        engine: Engine,
        clock: SystemClock,
        loop: Loop,
        workers: Workers,
        opener: Opener = open_capture,
        gpg: GpgSupport | None = None,
    ) -> None:
        self.options = options
        self.engine = engine
        self.clock = clock
        self.started = clock.monotonic()
        self.loop = loop
        self.workers = workers
        self.gpg = gpg or GpgSupport(workers, engine.events)
        self.guard = FirewallGuard(engine, clock.monotonic)
        self.intake = Intake(
            self.loop, clock.monotonic, engine.events, self._devices_changed, opener
        )
        self.reloading = Reloading(options, configuration, engine, self.intake, clock)
        self.old_keys = OldKeys(engine, clock, options.uci)
        self.first_knock = FirstKnock(None)
        engine.reporting.knocked = self.old_keys.knocked
        engine.judging.meanwhile = self.intake.relieve
        self._pacing = Pacing()
        self._rest = 0.0
        self._fault = ""
        self._judged = 0
        self._running = False
        self._stopping = False

    @property
    def events(self) -> EventLog:
        """The event log."""
        return self.engine.events

    @property
    def configuration(self) -> Configuration | None:
        """What is in force."""
        return self.reloading.configuration

    # Life

    def start(self, control: ControlServer | None, signals: SignalPipe) -> None:
        """Open everything. Raises FirewallError, and CaptureError for what won't pass by itself.

        A device that is missing or down is waited for: at boot the uplink comes late.
        """
        self.loop.watch(signals, lambda _: self._signalled(signals.take()))
        self.engine.configure(
            engine_settings(self.options, self.configuration, self.engine.settings.policy)
        )
        self.reloading.clients_are_known()
        self.reloading.close_cycles_of_the_gone()
        request = capture_request(self.options, self.configuration)
        self.intake.adopt(self.intake.prepare(request))
        adopted = self.guard.start(self.intake.devices())
        if adopted:
            self.engine.memory.outlived()
            self.reloading.close_doors_of_the_gone()
        fd = self.engine.firewall.fileno()
        if fd is not None:
            self.loop.watch(fd, lambda _: self.guard.notified())
        if control is not None:
            control.attach(self.loop.selector)
            self.events.sinks.append(partial(_publish, control))
        self._running = True
        self._report_start(adopted)
        self.old_keys.start()
        self.gpg.use(self.engine.settings.stanzas)

    def _report_start(self, adopted: int) -> None:
        self.events.record(EventKind.START, detail=self._start_text(adopted))
        self.reloading.tell_of_idleness()
        for problem in self.configuration.problems if self.configuration else ():
            self.events.record(EventKind.RELOAD, detail=str(problem), reason=problem.severity)
        doubt = self.clock.problem()
        if doubt and self.engine.settings.policy.wait_for_clock:
            self.events.record(EventKind.START, detail=f"Knocks are refused for now: {doubt}")
        self.intake.report()

    def _start_text(self, doors: int) -> str:
        clients, cycles = len(self.engine.settings.stanzas), self.engine.commands.open_cycles
        more = f", {cycles} command {'cycle' if cycles == 1 else 'cycles'} too" if cycles else ""
        return (
            f"fwknopd {__version__} started: "
            f"{'1 client' if clients == 1 else f'{clients} clients'}, "
            f"firewall {self.engine.firewall.name}, "
            f"{'1 open door' if doors == 1 else f'{doors} open doors'} taken over{more}"
        )

    def run(self) -> None:
        """Loop until a signal or the packet limit stops it.

        A machine without memory or descriptors to spare ends nothing: that passes.
        """
        while not self._stopping:
            try:
                self.turn()
            except (OSError, MemoryError) as error:
                self._refused(error)

    def _refused(self, error: OSError | MemoryError) -> None:
        self._rest = FAULT_PAUSE_SECONDS
        fault = f"The system refused fwknopd something: {str(error) or type(error).__name__}"
        if fault != self._fault:
            self._fault = fault
            self.events.record(EventKind.ERROR, detail=fault)

    def turn(self) -> None:
        """Wait for something to happen and deal with it."""
        self.loop.rest(self._rest)
        due = self._next_due()
        self.loop.turn(None if due == inf else max(0.0, due - self.clock.monotonic()))
        self._judge_queue()
        # What became due meanwhile is seen to in the next turn, which won't wait then. To ask
        # everybody again takes as long as to open a door.
        now = self.clock.monotonic()
        if now >= due:
            self._run_timers(now)

    def stop(self) -> None:
        """Orderly end: report, take our rules away, close the captures.

        A fault in one of these keeps none of the others from being done; it is raised after.
        """
        with ExitStack() as ending:
            # Called from the last one up.
            ending.callback(self.intake.close)
            ending.callback(self._stop_firewall)
            ending.callback(self.engine.reporting.summarize)
            # While the loop can still wait for something.
            ending.callback(self._close_cycles)

    def _close_cycles(self) -> None:
        if self._running:
            self.engine.commands.stop()

    def _stop_firewall(self) -> None:
        try:
            self.engine.firewall.stop()
        except FirewallError as error:
            self.events.record(
                EventKind.ERROR, detail=f"The firewall rules can't be removed: {error}"
            )
        else:
            self._stopped_firewall()

    def _stopped_firewall(self) -> None:
        keeps = self.engine.firewall.keeps_doors
        if not keeps:
            self.engine.cut_off()
        if self._running:
            self.events.record(EventKind.STOP, detail=STOPPED_OPEN if keeps else STOPPED)

    # Packets

    def _judge_queue(self) -> None:
        queue = self.intake.queue
        count = min(JUDGE_BATCH, len(queue))
        if self.options.packet_limit:
            count = min(count, self.options.packet_limit - self._judged)
        verdicts = self.engine.handle_all([queue.popleft() for _ in range(count)])
        self._judged += count
        in_vain = all(isinstance(verdict, Refusal) for verdict in verdicts)
        self._rest = self._pacing.rest(count, self.clock.monotonic(), in_vain=in_vain)
        if count and self._judged == self.options.packet_limit:
            # Those that wait for gpg are among them.
            self.workers.finish()
            self._end(f"Packet count limit ({self._judged}) reached. Exiting...")

    # Time

    def _next_due(self) -> float:
        """Monotonic second at which there is something to do, whatever happens; or inf."""
        if self.intake.queue:
            return -inf
        dues = (
            self.engine.next_due(),
            self.guard.next_due(),
            self.intake.next_due(),
            self.workers.next_due(),
            self.reloading.next_due(),
            self.old_keys.next_due(),
        )
        return min([due for due in dues if due is not None])

    def _run_timers(self, now: float) -> None:
        self.engine.tick()
        self.guard.run_timers(now)
        self.intake.run_timers(now)
        self.workers.run_timers(now)
        self.reloading.run_timers(now)
        self.old_keys.run_timers(now)

    def _devices_changed(self) -> None:
        self.guard.cover(self.intake.devices())

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
        errors = self.reloading.reload()
        if errors:
            return errors
        self.reloading.tell_of_idleness()
        self._devices_changed()
        self.intake.report()
        self.old_keys.use()
        self.gpg.use(self.engine.settings.stanzas)
        return ()


def _publish(control: ControlServer, event: Event) -> None:
    if control.followers:
        control.publish(event.as_json())
