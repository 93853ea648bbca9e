"""What the page knows of failed logins outlives its restart, and no damage keeps anybody out."""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fwknop_webui.app import create_app
from fwknop_webui.lockout import (
    FAILURES_OF_ALL,
    FAILURES_PER_ADDRESS,
    LOCK_SECONDS,
    PAUSE_OF_ALL,
    Lockout,
)
from fwknop_webui.login_history import LoginHistory
from fwknop_webui.login_memory import MAX_BYTES, LoginMemory, memory_file
from fwknop_webui.pages import moment
from fwknop_webui.services import WebConfig
from tests.web.clock import HandClock
from tests.web.conftest import PASSWORD
from tests.web.test_login import attempt
from tests.web.visitor import Visitor

ATTACKER = "192.0.2.66"
OWNER = "192.168.1.5"


@pytest.fixture
def state(config: WebConfig) -> Path:
    assert config.login_state
    return config.login_state


@pytest.fixture
def start(config: WebConfig, hands: HandClock) -> Callable[[], Visitor]:
    """Start the page, for the first time or again; gives a browser on it."""
    return lambda: Visitor(create_app(replace(config, clock=hands.clock)), PASSWORD)


def lock(visitor: Visitor, address: str = ATTACKER) -> None:
    for _ in range(FAILURES_PER_ADDRESS):
        attempt(visitor, "wrong", address)


def test_lock_survives_a_restart_and_ends_when_it_would_have(
    start: Callable[[], Visitor], hands: HandClock
) -> None:
    lock(start())
    hands.forward(60)
    again = start()
    status, text = attempt(again, PASSWORD, ATTACKER)
    assert (status, "14:00" in text) == (429, True)
    hands.forward(LOCK_SECONDS - 60)
    assert attempt(start(), PASSWORD, ATTACKER)[0] == 200


def test_failures_before_a_restart_count_after_it(start: Callable[[], Visitor]) -> None:
    for _ in range(FAILURES_PER_ADDRESS - 1):
        assert attempt(start(), "wrong", ATTACKER)[0] == 401
    assert attempt(start(), "wrong", ATTACKER)[0] == 429


def test_right_password_is_remembered_too(start: Callable[[], Visitor]) -> None:
    for _ in range(FAILURES_PER_ADDRESS - 1):
        attempt(start(), "wrong", OWNER)
    assert attempt(start(), PASSWORD, OWNER)[0] == 200
    for _ in range(FAILURES_PER_ADDRESS - 1):
        assert attempt(start(), "wrong", OWNER)[0] == 401


def test_last_login_and_failures_are_told_after_a_restart(
    start: Callable[[], Visitor], hands: HandClock
) -> None:
    attempt(start(), PASSWORD, OWNER)
    then = moment(hands.wall_seconds)
    hands.forward(60)
    attempt(start(), "wrong", ATTACKER)
    text = attempt(start(), PASSWORD, "192.168.1.7")[1]
    assert f"Last login: {then} from {OWNER}." in text
    assert "1 wrong password since." in text


def test_first_login_is_since_no_other(start: Callable[[], Visitor]) -> None:
    visitor = start()
    attempt(visitor, "wrong", OWNER)
    text = attempt(visitor, PASSWORD, OWNER)[1]
    assert "1 wrong password before this login." in text
    assert "since." not in text


def test_pause_for_all_survives_but_not_for_who_was_in_before(
    start: Callable[[], Visitor],
) -> None:
    attempt(start(), PASSWORD, OWNER)
    guessing = start()
    for number in range(FAILURES_OF_ALL):
        attempt(guessing, "wrong", f"10.0.{number}.1")
    again = start()
    status, text = attempt(again, "wrong", "10.9.9.9")
    assert (status, f"00:{PAUSE_OF_ALL:.0f}" in text) == (429, True)
    assert attempt(again, PASSWORD, OWNER)[0] == 200


def test_lock_survives_a_reboot_for_its_time(
    start: Callable[[], Visitor], hands: HandClock
) -> None:
    lock(start())
    hands.reboot(off_for=60)
    status, text = attempt(start(), PASSWORD, ATTACKER)
    assert (status, "14:00" in text) == (429, True)
    hands.reboot(off_for=LOCK_SECONDS)
    assert attempt(start(), PASSWORD, ATTACKER)[0] == 200


