"""What lies between two pages: shown for a look on one, and taken or dropped on the next.

It may hold keys, so it stays in the memory of the session and is sent to nobody.
"""

from __future__ import annotations

from typing import TypeVar

from fwknop_webui.services import require_session
from fwknop_webui.sessions import Held

T = TypeVar("T")


def hold(content: object) -> None:
    """Keep something for the next page, in place of whatever was kept before."""
    require_session().held = Held(content)


def held(kind: type[T]) -> tuple[T, str] | None:
    """What is kept, if it is of that kind, and its token."""
    found = require_session().held
    if found is None or not isinstance(found.content, kind):
        return None
    return found.content, found.token


def drop() -> None:
    """Forget it."""
    require_session().held = None
