"""Whatever is done to doors, and by whom: the kernel's rules are those of a simple model.

Random sequences of openings, closings, time, crashes, reloads, wiped rules and refusals,
with the real iptables of both kinds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

import pytest
from hypothesis import HealthCheck, example, given, note, settings
from hypothesis import strategies as st

from fwknopd.firewall import FirewallError, TimedDoor
from fwknopd.firewall.iptables_process import Programs
from fwknopd.firewall.iptables_rules import IptablesSettings, print_rule, rules_of
from fwknopd.grants import Door
from fwknopd.policy.stanza import SourceNat
from tests.netns.conftest import CLIENT, CLIENT6, HOST, HOST6, ROUTER, ROUTER_LAN
from tests.netns.iptables_site import VARIANTS, IptablesSite, RouterFirewall, iptables_site
from tests.unit.firewall.doors import door

pytestmark = [pytest.mark.root, pytest.mark.iptables]

SETTINGS = IptablesSettings(enable_nat=True, enable_output=True)
LED = door(CLIENT, "tcp/4000", f"{HOST}:22")
DOORS = (
    door(CLIENT, "tcp/22"),
    door(CLIENT6, "tcp/22"),
    LED,
    # The same port of the same client to another place, or under another address.
    door(CLIENT, "tcp/4000", f"{HOST}:23"),
    replace(LED, source_nat=SourceNat()),
    door(CLIENT, "tcp/4001", f"{ROUTER_LAN}:22", local=True),
    door(CLIENT6, "tcp/4000", f"{HOST6}:22"),
    Door(ip_address(CLIENT), None, source_nat=SourceNat(ip_address(ROUTER_LAN))),
    Door(ip_address("198.51.100.0"), DOOR_PORT := LED.port, prefix=24),
    replace(door(CLIENT, "udp/53"), destination=ip_address(ROUTER)),
)
THEIRS = "-A FWKNOP_INPUT -s 10.9.9.9/32 -j ACCEPT"


@dataclass
class World:
    """The router, our firewall on it, and what ought to be open, until when."""

    site: IptablesSite
    now: float = 1_900_000_000
    ends: dict[Door, float] = field(default_factory=dict)
    theirs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.firewall = self.new_firewall()

    def new_firewall(self) -> RouterFirewall:
        # Monotonic time is another one, with whole seconds at the same moments.
        firewall = RouterFirewall(
            self.site, SETTINGS, monotonic=lambda: self.now - 1e9, wall=lambda: self.now
        )
        firewall.start()
        return firewall

    def open(self, doors: Sequence[Door], seconds: int) -> None:
        """What the model says of an opening."""
        for item in doors:
            for other in [*self.ends]:
                if item.claim is not None and item.claim == other.claim:
                    del self.ends[other]
            self.ends[item] = self.now + seconds

    def check(self) -> None:
        """The kernel has what the model has, and the admin's rules."""
        held = {timed.door: timed.seconds for timed in self.firewall.read()}
        assert held == {item: end - self.now for item, end in self.ends.items()}
        expected = [line for item, end in self.ends.items() for line in printed(item, end)]
        lines = self.site.saved().splitlines()
        assert sorted(line for line in lines if "_exp_" in line) == sorted(expected)
        assert [line for line in lines if line == THEIRS] == self.theirs
        dues = [*self.ends.values()]
        due = self.firewall.next_due()
        assert due == (min(dues) - 1e9 if dues else None)


def printed(item: Door, end: float) -> list[str]:
    """A door's rules as iptables-save prints them."""
    rules = [(rule, SETTINGS.chain(rule.role)) for rule in rules_of(item, int(end), SETTINGS)]
    return [f"-A {chain.chain} {print_rule(rule, chain)}" for rule, chain in rules]


# What can happen


@dataclass(frozen=True)
class Open:
    """Doors are opened, or, without ip6tables, only those that need none."""

    doors: tuple[Door, ...]
    seconds: int
    without_ipv6: bool = False

    def happen(self, world: World) -> None:
        asked = [TimedDoor(item, self.seconds) for item in self.doors]
        if contradicts(self.doors):
            with pytest.raises(FirewallError, match="two targets"):
                world.firewall.open(asked)
            return
        six = world.firewall._families[1]
        programs = six.programs
        if self.without_ipv6:
            six.programs = Programs("none-such")
        with suppress(FirewallError):
            world.firewall.open(asked)
            world.open(self.doors, self.seconds)
        six.programs = programs
        if self.without_ipv6 and any(item.address.version == 6 for item in self.doors):
            # What can't be undone without the program is undone when it is back.
            world.firewall.expire()


def contradicts(doors: Sequence[Door]) -> bool:
    claims = [item.claim for item in doors if item.claim is not None]
    return len(set(claims)) < len(claims)


