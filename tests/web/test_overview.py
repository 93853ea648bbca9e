"""The overview: what is open, who knocked, how the daemon is."""

from __future__ import annotations

import copy
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fwknop_webui.app import create_app
from fwknop_webui.reasons import explain
from fwknop_webui.service_control import InitScript
from fwknop_webui.services import WebConfig, build_services
from fwknop_webui.snapshot import NEWS_SECONDS
from fwknopd.control.protocol import VerbError
from fwknopd.events import EventKind
from fwknopd.policy.verdict import Reason
from tests.web.classic import KEY
from tests.web.conftest import PASSWORD
from tests.web.daemon import NOW, STATUS, StubDaemon, door, verdict
from tests.web.visitor import Visitor

READY = f"""
config global
\toption uci_enabled '1'

config access
\toption SOURCE 'ANY'
\toption KEY_BASE64 '{KEY}'

"""


def changed(**more: Any) -> dict[str, Any]:
    status = copy.deepcopy(STATUS)
    for key, value in more.items():
        status[key] = {**status[key], **value} if isinstance(value, dict) else value
    return status


def test_open_door_is_listed_with_its_time_and_a_way_to_close_it(
    visitor: Visitor, daemon: StubDaemon
) -> None:
    daemon.doors = [door(nat="192.168.1.10:443")]
    page = visitor.get("/")
    for text in ("Anna's phone", "198.51.100.23", "tcp/22", "192.168.1.10:443", "0:26"):
        assert text in page.text
    assert f'data-expires="{NOW + 26}"' in page.html
    assert f'data-now="{NOW}"' in page.html
    assert "/revoke?id=g1" in page.links


def test_no_door_open_says_so(visitor: Visitor, daemon: StubDaemon) -> None:
    assert "No doors open right now" in visitor.get("/").text


