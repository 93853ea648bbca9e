"""A visitor of a web page that runs elsewhere: what he sends goes over a real connection."""

from __future__ import annotations

import http.client
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.test import Client

from tests.web.visitor import Visitor

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer."""

    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Wire:
    """Stands in an application's place, hands on every request and keeps all that came back."""

    url: str
    exchanges: list[Exchange] = field(default_factory=list)

    def visitor(self, password: str) -> Visitor:
        """Somebody with a browser of his own."""
        return Visitor(cast(Flask, self), password)

    def test_client(self) -> Client:
        """What a visitor asks an application for."""
        return Client(self.forward)

    def forward(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """A WSGI application."""
        method = environ["REQUEST_METHOD"]
        path = environ["PATH_INFO"] + (f"?{q}" if (q := environ.get("QUERY_STRING")) else "")
        host = urlsplit(self.url).netloc
        headers = {
            name: environ[key]
            for name, key in (("Cookie", "HTTP_COOKIE"), ("Content-Type", "CONTENT_TYPE"))
            if environ.get(key)
        }
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(size) if size else None
        connection = http.client.HTTPConnection(host, timeout=PATIENCE)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        told = answer.getheaders()
        self.exchanges.append(Exchange(method, path, answer.status, dict(told), content))
        start_response(f"{answer.status} {answer.reason}", told)
        return [content]
