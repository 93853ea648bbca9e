"""The log: found, filtered, followed and taken home."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknop_webui.displayable import one_line
from fwknop_webui.event_log import KINDS, PAGE
from fwknop_webui.live import EVENTS_AT_ONCE
from fwknop_webui.log_export import FORMULA, defused
from fwknopd.control.protocol import VerbError
from fwknopd.events import EventKind
from tests.web.daemon import NOW, StubDaemon, verdict
from tests.web.test_escaping import assert_harmless
from tests.web.visitor import Visitor

DAY = 86400


def several() -> list[dict[str, Any]]:
    """One event of each sort a filter tells apart, oldest first."""
    plain = {"client": None, "verdict": None, "reason": None, "request": None, "source": None}
    return [
        verdict(id=1, event="start", detail="fwknopd started", time=NOW - 2 * DAY, **plain),
        verdict(id=2, client="Laptop", reason="replay", request="r-two", time=NOW - 5000),
        verdict(id=3, verdict="accept", reason="accepted", request="r-three", detail=""),
        verdict(id=4, verdict="accept", reason="log-only", request="r-four", detail=""),
        verdict(id=5, event="grant", detail="access rule", **(plain | {"client": "Laptop"})),
        verdict(id=6, event="rejected", count=512, **(plain | {"reason": "not-spa"})),
        verdict(id=7, source="203.0.113.77", request="r-seven"),
    ]


def ids(page_json: str) -> list[int]:
    return [event["id"] for event in json.loads(page_json)["events"]]


def filtered(visitor: Visitor, query: str) -> list[int]:
    """What a filter lets through: the same in the file and on the page."""
    found = ids(visitor.get(f"/logs.json?{query}").html)
    page = visitor.get(f"/logs?{query}")
    assert page.html.count("data-moment=") == len(found)
    return found


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [7, 6, 5, 4, 3, 2, 1]),
        ("client=Laptop", [5, 2]),
        ("client=Anna's phone&verdict=refuse", [7]),
        ("verdict=refuse", [7, 2]),
        ("verdict=accept", [3]),
        ("verdict=log-only", [4]),
        ("kind=grant", [5]),
        ("kind=rejected", [6]),
        ("reason=too-old", [7]),
        ("span=1h", [7, 6, 5, 4, 3]),
        ("span=6h", [7, 6, 5, 4, 3, 2]),
        ("q=203.0.113.77", [7]),
        ("q=LAPTOP rule", [5]),
        ("client=nobody", []),
        ("verdict=nonsense&kind=x&span=y&page=-3", [7, 6, 5, 4, 3, 2, 1]),
    ],
)
def test_filters(query: str, expected: list[int], visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.events = several()
    assert filtered(visitor, query) == expected


def test_filter_form_keeps_what_was_chosen_and_needs_no_script(
    visitor: Visitor, daemon: StubDaemon
) -> None:
    daemon.events = several()
    query = "client=Laptop&verdict=refuse&reason=replay&span=6h&q=two&kind=verdict"
    page = visitor.get(f"/logs?{query}")
    form = page.form("/logs")
    assert form.method == "get"
    assert dict(form.fields) == {
        "client": "Laptop",
        "verdict": "refuse",
        "kind": "verdict",
        "reason": "replay",
        "span": "6h",
        "q": "two",
    }
    assert "1 of 7 events" in page.text
    (download,) = [link for link in page.links if link.startswith("/logs.csv")]
    assert visitor.get(download).html.count("\r\n") == 2


def test_every_kind_of_event_has_a_word() -> None:
    assert set(KINDS) == {str(kind) for kind in EventKind}


def test_refusal_is_explained_with_its_remedy(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.events = [verdict()]
    text = visitor.get("/logs").text
    for expected in ("refused", "The knock is too old", "187 seconds", "Set the phone's clock"):
        assert expected in text


def test_accepted_command_is_not_called_a_door(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.events = [verdict(verdict="accept", reason="accepted", command="/bin/wake", detail="")]
    text = visitor.get("/logs").text
    assert "its command was started" in text
    assert "/bin/wake" in text


def test_facts_of_a_command_are_called_in_the_reader_s_language(
    visitor: Visitor, daemon: StubDaemon
) -> None:
    facts = {"purpose": "close", "stage": "ended", "account": "root", "made_up": "x"}
    daemon.events = [verdict(event="command", verdict=None, reason=None, **facts)]
    english = ("purpose: closing", "stage: ended", "run as: root", "made_up: x")
    german = ("Zweck: Schließen", "Stand: beendet", "ausgeführt als: root", "made_up: x")
    for language, facts_told in (("en", english), ("de", german)):
        shown = visitor.get("/logs", headers={"Accept-Language": language}).text
        assert all(told in shown for told in facts_told)
    assert "purpose=close; stage=ended" in visitor.get("/logs.csv").html


def test_five_thousand_events_come_in_pages(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.events = [verdict(id=number, request=f"r-{number}-") for number in range(1, 5001)]
    page = visitor.get("/logs")
    assert "5000 events" in page.text
    assert "page 1 of 50" in page.text
    assert page.text.index("r-5000-") < page.text.index("r-4901-")
    assert "r-4900-" not in page.text
    answer = visitor.client.get("/logs?page=50")
    assert "r-1-" in answer.get_data(as_text=True)
    assert visitor.get("/logs?page=99999").text.count("r-1-") == 1
    assert len(ids(visitor.get("/logs.json").html)) == 5000
    asked = [arguments for verb, arguments in daemon.asked if verb == "events"]
    assert max(arguments["limit"] for arguments in asked) == EVENTS_AT_ONCE


def test_one_page_of_the_longest_events_is_not_too_heavy(
    visitor: Visitor, daemon: StubDaemon
) -> None:
    import gzip

    long = "\\x1b<" * 60
    daemon.events = [
        verdict(id=n, client=f"c{n}{long}", request=f"{n}{long}", detail=f"{n}{long}")
        for n in range(1, PAGE + 1)
    ]
    html = visitor.get("/logs").html
    assert len(gzip.compress(html.encode())) <= 30 * 1024


def test_following_sends_what_is_new_and_else_next_to_nothing(
    visitor: Visitor, daemon: StubDaemon
) -> None:
    daemon.events = several()
    page = visitor.get("/logs?follow=1&client=Laptop&page=3")
    (live,) = [a for _, a in page.tags if a.get("id") == "live"]
    (region,) = [a for _, a in page.tags if a.get("id") == "live-log"]
    poll = f"{live['data-poll']}&log={region['data-version']}"
    daemon.asked.clear()
    assert visitor.client.get(poll).get_json()["regions"] == {}
    assert daemon.asked == [("events", {"limit": 1})]
    daemon.events = [*daemon.events, verdict(id=8, client="Laptop", request="r-eight")]
    region_now = visitor.client.get(poll).get_json()["regions"]["log"]
    assert "r-eight" in region_now["html"]
    assert "r-seven" not in region_now["html"]
    assert region_now["version"] != region["data-version"]


def test_page_that_does_not_follow_does_not_poll(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.events = several()
    assert "data-poll" not in visitor.get("/logs").html


def test_page_says_where_the_log_is_kept(visitor: Visitor, daemon: StubDaemon) -> None:
    text = visitor.get("/logs").text
    assert "lost when the daemon or the router restarts" in text
    assert "logread -e fwknopd" in text
    assert "Nothing has happened yet" in text


def test_stopped_daemon_leaves_a_page_that_says_so(visitor: Visitor) -> None:
    page = visitor.get("/logs?follow=1")
    assert page.status == 200
    assert "The daemon isn't running" in page.text
    assert "logread" in page.text
    for kind in ("csv", "json"):
        page = visitor.get(f"/logs.{kind}")
        assert page.status == 503
        assert "The daemon isn't running" in page.text


# Downloads

HOSTILE = ['=HYPERLINK("http://evil.example")', "+1", "-1+1", "@SUM(A1)", "\t=1", " =1", "\r\n=1"]


@pytest.mark.parametrize("text", HOSTILE)
def test_spreadsheet_calculates_nothing(text: str, visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.events = [verdict(client=text, request=text, detail=text, source=text, place=text)]
    answer = visitor.client.get("/logs.csv")
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="fwknop-log.csv"'
    rows = list(csv.reader(io.StringIO(answer.get_data(as_text=True), newline="")))
    header, row = rows
    assert len(header) == len(row)
    assert not [cell for cell in row if cell.lstrip().startswith(FORMULA)]
    assert not [cell for cell in row if not cell.isprintable()]


@given(st.text())
def test_defused_cell_is_what_it_was_or_quoted(text: str) -> None:
    cell = defused(text)
    assert cell in (text, f"'{text}")
    assert not cell.lstrip().startswith(FORMULA)


def test_csv_has_times_for_spreadsheets_and_all_facts(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.events = [verdict(place="input", expires=NOW), several()[5]]
    first, second = csv.DictReader(io.StringIO(visitor.get("/logs.csv").html))
    assert second["time"] == "2026-11-21T22:26:36.000+00:00"
    assert second["more"] == f"place=input; expires={NOW}"
    assert first["count"] == "512"


def test_end_of_a_door_is_a_time_and_no_bare_number(visitor: Visitor, daemon: StubDaemon) -> None:
    end = f"access rule for 198.51.100.23 -> 0.0.0.0/0 tcp/22, expires at {int(NOW)}"
    closed = verdict(event="expire", verdict=None, reason=None, expires=NOW, detail=f"{end} (why)")
    daemon.events = [closed]
    page = visitor.get("/logs")
    assert "0.0.0.0/0 tcp/22, open until 2026-11-21 22:26:40 UTC (why)" in page.text
    assert f'<time data-moment="{NOW}">' in page.html
    assert str(int(NOW)) not in page.text
    # Others' numbers stay what they are.
    daemon.events = [closed | {"expires": "soon"}, closed | {"expires": NOW + 5}]
    assert page.text.count("open until") == 1
    assert visitor.get("/logs").text.count(f"expires at {int(NOW)}") == 2


def test_json_download_is_the_daemon_s_own_words(visitor: Visitor, daemon: StubDaemon) -> None:
    daemon.events = several()
    answer = visitor.client.get("/logs.json")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="fwknop-log.json"'
    told = answer.get_json()
    assert told["events"] == list(reversed(several()))
    assert told["exported"] == NOW


class Ending(list[Any]):
    """Events of a daemon that gives but one answer more."""

    answers = 1

    def __iter__(self) -> Any:
        if self.answers < 1:
            raise VerbError("ended", "=it has ended", "")
        self.answers -= 1
        return super().__iter__()


def test_file_says_when_the_daemon_ended_before_its_end(
    visitor: Visitor, daemon: StubDaemon
) -> None:
    all_events = [verdict(id=number) for number in range(1, EVENTS_AT_ONCE + 5)]
    daemon.events = Ending(all_events)
    rows = list(csv.DictReader(io.StringIO(visitor.get("/logs.csv").html)))
    assert len(rows) == EVENTS_AT_ONCE + 1
    assert rows[-1]["event"] == "incomplete"
    assert rows[-1]["detail"] == "older events are missing here: =it has ended"
    assert not rows[-1]["time"] and not rows[-1]["id"]
    daemon.events = Ending(all_events)
    told = json.loads(visitor.get("/logs.json").html)
    assert (len(told["events"]), told["incomplete"]) == (EVENTS_AT_ONCE, True)
    daemon.events = all_events
    assert json.loads(visitor.get("/logs.json").html)["incomplete"] is False
    assert "incomplete" not in visitor.get("/logs.csv").html


# Hostile texts


def test_control_characters_are_shown_not_sent(visitor: Visitor, daemon: StubDaemon) -> None:
    text = "a\x1b[31m\u202eb\x00\U000e0001c"
    names = ("source", "client", "request", "detail", "reason", "verdict", "event", "place")
    daemon.events = [verdict(**dict.fromkeys(names, text))]
    for path in ("/logs", "/logs.csv"):
        html = visitor.get(path).html
        assert "a\\x1b[31m\\u202eb\\x00\\ue0001c" in html
        shown = html if path.endswith("csv") else html.split("tbody>")[1]
        assert not [c for c in shown if not c.isprintable() and c not in "\r\n"]


@given(st.text())
def test_one_line_is_one_line(text: str) -> None:
    shown = one_line(text)
    assert shown.isprintable()
    if text.isprintable():
        assert shown == text


@pytest.mark.parametrize("value", ["<script>zq7</script>", '"><zq7>', "\u202e'; zq7", "%0d%0azq7"])
def test_filter_is_text_wherever_it_comes_back(
    value: str, visitor: Visitor, daemon: StubDaemon
) -> None:
    daemon.events = several()
    query = dict.fromkeys(("client", "verdict", "kind", "reason", "span", "q", "page"), value)
    page = visitor.get("/logs", query_string=query | {"follow": "1"})
    assert page.status == 200
    assert_harmless(page.html)
    for path in ("/logs.csv", "/logs.json", "/api/logs"):
        assert visitor.client.get(path, query_string=query).status_code == 200


@pytest.mark.parametrize("event", [{}, {"id": "x", "time": "y"}, {"time": 1e300, "count": -1}])
def test_event_of_another_shape_harms_nothing(
    event: dict[str, Any], visitor: Visitor, daemon: StubDaemon
) -> None:
    daemon.events = [{"id": 1, **event}] if "id" not in event else [{**event, "id": 2}]
    for path in ("/logs", "/logs.csv", "/logs.json"):
        assert visitor.get(path).status == 200
