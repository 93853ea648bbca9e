"""What the daemon says is read in German on a German page, and English elsewhere."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from fwknop_webui.daemon_words import MAX_LOOKS, PEOPLES, Phrases, _phrases, in_words
from fwknop_webui.knock_steps import CHECKS, explained_of
from fwknop_webui.reasons import explain
from fwknopd.config.problems import ConfigError
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_format import parse_uci
from fwknopd.policy.explanation_facts import NAMES
from fwknopd.policy.explanation_reading import _READING
from fwknopd.policy.verdict import Reason
from tests.web.daemon import StubDaemon
from tests.web.visitor import Visitor

ROOT = Path(__file__).resolve().parents[2]
TOOL: dict[str, Any] = runpy.run_path(str(ROOT / "package/dev/daemon_texts.py"))
GERMAN = {"Accept-Language": "de"}


@pytest.fixture
def in_german(app: Flask) -> Iterator[None]:
    with app.test_request_context("/", headers=GERMAN):
        yield


def test_every_reason_of_a_verdict_is_told_in_german(app: Flask) -> None:
    with app.test_request_context("/", headers={"Accept-Language": "en"}):
        english = {reason: explain(reason.value) for reason in Reason}
    with app.test_request_context("/", headers=GERMAN):
        german = {reason: explain(reason.value) for reason in Reason}
    for reason in Reason:
        one, other = english[reason], german[reason]
        assert one.title != reason.value
        assert other.title != one.title
        assert bool(other.remedy) == bool(one.remedy)
        assert other.remedy != one.remedy or not one.remedy


def test_every_sentence_of_the_daemon_is_found_by_its_words(in_german: None) -> None:
    # With something in each gap that is in no catalog.
    untold = []
    for place, template in TOOL["texts"]():
        text = TOOL["_GAP"].sub(lambda gap: f"<{gap[1]}>", template)
        told = in_words(text)
        if told == text:
            untold.append((place, template))
        missing = [gap for gap in TOOL["_GAP"].findall(template) if f"<{gap}>" not in told]
        assert not missing, template
    assert untold == []


# One fault for each kind of place a problem comes from.
FAULTS = """
config global
\toption uci_enabled 'perhaps'

config network
\toption network 'wan'

config access
\toption SOURCE 'nonsense'
\toption name 'Anna'
\toption KEY 'same'
\toption HMAC_KEY 'same'
\toption OPEN_PORTS 'tcp/70000'
\toption FW_ACCESS_TIMEOUT '0'
\toption MAX_FW_TIMEOUT '5'
\toption ACCESS_EXPIRE 'soon'
\toption allowed_hours '25:00-26:00'
\toption allowed_days 'someday'
\toption FORCE_NAT '192.0.2.1 22'
\toption ENCRYPTION_MODE 'Asymmetric'
\toption Nonsense '1'
\toption source 'ANY'

config access
\toption SOURCE 'ANY'
\toption name 'Anna'
\toption KEY '__CHANGEME__'
\toption ENABLE_CMD_EXEC 'Y'

config access
\toption SOURCE 'ANY, 0.0.0.0/0'
\toption KEY_BASE64 '%%%'
\toption CMD_CYCLE_OPEN 'true'
\toption GPG_DISABLE_SIG 'Y'
\toption old_keys_of 'nobody'

config config
\toption PCAP_INTF 'eth0'
\toption VERBOSE 'loud'
\toption ENABLE_DIGEST_PERSISTENCE 'N'
\toption ENABLE_SPA_PACKET_AGING 'no'
\toption ENABLE_SPA_OVER_HTTP 'Y'
\toption IPT_INPUT_ACCESS 'a, b'
\toption SNAT_TRANSLATE_IP '0.0.0.0'
\toption FIREWALL 'none'
\toption mark '3'

