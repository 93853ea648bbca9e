"""What is applied is taken back unless a browser confirms it in time, whatever dies meanwhile."""

from __future__ import annotations

import json
import os
import re
import stat
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from fwknop_webui.app import create_app
from fwknop_webui.clock import Clock
from fwknop_webui.services import EXTENSION, WebConfig
from fwknopd.control.protocol import VerbError
from tests.ports import free_port
from tests.web.clock import HandClock
from tests.web.conftest import PASSWORD
from tests.web.daemon import StubDaemon
from tests.web.test_changes import OVERWRITING, apply, refused
from tests.web.test_cli import Surfer, running
from tests.web.test_clients import add, sections
from tests.web.visitor import Page, Visitor

BACK = "The old configuration is back: nobody confirmed the new one in time"


@pytest.fixture(autouse=True)
def ready(daemon: StubDaemon) -> None:
    """Every test has a daemon that takes what it gets."""


@pytest.fixture
def before(write_uci: Callable[[str], None], uci: Path) -> bytes:
    # A comment goes with the first commit and must come back with a rollback.
    write_uci("# mine\n" + OVERWRITING)
    return uci.read_bytes()


@pytest.fixture
def careless(visitor: Visitor, before: bytes) -> Visitor:
    """Somebody who looks at what comes after Save & Apply, and does nothing."""
    visitor.keeps = False
    return visitor


def record(uci: Path) -> Path:
    return uci.with_name(".fwknopd.unconfirmed")


def restarted(config: WebConfig) -> Visitor:
    """The page after its program was killed and started again."""
    return Visitor(create_app(config), PASSWORD)


def decide(visitor: Visitor, button: str) -> Page:
    page = visitor.get("/changes/applied")
    return visitor.press(page.form("/changes/keep"), button)


def test_page_says_what_came_of_it_and_how_long_it_waits(
    careless: Visitor, uci: Path, hands: HandClock
) -> None:
    page = add(careless, name="Carla")
    assert "6 changes applied; the daemon is using them." in page.text
    assert "Time left: 1:30" in page.text
    assert sections(uci)[-1].get("name") == "Carla"
    hands.forward(30)
    page = careless.get("/changes/applied")
    assert "Time left: 1:00" in page.text
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in page.html
    assert "Not confirmed: 1:00" in careless.get("/clients").text


def test_kept_changes_stay(careless: Visitor, uci: Path, hands: HandClock) -> None:
    add(careless, name="Carla")
    page = decide(careless, "Keep")
    assert "6 changes applied; the daemon is using them." in page.text
    assert "Not confirmed" not in page.text
    assert not record(uci).exists()
    hands.forward(1000)
    assert "is back" not in careless.get("/clients").text
    assert sections(uci)[-1].get("name") == "Carla"
    assert careless.get("/changes/applied").response.request.path == "/"


def test_what_nobody_keeps_is_taken_back(
    careless: Visitor, before: bytes, uci: Path, hands: HandClock, daemon: StubDaemon
) -> None:
    add(careless, name="Carla")
    hands.forward(89)
    assert "Carla" in careless.get("/clients").text
    assert daemon.reloads() == 1
    hands.forward(1)
    page = careless.get("/clients")
    assert BACK in page.text
    assert uci.read_bytes() == before
    assert daemon.reloads() == 2
    assert page.staged == 6
    assert BACK not in careless.get("/clients").text
    careless.keeps = True
    assert "6 changes applied" in apply(careless).text


def test_what_came_back_may_be_applied_unchecked(
    careless: Visitor, uci: Path, hands: HandClock, daemon: StubDaemon
) -> None:
    add(careless, name="Carla")
    hands.forward(90)
    page = careless.get("/")
    assert BACK in page.text and "apply them unchecked" in page.text
    offered = page.form("/changes/apply")
    assert [text for text, *_ in offered.buttons] == ["Revert changes", "Apply unchecked"]
    page = careless.press(offered, "Apply unchecked")
    assert "6 changes applied; the daemon is using them." in page.text
    assert (page.staged, record(uci).exists()) == (0, False)
    hands.forward(1000)
    assert BACK not in careless.get("/clients").text
    assert sections(uci)[-1].get("name") == "Carla"


