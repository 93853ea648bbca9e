"""GPG directives: which clients have a GPG key, and what is said of settings that can't work."""

from __future__ import annotations

import pytest

from fwknopd.config.access_conf import stanzas_from_access_conf
from fwknopd.config.fwknopd_conf import settings_from_fwknopd_conf
from fwknopd.config.gpg_ring_checks import ring_problems, unread_problems
from fwknopd.config.gpg_stanza import with_defaults
from fwknopd.config.problems import ConfigError, Problem, Severity
from fwknopd.config.settings import ServerSettings
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_format import parse_uci
from fwknopd.policy.gpg import GpgAccess, GpgHome
from fwknopd.policy.stanza import Stanza
from fwknopd.spa.gpg_ring import CUT, read_ring
from fwknopd.spa.mode import EncryptionMode

FINGERPRINT = "2B96E334758435CBE9ADF4C321176169BF48D714"
HEAD = "SOURCE ANY\n"
SIGNED = f"GPG_FINGERPRINT_ID {FINGERPRINT}\n"
OPEN = "GPG_ALLOW_NO_PW Y\n"
GOOD = HEAD + OPEN + SIGNED


def load(text: str, settings: ServerSettings | None = None) -> tuple[Stanza, list[Problem]]:
    (stanza,), problems = stanzas_from_access_conf(text, "access.conf", settings=settings)
    return stanza, list(problems)


def access(text: str, settings: ServerSettings | None = None) -> GpgAccess:
    found = load(text, settings)[0].gpg
    assert found is not None
    return found


def errors(text: str) -> list[Problem]:
    with pytest.raises(ConfigError) as refused:
        load(text)
    return [p for p in refused.value.problems if p.severity is Severity.ERROR]


def test_a_client_with_a_gpg_key_alone() -> None:
    stanza, problems = load(GOOD)
    assert stanza.gpg == GpgAccess(
        GpgHome("/root/.gnupg", "/usr/bin/gpg"), fingerprints=frozenset({FINGERPRINT})
    )
    assert stanza.keys.mode is EncryptionMode.ASYMMETRIC
    assert stanza.keys.encryption_key is None
    assert not problems


def test_an_aes_key_no_client_can_use_costs_no_gpg_client() -> None:
    stanza, [problem] = load(GOOD + f"KEY {'x' * 40}\n")
    assert stanza.gpg is not None
    assert stanza.keys.encryption_key is None
    assert "no client can use more than 32" in problem.message


def test_everything_a_client_may_say() -> None:
    text = (
        HEAD + "GPG_HOME_DIR /home/test/.gnupg\nGPG_EXE /opt/gpg\nGPG_DECRYPT_ID 11111111\n"
        "GPG_DECRYPT_PW open sesame\nGPG_IGNORE_SIG_VERIFY_ERROR Y\n"
        "GPG_REMOTE_ID AAAAAAAA, BBBBBBBB\nHMAC_KEY secret\nHMAC_DIGEST_TYPE sha512\n"
    )
    stanza, _ = load(text)
    assert stanza.gpg == GpgAccess(
        home=GpgHome("/home/test/.gnupg", "/opt/gpg"),
        passphrase=b"open sesame",
        decrypt_id="11111111",
        ignore_verify_error=True,
        remote_ids=frozenset({"AAAAAAAA", "BBBBBBBB"}),
    )
    assert stanza.keys.hmac_key == b"secret"
    assert "sesame" not in repr(stanza)


def test_the_servers_key_ring_is_the_default() -> None:
    text = "GPG_HOME_DIR /etc/gpg;\nGPG_EXE /opt/gpg2;\n"
    settings, _ = settings_from_fwknopd_conf(text, "fwknopd.conf")
    assert access(GOOD, settings).home == GpgHome("/etc/gpg", "/opt/gpg2")


