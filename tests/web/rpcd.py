"""A stand-in for a router's rpcd behind uhttpd's /ubus, with answers real ones were seen to give.

Users, sessions and their rights; UCI changes kept for each session; applying with a rollback.
"""

from __future__ import annotations

import json
import secrets
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from fwknop_webui.front import Front
from fwknopd.config.uci_format import UciPackage, format_uci, parse_uci

DATA = Path(__file__).parents[1] / "data/ubus"
ACL = Path(__file__).parents[2] / "webui/luci/root/usr/share/rpcd/acl.d/luci-app-fwknopd.json"
NOBODY = "0" * 32
OK, INVALID, NOT_FOUND, NO_DATA, DENIED = 0, 2, 4, 5, 6
MAX_POST = 65536

Rights = dict[str, dict[str, list[str]]]
Answer = tuple[int, dict[str, Any]]


def sample(name: str) -> dict[str, Any]:
    """An answer of a real rpcd."""
    found: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text())
    return found


def rights_of(*parts: str) -> Rights:
    """What our access list gives, its parts "read" and "write", and what everybody has."""
    listed = json.loads(ACL.read_text())["luci-app-fwknopd"]
    rights: Rights = {"ubus": {"session": ["access", "login"]}}
    rights["access-group"] = {"luci-app-fwknopd": list(parts)} if parts else {}
    for part in parts:
        for scope, granted in listed[part].items():
            if isinstance(granted, list):
                granted = {name: [part] for name in granted}
            for name, functions in granted.items():
                rights.setdefault(scope, {}).setdefault(name, []).extend(functions)
    return rights


@dataclass
class User:
    password: str
    rights: Rights


@dataclass
class RpcSession:
    user: str
    rights: Rights
    token: str = ""
    staged: UciPackage | None = None
    others: dict[str, list[list[str]]] = field(default_factory=dict)
    """Changes to other packages, as ``uci changes`` lists them."""


@dataclass
class Pending:
    """An apply that waits for its confirmation."""

    sid: str
    before: str


