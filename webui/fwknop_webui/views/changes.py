"""The unsaved changes: look at them, apply them, forget them, or put them on a newer file."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui.client_rows import section_labels
from fwknop_webui.editing import apply_and_go
from fwknop_webui.hosts import is_local_path
from fwknop_webui.i18n import _
from fwknop_webui.merge import Conflict, Merged, merge
from fwknop_webui.notices import Level
from fwknop_webui.pages import notify, render
from fwknop_webui.routes import Route
from fwknop_webui.saving import shown
from fwknop_webui.services import current_draft, require_session, services
from fwknop_webui.staging import Draft, Staging
from fwknopd.config.uci_changes import DeleteOption, DeleteSection, UciChange, as_commands
from fwknopd.config.uci_differences import differences
from fwknopd.config.uci_format import UciPackage

Labels = dict[str, str]

MAX_COMMANDS = 1000
"""Lines of each kind on one page."""


@dataclass(frozen=True, slots=True)
class Command:
    """A change as a uci command, and the colour it gets."""

    text: str
    css: str


@dataclass(frozen=True, slots=True)
class Row:
    """What both changed. Values are "" for an option that isn't there any more."""

    what: str
    option: str
    mine: str
    theirs: str


def changes() -> ResponseReturnValue:
    """The list."""
    draft = current_draft()
    back = request.args.get("back", "")
    stale = bool(draft.changes) and draft.is_stale
    return render(
        "changes.html",
        commands=_commands(draft.changes),
        stale=stale,
        theirs=_commands(_theirs(draft)) if stale else [],
        pending=_commands(draft.current.pending),
        conflicts=_rows(draft, _merged(draft)) if stale else [],
        seen=_seal(draft),
        back=back if is_local_path(back, request.script_root) else url_for("overview"),
    )


def apply_changes() -> ResponseReturnValue:
    """Save & Apply."""
    return apply_and_go(url_for("overview"))


def revert_changes() -> ResponseReturnValue:
    """Forget them."""
    require_session().staging = Staging()
    notify(Level.INFO, _("Your unsaved changes were reverted."))
    return redirect(url_for("clients"), 303)


def rebase_changes() -> ResponseReturnValue:
    """Put them on top of what somebody else saved meanwhile.

    "do" says whose values to take where both changed the same.
    """
    draft, choice = current_draft(), request.form.get("do", "")
    if not hmac.compare_digest(_seal(draft).encode(), request.form.get("seen", "").encode()):
        notify(Level.WARNING, _("The configuration was changed once more. Look at it again."))
        return redirect(url_for("changes"), 303)
    found = _merged(draft, prefer_mine=choice != "theirs")
    if found.conflicts and choice not in ("mine", "theirs"):
        notify(Level.ERROR, _("Both of you changed the same: choose whose to keep."))
    else:
        wanted = differences(draft.current.package, found.package)
        require_session().staging = Staging(draft.current, wanted) if wanted else Staging()
        notify(Level.INFO, _("Your changes now stand on top of the new version. Look them over."))
    return redirect(url_for("changes"), 303)


def _seal(draft: Draft) -> str:
    """Which state of the file, so that nobody agrees to a change that was not shown."""
    return services().seal("current", draft.current.etag)


def _merged(draft: Draft, *, prefer_mine: bool = True) -> Merged:
    current = draft.current.package
    return merge(draft.base.package, draft.package, current, prefer_mine=prefer_mine)


def _theirs(draft: Draft) -> tuple[UciChange, ...]:
    return differences(draft.base.package, draft.current.package)


def _rows(draft: Draft, found: Merged) -> list[Row]:
    labels = _labels(draft.base.package), _labels(draft.current.package)
    return [_row(item, *labels) for item in found.conflicts]


def _labels(package: UciPackage) -> Labels:
    """What to call the sections: clients by their names, others by their type."""
    types = {item.id: f"{item.type} {item.name or ''}".strip() for item in package.sections}
    return types | section_labels(package)


def _row(conflict: Conflict, before: Labels, now: Labels) -> Row:
    if not conflict.section:
        return Row(_("The order of the sections"), "", _("moved"), _("moved"))
    gone = not conflict.option and conflict.theirs is None
    what = (before if gone else now).get(conflict.section, conflict.section)
    if conflict.option:
        mine, theirs = (shown(conflict.option, v) for v in (conflict.mine, conflict.theirs))
        return Row(what, conflict.option, mine, theirs)
    deleted, changed = _("deleted"), _("changed")
    return Row(what, "", changed, deleted) if gone else Row(what, "", deleted, changed)


def _commands(found: tuple[UciChange, ...]) -> list[Command]:
    return [command for change in found for command in commands_of(change)][:MAX_COMMANDS]


def commands_of(change: UciChange) -> list[Command]:
    """One change as uci commands, keys masked."""
    css = "removed" if isinstance(change, DeleteSection | DeleteOption) else "added"
    return [Command(text, css) for text in as_commands([change])]


ROUTES = (
    Route("GET", "/changes", changes),
    Route("POST", "/changes/apply", apply_changes),
    Route("POST", "/changes/revert", revert_changes),
    Route("POST", "/changes/rebase", rebase_changes),
)
