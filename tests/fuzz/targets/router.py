"""What the router's own programs answer: netifd, uhttpd with rpcd behind it, and our relay."""

from __future__ import annotations

import http.client
import io
import json
from collections.abc import Iterator
from functools import cache
from http.client import HTTPConnection
from random import Random
from typing import Any, BinaryIO, cast

from fwknop_webui.auth import AuthError, Login
from fwknop_webui.front import FRONT, Front
from fwknop_webui.luci_language import LuciLanguage
from fwknop_webui.relay import Relayed, Use, parse_front, plain_address
from fwknop_webui.rpcd import Rpcd
from fwknop_webui.rpcd_login import RpcdLogin
from fwknop_webui.rpcd_store import RpcdStore
from fwknopd.config.device_names import is_device_name
from fwknopd.config.problems import ConfigError
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.network import NetworkError, find_device, parse_dump
from fwknopd.uci_store import StoreError
from tests.fuzz.mutators import json_values, one_of, parts
from tests.fuzz.target import Mutator, Target
from tests.fuzz.targets.state import kept
from tests.interop.spa_vectors import DATA
from tests.web.clock import HandClock

SAMPLES = DATA.parent / "ubus"


def check_netifd(data: bytes) -> None:
    """Networks or NetworkError; of each a device with a name a device can have, or that error."""
    try:
        networks = parse_dump(data.decode("utf-8", "replace"))
    except NetworkError as error:
        assert str(error)
        return
    for name in (*(network.name for network in networks), "wan"):
        try:
            assert is_device_name(find_device(networks, name))
        except NetworkError as error:
            assert str(error)


def netifd_seeds() -> list[bytes]:
    texts = [json.loads(p.read_text()) for p in sorted(SAMPLES.glob("network.interface.dump-*"))]
    fields = ("interface", "up", "device", "l3_device", "dynamic", "proto")
    short = [
        {"interface": [{k: v for k, v in i.items() if k in fields} for i in text["interface"]]}
        for text in texts
    ]
    circle = {"interface": [{"interface": "wan", "up": True, "l3_device": "@wan"}]}
    return [json.dumps(text).encode() for text in (*short, circle)]


# uhttpd and rpcd: the bytes are all that comes over the connection.


class Wire:
    """A socket of which only what it has to say is known."""

    def __init__(self, said: bytes) -> None:
        self._said = cast(BinaryIO, io.BufferedReader(io.BytesIO(said)))

    def makefile(self, _mode: str) -> BinaryIO:
        return self._said

    def sendall(self, _data: bytes) -> None:
        return

    def settimeout(self, _seconds: float) -> None:
        return

    def close(self) -> None:
        return


class Wired(Rpcd):
    """rpcd, each of whose connections says the same."""

    def __init__(self, said: bytes) -> None:
        super().__init__()
        self._said = said
        self._front = Front("127.0.0.1", 80, tls=False)

    def _connection(self, front: Front, seconds: float) -> HTTPConnection:
        connection = http.client.HTTPConnection(front.host, front.port)
        connection.sock = Wire(self._said)
        return connection


def check_rpcd(data: bytes) -> None:
    """A value or the error of the store or of the login, whatever comes over the connection."""
    rpcd = Wired(data)
    login = Login("0123456789abcdef" * 2)
    store = RpcdStore(rpcd, lambda: login, HandClock().clock)
    try:
        loaded = store.load()
        configuration_from_uci(loaded.package, "f")
    except (StoreError, ConfigError) as error:
        assert str(error)
    assert isinstance(store.networks(), dict)
    for ask in (
        lambda: RpcdLogin(rpcd).authenticate("root", "secret"),
        lambda: RpcdLogin(rpcd).take_over(login.rpcd),
        lambda: store.apply([], "etag", "root", 90.0),
    ):
        try:
            ask()
        except (AuthError, StoreError) as error:
            assert str(error)


def http_answer(body: bytes, *, chunked: bool = False) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    if chunked:
        return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    return head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def rpcd_seeds() -> list[bytes]:
    section = {".type": "access", ".name": "cfg01", ".anonymous": True, ".index": 0, "KEY": "x"}
    results: list[Any] = [
        {"values": {"cfg01": {**section, "OPEN_PORTS": ["tcp/22", "udp/53"]}}},
        {"values": {"username": "root"}, "access": True},
        json.loads((SAMPLES / "session.login.json").read_text()) | {"acls": {}},
        {"access": True},
        {"changes": {"network": [["set", "x"]]}},
        *(json.loads(seed) for seed in netifd_seeds()[:1]),
    ]
    answers: list[Any] = [{"jsonrpc": "2.0", "id": 1, "result": [0, result]} for result in results]
    answers += [{"result": [6]}, {"result": [0]}, {"error": {"code": -32002, "message": "x"}}]
    bodies = [json.dumps(answer).encode() for answer in answers]
    return [*map(http_answer, bodies), http_answer(bodies[0], chunked=True)]