def test_clock_being_set_does_not_end_a_lock(
    start: Callable[[], Visitor], hands: HandClock
) -> None:
    hands.wall_seconds = 1000.0
    lock(start())
    hands.wall_seconds = 1_795_300_000.0
    assert attempt(start(), PASSWORD, ATTACKER)[0] == 429
    hands.reboot()
    assert attempt(start(), PASSWORD, ATTACKER)[0] == 429
    hands.forward(LOCK_SECONDS)
    assert attempt(start(), PASSWORD, ATTACKER)[0] == 200


def test_file_is_beside_the_password_file_and_private(
    config: WebConfig, tmp_path: Path, hands: HandClock
) -> None:
    passwords = tmp_path / "webui.passwd"
    passwords.write_bytes(config.password_file.read_bytes())
    passwords.chmod(0o600)
    app = create_app(replace(config, password_file=passwords, login_state=None))
    attempt(Visitor(app, PASSWORD), "not this one")
    file = memory_file(passwords)
    assert file.parent == passwords.parent
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "not this one" not in file.read_text()
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        passwords.name,
        file.name,
    ]


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"lockout": [], "logins": 7}',
        b'{"lockout": {"addresses": {"192.0.2.66": 5}, "all": "x", "trusted": [{}]}}',
        b'{"monotonic": "x", "boot": null, "wall": 1e999, "logins": {"time": 1e300}}',
        b"[" * 100_000,
        b'"' + b"x" * MAX_BYTES + b'"',
    ],
    ids=lambda raw: raw[:20].decode("latin-1"),
)
def test_damaged_file_keeps_nobody_out(
    damage: bytes, start: Callable[[], Visitor], state: Path
) -> None:
    state.write_bytes(damage)
    assert attempt(start(), PASSWORD, OWNER)[0] == 200
    assert json.loads(state.read_text())["logins"]["address"] == OWNER


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
LOCKOUT = st.fixed_dictionaries(
    {},
    optional={
        "addresses": st.dictionaries(
            st.sampled_from([ATTACKER, "2001:db8::/64", "unknown", "x" * 500]),
            JSON | st.fixed_dictionaries({"failures": JSON, "ago": JSON}),
        ),
        "all": st.lists(JSON),
        "trusted": st.lists(JSON),
    },
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "lockout": JSON | LOCKOUT,
            "logins": JSON
            | st.dictionaries(st.sampled_from(["time", "failures", "address"]), JSON),
            "wall": JSON,
            "monotonic": JSON,
            "boot": st.just("first") | JSON,
        },
    )
)
def test_whatever_the_file_says_no_lock_is_longer_than_a_fresh_one(
    tmp_path: Path, data: dict[str, object]
) -> None:
    hands = HandClock()
    path = tmp_path / "state"
    path.write_text(json.dumps(data))
    memory = LoginMemory(path, hands.clock, Lockout(hands.monotonic), LoginHistory())
    memory.load()
    assert memory.lockout.wait(ATTACKER) <= LOCK_SECONDS
    hands.forward(LOCK_SECONDS)
    assert memory.lockout.begin(ATTACKER) == 0
    memory.save()
    again = LoginMemory(path, hands.clock, Lockout(hands.monotonic), LoginHistory())
    again.load()
    assert again.lockout.state() == memory.lockout.state()
    assert again.logins.state() == memory.logins.state()


def test_link_and_pipe_in_its_place_are_not_followed(
    start: Callable[[], Visitor], state: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    state.symlink_to(other)
    assert attempt(start(), "wrong", ATTACKER)[0] == 401
    assert other.read_text() == "mine"
    state.unlink()
    os.mkfifo(state)
    assert attempt(start(), PASSWORD, OWNER)[0] == 200


def test_file_that_can_not_be_written_is_said_once_and_keeps_nobody_out(
    config: WebConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(replace(config, login_state=tmp_path / "no" / "state"))
    visitor = Visitor(app, PASSWORD)
    with caplog.at_level(logging.WARNING, "fwknop_webui"):
        attempt(visitor, "wrong")
        assert attempt(visitor, PASSWORD)[0] == 200
    assert len(caplog.records) == 1
    assert str(tmp_path / "no" / "state") in caplog.text
