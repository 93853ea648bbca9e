"""The pages, one module each. ``ROUTES`` is every address there is."""

from __future__ import annotations

from fwknop_webui.routes import Route
from fwknop_webui.views import (
    advanced,
    applied,
    awake,
    backup,
    changes,
    classic_qr,
    client,
    client_actions,
    clients,
    diagnostics,
    handover,
    imports,
    login,
    logs,
    metrics,
    overview,
    qr,
    revoke,
    rotate,
    service,
    settings,
    static,
)

ROUTES: tuple[Route, ...] = (
    *static.ROUTES,
    *login.ROUTES,
    *handover.ROUTES,
    *overview.ROUTES,
    *awake.ROUTES,
    *revoke.ROUTES,
    *clients.ROUTES,
    *client.ROUTES,
    *client_actions.ROUTES,
    *rotate.ROUTES,
    *qr.ROUTES,
    *settings.ROUTES,
    *advanced.ROUTES,
    *imports.ROUTES,
    *classic_qr.ROUTES,
    *backup.ROUTES,
    *logs.ROUTES,
    *metrics.ROUTES,
    *diagnostics.ROUTES,
    *service.ROUTES,
    *changes.ROUTES,
    *applied.ROUTES,
)
