"""What one grant costs by itself: from the verdict until the kernel has it and it is noted whose.

Without packet, decryption, replay journal and event: what is called here is what the daemon
calls once it has decided. So this can be measured of ours alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from ipaddress import ip_address

from fwknopd.clock import SystemClock
from fwknopd.door_requests import DoorRequest
from fwknopd.firewall import Firewall
from fwknopd.firewall.iptables import IptablesFirewall
from fwknopd.firewall.nftables import NftablesFirewall
from fwknopd.grants import Door
from fwknopd.open_doors import OpenDoors
from fwknopd.owner_journal import OwnerJournal
from fwknopd.spa.request import PortSpec, Protocol
from tests.bench.bench import Bench
from tests.bench.clients import addresses
from tests.bench.contestants import Contestant
from tests.bench.errors import BenchError
from tests.bench.scenarios.open_doors import COUNTS
from tests.bench.site import MARK, SSH, WAN, made_site
from tests.bench.trial import LONG

GRANT = "one grant"
_LOT = 500


def one_grant(bench: Bench) -> None:
    """Doors opened, extended and revoked, with so many open beside them."""
    for count in COUNTS:
        title = f"{GRANT}, {count} doors"
        bench.take_turns(title, partial(_measure, bench, count), short=1, long=3)


def _measure(bench: Bench, count: int, contestant: Contestant) -> None:
    if not contestant.is_ours:
        return
    clock = SystemClock()
    journal = OwnerJournal(bench.folder / "one-grant.doors", clock.monotonic, _fail)
    with made_site(contestant) as site, site.router.entered(), closing(journal):
        firewall = _firewall(contestant)
        firewall.start((WAN,))
        doors = OpenDoors(firewall, clock, lambda *_, **__: None, journal)
        visitors = addresses()
        others = [_request(next(visitors)) for _ in range(count)]
        for start in range(0, count, _LOT):
            _open(doors, others[start : start + _LOT])
        _take_times(bench, contestant, count, doors, visitors)
        firewall.stop()
    (bench.folder / "one-grant.doors").unlink()


def _take_times(
    bench: Bench, contestant: Contestant, count: int, doors: OpenDoors, visitors: Iterable[str]
) -> None:
    # With iptables each takes a run of a program.
    number = bench.pick(10, 50) if contestant.variant else bench.pick(300, 1000)
    requests = [_request(visitor) for visitor, _ in zip(visitors, range(number), strict=False)]
    actions: dict[str, Callable[[DoorRequest], object]] = {
        "opened": lambda request: _open(doors, [request]),
        "extended": lambda request: _open(doors, [request]),
        "revoked": lambda request: doors.revoke(lambda grant: grant.door == request.doors[0]),
    }
    for metric, action in actions.items():
        times = [_timed(action, request) for request in requests]
        bench.note(contestant, (GRANT, f"{count} doors", metric, "ms"), *times)


def _timed(action: Callable[[DoorRequest], object], request: DoorRequest) -> float:
    started = time.perf_counter()
    action(request)
    return (time.perf_counter() - started) * 1e3


def _open(doors: OpenDoors, requests: list[DoorRequest]) -> None:
    for answer in doors.open(requests):
        if not isinstance(answer, list):
            raise BenchError(f"a door was refused: {answer}")


def _request(visitor: str) -> DoorRequest:
    door = Door(ip_address(visitor), PortSpec(Protocol.TCP, SSH))
    return DoorRequest((door,), "phone", "identity", LONG)


def _firewall(contestant: Contestant) -> Firewall:
    if contestant.variant:
        return IptablesFirewall(variant=f"-{contestant.variant}")
    return NftablesFirewall(MARK)


def _fail(text: str) -> None:
    raise BenchError(text)
