"""Whose a door is outlives a crash: nobody's revoke closes somebody else's door."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.events import event_is
from tests.netns.iptables_site import VARIANTS
from tests.netns.matrix.arenas import AdminArena, Arena, Fw4Arena
from tests.netns.matrix.guarded import Guarded, guarded, served_site
from tests.netns.matrix.kinds import Kind
from tests.netns.matrix.ledger import Entry
from tests.netns.matrix.site import Home, Site
from tests.netns.matrix.walk_doors import TWIN, WALKED
from tests.netns.namespaces import Machines

pytestmark = [pytest.mark.root, pytest.mark.nft, pytest.mark.iptables]

TCP, NAT = (next(kind for kind in WALKED if kind.name == name) for name in ("tcp", "nat"))
SHARED, ALONE = Home(1, 4), Home(2, 6)
ARENAS: list[Arena] = [Fw4Arena("default"), *(AdminArena("plain", v) for v in VARIANTS)]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Site, Machines]]:
    with served_site() as made:
        yield made


@pytest.fixture(params=ARENAS, ids=lambda arena: arena.name)
def router(
    request: pytest.FixtureRequest, served: tuple[Site, Machines], tmp_path: Path
) -> Iterator[Guarded]:
    """Two clients behind one address hold the same door, and a third one another."""
    with guarded(served, request.param, tmp_path, (TCP, TWIN, NAT)) as made:
        made.arena.load(made.site)
        made.daemon.start()
        wanted = ((TCP, SHARED, 90), (TWIN, SHARED, 60), (NAT, ALONE, 90))
        assert not made.knock([Entry(kind.name, kind, home, s) for kind, home, s in wanted])
        yield made


def listed(router: Guarded) -> dict[str, list[str]]:
    """The addresses each client has a door for."""
    found: dict[str, list[str]] = {}
    for grant in router.ask("grants")["grants"]:
        found.setdefault(grant["client"], []).append(grant["address"])
    return found


def crash(router: Guarded, *without: str) -> None:
    """Kill the daemon, and start another, to which some clients are disabled."""
    router.kill()
    router.configure(frozenset(without))
    router.daemon.start()


def name(kind: Kind, home: Home) -> str:
    return kind.client(home.version)


def test_everybodys_doors_are_their_own_after_a_crash(router: Guarded) -> None:
    tcp, twin, nat = name(TCP, SHARED), name(TWIN, SHARED), name(NAT, ALONE)
    before = router.ask("grants")["grants"]
    crash(router)
    crash(router)
    after = router.ask("grants")["grants"]
    assert {grant["id"] for grant in after} == {grant["id"] for grant in before}
    assert listed(router) == {tcp: [SHARED.phone], twin: [SHARED.phone], nat: [ALONE.phone]}
    assert router.ask("revoke", client=twin)["revoked"] == 1
    assert router.arena.admits(router.site, SHARED.phone)
    crash(router)
    assert listed(router) == {tcp: [SHARED.phone], nat: [ALONE.phone]}
    assert router.ask("revoke", client=tcp)["revoked"] == 1
    assert not router.arena.admits(router.site, SHARED.phone)
    assert listed(router) == {nat: [ALONE.phone]}


def test_a_client_that_went_during_the_crash_has_no_door_any_more(router: Guarded) -> None:
    mark = router.events.mark()
    crash(router, name(TCP, SHARED), name(NAT, ALONE))
    router.heard(mark, event_is("revoke", client=name(NAT, ALONE)))
    assert listed(router) == {name(TWIN, SHARED): [SHARED.phone]}


def test_what_somebody_else_writes_makes_nobody_an_owner(router: Guarded) -> None:
    router.kill()
    file = router.daemon.paths.run_dir / "open.doors"
    file.write_bytes(file.read_bytes().replace(b"twin", b"evil"))
    router.daemon.start()
    assert "evil" not in str(router.ask("grants"))
    assert router.heard(0, lambda event: "damaged lines (1)" in (event["detail"] or ""))
    file.chmod(0o644)
    crash(router)
    assert set(listed(router)) == {"?"}