def test_the_command_line_wins_over_the_server_and_not_over_the_client() -> None:
    own = load(GOOD + "GPG_HOME_DIR /own\n")[0]
    plain, without = load(GOOD)[0], load(HEAD + "KEY secret\n")[0]
    stanzas = with_defaults((own, plain, without), "/typed", "/typed/gpg")
    assert [s.gpg.home.folder for s in stanzas if s.gpg] == ["/own", "/typed"]
    assert {s.gpg.home.program for s in stanzas if s.gpg} == {"/typed/gpg"}
    assert stanzas[2] is without


@pytest.mark.parametrize(
    ("lines", "checked"),
    [
        ("", True),
        ("GPG_REQUIRE_SIG Y\n", True),
        ("GPG_REQUIRE_SIG N\n", True),
        ("GPG_DISABLE_SIG Y\n", False),
        ("GPG_DISABLE_SIG Y\nGPG_REQUIRE_SIG N\n", False),
        ("GPG_DISABLE_SIG Y\nGPG_REQUIRE_SIG Y\n", True),
        ("GPG_DISABLE_SIG N\n", True),
    ],
)
def test_when_signatures_are_checked(lines: str, checked: bool) -> None:
    assert access(GOOD + lines).check_signature is checked


@pytest.mark.parametrize("lines", ["GPG_REQUIRE_SIG N\n", "GPG_DISABLE_SIG Y\nGPG_REQUIRE_SIG Y\n"])
def test_settings_that_do_not_switch_signatures_off_are_named(lines: str) -> None:
    [problem] = load(GOOD + lines)[1]
    assert "checked all the same" in problem.message


def test_somebody_must_be_named_who_signs() -> None:
    [problem] = errors(HEAD + OPEN)
    assert (problem.file, problem.line) == ("access.conf", 1)
    assert "GPG_FINGERPRINT_ID" in problem.remedy
    assert "GPG_DISABLE_SIG" in problem.remedy


def test_in_uci_a_client_without_signers_can_not_knock() -> None:
    text = "config access\n\toption SOURCE 'ANY'\n\toption GPG_DECRYPT_PW 'x'\n"
    configuration = configuration_from_uci(parse_uci(text, "fwknopd"), "fwknopd")
    assert configuration.stanzas == ()
    assert any("this client can't knock" in found.message for found in configuration.problems)


def test_unsigned_knocks_without_hmac_are_warned_about() -> None:
    unsigned = HEAD + OPEN + "GPG_DISABLE_SIG Y\n"
    [problem] = load(unsigned)[1]
    assert "whoever has the router's public GPG key" in problem.message
    assert not load(unsigned + "HMAC_KEY secret\n")[1]


def test_ignored_errors_are_warned_about() -> None:
    [problem] = load(GOOD + "GPG_IGNORE_SIG_VERIFY_ERROR Y\n")[1]
    assert problem.severity is Severity.WARNING


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("GPG_REMOTE_ID bf48d714", "BF48D714"),
        ("GPG_REMOTE_ID 0xBF48D714", "BF48D714"),
        ("GPG_REMOTE_ID 21176169BF48D714", "BF48D714"),
        ("GPG_REMOTE_ID AAAAAAAA,21176169bf48d714", "BF48D714"),
        ("GPG_REMOTE_ID ANY", "Write it like"),
        (f"GPG_FINGERPRINT_ID {FINGERPRINT.lower()}", FINGERPRINT),
        ("GPG_FINGERPRINT_ID 2B96 E334 7584 35CB E9AD  F4C3 2117 6169 BF48 D714", FINGERPRINT),
        ("GPG_FINGERPRINT_ID BF48D714", "Write it like"),
    ],
)
def test_ids_that_never_fit_are_named_and_kept(line: str, right: str) -> None:
    stanza, [problem] = load(f"{HEAD}{OPEN}{line}\n")
    assert "never fits" in problem.message
    assert right in problem.remedy
    assert stanza.gpg is not None
    kept = stanza.gpg.remote_ids or stanza.gpg.fingerprints or frozenset()
    assert line.partition(" ")[2].split(",")[-1] in kept


def test_a_list_of_nothing_is_an_error() -> None:
    problems = errors(HEAD + OPEN + "GPG_REMOTE_ID ,\n")
    assert "GPG_REMOTE_ID" in {problem.option for problem in problems}