@dataclass(frozen=True)
class Close:
    """Doors are closed, whether they are open or not."""

    doors: tuple[Door, ...]

    def happen(self, world: World) -> None:
        world.firewall.close(self.doors)
        for item in self.doors:
            world.ends.pop(item, None)


@dataclass(frozen=True)
class Wait:
    """Time passes."""

    seconds: int

    def happen(self, world: World) -> None:
        world.now += self.seconds
        world.firewall.expire()
        world.ends = {item: end for item, end in world.ends.items() if end > world.now}


@dataclass(frozen=True)
class Restart:
    """Our daemon was killed, and runs again; or it has only read its configuration again."""

    killed: bool

    def happen(self, world: World) -> None:
        if self.killed:
            world.firewall.die()
            world.firewall = world.new_firewall()
        else:
            world.firewall.start()


@dataclass(frozen=True)
class Wipe:
    """Somebody deletes chains or jumps, and we look."""

    commands: tuple[str, ...]
    family: str = "iptables"

    def happen(self, world: World) -> None:
        for command in self.commands:
            world.site.router.run(f"{self.family}{world.site.variant}", *command.split())
        if "-F" in self.commands and self.family == "iptables":
            world.theirs.clear()
        look(world)


def look(world: World) -> None:
    world.firewall._watch.suspect()
    if world.firewall.rules_lost():
        world.firewall.start()


@dataclass(frozen=True)
class CloseByHand:
    """Somebody deletes a rule of an open door, and we look."""

    number: int

    def happen(self, world: World) -> None:
        if not world.ends:
            return
        item = [*world.ends][self.number % len(world.ends)]
        stem = "iptables" if item.address.version == 4 else "ip6tables"
        rules = rules_of(item, int(world.ends[item]), SETTINGS)
        rule = rules[self.number % len(rules)]
        chain = SETTINGS.chain(rule.role)
        line = f"-A {chain.chain} {print_rule(rule, chain)}"
        if sum(line in printed(each, end) for each, end in world.ends.items()) > 1:
            # Two doors have one each, and nobody can tell whose was deleted.
            return
        del world.ends[item]
        words = ["-D", chain.chain, *print_rule(rule, chain).split()]
        world.site.router.run(f"{stem}{world.site.variant}", "-t", chain.table, *words)
        look(world)


@dataclass(frozen=True)
class TheirRule:
    """The admin puts a rule into our chain."""

    def happen(self, world: World) -> None:
        look(world)
        world.site.iptables(*THEIRS.split())
        world.theirs.append(THEIRS)


Happening = Open | Close | Wait | Restart | Wipe | CloseByHand | TheirRule
SOME = st.lists(st.sampled_from(DOORS), min_size=1, max_size=4, unique=True).map(tuple)
HAPPENINGS = st.one_of(
    st.builds(Open, SOME, st.integers(1, 40)),
    st.builds(Open, SOME, st.integers(1, 40)),
    st.builds(Open, SOME, st.integers(1, 40), st.just(True)),
    st.builds(Close, SOME),
    st.builds(Wait, st.integers(1, 25)),
    st.builds(Restart, st.booleans()),
    st.sampled_from(
        (
            Wipe(("-F", "-X")),
            Wipe(("-F INPUT",)),
            Wipe(("-t nat -F", "-t nat -X")),
            Wipe(("-F", "-X"), "ip6tables"),
        )
    ),
    st.builds(CloseByHand, st.integers(0, 20)),
    st.just(TheirRule()),
)


@pytest.fixture(scope="module", params=VARIANTS)
def site(request: pytest.FixtureRequest) -> Iterator[IptablesSite]:
    with iptables_site(request.param) as site:
        yield site


# A refused batch must leave an open door that was in it as it was.
@example(first=Open((LED,), 20), happenings=[Open((DOORS[1], DOORS[7], LED), 1, True)])
@example(  # Rules of two doors that are alike, one of which is replaced.
    first=Open((DOORS[0],), 20),
    happenings=[Open((DOORS[0], DOORS[5]), 2), Open((DOORS[0], DOORS[4]), 1)],
)
@given(
    first=st.builds(Open, SOME, st.integers(20, 40)), happenings=st.lists(HAPPENINGS, max_size=10)
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_kernel_has_what_the_model_has(
    site: IptablesSite, first: Open, happenings: list[Happening]
) -> None:
    site.reset()
    world = World(site)
    for happening in (first, *happenings):
        note(str(happening))
        happening.happen(world)
        world.check()
    world.firewall.stop()
    left = [line for line in site.saved().splitlines() if "FWKNOP" in line]
    chain = [":FWKNOP_INPUT -", "-A INPUT -j FWKNOP_INPUT", *world.theirs]
    assert sorted(left) == (sorted(chain) if world.theirs else [])
