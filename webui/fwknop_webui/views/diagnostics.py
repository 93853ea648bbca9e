"""Why doesn't it work? Checks with remedies, a knock in theory, and real ones as they come."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from flask import jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui.auth import Right
from fwknop_webui.check import check
from fwknop_webui.checks import (
    Check,
    Outcome,
    daemon_checks,
    exposure_checks,
    file_checks,
    key_checks,
)
from fwknop_webui.client_rows import ACCESS
from fwknop_webui.daemon_words import in_words
from fwknop_webui.forms import Field, Widget
from fwknop_webui.i18n import _
from fwknop_webui.knock_steps import Explained, Watched, explained_of, watched_of
from fwknop_webui.machine_checks import machine_checks
from fwknop_webui.notices import Level
from fwknop_webui.pages import notify, regions_with_badge, render
from fwknop_webui.routes import Route
from fwknop_webui.services import current_draft, services
from fwknop_webui.settings_form import overwrites
from fwknop_webui.snapshot import named
from fwknop_webui.trouble import Trouble, trouble_of
from fwknopd.config.problems import ConfigError, Problem
from fwknopd.config.uci_format import UciPackage
from fwknopd.config.variables import Scope
from fwknopd.control.client import ControlError
from fwknopd.uci_store import StoreError

WATCH_SECONDS = 60
TYPED = ("client", "access", "source", "allow_ip", "nat", "timeout")
MAX_TYPED = 200
NEEDS_ADDRESS = Field("REQUIRE_SOURCE_ADDRESS", "", Scope.ACCESS, Widget.FLAG)


def diagnostics() -> ResponseReturnValue:
    """The page."""
    return _page()


def _at_first(package: UciPackage) -> dict[str, str]:
    """What the form of the test knock begins with.

    An address in the packet is no client's fault, and some ask for one.
    """
    address = request.remote_addr or ""
    asked_for = any(NEEDS_ADDRESS.read(section) for section in package.of_type(ACCESS))
    return {"access": "tcp/22", "source": address, "allow_ip": address if asked_for else ""}


def try_knock() -> ResponseReturnValue:
    """Make a knock with a client's keys and show what would become of it."""
    typed = {name: request.form.get(name, "").strip()[:MAX_TYPED] for name in TYPED}
    arguments, faults = _arguments(typed)
    if faults:
        return _page(typed, faults=faults), 422
    try:
        explained = explained_of(services().live.rehearse(**arguments))
    except ControlError as error:
        trouble = trouble_of(error, services().live.start_command)
        return _page(typed, refused=trouble), 503 if error.is_down else 422
    return _page(typed, explained=explained)


def _arguments(typed: Mapping[str, str]) -> tuple[dict[str, object], dict[str, str]]:
    """What the daemon is asked, and what is wrong with which field."""
    arguments: dict[str, object] = {k: typed[k] for k in ("access", "source", "allow_ip", "nat")}
    arguments = {name: value for name, value in arguments.items() if value}
    faults = {}
    if typed["nat"]:
        arguments["nat"] = typed["nat"].replace(":", ",")
    for name in ("client", "timeout"):
        if _is_number(typed[name]):
            arguments[name] = int(typed[name])
        elif typed[name]:
            faults[name] = _("Expecting: a number of seconds, such as 60")
    if "client" not in arguments:
        faults["client"] = _("Expecting: one of the daemon's clients")
    if not typed["source"]:
        faults["source"] = _("Expecting: an address, such as 198.51.100.23")
    if not typed["access"]:
        faults["access"] = _("Expecting: ports, such as tcp/22")
    return arguments, faults


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and int(text) < 65536


def start_watching() -> ResponseReturnValue:
    """Have the daemon explain the packets of the next minute."""
    try:
        services().live.watch(WATCH_SECONDS)
    except ControlError as error:
        trouble = trouble_of(error, services().live.start_command)
        notify(Level.ERROR, trouble.title, trouble.text)
        return redirect(url_for("diagnostics"), 303)
    return redirect(url_for("watching"), 303)


def watching() -> ResponseReturnValue:
    """The packets that came, and what became of each."""
    watched, trouble = _watched()
    return render(
        "watch.html",
        "diagnostics",
        polls=True,
        version=_version(watched, trouble),
        now=services().clock.wall(),
        seconds=WATCH_SECONDS,
        watched=watched,
        trouble=trouble,
    )