@pytest.mark.parametrize("name", ["GPG_REMOTE_ID", "GPG_DECRYPT_ID"])
def test_gpg_settings_without_a_key_are_named(name: str) -> None:
    stanza, [problem] = load(f"{HEAD}KEY secret\n{name} BF48D714\n")
    assert stanza.gpg is None
    assert "no effect" in problem.message


def test_no_key_at_all() -> None:
    [problem] = errors(HEAD + "GPG_ALLOW_NO_PW N\n")
    assert "no key" in problem.message


def test_both_kinds_of_keys() -> None:
    stanza, problems = load(GOOD + "KEY secret\n")
    assert stanza.gpg is not None
    assert (stanza.keys.encryption_key, stanza.keys.mode) == (b"secret", EncryptionMode.CBC)
    assert not problems


def test_asymmetric_mode_leaves_no_use_for_an_aes_key() -> None:
    stanza, [problem] = load(GOOD + "KEY secret\nENCRYPTION_MODE Asymmetric\n")
    assert stanza.keys.encryption_key is None
    assert problem.option == "KEY"
    assert "ENCRYPTION_MODE" in problem.remedy


def test_asymmetric_mode_without_a_gpg_key() -> None:
    text = HEAD + "KEY secret\nENCRYPTION_MODE Asymmetric\n"
    stanzas, problems = stanzas_from_access_conf(text, "access.conf")
    assert stanzas == ()
    assert any("no GPG key" in problem.message for problem in problems)


def test_an_hmac_key_is_no_aes_key() -> None:
    assert errors(HEAD + OPEN + SIGNED + "KEY same\nHMAC_KEY same\n")


UCI = f"""\
config access
	option SOURCE 'ANY'
	option KEY_BASE64 'CHANGEME'
	option GPG_DECRYPT_PW 'pass; phrase'
	list GPG_FINGERPRINT_ID '{FINGERPRINT}'
	list GPG_FINGERPRINT_ID 'E0BF30701C7BE867F9C4E9CCEAF3CAB4002A22BD'
"""


def test_uci_says_the_same() -> None:
    configuration = configuration_from_uci(parse_uci(UCI, "fwknopd"), "fwknopd")
    [stanza] = configuration.stanzas
    assert stanza.gpg is not None
    assert stanza.gpg.passphrase == b"pass; phrase"
    assert len(stanza.gpg.fingerprints or ()) == 2


# What the key ring holds


def key(kind: str, *parts: str, user: str = "", validity: str = "u") -> str:
    """A listed key: parts are fingerprint, uses and, behind a colon, bits and algorithm."""
    lines = []
    for count, part in enumerate(parts):
        fingerprint, uses, *size = part.split(":")
        bits, algorithm = size or ("2048", "1")
        name = kind if not count else {"pub": "sub", "sec": "ssb"}[kind]
        mark = "+" if kind == "sec" else ""
        digits = fingerprint.rjust(40, "0")
        head = f"{name}:{validity}:{bits}:{algorithm}:{digits[-16:]}:{1000 + count}"
        lines.append(f"{head}:::u:::{uses}:::{mark}:")
        lines.append(f"fpr:::::::::{digits}:")
    return "\n".join([*lines, f"uid:u::::1::h::{user}:"]) + "\n"


ROUTER = key("sec", "38526D48:sc", "FE89BD70:e", user="router")
ANNA = key("pub", f"{FINGERPRINT}:sc", user="anna")


def said(lines: str, *keys: str) -> list[Problem]:
    stanza, _ = load(HEAD + OPEN + lines)
    return list(ring_problems([stanza], read_ring("".join(keys).splitlines())))


def test_a_ring_in_order() -> None:
    assert said(SIGNED, ROUTER, ANNA) == []
    assert said("GPG_DECRYPT_ID 38526D48\nGPG_REMOTE_ID BF48D714\n", ROUTER, ANNA) == []
    assert said("GPG_DISABLE_SIG Y\n", ROUTER) == []


