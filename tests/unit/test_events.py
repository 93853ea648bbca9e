"""Events: bounded, safe to print, one line each."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from fwknopd.event_sinks import JsonLinesSink
from fwknopd.events import MAX_TEXT, Event, EventKind, EventLog, RejectedTally, printable
from fwknopd.log_lines import log_lines
from fwknopd.policy.verdict import Reason


@given(st.text())
def test_any_text_becomes_one_bounded_printable_line(text: str) -> None:
    shown = printable(text)
    assert len(shown) <= MAX_TEXT
    assert all(" " <= character <= "~" for character in shown)


@given(st.text(max_size=40), st.text(max_size=40))
def test_different_texts_stay_different(one: str, other: str) -> None:
    assert (printable(one) == printable(other)) == (one == other)


@given(st.text())
def test_a_name_is_one_bounded_line_in_any_script(text: str) -> None:
    log = EventLog(lambda: 1.0)
    shown = log.record(EventKind.GRANT, client=text).client or ""
    assert len(shown) <= MAX_TEXT
    assert shown.isprintable()


def test_a_name_stays_as_its_owner_wrote_it() -> None:
    log = EventLog(lambda: 1.0)
    assert log.record(EventKind.GRANT, client="Jörgs Händi").client == "Jörgs Händi"
    assert log.record(EventKind.GRANT, client="a\u202eb\x1b[2J\n").client == (
        "a\\u202eb\\x1b[2J\\x0a"
    )


def test_the_ring_keeps_the_newest() -> None:
    log = EventLog(lambda: 1.0, size=3)
    for number in range(5):
        log.record(EventKind.ERROR, detail=str(number))
    assert [event.detail for event in log.recent(10)] == ["2", "3", "4"]
    assert [event.detail for event in log.recent(1)] == ["4"]
    assert [event.id for event in log.recent(10, after=4)] == [5]
    assert [event.id for event in log.recent(10, before=5)] == [3, 4]
    assert [event.id for event in log.recent(1, before=5)] == [4]
    assert [event.id for event in log.recent(10, after=3, before=5)] == [4]
    assert log.recent(10, before=0) == []
    assert log.recent(0) == []


def test_json_lines_hold_what_the_log_holds(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "events"
    log = EventLog(lambda: 12.5, sinks=[JsonLinesSink(str(path))])
    log.record(EventKind.GRANT, source="192.0.2.1", client="näme", expires=42.0)
    (line,) = path.read_text("ascii").splitlines()
    assert json.loads(line) == log.recent(1)[0].as_json()
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_tally_sums_up_and_starts_anew() -> None:
    tally = RejectedTally(interval=60)
    tally.add("not-spa", 10.0)
    tally.add("not-spa", 20.0)
    assert tally.due == 70.0
    assert list(tally.take()) == [("not-spa", 2)]
    tally.add("not-spa", 100.0)
    assert tally.due == 160.0


def test_wording_that_tools_grep_for() -> None:
    def line(**fields: object) -> str:
        return log_lines(Event(id=1, time=0.0, **fields))[-1][1]  # type: ignore[arg-type]

    refused = {"event": EventKind.VERDICT, "source": "192.0.2.1", "verdict": "refuse"}
    replay = line(**refused, reason=Reason.REPLAY, detail="used before")
    assert "Replay detected from source IP: 192.0.2.1" in replay
    late = line(**refused, reason=Reason.TOO_OLD, detail="187 s apart")
    assert "SPA data time difference is too great" in late
    assert line(event=EventKind.GRANT, detail="access rule for x").startswith("Added access rule")


def test_text_of_a_packet_is_never_a_format_string() -> None:
    event = Event(
        id=1,
        time=0.0,
        event=EventKind.VERDICT,
        source="192.0.2.1",
        verdict="refuse",
        reason=Reason.PORT_NOT_ALLOWED,
        detail="{source.__class__} {0}",
    )
    assert "{source.__class__} {0}" in log_lines(event)[-1][1]


def test_every_reason_has_a_line() -> None:
    for reason in Reason:
        event = Event(1, 0.0, EventKind.VERDICT, "192.0.2.1", None, "refuse", reason, None, "why")
        assert log_lines(event)[-1][1]