def json_body(words: tuple[str, ...]) -> Mutator:
    """The body changed as a JSON value, the length put right."""
    change = json_values(words)

    def mutate(data: bytes, random: Random) -> bytes:
        body = data.partition(b"\r\n\r\n")[2].strip()
        if b"chunked" in data:
            body = body.partition(b"\r\n")[2].removesuffix(b"\r\n0").strip()
        return http_answer(change(body, random), chunked=random.random() < 0.1)

    return mutate


# The relay: a line for each of its headers, then a UCI file with LuCI's language.


def check_relay(data: bytes) -> None:
    """Nobody gets in without the secret; what the relay says of itself is an address or nothing."""
    text = data.decode("latin-1")
    secret, client, front, *_ = [*text.split("\n"), "", "", ""]
    assert plain_address(client) == plain_address(plain_address(client))
    seen = parse_front(front)
    assert seen is None or (0 < seen.port <= 65535 and seen.host)
    told: list[str] = []

    def app(environ: dict[str, Any], start: Any) -> list[bytes]:
        assert "\n" not in environ["REMOTE_ADDR"]
        assert environ[FRONT] is None or isinstance(environ[FRONT], Front)
        told.append("in")
        return []

    def refuse(*_: Any) -> Any:
        told.append("refused")

    headers = {"X_FWKNOP_RELAY": secret, "X_FWKNOP_CLIENT": client, "X_FWKNOP_FRONT": front}
    environ = {f"HTTP_{name}": value for name, value in headers.items()}
    list(Relayed(app, SECRET, Use())(environ, refuse))
    assert told == ["in" if secret == SECRET else "refused"]
    assert isinstance(LuciLanguage(kept("luci", data)).chosen(), str)


SECRET = "5ecret"


@cache
def relay_seeds() -> list[bytes]:
    return [
        f"{SECRET}\n192.0.2.7\non 443 192.0.2.1".encode(),
        f"{SECRET}\n::ffff:192.0.2.7\noff 80 fe80::1%br-lan".encode(),
        b"x\n2001:db8::7%eth0\noff 080 ::1",
        b"config core 'main'\n\toption lang 'de'\n",
    ]


def _words() -> Iterator[bytes]:
    yield from (b"HTTP/1.1 200 OK\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Length: ")
    yield from (
        b"-1\r\n",
        b"\r\n\r\n",
        b"0\r\n\r\n",
        b"Connection: close\r\n",
        b"HTTP/1.0 100 x\r\n",
    )


HTTP_WORDS = tuple(_words())
JSON_WORDS = (
    *("values", "result", "error", "code", ".type", ".name", ".anonymous", ".index", "access"),
    *("ubus_rpc_session", "username", "changes", "interface", "0123456789abcdef" * 2, "global"),
)

TARGETS = (
    Target(
        "netifd_dump",
        "netifd's answer gives networks, and devices with names devices can have, or NetworkError.",
        check_netifd,
        netifd_seeds,
        one_of(json_values(("interface", "l3_device", "device", "up", "@wan", "wan"))),
        (b'"interface"', b'"l3_device"', b'"device"', b'"up"', b'"@wan"'),
        grown=1 << 15,
    ),
    Target(
        "rpcd_answers",
        "Whatever comes from uhttpd and rpcd, the page has a value, or says what is wrong.",
        check_rpcd,
        rpcd_seeds,
        one_of(json_body(JSON_WORDS), parts((b"\r\n", b" ", b": "), HTTP_WORDS)),
        (*HTTP_WORDS, *(f'"{word}"'.encode() for word in JSON_WORDS)),
        longest=6000,
    ),
    Target(
        "relay",
        "Nobody gets past the relay's secret, and its headers give addresses or nothing.",
        check_relay,
        relay_seeds,
        parts((b"\n", b" ", b":", b"."), (b"on", b"off", b"fe80::1", b"%eth0", b"65536")),
        (b"::ffff:", b"fe80::", b"on 1 ", b"%"),
        longest=6000,
    ),
)
