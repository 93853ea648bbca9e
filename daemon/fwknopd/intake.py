"""The captures as part of the loop: watched, drained, reopened, followed from device to device."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from fwknopd.capture import CaptureError
from fwknopd.capture.device import ANY_DEVICE
from fwknopd.capture.links import LinkNotices
from fwknopd.capture.plan import CaptureRequest, PcapPlan
from fwknopd.capture.reopening import CaptureState, ReopeningCapture
from fwknopd.capture.twins import MOMENT_SECONDS, Twins
from fwknopd.capture_set import CaptureSet, Opener, Staged, open_capture
from fwknopd.events import EventKind, EventLog
from fwknopd.loop import Callback, Loop
from fwknopd.netifd import Netifd
from fwknopd.policy.packet import Packet

QUEUE_LIMIT = 8_000
"""Packets held between capture and judgement, some 5 MiB. Room for a burst of thousands; in a
flood of more than can be judged each waits for those before it, so no more than that."""

DRAIN_LIMIT = 5_000
"""Packets taken from one capture in one go: a burst must leave the kernel's ring first."""

RELIEF_SECONDS = 0.001
"""Packets are taken from the captures this often at least, whatever else there is to do."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request with its captures open already, to be adopted or discarded."""

    request: CaptureRequest
    staged: Staged

    def discard(self) -> None:
        """Leave everything as it was."""
        self.staged.discard()


@dataclass(frozen=True, slots=True)
class WaitingNetwork:
    """A logical network without a device, why, and since which monotonic second."""

    name: str
    detail: str
    since: float


