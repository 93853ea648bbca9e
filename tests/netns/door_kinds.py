"""Every kind of door in words, and what is behind it, for tests on the router of `conftest`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fwknopd.grants import Door
from tests.netns.conftest import (
    CLIENT,
    CLIENT6,
    HOST,
    HOST6,
    ROUTER,
    ROUTER6,
    ROUTER_LAN,
    STRANGER,
    STRANGER6,
)
from tests.unit.firewall.doors import door

ROUTER_LAN6 = "2001:db8:100::1"
# A host, an open door and a closed one, as they greet.
AT_HOST, AT_OTHER, AT_ROUTER = "host", "host, other port", "router"


@dataclass(frozen=True)
class Side:
    """The same places in one family's addresses. ``near`` takes in the client, not the stranger."""

    client: str
    stranger: str
    router: str
    router_lan: str
    host: str
    near: int
    both: int


IPV4 = Side(CLIENT, STRANGER, ROUTER, ROUTER_LAN, HOST, 29, 28)
IPV6 = Side(CLIENT6, STRANGER6, ROUTER6, ROUTER_LAN6, HOST6, 125, 124)


@dataclass(frozen=True)
class Kind:
    """A kind of door: what it opens (in words of `door`), and what a client finds behind it.

    Words in braces are places of a Side. ``shut`` are places that stay shut to the client.
    """

    spec: str
    nat: str = ""
    opens: tuple[tuple[str, int, str], ...] = ()
    shut: tuple[tuple[str, int], ...] = ()
    at: str = ""
    local: bool = False
    translate: bool = True

    def door(self, side: Side, **more: Any) -> Door:
        return door(
            side.client,
            self.spec,
            self.nat.format_map(vars(side)),
            at=self.at.format_map(vars(side)),
            local=self.local,
            translate=self.translate,
            **more,
        )


ROUTER_IS_SHUT = (("{router}", 7000), ("{host}", 7000))
KINDS = {
    "plain": Kind(
        "tcp/7000",
        opens=(("{router}", 7000, AT_ROUTER), ("{router_lan}", 7000, AT_ROUTER)),
        shut=(("{router}", 22), ("{host}", 7000)),
    ),
    "plain, one address": Kind(
        "tcp/7000",
        at="{router}",
        opens=(("{router}", 7000, AT_ROUTER),),
        shut=(("{router_lan}", 7000), ("{router}", 22)),
    ),
    "local": Kind(
        "tcp/4000",
        "{router}:7000",
        local=True,
        opens=(("{router}", 4000, AT_ROUTER), ("{router_lan}", 4000, AT_ROUTER)),
        shut=ROUTER_IS_SHUT,
    ),
    "local, one address": Kind(
        "tcp/4000",
        "{router}:7000",
        local=True,
        at="{router}",
        opens=(("{router}", 4000, AT_ROUTER),),
        shut=(*ROUTER_IS_SHUT, ("{router_lan}", 4000)),
    ),
    "local, untranslated": Kind(
        "tcp/4000",
        "{router}:7000",
        local=True,
        translate=False,
        opens=(("{router}", 7000, AT_ROUTER),),
        shut=(("{router}", 4000), ("{router_lan}", 7000)),
    ),
    "forwarded": Kind(
        "tcp/4000",
        "{host}:7000",
        opens=(("{router}", 4000, AT_HOST), ("{router_lan}", 4000, AT_HOST)),
        shut=ROUTER_IS_SHUT,
    ),
    "forwarded, port unchanged": Kind(
        "tcp/7001",
        "{host}:0",
        opens=(("{router}", 7001, AT_OTHER),),
        shut=(*ROUTER_IS_SHUT, ("{host}", 7001)),
    ),
    "forwarded, one address": Kind(
        "tcp/4000",
        "{host}:7000",
        at="{router}",
        opens=(("{router}", 4000, AT_HOST),),
        shut=(*ROUTER_IS_SHUT, ("{router_lan}", 4000)),
    ),
    "untranslated": Kind(
        "tcp/4000",
        "{host}:7000",
        translate=False,
        opens=(("{host}", 7000, AT_HOST),),
        shut=(("{router}", 4000), ("{router}", 7000), ("{host}", 7001)),
    ),
    "everything to one host": Kind(
        "all",
        "{host}:0",
        opens=(("{router}", 7000, AT_HOST), ("{router_lan}", 7001, AT_OTHER)),
    ),
    "everything to one host, one address": Kind(
        "all",
        "{host}:0",
        at="{router}",
        opens=(("{router}", 7000, AT_HOST), ("{router}", 7001, AT_OTHER)),
        shut=(("{router_lan}", 7000), ("{host}", 7000)),
    ),
    "everything to one host, untranslated": Kind(
        "all",
        "{host}:0",
        translate=False,
        opens=(("{host}", 7000, AT_HOST), ("{host}", 7001, AT_OTHER)),
        shut=(("{router}", 7000),),
    ),
    "everything forwarded": Kind(
        "all",
        opens=(("{host}", 7000, AT_HOST), ("{host}", 7001, AT_OTHER)),
        shut=(("{router}", 7000),),
    ),
}


def place(side: Side, kind: Kind) -> tuple[str, int]:
    """An address and port that a door of this kind opens."""
    address, port, _ = kind.opens[0]
    return address.format_map(vars(side)), port
