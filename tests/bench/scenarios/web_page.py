"""What the web page costs: processor time of each page, and memory when all were shown.

It has a router's few clients, and a daemon that answers from memory, so that only the page's
own work counts.
"""

from __future__ import annotations

import os
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

from tests.bench.accounting import Group
from tests.bench.bench import Bench
from tests.bench.contestants import Contestant
from tests.lab.configs import ready_config
from tests.lab.page import Page
from tests.lab.paths import LabPaths
from tests.ports import free_port
from tests.web.daemon import StubDaemon, door, verdict

WEB_PAGE = "web page"
DEAREST = "the dearest page"
PATHS = (
    "/",
    "/api/overview",
    "/clients",
    "/clients/add",
    "/settings",
    "/advanced",
    "/import",
    "/logs",
    "/diagnostics",
    "/backup",
    "/changes",
)
TIMES = 20


def web_page(bench: Bench) -> None:
    """Every page, one after the other; the daemons that are compared play no part in it."""

    def measure(who: Contestant) -> None:
        if who is not bench.contestants[0] or not who.is_ours:
            return
        with _served(bench.folder / "web") as (group, surfer):
            costs = {path: _cost(group, surfer, path) for path in PATHS}
            memory = group.memory()
        for path, seconds in costs.items():
            bench.note(who, (WEB_PAGE, path, "CPU", "ms"), seconds * 1e3)
        bench.note(who, (WEB_PAGE, DEAREST, "CPU", "ms"), max(costs.values()) * 1e3)
        bench.note(who, (WEB_PAGE, "after every page", "RSS", "MiB"), memory.resident)

    bench.take_turns(WEB_PAGE, measure, short=3, long=5)


def _cost(group: Group, surfer: _Surfer, path: str) -> float:
    """Seconds for one page, templates compiled."""
    surfer.open(path)
    before = group.cpu()
    for _ in range(TIMES):
        surfer.open(path)
    return (group.cpu() - before) / TIMES


class _Surfer:
    """A browser that asks for pages and nothing else."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def log_in(self, user: str, password: str) -> None:
        """As the form does."""
        (token,) = re.findall(r'name="csrf" value="([^"]+)"', self.open("/login"))
        form = {"csrf": token, "username": user, "password": password}
        self.open("/login", urlencode(form).encode())

    def open(self, path: str, form: bytes | None = None) -> str:
        """The text of a page."""
        with self._opener.open(self._url + path, form) as answer:
            text: str = answer.read().decode()
        return text


@contextmanager
def _served(folder: Path) -> Iterator[tuple[Group, _Surfer]]:
    paths = LabPaths(folder)
    for made in (paths.uci.parent, paths.run_dir, paths.classic):
        made.mkdir(parents=True, exist_ok=True)
    paths.uci.write_text(ready_config())
    # A router's musl has one heap for all threads; glibc would make one for each.
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    page, group = Page(paths, free_port(), environment), Group(contained=False)
    with StubDaemon(paths.control) as daemon:
        daemon.doors = [door(id=f"g{number}") for number in range(10)]
        daemon.events = [verdict(id=number) for number in range(1, 200)]
        try:
            page.start()
            group.watch(page.process.pid)
            surfer = _Surfer(page.url)
            surfer.log_in(page.user, page.password)
            yield group, surfer
        finally:
            page.close()
            group.close()
