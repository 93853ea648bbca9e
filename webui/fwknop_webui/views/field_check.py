"""Whether a field is right, asked as soon as somebody leaves it."""

from __future__ import annotations

from flask import jsonify, request
from flask.typing import ResponseReturnValue

from fwknop_webui.auth import Right
from fwknop_webui.field_check import fault
from fwknop_webui.routes import Route


def check_field() -> ResponseReturnValue:
    """The error of one field, "" for none. Not in the address: what is typed is nobody's news."""
    form, option, value = (request.form.get(name, "") for name in ("form", "option", "value"))
    return jsonify(error=fault(form, option, value))


ROUTES = (Route("POST", "/api/check", check_field, right=Right.READ),)
