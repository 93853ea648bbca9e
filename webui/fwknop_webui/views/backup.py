"""Backup: download, restore after a look, what a sysupgrade keeps, and starting over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui import backup_archive, sealed_backup, sealing
from fwknop_webui.auth import Right
from fwknop_webui.backup_archive import Backup, NoBackup
from fwknop_webui.check import check
from fwknop_webui.conflict_rows import Command, commands_of
from fwknop_webui.editing import (
    base_seal,
    is_unchanged,
    opened_draft,
    outdated_notice,
    stage,
    unsettled,
)
from fwknop_webui.factory import factory_package
from fwknop_webui.held import drop, held, hold
from fwknop_webui.i18n import _
from fwknop_webui.kept_files import kept_files
from fwknop_webui.matching import aligned
from fwknop_webui.notices import Level, Notice
from fwknop_webui.pages import notify, render
from fwknop_webui.recent_password import is_recent, password_obstacle
from fwknop_webui.routes import UPLOAD, Route
from fwknop_webui.saving import combine
from fwknop_webui.sealed_backup import MAX_PASSPHRASE, MIN_PASSPHRASE
from fwknop_webui.services import current_draft, require_session, services
from fwknop_webui.staging import Draft
from fwknop_webui.store import REPLACEABLE
from fwknop_webui.taking_over import MINE, THEIRS, TakenOver, previewed, take_over
from fwknop_webui.views.broken import BACKUP, FACTORY, broken_page
from fwknop_webui.views.imports import folder
from fwknopd.config.problems import ConfigError
from fwknopd.config.uci_changes import UciChange
from fwknopd.config.uci_differences import differences
from fwknopd.config.uci_format import UciPackage

MAX_COMMANDS = 1000
"""Lines of difference on one page."""


def backup() -> ResponseReturnValue:
    """The page."""
    return _page({})


def download_backup() -> ResponseReturnValue:
    """The file, sealed or plain. It holds keys, so the password must have been given lately."""
    errors = _passphrase_errors() if request.form.get("do") != "plain" else {}
    if errors:
        return _page(errors), 422
    obstacle = password_obstacle(_ask)
    if obstacle is not None:
        return obstacle
    package = services().store.load().package
    try:
        others = folder().backup_texts() if request.form.get("classic") else {}
    except ConfigError as error:
        notice = Notice(Level.ERROR, _("The files can't be read"), folder().trouble, error.problems)
        return _page({}, notice), 422
    content = backup_archive.pack(package, others, services().clock.wall())
    if request.form.get("do") == "plain":
        return _attachment(content, "tar.gz", "application/gzip")
    try:
        sealed = sealing.seal(content, request.form["passphrase"])
    except OSError:
        return _page({}, _unsealed()), 503
    return _attachment(sealed, "sealed", "application/octet-stream")


def _unsealed() -> Notice:
    title = _("The backup could not be sealed or opened")
    return Notice(Level.ERROR, title, _("The router has too little memory or time. Try again."))


def _ask(trouble: str) -> str:
    needed = _("The file holds keys: give your password, and what else you typed once more.")
    return _page({"password": trouble or needed})


def _passphrase_errors() -> dict[str, str]:
    passphrase = request.form.get("passphrase", "")
    if not MIN_PASSPHRASE <= len(passphrase) <= MAX_PASSPHRASE:
        return {"passphrase": _("Expecting: at least 10 characters, such as four random words.")}
    if passphrase != request.form.get("again", ""):
        return {"again": _("Expecting: the same passphrase once more. Type both anew.")}
    return {}


def _attachment(content: bytes, ending: str, content_type: str) -> Response:
    host = re.sub(r"[^A-Za-z0-9.-]+", "-", services().config.host_name).strip("-.") or "router"
    day = datetime.fromtimestamp(services().clock.wall(), UTC).strftime("%Y-%m-%d")
    response = Response(content, content_type=content_type)
    name = f"backup-fwknop-{host}-{day}.{ending}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def restore_backup() -> ResponseReturnValue:
    """Look into a backup."""
    upload = request.files.get("backup")
    data = upload.read() if upload else b""
    if not data:
        return _page({"backup": _("Expecting: a file made on this page.")}), 422
    try:
        if sealed_backup.is_sealed(data):
            data = sealing.unseal(data, request.form.get("unseal", "")[:MAX_PASSPHRASE])
        hold(backup_archive.unpack(data))
    except OSError:
        return _page({}, _unsealed()), 503
    except sealed_backup.WrongPassphrase:
        return _page({"unseal": _("The passphrase is wrong, or the file is damaged.")}), 422
    except (sealed_backup.NotThisFormat, NoBackup):
        return _page({"backup": _("Expecting: a backup of this page, or a UCI file.")}), 422
    except ConfigError as error:
        title = _("The file is no valid UCI")
        return _page({}, Notice(Level.ERROR, title, "", error.problems)), 422
    return redirect(url_for("preview_backup"), 303)


def preview_backup() -> ResponseReturnValue:
    """What restoring would change. Nothing is written yet."""
    kept = held(Backup)
    if kept is None:
        return redirect(url_for("backup"), 303)
    try:
        draft = current_draft()
    except REPLACEABLE as error:
        return broken_page(error, BACKUP)
    if (answer := unsettled(draft, "preview_backup")) is not None:
        return answer
    return _preview(draft, kept[0], kept[1], previewed(draft, _as(draft, kept[0].package)))


def confirm_backup() -> ResponseReturnValue:
    """Stage what the backup says."""
    kept = held(Backup)
    if kept is None or kept[1] != request.form.get("token"):
        notify(
            Level.ERROR,
            _("Not restored: this page is out of date"),
            _("Another file was looked at meanwhile, or you logged in again."),
        )
        return redirect(url_for("preview_backup"), 303)
    draft = current_draft()
    if (answer := unsettled(draft, "preview_backup")) is not None:
        return answer
    package = kept[0].package
    taken = take_over(draft, lambda opened: _as(opened, package), request.form)
    if taken is None:
        anew = previewed(draft, _as(draft, package))
        return _preview(draft, kept[0], kept[1], anew, outdated_notice()), 409
    if taken.notice:
        return _preview(draft, kept[0], kept[1], taken, taken.notice), 409
    drop()
    return _staged(taken.draft, _("The backup is restored, but not in use yet."))


def _as(draft: Draft, package: UciPackage) -> Draft:
    """The draft that makes the file say what ``package`` says, client by client."""
    return draft.with_package(aligned(package, draft.package))


def cancel_backup() -> ResponseReturnValue:
    """Forget the backup."""
    drop()
    return redirect(url_for("backup"), 303)


def factory_reset() -> ResponseReturnValue:
    """Ask whether to start over."""
    try:
        draft = current_draft()
    except REPLACEABLE as error:
        return broken_page(error, FACTORY)
    return unsettled(draft, "factory_reset") or _ask_for_reset(draft, draft)


def factory_reset_now() -> ResponseReturnValue:
    """Stage the configuration as it is first installed."""
    draft, form = current_draft(), request.form
    if (answer := unsettled(draft, "factory_reset")) is not None:
        return answer
    opened = opened_draft(draft, form.get("base", ""))
    if opened is None:
        notify(Level.ERROR, outdated_notice().title)
        return redirect(url_for("factory_reset"), 303)
    choice = form.get("do") if is_unchanged(draft, form.get("seen", "")) else None
    if choice not in (MINE, THEIRS) and not is_unchanged(draft, form["base"]):
        return _ask_for_reset(draft, opened), 409
    changed = _as(draft, factory_package())
    if choice == THEIRS:
        wanted, file = _as(opened, factory_package()), services().store.file
        changed = combine(opened, wanted, draft, file, prefer_mine=False).draft
    return _staged(changed, _("Everything will be as first installed."))


def _ask_for_reset(draft: Draft, opened: Draft) -> str:
    """``opened`` is what the page was first made from: what came since is listed."""
    since = differences(opened.package, draft.package)
    return render(
        "factory_reset.html",
        "backup",
        base=base_seal(opened),
        seen=base_seal(draft),
        count=len(draft.package.of_type("access")),
        commands=_commands(since)[:MAX_COMMANDS],
    )


def _staged(draft: Draft, title: str) -> ResponseReturnValue:
    stage(draft)
    notify(Level.INFO, title, _("Look it over, then press Save & Apply."))
    return redirect(url_for("changes"), 303)


def _page(errors: Mapping[str, str], *notices: Notice) -> str:
    return render(
        "backup.html",
        "backup",
        errors=errors,
        warnings=notices,
        recent=is_recent(),
        unsaved=bool(require_session().staging),
        folder=folder(),
        files=kept_files(services().config),
    )


def _preview(draft: Draft, found: Backup, token: str, taken: TakenOver, *notices: Notice) -> str:
    # Seen from what the pages show now, not from the file: unsaved changes are replaced, too.
    commands = _commands(differences(draft.package, taken.draft.package))
    errors = check(taken.draft.package, services().store.file).errors
    title = _("The daemon would not take this configuration as it is")
    return render(
        "backup_preview.html",
        "backup",
        commands=commands[:MAX_COMMANDS],
        left_out=max(0, len(commands) - MAX_COMMANDS),
        others=found.others,
        token=token,
        base=taken.base,
        seen=base_seal(draft),
        conflicts=taken.rows,
        is_contested=not taken.is_settled,
        clients=len(found.package.of_type("access")),
        warnings=[*notices, *([Notice(Level.WARNING, title, "", errors)] if errors else [])],
    )


def _commands(changes: Iterable[UciChange]) -> list[Command]:
    return [command for change in changes for command in commands_of(change)]


ROUTES = (
    Route("GET", "/backup", backup),
    Route("POST", "/backup/download", download_backup, right=Right.READ),
    Route("POST", "/backup/restore", restore_backup, limits=UPLOAD),
    Route("GET", "/backup/preview", preview_backup),
    Route("POST", "/backup/confirm", confirm_backup),
    Route("POST", "/backup/cancel", cancel_backup),
    Route("GET", "/backup/reset", factory_reset),
    Route("POST", "/backup/reset", factory_reset_now),
)
