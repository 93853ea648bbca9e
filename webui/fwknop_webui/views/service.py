"""Starting, restarting and stopping the daemon, and whether it starts at boot."""

from __future__ import annotations

from flask import abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui.i18n import _
from fwknop_webui.i18n import noop as N_
from fwknop_webui.notices import Level
from fwknop_webui.pages import notify, render
from fwknop_webui.routes import Route
from fwknop_webui.service_control import Action, ServiceFailed
from fwknop_webui.services import services

_DONE = {
    Action.START: N_("The daemon is started."),
    Action.STOP: N_("The daemon is stopped."),
    Action.RESTART: N_("The daemon is restarted."),
    Action.ENABLE: N_("The daemon will start at boot."),
    Action.DISABLE: N_("The daemon will not start at boot any more."),
}


def stop_service() -> ResponseReturnValue:
    """Ask whether to stop it."""
    if services().service.is_enabled() is None:
        abort(404)
    return render("stop_service.html", "overview")


def control_service() -> ResponseReturnValue:
    """Do what the button says."""
    try:
        action = Action(request.form.get("do", ""))
    except ValueError:
        abort(400)
    if services().service.is_enabled() is None:
        abort(404)
    try:
        services().service.run(action)
    except ServiceFailed as error:
        notify(Level.ERROR, _("The system could not do that"), str(error))
    else:
        notify(Level.SUCCESS, _(_DONE[action]))
    return redirect(url_for("overview"), 303)


ROUTES = (
    Route("GET", "/service/stop", stop_service),
    Route("POST", "/service", control_service),
)
