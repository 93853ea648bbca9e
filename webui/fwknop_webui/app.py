"""The Flask application, put together from its parts."""

from __future__ import annotations

from flask import Flask

from fwknop_webui.errors import set_up_errors
from fwknop_webui.pages import set_up_templates
from fwknop_webui.routes import Route
from fwknop_webui.security import Guard
from fwknop_webui.services import EXTENSION, Services, WebConfig, build_services
from fwknop_webui.views import ROUTES

MAX_REQUEST_BYTES = 64 * 1024
MAX_FORM_PARTS = 200


def create_app(config: WebConfig, parts: Services | None = None) -> Flask:
    """The web page. ``parts`` replace the ones built from ``config`` (rpcd, tests)."""
    app = Flask("fwknop_webui", static_folder=None)
    app.config.update(
        # Set outright, so that no environment variable can switch the debugger on.
        DEBUG=False,
        TESTING=False,
        PROPAGATE_EXCEPTIONS=False,
        TRAP_HTTP_EXCEPTIONS=False,
        MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_REQUEST_BYTES,
        MAX_FORM_PARTS=MAX_FORM_PARTS,
        PROVIDE_AUTOMATIC_OPTIONS=False,
    )
    app.extensions[EXTENSION] = parts or build_services(config)
    set_up_templates(app)
    set_up_errors(app)
    Guard({route.endpoint: route for route in ROUTES}).attach(app)
    for route in ROUTES:
        _add(app, route)
    return app


def _add(app: Flask, route: Route) -> None:
    app.add_url_rule(route.rule, route.endpoint, route.view, methods=[route.method])
