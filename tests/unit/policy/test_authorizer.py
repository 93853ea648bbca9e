"""Which client a packet belongs to, and which refusal people are told."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

import pytest

from fwknopd.policy.verdict import Reason
from fwknopd.replay import ReplayCache
from fwknopd.spa.mode import EncryptionMode
from fwknopd.spa.packet import SpaKeys, seal
from tests.unit.policy.knocks import NOW, Gate, client, keys, knock, ports, switched

HERE = (IPv4Network("198.51.100.0/24"),)
ELSEWHERE = (IPv4Network("203.0.113.0/24"),)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.WRONG_LENGTH),
        (b"A" * 139, Reason.WRONG_LENGTH),
        (b"A" * 1501, Reason.WRONG_LENGTH),
        (b"\xff" * 200, Reason.NOT_SPA),
        (b"A" * 199 + b"\n", Reason.NOT_SPA),
        (b"U2FsdGVkX1" + b"A" * 190, Reason.NOT_SPA),
        (b"A" * 200, Reason.NO_CLIENT_MATCHED),
    ],
)
def test_junk_is_refused_without_naming_a_client(payload: bytes, reason: Reason) -> None:
    gate = Gate(client())
    refusal = gate.refusal(payload)
    assert (refusal.reason, refusal.stanza, refusal.message) == (reason, None, None)
    assert len(gate.cache) == 0


def test_a_good_knock_names_its_client_and_address_and_ports() -> None:
    phone, laptop = client("phone", 1), client("laptop", 2)
    decision = Gate(phone, laptop).access(knock(laptop, "203.0.113.5,tcp/22,udp/53"))
    assert decision.stanza is laptop
    assert str(decision.doors[0].address) == "203.0.113.5"
    assert [door.what for door in decision.doors] == ["tcp/22", "udp/53"]
    assert decision.message.user == "alice"


def test_a_packet_of_foreign_keys_matches_no_client() -> None:
    assert Gate(client("phone")).reason(knock(client("stranger"))) is Reason.NO_CLIENT_MATCHED


def test_no_client_at_all() -> None:
    assert Gate().reason(knock(client())) is Reason.SOURCE_NOT_ALLOWED


# SOURCE and DESTINATION


def test_source_of_no_client_is_refused_before_any_key_is_tried() -> None:
    phone = client(sources=ELSEWHERE)
    refusal = Gate(phone).refusal(knock(phone))
    assert refusal.reason is Reason.SOURCE_NOT_ALLOWED
    assert "198.51.100.7" in refusal.detail


def test_source_is_checked_per_client() -> None:
    gate = Gate(client("phone", 1, sources=ELSEWHERE), client("laptop", 2, sources=HERE))
    assert gate.reason(knock(client("phone"))) is Reason.NO_CLIENT_MATCHED
    assert gate.access(knock(client("laptop"))).stanza.label == "laptop"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("2001:db8::9", Reason.ACCEPTED),
        ("2001:db9::9", Reason.SOURCE_NOT_ALLOWED),
        # The number of this address equals that of ::198.51.100.7.
        ("::c633:6407", Reason.SOURCE_NOT_ALLOWED),
        ("::ffff:198.51.100.7", Reason.ACCEPTED),
        ("198.51.100.255", Reason.ACCEPTED),
        ("198.51.101.0", Reason.SOURCE_NOT_ALLOWED),
    ],
)
def test_source_networks_of_both_families(source: str, reason: Reason) -> None:
    phone = client(sources=(*HERE, IPv6Network("2001:db8::/32")))
    assert Gate(phone).reason(knock(phone), source=source) is reason


def test_an_empty_source_list_hears_nobody() -> None:
    phone = client(sources=())
    assert Gate(phone).reason(knock(phone)) is Reason.SOURCE_NOT_ALLOWED


def test_destination_elsewhere_is_told_to_the_owner_only() -> None:
    phone = client(destinations=ELSEWHERE)
    gate = Gate(phone)
    refusal = gate.refusal(knock(phone))
    assert (refusal.reason, refusal.stanza) == (Reason.DESTINATION_NOT_ALLOWED, phone)
    assert "192.0.2.1" in refusal.detail
    assert gate.reason(knock(client("stranger"))) is Reason.NO_CLIENT_MATCHED
    assert gate.reason(knock(phone), destination="203.0.113.1") is Reason.ACCEPTED


# Clients that can't grant


def test_disabled_client_is_named_and_grants_nothing() -> None:
    phone = client(enabled=False)
    refusal = Gate(phone).refusal(knock(phone))
    assert (refusal.reason, refusal.stanza) == (Reason.CLIENT_DISABLED, phone)
    assert refusal.message is not None


@pytest.mark.parametrize(
    ("now", "reason"), [(NOW, Reason.ACCEPTED), (NOW + 1, Reason.CLIENT_EXPIRED)]
)
def test_expiry_is_inclusive(now: int, reason: Reason) -> None:
    phone = client(access_expire=NOW)
    assert Gate(phone).reason(knock(phone), now=now) is reason


def test_expired_client_is_told_the_date() -> None:
    phone = client(access_expire=NOW - 1)
    assert "2027-01-15 07:59:59 UTC" in Gate(phone).refusal(knock(phone)).detail


def test_expired_client_without_hmac_is_named_only_for_its_own_packets() -> None:
    phone = client(access_expire=1, keys=keys("phone", hmac=False))
    gate = Gate(phone)
    assert gate.reason(knock(phone)) is Reason.CLIENT_EXPIRED
    assert gate.reason(b"A" * 200) is Reason.NO_CLIENT_MATCHED


def test_barred_client_steps_aside_for_another_with_its_keys() -> None:
    old = client("old", 1, access_expire=1, keys=keys("shared"))
    new = client("new", 2, keys=keys("shared"))
    assert Gate(old, new).access(knock(old)).stanza is new


def test_refusal_of_a_living_client_beats_the_barred_one() -> None:
    old = client("old", 1, enabled=False, keys=keys("shared"))
    new = client("new", 2, open_ports=ports("tcp/80"), keys=keys("shared"))
    refusal = Gate(old, new).refusal(knock(old))
    assert (refusal.reason, refusal.stanza) == (Reason.PORT_NOT_ALLOWED, new)


def test_barred_client_with_a_fitting_hmac_and_rubbish_inside_is_not_named() -> None:
    phone = client(enabled=False)
    sender = client(keys=SpaKeys(b"another key", phone.keys.hmac_key))
    assert Gate(phone).reason(knock(sender)) is Reason.NO_CLIENT_MATCHED


# Several clients


def test_refused_by_the_first_stanza_and_granted_by_the_second() -> None:
    web = client("web", 1, open_ports=ports("tcp/80"), keys=keys("shared"))
    ssh = client("ssh", 2, open_ports=ports("tcp/22"), keys=keys("shared"))
    gate = Gate(web, ssh)
    assert gate.access(knock(web)).stanza is ssh
    assert len(gate.cache) == 1


def test_first_stanza_that_grants_wins() -> None:
    first = client("first", 1, keys=keys("shared"), fw_access_timeout=11)
    second = client("second", 2, keys=keys("shared"), fw_access_timeout=22)
    assert Gate(first, second).access(knock(first)).lifetime == 11


@pytest.mark.parametrize("swapped", [False, True])
def test_refusal_that_got_furthest_is_told(swapped: bool) -> None:
    named = client("named", 1, require_username="bob", keys=keys("shared"))
    narrow = client("narrow", 2, open_ports=ports("tcp/80"), keys=keys("shared"))
    order = (narrow, named) if swapped else (named, narrow)
    refusal = Gate(client("other", 3), *order).refusal(knock(named))
    assert (refusal.reason, refusal.stanza) == (Reason.PORT_NOT_ALLOWED, narrow)


def test_of_two_equal_refusals_the_first_is_told() -> None:
    one = client("one", 1, open_ports=ports("tcp/80"), keys=keys("shared"))
    two = client("two", 2, open_ports=ports("tcp/81"), keys=keys("shared"))
    assert Gate(one, two).refusal(knock(one)).stanza is one


def test_right_hmac_and_wrong_encryption_key_names_the_client() -> None:
    phone = client()
    sender = client(keys=SpaKeys(b"another key", phone.keys.hmac_key))
    refusal = Gate(client("other", 2), phone).refusal(knock(sender))
    assert (refusal.reason, refusal.stanza) == (Reason.DECRYPT_FAILED, phone)


def test_without_hmac_a_wrong_key_is_nobody() -> None:
    phone = client(keys=keys("phone", hmac=False))
    stranger = client(keys=keys("stranger", hmac=False))
    refusal = Gate(phone).refusal(knock(stranger))
    assert (refusal.reason, refusal.stanza) == (Reason.NO_CLIENT_MATCHED, None)
    assert Gate(phone).reason(knock(phone)) is Reason.ACCEPTED


def test_without_hmac_a_malformed_message_still_names_its_client() -> None:
    phone = client(keys=keys("phone", hmac=False))
    text = b"1234567890123456:YWxpY2U:1:3.0.0:1:" + b"x" * 80 + b":" + b"A" * 43
    refusal = Gate(phone).refusal(seal(text, phone.keys, b"saltsalt"))
    assert (refusal.reason, refusal.stanza) == (Reason.MALFORMED, phone)


def test_client_with_and_client_without_hmac_side_by_side() -> None:
    plain = client("plain", 1, keys=keys("plain", hmac=False))
    phone = client("phone", 2)
    gate = Gate(plain, phone)
    assert gate.access(knock(plain)).stanza is plain
    assert gate.access(knock(phone)).stanza is phone


def test_an_hmac_key_nobody_can_use_harms_only_its_client() -> None:
    broken = client("broken", 1, keys=SpaKeys(b"key", b"k" * 137))
    phone = client("phone", 2)
    gate = Gate(broken, phone)
    assert gate.reason(knock(phone)) is Reason.ACCEPTED
    unsigned = client(keys=SpaKeys(b"key"))
    assert gate.reason(knock(unsigned)) is Reason.NO_CLIENT_MATCHED


def test_request_for_too_many_ports_is_told_to_its_client() -> None:
    phone = client()
    wish = "203.0.113.5," + ",".join(f"tcp/{port}" for port in range(10001, 10019))
    refusal = Gate(phone).refusal(knock(phone, wish))
    assert (refusal.reason, refusal.stanza) == (Reason.WRONG_LENGTH, phone)
    assert "400" in refusal.detail


def test_gpg_client_is_told_that_gpg_is_not_supported() -> None:
    phone = client(keys=SpaKeys(None, b"hmac key", EncryptionMode.ASYMMETRIC))
    authenticator = phone.keys.authenticator()
    assert authenticator is not None
    body = b"A" * 600
    refusal = Gate(phone).refusal(body + authenticator.tag(body))
    assert (refusal.reason, refusal.stanza) == (Reason.NOT_SUPPORTED, phone)
    assert Gate(phone).reason(b"A" * 600) is Reason.NO_CLIENT_MATCHED


def test_a_long_packet_without_hmac_is_nobodys() -> None:
    phone = client(keys=keys("phone", hmac=False))
    refusal = Gate(phone).refusal(b"A" * 400)
    assert (refusal.reason, refusal.stanza) == (Reason.WRONG_LENGTH, None)


# HTTP

REQUEST = b"GET /%s HTTP/1.0\r\nUser-Agent: Fwknop/2.6.10\r\n%s\r\n"


def request(payload: bytes, header: bytes = b"") -> bytes:
    path = payload.translate(bytes.maketrans(b"+/", b"-_"))
    return REQUEST % (path, header)


def test_http_only_when_enabled() -> None:
    phone = client()
    assert Gate(phone).reason(request(knock(phone))) is Reason.NOT_SPA
    assert Gate(phone, enable_spa_over_http=True).reason(request(knock(phone))) is Reason.ACCEPTED


@pytest.mark.parametrize(
    ("message", "believed", "granted"),
    [
        ("0.0.0.0,tcp/22", True, "203.0.113.77"),
        ("0.0.0.0,tcp/22", False, "198.51.100.7"),
        ("203.0.113.5,tcp/22", True, "203.0.113.5"),
    ],
)
def test_forwarded_for_stands_in_for_the_source_only(
    message: str, believed: bool, granted: str
) -> None:
    phone = client(sources=HERE)
    payload = request(knock(phone, message), b"X-Forwarded-For: 203.0.113.77\r\n")
    gate = Gate(phone, enable_spa_over_http=True, enable_x_forwarded_for=believed)
    assert str(gate.access(payload).doors[0].address) == granted


def test_forwarded_for_does_not_pass_the_source_test() -> None:
    phone = client(sources=ELSEWHERE)
    payload = request(knock(phone), b"X-Forwarded-For: 203.0.113.77\r\n")
    gate = Gate(phone, enable_spa_over_http=True, enable_x_forwarded_for=True)
    assert gate.reason(payload) is Reason.SOURCE_NOT_ALLOWED


def test_any_user_agent() -> None:
    phone = client()
    payload = request(knock(phone)).replace(b"Fwknop/2.6.10", b"curl")
    assert Gate(phone, enable_spa_over_http=True).reason(payload) is Reason.NOT_SPA
    gate = Gate(phone, enable_spa_over_http=True, allow_any_user_agent=True)
    assert gate.reason(payload) is Reason.ACCEPTED


# Replay


def test_second_time_is_a_replay_with_its_history() -> None:
    phone = client()
    gate, payload = Gate(phone), knock(phone)
    assert gate.reason(payload) is Reason.ACCEPTED
    refusal = gate.refusal(payload, source="198.51.100.99", now=NOW + 5)
    assert (refusal.reason, refusal.stanza) == (Reason.REPLAY, phone)
    assert "2027-01-15 08:00:00 UTC" in refusal.detail
    assert "198.51.100.7" in refusal.detail


def test_packet_refused_by_policy_is_spent() -> None:
    phone = client(open_ports=ports("tcp/80"))
    gate, payload = Gate(phone), knock(phone)
    assert gate.reason(payload) is Reason.PORT_NOT_ALLOWED
    assert gate.reason(payload) is Reason.REPLAY
    wider = Gate(switched(phone, open_ports=None), cache=gate.cache)
    assert wider.reason(payload) is Reason.REPLAY


def test_packet_that_opened_for_nobody_is_not_remembered() -> None:
    phone, stranger = client(), client("stranger")
    gate, payload = Gate(phone), knock(stranger)
    assert gate.reason(payload) is Reason.NO_CLIENT_MATCHED
    assert gate.reason(payload) is Reason.NO_CLIENT_MATCHED
    assert Gate(stranger, cache=gate.cache).reason(payload) is Reason.ACCEPTED


def test_packet_with_its_hmac_stripped_is_a_replay_for_a_stanza_without_hmac() -> None:
    signed = client("signed", 1)
    unsigned = client("unsigned", 2, keys=SpaKeys(signed.keys.encryption_key))
    gate, payload = Gate(signed, unsigned), knock(signed)
    assert gate.reason(payload) is Reason.ACCEPTED
    assert gate.reason(payload[:-43]) is Reason.REPLAY
    assert Gate(signed, unsigned).access(payload[:-43]).stanza is unsigned


def test_replayed_in_an_http_request() -> None:
    phone = client()
    gate, payload = Gate(phone, enable_spa_over_http=True), knock(phone)
    assert gate.reason(payload) is Reason.ACCEPTED
    assert gate.reason(request(payload)) is Reason.REPLAY


def test_packet_too_old_takes_no_place_and_keeps_its_reason() -> None:
    phone = client()
    gate, payload = Gate(phone), knock(phone, timestamp=NOW - 121)
    assert gate.reason(payload) is Reason.TOO_OLD
    assert gate.reason(payload) is Reason.TOO_OLD
    assert len(gate.cache) == 0


def test_packet_from_the_future_is_spent() -> None:
    phone = client()
    gate, payload = Gate(phone), knock(phone, timestamp=NOW + 121)
    assert gate.reason(payload) is Reason.FROM_THE_FUTURE
    assert gate.reason(payload, now=NOW + 100) is Reason.REPLAY


def test_replay_detection_off() -> None:
    phone = client()
    gate, payload = Gate(phone, enable_digest_persistence=False), knock(phone)
    assert gate.access(payload).replay_entry is None
    assert gate.reason(payload) is Reason.ACCEPTED
    assert len(gate.cache) == 0


def test_test_mode_remembers_nothing() -> None:
    phone = client()
    gate, payload = Gate(phone, test=True), knock(phone)
    assert gate.reason(payload) is Reason.ACCEPTED
    assert gate.reason(payload) is Reason.ACCEPTED


def test_decision_carries_what_the_journal_needs() -> None:
    phone = client()
    gate = Gate(phone)
    decision = gate.access(knock(phone, timestamp=NOW - 3))
    entry = decision.replay_entry
    assert entry is not None
    assert gate.cache.seen(entry.digest) is entry
    assert (entry.seen, entry.timestamp, entry.client) == (NOW, NOW - 3, "phone")
    assert (str(entry.source), entry.source_port) == ("198.51.100.7", 40000)


def test_full_cache_refuses_what_it_cannot_remember() -> None:
    phone = client()
    gate = Gate(phone, cache=ReplayCache(limit=2, keep=1), enable_spa_packet_aging=False)
    first = knock(phone)
    assert gate.reason(first) is Reason.ACCEPTED
    assert gate.reason(knock(phone)) is Reason.ACCEPTED
    refusal = gate.refusal(knock(phone))
    assert (refusal.reason, refusal.stanza) == (Reason.REPLAY_CACHE_FULL, phone)
    assert gate.reason(first) is Reason.REPLAY


def test_full_cache_is_full_for_every_client_of_the_packet() -> None:
    one = client("one", 1, keys=keys("shared"))
    two = client("two", 2, keys=keys("shared"))
    gate = Gate(one, two, cache=ReplayCache(limit=1, keep=1), enable_spa_packet_aging=False)
    assert gate.reason(knock(one)) is Reason.ACCEPTED
    assert gate.reason(knock(one)) is Reason.REPLAY_CACHE_FULL


def test_replay_is_final_for_every_client_of_the_packet() -> None:
    one = client("one", 1, keys=keys("shared", hmac=False), open_ports=ports("tcp/80"))
    two = client("two", 2, keys=keys("shared", hmac=False))
    gate = Gate(client("signed", 3, keys=keys("shared")), one, two)
    payload = knock(client(keys=keys("shared")))
    assert gate.reason(payload) is Reason.ACCEPTED
    assert gate.refusal(payload[:-43]).stanza is not two
    assert gate.reason(payload[:-43]) is Reason.REPLAY


def test_packet_the_c_daemon_used_is_a_replay() -> None:
    phone = client()
    gate, payload = Gate(phone), knock(phone)
    entry = gate.access(payload).replay_entry
    assert entry is not None
    upgraded = Gate(phone)
    upgraded.cache.load([entry._replace(key=None, timestamp=None, client="")], NOW)
    refusal = upgraded.refusal(payload)
    assert (refusal.reason, refusal.stanza) == (Reason.REPLAY, None)


def test_lost_record_makes_older_packets_count_as_used() -> None:
    phone = client()
    gate = Gate(phone)
    gate.cache.blind_before = NOW
    refusal = gate.refusal(knock(phone, timestamp=NOW - 1))
    assert (refusal.reason, refusal.stanza) == (Reason.REPLAY, phone)
    assert gate.reason(knock(phone, timestamp=NOW)) is Reason.ACCEPTED


# Clock


def test_nothing_is_granted_by_a_clock_that_is_not_set() -> None:
    phone = client()
    gate, payload = Gate(phone), knock(phone)
    refusal = gate.refusal(payload, now=77, clock_problem="this machine's clock says 1970")
    assert (refusal.reason, refusal.stanza) == (Reason.CLOCK_NOT_SET, phone)
    assert "1970" in refusal.detail
    assert "2027-01-15" in refusal.detail
    assert len(gate.cache) == 0


def test_clock_does_not_matter_without_packet_aging() -> None:
    phone = client()
    gate = Gate(phone, enable_spa_packet_aging=False)
    assert gate.reason(knock(phone), clock_problem="1970") is Reason.ACCEPTED


def test_clock_problem_is_no_oracle_for_strangers() -> None:
    gate = Gate(client())
    assert gate.reason(b"A" * 200, clock_problem="1970") is Reason.NO_CLIENT_MATCHED


def test_secrets_never_show() -> None:
    phone = client(require_username="bob")
    gate = Gate(phone)
    refusal = gate.refusal(knock(phone))
    secret = phone.keys.encryption_key
    assert secret is not None
    for shown in (repr(refusal), refusal.detail, repr(gate.cache.entries())):
        assert repr(secret)[2:-1] not in shown
        assert "hmac_key" not in shown
