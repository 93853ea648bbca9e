"""The daemon in numbers, as the official parser of OpenMetrics reads them."""

from __future__ import annotations

import pytest

from fwknopd.config.problems import ConfigError
from fwknopd.control.protocol import VerbError
from fwknopd.events import Losses, Outlet
from fwknopd.firewall import FirewallError
from fwknopd.keys import generate_token, token_digest
from fwknopd.openmetrics import plain
from fwknopd.policy.verdict import Reason
from fwknopd.spa.packet import SpaKeys
from fwknopd.status import LOSS_WARNING_SECONDS
from tests.promtool import promtool
from tests.unit.scraped import families, samples
from tests.unit.service.configs import LAPTOP, PHONE, stanza, uci_client
from tests.unit.service.doubles import NOW
from tests.unit.service.rig import Rig

ENABLED = "config global\n\toption uci_enabled '1'\nconfig config\n\toption PCAP_INTF 'eth1'\n"
OTHER = SpaKeys(b"i" * 31 + b"x", b"j" * 63 + b"y")
LARGEST = 12_000
"""Bytes, for a router with one client."""


def text(rig: Rig, *, by_client: bool = False) -> str:
    told: str = rig.ask("metrics", by_client=by_client)["text"]
    return told


def numbers(rig: Rig, name: str, *, by_client: bool = False) -> dict[str, float]:
    return samples(text(rig, by_client=by_client), name)


def number(rig: Rig, name: str) -> float:
    [sample] = families(text(rig))[name].samples
    return sample.value


def test_a_daemon_that_is_well(rig: Rig) -> None:
    rig.start()
    rig.clock.advance(7)
    for good in ("ready", "clock_ok", "clock_believed", "configuration_ok"):
        assert number(rig, f"fwknopd_{good}") == 1, good
    assert numbers(rig, "fwknopd_clients") == {"present": 1}
    assert number(rig, "fwknopd_start_time_seconds") == NOW
    assert number(rig, "fwknopd_configuration_loaded_timestamp_seconds") == NOW
    assert numbers(rig, "fwknopd_capture_up") == {"eth1,pcap": 1}
    assert list(numbers(rig, "fwknopd_firewall_ready").values()) == [1]
    [build] = families(text(rig))["fwknopd_build"].samples
    assert build.labels["version"] == rig.ask("status")["version"]


def test_knocks_and_doors_add_up(rig: Rig) -> None:
    rig.access(stanza(), stanza(LAPTOP))
    rig.start()
    rig.knock()
    rig.knock(keys=LAPTOP, message="192.0.2.8,tcp/22")
    rig.knock(age=1000)
    assert numbers(rig, "fwknopd_knocks") == {"accept,accepted": 2, "refuse,too-old": 1}
    assert number(rig, "fwknopd_open_doors") == 2
    assert number(rig, "fwknopd_replay_entries") == 2
    assert numbers(rig, "fwknopd_capture_received_packets") == {"eth1,pcap": 3}
    happened = numbers(rig, "fwknopd_events")
    assert (happened["verdict"], happened["grant"]) == (3, 2)
    rig.pass_time(30)
    assert number(rig, "fwknopd_open_doors") == 0
    assert numbers(rig, "fwknopd_events")["expire"] == 2


def test_old_keys_are_no_other_client(uci_rig: Rig) -> None:
    phone = uci_client("phone") + f"\toption ACCESS_EXPIRE_EPOCH '{int(NOW) + 20}'\n"
    old = uci_client("phone (old)", LAPTOP) + "\toption old_keys_of 'phone'\n"
    lost = uci_client("lost", OTHER) + "\toption enabled '0'\n"
    uci_rig.write("fwknopd", ENABLED + phone + old + lost)
    uci_rig.start()
    told = "Configuration loaded: 2 clients"
    uci_rig.ask("reload")
    assert told in uci_rig.events("reload")[0]
    assert uci_rig.ask("status")["clients"] == 2
    assert numbers(uci_rig, "fwknopd_clients") == {"present": 1, "revoked": 1}
    assert number(uci_rig, "fwknopd_old_keys") == 1
    uci_rig.clock.advance(21)
    assert numbers(uci_rig, "fwknopd_clients") == {"revoked": 1, "expired": 1}