def test_what_came_back_may_be_reverted(
    careless: Visitor, before: bytes, uci: Path, hands: HandClock
) -> None:
    add(careless, name="Carla")
    hands.forward(90)
    page = careless.press(careless.get("/").form("/changes/apply"), "Revert changes")
    assert (page.staged, uci.read_bytes()) == (0, before)


@pytest.mark.parametrize("path", ["/settings", "/advanced", "/clients/add", "/clients", "/changes"])
def test_apply_unchecked_stands_beside_save_and_apply(
    path: str, careless: Visitor, uci: Path, hands: HandClock
) -> None:
    add(careless, "Save", name="Carla")
    page = careless.get(path)
    [form] = [f for f in page.forms if "Apply unchecked" in [text for text, *_ in f.buttons]]
    typed = {"name": "Dora"} if path == "/clients/add" else {}
    page = careless.press(form, "Apply unchecked", **typed)
    assert "applied; the daemon is using them." in page.text
    assert "Not confirmed" not in page.text
    hands.forward(1000)
    assert BACK not in careless.get("/clients").text
    assert "Carla" in uci.read_text()


def test_what_the_daemon_refuses_waits_for_a_person_all_the_same(
    careless: Visitor, before: bytes, uci: Path, daemon: StubDaemon
) -> None:
    daemon.reload_answer = refused(str(uci))
    page = add(careless, "Apply unchecked", name="Carla")
    assert "It goes on with the configuration it had" in page.text
    careless.press(page.form("/changes/keep"), "Put the old file back")
    assert uci.read_bytes() == before


def test_whoever_comes_too_late_is_told(
    careless: Visitor, before: bytes, uci: Path, hands: HandClock
) -> None:
    page = add(careless, name="Carla")
    hands.forward(90)
    page = careless.press(page.form("/changes/keep"), "Keep")
    assert BACK in page.text
    assert uci.read_bytes() == before
    assert careless.get("/clients").staged == 6


def test_somebody_may_want_the_old_one_back(
    careless: Visitor, before: bytes, uci: Path, daemon: StubDaemon
) -> None:
    add(careless, name="Carla")
    page = decide(careless, "Put the old one back")
    assert "The old configuration is back." in page.text
    assert uci.read_bytes() == before
    assert daemon.reloads() == 2
    assert page.staged == 6


def test_what_was_staged_since_is_kept_as_well(
    careless: Visitor, before: bytes, uci: Path, hands: HandClock
) -> None:
    add(careless, name="Carla")
    add(careless, "Save", name="Dora")
    hands.forward(90)
    page = careless.get("/changes")
    assert uci.read_bytes() == before
    assert "Carla" in page.text
    assert "Dora" in page.text
    careless.keeps = True
    apply(careless)
    assert [section.get("name") for section in sections(uci)] == ["", "Carla", "Dora"]


@pytest.mark.parametrize("away", ["too long", "rebooted"])
def test_dead_page_takes_them_back_at_its_next_start(
    away: str,
    careless: Visitor,
    before: bytes,
    uci: Path,
    hands: HandClock,
    config: WebConfig,
    daemon: StubDaemon,
) -> None:
    add(careless, name="Carla")
    if away == "rebooted":
        hands.reboot()
    else:
        hands.forward(90)
    after = restarted(replace(config, clock=hands.clock))
    assert uci.read_bytes() == before
    assert daemon.reloads() == 2
    page = after.log_in()
    assert BACK in page.text
    assert "They were applied by root." in page.text
    assert BACK not in after.get("/clients").text


def test_page_that_comes_back_in_time_goes_on_waiting(
    careless: Visitor, before: bytes, uci: Path, hands: HandClock, config: WebConfig
) -> None:
    add(careless, name="Carla")
    hands.forward(50)
    after = restarted(config)
    assert "Not confirmed: 0:40" in after.log_in().text
    assert "root has applied them" in after.get("/changes/applied").text
    page = decide(after, "Keep")
    assert "The new configuration is kept." in page.text
    hands.forward(90)
    assert "is back" not in after.get("/").text
    assert sections(uci)[-1].get("name") == "Carla"