def test_a_ring_without_a_secret_key() -> None:
    [problem] = said(SIGNED, ANNA)
    assert "no secret key" in problem.message
    assert (problem.option, problem.line) == ("GPG_HOME_DIR", 1)


def test_a_decrypt_id_that_is_not_there() -> None:
    [problem] = said("GPG_DECRYPT_ID 11111111\n" + SIGNED, ROUTER, ANNA)
    assert (problem.option, problem.line) == ("GPG_DECRYPT_ID", 3)
    assert "11111111 is no secret key" in problem.message


@pytest.mark.parametrize("size", ["256:18", "1024:1"])
def test_a_key_whose_packets_never_arrive_whole(size: str) -> None:
    curve = key("sec", "38526D48:sc:256:22", f"FE89BD70:e:{size}")
    [problem] = said(SIGNED, curve, ANNA)
    assert "never arrive whole" in problem.message
    assert "rsa2048" in problem.remedy
    # Another key of the ring may do, unless this one is named.
    assert said(SIGNED, curve, ROUTER.replace("38526D48", "22222222"), ANNA) == []


def test_a_key_that_can_not_decrypt() -> None:
    [problem] = said(SIGNED, key("sec", "38526D48:sc"), ANNA)
    assert "no part that can decrypt" in problem.message


def test_signers_that_are_not_there() -> None:
    [problem] = said("GPG_REMOTE_ID 99999999\n", ROUTER, ANNA)
    assert "there is no key 99999999" in problem.message
    assert said("GPG_REMOTE_ID 99999999\n", ROUTER, CUT) == []
    assert said("GPG_REMOTE_ID 99999999\nGPG_IGNORE_SIG_VERIFY_ERROR Y\n", ROUTER) == []


def test_a_signer_nobody_trusts() -> None:
    untrusted = key("pub", f"{FINGERPRINT}:sc", validity="-")
    [problem] = said(SIGNED, ROUTER, untrusted)
    assert "does not trust" in problem.message
    assert f"--lsign-key {FINGERPRINT}" in problem.remedy
    assert said(SIGNED + "GPG_IGNORE_SIG_VERIFY_ERROR Y\n", ROUTER, untrusted) == []


def test_a_signer_whose_key_has_expired() -> None:
    problems = said(SIGNED, ROUTER, key("pub", f"{FINGERPRINT}:sc", validity="e"))
    assert "can't sign any more" in problems[0].message


def test_a_signer_who_signs_with_a_subkey() -> None:
    subkey = "DDD26A556588EC104896C331FBF7A8A5AA244255"
    both = key("pub", f"{FINGERPRINT}:sc", f"{subkey}:s")
    [problem] = said(SIGNED, ROUTER, both)
    assert subkey in problem.message
    [problem] = said("GPG_REMOTE_ID BF48D714\n", ROUTER, both)
    assert "AA244255" in problem.remedy
    assert said("GPG_REMOTE_ID AA244255\n", ROUTER, both) == []


@pytest.mark.parametrize(
    ("own", "signer", "hmac", "long"),
    [
        (2048, "2048:1", "", False),
        (4096, "2048:1", "HMAC_DIGEST_TYPE sha512\nHMAC_KEY secret\n", False),
        (4096, "4096:1", "", True),
        (3072, "4096:1", "", True),
        (3072, "3072:1", "", False),
        (4096, "256:22", "", False),
    ],
)
def test_keys_too_long_for_a_packet(own: int, signer: str, hmac: str, long: bool) -> None:
    router = key("sec", "38526D48:sc", f"FE89BD70:e:{own}:1")
    problems = said(SIGNED + hmac, router, key("pub", f"{FINGERPRINT}:sc:{signer}"))
    assert [f"{own} bits" in problem.message for problem in problems] == [True] * long


def test_a_ring_that_could_not_be_read() -> None:
    stanza, _ = load(GOOD)
    [problem] = unread_problems([stanza], "gpg did not list its keys")
    assert "gpg did not list its keys" in problem.message
    assert problem.file == "access.conf"
