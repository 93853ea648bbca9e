"""From one form of the configuration to the other and back: the daemon must see no difference."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fwknopd.config.access_conf import stanzas_from_access_conf
from fwknopd.config.classic_to_uci import uci_from_classic
from fwknopd.config.convert import (
    MASK,
    NEW_MASK,
    masked_conf,
    masked_uci,
    same_rules,
    settings_differences,
)
from fwknopd.config.fwknopd_conf import settings_from_fwknopd_conf
from fwknopd.config.includes import NoIncludes
from fwknopd.config.problems import ConfigError
from fwknopd.config.settings import Configuration
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_format import UciOption, UciPackage, UciSection, format_uci, parse_uci
from fwknopd.config.uci_model import anonymous_id
from fwknopd.config.uci_to_classic import ENDED, classic_from_uci
from fwknopd.config.variable import Kind, Variable
from fwknopd.config.variables import ACCESS_VARIABLES, SERVER_VARIABLES
from fwknopd.policy.stanza import Stanza

FREE = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters=";\x7f"),
    min_size=1,
    max_size=20,
).filter(lambda text: text.strip() == text)
HOSTILE = st.binary(min_size=1, max_size=30).map(
    lambda data: data.replace(b"\0", b"").decode("utf-8", "surrogateescape")
)
BASE64 = st.binary(min_size=8, max_size=30).map(lambda data: b64encode(data).decode())
NETWORKS = st.sampled_from(
    ["ANY", "any", "192.0.2.0/24", "10.1, 192.0.2.7", "2001:db8::/32", "192.0.2.0/255.255.255.0"]
)
PORTS = st.sampled_from(["tcp/22", "tcp/22, UDP/53", "tcp/22-30", "tcp/80 # web"])
BOOLEANS = st.sampled_from(["Y", "y", "N", "yes", "1"])
BY_KIND = {
    Kind.BOOLEAN: BOOLEANS,
    Kind.SWITCH: st.sampled_from(["1", "0", "on", "disabled"]),
    Kind.TEXT: FREE,
    Kind.PATH: st.sampled_from(["/etc/x", "/tmp/a b"]),
    Kind.INTERFACE: st.sampled_from(["eth0", "eth0, eth1", "br-lan"]),
    Kind.FILTER: st.sampled_from(["udp port 62201", "udp or tcp"]),
    Kind.ADDRESS: st.just("192.0.2.1"),
    Kind.NETWORKS: NETWORKS,
    Kind.PORTS: PORTS,
    Kind.KEY_TEXT: FREE,
    Kind.KEY_BASE64: BASE64,
    Kind.HOURS: st.sampled_from(["08:00-18:00", "22:00-6:00, 12:00-13:00"]),
    Kind.DAYS: st.sampled_from(["mon tue", "fri-mon, wed"]),
    Kind.GPG_IDS: st.sampled_from(["BF48D714", "bf48d714, 21176169BF48D714"]),
    Kind.DATE: st.sampled_from(["12/31/2030", "1/2/30", "31/12/2030"]),
    Kind.NAT_TARGET: st.just("192.168.1.10 22"),
    Kind.NAT_RANGES: st.sampled_from(["192.168.1.10:22", "192.168.1.0/24, fd00::1"]),
    Kind.ACCOUNT: st.sampled_from(["nobody", "root", "users"]),
    Kind.COMMAND: st.sampled_from(["/bin/true $IP", "sh -c 'a b' # no comment", "büro $PORT"]),
    Kind.COMMANDS: st.sampled_from(["id", "/bin/true a, b", "wake büro"]),
    Kind.IPT_CHAIN: st.just("ACCEPT, filter, INPUT, 1, FWKNOP_INPUT, 1"),
    Kind.MARK: st.just("0x10"),
    Kind.ENDPOINT: st.sampled_from(["192.0.2.1", "[fd00::1]:514", "10.0.0.1:65535"]),
    Kind.DIGEST: st.sampled_from(["0f" * 32, "AB" * 32]),
}


def value_of(variable: Variable) -> st.SearchStrategy[str]:
    if variable.choices:
        return st.sampled_from(variable.choices)
    if variable.name in ("IPT_DNAT_ACCESS", "IPT_SNAT_ACCESS", "IPT_MASQUERADE_ACCESS"):
        return st.just("DNAT, nat, PREROUTING, 1, FWKNOP_PREROUTING, 1")
    if variable.kind in (Kind.INTEGER, Kind.EPOCH):
        low, high = variable.minimum or 1, variable.maximum or 100
        return st.integers(low, min(high, low + 2000)).map(str)
    return BY_KIND[variable.kind]


def directives(variables: list[Variable]) -> st.SearchStrategy[tuple[str, str]]:
    values = {each.name: value_of(each) for each in variables}
    known = st.sampled_from(variables).flatmap(
        lambda each: st.tuples(st.sampled_from([each.name, *each.aliases]), values[each.name])
    )
    unknown = st.tuples(st.sampled_from(["FUTURE", "open_ports", "name", "keytype", "X-Y"]), FREE)
    return st.one_of(known, known, known, unknown)


ACCESS = [each for each in ACCESS_VARIABLES if not each.uci_only and each.name != "SOURCE"]
SERVER = [each for each in SERVER_VARIABLES if not each.uci_only]
COMMENTS = st.sampled_from(["", "", "# a comment\n", "; one more\n", "#KEY: old secret\n", "\n"])


ACCESS_LINES = st.lists(directives(ACCESS), max_size=6)
OWN_ACCESS_LINES = st.lists(directives(list(ACCESS_VARIABLES)), max_size=6)
OWN_SERVER_LINES = st.lists(directives(list(SERVER_VARIABLES)), max_size=6)


@st.composite
def stanza_texts(draw: st.DrawFn) -> str:
    lines = [("KEY", "first passphrase"), *draw(ACCESS_LINES)]
    lines = draw(st.permutations(lines))
    text = "".join(f"{draw(COMMENTS)}{name} {value}{draw(ENDS)}\n" for name, value in lines)
    return f"SOURCE {draw(NETWORKS)}\n{text}"


def narrowed(stanza: Stanza) -> Stanza:
    """The client without what lets in more than the address it names, or has no effect."""
    allowed = stanza.allowed_commands if stanza.enable_cmd_exec else None
    return replace(
        stanza,
        grant_source=False,
        widen_ipv4=None,
        widen_ipv6=None,
        allowed_commands=allowed,
        old_keys_of="",
    )


ENDS = st.sampled_from(["", "", ";", "; # said", "  "])
ACCESS_TEXTS = st.lists(stanza_texts(), min_size=1, max_size=3).map("\n".join)
SERVER_TEXTS = st.lists(directives(SERVER), max_size=6).map(
    lambda lines: "ENABLE_IPT_FORWARDING Y;\n" + "".join(f"{n} {v};\n" for n, v in lines)
)


def read(server: str, access: str) -> Configuration:
    settings, _ = settings_from_fwknopd_conf(server, "fwknopd.conf")
    stanzas, _ = stanzas_from_access_conf(access, "access.conf", NoIncludes(), settings)
    return Configuration(settings, stanzas, None, "files")


def assert_same(one: Configuration, other: Configuration) -> None:
    assert not settings_differences(one.settings, other.settings)
    assert_same_clients(one.stanzas, other.stanzas)


def assert_same_clients(one: tuple[Stanza, ...], other: tuple[Stanza, ...]) -> None:
    assert len(one) == len(other)
    assert all(map(same_rules, one, other))


@settings(max_examples=200, deadline=None)
@given(SERVER_TEXTS, ACCESS_TEXTS)
def test_classic_files_through_uci_and_back(server: str, access: str) -> None:
    try:
        original = read(server, access)
    except ConfigError:
        assume(False)
    imported = uci_from_classic([(server, "f")], [(access, "a")], NoIncludes())
    assert imported.usable
    package = parse_uci(format_uci(imported.package), "u")
    assert_same(configuration_from_uci(package, "u"), original)
    numbers = [stanza.number for stanza in configuration_from_uci(package, "u").stanzas]
    assert numbers == [stanza.number for stanza in original.stanzas]
    exported = classic_from_uci(package, "u")
    assert exported.usable
    assert_same(read(exported.fwknopd_conf, exported.access_conf), original)


OPTION_VALUES = st.one_of(FREE, HOSTILE, st.lists(FREE, min_size=1, max_size=3).map(tuple))


@st.composite
def packages(draw: st.DrawFn) -> UciPackage:
    """Packages as the page makes them, and some that only an editor makes."""
    sections = []
    count = draw(st.integers(0, 3))
    for number in range(1, count + 1):
        found = dict(draw(OWN_ACCESS_LINES))
        found = {"SOURCE": draw(NETWORKS), "KEY": draw(FREE), **found}
        for name in draw(st.lists(st.sampled_from(["KEY", "note", "FUTURE", "CMD_CYCLE_OPEN"]))):
            found[name] = draw(HOSTILE)
        sections.append(_section("access", number, found))
    server = dict(draw(OWN_SERVER_LINES))
    server["ENABLE_IPT_FORWARDING"] = "Y"
    if draw(st.booleans()):
        sections.append(_section("network", count + 1, {"network": "wan"}))
    sections.append(_section("config", len(sections) + 1, server))
    return parse_uci(format_uci(UciPackage(tuple(sections))), "u")


def _section(kind: str, number: int, options: dict[str, str]) -> UciSection:
    named = tuple(UciOption(n, v) for n, v in options.items() if v and n != "X-Y")
    return UciSection(kind, None, anonymous_id(number, kind), named)


@settings(max_examples=200, deadline=None)
@given(packages())
def test_uci_through_classic_files(package: UciPackage) -> None:
    try:
        original = configuration_from_uci(package, "u")
    except ConfigError:
        assume(False)
    exported = classic_from_uci(package, "u", device="eth7")
    if not any(line.startswith("SOURCE") for line in exported.access_conf.split("\n")):
        return
    settings, _ = settings_from_fwknopd_conf(exported.fwknopd_conf, "f")
    stanzas, _ = stanzas_from_access_conf(exported.access_conf, "a", NoIncludes(), settings)
    wanted = original.settings
    if original.network:
        wanted = replace(wanted, pcap_intf="eth7")
    own = {"FIREWALL", "MARK"}
    if exported.usable:
        assert set(settings_differences(settings, wanted)) <= own
    # Whoever is written is the same client, in the same order; nobody is added.
    expected = [
        stanza if stanza.enabled else replace(stanza, enabled=True, access_expire=ENDED)
        for stanza in map(narrowed, original.stanzas)
    ]
    left_out = sum("is left out, as a comment" in loss.message for loss in exported.losses)
    remaining = iter(expected)
    for stanza in stanzas:
        assert any(same_rules(stanza, other) for other in remaining)
    assert len(stanzas) >= len(expected) - left_out


@given(packages(), ACCESS_TEXTS)
def test_no_difference_shows_a_key(package: UciPackage, access: str) -> None:
    for section in package.of_type("access"):
        for name in ("KEY", "HMAC_KEY", "GPG_DECRYPT_PW"):
            value = section.get(name)
            if len(value.strip()) > 8 and value.isprintable():
                shown = masked_uci(package, frozenset()) + masked_uci(package)
                keyless = [line for line in shown if MASK not in line]
                assert not any(f"option {name} " in line for line in keyless)
    for line in masked_conf(access, frozenset()):
        if line.split()[:1] in (["KEY"], ["#KEY:"]):
            assert line.endswith(NEW_MASK)
