"""What keeps knocks from working, looked for before anybody has to wonder: "Run checks"."""

from __future__ import annotations

import os
import shlex
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fwknop_webui.client_keys import ENCRYPTION_OPTIONS, HMAC_OPTIONS, option_in_use, summarise
from fwknop_webui.client_rows import ACCESS, ENABLED, label_of
from fwknop_webui.daemon_words import in_words
from fwknop_webui.exposed import Exposed
from fwknop_webui.i18n import _, ngettext
from fwknop_webui.status import Status
from fwknopd.config.problems import Problem, Severity
from fwknopd.config.uci_format import UciPackage, UciSection
from fwknopd.keys import KeyTextError, decode_key_base64

FREE_WARN = 256 * 1024
"""Bytes free where the configuration is written; a save writes it twice."""

CAPTURING = "capturing"


class Outcome(StrEnum):
    """How a check ended. INFO is worth knowing, and nothing to do about."""

    PASS = "pass"  # noqa: S105 - no password
    INFO = "info"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the list. ``remedy`` is "" when there is nothing to do."""

    title: str
    outcome: Outcome
    detail: str = ""
    remedy: str = ""


def daemon_checks(status: Status) -> Iterator[Check]:
    """What the daemon knows of itself."""
    running = _("version {version}, process {pid}").format(version=status.version, pid=status.pid)
    yield Check(_("The daemon runs"), Outcome.PASS, running)
    yield _configuration(status)
    yield from map(_problem, status.problems)
    yield _clock(status)
    yield from _captures(status)
    yield _firewall(status)
    for warning in status.firewall_warnings:
        title = _("Other firewall rules leave doors alone")
        yield Check(title, Outcome.WARN, warning)
    if status.is_test:
        remedy = _("Start it without --test.")
        title = _("Doors are opened")
        yield Check(title, Outcome.FAIL, _("The daemon runs in test mode."), remedy)
    outcome = Outcome.WARN if status.uncounted else Outcome.PASS
    yield Check(_("Connections can be counted and cut"), outcome, status.uncounted)
    for warning in status.log_warnings or ("",):
        outcome = Outcome.WARN if warning else Outcome.PASS
        yield Check(_("Events get to where they are logged"), outcome, warning)
    yield _replay(status)


def _replay(status: Status) -> Check:
    n, fill, title = status.replay_entries, status.replay_fill, _("Used knocks are remembered")
    remembered = ngettext("{n} packet remembered", "{n} packets remembered", n).format(n=n)
    if fill:
        remembered += ", " + _("{percent} % full").format(percent=fill)
    if not status.replay_full:
        return Check(title, Outcome.PASS, remembered)
    remedy = _("Wait two minutes and knock again. If it persists, somebody floods it with knocks.")
    return Check(title, Outcome.FAIL, remembered, remedy)


def _configuration(status: Status) -> Check:
    title = _("The configuration in use is the newest one")
    if status.last_error:
        remedy = _("Mend what is named, then press Save & Apply.")
        return Check(title, Outcome.FAIL, status.last_error, remedy)
    if status.is_outdated:
        detail = _("{file} was changed since the daemon read it.").format(file=status.file)
        remedy = _("To use it as it is now, run: {command}").format(command="fwknopctl reload")
        return Check(title, Outcome.WARN, detail, remedy)
    if status.source == "uci":
        return Check(title, Outcome.PASS, status.file)
    remedy = _("Tick “Enable config overwrite” in Settings to use what you set here.")
    if status.source == "files":
        detail = _("The daemon uses the classic files: {file}").format(file=status.file)
        return Check(title, Outcome.WARN, detail, remedy)
    if status.idle:
        # It says itself what to do: another thing where the file is gone than where it says off.
        return Check(title, Outcome.FAIL, status.idle)
    return Check(title, Outcome.FAIL, _("The daemon uses none."), remedy)


def _problem(problem: Problem) -> Check:
    outcome = {Severity.ERROR: Outcome.FAIL, Severity.WARNING: Outcome.WARN}
    title = _("Nothing in the configuration is doubtful")
    where = ", ".join(filter(None, (problem.section, problem.option)))
    detail = f"{where}: {problem.message}" if where else problem.message
    return Check(title, outcome.get(problem.severity, Outcome.PASS), detail, problem.remedy)


def _clock(status: Status) -> Check:
    title = _("The router knows the time")
    if status.clock_ok:
        outcome = Outcome.WARN if status.clock_detail else Outcome.PASS
        return Check(title, outcome, status.clock_detail)
    remedy = _("Knocks are refused until the router knows the time: check NTP under System.")
    return Check(title, Outcome.FAIL, status.clock_detail, remedy)


def _captures(status: Status) -> Iterator[Check]:
    if not status.captures:
        # Without a configuration it is enough to say that there is none.
        remedy = "" if status.source == "none" else _("Choose a network in Settings.")
        title = _("The daemon listens for knocks")
        yield Check(title, Outcome.FAIL, _("It listens nowhere."), remedy)
    for capture in status.captures:
        title = _("Knocks are heard on {device}").format(device=capture.name)
        if capture.state != CAPTURING:
            remedy = _("Look whether the device is up, or choose another network in Settings.")
            yield Check(title, Outcome.FAIL, capture.detail or capture.state, remedy)
        elif capture.dropped:
            n = capture.dropped
            detail = ngettext("{n} packet was lost.", "{n} packets were lost.", n).format(n=n)
            yield Check(title, Outcome.WARN, detail, _("The router had too much to do."))
        else:
            n = capture.received
            detail = ngettext("{n} packet seen", "{n} packets seen", n).format(n=n)
            yield Check(title, Outcome.PASS, capture.detail or detail)


def _firewall(status: Status) -> Check:
    title = _("The firewall opens doors")
    detail = ": ".join(filter(None, (status.firewall, status.firewall_detail)))
    if status.firewall_ready:
        return Check(title, Outcome.PASS, detail)
    remedy = _("Mend what is named, then reload this page. The system log may say more.")
    return Check(title, Outcome.FAIL, detail, remedy)


def exposure_checks(found: Exposed) -> Iterator[Check]:
    """Whether ports of clients are really closed to who has not knocked."""
    title = _("Clients' ports are closed without a knock")
    if found.problem:
        detail = _("This can't be told: {why}").format(why=in_words(found.problem))
        yield Check(title, Outcome.INFO, detail)
    for port in found.ports:
        if port.is_open:
            yield Check(title, Outcome.WARN, port.text, port.remedy)
        else:
            yield Check(title, Outcome.INFO, port.text)
    if found.closed:
        place = {"ports": ", ".join(found.closed), "devices": ", ".join(found.devices)}
        detail = _("{ports}: nobody gets in on {devices}").format(**place)
        yield Check(title, Outcome.PASS, detail)


# What can be seen without the daemon


def key_checks(package: UciPackage) -> Iterator[Check]:
    """Keys that are missing, placeholders, or two clients'."""
    sections = [(label_of(s, n), s) for n, s in enumerate(package.of_type(ACCESS), 1)]
    keyless = [name for name, s in sections if ENABLED.read(s) and not summarise(s).is_usable]
    title = _("Every client has keys of its own making")
    remedy = _("Make keys on the Clients page, or delete or disable the client.")
    if keyless:
        detail = _("No key, or the placeholder of the package: {names}")
        yield Check(title, Outcome.WARN, detail.format(names=_named(keyless)), remedy)
    elif sections:
        yield Check(title, Outcome.PASS)
    else:
        yield Check(title, Outcome.WARN, _("There is no client yet."), _("Add one under Clients."))
    shared = _shared(sections)
    title = _("No key is used by two clients")
    detail = _("These have a key in common: {names}").format(names=_named(shared))
    remedy = _("Make new keys for all but one: the first that fits always answers for all.")
    if shared:
        yield Check(title, Outcome.FAIL, detail, remedy)
    else:
        yield Check(title, Outcome.PASS)