class Intake:
    """Packets from every capture in one queue. ``changed`` is told when devices may have."""

    def __init__(
        self,
        loop: Loop,
        monotonic: Callable[[], float],
        events: EventLog,
        changed: Callable[[], None],
        opener: Opener = open_capture,
    ) -> None:
        self.request = CaptureRequest()
        self.queue: deque[Packet] = deque()
        self._drained = 0.0
        self.captures = CaptureSet(monotonic, opener)
        self.netifd = Netifd(loop.watch, loop.unwatch, monotonic, self._networks_changed)
        self._links = LinkNotices()
        self._twins = Twins(monotonic)
        self._swapped = -inf
        self._several = False
        self._on_top: tuple[str, ...] = ()
        self._loop = loop
        self._monotonic = monotonic
        self._events = events
        self._changed = changed
        self._watched: dict[int, ReopeningCapture] = {}
        self._waiting: dict[str, WaitingNetwork] = {}
        loop.watch(self._links.fileno(), lambda _: self._notified())

    # What is captured

    def prepare(self, request: CaptureRequest) -> Prepared:
        """Open what a request adds; nothing else changes.

        Raises CaptureError for a fault that doesn't pass by itself. A device that is missing
        or down is waited for: at boot the uplink comes late.
        """
        self.netifd.look_up(request.networks)
        staged = self.captures.stage(request.plans(self._resolved(request)))
        try:
            staged.raise_lasting_fault()
            _judge_filter(request, staged)
        except BaseException:
            staged.discard()
            raise
        return Prepared(request, staged)

    def adopt(self, prepared: Prepared) -> None:
        """Use what was prepared from now on. Never raises."""
        self.request = prepared.request
        self.netifd.want(prepared.request.networks)
        self._swap(prepared.staged)

    def devices(self) -> tuple[str, ...]:
        """Devices whose traffic doors open for, those of lost captures included.

        A reconnect must find its doors open, so a name is kept until the request changes.
        Connections to what is named come in by the bridge or the VLAN on top of it.
        """
        before, self._on_top = self._on_top, self._found_on_top()
        if self._on_top and self._on_top != before:
            names = " and ".join(self._on_top)
            text = f"Doors open on {names} as well, by which connections come in"
            self._events.record(EventKind.CAPTURE, detail=text)
        covered = self.request.covered(self._resolved(self.request))
        return tuple(sorted({*covered, *self._on_top}))

    def _found_on_top(self) -> tuple[str, ...]:
        """What lies on the named devices; netifd's are those packets come in by already."""
        if not self.request.devices or ANY_DEVICE in self.request.devices:
            return ()
        # On a router they are rarely named.
        from fwknopd.capture.stacking import devices_on_top

        try:
            return devices_on_top(self.request.devices)
        except OSError:
            return self._on_top

    def waiting_networks(self) -> tuple[WaitingNetwork, ...]:
        """The networks that have no device."""
        return tuple(self._waiting.values())

    def _resolved(self, request: CaptureRequest) -> list[str]:
        return [d for network in request.networks if (d := self.netifd.device_of(network))]

    def _sees_twice(self) -> bool:
        """May one packet be captured more than once?"""
        return self._several or self._monotonic() < self._swapped + MOMENT_SECONDS

    def _swap(self, staged: Staged) -> None:
        self._swapped = self._monotonic()
        outgoing = self.captures.swap(staged)
        plans = self.captures.plans()
        self._several = len(plans) > 1 or any(plan.name == ANY_DEVICE for plan in plans)
        for old in outgoing:
            self._take(old, DRAIN_LIMIT)
            try:
                old.close()
            except Exception as error:  # the new ones are in use already
                detail = f"Closing the capture on {old.name} failed: {error}"
                self._events.record(EventKind.ERROR, detail=detail)
        self._match_watches()

    def _match_watches(self) -> None:
        """Make the loop's view of capture descriptors match the open captures."""
        wanted = {fd: c for c in self.captures if (fd := c.fileno()) is not None}
        for fd in [fd for fd, c in self._watched.items() if wanted.get(fd) is not c]:
            self._unwatch(fd)
        for fd, capture in wanted.items():
            if fd not in self._watched:
                self._watched[fd] = capture
                self._loop.watch(fd, self._drainer(capture))

    def _unwatch(self, fd: int) -> None:
        del self._watched[fd]
        self._loop.unwatch(fd)

    # Packets

    def _drainer(self, capture: ReopeningCapture) -> Callback:
        return lambda _: self._drain(capture)

    def _drain(self, capture: ReopeningCapture) -> None:
        self._drained = self._monotonic()
        room = QUEUE_LIMIT - len(self.queue)
        if room > 0:
            # What there is no room for costs least where it is: the kernel drops it unread.
            self._take(capture, min(room, DRAIN_LIMIT))

    def _take(self, capture: ReopeningCapture, limit: int) -> None:
        fd = capture.fileno()
        try:
            packets = capture.read(limit)
        except CaptureError:
            if fd in self._watched:
                self._unwatch(fd)
            self._report_capture(capture)
            return
        several = self._sees_twice()
        port = self.request.tcp_port
        self.queue.extend(self._twins.first_ones(packets, capture, port, several=several))

    def relieve(self) -> None:
        """Empty the captures if that was not just done; to be called while much is judged.

        A burst fills the kernel's rings in some milliseconds.
        """
        if self._monotonic() - self._drained >= RELIEF_SECONDS:
            for capture in self.captures:
                self._drain(capture)

    # Devices that come and go

    def _notified(self) -> None:
        """A device or address changed: look after the lost captures now, reopen what can be."""
        links = self._links.drain()
        for capture in self.captures:
            self._drain(capture)
        stacked_anew = links and self._found_on_top() != self._on_top
        if self.captures.hurry() or stacked_anew:
            self._devices_changed()
        self.netifd.changed(links=links)

    def _networks_changed(self) -> None:
        """The network daemon has answered: capture where the networks are now."""
        self._swap(self.captures.stage(self.request.plans(self._resolved(self.request))))
        self._devices_changed()

    def _devices_changed(self) -> None:
        self._match_watches()
        self._changed()
        self.report()

    # Time

    def next_due(self) -> float:
        """Monotonic second at which `run_timers` has something to do; infinite when never."""
        return min(self.captures.next_due(), self.netifd.due())

    def run_timers(self, now: float) -> None:
        """Read and reopen what is due, and ask for the networks' devices."""
        for capture in self.captures:
            if capture.due() <= now:
                self._drain(capture)
        if self.captures.retry(now):
            self._devices_changed()
        self.netifd.run_timers(now)

    # Telling

    def report(self) -> None:
        """An event for each capture and network that is not as it was last reported."""
        for capture in self.captures:
            self._report_capture(capture)
        before, self._waiting = self._waiting, {}
        for network in self.request.networks:
            if not self.netifd.device_of(network):
                self._report_network(network, before.get(network))

    def _report_capture(self, capture: ReopeningCapture) -> None:
        device = capture.device
        how = (
            f"Sniffing interface: {device}" if capture.kind == "pcap" else f"Listening on {device}"
        )
        text = how if device else capture.name
        if capture.detail:
            text = f"Not capturing on {capture.name}: {capture.detail}"
        if capture.reported != text:
            capture.reported = text
            self._events.record(EventKind.CAPTURE, detail=text, state=str(capture.state))

    def _report_network(self, network: str, before: WaitingNetwork | None) -> None:
        detail = self.netifd.trouble_with(network)
        since = before.since if before else self._monotonic()
        self._waiting[network] = WaitingNetwork(network, detail, since)
        if before is None or before.detail != detail:
            sniffing = self.request.how is not None
            text = (
                f"Not capturing on network {network}: {detail}"
                if sniffing
                else f"Doors don't open yet for network {network}: {detail}"
            )
            self._events.record(EventKind.CAPTURE, detail=text, state=str(CaptureState.WAITING))

    def close(self) -> None:
        """Close everything; raises only after that."""
        try:
            self.netifd.close()
            self._loop.unwatch(self._links.fileno())
            self._links.close()
        finally:
            self.captures.close()


def _judge_filter(request: CaptureRequest, staged: Staged) -> None:
    """Without an open device nobody has judged the filter yet. Raises CaptureError."""
    judged = (c.is_open for plan, c in staged.captures.items() if isinstance(plan, PcapPlan))
    if request.how is None or any(judged):
        return
    from fwknopd.capture.pcap import check_filter

    check_filter(request.how.filter.user)
