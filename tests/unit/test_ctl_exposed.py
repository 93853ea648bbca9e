"""fwknopctl exposed: ports at which anybody gets in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fwknopd.ctl import main
from tests.unit.control.running import RunningServer

Json = dict[str, Any]


def port(reach: str = "open", **more: Any) -> Json:
    usual = {
        **{"port": "tcp/22", "device": "eth1", "versions": [4, 6], "reach": reach},
        **{"how": "rule", "name": "Allow-SSH", "chain": "inet fw4 input_wan", "leads_to": ""},
        "clients": ["anna", "bob"],
    }
    return usual | more


def said(
    folder: Path, capsys: pytest.CaptureFixture[str], answer: Json, *options: str
) -> tuple[int, str]:
    whole = {"ports": [], "closed": [], "devices": ["eth1"], "detail": "", "more": 0} | answer
    path = folder / "control.sock"
    with RunningServer(path, {"exposed": lambda arguments: whole | {"asked": arguments}}):
        status = main(["--control", str(path), "exposed", *options])
    captured = capsys.readouterr()
    return status, captured.out + captured.err


def test_an_open_port_is_told_with_its_rule_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text = said(tmp_path, capsys, {"ports": [port()], "closed": ["udp/53"]})
    assert status == 5
    assert "tcp/22 on eth1 (IPv4, IPv6): open to anybody, by the traffic rule 'Allow-SSH'" in text
    assert "clients: anna, bob" in text
    assert "Traffic Rules." in text
    assert "udp/53: shut to strangers on eth1" in text


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (port(how="redirect", leads_to="192.168.1.5:22"), "which leads them to 192.168.1.5:22"),
        (port(how="zone", name="wan"), "the zone 'wan', which accepts input"),
        (port(how="text", name="tcp dport 22 accept"), "`tcp dport 22 accept` in inet fw4 input"),
        (port(how="policy", name="inet a in"), "chain inet a in, which accepts what no rule"),
        (port(how="nothing", name=""), "no rule at all"),
        (port(how="?"), "the rule `Allow-SSH` in"),
        (port("some"), "perhaps open to some, by the traffic rule"),
        (port("unknown"), "can't be told, for the traffic rule"),
    ],
)
def test_each_answer_has_its_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], found: Json, words: str
) -> None:
    status, text = said(tmp_path, capsys, {"ports": [found]})
    assert words in text
    assert status == (5 if found["reach"] == "open" else 0)


def test_what_cannot_be_told_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = said(tmp_path, capsys, {"detail": "nft\x1b is gone", "more": 3})
    assert status == 0
    assert "can't be told: nft\\x1b is gone" in text
    assert "3 more ports" in text
    assert "No client has ports" in said(tmp_path, capsys, {})[1]


def test_ports_may_be_named_and_json_be_had(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text = said(tmp_path, capsys, {"ports": [port()]}, "--ports", "tcp/22", "--json")
    answer = json.loads(text)
    assert (status, answer["asked"]) == (5, {"ports": "tcp/22", "anew": True})
