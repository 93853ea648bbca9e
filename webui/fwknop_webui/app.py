"""The Flask application, put together from its parts."""

from __future__ import annotations

from io import BytesIO
from typing import IO

from flask import Flask, Request
from jinja2 import FunctionLoader

from fwknop_webui.applied import settle
from fwknop_webui.data import template
from fwknop_webui.errors import set_up_errors
from fwknop_webui.i18n import CHOSEN
from fwknop_webui.luci_language import LuciLanguage
from fwknop_webui.one_at_a_time import UntilSent
from fwknop_webui.pages import set_up_templates
from fwknop_webui.routes import FORM, UPLOAD, Route
from fwknop_webui.security import Guard
from fwknop_webui.services import EXTENSION, Services, WebConfig, build_services
from fwknop_webui.views import ROUTES

MAX_REQUEST_BYTES = UPLOAD.body
"""What the server in front has to let through; each page has limits of its own."""


class LimitedRequest(Request):
    """A request whose limits can be set for each page, which Flask before 3.1 can't do."""

    max_content_length: int | None = FORM.body
    max_form_memory_size: int | None = FORM.body
    max_form_parts: int | None = FORM.parts

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        """Uploads hold keys: whatever their size, they must not lie in a temporary file."""
        return BytesIO()


def create_app(config: WebConfig, parts: Services | None = None) -> Flask:
    """The web page. ``parts`` replace the ones built from ``config`` (rpcd, tests)."""
    app = Flask("fwknop_webui", static_folder=None)
    app.jinja_loader = FunctionLoader(template)
    app.request_class = LimitedRequest
    app.config.update(
        # Set outright, so that no environment variable can switch the debugger on.
        DEBUG=False,
        TESTING=False,
        PROPAGATE_EXCEPTIONS=False,
        TRAP_HTTP_EXCEPTIONS=False,
        PROVIDE_AUTOMATIC_OPTIONS=False,
    )
    services = parts or build_services(config)
    app.extensions[EXTENSION] = services
    app.extensions[CHOSEN] = LuciLanguage(config.uci.with_name("luci")).chosen
    set_up_templates(app)
    set_up_errors(app)
    Guard({route.endpoint: route for route in ROUTES}).attach(app)
    app.before_request(settle)
    app.wsgi_app = UntilSent(app.wsgi_app)  # type: ignore[method-assign]
    for route in ROUTES:
        _add(app, route)
    # An earlier run may have left changes that nobody confirmed.
    services.rollback.watch()
    return app


def _add(app: Flask, route: Route) -> None:
    app.add_url_rule(route.rule, route.endpoint, route.view, methods=[route.method])
