"""A configuration file that is no valid UCI, too large or gone, replaced as a whole.

There is no draft of such a file, and so nothing to stage: it is replaced at once, after a
question, and for good. A copy of what was in it stays beside it.
"""

from __future__ import annotations

from typing import cast

from flask import Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui.apply import kept_though_refused, still_unconfirmed
from fwknop_webui.auth import Right
from fwknop_webui.backup_archive import Backup
from fwknop_webui.check import check
from fwknop_webui.daemon_words import in_words
from fwknop_webui.factory import factory_package
from fwknop_webui.held import drop, held
from fwknop_webui.i18n import _
from fwknop_webui.live import Reloaded
from fwknop_webui.notices import Level, Notice
from fwknop_webui.outcome import is_in_use, outcome
from fwknop_webui.pages import notify, render
from fwknop_webui.recent_password import is_recent, password_obstacle
from fwknop_webui.routes import Route
from fwknop_webui.services import current_draft, require_session, services
from fwknop_webui.settings_form import overwrites
from fwknop_webui.staging import Draft
from fwknop_webui.store import REPLACEABLE, Replaceable, StillUnconfirmed
from fwknop_webui.trouble import trouble_of
from fwknopd.config.problems import ConfigError
from fwknopd.config.uci_format import UciPackage
from fwknopd.control.client import ControlError
from fwknopd.uci_store import NO_FILE, ConcurrentEdit, StoreError

BACKUP, FACTORY = "backup", "factory"
_BEFORE = {BACKUP: "preview_backup", FACTORY: "factory_reset"}
"""The page to look at again, for each of what may take the file's place."""


def broken_page(error: Exception, what: str) -> ResponseReturnValue:
    """Ask whether to replace the file by a backup looked at before, or as first installed."""
    found = _replacement(what)
    return _page(error, what, found) if found else redirect(url_for("backup"), 303)


def _page(error: Exception, what: str, found: tuple[UciPackage, str], password: str = "") -> str:
    """``password``: why what was given is not enough to show the file."""
    package, token = found
    etag = _store().etag()
    title = _("The daemon would not take this configuration as it is")
    errors = check(package, services().store.file).errors
    return render(
        "broken.html",
        "backup",
        problems=error.problems if isinstance(error, ConfigError) else (),
        unread=in_words(error.message) if isinstance(error, StoreError) else "",
        is_there=etag != NO_FILE,
        what=what,
        token=token,
        etag=etag,
        copy=_store().copy,
        clients=len(package.of_type("access")),
        warnings=[Notice(Level.WARNING, title, "", errors)] if errors else [],
        recent=is_recent(),
        trouble=password,
    )


def _store() -> Replaceable:
    # Only the store of a file tells what is wrong with it: rpcd says that it can't read it.
    return cast(Replaceable, services().store)


def _replacement(what: str) -> tuple[UciPackage, str] | None:
    """What takes the file's place, and its token; None when that is forgotten."""
    if what == FACTORY:
        return factory_package(), ""
    kept = held(Backup)
    return (kept[0].package, kept[1]) if kept else None


def download_broken() -> ResponseReturnValue:
    """The file as it is. It may hold keys, so the password must have been given lately."""
    what = FACTORY if request.form.get("what") == FACTORY else BACKUP
    error = _fault()
    if error is None:
        return _readable_again(what)
    if not isinstance(error, ConfigError):
        abort(404)
    found = _replacement(what) or (factory_package(), "")

    def ask(trouble: str) -> str:
        return _page(error, what, found, trouble or _("The file may hold keys."))

    obstacle = password_obstacle(ask)
    if obstacle is not None:
        return obstacle
    response = Response(_store().content().file, content_type="application/octet-stream")
    response.headers["Content-Disposition"] = 'attachment; filename="fwknopd.broken"'
    return response


def _fault() -> Exception | None:
    try:
        current_draft()
    except REPLACEABLE as error:
        return error
    return None


def _readable_again(what: str) -> ResponseReturnValue:
    notify(Level.INFO, _("Nothing was replaced"), _("The file can be read again."))
    return redirect(url_for(_BEFORE[what]), 303)


def replace_broken() -> ResponseReturnValue:
    """Do it, and have the daemon use it."""
    form = request.form
    what = FACTORY if form.get("what") == FACTORY else BACKUP
    found = _replacement(what)
    if _fault() is None:
        return _readable_again(what)
    if found is None or found[1] != form.get("token", ""):
        text = _("Another file was looked at meanwhile, or you logged in again.")
        notify(Level.ERROR, _("Not restored: this page is out of date"), text)
        return redirect(url_for(_BEFORE[what]), 303)
    result = _replace(found[0], form.get("etag", ""))
    if isinstance(result, Notice):
        require_session().notices.append(result)
        return redirect(url_for(_BEFORE[what]), 303)
    drop()
    require_session().notices += [_told(), *([_kept()] if result else [])]
    return redirect(url_for("overview"), 303)


def _kept() -> Notice:
    title = _("What was in the file is kept in {file}").format(file=_store().copy)
    text = _("Only its owner can read it. Delete it when you don't need it: it may hold keys.")
    return Notice(Level.INFO, title, text)


def _replace(package: UciPackage, etag: str) -> Notice | bool:
    """What is in the way; when it is done, whether there was something to keep."""
    try:
        return _store().replace(package, etag)
    except ConcurrentEdit:
        title = _("Not replaced: the file was changed meanwhile")
        return Notice(Level.ERROR, title, _("This is what it looks like now."))
    except StillUnconfirmed:
        return still_unconfirmed(services().store.waiting() is not None)
    except StoreError as error:
        return Notice(Level.ERROR, _("Not saved"), in_words(str(error)))


def _told() -> Notice:
    """What the daemon makes of the new file."""
    live = services().live
    try:
        result = live.reload()
    except ControlError as error:
        trouble = trouble_of(error, live.start_command)
        title = _("Saved, but not in use yet: ") + trouble.title
        return Notice(Level.WARNING, title, trouble.text)
    return _made_of_it(result)


def _made_of_it(result: Reloaded) -> Notice:
    store = services().store
    loaded = store.load()
    if not result.accepted and overwrites(loaded.package):
        return kept_though_refused(result)
    if not is_in_use(store.file, result):
        return outcome(Draft(loaded, (), loaded.package, loaded), store.file, result)
    title = _("The file is replaced; the daemon is using the new one.")
    return Notice(Level.SUCCESS, title, "", result.problems, is_applied=True)


ROUTES = (
    Route("POST", "/backup/broken", download_broken, right=Right.READ),
    Route("POST", "/backup/replace", replace_broken),
)
