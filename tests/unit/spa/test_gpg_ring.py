from __future__ import annotations

import pytest

from fwknopd.spa.gpg_ring import CUT, KeyRing, RingKey, read_ring

# As gpg 2.2 lists them, shortened to what is looked at.
SECRET = """\
sec:u:2048:1:23D9177D38526D48:1795316100:::u:::scESC:::+:::23::0:
fpr:::::::::DBB15FAB099FEA87CAF8527923D9177D38526D48:
uid:u::::1795316100::28C1::router (home) <router@example.net>::::::::::0:
ssb:u:2048:1:287DD901FE89BD70:1795316101::::::e:::+:::23:
fpr:::::::::826FDBB9F975ED552E535F01287DD901FE89BD70:
"""
PUBLIC = """\
pub:u:4096:1:21176169BF48D714:1795316100:::u:::scSC::::::23::0:
fpr:::::::::2B96E334758435CBE9ADF4C321176169BF48D714:
uid:u::::1795316100::28C1::anna <anna@example.net>::::::::::0:
sub:u:2048:1:FBF7A8A5AA244255:1795316200::::::s::::::23:
fpr:::::::::DDD26A556588EC104896C331FBF7A8A5AA244255:
sub:e:2048:1:00000000AA244255:1795316300::::::s::::::23:
fpr:::::::::0000000000000000000000000000000000000000:
"""


def ring(*texts: str) -> KeyRing:
    return read_ring("".join(texts).splitlines())


def key(text: str) -> RingKey:
    found = ring(text)
    [made] = found.secret + found.public
    return made


def test_keys_with_their_subkeys() -> None:
    both = ring(SECRET, PUBLIC)
    assert [len(made.parts) for made in both.secret] == [2]
    assert [len(made.parts) for made in both.public] == [3]
    assert both.recipients == {"23D9177D38526D48", "287DD901FE89BD70"}
    assert both.whole
    assert not ring(SECRET, CUT).whole
    part = both.secret[0].parts[1]
    assert (part.fingerprint[-8:], part.bits, part.algorithm) == ("FE89BD70", 2048, 1)


def test_a_secret_part_that_is_kept_elsewhere_opens_nothing() -> None:
    away = SECRET.replace("e:::+", "e:::#")
    assert ring(away).recipients == {"23D9177D38526D48"}
    assert key(away).newest("e") is None


def test_the_newest_usable_subkey_is_what_gpg_uses() -> None:
    anna = key(PUBLIC)
    signing, decrypting = anna.newest("s"), key(SECRET).newest("e")
    assert signing is not None
    assert signing.fingerprint.endswith("AA244255")
    assert signing.made == 1795316200
    assert decrypting is not None
    assert decrypting.key_id == "287DD901FE89BD70"
    primary = key(PUBLIC.partition("sub:")[0])
    assert primary.newest("s") is primary.parts[0]
    assert primary.newest("e") is None


@pytest.mark.parametrize(
    ("validity", "trusted"), [("u", True), ("f", True), ("m", False), ("-", False)]
)
def test_trust(validity: str, trusted: bool) -> None:
    assert key(PUBLIC.replace("pub:u:", f"pub:{validity}:", 1)).trusted is trusted


@pytest.mark.parametrize(
    ("kind", "long"),
    [
        ("2048:1", True),
        ("4096:1", True),
        ("1024:1", False),
        ("256:18", False),
        ("2048:16", True),
        ("1024:16", True),
        ("512:16", False),
    ],
)
def test_which_packets_arrive_whole(kind: str, long: bool) -> None:
    # An Elgamal session key is two numbers.
    [part] = key(f"sec:u:{kind}:287DD901FE89BD70:1:::u:::e:::+:").parts
    assert part.is_long is long


@pytest.mark.parametrize(
    "name",
    [
        "38526D48",
        "0x38526d48",
        "287DD901FE89BD70!",
        "DBB1 5FAB 099F EA87 CAF8  5279 23D9 177D 3852 6D48",
        "router@example.net",
        "HOME",
    ],
)
def test_what_a_key_may_be_called(name: str) -> None:
    assert key(SECRET).is_named(name)


@pytest.mark.parametrize("name", ["11111111", "526D48", "anna"])
def test_what_it_is_not_called(name: str) -> None:
    assert not key(SECRET).is_named(name)


def test_lines_nobody_knows_are_passed_over() -> None:
    odd = "tru::1:1795316149\nfpr:::::::::AA:\nsub:x\nuid\n\ncfg:version:2.2\n"
    assert ring(odd) == KeyRing()
    [bare] = ring("pub\nsub\nfpr\nuid\n").public
    assert (bare.parts[0].bits, bare.parts[0].key_id, bare.users) == (0, "", ("",))
