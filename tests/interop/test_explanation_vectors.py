"""Every recorded packet, explained: the same verdict as when it is judged."""

from __future__ import annotations

from fwknopd.policy.authorizer import Authorizer
from fwknopd.policy.explanation import Explanation, explain
from fwknopd.policy.packet import Packet
from fwknopd.policy.verdict import Reason, Refusal
from fwknopd.replay import ReplayCache
from tests.interop.deviations import DECODING
from tests.interop.policy_deviations import POLICY_DEVIATIONS
from tests.interop.spa_vectors import SpaVector
from tests.interop.test_policy_vectors import (
    DESTINATION,
    NOW,
    SOURCE,
    VECTORS,
    by_name,
    policy_settings,
    server_settings,
    stanza,
)


def cases(vector: SpaVector, cache: ReplayCache) -> tuple[Authorizer, Packet, Explanation]:
    settings = server_settings(vector)
    client, policy = stanza(vector, settings), policy_settings(settings)
    authorizer = Authorizer([client], policy, cache)
    packet = Packet(vector.packet, SOURCE, DESTINATION, 40000, 62201, 17, "wan")
    now = vector.server_now or NOW
    return authorizer, packet, explain(packet, [client], policy, cache, now)


@by_name(VECTORS)
def test_the_explanation_ends_in_the_verdict(vector: SpaVector) -> None:
    cache = ReplayCache()
    authorizer, packet, explanation = cases(vector, cache)
    assert len(cache) == 0
    verdict = authorizer.judge(packet, vector.server_now or NOW)
    assert explanation.verdict == verdict
    if isinstance(verdict, Refusal) and verdict.stanza is not None:
        [client] = explanation.clients
        assert client.refusal is not None
        assert client.refusal.reason is verdict.reason
    told = explanation.as_json()
    assert told["verdict"]["outcome"] == ("refuse" if isinstance(verdict, Refusal) else "accept")
    for key in (vector.keys.encryption_key, vector.keys.hmac_key):
        assert key is None or len(key) < 8 or key.decode("latin-1") not in repr(told)


TAKEN = [v for v in VECTORS if v.accept and v.name not in DECODING | POLICY_DEVIATIONS][:40]


@by_name(TAKEN)
def test_a_used_packet_is_told_when_and_from_where(vector: SpaVector) -> None:
    cache = ReplayCache()
    authorizer, packet, first = cases(vector, cache)
    assert not isinstance(authorizer.judge(packet, vector.server_now or NOW), Refusal)
    assert not isinstance(first.verdict, Refusal)
    _, _, second = cases(vector, cache)
    assert isinstance(second.verdict, Refusal)
    assert second.verdict.reason is Reason.REPLAY
    [step] = [step for step in second.steps if step.check == "replay"]
    assert f"from {SOURCE}" in step.detail
