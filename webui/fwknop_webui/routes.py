"""Every address of the web page, as data: views list their own, tests walk them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask.typing import ResponseReturnValue

from fwknop_webui.auth import Right


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a request may carry: bytes in all, and parts of a multipart form."""

    body: int
    parts: int


FORM = Limits(64 * 1024, 200)
LARGE_FORM = Limits(256 * 1024, 10)
"""For a form with rows for hundreds of clients."""

UPLOAD = Limits(384 * 1024, 10)
"""For files: some thousand clients, and little enough that nothing of it is put on a disk."""


@dataclass(frozen=True, slots=True)
class Route:
    """One rule and method. ``public`` needs no login; ``polled`` doesn't keep a session awake.

    ``foreign``: the form is on a page of somebody else's, so the view itself must make sure
    that it may be believed. ``right``: what its user must be allowed, where that isn't to look
    for GET and to change for all else.
    """

    method: str
    rule: str
    view: Callable[..., ResponseReturnValue]
    public: bool = False
    polled: bool = False
    foreign: bool = False
    limits: Limits = FORM
    right: Right | None = None

    @property
    def needed(self) -> Right:
        """What its user must be allowed."""
        if self.right is not None:
            return self.right
        return Right.READ if self.method == "GET" else Right.WRITE

    @property
    def endpoint(self) -> str:
        """Name for url_for: the view's own."""
        return self.view.__name__
