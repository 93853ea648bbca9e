"""Whatever a packet or a file holds, it is text on the page and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.web.daemon import NOW, STATUS, StubDaemon, door, verdict
from tests.web.visitor import Visitor

MARK = "zq7"
PAYLOADS = [
    f"<script>{MARK}</script>",
    f'"><img src=x onerror={MARK}>',
    f"'><svg/onload={MARK}>",
    f"</textarea></title></select><{MARK}>",
    f"{{{{ {MARK} }}}}{{% {MARK} %}}",
    f"javascript:{MARK}",
    f"\u202e{MARK}\u2066",
    f"a&lt;{MARK}&amp;",
    f"--><!--{MARK}",
    f"]]>{MARK}",
]


class Tags(HTMLParser):
    """Notes every tag and attribute the mark got into."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.bad: list[str] = []
        self.scripts = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        names = [name for name, _ in attrs]
        if MARK in tag or any(MARK in name or name.startswith("on") for name in names):
            self.bad.append(f"{tag} {attrs}")
        for name, value in attrs:
            is_link = name in ("href", "src", "action", "formaction")
            if is_link and (value or "").lstrip().lower().startswith("javascript:"):
                self.bad.append(f"{tag} {name}={value}")

    def handle_comment(self, data: str) -> None:
        self.bad.append(f"comment {data}")


def assert_harmless(html: str, scripts: int = 1) -> None:
    tags = Tags(html)
    assert not tags.bad
    assert tags.scripts == scripts


def hostile_daemon(daemon: StubDaemon, text: str) -> None:
    names = ("source", "client", "request", "detail", "reason", "verdict")
    daemon.events = [verdict(**dict.fromkeys(names, text)), verdict(client=text, reason="too-old")]
    ended = {"event": "command", "stage": "ended", "status": None, "purpose": text}
    daemon.events += [verdict(client=text, request=text, detail=text, **ended)]
    daemon.events += [verdict(verdict="accept", reason="accepted", command=text, request=text)]
    daemon.doors = [door(id=text, client=text, address=text, port=text, nat=text)]
    daemon.doors += [door(client=text, command=text)]
    problem = dict.fromkeys(("file", "section", "option", "message", "remedy", "severity"), text)
    daemon.status = {
        **STATUS,
        "version": text,
        "configuration": {
            "source": text,
            "file": text,
            "problems": [problem],
            "last_error": text,
            "detail": text,
        },
        "captures": [{"name": text, "state": text, "detail": text, "kind": text}],
        "firewall": {"backend": text, "detail": text},
        "clock": {"detail": text},
    }
    daemon.reload_answer = {"reloaded": True, "problems": [problem]}
    daemon.clients = [{"number": 1, "label": text}]
    steps = [dict.fromkeys(("check", "outcome", "detail"), text)]
    client = {"client": text, "outcome": text, "steps": steps, "fields": {text: text}}
    verdict_ = dict.fromkeys(("outcome", "reason", "client", "detail"), text)
    told = {"packet": steps, "clients": [client], "verdict": verdict_}
    packet = {**told, "source": text, "port": text, "via": text}
    daemon.watched = {"now": NOW, "until": NOW + 5, "packets": [packet], "more": 1}


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_a_daemon_says_becomes_markup(
    payload: str, visitor: Visitor, daemon: StubDaemon
) -> None:
    hostile_daemon(daemon, payload)
    for path in ("/", "/clients", "/logs", "/diagnostics", "/diagnostics/watch"):
        assert_harmless(visitor.get(path).html)
    answer = visitor.client.get("/api/overview").get_json()
    for region in answer["regions"].values():
        assert_harmless(region["html"], scripts=0)
    page = visitor.get("/revoke", query_string={"id": payload})
    assert_harmless(page.html)
    assert MARK in page.text


def uci_of(payload: str) -> str:
    quoted = "'" + payload.replace("'", "'\\''") + "'"
    options = ("name", "note", "SOURCE", "OPEN_PORTS", "REQUIRE_USERNAME", "FW_ACCESS_TIMEOUT")
    lines = "".join(f"\toption {name} {quoted}\n" for name in options)
    settings_ = "".join(f"\toption {name} {quoted}\n" for name in ("PCAP_INTF", "PCAP_FILTER"))
    keys = "\toption KEY 'xyz'\n\toption HMAC_DIGEST_TYPE 'md5'\n"
    return (
        f"\nconfig access 'a'\n{lines}{keys}\nconfig access 'b'\n\toption SOURCE 'ANY'\n"
        f"\toption name {quoted}\n{keys}\nconfig config\n{settings_}"
        f"\nconfig network\n\toption network {quoted}\n\n"
    )


def visit_everything(visitor: Visitor) -> list[str]:
    pages = [visitor.get(path) for path in ("/", "/clients", "/settings", "/changes")]
    for section in ("a", "b"):
        paths = (f"/clients/{section}{page}" for page in ("", "/delete", "/rotate"))
        pages += [visitor.get(path) for path in (*paths, f"/clients/add?from={section}")]
        form = visitor.get("/clients").row_form(f"/clients/{section}/qr")
        pages.append(visitor.post(form.action, dict(form.fields)))
    return [page.html for page in pages]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_in_the_file_becomes_markup(
    payload: str, visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    write_uci(uci_of(payload))
    for html in visit_everything(visitor):
        assert_harmless(html)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_that_is_typed_becomes_markup(
    payload: str, visitor: Visitor, daemon: StubDaemon
) -> None:
    for path in ("/clients/add", "/settings"):
        form = visitor.get(path).main_form()
        typed: dict[str, Any] = {name: payload for name, _ in form.fields}
        typed |= {"csrf": form.value("csrf"), "base": form.value("base")}
        assert_harmless(visitor.press(form, "Save", **typed).html)
    page = visitor.press(visitor.get("/clients/add").main_form(), "Save", name=payload)
    for html in (page.html, visitor.get("/changes").html, visitor.get("/clients").html):
        assert_harmless(html)
    for query in ("next", "back"):
        for path in ("/login", "/changes"):
            assert_harmless(visitor.get(path, query_string={query: payload}).html)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60))
def test_any_text_of_a_knock_leaves_a_page(text: str, visitor: Visitor, daemon: StubDaemon) -> None:
    hostile_daemon(daemon, text.encode("utf-8", "replace").decode() + MARK)
    page = visitor.get("/")
    assert page.status == 200
    assert_harmless(page.html)


def test_templates_never_switch_escaping_off() -> None:
    from importlib.resources import files

    for template in files("fwknop_webui").joinpath("templates").iterdir():
        source = template.read_text()
        assert template.name.endswith(".html"), "only .html is escaped by default"
        for word in ("|safe", "| safe", "autoescape", "Markup", "style=", "onclick"):
            assert word not in source, template.name