def test_timer_needs_no_visitor(config: WebConfig, uci: Path, daemon: StubDaemon) -> None:
    uci.write_text(OVERWRITING)
    before = uci.read_bytes()
    told = threading.Semaphore(0)
    daemon.on_reload = told.release
    quick = replace(config, clock=Clock(), confirm_seconds=0.3)
    app = create_app(quick)
    visitor = Visitor(app, PASSWORD)
    visitor.keeps = False
    visitor.log_in()
    add(visitor, name="Carla")
    # Of the new file, and of the old one again.
    assert told.acquire(timeout=10)
    assert told.acquire(timeout=10)
    # Waits for the timer's thread to have done all it does.
    assert not app.extensions["fwknop"].rollback.confirm()
    assert uci.read_bytes() == before
    assert BACK in visitor.get("/").text


def test_killed_program_s_successor_takes_them_back(
    config: WebConfig, uci: Path, daemon: StubDaemon
) -> None:
    uci.write_text(OVERWRITING)
    before, told, port = uci.read_bytes(), threading.Event(), free_port()
    options = [f"--uci={uci}", f"--control={config.control}", f"--listen=127.0.0.1:{port}"]
    options += [f"--password-file={config.password_file}", "--confirm-seconds=600"]
    with running(*options) as process:
        assert process.stderr and process.stderr.readline()
        surfer = Surfer(port)
        token = hidden(surfer.open("/login"), "csrf")
        surfer.open("/login", csrf=token, username="root", password=PASSWORD)
        page = surfer.open("/settings")
        typed = {"csrf": hidden(page, "csrf"), "base": hidden(page, "base"), "do": "apply"}
        typed |= {"uci_enabled": "1", "spa_port": "62201", "MAX_SPA_PACKET_AGE": "77"}
        assert "data-confirm" in surfer.open("/settings", **typed)
        daemon.on_reload = told.set
        process.kill()
        process.wait()
    assert b"MAX_SPA_PACKET_AGE '77'" in uci.read_bytes()
    # Nobody waits ten minutes here.
    record(uci).write_text(json.dumps(json.loads(record(uci).read_text()) | {"deadline": 0}))
    with running(*options):
        assert told.wait(20)
    assert uci.read_bytes() == before


def hidden(html: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', html)
    assert found
    return found[1]


def test_page_does_not_end_unused_while_something_waits(
    careless: Visitor, before: bytes, app: Flask
) -> None:
    rollback = app.extensions["fwknop"].rollback
    assert not rollback.is_watching
    add(careless, name="Carla")
    assert rollback.is_watching
    decide(careless, "Keep")
    assert not rollback.is_watching


def test_what_is_remembered_is_private_and_goes(careless: Visitor, uci: Path) -> None:
    add(careless, name="Carla")
    assert stat.S_IMODE(record(uci).stat().st_mode) == 0o600
    decide(careless, "Put the old one back")
    assert [path.name for path in uci.parent.iterdir()] == ["fwknopd"]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"before": 1, "pending": "", "after": "?"}']
)
def test_what_makes_no_sense_is_nothing(
    content: bytes, uci: Path, config: WebConfig, before: bytes
) -> None:
    record(uci).write_bytes(content)
    visitor = restarted(config)
    assert "Not confirmed" not in visitor.log_in().text
    add(visitor, name="Carla")
    assert sections(uci)[-1].get("name") == "Carla"
    assert not record(uci).exists()


@pytest.mark.parametrize("kind", ["others may write it", "a pipe"])
def test_nothing_is_taken_back_on_somebody_else_s_word(
    kind: str, careless: Visitor, uci: Path, hands: HandClock, config: WebConfig
) -> None:
    add(careless, name="Carla")
    now = uci.read_bytes()
    if kind == "a pipe":
        record(uci).unlink()
        os.mkfifo(record(uci), 0o600)
    else:
        record(uci).chmod(0o666)
    hands.forward(90)
    restarted(config)
    assert uci.read_bytes() == now


def test_pending_changes_of_the_uci_command_come_back_as_pending(
    careless: Visitor, before: bytes, uci: Path, tmp_path: Path, hands: HandClock
) -> None:
    delta = tmp_path / "delta"
    delta.mkdir(mode=0o700)
    (delta / "fwknopd").write_text("fwknopd.cfg03ea17.SOURCE='10.0.0.0/8'\n")
    add(careless, name="Carla")
    assert (delta / "fwknopd").read_text() == ""
    hands.forward(90)
    careless.get("/")
    assert uci.read_bytes() == before
    assert (delta / "fwknopd").read_text() == "fwknopd.cfg03ea17.SOURCE='10.0.0.0/8'\n"
    assert careless.get("/changes").staged == 6


