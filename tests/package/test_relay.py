"""The CGI relay, run by busybox's shell: what it passes on, what it refuses, and what it starts."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlencode

import pytest

from fwknop_webui.assets import Assets
from fwknopd.keys import generate_token, token_digest
from fwknopd.openmetrics import CONTENT_TYPE
from tests.interop.program import Fwknopd
from tests.package import webui
from tests.package.router import Router
from tests.package.webui import FOLDER, RELAY, SCRIPT, Front
from tests.unit.scraped import families, samples
from tests.web.conftest import STOCK as CONFIGURATION
from tests.web.rpcd import StandIn, usual_users

pytestmark = [pytest.mark.root, pytest.mark.busybox]

PASSWORD = "correct horse battery"
BINARY = bytes(range(256)) * 1200
"""300 kB, with every byte there is."""

LINK = re.compile(r'(?:href|src|action|formaction|data-poll|data-url)="(/[^"]*)"')


class Recorder(BaseHTTPRequestHandler):
    """In the page's place: keeps what comes, and answers with everything that can go wrong."""

    requests: ClassVar[list[tuple[str, str, dict[str, str], bytes]]] = []

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_HEAD = do_GET

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.requests.append((self.command, self.path, dict(self.headers.items()), body))
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Set-Cookie", "one=1; Path=/cgi-bin/fwknop; HttpOnly")
        self.send_header("Set-Cookie", "two=2")
        self.send_header("Content-Length", str(len(BINARY)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(BINARY)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Router:
    made = Router(tmp_path_factory.mktemp("relay") / "root")
    made.install()
    webui.install(made)
    return made


@pytest.fixture(scope="module")
def rpcd() -> StandIn:
    return StandIn(CONFIGURATION, usual_users())


@pytest.fixture(scope="module")
def front(router: Router, rpcd: StandIn) -> Front:
    return Front(router, rpcd)


@pytest.fixture
def recorder(front: Front) -> Iterator[type[Recorder]]:
    class Fresh(Recorder):
        requests: ClassVar[list[tuple[str, str, dict[str, str], bytes]]] = []

    server = ThreadingHTTPServer(("127.0.0.1", 0), Fresh)
    door = front.open_door(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield Fresh
    server.shutdown()
    thread.join()
    server.server_close()
    door.close()


def test_passes_everything_on_unchanged(front: Front, recorder: type[Recorder]) -> None:
    answer = front.ask(
        "/cgi-bin/fwknop/a%20b?c=d&e=%2F",
        "POST",
        BINARY,
        CONTENT_TYPE="multipart/form-data; boundary=x",
        HTTP_COOKIE="fwknop_webui=abc; other=1",
        HTTP_ORIGIN="http://192.168.1.1",
        HTTP_ACCEPT_LANGUAGE="de",
        HTTP_AUTHORIZATION="Bearer abc",
    )
    assert answer.status == "200 OK"
    assert answer.body == BINARY
    cookies = [value for name, value in answer.headers if name == "Set-Cookie"]
    assert cookies == ["one=1; Path=/cgi-bin/fwknop; HttpOnly", "two=2"]
    ((method, path, headers, body),) = recorder.requests
    assert (method, path, body) == ("POST", "/cgi-bin/fwknop/a%20b?c=d&e=%2F", BINARY)
    secret = headers.pop("X-Fwknop-Relay")
    assert re.fullmatch("[0-9a-f]{64}", secret)
    assert headers == {
        "Host": "192.168.1.1",
        "Cookie": "fwknop_webui=abc; other=1",
        "Origin": "http://192.168.1.1",
        "Accept-Language": "de",
        "Authorization": "Bearer abc",
        "Content-Type": "multipart/form-data; boundary=x",
        "Content-Length": str(len(BINARY)),
        "X-Fwknop-Client": "192.168.1.5",
        "X-Fwknop-Front": "off 80 192.168.1.1",
    }


def test_errors_and_empty_answers_stay_what_they_are(
    front: Front, recorder: type[Recorder]
) -> None:
    assert front.ask("/cgi-bin/fwknop/missing", HTTPS="on").status == "404 Not Found"
    answer = front.ask(method="HEAD")
    assert (answer.status, answer.body) == ("200 OK", b"")
    assert answer.header("Content-Length") == str(len(BINARY))
    assert recorder.requests[0][2]["X-Fwknop-Front"] == "on 80 192.168.1.1"


@pytest.mark.parametrize(
    ("uri", "method", "more", "status"),
    [
        ("/cgi-bin/fwknop/x y", "GET", {}, "400"),
        ("/cgi-bin/fwknop/x\r\nX-Fwknop-Client: 1.2.3.4", "GET", {}, "400"),
        ("/cgi-bin/fwknopd", "GET", {}, "400"),
        ("http://192.168.1.1/cgi-bin/fwknop", "GET", {}, "400"),
        ("/cgi-bin/fwknop", "DELETE", {}, "405"),
        ("/cgi-bin/fwknop", "POST", {"CONTENT_LENGTH": "-1"}, "400"),
        ("/cgi-bin/fwknop", "POST", {"CONTENT_LENGTH": "9" * 30}, "413"),
        ("/cgi-bin/fwknop", "POST", {"CONTENT_LENGTH": "400001"}, "413"),
    ],
)
def test_what_is_no_request_goes_no_further(
    front: Front,
    recorder: type[Recorder],
    uri: str,
    method: str,
    more: dict[str, str],
    status: str,
) -> None:
    assert front.ask(uri, method, b"", **more).status.startswith(status)
    assert not recorder.requests


def test_a_header_is_never_two(front: Front, recorder: type[Recorder]) -> None:
    front.ask(HTTP_USER_AGENT="a\r\nX-Fwknop-Client: 10.0.0.1", HTTP_COOKIE="a=1\nb")
    ((_, _, headers, _),) = recorder.requests
    assert headers["X-Fwknop-Client"] == "192.168.1.5"
    assert "User-Agent" not in headers and "Cookie" not in headers


def test_the_secret_is_in_no_command_line(router: Router, recorder: type[Recorder]) -> None:
    text = router.path(RELAY).read_text()
    # printf and read belong to the shell; what is a program of its own gets no secret.
    programs = re.findall(r"^.*\b(?:nc|head|sleep|flock|cat)\b.*$", text, re.MULTILINE)
    assert programs
    assert not [line for line in programs if "secret" in line or "COOKIE" in line]


@pytest.mark.strace
def test_no_program_is_given_a_secret(
    front: Front, recorder: type[Recorder], tmp_path: Path
) -> None:
    """As every account can read arguments, and whoever is root the environment."""
    trace = tmp_path / "trace"
    # A file for each process: in one for all, strace breaks lines off for each other's.
    how = ["-ff", "-qq", "-v", "-s", "100000", "-e", "trace=execve", "-e", "signal=none"]
    body = b"username=root&password=geheimes-wort"
    done = subprocess.run(
        ["strace", *how, "-o", str(trace), *front.router.command(RELAY)],
        input=body,
        capture_output=True,
        timeout=60,
        env={
            "PATH": "/sbin:/usr/sbin:/bin:/usr/bin",
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "/cgi-bin/fwknop",
            "REQUEST_URI": "/cgi-bin/fwknop/login",
            "HTTP_COOKIE": "fwknop_webui=meine-sitzung",
            "CONTENT_LENGTH": str(len(body)),
        },
    )
    assert done.stdout.startswith(b"Status: 200 OK\r\n")
    ((_, _, headers, sent),) = recorder.requests
    assert sent == body
    lines = "".join(file.read_text() for file in tmp_path.glob("trace.*")).splitlines()
    started = [line for line in lines if line.endswith(" = 0")]
    assert any("nc" in line for line in started)
    for line in started:
        program, _, environment = line.partition('"], [')
        for secret in (headers["X-Fwknop-Relay"], "geheimes-wort"):
            assert secret not in line
        # What uhttpd tells a script is in the environment of all it starts; those are root's.
        assert "meine-sitzung" not in program
        assert environment


@contextmanager
def patience(router: Router, seconds: int) -> Iterator[None]:
    """The script waits no longer than that for the page: forty seconds would be long here."""
    relay = router.path(RELAY)
    text = relay.read_text()
    relay.write_text(text.replace("PATIENCE=40", f"PATIENCE={seconds}"))
    try:
        yield
    finally:
        relay.write_text(text)
        failed_at(router).unlink(missing_ok=True)


def failed_at(router: Router) -> Path:
    """Where the script notes that the page could not be started."""
    return router.path("/tmp/run/fwknop-webui.failed")


@pytest.mark.parametrize("wrong", ["another process", "damaged", "a link", "a pipe"])
def test_who_did_not_write_the_door_is_not_spoken_to(
    front: Front, recorder: type[Recorder], wrong: str
) -> None:
    """The page was killed, and its port may be somebody else's now."""
    router = front.router
    door = router.path("/tmp/run/fwknop-webui/door")
    pid, began, port, secret = door.read_text().split()
    router.program(SCRIPT, "#!/bin/sh\ntouch /tmp/asked\n")
    if wrong == "another process":
        door.write_text(f"{pid} {int(began) - 1} {port} {secret}\n")
    elif wrong == "damaged":
        door.write_text(f"{pid} {began} $(reboot) {secret}\n")
    elif wrong == "a link":
        door.unlink()
        door.symlink_to("/etc/passwd")
    else:
        door.unlink()
        os.mkfifo(door)
    # Nobody comes to start it.
    with patience(router, 0):
        answer = front.ask()
    assert answer.status == "504 Gateway Timeout"
    assert b"logread -e fwknop-webui" in answer.body
    assert not recorder.requests
    assert router.path("/tmp/asked").exists()
    router.path("/tmp/asked").unlink()


def test_what_just_failed_is_not_tried_again_at_once(front: Front) -> None:
    router, failed = front.router, failed_at(front.router)
    router.program(SCRIPT, "#!/bin/sh\necho >>/tmp/asked\n")
    with patience(router, 0):
        answer = front.ask()
        when = float(failed.read_text())
    assert answer.status == "504 Gateway Timeout"
    assert b"10 seconds from now" in answer.body
    assert 0 <= time.clock_gettime(time.CLOCK_BOOTTIME) - when < 60
    # With all the patience there is, the others are answered without a new try.
    failed.write_text(f"{time.clock_gettime(time.CLOCK_BOOTTIME):.0f}\n")
    assert front.ask() == answer
    assert router.read("/tmp/asked") == "\n"
    with patience(router, 0):
        failed.write_text(f"{when - 10:.0f}\n")
        assert front.ask() == answer
    assert router.read("/tmp/asked") == "\n\n"
    router.path("/tmp/asked").unlink()


def test_nobody_waits_his_time_after_somebody_elses(front: Front) -> None:
    router = front.router
    with router.path("/tmp/run/fwknop-webui.lock").open("w") as lock, patience(router, 1):
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert front.ask().status == "504 Gateway Timeout"


def test_a_page_that_just_ended_is_told(front: Front) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        door = front.open_door(unused.getsockname()[1])
        answer = front.ask()
        door.close()
    assert answer.status == "503 Service Unavailable"


def test_the_init_script(router: Router) -> None:
    webui.install(router)
    router.write("/etc/config/system", "config system\n\toption hostname 'Home'\n")
    router.write("/etc/config/dhcp", "config dnsmasq\n\toption domain 'intern'\n")
    dynamic = (
        "config service '{0}'\n\toption enabled '{1}'\n\toption lookup_host '{0}.example.net'\n"
    )
    services = [dynamic.format(*service) for service in (("in-use", 1), ("not-in-use", 0))]
    unset = "config service 'c'\n\toption lookup_host 'yourhost.example.com'\n"
    router.write("/etc/config/ddns", "".join([*services, unset]))
    router.write("/etc/config/fwknopd", "config global\n\tlist allowed_host '--odd'\n")
    assert router.run(SCRIPT, "start").code == 0
    found = {call[1]: call[2:] for call in router.calls() if call[0].endswith("_param")}
    assert found["user"] == found["group"] == ["fwknop"]
    folder = router.path("/tmp/run/fwknop-webui").stat()
    assert (folder.st_uid, folder.st_mode & 0o777) == (4242, 0o700)
    router.run(SCRIPT, "start")
    words = [word for call in router.calls() if call[1:2] == ["command"] for word in call[2:]]
    assert words[:4] == ["/usr/bin/fwknop-webui", "--relay", FOLDER, "--rpcd"]
    # What begins like an option is none.
    assert words[4:] == [
        *(f"--allowed-host={name}" for name in ("Home", "Home.intern")),
        "--public-name=in-use.example.net",
        "--allowed-host=--odd",
    ]


def test_it_never_runs_as_root(router: Router) -> None:
    # Another test may have put a script of its own in the place of this one.
    webui.install(router)
    router.write("/etc/passwd", "root:x:0:0:root:/root:/bin/ash\n")
    router.run(SCRIPT, "start")
    assert "procd_open_instance" not in [call[0] for call in router.calls()]
    assert "there is no user fwknop" in router.read("/tmp/log")
    webui.install(router)


@pytest.fixture(scope="module")
def site(router: Router, front: Front) -> Iterator[str]:
    """The page behind a real web server that runs CGI, as uhttpd does. Its address."""
    webui.install(router)
    webui.start_on_demand(router, ["/usr/bin/fwknop-webui", "--relay", FOLDER, "--rpcd"])
    router.path("/tmp/run/fwknop-webui").mkdir(exist_ok=True)
    with front.serve() as address:
        yield address
    front.end_page()


class Surfer:
    """A browser of few words, which keeps to this site."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.cookies = CookieJar()
        jar = urllib.request.HTTPCookieProcessor(self.cookies)
        self.opener = urllib.request.build_opener(jar)
        self.opener.addheaders = [("Origin", site)]

    def open(self, path: str, **form: str) -> tuple[str, str]:
        """The address at the end of all redirects, and the page."""
        data = urlencode(form).encode() if form else None
        with self.opener.open(self.site + path, data, timeout=30) as answer:
            url, html = str(answer.geturl()), bytes(answer.read()).decode()
        return url.removeprefix(self.site), html


def token(html: str) -> str:
    found: str = re.findall(r'name="csrf" value="([^"]+)"', html)[0]
    return found


def until_page_has_ended(front: Front) -> None:
    """Whatever page another test may have had started."""
    front.end_page()
    until = time.monotonic() + 30
    while front.page_process():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_whole_page_works_below_its_prefix(router: Router, front: Front, site: str) -> None:
    until_page_has_ended(front)
    before = router.read("/tmp/starts")
    surfer = Surfer(site)
    path, html = surfer.open("/cgi-bin/fwknop")
    assert path == "/cgi-bin/fwknop/login"
    path, html = surfer.open(path, csrf=token(html), username="root", password=PASSWORD)
    assert path == "/cgi-bin/fwknop/"
    assert router.read("/tmp/starts") == f"{before}start\n"
    assert {cookie.path for cookie in surfer.cookies} == {"/cgi-bin/fwknop"}
    seen, todo = set(), {path}
    while todo:
        path = todo.pop()
        seen.add(path)
        try:
            _, html = surfer.open(path)
        except urllib.error.HTTPError as error:
            error.close()
            assert error.code == 405, path
            continue
        links = {link.partition("#")[0] for link in LINK.findall(html)}
        assert {link for link in links if not link.startswith("/cgi-bin/fwknop")} == set()
        pages = {link for link in links if is_page(link)}
        todo |= pages - seen
    _, html = surfer.open("/cgi-bin/fwknop/clients")
    base = re.findall(r'name="base" value="([^"]+)"', html)[0]
    _, html = surfer.open("/cgi-bin/fwknop/sheet", csrf=token(html), base=base, which="all")
    # An answer without a length, which ends where the connection does.
    assert html.rstrip().endswith("</html>")
    assert {f"/cgi-bin/fwknop/{name}" for name in ("clients", "settings", "backup")} <= seen
    status = Path(f"/proc/{front.page_process()}/status").read_text()
    (size,) = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")]
    # What a router can spare for a page that somebody has open. OpenSSL would be a tenth of it.
    assert size < 40 * 1024
    maps = Path(f"/proc/{front.page_process()}/maps").read_text()
    assert not re.search("libcrypto|_hashlib|_ssl", maps)


def test_a_scrapers_token_reaches_the_page(site: str) -> None:
    surfer, said = Surfer(site), []
    for headers in ([], [("Authorization", "Bearer abc")]):
        surfer.opener.addheaders = headers
        with pytest.raises(urllib.error.HTTPError) as refused:
            surfer.open("/cgi-bin/fwknop/metrics")
        with refused.value as answer:
            said.append((answer.code, answer.read().decode()))
    assert said[0] == (401, "Send the token: Authorization: Bearer TOKEN\n")
    # No daemon runs, and only who asks with a token is told.
    code, why = said[1]
    assert (code, "not running" in why) == (503, True)


@pytest.fixture
def daemon(router: Router, tmp_path: Path) -> Iterator[Fwknopd]:
    """The real one, which the page finds where a router has it."""
    made = Fwknopd(tmp_path)
    made.has_run_before()
    place = router.path("/tmp/run/fwknop")
    place.symlink_to(f"/host{made.run_dir}")
    with made.foreground():
        yield made
    place.unlink()


def scrape(site: str, token: str, query: str = "") -> tuple[int, str, str]:
    """Status, type and text, as Prometheus gets them."""
    surfer = Surfer(site)
    surfer.opener.addheaders = [
        ("Authorization", f"Bearer {token}"),
        ("Accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"),
    ]
    try:
        answer = surfer.opener.open(f"{site}/cgi-bin/fwknop/metrics{query}", timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers["Content-Type"], answer.read().decode()


def test_numbers_come_all_the_way_from_the_daemon_to_the_scraper(
    site: str, daemon: Fwknopd
) -> None:
    status, _, why = scrape(site, token := generate_token())
    assert (status, "fwknopctl metrics --new-token" in why) == (404, True)
    settings = daemon.config.read_text()
    daemon.write(daemon.config, f"{settings}METRICS_TOKEN_SHA256 {token_digest(token)};\n")
    assert daemon.ask("reload")["reloaded"]
    daemon.knock()
    daemon.wait_for_event("tcp/22")
    status, kind, text = scrape(site, token)
    assert (status, kind) == (200, CONTENT_TYPE)
    assert samples(text, "fwknopd_knocks") == {"accept,accepted": 1}
    assert families(text).keys() == families(daemon.ask("metrics")["text"]).keys()
    assert samples(scrape(site, token, "?by_client=1")[2], "fwknopd_client_open_doors") == {"#1": 1}
    assert scrape(site, token_digest(token))[::2] == (401, "This is not the token\n")


def test_luci_hands_its_login_over_and_nothing_of_it_shows(
    router: Router, front: Front, rpcd: StandIn, site: str
) -> None:
    surfer = Surfer(site)
    sid = rpcd.log_in("root", luci=True)
    path, html = surfer.open("/cgi-bin/fwknop/handover", sid=sid)
    assert path == "/cgi-bin/fwknop/"
    assert "Log out" in html
    told = Path(f"/proc/{front.page_process()}/cmdline").read_text() + router.read("/tmp/webui.log")
    assert sid not in told + html
    assert PASSWORD not in told


def is_page(link: str) -> bool:
    """Pages lie two below the prefix at most, and what is no page has a dot or is asked for."""
    return link.count("/") <= 4 and not re.search(r"/(static|login|logout|api)\b|[?.]", link)


def test_assets_come_packed_and_whole(site: str) -> None:
    surfer = Surfer(site)
    _, html = surfer.open("/cgi-bin/fwknop/login")
    (script,) = re.findall(r'src="(/[^"]+\.js)"', html)
    asset = Assets().find(script.rpartition("/")[2])
    surfer.opener.addheaders = [("Accept-Encoding", "gzip")]
    with surfer.opener.open(site + script, timeout=30) as answer:
        assert asset is not None
        assert answer.read() == asset.compressed
        assert "immutable" in answer.headers["Cache-Control"]


def test_many_requests_at_once_start_it_once_the_one_before_has_ended(
    router: Router, front: Front, site: str
) -> None:
    front.end_page()
    until = time.monotonic() + 10
    while front.page_process():
        assert time.monotonic() < until
        time.sleep(0.01)
    before = router.read("/tmp/starts").count("start")
    codes: list[int] = []

    def ask() -> None:
        with urllib.request.build_opener().open(f"{site}/cgi-bin/fwknop/login") as answer:
            codes.append(answer.status)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    with subprocess.Popen(["sleep", "0.5"]) as ending:
        router.write("/tmp/instance", f"{ending.pid}\n")
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 3
    assert router.read("/tmp/starts").count("start") == before + 1


def test_other_sites_names_are_refused(front: Front, site: str) -> None:
    assert site
    assert front.ask("/cgi-bin/fwknop/login", HTTP_HOST="evil.test").status.startswith("421")
    assert front.ask("/cgi-bin/fwknop/login").status.startswith("200")