"""


def test_every_problem_of_a_bad_configuration_is_told_in_german(in_german: None) -> None:
    with pytest.raises(ConfigError) as caught:
        configuration_from_uci(parse_uci(FAULTS, "f"), "f")
    problems = caught.value.problems
    assert len(problems) > 20
    for problem in problems:
        for text in (problem.message, problem.remedy):
            assert in_words(text) != text or not text, text


WORDS = [
    ("the network wan is down", "das Netz wan ist nicht aktiv"),
    # A sentence in a sentence.
    (
        "the key has 200 bytes; no client can use more than 128: this client can't knock",
        "der Schlüssel hat 200 Bytes; kein Client kann mehr als 128 verwenden: "
        "Dieser Client kann nicht anklopfen",
    ),
    # Put together for one line of a log.
    (
        "/etc/config/fwknopd:7: OPEN_PORTS: it names no port. Write tcp/22, or leave it out.",
        "/etc/config/fwknopd:7: OPEN_PORTS: es nennt keinen Port. "
        "Schreiben Sie tcp/22, oder lassen Sie es weg.",
    ),
    (
        "/etc/config/fwknopd has been locked by another program for 5 seconds. Wait for it "
        "to finish; `ps` shows whether a uci command hangs.",
        "/etc/config/fwknopd ist seit 5 Sekunden von einem anderen Programm gesperrt. "
        "Warten Sie, bis es fertig ist; `ps` zeigt, ob ein Befehl uci hängt.",
    ),
    # Events.
    ("Configuration loaded: 1 client", "Konfiguration geladen: 1 Client"),
    ("Configuration loaded: 3 clients", "Konfiguration geladen: 3 Clients"),
    (
        "fwknopd 1.0 started: 1 client, firewall nftables, 2 open doors taken over, "
        "1 command cycle too",
        "fwknopd 1.0 gestartet: 1 Client, Firewall nftables, 2 offene Türen übernommen, "
        "außerdem 1 Befehlszyklus",
    ),
    ("Sniffing interface: eth0", "Lauscht auf dem Gerät eth0"),
    (
        "Events that did not reach the log server [fd00::5]:514: at least 3 (No route to host). "
        "See that it runs there and takes syslog over UDP, or set SYSLOG_SERVER to where it does.",
        "Ereignisse, die den Log-Server [fd00::5]:514 nicht erreicht haben: mindestens 3 (No route "
        "to host). Sehen Sie nach, ob er dort läuft und Syslog über UDP annimmt, oder setzen Sie "
        "SYSLOG_SERVER auf seine Adresse.",
    ),
    (
        "Events that could not be written to --events /mnt/e: 3 (there was no room for all of it). "
        "Make room there, or see that who reads there does, or name another file.",
        "In --events /mnt/e nicht geschriebene Ereignisse: 3 (es war nicht für alles Platz). "
        "Machen Sie dort Platz, sehen Sie nach, ob noch liest, wer dort lesen soll, oder nennen "
        "Sie eine andere Datei.",
    ),
    (
        "Not capturing on network wan: the network wan is down",
        "Lauscht nicht auf dem Netz wan: das Netz wan ist nicht aktiv",
    ),
    (
        "access rule for 192.0.2.7 -> 0.0.0.0/0 tcp/22",
        "Regel (Zugang) für 192.0.2.7 -> 0.0.0.0/0 tcp/22",
    ),
    (
        "access rule for 192.0.2.7 -> 0.0.0.0/0 tcp/22, expires at 1790000000",
        "Regel (Zugang) für 192.0.2.7 -> 0.0.0.0/0 tcp/22, läuft ab um 1790000000",
    ),
    (
        "local NAT rule for 192.0.2.7 -> 192.0.2.1 22 tcp/22",
        "Regel (lokales NAT) für 192.0.2.7 -> 192.0.2.1 22 tcp/22",
    ),
    ("DNAT rule for ::1 -> fd00::1 22 tcp/22", "Regel (DNAT) für ::1 -> fd00::1 22 tcp/22"),
    (
        "it is sun 23:05 (UTC+01:00) here, and this client may knock mon fri, 08:00-18:00",
        "hier ist es So 23:05 (UTC+01:00), und dieser Client darf Mo Fr, 08:00-18:00 anklopfen",
    ),
    (
        "it is sun 23:05 (UTC+01:00) here, and this client may knock every day, 08:00-18:00",
        "hier ist es So 23:05 (UTC+01:00), und dieser Client darf jeden Tag, 08:00-18:00 anklopfen",
    ),
    (
        "sun knocked with its new keys: the old ones are refused from now on",
        "sun hat mit den neuen Schlüsseln angeklopft: Die alten werden ab jetzt abgelehnt",
    ),
    (
        "runs '/bin/a' as root, for 5 s at most, and after 30 s '/bin/b', for 5 s at most",
        "führt '/bin/a' as root, höchstens 5 s lang aus, und nach 30 s '/bin/b', "
        "höchstens 5 s lang",
    ),
    ("no client's SOURCE covers 192.0.2.7", "SOURCE keines Clients umfasst 192.0.2.7"),
    ("what nobody has ever said", "what nobody has ever said"),
    ("", ""),
]


def test_words_in_german(in_german: None) -> None:
    for text, told in WORDS:
        assert in_words(text) == told


TEXTLESS = {"gpg_support"}
"""Modules with events that say nothing in words of their own."""


def test_every_module_that_records_events_is_read_for_its_sentences() -> None:
    recording = {
        str(path.relative_to(TOOL["ROOT"]).with_suffix(""))
        for path in TOOL["ROOT"].rglob("*.py")
        if re.search(r"[.]record\(\s*EventKind", path.read_text())
    }
    assert len(recording) > 8
    assert recording - set(TOOL["MODULES"]) == TEXTLESS


def test_every_step_of_an_explanation_has_a_name(in_german: None) -> None:
    source = "".join(path.read_text() for path in (TOOL["ROOT"] / "policy").glob("expl*.py"))
    called = r'(?:\b_step|_note|_bar|judged|passed|\bStep)\(\s*"([a-z-]+)"'
    found = {*re.findall(called, source), *NAMES, *_READING}
    assert found == set(CHECKS)
    steps = explained_of({"packet": [{"check": check} for check in (*CHECKS, "new")]}).steps
    told = [step.check for step in steps]
    assert {"Quelle", "Wiederholung", "NAT-Ziel", "new"} <= set(told)


SPOKEN = ("a name", "NAT access")
"""Words of the daemon's own, which people may give to things of theirs."""


