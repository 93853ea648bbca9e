"""Ports, dates, the SPA port: what people see and what gets stored."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknop_webui import ports
from fwknop_webui.dates import fwknop_date, is_iso_date, iso_date
from fwknop_webui.reasons import explain
from fwknop_webui.spa_port import PortOptions, port_fault
from fwknopd.policy.verdict import Reason


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_its_own_words(reason: Reason) -> None:
    found = explain(reason.value)
    assert found.title != reason.value
    assert found.remedy or reason is Reason.ACCEPTED
    assert not re.search(r"\b(?:TODO|None)\b", found.title + found.remedy)


def test_reasons_do_not_share_their_words() -> None:
    assert len({explain(reason.value).title for reason in Reason}) == len(Reason)


def test_unknown_reason_is_shown_as_it_is() -> None:
    assert explain("from-a-newer-daemon").title == "from-a-newer-daemon"
    assert explain(None).title


def test_common_services_are_ticked_and_the_rest_is_text() -> None:
    text = "TCP/22, udp/51820 tcp/8443"
    assert [s.port for s in ports.services(text) if s.chosen] == ["tcp/22", "udp/51820"]
    assert ports.others(text) == "tcp/8443"


def test_unchanged_ports_keep_the_way_they_were_written() -> None:
    stored = "TCP/22 , tcp/8443"
    ticked = [s.port for s in ports.services(stored) if s.chosen]
    assert ports.joined(ticked, ports.others(stored), stored) == stored


def test_changed_ports_are_written_once_each() -> None:
    assert ports.joined(["tcp/22"], "tcp/22, TCP/80", "") == "tcp/22, tcp/80"
    assert ports.joined([], "", "tcp/22") == ""


@given(st.dates())
def test_dates_survive_both_ways(day: object) -> None:
    iso = str(day)
    if int(iso[:4]) >= 1000:
        assert is_iso_date(iso)
        assert iso_date(fwknop_date(iso)) == iso


@pytest.mark.parametrize("odd", ["31/12/2030", "1/1/30", "2030-02-30", "soon", "12/31/99999"])
def test_odd_dates_stay_as_they_were_written(odd: str) -> None:
    assert iso_date(odd) == odd
    assert fwknop_date(odd) == odd
    assert not is_iso_date(odd)


@pytest.mark.parametrize(
    ("stored", "port"),
    [
        (PortOptions("", "", False), 62201),
        (PortOptions("udp port 12345", "", False), 12345),
        (PortOptions(" udp  dst port 7 ", "", False), 7),
        (PortOptions("udp port 12345", "", True), 62201),
        (PortOptions("udp and port 53", "5353", True), 5353),
    ],
)
def test_port_is_the_one_clients_reach(stored: PortOptions, port: int) -> None:
    assert stored.is_plain
    assert stored.port == port


@pytest.mark.parametrize("text", ["udp port 1 or udp port 2", "udp", "tcp port 22"])
def test_other_filters_are_not_a_port(text: str) -> None:
    assert not PortOptions(text, "", False).is_plain


@given(
    st.sampled_from(["", "udp port 62201", "udp port 9", "udp and port 9"]),
    st.sampled_from(["", "62201", "9"]),
    st.booleans(),
    st.integers(1, 65535),
    st.booleans(),
)
def test_after_the_change_clients_reach_the_wanted_port(
    pcap_filter: str, udp_port: str, was_udp: bool, wanted: int, will_udp: bool
) -> None:
    stored = PortOptions(pcap_filter, udp_port, was_udp)
    options = {"PCAP_FILTER": pcap_filter, "UDPSERV_PORT": udp_port}
    options |= dict(stored.changes(wanted, will_udp))
    after = PortOptions(options["PCAP_FILTER"], options["UDPSERV_PORT"], will_udp)
    assert after.port == wanted or not after.is_plain
    assert not list(after.changes(wanted, will_udp))


LONG = "9" * 5000


@pytest.mark.parametrize("typed", ["", "0", "65536", "-1", "22x", "٣", LONG, "0000199999999"])
def test_bad_port_says_what_is_expected(typed: str) -> None:
    assert "62201" in port_fault(typed)


@given(st.from_regex(r"[0-9]{1,20}", fullmatch=True))
def test_port_that_is_taken_is_a_port(typed: str) -> None:
    assert port_fault(typed) or 1 <= int(typed) <= 65535


def test_absurd_port_in_the_file_breaks_no_page() -> None:
    assert PortOptions("", LONG, True).port == 62201
