"""Buttons that start and stop the daemon, where the page may do so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from fwknop_webui.app import create_app
from fwknop_webui.service_control import Action, InitScript, NoControl, ServiceFailed
from fwknop_webui.services import WebConfig, build_services
from tests.web.conftest import PASSWORD
from tests.web.daemon import StubDaemon
from tests.web.visitor import Visitor

SCRIPT = """#!/bin/sh
echo "$@" >>"${0%/*}/told"
case "$1" in
enable) touch "${0%/*}/enabled" ;;
disable) rm -f "${0%/*}/enabled" ;;
enabled) [ -e "${0%/*}/enabled" ] ;;
restart) echo 'no <b>such</b> thing' >&2; exit 3 ;;
esac
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "init.d" / "fwknopd"
    path.parent.mkdir()
    path.write_text(SCRIPT)
    path.chmod(0o755)
    return path


def told(script: Path) -> list[str]:
    file = script.with_name("told")
    return [line for line in file.read_text().split("\n") if line not in ("", "enabled")]


def app_with(config: WebConfig, service: InitScript | NoControl) -> Flask:
    return create_app(config, replace(build_services(config), service=service))


@pytest.fixture
def owner(config: WebConfig, script: Path, daemon: StubDaemon) -> Visitor:
    visitor = Visitor(app_with(config, InitScript(script)), PASSWORD)
    visitor.log_in()
    return visitor


def test_daemon_is_started_and_stopped_after_asking(owner: Visitor, script: Path) -> None:
    page = owner.press(owner.get("/").form("/service"), "Start")
    assert "The daemon is started." in page.text
    assert "/service/stop" in page.links
    page = owner.get("/service/stop")
    assert "Nobody can knock until it is started again." in page.text
    assert told(script) == ["start"]
    page = owner.press(page.form("/service"), "Stop")
    assert "The daemon is stopped." in page.text
    assert told(script) == ["start", "stop"]


def test_start_at_boot_is_shown_and_changed(owner: Visitor) -> None:
    page = owner.get("/")
    assert "It does not start at boot." in page.text
    page = owner.press(page.form("/service"), "Start at boot")
    assert "The daemon will start at boot." in page.text
    assert "It starts at boot." in page.text
    page = owner.press(page.form("/service"), "Don't start at boot")
    assert "It does not start at boot." in page.text


def test_failure_is_told_in_the_system_s_words(owner: Visitor) -> None:
    page = owner.press(owner.get("/").form("/service"), "Restart")
    assert "The system could not do that no <b>such</b> thing" in page.text
    assert "<b>such" not in page.html


@pytest.mark.parametrize("do", ["", "enabled", "start; reboot", "--help"])
def test_nothing_but_the_five_words_reaches_the_script(
    do: str, owner: Visitor, script: Path
) -> None:
    csrf = owner.get("/").form("/service").value("csrf")
    assert owner.post("/service", {"csrf": csrf, "do": do}).status == 400
    assert told(script) == []


def test_page_without_the_right_has_no_buttons(config: WebConfig, daemon: StubDaemon) -> None:
    visitor = Visitor(app_with(config, NoControl()), PASSWORD)
    page = visitor.log_in()
    assert "Start at boot" not in page.text
    assert visitor.get("/service/stop").status == 404
    csrf = visitor.get("/settings").main_form().value("csrf")
    assert visitor.post("/service", {"csrf": csrf, "do": "start"}).status == 404
    with pytest.raises(ServiceFailed):
        NoControl().run(Action.START)


def test_missing_script_is_no_control(tmp_path: Path) -> None:
    assert InitScript(tmp_path / "nothing").is_enabled() is None
    with pytest.raises(ServiceFailed, match="No such file"):
        InitScript(tmp_path / "nothing").run(Action.START)


def test_script_that_hangs_is_given_up(script: Path) -> None:
    script.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging = InitScript(script, timeout=0.1)
    assert hanging.is_enabled() is None
    with pytest.raises(ServiceFailed, match="no end after"):
        hanging.run(Action.START)
