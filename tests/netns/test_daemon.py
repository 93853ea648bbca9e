"""The running daemon through what happens to a router: reloads, firewall restarts, redials."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.lab.client import Ask
from tests.lab.configs import client_section, ready_config, write_private
from tests.lab.events import event_is
from tests.lab.lab import Lab, LabOptions
from tests.lab.probing import Probing
from tests.netns.namespaces import Machine
from tests.timing import quickest

pytestmark = [pytest.mark.root, pytest.mark.nft, pytest.mark.client]

SSH = 22
SCENARIO = "wan-drop"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path / "lab", LabOptions(scenario=SCENARIO)) as started:
        yield started


def knock(lab: Lab, *, access: str = "tcp/22", client: str | None = None) -> None:
    """Knock, and wait until the door is open."""
    mark = lab.events.mark()
    lab.knock(Ask(access), client=client)
    lab.events.wait_for(event_is("grant"), since=mark)


def reaches(lab: Lab, port: int = SSH) -> bool:
    return bool(lab.phone.connect(lab.router.address, port, 0.5))


def edit(lab: Lab, old: str, new: str) -> None:
    text = lab.paths.uci.read_text()
    assert old in text
    write_private(lab.paths.uci, text.replace(old, new))


def test_a_reload_uses_the_new_configuration_and_keeps_doors(lab: Lab) -> None:
    knock(lab)
    write_private(lab.paths.uci, lab.paths.uci.read_text() + client_section("two", "tcp/2222", 30))
    with Probing(lab.phone, lab.router.address, SSH) as probing:
        assert lab.daemon.ask("reload")["reloaded"] is True
        knock(lab, access="tcp/2222", client="two")
    assert probing.connected == len(probing.attempts) > 0
    assert reaches(lab, 2222)
    assert lab.daemon.ask("status")["clients"] == 2


def test_hup_reloads_as_well(lab: Lab) -> None:
    mark = lab.events.mark()
    edit(lab, "tcp/22,", "tcp/2222,")
    lab.daemon.process.signal(signal.SIGHUP)
    lab.events.wait_for(lambda e: e["event"] == "reload" and "loaded" in e["detail"], since=mark)
    knock(lab, access="tcp/2222")
    lab.knock(Ask("tcp/22"))
    refused = lab.events.wait_for(event_is("verdict", verdict="refuse"), since=mark)
    assert refused["reason"] == "port-not-allowed"


def test_a_broken_configuration_changes_nothing_and_says_what_is_wrong(lab: Lab) -> None:
    knock(lab)
    edit(lab, "option SOURCE", "optoin SOURCE")
    answer = lab.daemon.ask("reload")
    assert answer["reloaded"] is False
    (problem,) = answer["problems"]
    assert problem["file"] == str(lab.paths.uci)
    assert problem["line"] == 9
    assert "no UCI command" in problem["message"]
    assert problem["remedy"]
    assert reaches(lab)
    assert str(lab.paths.uci) in lab.daemon.ask("status")["configuration"]["last_error"]
    edit(lab, "optoin SOURCE", "option SOURCE")
    assert lab.daemon.ask("reload")["reloaded"] is True
    assert lab.daemon.ask("status")["configuration"]["last_error"] is None


def test_a_filter_that_is_not_valid_leaves_the_daemon_hearing(lab: Lab) -> None:
    edit(lab, "config config\n", "config config\n\toption PCAP_FILTER 'udp prot 62201'\n")
    answer = lab.daemon.ask("reload")
    assert answer["reloaded"] is False
    [problem] = answer["problems"]
    assert problem["option"] == "PCAP_FILTER"
    assert "udp prot 62201" in problem["message"]
    knock(lab)
    assert reaches(lab)


def test_a_client_that_is_disabled_loses_its_door(lab: Lab) -> None:
    knock(lab)
    assert reaches(lab)
    mark = lab.events.mark()
    edit(lab, "\toption SOURCE 'ANY'\n", "\toption SOURCE 'ANY'\n\toption enabled '0'\n")
    assert lab.daemon.ask("reload")["reloaded"] is True
    told = lab.events.wait_for(event_is("revoke", client="phone"), since=mark)
    assert "disabled" in told["detail"]
    assert not reaches(lab)


def test_a_reload_says_what_waits_for_a_restart(lab: Lab) -> None:
    edit(lab, "config config\n", "config config\n\toption mark '0x100'\n")
    answer = lab.daemon.ask("reload")
    assert answer["reloaded"] is True
    assert [p["option"] for p in answer["problems"] if "restart" in p["message"]] == ["mark"]
    knock(lab)
    assert reaches(lab)


def test_doors_are_back_after_somebody_deletes_every_rule(lab: Lab) -> None:
    knock(lab)
    assert quickest(1, partial(back_after_a_flush, lab)) < 1
    assert not lab.stranger.connect(lab.router.address, SSH, 0.3)
    (grant,) = lab.daemon.ask("grants")["grants"]
    assert 20 < grant["expires"] - time.time() <= 30


def back_after_a_flush(lab: Lab) -> float:
    """Seconds until the door is back after every rule was deleted."""
    mark = lab.events.mark()
    assert lab.router.machine is not None
    deleted = time.monotonic()
    lab.router.machine.nft("flush ruleset\n")
    lab.network.load_ruleset(SCENARIO)
    lab.events.wait_for(lambda e: e["event"] == "firewall" and "again" in e["detail"], since=mark)
    assert reaches(lab)
    return time.monotonic() - deleted


def test_revoking_closes_the_door_now(lab: Lab) -> None:
    knock(lab)
    with lab.phone.open_session(lab.router.address, SSH) as session:
        assert lab.daemon.ask("revoke", client="phone")["revoked"] == 1
        assert not reaches(lab)
        assert session.echo("still there") == "still there"
    assert lab.daemon.ask("grants")["grants"] == []


def test_a_lost_device_is_captured_again_within_two_seconds_of_coming_back(lab: Lab) -> None:
    router = lab.router.machine
    assert router is not None
    router.ip("link", "set", "eth1", "down")
    (capture,) = lab.daemon.ask("status")["captures"]
    assert (capture["state"], capture["detail"]) == ("capturing", "the device eth1 is down")
    assert quickest(2, partial(captured_again, lab, router)) < 2
    (capture,) = lab.daemon.ask("status")["captures"]
    assert (capture["name"], capture["state"], capture["detail"]) == ("eth1", "capturing", "")
    knock(lab)
    assert reaches(lab)


def captured_again(lab: Lab, router: Machine) -> float:
    """Seconds from when a device that was gone is back until it is captured again."""
    mark = lab.events.mark()
    router.ip("link", "delete", "eth1")
    lost = lab.events.wait_for(event_is("capture", state="waiting"), since=mark)
    assert "eth1" in lost["detail"]
    (capture,) = lab.daemon.ask("status")["captures"]
    assert capture["state"] == "waiting"
    assert "eth1" in capture["detail"]
    mark = lab.events.mark()
    back = time.monotonic()
    lay_the_wan_cable(lab, router)
    lab.events.wait_for(event_is("capture", state="capturing"), since=mark)
    took = time.monotonic() - back
    print(f"captured again {took * 1000:.0f} ms after the cable was laid")
    (capture,) = lab.daemon.ask("status")["captures"]
    assert capture["since"] > lost["time"]
    return took


def lay_the_wan_cable(lab: Lab, router: Machine) -> None:
    internet = f"{lab.network.stem}-internet"
    router.ip(
        *("link", "add", "eth1", "type", "veth", "peer", "to-router", "netns", internet),
    )
    for machine, device, address in (
        (Machine("internet", internet), "to-router", "198.51.100.1/24"),
        (router, "eth1", "198.51.100.2/24"),
    ):
        machine.ip("link", "set", device, "up")
        machine.ip("address", "add", address, "dev", device)
    router.ip("route", "replace", "default", "via", "198.51.100.1")


def test_a_second_daemon_is_turned_away_and_harms_nothing(lab: Lab) -> None:
    knock(lab)
    with lab.router.entered():
        from tests.lab.process import Process

        second = Process(
            "fwknopd",
            lab.daemon.command(),
            log=lab.paths.folder / "second.log",
            environment={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
        assert second.wait(10) == 1
    assert "already running" in second.last_words()
    assert reaches(lab)


def test_overwrite_switched_off_without_classic_files_guards_nothing(lab: Lab) -> None:
    edit(lab, "uci_enabled '1'", "uci_enabled '0'")
    answer = lab.daemon.ask("reload")
    assert (answer["reloaded"], answer["source"]) == (True, "none")
    assert answer["file"] == str(lab.paths.uci)
    assert "Nothing to guard" in answer["problems"][0]["message"]
    status = lab.daemon.ask("status")
    assert status["configuration"]["source"] == "none"
    assert "overwrite" in status["configuration"]["detail"]
    assert status["captures"] == []


def test_classic_files_are_used_when_overwrite_is_off(tmp_path: Path) -> None:
    key, hmac_key = "Sz80RjpXOlhH2olGuKBUamHKcqyMBsS9BTgLaMugUsg=", "aG1hYy1rZXktaG1hYy1rZXk="
    config = ready_config().replace("uci_enabled '1'", "uci_enabled '0'")
    with Lab(tmp_path / "lab", LabOptions(config=config)) as lab:
        write_private(lab.paths.classic / "fwknopd.conf", "PCAP_INTF eth1;\n")
        write_private(
            lab.paths.classic / "access.conf",
            "SOURCE                     ANY\n"
            "OPEN_PORTS                 tcp/22\n"
            "REQUIRE_SOURCE_ADDRESS     Y\n"
            f"KEY_BASE64:                {key}\n"
            f"HMAC_KEY_BASE64:           {hmac_key}\n",
        )
        answer = lab.daemon.ask("reload")
        assert answer["reloaded"] is True
        assert answer["source"] == "files"
        assert answer["file"] == str(lab.paths.classic / "fwknopd.conf")
        mark = lab.events.mark()
        lab.knock(keys={"KEY_BASE64": key, "HMAC_KEY_BASE64": hmac_key})
        lab.events.wait_for(event_is("grant", client="#1"), since=mark)
        assert reaches(lab)


def test_no_key_is_in_logs_events_or_command_lines(lab: Lab) -> None:
    knock(lab)
    lab.daemon.process.signal(signal.SIGHUP)
    lab.daemon.ask("reload")
    section = lab.paths.uci.read_text()
    secrets = [line.split("'")[1] for line in section.splitlines() if "KEY" in line]
    assert len(secrets) == 2
    command_line = Path(f"/proc/{lab.daemon.process.pid}/cmdline").read_text()
    told = [
        lab.paths.log.read_text(),
        command_line,
        json.dumps(lab.events.since(0)),
        json.dumps(lab.daemon.ask("status")),
        *(
            path.read_text(errors="replace")
            for path in lab.paths.run_dir.iterdir()
            if path.is_file()
        ),
    ]
    assert not [secret for secret in secrets for text in told if secret[:20] in text]
    for path in (lab.paths.run_dir / "digest.cache", lab.paths.run_dir / "fwknopd.pid"):
        assert path.stat().st_mode & 0o077 == 0
