"""What iptables-save tells of doors: whether any packet gets to our chain."""

from __future__ import annotations

import pytest

from fwknopd.firewall import Diagnosis
from fwknopd.firewall.iptables_diagnosis import diagnosed
from fwknopd.firewall.iptables_rules import IptablesSettings
from fwknopd.firewall.iptables_saved import parse_saved

# As fw3 of OpenWrt 21.02 leaves it, with our jump where it is after a start.
FW3 = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:FWKNOP_INPUT - [0:0]
:input_rule - [0:0]
:zone_wan_input - [0:0]
{before}-A INPUT -j FWKNOP_INPUT
-A INPUT -i lo -m comment --comment "!fw3" -j ACCEPT
-A INPUT -m comment --comment "!fw3: Custom input rule chain" -j input_rule
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment "!fw3" -j ACCEPT
-A INPUT -i eth1 -m comment --comment "!fw3" -j zone_wan_input
-A INPUT -m comment --comment "!fw3" -j REJECT --reject-with icmp-port-unreachable
COMMIT
"""


def told(*before: str) -> Diagnosis:
    rules = "".join(f"-A INPUT {rule}\n" for rule in before)
    return diagnosed(parse_saved(FW3.format(before=rules)), IptablesSettings())


def test_a_jump_before_all_else_is_well() -> None:
    assert told() == Diagnosis(True, "FWKNOP_INPUT is rule 1 of INPUT")


@pytest.mark.parametrize(
    "rule",
    [
        "-j DROP",
        "-j REJECT --reject-with icmp-port-unreachable",
        '-m comment --comment "nobody gets in" -j DROP',
        "-m comment --comment nobody -j REJECT --reject-with tcp-reset",
    ],
)
def test_a_jump_that_no_packet_gets_to_is_told_with_what_is_in_its_way(rule: str) -> None:
    diagnosis = told("-i lo -j ACCEPT", rule)
    assert not diagnosis.ready
    assert f"rule 2 of INPUT, `{rule}`, refuses all packets before FWKNOP_INPUT" in diagnosis.detail
    assert diagnosis.detail.endswith("which is rule 3")


@pytest.mark.parametrize(
    "rule",
    [
        "-s 192.0.2.0/24 -j DROP",
        "-i br-guest -j DROP",
        "! -i lo -m conntrack --ctstate INVALID -j DROP",
        "-p tcp -m tcp --dport 23 -j REJECT --reject-with tcp-reset",
        '-m comment --comment "-j DROP" -j ACCEPT',
        '-m comment --comment "all of it" -s 192.0.2.7/32 -j DROP',
        "-j input_rule",
        "-j LOG --log-prefix DROP",
    ],
)
def test_what_refuses_some_is_not_in_its_way(rule: str) -> None:
    assert told(rule) == Diagnosis(True, "FWKNOP_INPUT is rule 2 of INPUT")
