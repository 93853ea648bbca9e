"""Style sheet, script and icon."""

from __future__ import annotations

from flask import Response, abort, request
from flask.typing import ResponseReturnValue

from fwknop_webui.routes import Route
from fwknop_webui.services import services

FOREVER = "public, max-age=31536000, immutable"


def static_file(name: str) -> ResponseReturnValue:
    """One file under its hashed name; any other name is unknown."""
    asset = services().assets.find(name)
    if asset is None:
        abort(404)
    packed = bool(request.accept_encodings["gzip"])
    response = Response(asset.compressed if packed else asset.body, content_type=asset.content_type)
    response.headers["Cache-Control"] = FOREVER
    response.headers["Vary"] = "Accept-Encoding"
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    return response


ROUTES = (Route("GET", "/static/<name>", static_file, public=True),)
