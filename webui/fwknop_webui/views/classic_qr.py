"""The QR codes of the stanzas in access.conf, without importing anything."""

from __future__ import annotations

from flask import request, url_for
from flask.typing import ResponseReturnValue

from fwknop_webui.classic_qr import CodePage, code_page
from fwknop_webui.i18n import _
from fwknop_webui.notices import Level, Notice
from fwknop_webui.pages import render
from fwknop_webui.recent_password import password_obstacle
from fwknop_webui.routes import Route
from fwknop_webui.views.imports import folder
from fwknopd.config.problems import ConfigError


def show_classic_qr() -> ResponseReturnValue:
    """The codes; asks for the password first when it was given long ago."""
    obstacle = password_obstacle(_ask)
    if obstacle is not None:
        return obstacle
    try:
        page = code_page(folder().parts(), _number())
    except ConfigError as error:
        title = _("The files can't be read")
        return _page(None, Notice(Level.ERROR, title, folder().trouble, error.problems)), 422
    return _page(page)


def _number() -> int:
    text = request.form.get("page", "1")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1


def _ask(trouble: str) -> str:
    return render(
        "password_again.html",
        "import_files",
        name=folder().access.name,
        action=url_for("show_classic_qr"),
        hidden={"page": _number()},
        back=url_for("import_files"),
        trouble=trouble,
    )


def _page(page: CodePage | None, *notices: Notice) -> str:
    return render("classic_qr.html", "import_files", page=page, folder=folder(), warnings=notices)


ROUTES = (Route("POST", "/import/qr", show_classic_qr),)
