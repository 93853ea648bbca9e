"""Clients stay ticked while somebody turns over the pages of their list, or searches it.

The ticks of other pages are in the form, and in the session from one page to the next. Who comes
to the list anew finds none, so that no key is printed which nobody has just chosen.
"""

from __future__ import annotations

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui.auth import Right
from fwknop_webui.matching import matched
from fwknop_webui.routes import Route
from fwknop_webui.services import require_session, services
from fwknop_webui.sheet_choice import SheetChoice
from fwknop_webui.staging import Draft


def turn_over() -> ResponseReturnValue:
    """Another page of the list, or another search; the button says which."""
    form = request.form
    wanted = SheetChoice.from_form(form)
    ticked = () if "untick" in form else wanted.ticked
    require_session().ticked = (form.get("base", ""), ticked)
    search, state = ("", "") if "all" in form else (wanted.search, wanted.state)
    target = url_for(
        "clients",
        page=form.get("page") or None,
        q=search or None,
        state=state or None,
        kept=1 if ticked else None,
    )
    return redirect(target, 303)


def kept_ticks(draft: Draft) -> tuple[str, ...]:
    """The ids, in the draft, of what was ticked on the page somebody comes from."""
    base, ticked = require_session().ticked
    version = services().versions.find(base) if "kept" in request.args else None
    if version is None:
        return ()
    places = matched(version.on(draft).package, draft.package, certain=True)
    return tuple(places[section] for section in ticked if section in places)


ROUTES = (Route("POST", "/ticks", turn_over, right=Right.READ),)
