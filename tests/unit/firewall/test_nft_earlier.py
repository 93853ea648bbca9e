"""Reading the table of a version that admitted translated doors by their inside alone."""

from __future__ import annotations

from fwknopd.firewall.nfnetlink import LoadedElement
from fwknopd.firewall.nft_earlier import earlier_doors
from tests.unit.firewall.doors import door

REDIRECT4 = LoadedElement(
    bytes.fromhex("c6336407 06000000 08ae0000"), bytes.fromhex("c0a80164 00160000"), 9000
)
INSIDE4 = LoadedElement(bytes.fromhex("c6336407 c0a80164 06000000 00160000"), b"", 8000)


def test_a_forwarded_door_is_read_with_the_time_it_has_left() -> None:
    [timed] = earlier_doors({"redirect4": [REDIRECT4], "forward4": [INSIDE4]})
    assert timed.door == door("198.51.100.7", "tcp/2222", "192.168.1.100:22")
    assert timed.seconds == 8


def test_a_local_door_is_told_from_a_forwarded_one() -> None:
    [timed] = earlier_doors({"redirect4": [REDIRECT4], "forward4": [], "local4": [INSIDE4]})
    assert timed.door == door("198.51.100.7", "tcp/2222", "192.168.1.100:22", local=True)


def test_a_translation_without_admission_was_no_door() -> None:
    assert earlier_doors({"redirect4": [REDIRECT4]}) == []
    assert earlier_doors({}) == []
