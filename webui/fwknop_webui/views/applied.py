"""Behind Save & Apply: keep the changes, or take them back."""

from __future__ import annotations

from flask import g, redirect, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui.applied import stage_again
from fwknop_webui.daemon_words import in_words
from fwknop_webui.i18n import _
from fwknop_webui.notices import Level, Notice
from fwknop_webui.pages import notify, render
from fwknop_webui.routes import Route
from fwknop_webui.services import require_session, services
from fwknop_webui.store import Waiting
from fwknopd.uci_store import StoreError

RELOAD_SECONDS = 10
"""How often the page looks anew where no script does: that shows the seconds left."""


def applied() -> ResponseReturnValue:
    """What waits, and for how long. A browser with scripts confirms by itself."""
    waiting: Waiting | None = g.get("waiting")
    return _page(waiting) if waiting else redirect(url_for("overview"), 303)


def _page(waiting: Waiting, trouble: Notice | None = None) -> str:
    session = require_session()
    mine = session.applied
    told = list(session.notices)
    page = render(
        "applied.html",
        trouble=trouble,
        mine=mine,
        user=waiting.user,
        left=waiting.left,
        target=mine.target if mine else url_for("overview"),
        is_refused=mine is not None and mine.refused,
        reload_after=int(min(RELOAD_SECONDS, waiting.left + 1)),
    )
    # A browser with scripts leaves this page at once: what it says is said again on the next.
    session.notices = told
    return page


def _undecided(error: StoreError) -> ResponseReturnValue:
    """It was not done, and may be tried again: the script does as long as this is no redirect."""
    waiting: Waiting | None = g.get("waiting")
    if waiting is None:
        raise error
    title = _("Nothing is decided yet: the changes still wait for a confirmation")
    return _page(waiting, Notice(Level.ERROR, title, in_words(str(error)))), 503


def keep_changes() -> ResponseReturnValue:
    """The browser reaches the page, or somebody says so."""
    session = require_session()
    try:
        kept = services().rollback.confirm()
    except StoreError as error:
        return _undecided(error)
    if not kept:
        # Too late; the next page says what became of it.
        return redirect(url_for("overview"), 303)
    mine, session.applied = session.applied, None
    if mine is None:
        notify(Level.INFO, _("The new configuration is kept."))
        return redirect(url_for("overview"), 303)
    session.notices.append(mine.notice)
    return redirect(mine.target, 303)


def take_back_changes() -> ResponseReturnValue:
    """Somebody wants the old configuration back."""
    session = require_session()
    try:
        trouble = services().rollback.undo()
    except StoreError as error:
        return _undecided(error)
    if trouble is None:
        return redirect(url_for("overview"), 303)
    text = _("The daemon uses it again.")
    if trouble:
        text = _("The daemon could not be told:") + f" {_(trouble)}"
    if session.applied:
        text += " " + _("Your changes are kept under Unsaved Changes.")
        stage_again(session)
    notify(Level.WARNING if trouble else Level.INFO, _("The old configuration is back."), text)
    return redirect(url_for("changes"), 303)


ROUTES = (
    Route("GET", "/changes/applied", applied),
    Route("POST", "/changes/keep", keep_changes),
    Route("POST", "/changes/undo", take_back_changes),
)