@pytest.mark.parametrize(
    "reason", [item for item in Reason if item not in (Reason.ACCEPTED, Reason.LOG_ONLY)]
)
def test_refused_knock_is_explained(reason: Reason, visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.events = [verdict(reason=reason.value, detail="some numbers")]
    text = visitor.get("/").text
    assert "refused" in text
    assert explain(reason.value).title in text
    assert explain(reason.value).remedy in text
    assert "some numbers" in text


def test_log_only_knock_is_neither_accepted_nor_refused(
    visitor: Visitor, daemon: StubDaemon
) -> None:
    told = "nothing is done (log_only); otherwise it opens tcp/22"
    daemon.events = [verdict(verdict="accept", reason="log-only", detail=told)]
    text = visitor.get("/").text
    assert "log only" in text
    assert told in text
    assert "refused" not in text


def test_newest_knock_is_on_top_and_other_events_are_left_out(
    visitor: Visitor, daemon: StubDaemon
) -> None:
    daemon.events = [
        verdict(id=1, event="start", detail="started", verdict=None, reason=None),
        verdict(id=2, request="first"),
        verdict(id=3, request="second", verdict="accept", reason="accepted"),
        *(
            verdict(id=10 + number, event=str(kind), request="third", verdict=None, reason=None)
            for number, kind in enumerate(EventKind)
            if kind not in (EventKind.VERDICT, EventKind.REJECTED)
        ),
    ]
    text = visitor.get("/").text
    assert text.index("second") < text.index("first")
    assert "third" not in text


def test_strangers_packets_are_one_row_with_a_count(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.events = [
        verdict(event="rejected", source=None, client=None, reason="not-spa", count=512)
    ]
    text = visitor.get("/").text
    assert "512 ×" in text  # noqa: RUF001
    assert "several" in text


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"clock": {"ok": False, "detail": "year 1970"}}, "Knocks are refused until"),
        ({"firewall": {"ready": False, "detail": "no nft"}}, "not ready"),
        ({"firewall": {"ready": True, "warnings": ["pbr sets the bit"]}}, "pbr sets the bit"),
        ({"log": {"warnings": ["Events did not reach x"]}}, "Events did not reach x"),
        ({"captures": []}, "Choose a network in Settings"),
        ({"configuration": {"source": "files"}}, "files in /etc/fwknop"),
        ({"configuration": {"last_error": "x:3: KEY: bad"}}, "refused the newest configuration"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said(
    more: dict[str, Any], expected: str, visitor: Visitor, daemon: StubDaemon
) -> None:
    daemon.status = changed(**more)
    assert expected in visitor.get("/").text


def test_daemon_s_problems_are_shown_with_place_and_remedy(
    visitor: Visitor, daemon: StubDaemon
) -> None:
    problem = {
        "severity": "warning",
        "file": "/etc/config/fwknopd",
        "line": 7,
        "section": "cfg03ea17",
        "option": "KEY",
        "message": "this is the placeholder",
        "remedy": "Generate keys.",
    }
    daemon.status = changed(configuration={"problems": [problem]})
    text = visitor.get("/").text
    for part in ("line 7", "KEY", "this is the placeholder", "Generate keys."):
        assert part in text


def test_stopped_daemon_leaves_every_page_working(visitor: Visitor) -> None:
    page = visitor.get("/")
    assert page.status == 200
    assert "The daemon isn't running" in page.text
    assert "/etc/init.d/fwknopd start" in page.text
    for path in ("/clients", "/clients/add", "/settings", "/changes", "/revoke?id=g1"):
        page = visitor.get(path)
        assert page.status == 200
        assert "Daemon not running" in page.text


def test_file_that_can_not_be_read_is_told_with_its_line(
    visitor: Visitor, daemon: StubDaemon, write_uci: Callable[[str], None]
) -> None:
    write_uci("config global\n\toption uci_enabled '1'\n\toption name 'open\n")
    running = visitor.get("/").text
    daemon.stop()
    stopped = visitor.get("/").text
    for text in (running, stopped):
        assert "The configuration can't be read" in text
        assert "line 3" in text
        assert "First steps" not in text
        assert "can still be changed" not in text
    assert "Nobody can knock. Start it with" in stopped


def test_header_of_every_page_says_how_the_daemon_is(visitor: Visitor, daemon: StubDaemon) -> None:
    for path in ("/", "/clients", "/logs", "/logs?follow=1", "/diagnostics/watch", "/settings"):
        text = visitor.get(path).text
        assert "Daemon running" in text
        assert "Daemon not running" not in text


def test_page_that_asked_the_daemon_need_not_ask_how_it_is(
    visitor: Visitor, daemon: StubDaemon
) -> None:
    visitor.get("/logs")
    assert "status" not in [verb for verb, _ in daemon.asked]
    visitor.get("/settings")
    assert [verb for verb, _ in daemon.asked].count("status") == 1


def test_poll_brings_a_new_badge_when_the_daemon_ends(visitor: Visitor, daemon: StubDaemon) -> None:
    paths = ("/api/overview", "/api/logs", "/api/watch")
    for path in paths:
        answer = visitor.client.get(f"{path}?daemon=up").get_json()
        assert "daemon" not in answer["regions"]
    daemon.stop()
    for path in paths:
        badge = visitor.client.get(f"{path}?daemon=up").get_json()["regions"]["daemon"]
        assert badge["version"] == "down"
        assert "Daemon not running" in badge["html"]


def test_who_finds_it_stopped_finds_the_button_first(
    visitor: Visitor, config: WebConfig, tmp_path: Path
) -> None:
    script = tmp_path / "init"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    parts = replace(build_services(config), service=InitScript(script))
    owner = Visitor(create_app(config, parts), PASSWORD)
    owner.log_in()
    text = owner.get("/").text
    assert text.count("Don't start at boot") == 1
    assert text.index("Don't start at boot") < text.index("The daemon isn't running")
    with StubDaemon(config.control):
        text = owner.get("/").text
    assert text.index("Open doors") < text.index("Don't start at boot")


def test_daemon_that_refuses_is_quoted(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.refusal = VerbError("internal", "the daemon failed to answer", "Please report it")
    text = visitor.get("/").text
    assert "the daemon failed to answer" in text
    assert "Please report it" in text


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"captures": "x", "configuration": [], "clock": None, "firewall": 3},
        {"uptime": "x", "time": 1e300, "pid": None, "captures": [None, 5, {"name": ["x"]}]},
    ],
)
def test_answers_of_another_shape_break_nothing(
    answer: dict[str, Any], visitor: Visitor, daemon: StubDaemon
) -> None:
    daemon.status = answer
    daemon.doors = [{"expires": "soon", "client": {}}]
    daemon.events = [{"event": "verdict", "time": None, "count": "many"}]
    assert visitor.get("/").status == 200


def test_polling_sends_only_what_changed(visitor: Visitor, daemon: StubDaemon) -> None:
    first = visitor.client.get("/api/overview").get_json()
    assert set(first["regions"]) == {"status", "doors", "knocks"}
    seen = {name: region["version"] for name, region in first["regions"].items()}
    again = visitor.client.get("/api/overview", query_string=seen)
    assert again.get_json()["regions"] == {}
    assert len(again.data) < 200
    daemon.doors = [door()]
    third = visitor.client.get("/api/overview", query_string=seen).get_json()
    assert set(third["regions"]) == {"doors"}
    assert "198.51.100.23" in third["regions"]["doors"]["html"]


