"""Why doesn't it work: checks, a knock in theory, and real ones."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fwknop_webui.services import WebConfig
from fwknopd.control.protocol import VerbError
from tests.web.daemon import EXPLANATION, NOW, StubDaemon
from tests.web.test_overview import changed
from tests.web.visitor import Page, Visitor

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
HMAC = "oKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr8="
PROBLEM = {"severity": "warning", "option": "PCAP_FILTER", "message": "is odd", "remedy": "Drop it"}


def client(name: str, key: str = KEY, hmac: str = HMAC) -> str:
    return (
        f"config access\n\toption name '{name}'\n\toption SOURCE 'ANY'\n"
        f"\toption KEY_BASE64 '{key}'\n\toption HMAC_KEY_BASE64 '{hmac}'\n\n"
    )


def results(page: Page) -> str:
    """The words of the list of checks."""
    return page.text.partition("Checks ")[2].partition("Run checks again")[0]


def test_healthy_daemon_passes_everything(
    visitor: Visitor, daemon: StubDaemon, write_uci: Callable[[str], None], config: WebConfig
) -> None:
    write_uci(client("Anna"))
    text = results(visitor.get("/diagnostics"))
    assert "All is well" in text
    assert "fail" not in text
    assert "42 packets seen" in text
    assert f"Only root can read {config.uci}" in text


def test_one_packet_is_one(
    visitor: Visitor, daemon: StubDaemon, write_uci: Callable[[str], None]
) -> None:
    write_uci(client("Anna"))
    heard = [{"name": "wan", "state": "capturing", "received": 1}]
    lossy = [{"name": "lan", "state": "capturing", "received": 2, "dropped": 1}]
    daemon.status = changed(captures=[*heard, *lossy], replay={"entries": 1})
    text = results(visitor.get("/diagnostics"))
    for expected in ("1 packet seen", "1 packet was lost.", "1 packet remembered"):
        assert expected in text


@pytest.mark.parametrize(
    ("entries", "fill"),
    [(0, "0 %"), (199, "<1 %"), (13_999, "69 %"), (20_000, "100 %")],
)
def test_fill_of_the_replay_memory_is_told(
    entries: int, fill: str, visitor: Visitor, daemon: StubDaemon
) -> None:
    daemon.status = changed(replay={"entries": entries, "limit": 20_000})
    assert f"remembered, {fill} full" in visitor.get("/diagnostics").text
    assert f"remembered, {fill} full" in visitor.get("/").text


def test_replay_memory_without_room_fails(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.status = changed(replay={"entries": 20_000, "full": True})
    assert "somebody floods it with knocks" in results(visitor.get("/diagnostics"))
    assert "no room" in visitor.get("/").text
    daemon.status = changed(replay={"limit": 0})
    assert "% full" not in visitor.get("/").text, "of a daemon from before an update"


def test_without_a_configuration_nobody_is_sent_to_choose_a_network(
    visitor: Visitor, daemon: StubDaemon
) -> None:
    daemon.status = changed(captures=[], configuration={"source": "none", "detail": "idle"})
    text = results(visitor.get("/diagnostics"))
    assert "It listens nowhere." in text
    assert "Choose a network" not in text


def test_a_client_s_problem_is_told_with_its_name(
    visitor: Visitor, daemon: StubDaemon, write_uci: Callable[[str], None]
) -> None:
    write_uci(client("Anna"))
    problem = PROBLEM | {"section": "cfg01ea17", "file": "fwknopd"}
    daemon.status = changed(configuration={"problems": [problem]})
    told = "cfg01ea17 (Anna)"
    assert f"{told}, PCAP_FILTER: is odd" in results(visitor.get("/diagnostics"))
    assert f"section {told}" in visitor.get("/").text
    daemon.status = changed(configuration={"problems": [problem | {"section": "<b>"}]})
    assert "<b>, PCAP_FILTER" in results(visitor.get("/diagnostics"))


@pytest.mark.parametrize(
    ("more", "word", "expected"),
    [
        ({"clock": {"ok": False, "detail": "year 1970"}}, "fail", "check NTP"),
        ({"clock": {"ok": True, "detail": "year 1970; all the same"}}, "warn", "year 1970"),
        ({"firewall": {"ready": False, "detail": "no nft"}}, "fail", "no nft"),
        ({"firewall": {"ready": True, "warnings": ["pbr sets the bit"]}}, "warn", "pbr sets"),
        ({"log": {"warnings": ["Events did not reach x"]}}, "warn", "did not reach x"),
        ({"captures": []}, "fail", "Choose a network in Settings"),
        ({"captures": [{"name": "wan", "state": "waiting", "detail": "gone"}]}, "fail", "gone"),
        (
            {"captures": [{"name": "wan", "state": "capturing", "dropped": 7}]},
            "warn",
            "7 packets were lost",
        ),
        ({"configuration": {"source": "files"}}, "warn", "classic files"),
        ({"configuration": {"source": "none", "detail": "idle"}}, "fail", "idle"),
        ({"configuration": {"source": "none"}}, "fail", "uses none. Tick “Enable config"),
        ({"configuration": {"last_error": "x:3: KEY: bad"}}, "fail", "x:3: KEY: bad"),
        ({"configuration": {"problems": [PROBLEM]}}, "warn", "PCAP_FILTER: is odd Drop it"),
        ({"connections": {"known": False, "detail": "no kmod"}}, "warn", "no kmod"),
        ({"test": True}, "fail", "test mode"),
    ],
    ids=str,
)
def test_what_is_wrong_is_found(
    more: dict[str, Any],
    word: str,
    expected: str,
    visitor: Visitor,
    daemon: StubDaemon,
    write_uci: Callable[[str], None],
) -> None:
    write_uci(client("Anna"))
    daemon.status = changed(**more) if "connections" not in more else {**daemon.status, **more}
    text = results(visitor.get("/diagnostics"))
    assert expected in text
    assert word in text
    assert "All is well" not in text
    # What the daemon says of it has what to do: there may be no file to tick anything in.
    assert "idle Tick" not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (client("Anna") + client("Bert"), "key in common: Anna, Bert"),
        (client("Anna") + client("Bert", hmac="b3RoZXI=" * 8), "key in common: Anna, Bert"),
        (client("Anna", "__CHANGEME__"), "the placeholder of the package: Anna"),
        ("config access\n\toption SOURCE 'ANY'\n\n", "the placeholder of the package: #1"),
        ("config network\n\n", "There is no client yet"),
        (
            client("Anna") + "config access\n\toption name 'B'\n\toption KEY 'x'\n"
            f"\toption HMAC_KEY_BASE64 '{HMAC}'\n\n",
            "key in common: Anna, B",
        ),
    ],
)
def test_keys_are_looked_at_and_never_shown(
    text: str,
    expected: str,
    visitor: Visitor,
    daemon: StubDaemon,
    write_uci: Callable[[str], None],
) -> None:
    write_uci(text)
    page = visitor.get("/diagnostics")
    assert expected in results(page)
    assert KEY not in page.html
    assert HMAC not in page.html


def test_files_others_can_read_are_named_with_the_command(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    uci.chmod(0o644)
    text = results(visitor.get("/diagnostics"))
    assert "Its mode is 0644" in text
    assert f"chmod 600 {uci}" in text


def test_short_memory_and_another_daemon_are_told(
    visitor: Visitor, daemon: StubDaemon, config: WebConfig, write_uci: Callable[[str], None]
) -> None:
    write_uci(client("Anna"))
    assert "memory left" not in results(visitor.get("/diagnostics")), (
        "what can't be read isn't told"
    )
    # The daemon that answers, and a child of its own; then one more.
    processes = {412: ("fwknopd", 1), 413: ("fwknopd", 412), 9: ("fwknopd) S 7 (x", 1)}
    for free, others in ((64_000, {}), (5_000, {600: ("fwknopd", 1)})):
        for number, (name, parent) in (processes | others).items():
            (config.proc / str(number)).mkdir(parents=True, exist_ok=True)
            (config.proc / str(number) / "stat").write_text(f"{number} ({name}) S {parent} 1 1\n")
        (config.proc / "meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable:  {free} kB\n")
        text = results(visitor.get("/diagnostics"))
        assert f"There is memory left {free // 1000} MB free" in text
        assert ("There is another one, too: process 600" in text) is bool(others)
        assert ("install zram-swap" in text) is bool(others)
    assert "All is well" not in text


def test_stopped_daemon_and_broken_file_are_checks_that_failed(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    write_uci("config access\n\toption 'unfinished\n")
    page = visitor.get("/diagnostics")
    assert page.status == 200
    text = results(page)
    assert "The daemon isn't running" in text
    assert "Mend it in an editor" in text
    assert "2 checks failed" in text


def test_file_the_daemon_has_not_read_yet_is_not_well(
    visitor: Visitor, daemon: StubDaemon, write_uci: Callable[[str], None]
) -> None:
    daemon.status = changed(configuration={"outdated": True})
    text = results(visitor.get("/diagnostics"))
    assert "/etc/config/fwknopd was changed since the daemon read it" in text
    assert "fwknopctl reload" in text
    refused = client("Anna").replace("'ANY'", "'nonsense'")
    write_uci("config global\n\toption uci_enabled '1'\n\n" + refused)
    text = results(visitor.get("/diagnostics"))
    assert "The daemon would take the file as it is now" in text
    assert "Anna), SOURCE: " in text


def test_five_hundred_clients_are_no_burden(
    visitor: Visitor, daemon: StubDaemon, write_uci: Callable[[str], None]
) -> None:
    write_uci("".join(client(f"client{n}") for n in range(500)))
    daemon.clients = [{"number": n + 1, "label": f"client{n}"} for n in range(500)]
    page = visitor.get("/diagnostics")
    assert "(+495)" in page.text
    assert "client499" in page.text
    assert len(gzip.compress(page.html.encode())) <= 30 * 1024


# A knock in theory


def press(visitor: Visitor, **typed: str) -> Page:
    form = visitor.get("/diagnostics").form("/diagnostics/knock#test")
    return visitor.press(form, "Test", **typed)


@pytest.fixture
def phone(daemon: StubDaemon) -> StubDaemon:
    daemon.clients = [{"number": 3, "label": "Anna's phone"}]
    return daemon


def asked(daemon: StubDaemon, verb: str) -> list[dict[str, Any]]:
    return [arguments for name, arguments in daemon.asked if name == verb]


def test_test_knock_shows_every_step(visitor: Visitor, phone: StubDaemon) -> None:
    page = press(visitor, access="tcp/25", source="198.51.100.23", nat="192.168.1.5:22")
    assert page.status == 200
    assert asked(phone, "rehearse") == [
        {"client": 3, "access": "tcp/25", "source": "198.51.100.23", "nat": "192.168.1.5,22"}
    ]
    for text in (
        "It asked for a port this client may not open",
        "Add the port to the client's allowed ports",
        "227 bytes",
        "the HMAC (sha256) fits",
        "tcp/25 is not among them",
        "not its packet",
        "3 more clients",
    ):
        assert text in page.text
    assert page.form("/diagnostics/knock#test").value("access") == "tcp/25"


def test_source_is_filled_in_with_one_s_own_address(visitor: Visitor, phone: StubDaemon) -> None:
    form = visitor.get("/diagnostics").form("/diagnostics/knock#test")
    assert form.value("source") == "127.0.0.1"


@pytest.mark.parametrize(("word", "address"), [("Y", "127.0.0.1"), ("N", "")])
def test_address_in_the_packet_is_filled_in_where_a_client_asks_for_one(
    word: str,
    address: str,
    visitor: Visitor,
    phone: StubDaemon,
    write_uci: Callable[[str], None],
) -> None:
    required = client("Bert").rstrip() + f"\n\toption REQUIRE_SOURCE_ADDRESS '{word}'\n\n"
    write_uci(client("Anna", HMAC, KEY) + required)
    form = visitor.get("/diagnostics").form("/diagnostics/knock#test")
    assert form.value("allow_ip") == address
    # Emptied by hand it stays empty, to see what becomes of that.
    page = visitor.press(form, "Test", allow_ip="")
    assert page.form("/diagnostics/knock#test").value("allow_ip") == ""


@pytest.mark.parametrize(
    ("outcome", "reason", "expected"),
    [
        ("accept", "accepted", "The knock is right, and the door would be opened."),
        ("log-only", "log-only", "only logged: nothing would be opened."),
    ],
)
def test_test_knock_opened_nothing_and_does_not_say_so(
    outcome: str, reason: str, expected: str, visitor: Visitor, phone: StubDaemon
) -> None:
    told = {"outcome": outcome, "reason": reason, "client": "Anna's phone", "detail": ""}
    phone.explanation = EXPLANATION | {"verdict": told}
    text = press(visitor).text
    assert expected in text
    assert "was opened" not in text


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("access", "", "such as tcp/22"),
        ("source", "", "such as 198.51.100.23"),
        ("timeout", "soon", "a number of seconds"),
        ("timeout", "99999", "a number of seconds"),
        ("client", "", "one of the daemon's clients"),
        ("client", "\u0663", "one of the daemon's clients"),
    ],
)
def test_mistakes_are_marked_and_kept(
    field: str, value: str, expected: str, visitor: Visitor, phone: StubDaemon
) -> None:
    page = press(visitor, **{field: value, "nat": "kept"})
    assert page.status == 422
    assert expected in page.text
    assert page.form("/diagnostics/knock#test").value("nat") == "kept"
    assert not asked(phone, "rehearse")
    assert [a["name"] for _, a in page.tags if a.get("aria-invalid")] == [field]


def test_what_the_daemon_refuses_to_make_is_said(visitor: Visitor, phone: StubDaemon) -> None:
    form = visitor.get("/diagnostics").form("/diagnostics/knock#test")
    phone.refusal = VerbError("no-knock", "no program could make this", "Write ports like tcp/22")
    page = visitor.press(form, "Test", access="kept")
    assert page.status == 422
    assert "no program could make this. Write ports like tcp/22" in page.text
    assert page.form("/diagnostics/knock#test").value("access") == "kept"


def test_stopped_daemon_makes_no_knock(visitor: Visitor, phone: StubDaemon) -> None:
    form = visitor.get("/diagnostics").form("/diagnostics/knock#test")
    phone.stop()
    page = visitor.press(form, "Test")
    assert page.status == 503
    assert "The daemon isn't running" in page.text


# Real knocks


def watched(*packets: dict[str, Any], left: float = 40) -> dict[str, Any]:
    return {"now": NOW, "until": NOW + left, "packets": list(packets), "more": 0}


def caught(**more: object) -> dict[str, Any]:
    usual = {"time": NOW - 2, "source": "203.0.113.9", "port": 62201, "via": "eth1", "bytes": 227}
    return EXPLANATION | usual | {"count": 1} | more


def test_waiting_is_started_by_a_form_and_shows_what_comes(
    visitor: Visitor, daemon: StubDaemon
) -> None:
    form = visitor.get("/diagnostics").form("/diagnostics/watch")
    daemon.watched = watched()
    page = visitor.press(form, "Wait for a knock")
    assert asked(daemon, "watch") == [{"seconds": 60}]
    assert "0:40" in page.text
    assert "Nothing came so far" in page.text
    nobody = {"outcome": "refuse", "reason": "no-client-matched", "client": None, "detail": ""}
    daemon.watched = watched(caught(verdict=nobody, count=4))
    text = visitor.get("/diagnostics/watch").text
    assert "A packet came from 203.0.113.9 to port 62201" in text
    assert "No client's keys fit" in text
    assert "scan the client's QR code again" in text
    assert "4 ×" in text  # noqa: RUF001


def test_waiting_is_polled_for_what_is_new_only(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.watched = watched()
    page = visitor.get("/diagnostics/watch")
    (region,) = [a for _, a in page.tags if a.get("id") == "live-watch"]
    poll = f"/api/watch?watch={region['data-version']}"
    daemon.watched = {**watched(), "now": NOW + 2}
    answer = visitor.client.get(poll).get_json()
    assert (answer["regions"], answer["now"]) == ({}, NOW + 2)
    daemon.watched = watched(caught())
    html = visitor.client.get(poll).get_json()["regions"]["watch"]["html"]
    assert "203.0.113.9" in html
    daemon.watched = {**watched(), "now": NOW + 41}
    assert "Nobody waits now" in visitor.client.get(poll).get_json()["regions"]["watch"]["html"]
    assert not asked(daemon, "watch")


def test_twenty_packets_are_not_too_heavy(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.watched = watched(*(caught(source=f"203.0.113.{n}") for n in range(20)))
    html = visitor.get("/diagnostics/watch").html
    assert len(gzip.compress(html.encode())) <= 30 * 1024


def test_waiting_for_a_stopped_daemon_says_so(visitor: Visitor, daemon: StubDaemon) -> None:
    form = visitor.get("/diagnostics").form("/diagnostics/watch")
    daemon.stop()
    page = visitor.press(form, "Wait for a knock")
    assert "The daemon isn't running" in page.text
    assert visitor.get("/diagnostics/watch").status == 200
    assert visitor.client.get("/api/watch").status_code == 200


@pytest.mark.parametrize("answer", [{}, {"packets": [{}], "until": "x"}, {"packets": 3}])
def test_answer_of_another_shape_harms_nothing(
    answer: dict[str, Any], visitor: Visitor, daemon: StubDaemon
) -> None:
    daemon.watched = daemon.explanation = answer
    daemon.clients = [{"number": 1, "label": "x"}]
    assert visitor.get("/diagnostics/watch").status == 200
    assert press(visitor).status == 200