def _shared(sections: Iterable[tuple[str, UciSection]]) -> list[str]:
    owners: dict[bytes, list[str]] = defaultdict(list)
    for name, section in sections:
        for options in (ENCRYPTION_OPTIONS, HMAC_OPTIONS):
            key = _key(section, option_in_use(section, options))
            if key:
                owners[key].append(name)
    return list(dict.fromkeys(n for names in owners.values() if len(names) > 1 for n in names))


def _key(section: UciSection, option: str) -> bytes:
    if not option:
        return b""
    value = section.get(option)
    with suppress(KeyTextError, ValueError):
        if option.endswith("BASE64"):
            return decode_key_base64(value)
    return value.encode("utf-8", "surrogateescape")


def _named(names: list[str]) -> str:
    shown, more = ", ".join(names[:5]), len(names) - 5
    return shown if more <= 0 else f"{shown}, … (+{more})"


def file_checks(files: Iterable[Path]) -> Iterator[Check]:
    """Who may read the files with secrets in them, and is there room to write."""
    for path in files:
        with suppress(OSError):
            yield _mode(path)
    for folder in sorted({path.parent for path in files}):
        with suppress(OSError):
            yield _space(folder)


def _mode(path: Path) -> Check:
    title = _("Only root can read {file}").format(file=path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & 0o077:
        return Check(title, Outcome.PASS)
    remedy = _("Run: {command}").format(command=f"chmod 600 {shlex.quote(str(path))}")
    return Check(title, Outcome.WARN, _("Its mode is {mode}.").format(mode=f"{mode:04o}"), remedy)


def _space(folder: Path) -> Check:
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    title = _("There is room to save in {folder}").format(folder=folder)
    detail = _("{n} MB free").format(n=f"{free / 1e6:.1f}" if free < 1e7 else free // 1_000_000)
    if free >= FREE_WARN:
        return Check(title, Outcome.PASS, detail)
    return Check(title, Outcome.WARN, detail, _("Delete packages or files that aren't needed."))