def watching_data() -> ResponseReturnValue:
    """The same since the version in the query: for polling."""
    watched, trouble = _watched()
    version = _version(watched, trouble)
    changed: dict[str, object] = {}
    if request.args.get("watch") != version:
        html = render_template("live_watch.html", watched=watched, trouble=trouble)
        changed = {"watch": {"version": version, "html": html}}
    return jsonify(now=watched.now or services().clock.wall(), regions=regions_with_badge(changed))


def _watched() -> tuple[Watched, Trouble | None]:
    try:
        return watched_of(services().live.watched()), None
    except ControlError as error:
        return Watched(0.0, 0.0, (), 0), trouble_of(error, services().live.start_command)


def _version(watched: Watched, trouble: Trouble | None) -> str:
    shown = (watched.packets, watched.more, watched.until, watched.is_on, trouble)
    return hashlib.sha256(repr(shown).encode("utf-8", "replace")).hexdigest()[:12]


def _page(
    typed: Mapping[str, str] | None = None,
    *,
    faults: Mapping[str, str] | None = None,
    explained: Explained | None = None,
    refused: Trouble | None = None,
) -> str:
    package, stored = _stored()
    checks = list(_checks(package, stored))
    return render(
        "diagnostics.html",
        "diagnostics",
        checks=checks,
        failed=sum(1 for check in checks if check.outcome is Outcome.FAIL),
        warned=sum(1 for check in checks if check.outcome is Outcome.WARN),
        clients=_clients(),
        typed=_at_first(package) if typed is None else typed,
        faults=faults or {},
        explained=explained,
        refused=refused,
        seconds=WATCH_SECONDS,
    )


def _clients() -> tuple[tuple[int, str], ...]:
    try:
        return services().live.clients()
    except ControlError:
        return ()


def _checks(package: UciPackage, stored: Iterable[Check]) -> Iterator[Check]:
    pid = None
    try:
        status = services().live.status()
    except ControlError as error:
        trouble = trouble_of(error, services().live.start_command)
        yield Check(_("The daemon runs"), Outcome.FAIL, trouble.title, trouble.text)
    else:
        pid = status.pid
        yield from daemon_checks(replace(status, problems=named(status.problems, package)))
        yield from _exposure_checks()
    yield from stored
    config = services().config
    yield from machine_checks(pid, config.proc)
    yield from file_checks((config.uci, config.password_file))


def _exposure_checks() -> Iterator[Check]:
    """Nothing if the daemon ends meanwhile: the next look tells that."""
    with suppress(ControlError):
        yield from exposure_checks(services().live.exposed(anew=True))


def _stored() -> tuple[UciPackage, list[Check]]:
    """What the file holds, nothing if it can't be read, and what is to be said of it."""
    title = _("The configuration file can be read")
    try:
        draft = current_draft()
    except ConfigError as error:
        detail = "; ".join(in_words(problem.message) for problem in error.problems[:3])
        remedy = _("Mend it in an editor, then reload this page. The daemon keeps what it has.")
        return UciPackage(()), [Check(title, Outcome.FAIL, detail, remedy)]
    except StoreError as error:
        return UciPackage(()), [Check(title, Outcome.FAIL, in_words(str(error)))]
    readable = Check(title, Outcome.PASS, services().store.file)
    package = draft.current.package
    errors = check(package, services().store.file).errors if overwrites(package) else ()
    refused = [_refused(error) for error in named(errors, package)]
    return package, [readable, *refused, *key_checks(draft.base.package)]


def _refused(error: Problem) -> Check:
    """The file can be read, but holds what the daemon doesn't take."""
    title = _("The daemon would take the file as it is now")
    where = ", ".join(filter(None, (error.section, error.option)))
    detail = f"{where}: {error.message}" if where else error.message
    return Check(title, Outcome.FAIL, detail, error.remedy)


ROUTES = (
    Route("GET", "/diagnostics", diagnostics),
    Route("POST", "/diagnostics/knock", try_knock, right=Right.READ),
    Route("POST", "/diagnostics/watch", start_watching, right=Right.READ),
    Route("GET", "/diagnostics/watch", watching),
    Route("GET", "/api/watch", watching_data, polled=True),
)
