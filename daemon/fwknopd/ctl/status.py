"""``fwknopctl status`` and ``version``: the daemon at one glance."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from fwknopd import __version__
from fwknopd.ctl.answers import Json, child, children, flag, number, text, texts
from fwknopd.ctl.daemon import ask
from fwknopd.ctl.errors import CtlError
from fwknopd.ctl.output import GREEN, RED, YELLOW, ago, clean, colour, duration, print_json

NOT_RUNNING = 3
"""How the verb ``status`` ends without a daemon; so do init scripts (Linux Standard Base)."""

NOT_READY = 4
"""How it ends while a daemon runs, but no knock would open anything."""

_LABEL_WIDTH = 15
_SOURCES = {"uci": "UCI", "files": "classic files"}


def show_status(options: Namespace) -> int:
    """The verb ``status``."""
    status = _asked(options)
    if options.json:
        print_json(status)
    else:
        _show(status)
    return 0 if _is_ready(status) else NOT_READY


def _asked(options: Namespace) -> Json:
    try:
        return ask(options, "status")
    except CtlError as error:
        if error.code == "not-running":
            error.exit_code = NOT_RUNNING
        raise


def _is_ready(status: Json) -> bool:
    """Would a knock be honoured?"""
    told = status.get("ready")
    return told if isinstance(told, bool) else _seems_ready(status)


def _seems_ready(status: Json) -> bool:
    """The same of a daemon from before it said so, whose program was replaced meanwhile."""
    captures = [text(capture, "state") for capture in children(status, "captures")]
    return (
        text(child(status, "configuration"), "source") in _SOURCES
        and "capturing" in captures
        and flag(child(status, "firewall"), "ready")
        and flag(child(status, "clock"), "ok")
        and not flag(status, "test")
    )


def _show(status: Json) -> None:
    uptime = duration(number(status, "uptime"))
    print(
        f"fwknopd {clean(text(status, 'version'))} is running, up {uptime} "
        f"(process {clean(text(status, 'pid'))})\n"
    )
    for label, value in _lines(status):
        print(f"  {label:<{_LABEL_WIDTH}} {value}")


def show_version(options: Namespace) -> int:
    """The verb ``version``: this program's, and the running daemon's if there is one."""
    try:
        running = text(ask(options, "status"), "version") or None
    except CtlError:
        running = None
    if options.json:
        print_json({"version": __version__, "daemon": running})
    else:
        print(f"fwknopctl {__version__}")
        print(f"fwknopd   {'not running' if running is None else clean(running)}")
    return 0


def _lines(status: Json) -> Iterator[tuple[str, str]]:
    yield from _configuration(status)
    yield "Clients", clean(text(status, "clients"))
    yield from _captures(status)
    firewall = child(status, "firewall")
    yield "Firewall", _health(firewall, "ready", "not ready", "backend")
    for warning in texts(firewall, "warnings"):
        yield "", f"{colour('warning', YELLOW)}: {clean(warning)}"
    yield "Clock", _health(child(status, "clock"), "ok", "not believable yet")
    yield "Open doors", clean(text(status, "grants"))
    connections = child(status, "connections")
    if connections and not flag(connections, "known"):
        yield "Connections", _health(connections, "known", "unknown")
    yield from _log(status)
    yield "Replay memory", _replay(child(status, "replay"))
    yield "Packets", _counters(child(status, "counters"))
    if flag(status, "test"):
        yield "Mode", colour("test: nothing is opened", YELLOW)


def _configuration(status: Json) -> Iterator[tuple[str, str]]:
    configuration = child(status, "configuration")
    source = _SOURCES.get(text(configuration, "source"))
    if source is None:
        detail = clean(text(configuration, "detail"))
        yield "Configuration", colour("none", YELLOW) + (f": {detail}" if detail else "")
    else:
        loaded = ago(number(status, "time") - number(configuration, "loaded_at"))
        yield "Configuration", f"{clean(text(configuration, 'file'))} ({source}), loaded {loaded}"
    if flag(configuration, "outdated"):
        words = colour("changed since", YELLOW)
        yield "", f"{words}: fwknopctl reload makes the daemon use the file as it is now"
    for line in text(configuration, "last_error").splitlines():
        yield "", f"{colour('not loaded', RED)}: {clean(line)}"
    for problem in children(configuration, "problems"):
        yield "", problem_line(problem)


def problem_line(problem: Json) -> str:
    """One problem of a configuration: severity, place, what is wrong, what to do."""
    severity = text(problem, "severity")
    place = ":".join(p for p in (text(problem, "file"), text(problem, "line")) if p)
    option, message = text(problem, "option"), text(problem, "message")
    where = ": ".join(part for part in (place, option, message) if part)
    shown = colour(clean(severity), RED if severity == "error" else YELLOW)
    return f"{shown}: {clean(where)}. {clean(text(problem, 'remedy'))}".rstrip()


def _captures(status: Json) -> Iterator[tuple[str, str]]:
    label = "Capture"
    for capture in children(status, "captures"):
        yield label, _capture(capture, number(status, "time"))
        label = ""
    if label:
        yield label, colour("none: no knock can arrive", YELLOW)


def _capture(capture: Json, now: float) -> str:
    name, detail = clean(text(capture, "name")), clean(text(capture, "detail"))
    if text(capture, "state") != "capturing":
        since = duration(now - number(capture, "since"))
        return f"{name}: {colour('waiting', YELLOW)} for {since}: {detail}"
    received, dropped = number(capture, "received"), number(capture, "dropped")
    lost = colour(f"{dropped:,.0f} lost", YELLOW) if dropped else "none lost"
    said = f", {detail}" if detail else ""
    return f"{name}: {colour('capturing', GREEN)}, {received:,.0f} packets, {lost}{said}"


def _replay(replay: Json) -> str:
    entries, limit = number(replay, "entries"), number(replay, "limit")
    told = "1 packet" if entries == 1 else f"{entries:,.0f} packets"
    if limit > 0:
        percent = int(min(100, 100 * entries / limit))
        told += f", {percent if percent or not entries else '<1'} % full"
    return f"{told}: {colour('no room for another', RED)}" if flag(replay, "full") else told


def _log(status: Json) -> Iterator[tuple[str, str]]:
    log, now = child(status, "log"), number(status, "time")
    for lost in children(log, "lost"):
        count, since = number(lost, "count"), ago(now - number(lost, "newest"))
        yield "Log", f"{clean(text(lost, 'outlet'))}: lost events {count:,.0f}, last one {since}"
    for warning in texts(log, "warnings"):
        yield "", f"{colour('warning', YELLOW)}: {clean(warning)}"


def _health(part: Json, good: str, bad: str, named: str = "") -> str:
    """ "nftables: ready", or what is wrong."""
    words = colour(good, GREEN) if flag(part, good) else colour(bad, RED)
    name, detail = clean(text(part, named)), clean(text(part, "detail"))
    return (f"{name}: " if name else "") + words + (f": {detail}" if detail else "")


def _counters(counters: Json) -> str:
    counts = sorted(counters, key=lambda name: -number(counters, name))
    return ", ".join(f"{clean(name)} {number(counters, name):,.0f}" for name in counts) or "none"
