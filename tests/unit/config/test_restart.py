"""Changes a reload can't bring into force are said, and only those."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fwknopd.config.problems import Severity
from fwknopd.config.restart import awaiting_restart
from fwknopd.config.settings import ServerSettings

STARTED = ServerSettings()


def changed_in(field: str, value: object) -> ServerSettings:
    return replace(STARTED, **{field: value})  # type: ignore[arg-type]


def names(changed: ServerSettings, *, iptables: bool = False) -> list[str]:
    return [p.option for p in awaiting_restart(STARTED, changed, "fw", iptables=iptables)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("mark", 0x100), ("firewall", "log-only"), ("digest_file", "/etc/x"), ("verbose", 1)),
        *(("fwknop_run_dir", "/run/x"), ("fwknop_pid_file", "/run/x.pid")),
        *(("syslog_identity", "door"), ("syslog_facility", "LOG_LOCAL3")),
        ("syslog_server", "192.0.2.1:514"),
    ],
)
def test_what_is_made_at_start_stays_until_a_restart(field: str, value: object) -> None:
    [problem] = awaiting_restart(
        STARTED, changed_in(field, value), "/etc/config/fwknopd", iptables=False
    )
    assert problem.severity is Severity.WARNING
    assert (problem.file, problem.option.lower()) == ("/etc/config/fwknopd", field)
    assert "restart" in problem.message
    assert "/etc/init.d/fwknopd restart" in problem.remedy


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("pcap_filter", "udp port 9"), ("pcap_intf", "eth3"), ("max_spa_packet_age", 9)),
        *(("enable_udp_server", True), ("access_file", "/etc/x"), ("enable_nat_dns", False)),
    ],
)
def test_what_a_reload_brings_into_force_needs_no_warning(field: str, value: object) -> None:
    assert names(changed_in(field, value), iptables=True) == []


def test_variables_of_iptables_wait_only_where_iptables_is_used() -> None:
    changed = replace(STARTED, enable_ipt_forwarding=True, enable_rule_prepend=True)
    assert names(changed) == []
    assert names(changed, iptables=True) == ["ENABLE_IPT_FORWARDING", "ENABLE_RULE_PREPEND"]


def test_without_a_change_nothing_waits() -> None:
    assert names(STARTED, iptables=True) == []
