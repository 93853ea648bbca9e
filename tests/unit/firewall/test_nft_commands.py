"""Elements in nft's own words, as the real nft prints and reads them."""

from __future__ import annotations

import pytest

from fwknopd.firewall.nfnetlink import Element
from fwknopd.firewall.nft_commands import add_command, delete_command
from fwknopd.firewall.nft_elements import elements_of
from fwknopd.grants import Door
from tests.unit.firewall.doors import door


@pytest.mark.parametrize(
    ("item", "commands"),
    [
        (
            door("198.51.100.7", "tcp/22"),
            ["add element inet fwknopd open4 { 198.51.100.7 . tcp . 22 timeout 30s }"],
        ),
        (
            door("2001:db8::7", "udp/53", prefix=64),
            ["add element inet fwknopd open6_64 { 2001:db8:: . udp . 53 timeout 30s }"],
        ),
        (
            door("198.51.100.7", "tcp/2222", "10.0.0.5:22", mask="10.0.0.1", at="192.0.2.1"),
            [
                "add element inet fwknopd redirect_at4 "
                "{ 198.51.100.7 . 192.0.2.1 . tcp . 2222 timeout 30s : 10.0.0.5 . 22 }",
                "add element inet fwknopd inside_at4 "
                "{ 198.51.100.7 . 192.0.2.1 . tcp . 2222 . 10.0.0.5 timeout 30s }",
                "add element inet fwknopd snat_inside_at4 "
                "{ 198.51.100.7 . 192.0.2.1 . tcp . 2222 . 10.0.0.5 timeout 30s : 10.0.0.1 }",
            ],
        ),
        (
            door("198.51.100.7", "all", mask="masquerade"),
            [
                "add element inet fwknopd all4 { 198.51.100.7 timeout 30s }",
                "add element inet fwknopd masq_all4 { 198.51.100.7 timeout 30s }",
            ],
        ),
    ],
)
def test_what_opens_a_door_can_be_told(item: Door, commands: list[str]) -> None:
    assert [add_command("fwknopd", e, "30s") for e in elements_of(item)] == commands


def test_what_closes_a_door_needs_no_target() -> None:
    redirect, _ = elements_of(door("198.51.100.7", "all", "10.0.0.5:0"))
    expected = "delete element inet fwknopd all_redirect4 { 198.51.100.7 }"
    assert delete_command("fwknopd", redirect) == expected


def test_a_set_of_somebody_else_has_no_words() -> None:
    with pytest.raises(ValueError, match="blocked"):
        add_command("fwknopd", Element("blocked", b"1234"), "1s")
