"""Whether a field is right, asked as soon as somebody leaves it."""

from __future__ import annotations

from flask import jsonify, request
from flask.typing import ResponseReturnValue

from fwknop_webui.auth import Right
from fwknop_webui.field_check import fault
from fwknop_webui.routes import Route

MAX_ITEMS = 200
"""So many fit into a field."""


def check_field() -> ResponseReturnValue:
    """The error of one field, "" for none, and those of its items, which lists send one by one.

    Not in the address: what is typed is nobody's news.
    """
    form, option = (request.form.get(name, "") for name in ("form", "option"))
    items = request.form.getlist("value")[:MAX_ITEMS]
    faults = [fault(form, option, item) for item in items]
    return jsonify(error=next(filter(None, faults), ""), faults=faults)


ROUTES = (Route("POST", "/api/check", check_field, right=Right.READ),)
