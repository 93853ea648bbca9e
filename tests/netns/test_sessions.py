"""Sessions through the running daemon: seen, left alone, and cut."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.client import Ask
from tests.lab.configs import write_private
from tests.lab.events import event_is
from tests.lab.hosts import Session
from tests.lab.lab import Lab, LabOptions

pytestmark = [pytest.mark.root, pytest.mark.nft, pytest.mark.client]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path / "lab", LabOptions(scenario="wan-drop")) as started:
        yield started


@pytest.fixture
def session(lab: Lab) -> Iterator[Session]:
    """The phone has knocked, and is in."""
    mark = lab.events.mark()
    lab.knock(Ask("tcp/22"))
    lab.events.wait_for(event_is("grant"), since=mark)
    with lab.phone.open_session(lab.router.address, 22) as opened:
        assert is_up(opened)
        yield opened


def is_up(session: Session) -> bool:
    try:
        return session.echo("still there?") == "still there?"
    except OSError:
        return False


def edit(lab: Lab, old: str, new: str) -> None:
    text = lab.paths.uci.read_text()
    assert old in text
    write_private(lab.paths.uci, text.replace(old, new))


def listed(lab: Lab, which: str) -> list[tuple[str, int]]:
    answer: dict[str, Any] = lab.daemon.ask("grants")
    assert (answer["unread"], answer["uncounted"]) == ("", "")
    return [(grant["client"], grant["connections"]) for grant in answer[which]]


def test_a_session_lives_until_it_is_cut(lab: Lab, session: Session) -> None:
    assert lab.daemon.ask("status")["connections"] == {"known": True, "detail": ""}
    assert listed(lab, "grants") == [("phone", 1)]
    assert lab.daemon.ask("revoke", client="phone")["revoked"] == 1
    assert is_up(session)
    assert (listed(lab, "grants"), listed(lab, "past")) == ([], [("phone", 1)])
    mark = lab.events.mark()
    answer = lab.daemon.ask("revoke", client="phone", cut=True)
    assert answer == {"revoked": 0, "cut": 1, "spared": 0, "uncut": ""}
    told = lab.events.wait_for(event_is("cut", client="phone"), since=mark)
    assert told["cut"] == 1
    assert not is_up(session)
    assert listed(lab, "past") == []


def test_a_client_may_be_cut_off_when_its_door_closes(lab: Lab) -> None:
    edit(lab, "\toption SOURCE 'ANY'\n", "\toption SOURCE 'ANY'\n\toption cut_at_expiry '1'\n")
    edit(lab, "option FW_ACCESS_TIMEOUT '30'", "option FW_ACCESS_TIMEOUT '2'")
    assert lab.daemon.ask("reload")["reloaded"] is True
    mark = lab.events.mark()
    lab.knock(Ask("tcp/22"))
    lab.events.wait_for(event_is("grant"), since=mark)
    with lab.phone.open_session(lab.router.address, 22) as session:
        assert is_up(session)
        told = lab.events.wait_for(event_is("expire", client="phone"), since=mark)
        assert told["cut"] == 1
        assert not is_up(session)


def test_a_lost_phone_is_out_when_its_client_is_deleted(lab: Lab, session: Session) -> None:
    mark = lab.events.mark()
    edit(lab, "config access", "config was_access")
    assert lab.daemon.ask("reload")["reloaded"] is True
    told = lab.events.wait_for(event_is("revoke", client="phone"), since=mark)
    assert told["cut"] == 1
    assert not is_up(session)


def test_a_restart_shuts_the_door_and_leaves_the_session(lab: Lab, session: Session) -> None:
    """As an upgrade of the package does."""
    lab.daemon.restart()
    assert is_up(session)
    assert not lab.phone.connect(lab.router.address, 22, 0.4)
    assert listed(lab, "grants") == []


def test_who_is_cut_off_when_its_door_closes_is_so_when_the_daemon_ends(lab: Lab) -> None:
    edit(lab, "\toption SOURCE 'ANY'\n", "\toption SOURCE 'ANY'\n\toption cut_at_expiry '1'\n")
    assert lab.daemon.ask("reload")["reloaded"] is True
    mark = lab.events.mark()
    lab.knock(Ask("tcp/22"))
    lab.events.wait_for(event_is("grant"), since=mark)
    with lab.phone.open_session(lab.router.address, 22) as session:
        assert is_up(session)
        lab.daemon.stop()
        (told,) = (e for e in lab.events.since(mark) if e["event"] == "revoke")
        assert (told["client"], told["cut"]) == ("phone", 1)
        assert not is_up(session)
