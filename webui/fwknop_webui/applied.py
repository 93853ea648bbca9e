"""What became of changes this session applied: before any page, it learns of a rollback.

The changes are not lost with it: they are unsaved changes again, to be mended or dropped.
"""

from __future__ import annotations

from flask import g

from fwknop_webui.daemon_words import in_words
from fwknop_webui.i18n import _
from fwknop_webui.merge import merge
from fwknop_webui.notices import Level, Notice
from fwknop_webui.rollback import TakenBack
from fwknop_webui.services import current_session, services
from fwknop_webui.sessions import Applied, Session
from fwknopd.config.problems import ConfigError
from fwknopd.uci_store import StoreError


def settle() -> None:
    """Take back what is overdue, and tell the session of this request."""
    session = current_session()
    if session is None:
        return
    g.waiting = services().rollback.check()
    _tell(session)
    applied = session.applied
    if applied and (g.waiting is None or g.waiting.id != applied.id):
        _learn(session, applied)


def _tell(session: Session) -> None:
    last = services().rollback.last
    if last is None or session.told >= last.number:
        return
    mine = session.applied is not None and session.applied.id == last.id
    # Sessions of before are told, and the first one after it: the page may have been restarted.
    if session.created > last.moment and services().rollback.was_told and not mine:
        return
    session.told = last.number
    services().rollback.was_told = True
    if mine and not last.failure:
        stage_again(session)
    session.notices.append(_failure(last) if last.failure else _taken_back(last, mine=mine))


def _failure(last: TakenBack) -> Notice:
    return Notice(
        Level.ERROR,
        _("Nobody confirmed the new configuration, and the old one can't be put back"),
        in_words(last.failure) + " " + _("It is tried again every few seconds."),
    )


def _taken_back(last: TakenBack, *, mine: bool) -> Notice:
    if mine:
        text = _(
            "Your changes are kept under Unsaved Changes: look them over before you try again. "
            "If you are sure of them, apply them unchecked: then nobody has to confirm them."
        )
    else:
        text = _("They were applied by {user}.").format(user=last.user)
    if last.trouble:
        text = f"{text} " + _("The daemon could not be told:") + f" {in_words(_(last.trouble))}"
    title = _("The old configuration is back: nobody confirmed the new one in time")
    return Notice(Level.WARNING, title, text, is_again=mine)


def stage_again(session: Session) -> None:
    """After a rollback: what was applied is staged again, with what was staged since on top."""
    applied, session.applied = session.applied, None
    if applied is None:
        return
    earlier, staging = applied.draft, session.staging
    if staging and staging.base:
        later = staging.on(staging.base)
        merged = merge(staging.base.package, later.package, earlier.package)
        session.staging = earlier.with_package(merged.package).staging
    else:
        session.staging = earlier.staging


def _learn(session: Session, applied: Applied) -> None:
    """Somebody else decided: it is known how, or the file tells."""
    if not services().rollback.took_back(applied.id):
        try:
            now = services().store.load().etag
        except (StoreError, ConfigError):
            return
        if now != applied.draft.base.etag:
            session.applied = None
            return
    stage_again(session)
    text = _("Your changes are kept under Unsaved Changes.")
    session.notices.append(Notice(Level.INFO, _("The old configuration is back."), text))
