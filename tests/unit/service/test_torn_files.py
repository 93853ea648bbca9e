"""Files that end anywhere, as an editor, a full disk or a power failure leaves them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fwknopd.cycle_journal import CycleJournal
from fwknopd.ended_keys import EndedKeys
from fwknopd.grants import Grant, GrantTable
from fwknopd.owner_journal import OwnerJournal
from tests.unit.firewall.doors import door
from tests.unit.service.configs import LAPTOP, stanza, uci_client
from tests.unit.service.rig import Rig
from tests.unit.test_cycle_journal import cycle

NOW = 1000.0


def beginnings(path: Path) -> list[bytes]:
    """Every shorter file that begins as this one."""
    whole = path.read_bytes()
    return [whole[:cut] for cut in range(len(whole))]


def reload_all(rig: Rig, path: Path) -> int:
    """Reload what is left of a file, cut at every byte; how often that was refused.

    Then what is in force stays; and when the file is whole again, that is used.
    """
    whole, refused = path.read_bytes(), 0
    for part in beginnings(path):
        path.write_bytes(part)
        before = rig.service.configuration
        if not rig.ask("reload")["reloaded"]:
            assert rig.service.configuration is before
            refused += 1
    path.write_bytes(whole)
    assert rig.ask("reload")["reloaded"]
    assert rig.knock() == rig.knock(keys=LAPTOP) == "accepted"
    return refused


@pytest.mark.parametrize(("name", "refused"), [("access.conf", True), ("fwknopd.conf", False)])
def test_classic_files_cut_anywhere_are_used_or_refused_and_end_nothing(
    rig: Rig, name: str, *, refused: bool
) -> None:
    rig.conf("PCAP_INTF eth1;\nMAX_SPA_PACKET_AGE 60;\nENABLE_TCP_SERVER N;\n")
    rig.access(stanza(), stanza(LAPTOP))
    rig.start()
    # Half a word of fwknopd.conf is a name or a number, too.
    assert bool(reload_all(rig, rig.folder / name)) is refused


def test_a_uci_file_cut_anywhere_is_used_or_refused_and_ends_nothing(uci_rig: Rig) -> None:
    device = "config config\n\toption PCAP_INTF 'eth1'\n"
    uci_rig.uci(device, uci_client("phone"), uci_client("laptop", LAPTOP))
    uci_rig.start()
    assert reload_all(uci_rig, uci_rig.folder / "fwknopd") > 0


def test_a_file_of_owners_cut_anywhere_makes_nobody_an_owner(tmp_path: Path) -> None:
    path, said = tmp_path / "open.doors", list[str]()
    table = GrantTable()
    journal = OwnerJournal(path, lambda: NOW, said.append)
    for port, client in ((22, "phone"), (80, "laptop"), (443, "tablet")):
        grant = Grant(door("192.0.2.7", f"tcp/{port}"), client, NOW, NOW + 60, client)
        table.record(grant)
        journal.opened([grant], table)
    journal.close()
    whole = list(OwnerJournal(path, lambda: NOW, said.append).left())
    assert len(whole) == 3 and not said
    for part in beginnings(path):
        path.write_bytes(part)
        left = list(OwnerJournal(path, lambda: NOW, said.append).left())
        assert left == whole[: len(left)]


def test_a_file_of_cycles_cut_anywhere_runs_no_command_that_was_not_in_it(tmp_path: Path) -> None:
    path = tmp_path / "cycles"
    journal = CycleJournal(path)
    assert not journal.keep([cycle(), cycle()])
    whole = journal.load().cycles
    for part in beginnings(path):
        path.write_bytes(part)
        loaded = CycleJournal(path).load()
        assert all(one in whole for one in loaded.cycles)


def test_a_file_of_ended_keys_cut_anywhere_ends_no_others(tmp_path: Path) -> None:
    path = tmp_path / "ended.keys"
    marks = ("0123456789abcdef" * 2, "fedcba9876543210" * 2)
    assert not EndedKeys(path).keep(marks)
    for part in beginnings(path):
        path.write_bytes(part)
        found, fault = EndedKeys(path).load()
        assert set(found) <= set(marks)
        assert bool(fault) is bool(part.strip() and len(part.split()[-1]) < 32)
