"""Every address of the web page, as data: views list their own, tests walk them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask.typing import ResponseReturnValue


@dataclass(frozen=True, slots=True)
class Route:
    """One rule and method. ``public`` needs no login; ``polled`` doesn't keep a session awake."""

    method: str
    rule: str
    view: Callable[..., ResponseReturnValue]
    public: bool = False
    polled: bool = False

    @property
    def endpoint(self) -> str:
        """Name for url_for: the view's own."""
        return self.view.__name__
