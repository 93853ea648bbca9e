"""Host names, looked up by this machine's own resolver in a child."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from fwknopd.loop import Loop
from fwknopd.name_lookup import Address, look_up
from fwknopd.workers import Workers


@pytest.fixture
def workers() -> Iterator[Workers]:
    loop = Loop()
    workers = Workers(loop)
    yield workers
    workers.close()
    loop.close()


def looked_up(workers: Workers, name: str, version: int = 4) -> Address | str:
    found: list[Address | str] = []
    look_up(workers, name, version, found.append)
    workers.finish()
    (answer,) = found
    return answer


def test_a_name_is_found(workers: Workers) -> None:
    assert looked_up(workers, "localhost") == ip_address("127.0.0.1")


def test_a_name_nobody_knows_is_told_apart(workers: Workers) -> None:
    answer = looked_up(workers, "no-such-host.invalid")
    assert answer == ("no-such-host.invalid has no IPv4 address that the router's resolver knows")