def test_who_is_left_out_of_a_configuration_is_counted(uci_rig: Rig) -> None:
    def client(name: str, *options: str) -> str:
        lines = "".join(f"\toption {option}\n" for option in options)
        return f"config access\n\toption name '{name}'\n{lines}"

    half = client("anna", "SOURCE 'ANY'", "KEY '{{ anna_key }}'")
    off = client("bob", "SOURCE 'ANY'", "KEY 'CHANGEME'", "enabled '0'")
    old = client("anna (old)", "SOURCE 'ANY'", "KEY 'old'", "old_keys_of 'anna'")
    uci_rig.write("fwknopd", ENABLED + uci_client("phone") + half + off + old + client("rest"))
    uci_rig.start()
    assert numbers(uci_rig, "fwknopd_clients") == {"present": 1, "unusable": 2}
    warnings = number(uci_rig, "fwknopd_configuration_problems")
    uci_rig.write("fwknopd", ENABLED + uci_client("phone") + "\toption unknown 'x'\n")
    assert uci_rig.ask("reload")["reloaded"]
    assert numbers(uci_rig, "fwknopd_clients") == {"present": 1}
    assert number(uci_rig, "fwknopd_configuration_problems") == 0 < warnings
    (uci_rig.folder / "fwknopd").unlink()
    assert uci_rig.ask("reload")["reloaded"]
    assert numbers(uci_rig, "fwknopd_clients") == {}
    assert number(uci_rig, "fwknopd_configuration_ok") == 0


def test_a_client_whose_key_file_is_gone_is_counted(rig: Rig) -> None:
    rig.access(stanza(), f"SOURCE ANY\n%include_keys {rig.folder}/gone.conf\n")
    rig.start()
    assert numbers(rig, "fwknopd_clients") == {"present": 1, "unusable": 1}


def test_every_reason_is_there_from_the_start(rig: Rig) -> None:
    rig.start()
    told = families(text(rig))["fwknopd_knocks"].samples
    assert [sample.labels["reason"] for sample in told] == [str(reason) for reason in Reason]
    accepting = {s.labels["reason"] for s in told if s.labels["verdict"] == "accept"}
    assert accepting == {"accepted", "log-only"}


def test_no_packet_makes_a_new_label_and_none_tells_who(rig: Rig) -> None:
    rig.start()
    before = text(rig)
    for host in range(20):
        rig.knock(message=f"192.0.2.{host},tcp/22")
    after = text(rig)
    assert len(after.splitlines()) == len(before.splitlines())
    assert len(after) < LARGEST
    for told in ("192.0.2.", "198.51.100.9", "203.0.113.1", "#1", "alice", "client="):
        assert told not in after, told


@pytest.mark.promtool
def test_prometheus_finds_nothing_wrong_with_the_older_form(rig: Rig) -> None:
    rig.start()
    rig.knock()
    assert promtool("check", "metrics", said=plain(text(rig, by_client=True))) == ""


def test_clients_are_told_apart_when_that_is_asked_for(rig: Rig) -> None:
    rig.access(stanza(), stanza(LAPTOP))
    rig.start()
    rig.knock()
    rig.knock(age=1000)
    rig.knock(keys=LAPTOP, message="192.0.2.8,tcp/22")
    knocks = numbers(rig, "fwknopd_client_knocks", by_client=True)
    assert knocks == {"#1,accept,accepted": 1, "#1,refuse,too-old": 1, "#2,accept,accepted": 1}
    assert numbers(rig, "fwknopd_client_open_doors", by_client=True) == {"#1": 1, "#2": 1}
    last = numbers(rig, "fwknopd_client_last_knock_timestamp_seconds", by_client=True)
    assert last == {"#1": NOW, "#2": NOW}


def test_clients_that_are_gone_and_those_with_the_same_keys(rig: Rig) -> None:
    rig.access(stanza(), stanza(LAPTOP))
    rig.start()
    rig.knock()
    rig.access(stanza(LAPTOP), stanza(LAPTOP))
    rig.ask("reload")
    rig.knock(keys=LAPTOP)
    knocks = numbers(rig, "fwknopd_client_knocks", by_client=True)
    assert knocks == {"#1,accept,accepted": 1}
    assert numbers(rig, "fwknopd_knocks") == {"accept,accepted": 2}


def test_old_keys_count_as_their_clients_also_when_they_are_gone(uci_rig: Rig) -> None:
    device = "config config\n\toption PCAP_INTF 'eth1'\n"
    old = uci_client("Anna (old keys)", PHONE, "old_keys_of 'Anna'")
    uci_rig.uci(device, uci_client("Anna", LAPTOP), old)
    uci_rig.start()
    uci_rig.knock()
    uci_rig.knock(keys=LAPTOP, message="192.0.2.8,tcp/22")
    counted = {"Anna,accept,accepted": 2}
    assert numbers(uci_rig, "fwknopd_client_knocks", by_client=True) == counted
    assert numbers(uci_rig, "fwknopd_client_open_doors", by_client=True) == {"Anna": 2}
    last = numbers(uci_rig, "fwknopd_client_last_knock_timestamp_seconds", by_client=True)
    assert last == {"Anna": NOW}
    assert "old keys" not in text(uci_rig, by_client=True)
    uci_rig.uci(device, uci_client("Anna", LAPTOP))
    uci_rig.ask("reload")
    assert numbers(uci_rig, "fwknopd_client_knocks", by_client=True) == counted


