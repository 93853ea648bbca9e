"""Rules that others delete, and answers of the kernel that are lost on their way."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator, Sequence

import pytest

from fwknopd.firewall import FirewallError, TimedDoor, nft_table
from fwknopd.firewall.netlink import Keep, Message
from fwknopd.firewall.nft_process import run_nft
from fwknopd.firewall.nft_socket import NftSocket
from fwknopd.firewall.nftables import NftablesFirewall
from fwknopd.firewall.process import Answer
from tests.netns.conftest import CLIENT, CLIENT6, HOST, Site
from tests.netns.probes import Outcome
from tests.unit.firewall.doors import door

pytestmark = [pytest.mark.root, pytest.mark.nft]

SSH = door(CLIENT, "tcp/22")


def is_noticed(firewall: NftablesFirewall) -> bool:
    """Whether the descriptor to watch has become readable."""
    descriptor = firewall.fileno()
    assert descriptor is not None
    return bool(select.select([descriptor], [], [], 2)[0])


@pytest.mark.parametrize(
    "loss",
    [
        "flush ruleset",
        "delete table inet fwknopd",
        "flush table inet fwknopd",
        "flush chain inet fwknopd mark_input",
        "delete table inet fwknopd; add table inet fwknopd",
    ],
)
def test_a_loss_is_noticed_once_and_mended(
    site: Site, firewall: NftablesFirewall, loss: str
) -> None:
    assert not firewall.rules_lost()
    site.router.nft(loss)
    assert is_noticed(firewall)
    assert firewall.rules_lost()
    assert not firewall.rules_lost()
    site.reset()
    with site.router.entered():
        firewall.start(["eth1"])
    firewall.open([TimedDoor(SSH, 30)])
    assert site.tcp(22) is Outcome.CONNECTED
    assert not firewall.rules_lost()


def test_our_own_changes_are_no_loss(firewall: NftablesFirewall) -> None:
    firewall.open([TimedDoor(SSH, 30)])
    firewall.open([TimedDoor(SSH, 60)])
    firewall.close([SSH])
    assert not firewall.rules_lost()


def flood(site: Site) -> None:
    """More notices than a socket's buffer holds."""
    site.router.nft("add table ip busy\nadd set ip busy many { type ipv4_addr; }\n")
    addresses = ", ".join(f"10.0.{n >> 8}.{n & 255}" for n in range(20000))
    site.router.nft(f"add element ip busy many {{ {addresses} }}\n" * 2 + "delete table ip busy\n")


def test_a_flood_of_notices_is_no_loss(site: Site, firewall: NftablesFirewall) -> None:
    flood(site)
    lost = [firewall.rules_lost() for _ in range(20)]
    assert lost == [False] * 20
    firewall.open([TimedDoor(SSH, 30)])
    assert site.tcp(22) is Outcome.CONNECTED


def test_a_loss_behind_a_flood_of_notices_is_noticed(
    site: Site, firewall: NftablesFirewall
) -> None:
    flood(site)
    site.router.nft("delete table inet fwknopd")
    assert is_noticed(firewall)
    assert any(firewall.rules_lost() for _ in range(20))


class DeafSocket(NftSocket):
    """A request socket that loses the kernel's next answer to a transaction when told to."""

    loses = 0

    def receive(self, keep: Keep | None = None) -> list[Message]:
        messages = super().receive(keep)
        if DeafSocket.loses:
            DeafSocket.loses -= 1
            raise TimeoutError("timed out")
        return messages


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch, site: Site) -> Iterator[NftablesFirewall]:
    """Our firewall, which loses answers when ``DeafSocket.loses`` says so."""
    monkeypatch.setattr(nft_table, "NftSocket", DeafSocket)
    monkeypatch.setattr(DeafSocket, "loses", 0)
    firewall = NftablesFirewall()
    with site.router.entered():
        firewall.start(["eth1"])
        yield firewall
        firewall.stop()


def test_a_door_whose_answer_was_lost_is_known_to_be_open(
    site: Site, deaf: NftablesFirewall
) -> None:
    DeafSocket.loses = 1
    deaf.open([TimedDoor(SSH, 30)])
    assert site.tcp(22) is Outcome.CONNECTED
    DeafSocket.loses = 1
    deaf.open([TimedDoor(SSH, 60)])
    assert [timed.seconds > 50 for timed in deaf.read()] == [True]
    DeafSocket.loses = 1
    deaf.close([SSH])
    assert deaf.read() == []


def test_a_refusal_whose_answer_was_lost_is_known_to_be_one(
    site: Site, deaf: NftablesFirewall
) -> None:
    site.router.nft("flush table inet fwknopd; delete set inet fwknopd open6")
    DeafSocket.loses = 1
    with pytest.raises(FirewallError, match="did not answer"):
        deaf.open([TimedDoor(SSH, 30), TimedDoor(door(CLIENT6, "tcp/22"), 30)])
    assert CLIENT not in site.list_ruleset()


def test_a_kernel_that_does_not_answer_at_all_is_told(deaf: NftablesFirewall) -> None:
    DeafSocket.loses = 2
    with pytest.raises(FirewallError, match="did not answer"):
        deaf.open([TimedDoor(SSH, 30)])


def deleting_a_rule_after(count: int, site: Site) -> Callable[..., Answer]:
    """nft, and right after each of its first ``count`` loads somebody deletes a rule of ours."""
    left = [count]

    def run(arguments: Sequence[str], script: str = "") -> Answer:
        answer = run_nft(arguments, script)
        if left[0]:
            left[0] -= 1
            site.router.nft("flush chain inet fwknopd mark_input")
        return answer

    return run


def test_a_rule_deleted_right_after_it_was_made_is_made_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nft_table, "run_nft", deleting_a_rule_after(1, site))
    firewall = NftablesFirewall()
    with site.router.entered():
        firewall.start(["eth1"])
        firewall.open([TimedDoor(SSH, 30)])
        assert site.tcp(22) is Outcome.CONNECTED
        assert not firewall.rules_lost()
        firewall.stop()


def test_rules_that_somebody_keeps_deleting_are_told(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nft_table, "run_nft", deleting_a_rule_after(99, site))
    firewall = NftablesFirewall()
    with site.router.entered(), pytest.raises(FirewallError, match="another program changes"):
        firewall.start(["eth1"])
    firewall.stop()


FORWARDED = door(CLIENT, "tcp/4000", f"{HOST}:22")


def test_a_loss_before_the_first_door_of_a_kind_is_still_a_loss(
    site: Site, firewall: NftablesFirewall
) -> None:
    firewall.open([TimedDoor(SSH, 30)])
    site.router.nft("delete table inet fwknopd")
    with pytest.raises(FirewallError, match="is gone"):
        firewall.open([TimedDoor(FORWARDED, 30)])
    assert firewall.rules_lost()
    assert not firewall.rules_lost()


def test_a_loss_while_rules_are_added_is_still_a_loss(
    site: Site, firewall: NftablesFirewall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def losing(arguments: Sequence[str], script: str = "") -> Answer:
        site.router.nft("delete table inet fwknopd")
        return run_nft(arguments, script)

    firewall.open([TimedDoor(SSH, 30)])
    monkeypatch.setattr(nft_table, "run_nft", losing)
    with pytest.raises(FirewallError, match="is gone"):
        firewall.open([TimedDoor(FORWARDED, 30)])
    assert firewall.rules_lost()
