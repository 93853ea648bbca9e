"""Knocks in theory, and real ones explained as they come."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from fwknopd.control.protocol import VerbError, encode_result
from fwknopd.packet_watch import MOST_KNOWN, MOST_STRANGERS
from fwknopd.policy.packet import Packet
from fwknopd.policy.verdict import Reason, Refusal
from fwknopd.verbs import Verbs
from tests.unit.service.configs import LAPTOP, stanza
from tests.unit.service.rig import Rig

Json = dict[str, Any]
ASKED: Json = {"client": 1, "access": "tcp/22", "source": "198.51.100.9"}


@pytest.fixture
def ask(rig: Rig) -> Any:
    """The verbs of a daemon that goes on running, as the control server calls them."""
    rig.start()
    table = Verbs(rig.service).table()

    def call(verb: str, **arguments: object) -> Json:
        answer = table[verb](arguments)
        encode_result(answer)
        return answer

    return call


def stranger(source: str = "192.0.2.66") -> Packet:
    return Packet(b"A" * 200, ip_address(source), ip_address("203.0.113.1"), 4, 62201, 17, "eth1")


# Rehearsing


def test_rehearsed_knock_is_accepted_and_nothing_happens(rig: Rig, ask: Any) -> None:
    [client] = ask("clients")["clients"]
    assert client["enabled"] is True
    answer = ask("rehearse", client=client["number"], access="tcp/22", source="198.51.100.9")
    assert answer["verdict"]["outcome"] == "accept", answer
    assert answer["verdict"]["client"] == client["label"]
    assert {step["check"] for step in answer["clients"][0]["steps"]} >= {"hmac", "decrypt", "age"}
    assert rig.doors() == []
    assert rig.verdicts() == []
    assert len(rig.service.engine.replay) == 0


def test_rehearsed_refusal_names_the_step(rig: Rig, ask: Any) -> None:
    answer = ask("rehearse", **ASKED, nat="192.168.1.5,22", timeout=60)
    assert answer["verdict"]["reason"] == "nat-not-enabled"
    assert answer["clients"][0]["fields"]


def test_address_in_the_packet_is_the_one_let_in(ask: Any) -> None:
    answer = ask("rehearse", **ASKED, allow_ip="192.0.2.7")
    [step] = [s for s in answer["clients"][0]["steps"] if s["check"] == "address"]
    assert "lets in 192.0.2.7" in step["detail"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"client": 99}, "no-client"),
        ({"access": "nonsense"}, "no-knock"),
        ({"access": "tcp/22:\n"}, "no-knock"),
        ({"source": "x"}, "bad-argument"),
        ({"allow_ip": "x"}, "bad-argument"),
        ({"nat": "\x00"}, "no-knock"),
    ],
    ids=str,
)
def test_what_no_client_could_send_is_refused(arguments: Json, code: str, ask: Any) -> None:
    with pytest.raises(VerbError) as caught:
        ask("rehearse", **(ASKED | arguments))
    assert caught.value.code == code


def test_no_key_is_in_any_answer(rig: Rig, ask: Any) -> None:
    from tests.unit.service.configs import PHONE

    ask("watch", seconds=60)
    rig.knock()
    told = repr([ask("clients"), ask("rehearse", **ASKED), ask("watched")])
    for key in (PHONE.encryption_key, PHONE.hmac_key):
        assert key
        assert key.decode("latin-1") not in told
        assert repr(key)[2:-1] not in told


# Watching


def test_knock_that_is_waited_for_is_explained_and_works(rig: Rig, ask: Any) -> None:
    assert ask("watch", seconds=60)["until"] == rig.clock.now() + 60
    assert rig.knock() == "accepted"
    [packet] = ask("watched")["packets"]
    assert packet["verdict"]["outcome"] == "accept"
    assert (packet["source"], packet["port"], packet["via"]) == ("198.51.100.9", 62201, "eth1")
    assert [s["detail"] for s in packet["packet"] if s["check"] == "replay"] == ["not used before"]
    assert rig.doors()


def test_repeated_knock_is_called_one(rig: Rig, ask: Any) -> None:
    packet = rig.packet()
    rig.service.engine.handle(packet)
    ask("watch", seconds=60)
    rig.service.engine.handle(packet)
    [told] = ask("watched")["packets"]
    assert told["verdict"]["reason"] == "replay"


def test_verdict_shown_is_the_one_that_counted(rig: Rig, ask: Any) -> None:
    ask("watch", seconds=60)
    engine = rig.service.engine
    assert engine.judged
    [anna] = engine.settings.stanzas
    engine.judged(rig.packet(), Refusal(Reason.TOO_OLD, "as gpg found out", anna))
    [packet] = ask("watched")["packets"]
    assert packet["verdict"]["reason"] == "too-old"
    assert packet["verdict"]["detail"] == "as gpg found out"


def test_packet_no_keys_fit_is_shown_with_where_it_came_from(rig: Rig, ask: Any) -> None:
    ask("watch", seconds=60)
    rig.service.engine.handle(rig.packet(keys=LAPTOP))
    [packet] = ask("watched")["packets"]
    assert packet["verdict"]["reason"] == "no-client-matched"
    assert packet["source"] == "198.51.100.9"
    [client] = packet["clients"]
    assert (client["outcome"], len(client["steps"])) == ("foreign", 1)


def test_junk_hides_no_knock_and_fills_no_memory(rig: Rig, ask: Any) -> None:
    ask("watch", seconds=60)
    engine = rig.service.engine
    for _ in range(100):
        engine.handle_all([stranger(f"192.0.2.{n}") for n in range(40)])
    rig.knock()
    told = ask("watched")
    assert len(told["packets"]) == MOST_STRANGERS + 1
    assert told["packets"][0]["verdict"]["outcome"] == "accept"
    assert told["packets"][-1]["count"] == 100
    assert told["more"] == 30 * 100


def test_only_so_many_knocks_are_explained(rig: Rig, ask: Any) -> None:
    ask("watch", seconds=60)
    for _ in range(MOST_KNOWN + 3):
        rig.knock()
    told = ask("watched")
    assert (len(told["packets"]), told["more"]) == (MOST_KNOWN, 3)


def test_watch_ends_by_itself_and_what_was_seen_stays(rig: Rig, ask: Any) -> None:
    ask("watch", seconds=60)
    rig.knock()
    rig.pass_time(60)
    rig.knock()
    told = ask("watched")
    assert len(told["packets"]) == 1
    assert told["until"] == told["now"]
    assert rig.service.engine.judged is None


def test_new_watch_forgets_the_one_before(rig: Rig, ask: Any) -> None:
    ask("watch", seconds=60)
    rig.knock()
    assert ask("watch", seconds=60)["packets"] == []
    rig.knock()
    assert len(ask("watched")["packets"]) == 1


def test_nobody_watches_unasked(rig: Rig, ask: Any) -> None:
    rig.knock()
    assert ask("watched")["packets"] == []
    assert rig.service.engine.judged is None


def test_who_listens_already_goes_on_being_told(rig: Rig, ask: Any) -> None:
    heard: list[str] = []
    rig.service.engine.judged = lambda packet, verdict: heard.append(str(verdict.reason))
    ask("watch", seconds=60)
    rig.knock()
    ask("watch", seconds=60)
    rig.knock()
    rig.pass_time(61)
    rig.knock()
    assert heard == ["accepted"] * 3


def test_answers_stay_short_with_many_clients(rig: Rig) -> None:
    rig.access(*(stanza(LAPTOP, f"# client {n}") for n in range(300)))
    rig.start()
    table = Verbs(rig.service).table()
    table["watch"]({"seconds": 60})
    for number in range(MOST_STRANGERS):
        rig.service.engine.handle(stranger(f"192.0.2.{number}"))
    assert len(encode_result(table["watched"]({}))) < 64 * 1024
    assert len(table["clients"]({})["clients"]) == 300


def test_fault_in_telling_keeps_no_knock_out(
    rig: Rig, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("fwknopd.packet_watch.explain", fails)
    ask("watch", seconds=60)
    assert rig.knock() == "accepted"
    assert ask("watched")["more"] == 1
