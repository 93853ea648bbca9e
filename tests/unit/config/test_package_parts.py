"""A package in parts: each client's alone, and work that grows as the clients do, no faster."""

from __future__ import annotations

from itertools import count

import pytest

from fwknopd.config.old_key_sections import owners
from fwknopd.config.package_parts import Parts
from fwknopd.config.uci_differences import differences
from fwknopd.config.uci_edit import apply
from fwknopd.config.uci_format import format_uci, parse_uci
from fwknopd.config.uci_model import UciPackage, UciSection
from fwknopd.config.wanted import State, Wanted, WantedClient
from fwknopd.config.wanted_package import Moment, as_wanted

KEYS = ("QUJDREVGR0g=", "SElKS0xNTk8=")
FEW, MANY = 50, 200


def clients(number: int, key: str) -> Wanted:
    """They get this key; what they had goes on for an hour."""
    keys = {"KEY_BASE64": key}
    return Wanted(
        clients=tuple(WantedClient(f"c{n}", keys=keys, overlap_hours=1) for n in range(number))
    )


def made(package: UciPackage, wanted: Wanted) -> UciPackage:
    numbers = count()
    return as_wanted(package, wanted, Moment(1_800_000_000, lambda: f"old_{next(numbers)}"), "f")


def lookups(number: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many options are looked up to rotate the keys of so many clients."""
    package = made(UciPackage(), clients(number, KEYS[0]))
    asked = count()
    get = UciSection.get

    def counted(section: UciSection, name: str, default: str = "") -> str:
        next(asked)
        return get(section, name, default)

    with monkeypatch.context() as patched:
        patched.setattr(UciSection, "get", counted)
        after = made(package, clients(number, KEYS[1]))
    assert sum(map(len, owners(after).values())) == number
    return next(asked)


def test_four_times_the_clients_are_four_times_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = lookups(FEW, monkeypatch), lookups(MANY, monkeypatch)
    assert few > FEW
    assert many < few * (MANY / FEW) * 1.5


def test_a_part_is_a_client_with_its_old_keys_in_the_order_of_the_file() -> None:
    package = made(made(UciPackage(), clients(3, KEYS[0])), clients(3, KEYS[1]))
    parts = Parts(package)
    part = parts.part("c1")
    assert [s.get("name") for s in part.sections] == ["c1", "c1 (old keys)"]
    assert parts.part("nobody") == UciPackage()
    parts.exchange(part, part)
    assert parts.package == package
    parts.exchange(part, UciPackage())
    assert parts.part("c1") == UciPackage()
    assert len(parts.package.sections) == 4
    assert "c1" not in parts.names


def test_a_client_that_is_gone_and_a_new_one_are_not_one_that_changed() -> None:
    package = made(UciPackage(), clients(2, KEYS[0]))
    gone = WantedClient("c1", State.ABSENT)
    new = WantedClient("new", options={"OPEN_PORTS": "tcp/22"}, keys={"KEY_BASE64": KEYS[1]})
    after = made(package, Wanted(clients=(gone, new)))
    assert {s.id for s in package.sections} & {s.id for s in after.sections} == {
        package.sections[0].id
    }
    again = parse_uci(format_uci(apply(package, differences(package, after))), "f")
    assert again == parse_uci(format_uci(after), "f")
