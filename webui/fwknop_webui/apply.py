"""Save & Apply: write the staged changes, let the daemon take them, put things back if it won't."""

from __future__ import annotations

from fwknop_webui.check import check
from fwknop_webui.differences import differences
from fwknop_webui.i18n import _
from fwknop_webui.live import LiveDaemon, Reloaded
from fwknop_webui.notices import Level, Notice
from fwknop_webui.outcome import outcome
from fwknop_webui.sessions import Session
from fwknop_webui.settings_form import overwrites
from fwknop_webui.staging import Draft, Staging
from fwknop_webui.store import Store
from fwknop_webui.trouble import trouble_of
from fwknopd.control.client import ControlError
from fwknopd.uci_store import ConcurrentEdit, StoreError


def apply_staged(session: Session, store: Store, live: LiveDaemon) -> bool:
    """Apply what the session has staged; the outcome becomes its notice. True when it's saved.

    Whatever goes wrong, the staged changes stay, unless they are in the file.
    """
    draft = session.staging.on(store.load())
    if not draft.changes:
        session.notices.append(Notice(Level.INFO, _("There are no changes to apply.")))
        return True
    notice = _obstacle(draft, store) or _commit(draft, store)
    if notice is None:
        session.staging = Staging()
        notice = _reload(session, draft, store, live)
    session.notices.append(notice)
    return not session.staging


def conflict() -> Notice:
    """The file is not the one the changes were made on."""
    return Notice(
        Level.ERROR,
        _("Not applied: the configuration was changed by somebody else"),
        _(
            "Your changes are kept. Open Unsaved Changes to put them on top of the new version, "
            "or to revert them and start from what is there now."
        ),
    )


def _obstacle(draft: Draft, store: Store) -> Notice | None:
    if draft.is_stale:
        return conflict()
    errors = check(draft.package, store.file).errors
    if not errors:
        return None
    return Notice(
        Level.ERROR,
        _("Not applied: the daemon would not take this configuration"),
        _("Your changes are kept. Mend these first:"),
        errors,
    )


def _commit(draft: Draft, store: Store) -> Notice | None:
    try:
        store.commit(draft.changes, draft.base.etag)
    except ConcurrentEdit:
        return conflict()
    except StoreError as error:
        return Notice(Level.ERROR, _("Not saved"), f"{error} " + _("Your changes are kept."))
    return None


def _reload(session: Session, draft: Draft, store: Store, live: LiveDaemon) -> Notice:
    try:
        result = live.reload()
    except ControlError as error:
        trouble = trouble_of(error, live.start_command)
        return Notice(Level.WARNING, _("Saved, but not in use yet: ") + trouble.title, trouble.text)
    if result.accepted or not _concerned(draft):
        return outcome(draft, store.file, result)
    return _put_back(session, draft, store, result)


def _concerned(draft: Draft) -> bool:
    """Whether the daemon looks at these pages' file at all, before or after the change."""
    return overwrites(draft.package) or overwrites(draft.base.package)


def _put_back(session: Session, draft: Draft, store: Store, result: Reloaded) -> Notice:
    """The daemon keeps running with what it had; so the file must say the same again."""
    try:
        now = store.load()
        store.commit(differences(now.package, draft.base.package), now.etag)
        session.staging = Staging(store.load(), draft.changes)
    except StoreError as error:
        return Notice(
            Level.ERROR,
            _("The daemon refused the new configuration, and the old one could not be restored"),
            f"{error} " + _("The daemon still runs with the old one. Mend the new one:"),
            result.problems,
        )
    return Notice(
        Level.ERROR,
        _("Not applied: the daemon refused the new configuration"),
        _("The file is as it was before, and your changes are kept. The daemon says:"),
        result.problems,
    )