def test_polled_regions_are_those_of_the_page(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.doors, daemon.events = [door()], [verdict()]
    html = visitor.get("/").html
    for region in visitor.client.get("/api/overview").get_json()["regions"].values():
        assert region["html"].strip() in html
        assert f'data-version="{region["version"]}"' in html


def test_first_steps_lead_through_and_then_disappear(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    daemon.status = changed(counters={"accepted": 0}, replay={"entries": 0})
    page = visitor.get("/")
    assert "First steps" in page.text
    form = visitor.get("/clients/add").main_form()
    visitor.press(form, "Save & Apply", name="Anna's phone")
    settings = visitor.get("/settings").form("/settings")
    visitor.press(settings, "Save & Apply", uci_enabled="1")
    text = visitor.get("/").text
    assert "Knock, and see it accepted below" in text
    assert "Knock from outside" in text
    assert "Add a client" not in text
    daemon.status = STATUS
    assert "First steps" not in visitor.get("/").text
    daemon.stop()
    assert "First steps" not in visitor.get("/").text


def test_overwrite_is_ticked_and_applied_right_there(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    form = visitor.get("/").form("/overwrite")
    assert form.values("uci_enabled") == [], "not ticked"
    page = visitor.press(form, "Save & Apply")
    assert "Tick “Enable config overwrite” first" in page.text
    assert "uci_enabled" not in uci.read_text()
    page = visitor.press(form, "Save & Apply", uci_enabled="1")
    assert page.response.request.path == "/"
    assert "the daemon is using it" in page.text
    assert "option uci_enabled '1'" in uci.read_text()
    assert not [form for form in page.forms if form.action == "/overwrite"]
    # A page from before does no harm.
    page = visitor.press(form, "Save & Apply", uci_enabled="1")
    assert "There are no changes to apply." in page.text


def test_what_the_daemon_says_to_a_change_is_told_once(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    problem = {"severity": "warning", "option": "KEY", "message": "a placeholder", "section": "x"}
    daemon.reload_answer = {"reloaded": True, "problems": [problem]}
    daemon.status = changed(configuration={"problems": [problem]})
    page = visitor.press(visitor.get("/").form("/overwrite"), "Save & Apply", uci_enabled="1")
    assert "1 change applied; the daemon is using it." in page.text
    assert "It has this to say:" not in page.text
    assert page.text.count("a placeholder") == 1
    # What the status doesn't say stays in the notice.
    visitor.press(visitor.get("/settings").form("/settings"), "Save", uci_enabled=[])
    daemon.status = STATUS
    page = visitor.press(visitor.get("/changes").form("/changes/apply"), "Save & Apply")
    assert page.response.request.path == "/"
    assert page.text.count("a placeholder") == 1


def test_overwrite_that_is_saved_waits_there_ticked(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    settings = visitor.get("/settings").form("/settings")
    visitor.press(settings, "Save", uci_enabled="1", MAX_SPA_PACKET_AGE="77")
    page = visitor.get("/")
    form = page.form("/overwrite")
    assert form.values("uci_enabled") == ["1"]
    assert "Saved, but not applied yet" in page.text
    page = visitor.press(form, "Save & Apply")
    assert page.staged == 0
    assert "option MAX_SPA_PACKET_AGE '77'" in uci.read_text()


def test_overwrite_waits_for_confirmation_like_every_change(
    visitor: Visitor, daemon: StubDaemon, uci: Path
) -> None:
    visitor.keeps = False
    page = visitor.press(visitor.get("/").form("/overwrite"), "Save & Apply", uci_enabled="1")
    assert page.response.request.path == "/changes/applied"
    visitor.press(page.form("/changes/keep"), "Put the old one back")
    assert "uci_enabled" not in uci.read_text()
    assert "Enable config overwrite" in visitor.get("/").text


def test_overwrite_of_a_file_the_daemon_would_not_take_is_not_applied(
    visitor: Visitor, daemon: StubDaemon, write_uci: Callable[[str], None], uci: Path
) -> None:
    write_uci("config access\n\toption SOURCE 'nonsense'\n\toption KEY 'some key'\n")
    page = visitor.press(visitor.get("/").form("/overwrite"), "Save & Apply", uci_enabled="1")
    assert "the daemon would not take this configuration" in page.text
    assert "uci_enabled" not in uci.read_text()
    assert page.staged > 0


def test_first_knock_is_told_where_the_first_steps_were(
    visitor: Visitor, daemon: StubDaemon, write_uci: Callable[[str], None]
) -> None:
    accepted = {"verdict": "accept", "reason": "accepted", "detail": ""}
    daemon.status = changed(counters={"accepted": 1})
    daemon.events = [verdict(**accepted, client="<b>Anna</b>", time=NOW - 5)]
    assert "It works" not in visitor.get("/").text, "there are steps left"
    write_uci(READY)
    page = visitor.get("/")
    assert "It works: the first knock came in" in page.text
    assert "<b>Anna</b> knocked, and the door was opened." in page.text
    daemon.events = [verdict(**accepted, time=NOW - NEWS_SECONDS - 1)]
    assert "It works" not in visitor.get("/").text, "no news any more"
    daemon.events = [verdict(**accepted)]
    daemon.status = changed(counters={"accepted": 2})
    assert "It works" not in visitor.get("/").text, "not the first"
    daemon.status = changed(counters={"accepted": 1}, knocked_before=True)
    assert "It works" not in visitor.get("/").text, "not the first since this was set up"


def test_daemon_without_a_configuration_says_why_and_not_to_choose_a_network(
    visitor: Visitor, daemon: StubDaemon
) -> None:
    idle = {"source": "none", "detail": "Nothing to guard: Enable config overwrite is off"}
    daemon.status = changed(configuration=idle, captures=[])
    text = visitor.get("/").text
    assert text.count("Nothing to guard: Enable config overwrite is off") == 1
    assert "none in use" in text
    assert "Choose a network" not in text
    assert "/etc/config/fwknopd" not in text


def test_first_steps_do_not_need_the_daemon(visitor: Visitor) -> None:
    text = visitor.get("/").text
    assert "Start the daemon" in text
    assert "Add a client" in text
    assert "NTP" not in text


# Commands


def test_what_a_command_opened_is_a_door_too(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.doors = [door(command="nft delete element inet fw4 friends { 198.51.100.23 }")]
    page = visitor.get("/")
    assert "opened by a command" in page.text
    assert 'title="Closed by: nft delete element inet fw4 friends { 198.51.100.23 }"' in page.html
    assert "/revoke?id=g1" in page.links


def test_a_knock_with_a_command_opened_no_door(visitor: Visitor, daemon: StubDaemon) -> None:
    accepted = {"verdict": "accept", "reason": "accepted", "detail": ""}
    daemon.events = [verdict(**accepted, command="reboot", request="198.51.100.23,reboot")]
    text = visitor.get("/").text
    assert "its command was started" in text
    assert "the door was opened" not in text


def command_end(**more: Any) -> dict[str, Any]:
    """The end of a command, as the daemon reports it."""
    usual = {"event": "command", "verdict": None, "reason": None, "stage": "ended", "status": 0}
    return verdict(**{**usual, "purpose": "knock", "detail": "how it ended", **more})


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (command_end(), False),
        (command_end(status=3), True),
        (command_end(status=None), True),
        (command_end(purpose="open", status=1), True),
        # Often there is nothing left to close.
        (command_end(purpose="close", status=1), False),
        (command_end(purpose="close", status=None), True),
        (command_end(purpose="close", stage="started"), False),
    ],
)
def test_commands_that_failed_are_shown(
    visitor: Visitor, daemon: StubDaemon, event: dict[str, Any], shown: bool
) -> None:
    daemon.events = [event]
    text = visitor.get("/").text
    assert ("The command of a knock failed" in text) is shown
    assert ("how it ended" in text) is shown
    assert "refused" not in text


def test_knock_of_before_the_last_start_still_counts_as_a_first_step(
    visitor: Visitor, daemon: StubDaemon, write_uci: Callable[[str], None]
) -> None:
    write_uci(READY)
    daemon.status = changed(counters={"accepted": 0}, replay={"entries": 0})
    assert "Knock, and see it accepted" in visitor.get("/").text
    for before in ({"replay": {"entries": 1}}, {"replay": {"entries": 0}, "knocked_before": True}):
        daemon.status = changed(counters={"accepted": 0}, **before)
        assert "First steps" not in visitor.get("/").text


def test_number_of_clients_is_the_daemons_where_it_goes_by_other_files(
    visitor: Visitor, daemon: StubDaemon
) -> None:
    assert "as the daemon counts" not in visitor.get("/").text
    daemon.status = changed(configuration={"source": "none"}, clients=0)
    assert "0 as the daemon counts" in visitor.get("/").text


def test_page_waits_once_for_a_daemon_that_hangs(
    config: WebConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fwknop_webui.live.TIMEOUT", 0.2)
    monkeypatch.setattr("fwknop_webui.live.GLANCE_TIMEOUT", 0.1)
    visitor = Visitor(create_app(config), PASSWORD)
    visitor.log_in()
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(config.control))
        hanging.listen()
        hanging.setblocking(False)
        for path in ("/", "/clients", "/logs", "/diagnostics"):
            page = visitor.get(path)
            assert page.status == 200
            assert _connections(hanging) == 1, path
    assert "within 0.2 seconds" in page.text


def _connections(listening: socket.socket) -> int:
    """How often somebody connected meanwhile."""
    count = 0
    with suppress(BlockingIOError):
        while True:
            listening.accept()[0].close()
            count += 1
    return count