def test_what_others_changed_since_is_left_alone(
    careless: Visitor, before: bytes, uci: Path, write_uci: Callable[[str], None], hands: HandClock
) -> None:
    form = careless.get("/settings").form("/settings")
    careless.press(form, "Save & Apply", MAX_SPA_PACKET_AGE="60", spa_port="1234")
    text = uci.read_text()
    assert "MAX_SPA_PACKET_AGE '60'" in text
    write_uci(text.replace("'udp port 1234'", "'udp port 99'").replace("'ANY'", "'10.0.0.0/8'"))
    hands.forward(90)
    assert BACK in careless.get("/").text
    text = uci.read_text()
    assert "MAX_SPA_PACKET_AGE" not in text
    assert "'udp port 99'" in text
    assert "'10.0.0.0/8'" in text


def test_rollback_that_fails_is_said_once_and_tried_again(
    careless: Visitor, before: bytes, uci: Path, write_uci: Callable[[str], None], hands: HandClock
) -> None:
    add(careless, name="Carla")
    new = uci.read_text()
    write_uci("config access 'unfinished")
    hands.forward(90)
    assert "the old one can't be put back" in careless.get("/").text
    hands.forward(11)
    assert "can't be put back" not in careless.get("/").text
    write_uci(new)
    hands.forward(11)
    assert BACK in careless.get("/").text
    assert uci.read_bytes() == before


@pytest.mark.parametrize("who", ["same", "other"])
def test_there_is_one_rollback_at_a_time(
    who: str, careless: Visitor, second: Visitor, uci: Path, daemon: StubDaemon
) -> None:
    add(careless, name="Carla")
    now = uci.read_bytes()
    another = careless if who == "same" else second
    page = add(another, name="Dora")
    assert "the changes applied before are not confirmed yet" in page.text
    assert page.staged == 6
    assert uci.read_bytes() == now
    assert daemon.reloads() == 1
    decide(careless, "Keep")
    another.keeps = True
    apply(another)
    assert [section.get("name") for section in sections(uci)] == ["", "Carla", "Dora"]


@pytest.mark.parametrize(("button", "staged"), [("Keep", 0), ("Put the old one back", 6)])
def test_somebody_else_may_decide(
    button: str, staged: int, careless: Visitor, second: Visitor, before: bytes
) -> None:
    add(careless, name="Carla")
    page = second.get("/changes/applied")
    assert "root has applied them" in page.text
    assert "data-confirm" not in page.html
    decide(second, button)
    page = careless.get("/clients")
    assert page.staged == staged
    assert "Not confirmed" not in page.text


def test_what_somebody_else_kept_is_not_staged_again_with_the_next(
    careless: Visitor, second: Visitor, uci: Path, hands: HandClock
) -> None:
    add(careless, name="Carla")
    decide(second, "Keep")
    second.keeps = False
    add(second, name="Dora")
    hands.forward(90)
    page = careless.get("/clients")
    assert "They were applied by root." in page.text
    assert page.staged == 0
    assert second.get("/clients").staged == 6
    assert [section.get("name") for section in sections(uci)] == ["", "Carla"]


def test_what_somebody_else_took_back_is_staged_whatever_came_then(
    careless: Visitor, second: Visitor, uci: Path
) -> None:
    add(careless, name="Carla")
    decide(second, "Put the old one back")
    add(second, name="Dora")
    page = careless.get("/clients")
    assert "The old configuration is back." in page.text
    assert page.staged == 6


def test_others_are_told_of_it_too(
    careless: Visitor, second: Visitor, before: bytes, hands: HandClock, app: Flask
) -> None:
    add(careless, name="Carla")
    hands.forward(90)
    assert "They were applied by root." in second.get("/").text
    assert BACK in careless.get("/").text
    hands.forward(1)
    later = Visitor(app, PASSWORD)
    assert BACK not in later.log_in().text


