"""Save & Apply: write the staged changes, let the daemon take them, and await confirmation.

Until somebody confirms them the changes can be taken back, and are after a while: see store
and rollback.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from functools import partial

from fwknop_webui.check import check
from fwknop_webui.daemon_words import in_words
from fwknop_webui.i18n import _
from fwknop_webui.live import Reloaded
from fwknop_webui.notices import Level, Notice
from fwknop_webui.outcome import is_in_use, outcome
from fwknop_webui.services import Services
from fwknop_webui.sessions import Applied, Session
from fwknop_webui.settings_form import overwrites
from fwknop_webui.staging import Draft, Staging
from fwknop_webui.store import StillUnconfirmed, UnsavedInLuci
from fwknop_webui.trouble import trouble_of
from fwknopd.control.client import ControlError
from fwknopd.uci_store import ConcurrentEdit, StoreError


class Ending(Enum):
    """How it went: ``WAITING`` for somebody to confirm or to take it back."""

    DONE = 1
    WAITING = 2
    FAILED = 3


def apply_staged(session: Session, parts: Services, target: str, *, checked: bool = True) -> Ending:
    """Apply what the session has staged, then go on to ``target``.

    Unless ``checked``, nobody has to confirm it: only what the daemon refuses waits. What came
    of it becomes the session's notice. Whatever goes wrong, the staged changes stay, unless
    they are in the file.
    """
    draft = session.staging.on(parts.store.load())
    if not draft.changes:
        session.notices.append(Notice(Level.INFO, _("There are no changes to apply.")))
        return Ending.DONE
    written = _obstacle(draft, parts) or _write(session, draft, parts)
    if isinstance(written, Notice):
        session.notices.append(written)
        return Ending.FAILED
    session.staging = Staging()
    end = _wait if checked else _keep
    made = partial(Applied, written, draft, target=target)
    return _reload(session, draft, parts, made, end)


def conflict() -> Notice:
    """The file is not the one the changes were made on."""
    return Notice(
        Level.ERROR,
        _("Not applied: the configuration was changed by somebody else"),
        _(
            "Your changes are kept. Under Unsaved Changes you put them on top of the new version, "
            "or revert them and start from what is there now."
        ),
    )


def _obstacle(draft: Draft, parts: Services) -> Notice | None:
    if draft.is_stale:
        return conflict()
    errors = check(draft.package, parts.store.file).errors
    if not errors:
        return None
    return Notice(
        Level.ERROR,
        _("Not applied: the daemon would not take this configuration"),
        _("Your changes are kept. Mend these first:"),
        errors,
    )


def _write(session: Session, draft: Draft, parts: Services) -> str | Notice:
    """The store's id for it, or what is in the way."""
    seconds = parts.config.confirm_seconds
    try:
        return parts.store.apply(draft.changes, draft.base.etag, session.username, seconds)
    except ConcurrentEdit:
        return conflict()
    except StillUnconfirmed:
        return still_unconfirmed(parts.store.waiting() is not None)
    except UnsavedInLuci as error:
        title = _("Not applied: LuCI has unsaved changes")
        text = _(
            "You came by LuCI's login, and with that everything unsaved is applied at once. In "
            "LuCI these are changed: {packages}. Apply or revert that there, then try again. "
            "Your changes here are kept."
        )
        return Notice(Level.ERROR, title, text.format(packages=error.packages))
    except StoreError as error:
        return Notice(
            Level.ERROR, _("Not saved"), f"{in_words(str(error))} " + _("Your changes are kept.")
        )


def still_unconfirmed(here: bool) -> Notice:
    """Earlier changes wait; ``here``: they can be confirmed on this page."""
    title = _("Not applied: the changes applied before are not confirmed yet")
    if here:
        text = _("Press “Not confirmed” above to keep them or to take them back, then try again.")
    else:
        text = _(
            "They were applied in LuCI, or by another program. Confirm them there, or wait a "
            "minute and a half; then try again."
        )
    return Notice(Level.ERROR, title, text)


def _reload(
    session: Session,
    draft: Draft,
    parts: Services,
    applied: Callable[[Notice], Applied],
    end: Callable[[Session, Services, Applied], Ending],
) -> Ending:
    try:
        result = parts.live.reload()
    except ControlError as error:
        trouble = trouble_of(error, parts.live.start_command)
        title = _("Saved, but not in use yet: ") + trouble.title
        notice = Notice(Level.WARNING, title, trouble.text)
        if error.is_down:
            return _keep(session, parts, applied(notice))
        return end(session, parts, applied(notice))
    if not result.accepted and _concerned(draft):
        refused = replace(applied(kept_though_refused(result)), refused=True)
        return _wait(session, parts, refused)
    notice = outcome(draft, parts.store.file, result)
    if is_in_use(parts.store.file, result) or _concerned(draft):
        return end(session, parts, applied(notice))
    return _keep(session, parts, applied(notice))


def _concerned(draft: Draft) -> bool:
    """Whether the daemon looks at these pages' file at all, before or after the change."""
    return overwrites(draft.package) or overwrites(draft.base.package)


def _keep(session: Session, parts: Services, applied: Applied) -> Ending:
    """Nothing runs from it, so it can lock nobody out; or somebody takes that on himself."""
    session.applied = applied
    try:
        kept = parts.rollback.confirm()
    except StoreError:
        # The page that waits for a confirmation tries it again.
        return _wait(session, parts, applied)
    if kept:
        session.applied = None
        session.notices.append(applied.notice)
    # If not, the next page says what became of it.
    return Ending.DONE


def _wait(session: Session, parts: Services, applied: Applied) -> Ending:
    session.applied = applied
    parts.rollback.watch()
    return Ending.WAITING


def kept_though_refused(result: Reloaded) -> Notice:
    """The daemon does not take what is in the file now."""
    return Notice(
        Level.ERROR,
        _("The file is kept, but the daemon refused it"),
        _("The daemon goes on with what it had, and will not start with this file. It says:"),
        result.problems,
    )
