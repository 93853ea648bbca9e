"""What all forms share: staging a draft, then Save or Save & Apply; guarding against old pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui.apply import Ending, apply_staged
from fwknop_webui.check import Checked
from fwknop_webui.i18n import _
from fwknop_webui.matching import matched
from fwknop_webui.notices import Level, Notice
from fwknop_webui.outcome import remedy
from fwknop_webui.pages import notify
from fwknop_webui.saving import Combined
from fwknop_webui.services import require_session, services
from fwknop_webui.settings_form import overwrites
from fwknop_webui.snapshot import named
from fwknop_webui.staging import Draft
from fwknopd.config.problems import Problem, Severity
from fwknopd.config.uci_config import is_unsaid
from fwknopd.config.uci_format import UciPackage

UNCHECKED = "unchecked"
"""What the button "Apply unchecked" sends."""


class ListChanged(Exception):
    """A button of the list of clients was pressed on a page that shows another list."""


def base_seal(draft: Draft) -> str:
    """Which version of the configuration a form was made from (see versions)."""
    return services().versions.name(draft)


def opened_draft(draft: Draft, given: str) -> Draft | None:
    """What the pages showed when the form was made; None when that is too long ago."""
    version = services().versions.find(given)
    return version.on(draft) if version else None


def is_current(draft: Draft, given: str, section: str = "") -> bool:
    """Whether a form was made from this version of the file.

    With ``section``: and that id still is the same client's, whatever was staged since.
    """
    version = services().versions.find(given)
    if version is None or version.base.etag != draft.base.etag:
        return False
    if not section or version.changes == draft.changes:
        return True
    return matched(version.on(draft).package, draft.package).get(section) == section


def is_unchanged(draft: Draft, given: str) -> bool:
    """Whether the page showed just this: the same file with the same staged changes."""
    version = services().versions.find(given)
    return is_current(draft, given) and version is not None and version.changes == draft.changes


def stage(draft: Draft) -> None:
    """Keep the draft's changes in the session."""
    require_session().staging = draft.staging


def stage_and_go(
    draft: Draft,
    endpoint: str,
    section: str | None = None,
    *,
    merged: bool = False,
    news: tuple[str, str] | None = None,
) -> ResponseReturnValue:
    """After a good form: stage, apply if that button was pressed, and show the next page.

    ``section`` is the client whose page that is. ``merged``: others' changes came in between.
    ``news``: what was done, and what comes next, told in one message with the rest.
    """
    stage(draft)
    if merged:
        title = _("The configuration was changed while you filled in the form")
        notify(Level.INFO, title, _("Your changes were put beside those; nothing was lost."))
    target = url_for(endpoint, section=section)
    is_applied = request.form.get("do") in ("apply", UNCHECKED)
    if news:
        title, text = news
        rest = "" if is_applied else _("It is not in use yet: press Save & Apply when done.")
        notify(Level.INFO, title, f"{text} {rest}".rstrip())
    elif draft.changes and not is_applied:
        notify(Level.INFO, _("Saved, but not in use yet."), _("Press Save & Apply when done."))
    return apply_and_go(target) if is_applied else redirect(target, 303)


def apply_and_go(target: str) -> ResponseReturnValue:
    """Apply what is staged, and show ``target``, by way of the confirmation if one is due."""
    checked = request.form.get("do") != UNCHECKED
    ending = apply_staged(require_session(), services(), target, checked=checked)
    endpoint = {Ending.WAITING: "applied", Ending.FAILED: "changes"}.get(ending)
    return redirect(url_for(endpoint) if endpoint else target, 303)


def unsettled(draft: Draft, endpoint: str) -> ResponseReturnValue | None:
    """Where to go before all is replaced or added to, when the file is not what pages show.

    There nobody could tell what would become of what somebody else saved since. From where
    that is decided a link leads back to ``endpoint``.
    """
    if not draft.changes or not draft.is_stale:
        return None
    title = _("First decide what becomes of your unsaved changes")
    text = _("The file was changed since you made them. Keep or revert them; then you can go on.")
    notify(Level.ERROR, title, text)
    return redirect(url_for("changes", after=endpoint), 303)


def outdated_notice() -> Notice:
    """The form was made from another version of the file."""
    return Notice(
        Level.ERROR,
        _("Not saved: the configuration changed since this page was opened"),
        _("Compare what you typed with what is there now, then save again."),
    )


def contested_notice(combined: Combined) -> Notice:
    """Somebody else changed the same meanwhile."""
    title = _("Not saved: somebody else changed the same meanwhile")
    if combined.problems:
        text = _("Together, the changes are nothing the daemon would take:")
        return Notice(Level.ERROR, title, text, combined.problems)
    names = ", ".join(item.option for item in combined.conflicts if item.option)
    if names:
        text = _("Look at {names} below. What you typed is kept; everything else is up to date.")
    else:
        text = _("Look the form over. What you typed is kept; everything else is up to date.")
    return Notice(Level.ERROR, title, text.format(names=names))


def problem_notices(draft: Draft, checked: Checked) -> list[Notice]:
    """What a page should say about the configuration as a whole, on top."""
    # The outcome of Save & Apply, shown on top of the same page, may say it already.
    pending = require_session().notices
    told_use = overwrites(draft.package) or any(notice.tells_use for notice in pending)
    found = (*draft.current.problems, *checked.problems)
    told = {problem for notice in pending for problem in notice.problems}
    serious = [p for p in found if p.severity is not Severity.NOTE and p not in told]
    if not told_use:
        return [_not_in_use(draft.package, serious)]
    return [_found(draft.package, serious)] if serious else []


def _not_in_use(package: UciPackage, problems: Sequence[Problem]) -> Notice:
    """One message with what else there is to say, so that the page begins before the fold."""
    text = _("The daemon goes by the files in /etc/fwknop, if there are any.")
    title = _("Not in use: “Enable config overwrite” is off")
    if is_unsaid(package):
        text = _("The daemon uses neither this nor the files in /etc/fwknop: nobody can knock.")
        title = _("Not in use: OpenWISP had no value for “Enable config overwrite”")
    text = f"{text} {remedy()}"
    if not problems:
        return Notice(Level.WARNING, title, text)
    found = _found(package, problems)
    return replace(found, title=title, text=f"{text} {found.title}:")


def _found(package: UciPackage, problems: Sequence[Problem]) -> Notice:
    bad = any(item.severity is Severity.ERROR for item in problems)
    shown = named(problems, package)
    title = _("The daemon will not take this configuration") if bad else _("Worth a look")
    return Notice(Level.ERROR if bad else Level.WARNING, title, "", shown)
