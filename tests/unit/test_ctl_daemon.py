"""fwknopctl against a daemon's socket: what a person sees, and what a program gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fwknopd.control.protocol import VerbError
from fwknopd.ctl import main
from tests.unit.control.running import RunningServer

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
NOW = 1_700_000_000.0

STATUS: Json = {
    "version": "1.2.3",
    "pid": 4321,
    "uptime": 11_532,
    "time": NOW,
    "configuration": {
        "source": "uci",
        "file": "/etc/config/fwknopd",
        "enabled": True,
        "loaded_at": NOW - 75,
        "problems": [
            {
                "severity": "warning",
                "file": "/etc/config/fwknopd",
                "line": 12,
                "option": "VERBOSE",
                "message": "it is ignored",
                "remedy": "Delete it.",
            }
        ],
        "last_error": None,
    },
    "captures": [
        {
            "name": "eth1",
            "kind": "pcap",
            "state": "capturing",
            "detail": "",
            "received": 12345,
            "dropped": 0,
            "since": NOW - 100,
        },
        {
            "name": "network wan",
            "kind": "pcap",
            "state": "waiting",
            "detail": "the network wan is down. To bring it up now: ifup wan",
            "received": 0,
            "dropped": 0,
            "since": NOW - 65,
        },
    ],
    "firewall": {"backend": "nftables", "ready": True, "detail": ""},
    "clients": 3,
    "replay": {"entries": 1700, "limit": 100_000},
    "counters": {"replay": 2, "accepted": 41},
    "grants": 2,
    "clock": {"ok": False, "detail": "no time from the network yet"},
}
GRANTS: Json = {
    "now": NOW,
    "grants": [
        {
            "id": "b2",
            "client": "Ann's tablet",
            "address": "2001:db8::7",
            "port": "tcp/5555",
            "nat": "192.168.1.5:22",
            "local": False,
            "opened": NOW - 3700,
            "expires": NOW + 3723,
            "connections": 2,
        },
        {
            "id": "a1",
            "client": "phone",
            "address": "203.0.113.10",
            "port": "tcp/22",
            "nat": None,
            "local": False,
            "opened": NOW - 2,
            "expires": NOW + 28,
            "connections": 0,
        },
    ],
    "past": [],
    "unread": "",
    "uncounted": "",
}
PAST: Json = {
    **GRANTS,
    "grants": [],
    "past": [{**GRANTS["grants"][1], "expires": NOW - 120, "connections": 1}],
}
UNKNOWN: Json = {
    **GRANTS,
    "grants": [{**GRANTS["grants"][1], "connections": None}],
    "unread": "nftables is gone",
    "uncounted": "a module is missing",
}
EVENTS: list[Json] = [
    {
        "id": 1,
        "time": NOW,
        "event": "verdict",
        "source": "203.0.113.10",
        "client": "phone",
        "verdict": "accept",
        "reason": "accepted",
        "request": "0.0.0.0,tcp/22",
        "detail": "",
    },
    {
        "id": 2,
        "time": NOW + 1,
        "event": "verdict",
        "source": "192.0.2.66",
        "client": None,
        "verdict": "refuse",
        "reason": "replay",
        "request": "0.0.0.0,tcp/22",
        "detail": "seen 3 s ago from 203.0.113.10",
    },
    {"id": 3, "time": NOW + 2, "event": "error", "detail": "evil\x1b[2J\nline \u202egpj.exe"},
]


def events(arguments: Json) -> Json:
    recent = [event for event in EVENTS if event["id"] > arguments.get("after", 0)]
    limit = arguments.get("limit", 100)
    return {"events": recent[-limit:] if limit else [], "last": 3}


def revoke(arguments: Json) -> Json:
    if arguments.get("client") == "stuck":
        raise VerbError("firewall", "the doors are still open", "Try again")
    cut = arguments.pop("cut", False)
    known = arguments in ({"client": "phone"}, {"id": "a1"}, {"address": "203.0.113.10"})
    answer = {"revoked": 2 if arguments == {"all": True} else int(known), "cut": None}
    if not cut:
        return answer
    if arguments == {"all": True}:
        return {**answer, "cut": 0, "spared": 0, "uncut": "a module is missing"}
    return {**answer, "cut": int(known), "spared": 2 * known, "uncut": ""}


def reload(_: Json) -> Json:
    problem = {
        "severity": "error",
        "file": "/etc/config/fwknopd",
        "line": 7,
        "option": "OPEN_PORTS",
        "message": "'tcp/99999' is not a port",
        "remedy": "Write 1 to 65535.",
    }
    return {"reloaded": False, "problems": [problem]}


def metrics(arguments: Json) -> Json:
    return {"text": f"# clients by name: {arguments['by_client']}, Jörgs Händi\n# EOF\n"}


@pytest.fixture
def running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[RunningServer]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    path = tmp_path / "control.sock"
    monkeypatch.setenv("FWKNOP_CONTROL", str(path))
    handlers = {
        "status": lambda _: STATUS,
        "grants": lambda _: GRANTS,
        "events": events,
        "revoke": revoke,
        "reload": reload,
        "metrics": metrics,
    }
    with RunningServer(path, handlers) as server:
        yield server


def shown(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert not captured.err
    return captured.out


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 1) -> str:
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert not captured.out
    return captured.err


Capsys = pytest.CaptureFixture[str]
pytestmark = pytest.mark.usefixtures("running")


def test_status_at_one_glance(capsys: Capsys) -> None:
    assert shown(capsys, "status", code=4).splitlines() == [
        "fwknopd 1.2.3 is running, up 3 h 12 min (process 4321)",
        "",
        "  Configuration   /etc/config/fwknopd (UCI), loaded 1 min 15 s ago",
        "                  warning: /etc/config/fwknopd:12: VERBOSE: it is ignored. Delete it.",
        "  Clients         3",
        "  Capture         eth1: capturing, 12,345 packets, none lost",
        "                  network wan: waiting for 1 min 5 s: the network wan is down. "
        "To bring it up now: ifup wan",
        "  Firewall        nftables: ready",
        "  Clock           not believable yet: no time from the network yet",
        "  Open doors      2",
        "  Replay memory   1,700 packets, 1 % full",
        "  Packets         accepted 41, replay 2",
    ]


def test_status_of_an_idle_daemon(
    running: RunningServer, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = {"source": "none", "detail": "tick Enable config overwrite", "last_error": "a:1: bad"}
    monkeypatch.setitem(STATUS, "configuration", idle)
    monkeypatch.setitem(STATUS, "captures", [])
    text = shown(capsys, "status", code=4)
    assert "  Configuration   none: tick Enable config overwrite\n" in text
    assert "not loaded: a:1: bad" in text
    assert "  Capture         none: no knock can arrive\n" in text


@pytest.mark.parametrize(
    ("entries", "limit", "full", "told"),
    [
        (0, 100, False, "0 packets, 0 % full"),
        (1, 1000, False, "1 packet, <1 % full"),
        (100, 100, True, "100 packets, 100 % full: no room for another"),
        (17, 0, False, "17 packets"),
    ],
)
def test_status_says_how_full_the_replay_memory_is(
    running: RunningServer,
    capsys: Capsys,
    monkeypatch: pytest.MonkeyPatch,
    entries: int,
    limit: int,
    full: bool,
    told: str,
) -> None:
    replay = {"entries": entries, "limit": limit, "full": full}
    monkeypatch.setitem(STATUS, "replay", replay)
    assert f"  Replay memory   {told}\n" in shown(capsys, "status", code=4)


def test_status_of_a_daemon_whose_file_was_changed(
    running: RunningServer, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = {"source": "uci", "file": "x", "loaded_at": NOW, "outdated": True}
    monkeypatch.setitem(STATUS, "configuration", configuration)
    assert "changed since: fwknopctl reload" in shown(capsys, "status", code=4)


def test_status_tells_what_others_do_to_our_mark(
    running: RunningServer, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    firewall = {"backend": "nftables", "ready": True, "detail": "", "warnings": ["pbr", 3, "x"]}
    monkeypatch.setitem(STATUS, "firewall", firewall)
    text = shown(capsys, "status", code=4)
    shows = "  Firewall        nftables: ready\n                  warning: pbr\n"
    assert f"{shows}                  warning: x\n" in text


def test_status_tells_of_events_that_were_lost(
    running: RunningServer, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = {"outlet": "log-server", "place": "x", "count": 1234, "newest": NOW - 75, "why": "y"}
    monkeypatch.setitem(
        STATUS, "log", {"lost": [lost, 3], "warnings": ["See\x1b that it runs.", 4]}
    )
    text = shown(capsys, "status", code=4)
    shows = "  Log             log-server: lost events 1,234, last one 1 min 15 s ago\n"
    assert f"{shows}                  warning: See\\x1b that it runs.\n" in text


@pytest.mark.parametrize(
    "answer", [{}, {"captures": [None, 3], "configuration": [], "uptime": "x"}]
)
def test_status_of_another_version_is_shown_as_far_as_it_goes(
    tmp_path: Path, capsys: Capsys, answer: Json
) -> None:
    with RunningServer(tmp_path / "other.sock", {"status": lambda _: answer}):
        text = shown(capsys, "status", "--control", str(tmp_path / "other.sock"), code=4)
    assert "is running" in text


READY: Json = {**STATUS, "clock": {"ok": True, "detail": ""}}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, 0),
        ({"configuration": {"source": "files"}}, 0),
        ({"configuration": {"source": "none"}}, 4),
        ({"captures": STATUS["captures"][1:]}, 4),
        ({"captures": []}, 4),
        ({"firewall": {"ready": False}}, 4),
        ({"clock": STATUS["clock"]}, 4),
        ({"test": True}, 4),
        ({"ready": False}, 4),
        ({"ready": True, "clock": STATUS["clock"]}, 0),
        ({"ready": "yes", "clock": STATUS["clock"]}, 4),
    ],
    ids=repr,
)
def test_status_ends_with_0_where_a_knock_would_be_honoured(
    capsys: Capsys, monkeypatch: pytest.MonkeyPatch, change: Json, code: int
) -> None:
    for name, value in {**READY, **change}.items():
        monkeypatch.setitem(STATUS, name, value)
    shown(capsys, "status", code=code)
    assert json.loads(shown(capsys, "status", "--json", code=code))["pid"] == 4321


def test_grants_as_a_table(capsys: Capsys) -> None:
    assert shown(capsys, "grants").splitlines() == [
        "CLIENT        ADDRESS       OPENS                       LEFT       OPENED         "
        "CONNECTIONS  ID",
        "phone         203.0.113.10  tcp/22                      28 s       2 s ago        "
        "0            a1",
        "Ann's tablet  2001:db8::7   tcp/5555 -> 192.168.1.5:22  1 h 2 min  1 h 1 min ago  "
        "2            b2",
    ]


def test_connections_that_outlived_their_door_are_listed(tmp_path: Path, capsys: Capsys) -> None:
    with RunningServer(tmp_path / "other.sock", {"grants": lambda _: PAST}):
        text = shown(capsys, "--control", str(tmp_path / "other.sock"), "grants")
    assert text.splitlines() == [
        "No door is open.",
        "",
        "Closed, but with connections that live on (fwknopctl revoke --cut ends them):",
        "CLIENT  ADDRESS       OPENED  CLOSED     CONNECTIONS  ID",
        "phone   203.0.113.10  tcp/22  2 min ago  1            a1",
    ]


def test_a_list_that_is_not_complete_says_so(tmp_path: Path, capsys: Capsys) -> None:
    with RunningServer(tmp_path / "other.sock", {"grants": lambda _: GRANTS | {"open": 9}}):
        text = shown(capsys, "--control", str(tmp_path / "other.sock"), "grants")
    assert text.splitlines()[-1] == "And 7 doors more, which close before these."


def test_what_cannot_be_told_is_said_to_be_unknown(tmp_path: Path, capsys: Capsys) -> None:
    with RunningServer(tmp_path / "other.sock", {"grants": lambda _: UNKNOWN}):
        assert main(["--control", str(tmp_path / "other.sock"), "grants"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1].endswith("?            a1")
    assert "what the firewall was told to open, for it can't be read: nftables is gone" in err
    assert "connections can't be told: a module is missing" in err


def test_no_grants(tmp_path: Path, capsys: Capsys) -> None:
    path = tmp_path / "other.sock"
    with RunningServer(path, {"grants": lambda _: {"now": NOW, "grants": []}}):
        assert shown(capsys, "--control", str(path), "grants") == "No door is open.\n"


def test_what_a_command_opened_is_listed_too(tmp_path: Path, capsys: Capsys) -> None:
    opened = {**GRANTS["grants"][0], "nat": None, "connections": None, "command": "rm x"}
    path = tmp_path / "other.sock"
    with RunningServer(path, {"grants": lambda _: {"now": NOW, "grants": [opened]}}):
        line = shown(capsys, "--control", str(path), "grants").splitlines()[1]
    assert "tcp/5555 (by command)" in line
    assert line.split()[-2:] == ["?", "b2"]


def test_events_of_commands(tmp_path: Path, capsys: Capsys) -> None:
    detail = "ended with status 3 after 0.1 s"
    ended = {**EVENTS[0], "event": "command", "verdict": None, "reason": None, "detail": detail}
    path = tmp_path / "other.sock"
    with RunningServer(path, {"events": lambda _: {"events": [{**ended, "request": "reboot"}]}}):
        line = shown(capsys, "--control", str(path), "events")
    assert line.split()[2:] == ["command", "203.0.113.10", "phone", "reboot", *detail.split()]


def test_events_one_a_line_and_nothing_hostile(capsys: Capsys) -> None:
    lines = shown(capsys, "events").splitlines()
    assert [line.rstrip() for line in lines] == [
        "2023-11-14 22:13:20  ACCEPTED   203.0.113.10     phone         0.0.0.0,tcp/22",
        "2023-11-14 22:13:21  refused    192.0.2.66       -             "
        "replay  0.0.0.0,tcp/22  seen 3 s ago from 203.0.113.10",
        r"2023-11-14 22:13:22  error      -                -             "
        r"evil\x1b[2J\x0aline \u202egpj.exe",
    ]


def test_events_of_today_show_the_time_only(
    capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW + 60)
    assert shown(capsys, "events", "-n", "1").startswith("22:13:22  error")


def test_only_newer_events(capsys: Capsys) -> None:
    assert len(shown(capsys, "events", "--after", "2").splitlines()) == 1
    assert shown(capsys, "events", "--after", "3") == "Nothing has happened yet.\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["a1"], "Closed 1 door of id a1.\n"),
        (["--client", "phone"], "Closed 1 door of client phone.\n"),
        (["--address", "203.0.113.10"], "Closed 1 door of address 203.0.113.10.\n"),
        (["--all"], "Closed 2 doors.\n"),
        (["--client", "fone"], "No door of client fone was open; see fwknopctl grants.\n"),
    ],
)
def test_revoke(capsys: Capsys, arguments: list[str], text: str) -> None:
    assert shown(capsys, "revoke", *arguments) == text


def test_a_mistyped_client_is_no_closed_door(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clients = [{"number": 1, "label": "phone"}, {"number": 2, "label": "#2"}]
    path = tmp_path / "other.sock"
    nothing: Json = {"revoked": 0, "cut": None}
    with RunningServer(
        path, {"revoke": lambda _: nothing, "clients": lambda _: {"clients": clients}}
    ):
        assert complaint(capsys, "--control", str(path), "revoke", "--client", "fone") == (
            "fwknopctl: no door was closed: the daemon has no client 'fone'.\n"
            "  It has: phone, #2. fwknopctl grants shows what is open\n"
        )
        for known in ("phone", "#2", "2", "?"):
            out = shown(capsys, "--control", str(path), "revoke", "--client", known)
            assert out.startswith(f"No door of client {known} was open")


def test_cutting_says_what_became_of_the_connections(capsys: Capsys) -> None:
    assert shown(capsys, "revoke", "--cut", "--client", "phone") == (
        "Closed 1 door of client phone. Cut 1 connection. "
        "Left 2 connections alone that may have come in by a door that is open.\n"
    )
    assert shown(capsys, "revoke", "--client", "fone", "--cut") == (
        "No door of client fone was open; see fwknopctl grants. Cut 0 connections.\n"
    )


def test_connections_that_could_not_be_cut_fail(capsys: Capsys) -> None:
    assert main(["revoke", "--all", "--cut"]) == 1
    out, err = capsys.readouterr()
    assert out == "Closed 2 doors. Cut 0 connections.\n"
    assert err == "fwknopctl: note: connections live on: a module is missing\n"
    answer = json.loads(shown(capsys, "revoke", "--all", "--cut", "--json", code=1))
    assert answer["uncut"] == "a module is missing"


def test_a_refused_verb_is_an_error_with_its_remedy(capsys: Capsys) -> None:
    text = complaint(capsys, "revoke", "--client", "stuck")
    assert text == "fwknopctl: the doors are still open.\n  Try again\n"


@pytest.mark.parametrize("arguments", [["revoke"], ["revoke", "a1", "--all"], ["dance"], []])
def test_wrong_usage_ends_with_2(capsys: Capsys, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert "usage: fwknopctl" in capsys.readouterr().err


def test_a_refused_configuration_is_shown_and_fails(capsys: Capsys) -> None:
    assert shown(capsys, "reload", code=1) == (
        "error: /etc/config/fwknopd:7: OPEN_PORTS: 'tcp/99999' is not a port. Write 1 to 65535.\n"
        "The configuration is faulty; the daemon goes on with the old one.\n"
    )


@pytest.mark.parametrize("arguments", [[], ["--by-client"], ["--plain"]])
def test_metrics_are_passed_on_in_utf_8_whatever_the_terminal_speaks(
    running: RunningServer, arguments: list[str]
) -> None:
    program = fwknopctl("metrics", *arguments, LC_ALL="C", PYTHONIOENCODING="ascii")
    printed = program.communicate(timeout=20)[0]
    whole = f"# clients by name: {'--by-client' in arguments}, Jörgs Händi\n# EOF\n"
    assert printed == (whole.removesuffix("# EOF\n") if "--plain" in arguments else whole)
    assert program.returncode == 0


def test_version_names_both(capsys: Capsys) -> None:
    from fwknopd import __version__

    assert shown(capsys, "version") == f"fwknopctl {__version__}\nfwknopd   1.2.3\n"
    out = shown(capsys, "version", "--control", "/nowhere", "--json")
    assert json.loads(out) == {"version": __version__, "daemon": None}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["grants"], GRANTS),
        (["events"], {"events": EVENTS, "last": 3}),
        (["revoke", "--all"], {"revoked": 2, "cut": None}),
    ],
)
def test_json_is_the_daemons_answer(capsys: Capsys, arguments: list[str], expected: Json) -> None:
    assert json.loads(shown(capsys, "--json", *arguments)) == expected
    assert json.loads(shown(capsys, *arguments, "--json")) == expected


# When it doesn't work


def test_no_daemon_says_how_to_start_it(capsys: Capsys) -> None:
    text = complaint(capsys, "status", "--control", "/nowhere/control.sock", code=3)
    assert "the daemon is not running: nobody listens at /nowhere/control.sock" in text
    assert "/etc/init.d/fwknopd start" in text


def test_errors_as_json(capsys: Capsys) -> None:
    out = shown(capsys, "status", "--json", "--control", "/nowhere/control.sock", code=3)
    error = json.loads(out)["error"]
    assert error["code"] == "not-running"
    assert error["remedy"]


def fwknopctl(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "fwknopd.ctl", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "daemon"), **environment},
    )


def test_following_events_as_a_program(running: RunningServer) -> None:
    process = fwknopctl("events", "--follow", "--json", "--limit", "1")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["id"] == 3
    running.publish({"id": 4, "event": "grant", "detail": "new"})
    assert json.loads(process.stdout.readline()) == {"id": 4, "event": "grant", "detail": "new"}
    process.terminate()
    process.communicate(timeout=30)
    running.await_clients(0)


def test_the_daemons_end_ends_following(running: RunningServer) -> None:
    process = fwknopctl("events", "-f", "-n", "1")
    assert process.stdout is not None
    assert "error" in process.stdout.readline()
    running.in_loop(running.hang_up)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "the daemon closed the connection" in errors


def test_a_reader_who_has_enough_is_no_error(running: RunningServer) -> None:
    process = fwknopctl("events", "--follow", "--limit", "1")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    while process.poll() is None:
        running.publish({"id": 4, "event": "grant"})
    assert process.stderr.read() == ""
    process.stderr.close()


def test_interrupting_is_quiet(running: RunningServer) -> None:
    process = fwknopctl("events", "--follow", "--limit", "1")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(2)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "")


def test_looking_after_the_daemon_loads_no_cryptography(running: RunningServer) -> None:
    program = (
        "import sys; from fwknopd.ctl import main; main(['grants'])\n"
        "sys.exit(bool({'cryptography', 'pcap', 'qrcode'} & sys.modules.keys()))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "daemon")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