def test_daemon_that_hangs_may_have_taken_it(
    careless: Visitor, before: bytes, uci: Path, daemon: StubDaemon, hands: HandClock
) -> None:
    daemon.refusal = VerbError("internal", "the daemon failed to answer", "Please report it")
    page = add(careless, name="Carla")
    assert "Saved, but not in use yet" in page.text
    assert "Time left: 1:30" in page.text
    hands.forward(90)
    text = careless.get("/clients").text
    assert BACK in text
    assert "The daemon could not be told: the daemon failed to answer. Please report it" in text
    assert uci.read_bytes() == before


def test_stopped_daemon_has_nothing_to_lock_anybody_out_with(
    careless: Visitor, uci: Path, daemon: StubDaemon
) -> None:
    daemon.stop()
    page = add(careless, name="Carla")
    assert "Saved, but not in use yet" in page.text
    assert "Not confirmed" not in page.text
    assert not record(uci).exists()


def test_changes_of_a_file_nobody_uses_need_no_confirmation(
    visitor: Visitor, uci: Path, daemon: StubDaemon
) -> None:
    visitor.keeps = False
    daemon.origin = {"source": "files", "file": "/etc/fwknop/fwknopd.conf"}
    assert "Saved; the daemon runs from the files" in add(visitor, name="Carla").text
    assert not record(uci).exists()


def test_refused_configuration_is_told_with_line_and_option(
    careless: Visitor, before: bytes, uci: Path, daemon: StubDaemon
) -> None:
    daemon.reload_answer = refused(str(uci))
    page = add(careless, name="Carla")
    assert "The daemon refused this configuration" in page.text
    assert "SOURCE : not good enough. Write another." in page.text.replace("SOURCE:", "SOURCE :")
    assert "line 9" in page.text
    assert "data-confirm" not in page.html
    assert "Carla" in uci.read_text()


def test_refused_configuration_can_be_kept(
    careless: Visitor, uci: Path, daemon: StubDaemon, hands: HandClock
) -> None:
    daemon.reload_answer = refused(str(uci))
    add(careless, name="Carla")
    page = decide(careless, "Keep the new file")
    assert "The file is kept, but the daemon refused it" in page.text
    assert "not good enough. Write another." in page.text
    hands.forward(90)
    careless.get("/")
    assert sections(uci)[-1].get("name") == "Carla"


def test_refused_configuration_nobody_decides_on_is_taken_back(
    careless: Visitor, before: bytes, uci: Path, daemon: StubDaemon, hands: HandClock
) -> None:
    daemon.reload_answer = refused(str(uci))
    add(careless, name="Carla")
    hands.forward(90)
    page = careless.get("/")
    assert BACK in page.text
    assert page.staged == 6
    assert uci.read_bytes() == before


def test_commit_that_fails_leaves_nothing_to_take_back(
    careless: Visitor, before: bytes, uci: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fwknopd.uci_files

    def full(_folder: object, _old: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fwknopd.uci_files, "_take_over", full)
    assert "No space left on device" in add(careless, name="Carla").text
    assert uci.read_bytes() == before
    assert not record(uci).exists()


def test_record_that_can_not_be_read_is_told_and_read_again(
    visitor: Visitor, daemon: StubDaemon, app: Flask, uci: Path, caplog: pytest.LogCaptureFixture
) -> None:
    there, rollback = record(uci), app.extensions[EXTENSION].rollback
    there.symlink_to("elsewhere")
    said = "Nobody can tell whether applied changes wait for a confirmation"
    for path in ("/", "/clients", "/changes"):
        page = visitor.get(path)
        assert page.status == 200
        assert said in page.text
        assert str(there) in page.text
    # Once, not with each request.
    assert caplog.text.count("can't tell whether changes wait") == 1
    rollback.watch()
    assert rollback.is_watching
    german = visitor.get("/clients", headers={"Accept-Language": "de"})
    assert "Sehen Sie nach, ob" in german.text
    # Applying finds it in the way, and loses nothing.
    before = uci.read_bytes()
    form = visitor.get("/settings").main_form()
    page = visitor.press(form, "Save & Apply", MAX_SPA_PACKET_AGE="77")
    assert "Not saved" in page.text
    assert page.staged == 1
    assert uci.read_bytes() == before
    there.unlink()
    rollback.watch()
    assert said not in visitor.get("/clients").text
    assert not rollback.is_watching
