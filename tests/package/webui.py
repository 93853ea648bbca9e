"""A router with the web page's files on it, and somebody who asks for them by CGI."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from fwknop_webui.relay import Door
from tests.package.router import ROOT, TIME_LIMIT, Router
from tests.web.rpcd import StandIn

FILES = ROOT / "package/fwknop-wrt-webui/files"
RELAY = "/www/cgi-bin/fwknop"
SCRIPT = "/etc/init.d/fwknop-webui"
FOLDER = "/var/run/fwknop-webui"

# What the init script told procd becomes a process, unless there is one already.
PROCD = """\
#!/bin/sh
{{ read -r pid </tmp/instance; }} 2>/dev/null && [ -e "/proc/$pid/exe" ] && exit
echo start >>/tmp/starts
MALLOC_ARENA_MAX=1 PYTHONPATH={path} {command} >>/tmp/webui.log 2>&1 </dev/null &
echo $! >/tmp/instance
"""


def install(router: Router) -> None:
    """Put the web page's files on a router."""
    shutil.copytree(FILES, router.root, dirs_exist_ok=True)
    router.write("/etc/passwd", "root:x:0:0::/root:/bin/ash\nfwknop:x:4242:4242::/:/bin/false\n")
    router.install_python()


def start_on_demand(router: Router, command: list[str]) -> None:
    """Let the service's start do what procd would."""
    path = ":".join(entry for entry in sys.path if entry)
    router.program(SCRIPT, PROCD.format(path=path, command=" ".join(command)))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a CGI script says."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        (value,) = [v for n, v in self.headers if n.lower() == name.lower()]
        return value


def parse(output: bytes) -> Answer:
    """The answer as uhttpd reads it."""
    head, separator, body = output.partition(b"\r\n\r\n")
    assert separator, output[:500]
    first, *lines = head.decode().split("\r\n")
    assert first.startswith("Status: ")
    headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    return Answer(first.removeprefix("Status: "), headers, body)


# The only headers uhttpd tells a script.
HEADERS = (
    *("Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Authorization"),
    *("Connection", "Cookie", "Host", "Origin", "Referer", "User-Agent"),
)
AT_ONCE = 3
"""So many scripts does uhttpd run at a time."""


class Front:
    """uhttpd, as far as a script can tell: the environment it makes, and one process a request."""

    def __init__(self, router: Router, rpcd: StandIn | None = None) -> None:
        self.router = router
        self.rpcd = rpcd
        self._running = threading.Semaphore(AT_ONCE)

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Take requests from browsers; the address to ask at."""
        front = self

        class Request(_Request):
            def run(self, environment: dict[str, str], body: bytes) -> Answer:
                if self.path == "/ubus" and front.rpcd:
                    return Answer("200 OK", [], json.dumps(front.rpcd.request(body)).encode())
                with front._running:
                    return front.ask(self.path, self.command, body, **environment)

        server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def ask(
        self, uri: str = "/cgi-bin/fwknop", method: str = "GET", body: bytes = b"", **more: str
    ) -> Answer:
        """One request. Further variables are added, those with "" left out."""
        environment = {
            "PATH": "/sbin:/usr/sbin:/bin:/usr/bin",
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "/cgi-bin/fwknop",
            "REQUEST_URI": uri,
            "REMOTE_ADDR": "192.168.1.5",
            "SERVER_ADDR": "192.168.1.1",
            "SERVER_PORT": "80",
            "HTTP_HOST": "192.168.1.1",
            "CONTENT_LENGTH": str(len(body)) if method == "POST" else "",
            **more,
        }
        done = subprocess.run(
            self.router.command(RELAY),
            input=body,
            capture_output=True,
            timeout=TIME_LIMIT,
            env={name: value for name, value in environment.items() if value},
        )
        assert not done.stderr, done.stderr
        return parse(done.stdout)

    def open_door(self, port: int) -> Door:
        """Let the relay take this very process for the page's."""
        folder = self.router.path("/tmp/run/fwknop-webui")
        folder.mkdir(parents=True, exist_ok=True)
        door = Door(folder / "door")
        door.open(port)
        return door

    def page_process(self) -> int:
        """The number of the page's own process, 0 if there is none."""
        words = self.router.read("/tmp/run/fwknop-webui/door").split()
        return int(words[0]) if words else 0

    def end_page(self) -> None:
        """End it, if it is there and ours."""
        pid = self.page_process()
        if pid and pid != os.getpid() and Path(f"/proc/{pid}").exists():
            os.kill(pid, 15)


class _Request(BaseHTTPRequestHandler, ABC):
    """One request of a browser, given to the script."""

    @abstractmethod
    def run(self, environment: dict[str, str], body: bytes) -> Answer:
        """What the script answers to it."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        host, port = self.connection.getsockname()
        answer = self.run(
            {
                **{
                    f"HTTP_{name.upper().replace('-', '_')}": self.headers.get(name, "")
                    for name in HEADERS
                },
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "REMOTE_ADDR": str(self.client_address[0]),
                "SERVER_ADDR": host,
                "SERVER_PORT": str(port),
            },
            body,
        )
        code, _, reason = answer.status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    do_POST = do_GET

    def log_message(self, *_args: object) -> None:
        """Say nothing."""
