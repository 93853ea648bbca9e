"""What an explanation says beside the verdict."""

from __future__ import annotations

from typing import Any

import pytest

from fwknopd.policy.explanation import Explanation, explain
from fwknopd.policy.settings import PolicySettings
from fwknopd.policy.stanza import Stanza
from tests.unit.policy.knocks import NOW, client, knock, packet

REQUEST = b"GET /%s HTTP/1.0\r\nUser-Agent: Fwknop/2.6.10\r\n%s\r\n"


def explained(payload: bytes, stanza: Stanza, **settings: Any) -> Explanation:
    return explain(packet(payload), [stanza], PolicySettings(**settings), None, NOW)


def step(explanation: Explanation, check: str) -> str:
    """The detail of one step, of the packet or of its client."""
    steps = (*explanation.steps, *explanation.clients[0].steps)
    return next(step.detail for step in steps if step.check == check)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"", "a GET request with the packet in its path"),
        (b"X-Forwarded-For: 203.0.113.9\r\n", "; X-Forwarded-For names 203.0.113.9"),
        (b"x-forwarded-for: 203.0.113.9, 10.0.0.1\r\n", "no single IPv4 address and is not used"),
    ],
)
def test_what_became_of_the_header_of_a_proxy(header: bytes, said: str) -> None:
    phone = client()
    path = knock(phone, "0.0.0.0,tcp/22").translate(bytes.maketrans(b"+/", b"-_"))
    payload = REQUEST % (path, header)
    believing = explained(payload, phone, enable_spa_over_http=True, enable_x_forwarded_for=True)
    assert step(believing, "http").endswith(said)
    address = "203.0.113.9" if b": 203.0.113.9\r" in header else "198.51.100.7"
    assert step(believing, "address").startswith(f"lets in {address}")
    unbelieving = explained(payload, phone, enable_spa_over_http=True)
    assert step(unbelieving, "http") == "a GET request with the packet in its path"


def test_connections_that_will_be_cut_are_no_surprise() -> None:
    phone = client(cut_at_expiry=True)
    told = explained(knock(phone), phone).as_json()
    assert "for 30 s, and cuts connections then" in str(told)
    assert "cuts connections" not in str(explained(knock(client()), client()).as_json())