def test_a_name_that_one_of_two_gives_up_counts_on(uci_rig: Rig) -> None:
    device = "config config\n\toption PCAP_INTF 'eth1'\n"
    uci_rig.uci(device, uci_client("Anna", PHONE), uci_client("Anna", LAPTOP))
    uci_rig.start()
    uci_rig.knock()
    uci_rig.uci(device, uci_client("Anna", LAPTOP))
    uci_rig.ask("reload")
    uci_rig.knock(keys=LAPTOP)
    knocks = numbers(uci_rig, "fwknopd_client_knocks", by_client=True)
    assert knocks == {"Anna,accept,accepted": 2}


def test_a_firewall_that_fails_is_counted_by_what_it_failed_at(rig: Rig) -> None:
    rig.start()
    rig.knock()
    rig.firewall.refuses = frozenset({"open", "close"})
    assert rig.knock(message="192.0.2.9,tcp/22", keys=PHONE) == "firewall-error"
    with pytest.raises(VerbError, match="did not close"):
        rig.ask("revoke", all=True)
    assert numbers(rig, "fwknopd_firewall_errors") == {"open": 1, "close": 1}


def test_events_that_are_lost_are_counted_by_where_they_should_have_gone(rig: Rig) -> None:
    rig.start()
    nothing = numbers(rig, "fwknopd_events_lost")
    assert nothing == {}
    assert len(families(text(rig))["fwknopd_events_lost"].samples) == len(Outlet)
    losses = Losses("192.168.1.5:514")
    losses.add(rig.clock.now(), "Connection refused")
    rig.service.events.losing[Outlet.LOG_SERVER] = lambda: losses
    assert numbers(rig, "fwknopd_events_lost") == {"log-server": 1}
    [warning] = rig.ask("status")["log"]["warnings"]
    assert "the log server 192.168.1.5:514: at least 1 (Connection refused)" in warning
    # What a router lost while it booted is no warning for years.
    rig.clock.advance(LOSS_WARNING_SECONDS + 1)
    assert rig.ask("status")["log"]["warnings"] == []
    [lost] = rig.ask("status")["log"]["lost"]
    assert (lost["outlet"], lost["count"], lost["why"]) == ("log-server", 1, "Connection refused")


def with_token(rig: Rig, token: str) -> None:
    rig.conf(f"PCAP_INTF eth1;\nMETRICS_TOKEN_SHA256 {token_digest(token).upper()};\n")


def test_over_the_network_only_who_has_the_token_gets_them(rig: Rig) -> None:
    with_token(rig, token := generate_token())
    rig.start()
    assert rig.ask("scrape", token=token)["text"] == text(rig)
    assert "client=" in rig.ask("scrape", token=token, by_client=True)["text"]
    for wrong in ("", token[:-1], token + "x", token_digest(token), "\udcff"):
        with pytest.raises(VerbError, match="not the token") as refused:
            rig.ask("scrape", token=wrong)
        assert refused.value.code == "wrong-token"


def test_without_a_token_nobody_does_and_a_new_one_counts_at_once(rig: Rig) -> None:
    rig.start()
    with pytest.raises(VerbError, match="--new-token") as refused:
        rig.ask("scrape", token="x")
    assert refused.value.code == "no-metrics"
    with_token(rig, "x")
    assert rig.ask("reload")["problems"] == []
    assert rig.ask("scrape", token="x")["text"] == text(rig)


def test_what_is_no_digest_is_refused_and_not_repeated(rig: Rig) -> None:
    rig.conf("PCAP_INTF eth1;\nMETRICS_TOKEN_SHA256 the-token-itself;\n")
    with pytest.raises(ConfigError, match=r"METRICS_TOKEN_SHA256.*64 hex") as error:
        rig.start()
    assert "the-token-itself" not in str(error.value)


def test_what_is_amiss_shows(rig: Rig) -> None:
    rig.conf("PCAP_INTF later0;\n")
    rig.start()
    rig.clock.doubt = "no time yet"
    assert numbers(rig, "fwknopd_capture_up") == {}
    for bad in ("ready", "clock_believed"):
        assert number(rig, f"fwknopd_{bad}") == 0, bad
    assert rig.ask("status")["ready"] is False
    rig.conf("PCAP_INTF later0;\nVERBOSE what;\n")
    rig.ask("reload")
    assert number(rig, "fwknopd_configuration_ok") == 0


def test_scrapers_cost_no_run_of_nft_each(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.start()
    runs = []

    def diagnose() -> None:
        runs.append(1)
        raise FirewallError("looked")

    monkeypatch.setattr(rig.firewall, "diagnose", diagnose)
    rig.clock.advance(100)
    for _ in range(4):
        rig.ask("metrics")
        rig.clock.advance(10)
    assert len(runs) == 1
    rig.ask("status")
    assert len(runs) == 2