def test_what_people_wrote_is_left_as_it_is(in_german: None) -> None:
    translated = []
    for _place, template in TOOL["texts"]():
        for spoken in SPOKEN:
            gaps = {gap: f"<{gap}>" for gap in TOOL["_GAP"].findall(template)}
            peoples = [gap for gap in gaps if gap.rstrip("0123456789") in PEOPLES]
            told = in_words(template.format(**gaps | dict.fromkeys(peoples, spoken)))
            if told.count(spoken) < len(peoples):
                translated.append((template, told))
    assert not translated, translated
    assert in_words("these are old keys of NAT access, and their time is over") == (
        "das sind alte Schlüssel von NAT access, und ihre Zeit ist vorbei"
    )


def test_gaps_of_people_are_gaps_there_are() -> None:
    gaps = {gap for _place, text in TOOL["texts"]() for gap in TOOL["_GAP"].findall(text)}
    assert gaps >= PEOPLES


@pytest.mark.parametrize("text", ["a: b. c; d: " * 80, "the user x: y. z; " * 60, "no. no: " * 99])
def test_no_text_is_looked_at_without_end(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, search = [], Phrases.matching

    def counted(phrases: Phrases, text: str) -> object:
        looks.append(text)
        return search(phrases, text)

    monkeypatch.setattr(Phrases, "matching", counted)
    refusal = f"the packet is from user {text}, REQUIRE_USERNAME is anna"
    assert text in _phrases("de").said(refusal)
    # Whoever may knock chooses his name, and it costs no more than any other.
    assert len(looks) < 4
    looks.clear()
    assert _phrases("de").said(text)
    assert len(looks) <= MAX_LOOKS < 25


def test_english_stays_english(app: Flask) -> None:
    with app.test_request_context("/", headers={"Accept-Language": "en"}):
        assert in_words("the network wan is down") == "the network wan is down"


@given(st.text(alphabet="{}abc.:; the network is down'", max_size=60))
def test_any_text_is_told_and_no_gap_is_filled_twice(text: str) -> None:
    found = Phrases.of([("the {name} is {state}", "Netz {name}: {state}"), ("abc.", "ABC.")])
    told = found.said(f"the {text} is {text}")
    assert told.startswith("Netz ")
    # What stands in a gap is never read as a gap.
    assert found.said("the {state} is down") == "Netz {state}: down"
    assert isinstance(found.said(text), str)


def test_catalog_is_loaded_once_and_for_german_alone(caplog: pytest.LogCaptureFixture) -> None:
    assert _phrases("de") is _phrases("de")
    assert not caplog.messages
    # One that is gone is told, once.
    _phrases.cache_clear()
    assert not _phrases("xx").whole
    assert not _phrases("xx").whole
    (told,) = caplog.messages
    assert "xx/LC_MESSAGES/fwknopd.mo is missing" in told


def test_files_of_the_page_are_found_by_one_module_alone() -> None:
    # On a router they lie in an archive, and only data.py knows it.
    page = ROOT / "webui/fwknop_webui"
    asking = {path.name for path in page.rglob("*.py") if "__file__" in path.read_text()}
    assert asking == {"data.py"}


def test_german_pages_tell_problems_and_verdicts_in_german(
    visitor: Visitor, daemon: StubDaemon, write_uci: Callable[[str], None]
) -> None:
    write_uci(FAULTS)
    page = visitor.get("/clients", headers=GERMAN)
    assert "es nennt keine" in page.text or "ist keine Adresse und kein Netz" in page.text
    assert "is no address or network" not in page.text
    english = visitor.get("/clients", headers={"Accept-Language": "en"})
    assert "is no address or network" in english.text
