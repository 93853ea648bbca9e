"""The daemon in numbers, for scrapers: a token instead of a login, plain text instead of pages."""

from __future__ import annotations

import logging

from flask import Response, request

from fwknop_webui.live import NO_METRICS, WRONG_TOKEN
from fwknop_webui.password_try import address
from fwknop_webui.routes import Route
from fwknop_webui.services import services
from fwknopd.control.client import ControlError
from fwknopd.openmetrics import CONTENT_TYPE, PLAIN_CONTENT_TYPE, plain

log = logging.getLogger(__name__)

LONGEST_TOKEN = 256
"""Characters."""


def metrics() -> Response:
    """OpenMetrics text; names of clients only with ``by_client=1``."""
    token = _token()
    if not token:
        return _refusal(401, "Send the token: Authorization: Bearer TOKEN")
    # Before the daemon has made all the numbers, not after.
    if not services().scrapes.has_room():
        return _too_often()
    wait = services().scrapes.wrong.begin(address())
    if wait:
        return _refusal(429, "Too many wrong tokens", wait)
    return _answer(token)


def _answer(token: str) -> Response:
    wrong, by_client = services().scrapes.wrong, request.args.get("by_client") == "1"
    try:
        text = services().live.metrics(token, by_client=by_client)
    except ControlError as error:
        if error.code == WRONG_TOKEN:
            if wrong.failed(address()):
                log.warning("too many wrong tokens from %s: locked for a while", address())
            return _refusal(401, "This is not the token")
        wrong.abandoned(address())
        return _refusal(404 if error.code == NO_METRICS else 503, str(error))
    except BaseException:
        wrong.abandoned(address())
        raise
    wrong.succeeded(address())
    # Others may have come meanwhile. Only who gets the numbers is counted.
    if not services().scrapes.take():
        return _too_often()
    if _knows_plain_only():
        return Response(plain(text), content_type=PLAIN_CONTENT_TYPE)
    return Response(text, content_type=CONTENT_TYPE)


def _knows_plain_only() -> bool:
    accepted = request.headers.get("Accept", "")
    return "text/plain" in accepted and "openmetrics" not in accepted


def _too_often() -> Response:
    return _refusal(429, "Too often", 1)


def _token() -> str:
    """The token that was sent, "" if there is none that could be one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    usable = scheme.lower() == "bearer" and token.isascii() and len(token) <= LONGEST_TOKEN
    return token if usable else ""


def _refusal(code: int, why: str, wait: int = 0) -> Response:
    answer = Response(f"{why}\n", code, content_type="text/plain; charset=utf-8")
    if code == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    if wait:
        answer.headers["Retry-After"] = str(wait)
    return answer


# Public: who has the token needs no login. Polled: a login that is there all the same stays as
# it is.
ROUTES = (Route("GET", "/metrics", metrics, public=True, polled=True),)
