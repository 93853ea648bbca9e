"""A form somebody is filling in keeps the page's process from ending."""

from __future__ import annotations

from flask import jsonify
from flask.typing import ResponseReturnValue

from fwknop_webui.routes import Route
from fwknop_webui.security import csrf_token
from fwknop_webui.services import services


def stay_awake() -> ResponseReturnValue:
    """That somebody asks is most of it (see behind).

    Forms that were open over a new login get the token of the session there is now.
    """
    return jsonify(now=services().clock.wall(), csrf=csrf_token())


# Polled: a form that was left alone must not keep its session for ever.
ROUTES = (Route("GET", "/api/awake", stay_awake, polled=True),)
