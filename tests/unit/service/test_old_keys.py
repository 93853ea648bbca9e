"""Old keys of a client beside its new ones: how long they count, and what becomes of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fwknop_webui.rotation import Overlap, rotate
from fwknop_webui.staging import Draft
from fwknopd.config.uci_changes import apply
from fwknopd.config.uci_format import encode_text, format_uci, parse_uci
from fwknopd.config.uci_to_classic import classic_from_uci
from fwknopd.ended_keys import EndedKeys
from fwknopd.old_keys import RETRY_SECONDS, SETTLING_SECONDS, OldKeys
from fwknopd.policy.verdict import Reason
from fwknopd.uci_store import Loaded
from tests.unit.connection_table import Table
from tests.unit.firewall.doors import door
from tests.unit.service.configs import LAPTOP, PHONE, uci_client
from tests.unit.service.doubles import NOW
from tests.unit.service.rig import Rig

NEW, OLD = LAPTOP, PHONE
DEVICE = "config config\n\toption PCAP_INTF 'eth1'\n"
DAY = 86400


@pytest.fixture(autouse=True)
def savedir(uci_rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = uci_rig.folder / "delta"
    monkeypatch.setattr("fwknopd.uci_store.DEFAULT_SAVEDIR", folder)
    return folder


def rotated(rig: Rig, *options: str, first_use: str = "1", of: str = "Anna") -> None:
    old = uci_client("Anna (old keys)", OLD, f"old_keys_of '{of}'", *options)
    old = old.replace("config access", "config access 'old_keys_1'")
    end = f"\toption ACCESS_EXPIRE_EPOCH '{int(NOW) + DAY}'\n"
    rig.uci(DEVICE, uci_client("Anna", NEW), old + end + f"\toption end_at_first_use '{first_use}'")


def names(rig: Rig) -> list[str]:
    package = parse_uci((rig.folder / "fwknopd").read_text(), "")
    return [section.get("name") for section in package.of_type("access")]


def test_old_keys_work_until_the_new_ones_are_used(uci_rig: Rig) -> None:
    rotated(uci_rig)
    uci_rig.start()
    assert uci_rig.knock(keys=OLD) == "accepted"
    assert uci_rig.knock(keys=NEW) == "accepted"
    assert uci_rig.knock(keys=OLD) == "client-expired"
    assert uci_rig.knock(keys=NEW) == "accepted"
    assert any("Anna knocked with its new keys" in text for text in uci_rig.events("reload"))


def test_file_is_put_right_when_nobody_can_take_it_back_any_more(uci_rig: Rig) -> None:
    rotated(uci_rig)
    uci_rig.start()
    uci_rig.knock(keys=NEW)
    uci_rig.pass_time(SETTLING_SECONDS - 1)
    assert names(uci_rig) == ["Anna", "Anna (old keys)"]
    uci_rig.pass_time(2)
    assert names(uci_rig) == ["Anna"]
    assert uci_rig.ask("reload")["reloaded"]
    verdict = uci_rig.service.engine.handle(uci_rig.packet(keys=OLD))
    assert verdict.reason == Reason.NO_CLIENT_MATCHED  # type: ignore[union-attr]


def test_ended_keys_stay_so_over_a_reload_and_a_restart(uci_rig: Rig) -> None:
    memory = EndedKeys(uci_rig.folder / "ended.keys")
    rotated(uci_rig)
    service = uci_rig.start(memory=memory)
    uci_rig.knock(keys=NEW)
    assert uci_rig.ask("reload")["reloaded"]
    assert uci_rig.knock(keys=OLD) == "client-expired"
    service.old_keys = OldKeys(service.engine, service.clock, None)
    service.old_keys.memory = memory
    service.reloading.reload()
    service.old_keys.start()
    assert uci_rig.knock(keys=OLD) == "client-expired"
    assert uci_rig.knock(keys=NEW) == "accepted"
    [told] = [c for c in uci_rig.ask("clients")["clients"] if c["ended"]]
    assert told["label"] == "Anna (old keys)"
    # Two sections, one client.
    assert uci_rig.ask("status")["clients"] == 1


def test_what_ended_says_nothing_of_another_overlap_with_the_same_keys(uci_rig: Rig) -> None:
    memory = EndedKeys(uci_rig.folder / "ended.keys")
    rotated(uci_rig)
    uci_rig.start(memory=memory)
    uci_rig.knock(keys=NEW)
    text = (uci_rig.folder / "fwknopd").read_text()
    uci_rig.write("fwknopd", text.replace("'Anna'", "'Anne'"))
    uci_rig.ask("reload")
    assert uci_rig.knock(keys=OLD) == "client-expired"
    uci_rig.write("fwknopd", text.replace(f"{int(NOW) + DAY}", f"{int(NOW) + 2 * DAY}"))
    uci_rig.ask("reload")
    assert uci_rig.knock(keys=OLD) == "accepted"
    uci_rig.knock(keys=NEW)
    assert uci_rig.knock(keys=OLD) == "client-expired"
    assert len(memory.load()[0]) == 2


def test_old_keys_may_stay_to_their_time(uci_rig: Rig) -> None:
    rotated(uci_rig, first_use="0")
    uci_rig.start()
    uci_rig.knock(keys=NEW)
    assert uci_rig.knock(keys=OLD) == "accepted"
    uci_rig.pass_time(DAY + 1)
    assert uci_rig.knock(keys=OLD) == "client-expired"
    uci_rig.pass_time(3601)
    assert names(uci_rig) == ["Anna"]
    assert uci_rig.knock(keys=NEW) == "accepted"


def test_refused_knock_with_new_keys_ends_nothing(uci_rig: Rig) -> None:
    rotated(uci_rig)
    uci_rig.start()
    assert uci_rig.knock(keys=NEW, message="192.0.2.7,tcp/25") == "port-not-allowed"
    assert uci_rig.knock(keys=OLD) == "accepted"


@pytest.mark.parametrize("state", ["deleted", "disabled"])
def test_old_keys_go_with_their_client(state: str, uci_rig: Rig) -> None:
    rotated(uci_rig, of="Anna" if state == "disabled" else "Berta")
    if state == "disabled":
        text = (uci_rig.folder / "fwknopd").read_text()
        uci_rig.write("fwknopd", text.replace("'Anna'\n", "'Anna'\n\toption enabled '0'\n", 1))
    uci_rig.start()
    assert uci_rig.knock(keys=OLD) == "client-disabled"
    [problem] = [
        p for p in uci_rig.ask("status")["configuration"]["problems"] if "old keys" in p["message"]
    ]
    assert (problem["option"], problem["section"]) == ("old_keys_of", "old_keys_1")


def test_changes_of_others_are_left_alone_and_it_is_tried_again(
    uci_rig: Rig, savedir: Path
) -> None:
    rotated(uci_rig)
    uci_rig.start()
    uci_rig.knock(keys=NEW)
    savedir.mkdir(mode=0o700)
    delta = savedir / "fwknopd"
    delta.write_text("fwknopd.old_keys_1.note='mine'\n")
    delta.chmod(0o600)
    uci_rig.pass_time(SETTLING_SECONDS + 1)
    assert names(uci_rig) == ["Anna", "Anna (old keys)"]
    assert uci_rig.knock(keys=OLD) == "client-expired"
    uci_rig.pass_time(RETRY_SECONDS + 1)
    faults = [text for text in uci_rig.events("error") if "can't be removed" in text]
    assert len(faults) == 1
    delta.unlink()
    uci_rig.pass_time(RETRY_SECONDS + 1)
    assert names(uci_rig) == ["Anna"]


def test_connections_made_with_old_keys_outlive_them(uci_rig: Rig) -> None:
    rotated(uci_rig)
    service = uci_rig.start()
    table = Table({door("192.0.2.7", "tcp/22"): 7})
    service.engine.doors.endings.connections = table
    uci_rig.knock(keys=OLD)
    uci_rig.knock(keys=NEW, message="192.0.2.8,tcp/22")
    uci_rig.pass_time(1)
    text = (uci_rig.folder / "fwknopd").read_text()
    uci_rig.write("fwknopd", text[: text.index("config access 'old_keys_1'")])
    uci_rig.ask("reload")
    assert uci_rig.doors() == ["192.0.2.8 tcp/22"]
    assert table.cuts == []


def test_last_knock_of_each_client_is_known(uci_rig: Rig) -> None:
    rotated(uci_rig)
    uci_rig.start()
    uci_rig.clock.advance(5)
    uci_rig.knock(keys=OLD)
    uci_rig.clock.advance(5)
    uci_rig.knock(keys=NEW, message="192.0.2.7,tcp/25")
    uci_rig.ask("reload")
    told = [(c["last_knock"], c["last_accepted"]) for c in uci_rig.ask("clients")["clients"]]
    assert told == [(NOW + 10, False), (NOW + 5, True)]


@pytest.mark.parametrize("first_use", ["0", "1"])
def test_classic_files_get_them_only_where_they_end_as_meant(first_use: str, uci_rig: Rig) -> None:
    rotated(uci_rig, first_use=first_use)
    package = parse_uci((uci_rig.folder / "fwknopd").read_text(), "")
    stanzas = [
        line
        for line in classic_from_uci(package, "").access_conf.splitlines()
        if line.startswith("SOURCE")
    ]
    assert len(stanzas) == (2 if first_use == "0" else 1)


def test_file_that_can_not_be_written_is_left_to_the_page(
    uci_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotated(uci_rig)
    uci_rig.start()
    monkeypatch.setattr("os.access", lambda path, mode: False)
    uci_rig.knock(keys=NEW)
    uci_rig.pass_time(SETTLING_SECONDS + 1)
    assert names(uci_rig) == ["Anna", "Anna (old keys)"]
    assert uci_rig.knock(keys=OLD) == "client-expired"
    assert uci_rig.events("error") == []


@pytest.mark.parametrize(("owner", "mode"), [(65534, 0o600), (0, 0o640), (0, 0o604)])
def test_file_that_others_use_too_is_left_to_the_page(owner: int, mode: int, uci_rig: Rig) -> None:
    rotated(uci_rig)
    uci_rig.start()
    file = uci_rig.folder / "fwknopd"
    if os.geteuid() == 0:
        os.chown(file, owner, owner)
    file.chmod(mode)
    before = file.stat()
    uci_rig.knock(keys=NEW)
    uci_rig.pass_time(SETTLING_SECONDS + 1)
    assert file.stat() == before
    assert uci_rig.knock(keys=OLD) == "client-expired"


def test_marks_tell_no_keys_and_survive_damage(tmp_path: Path) -> None:
    memory = EndedKeys(tmp_path / "ended.keys")
    assert memory.load() == ((), "")
    marks = [f"{n:032x}" for n in range(300)]
    assert memory.keep(marks) == ""
    assert (tmp_path / "ended.keys").stat().st_mode & 0o777 == 0o600
    assert memory.load() == (tuple(marks[-200:]), "")
    (tmp_path / "ended.keys").write_text(f"{marks[0]}\nnonsense\n")
    found, fault = memory.load()
    assert found == (marks[0],)
    assert "damaged" in fault


def test_memory_that_fails_is_told(uci_rig: Rig) -> None:
    rotated(uci_rig)
    uci_rig.start(memory=EndedKeys(uci_rig.folder / "nowhere" / "ended.keys"))
    uci_rig.knock(keys=NEW)
    assert any("can't be written" in text for text in uci_rig.events("error"))
    assert uci_rig.knock(keys=OLD) == "client-expired"


def test_what_the_page_writes_is_what_the_daemon_goes_by(uci_rig: Rig) -> None:
    uci_rig.uci(DEVICE, uci_client("Anna", OLD, "FW_ACCESS_TIMEOUT '45'"))
    file = uci_rig.folder / "fwknopd"
    package = parse_uci(file.read_text(), "")
    loaded = Loaded(package, package, "", ())
    [client] = package.of_type("access")
    draft = rotate(Draft(loaded, (), package, loaded), client, Overlap(1), NOW)
    file.write_bytes(encode_text(format_uci(apply(package, draft.changes))))
    uci_rig.start()
    [anna, old] = uci_rig.service.engine.settings.stanzas
    assert (old.fw_access_timeout, old.access_expire) == (45, int(NOW) + 3600)
    assert uci_rig.knock(keys=OLD) == "accepted"
    assert uci_rig.knock(keys=anna.keys) == "accepted"
    assert uci_rig.knock(keys=OLD) == "client-expired"
    uci_rig.pass_time(SETTLING_SECONDS + 1)
    assert names(uci_rig) == ["Anna"]
