"""What all forms share: staging a draft, then Save or Save & Apply; guarding against old pages."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import replace

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui.apply import apply_staged
from fwknop_webui.check import Checked
from fwknop_webui.client_rows import section_labels
from fwknop_webui.i18n import _
from fwknop_webui.notices import Level, Notice
from fwknop_webui.outcome import remedy
from fwknop_webui.pages import notify
from fwknop_webui.services import require_session, services
from fwknop_webui.settings_form import overwrites
from fwknop_webui.staging import Draft
from fwknopd.config.problems import Problem, Severity
from fwknopd.config.uci_format import UciPackage


def base_seal(draft: Draft) -> str:
    """Which version of the file a form was made from.

    Ids of anonymous sections are positions: pressing Delete on an old page could hit another
    client. So every form brings back the version it was made from.
    """
    return services().seal("base", draft.base.etag)


def is_current(draft: Draft, given: str) -> bool:
    """Whether a form was made from this version of the file."""
    return hmac.compare_digest(base_seal(draft).encode(), given.encode())


def stage(draft: Draft) -> None:
    """Keep the draft's changes in the session."""
    require_session().staging = draft.staging


def stage_and_go(draft: Draft, endpoint: str, section: str | None = None) -> ResponseReturnValue:
    """After a good form: stage, apply if that button was pressed, and show the next page.

    ``section`` is the client whose page that is.
    """
    stage(draft)
    if request.form.get("do") == "apply":
        if not apply_staged(require_session(), services().store, services().live):
            return redirect(url_for("changes"), 303)
    elif draft.changes:
        notify(Level.INFO, _("Saved, but not in use yet."), _("Press Save & Apply when done."))
    return redirect(url_for(endpoint, section=section), 303)


def outdated_notice() -> Notice:
    """The form was made from another version of the file."""
    return Notice(
        Level.ERROR,
        _("Not saved: the configuration changed since this page was opened"),
        _("Compare what you typed with what is there now, then save again."),
    )


def problem_notices(draft: Draft, checked: Checked) -> list[Notice]:
    """What a page should say about the configuration as a whole, on top."""
    # The outcome of Save & Apply, shown on top of the same page, may say it already.
    pending = require_session().notices
    told_use = overwrites(draft.package) or any(notice.tells_use for notice in pending)
    notices = [] if told_use else [_not_in_use()]
    found = (*draft.current.problems, *checked.problems)
    told = {problem for notice in pending for problem in notice.problems}
    serious = [p for p in found if p.severity is not Severity.NOTE and p not in told]
    return [*notices, _found(draft.package, serious)] if serious else notices


def _not_in_use() -> Notice:
    return Notice(
        Level.WARNING,
        _("Not in use: “Enable config overwrite” is off"),
        _("The daemon goes by the files in /etc/fwknop, if there are any.") + " " + remedy(),
    )


def _found(package: UciPackage, problems: Sequence[Problem]) -> Notice:
    bad = any(item.severity is Severity.ERROR for item in problems)
    labels = section_labels(package)
    named = tuple(replace(p, section=labels.get(p.section, p.section)) for p in problems)
    title = _("The daemon will not take this configuration") if bad else _("Worth a look")
    return Notice(Level.ERROR if bad else Level.WARNING, title, "", named)