@dataclass
class StandIn:
    """``text`` is /etc/config/fwknopd. ``calls`` are all that were let through."""

    text: str
    users: dict[str, User] = field(default_factory=dict)
    sessions: dict[str, RpcSession] = field(default_factory=dict)
    pending: Pending | None = None
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    executed: list[list[str]] = field(default_factory=list)
    script: dict[str, Any] = field(default_factory=lambda: {"code": 0})
    """How the init script ends."""

    enabled: bool = True
    running: bool = False
    committed: list[str] = field(default_factory=list)
    """The other packages that were changed by applying."""

    deaf: bool = False
    """Whether it leaves out what it is told to set, which real ones do with odd values."""

    fails: dict[str, int] = field(default_factory=dict)
    """Calls such as "uci set" that end with this status."""

    connections: int = 0
    front: Front = field(default=Front("127.0.0.1", 1, tls=False))
    changed: Callable[[], None] = lambda: None

    def log_in(self, user: str, *, luci: bool = False) -> str:
        """A session for a user; LuCI's have a token of its own in them."""
        sid = secrets.token_hex(16)
        token = secrets.token_hex(16) if luci else ""
        self.sessions[sid] = RpcSession(user, self.users[user].rights, token)
        return sid

    def may(self, sid: str, scope: str, name: str, function: str) -> bool:
        session = self.sessions.get(sid)
        rights = rights_of() if sid == NOBODY else session.rights if session else {}
        granted = rights.get(scope, {})
        return any(fnmatch(name, p) and function in f for p, f in granted.items())

    # What uhttpd does

    def request(self, body: bytes) -> dict[str, Any]:
        message = json.loads(body.decode("utf-8", "surrogateescape"))
        if len(body) > MAX_POST or message["method"] != "call":
            return _error(-32700, "Parse error")
        sid, name, method, arguments = message["params"]
        function = getattr(self, f"_{name}_{method}".replace(".", "_"), None)
        if function is None:
            return _error(-32000, "Object not found")
        if not self.may(sid, "ubus", name, method):
            return _error(-32002, "Access denied")
        assert "ubus_rpc_session" not in arguments
        self.calls.append((name, method, arguments))
        failure = self.fails.get(f"{name} {method}")
        code, content = (failure, {}) if failure else function(sid, arguments)
        result = [code, content] if content else [code]
        return {"jsonrpc": "2.0", "id": message["id"], "result": result}

    # session

    def _session_login(self, _sid: str, given: dict[str, Any]) -> Answer:
        user = self.users.get(given["username"])
        # With an empty password any other is right.
        if user is None or user.password not in ("", given["password"]):
            return DENIED, {}
        sid = self.log_in(given["username"])
        answer = sample("session.login")
        answer["ubus_rpc_session"] = sid
        answer["timeout"] = answer["expires"] = given["timeout"]
        answer["data"] = {"username": given["username"]}
        return OK, answer

    def _session_access(self, sid: str, given: dict[str, Any]) -> Answer:
        return OK, {"access": self.may(sid, given["scope"], given["object"], given["function"])}

    def _session_get(self, sid: str, _given: dict[str, Any]) -> Answer:
        answer = sample("session.get")
        answer["values"]["username"] = self.sessions[sid].user
        if self.sessions[sid].token:
            answer["values"]["token"] = self.sessions[sid].token
        return OK, answer

    def _session_destroy(self, sid: str, _given: dict[str, Any]) -> Answer:
        del self.sessions[sid]
        return OK, {}

    # uci

    def _staged(self, sid: str) -> UciPackage:
        return self.sessions[sid].staged or parse_uci(self.text, "fwknopd")

    def _write(self, sid: str, package: UciPackage) -> Answer:
        self.sessions[sid].staged = package
        return OK, {}

    def _uci_get(self, sid: str, given: dict[str, Any]) -> Answer:
        if not self.may(sid, "uci", given["config"], "read"):
            return DENIED, {}
        values = {
            section.id: {
                ".anonymous": section.name is None,
                ".type": section.type,
                ".name": section.id,
                ".index": number,
                **{
                    option.name: option.value if isinstance(option.value, str) else [*option.value]
                    for option in section.options
                },
            }
            for number, section in enumerate(self._staged(sid).sections)
        }
        return OK, {"values": values}

    def _edit(self, sid: str, given: Mapping[str, Any], *changes: Any) -> Answer:
        from fwknopd.config.uci_changes import apply

        if not self.may(sid, "uci", given["config"], "write"):
            return DENIED, {}
        return self._write(sid, apply(self._staged(sid), changes))

    def _uci_add(self, sid: str, given: dict[str, Any]) -> Answer:
        from fwknopd.config.uci_changes import AddSection, SetSection

        if "name" in given:
            code, _ = self._edit(sid, given, SetSection(given["name"], given["type"]))
            return code, {"section": given["name"]}
        # Not the name the page had in mind: rpcd's counts.
        name = f"cfg{secrets.token_hex(3)}"
        code, _ = self._edit(sid, given, AddSection(name, given["type"]))
        return code, {"section": name}

    def _uci_set(self, sid: str, given: dict[str, Any]) -> Answer:
        from fwknopd.config.uci_changes import SetOption

        if self.deaf:
            return OK, {}
        return self._edit(
            sid,
            given,
            *(
                SetOption(given["section"], name, tuple(v) if isinstance(v, list) else v)
                for name, v in given["values"].items()
            ),
        )

    def _uci_delete(self, sid: str, given: dict[str, Any]) -> Answer:
        from fwknopd.config.uci_changes import DeleteOption, DeleteSection

        section = given["section"]
        if "options" not in given:
            return self._edit(sid, given, DeleteSection(section))
        return self._edit(sid, given, *(DeleteOption(section, name) for name in given["options"]))

    def _uci_order(self, sid: str, given: dict[str, Any]) -> Answer:
        from fwknopd.config.uci_changes import Reorder

        places = enumerate(given["sections"])
        return self._edit(sid, given, *(Reorder(name, number) for number, name in places))

    def _uci_revert(self, sid: str, given: dict[str, Any]) -> Answer:
        if self.pending or not self.may(sid, "uci", given["config"], "write"):
            return DENIED, {}
        self.sessions[sid].staged = None
        return OK, {}

    def _uci_changes(self, sid: str, given: dict[str, Any]) -> Answer:
        assert not given
        session = self.sessions[sid]
        found = {} if session.staged is None else {"fwknopd": [["set", "x", "y", "z"]]}
        found |= session.others
        return OK, {"changes": {n: c for n, c in found.items() if self.may(sid, "uci", n, "read")}}

    def _uci_apply(self, sid: str, given: dict[str, Any]) -> Answer:
        assert given["rollback"] is True
        if self.pending:
            return DENIED, {}
        staged = self.sessions[sid].staged
        if staged is None:
            return NO_DATA, {}
        self.committed += self.sessions[sid].others
        self.sessions[sid].others = {}
        self.pending = Pending(sid, self.text)
        self.text, self.sessions[sid].staged = format_uci(staged), None
        self.changed()
        return OK, {}

    def _uci_confirm(self, sid: str, _given: dict[str, Any]) -> Answer:
        if self.pending is None:
            return NO_DATA, {}
        if self.pending.sid != sid:
            return DENIED, {}
        self.pending = None
        return OK, {}

    def _uci_rollback(self, sid: str, _given: dict[str, Any]) -> Answer:
        if self.pending is None:
            return NO_DATA, {}
        if self.pending.sid != sid:
            return DENIED, {}
        self.time_is_up()
        return OK, {}

    def time_is_up(self) -> None:
        """What rpcd does by itself when nobody confirms: it stages again what it takes back."""
        if self.pending:
            if self.pending.sid in self.sessions:
                self.sessions[self.pending.sid].staged = parse_uci(self.text, "fwknopd")
            self.text, self.pending = self.pending.before, None
            self.changed()

    # others

    def _network_interface_dump(self, _sid: str, _given: dict[str, Any]) -> Answer:
        return OK, sample("network.interface.dump-static")

    def _rc_list(self, _sid: str, _given: dict[str, Any]) -> Answer:
        found = {"start": 95, "enabled": self.enabled, "running": self.running}
        return OK, {"fwknopd": found}

    def _file_exec(self, sid: str, given: dict[str, Any]) -> Answer:
        words = [given["command"], *given.get("params", [])]
        if not self.may(sid, "file", " ".join(words), "exec"):
            return DENIED, {}
        if self.script["code"]:
            return OK, self.script
        self.executed.append(words)
        if words[1] in ("enable", "disable"):
            self.enabled = words[1] == "enable"
        else:
            self.running = words[1] != "stop"
        return OK, self.script

    @contextmanager
    def serving(self, tls: Path | None = None) -> Iterator[StandIn]:
        """Answer at ``front``; with a key and a certificate over TLS."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self))
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        self.front = Front("127.0.0.1", server.server_port, tls=tls is not None)
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _error(code: int, text: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": text}}


def handler_of(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    """What takes requests at /ubus."""

    class Ubus(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            stand_in.connections += 1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found = self.path == "/ubus"
            answer = stand_in.request(body) if found else {}
            raw = json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogateescape")
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    return Ubus


def usual_users() -> dict[str, User]:
    """root as rpcd has it, a second account, one that may look only, and one without password."""
    root = deepcopy(sample("session.access-all"))
    for scope, granted in rights_of("read", "write").items():
        for name, functions in granted.items():
            root.setdefault(scope, {}).setdefault(name, []).extend(functions)
    return {
        "root": User("correct horse battery", root),
        "anna": User("battery staple", rights_of("read", "write")),
        "guest": User("guest password", rights_of("read")),
        "other": User("other password", rights_of()),
        "empty": User("", root),
    }
