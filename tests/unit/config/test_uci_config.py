"""The UCI package as a configuration: what a router owner's file leads to."""

from __future__ import annotations

import pytest

from fwknopd.config.problems import ConfigError, Problem, Severity
from fwknopd.config.settings import Configuration
from fwknopd.config.uci_config import configuration_from_uci, uci_enabled
from fwknopd.config.uci_format import parse_uci
from fwknopd.policy.stanza import Stanza
from fwknopd.spa.digest import DigestType
from fwknopd.spa.mode import EncryptionMode

FILE = "/etc/config/fwknopd"
KEYS = "\toption KEY_BASE64 'a2V5MQ=='\n\toption HMAC_KEY_BASE64 'aG1hYzE='\n"
CLIENT = "config access\n\toption SOURCE 'ANY'\n" + KEYS
NAT = "config config\n\toption ENABLE_IPT_FORWARDING 'Y'\n"


def load(text: str) -> Configuration:
    return configuration_from_uci(parse_uci(text, FILE), FILE)


def only_client(text: str) -> Stanza:
    [stanza] = load(text).stanzas
    return stanza


def errors(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as refused:
        load(text)
    return tuple(p for p in refused.value.problems if p.severity is Severity.ERROR)


def worth_a_look(configuration: Configuration) -> list[Problem]:
    return [p for p in configuration.problems if p.severity is Severity.WARNING]


@pytest.mark.parametrize("word", ["1", "on", "true", "yes", "enabled"])
def test_enabled_by_ucis_words(word: str) -> None:
    assert uci_enabled(parse_uci(f"config global\n\toption uci_enabled '{word}'\n", FILE))


@pytest.mark.parametrize("word", ["0", "off", "Y", ""])
def test_not_enabled(word: str) -> None:
    assert not uci_enabled(parse_uci(f"config global\n\toption uci_enabled '{word}'\n", FILE))


def test_stock_file_gives_no_client_and_says_what_to_do() -> None:
    configuration = load(
        "config global\nconfig network\n"
        "config access\n\toption SOURCE 'ANY'\n"
        "\toption HMAC_KEY '__CHANGEME__'\n\toption KEY '__CHANGEME__'\n"
        "config config\n\toption ENABLE_IPT_FORWARDING 'Y'\n\toption ENABLE_NAT_DNS 'Y'\n"
    )
    assert configuration.stanzas == ()
    assert configuration.settings.enable_ipt_forwarding
    assert configuration.network == "wan"
    [problem] = worth_a_look(configuration)
    assert (problem.line, problem.option) == (6, "KEY")
    assert "placeholder" in problem.message
    assert problem.remedy == "Generate keys for this client."


def test_filled_file_of_old_luci() -> None:
    configuration = load(
        "config global\n\toption uci_enabled '1'\nconfig network\n\toption network 'wan'\n"
        "config access\n\toption SOURCE 'ANY'\n\toption keytype 'Base 64 key'\n"
        "\toption hkeytype 'Schlüssel'\n" + KEYS + "\toption OPEN_PORTS 'udp/53, tcp/22'\n"
        "\toption REQUIRE_SOURCE_ADDRESS 'y'\n"
    )
    [stanza] = configuration.stanzas
    assert configuration.problems == ()
    assert configuration.source == "uci"
    assert (stanza.keys.encryption_key, stanza.keys.hmac_key) == (b"key1", b"hmac1")
    assert {str(port) for port in stanza.open_ports or ()} == {"udp/53", "tcp/22"}
    assert stanza.require_source_address


def test_sections_may_stand_in_any_order() -> None:
    # The stock init script drops what stands above `config global`.
    text = (
        "config config\n\toption MAX_SPA_PACKET_AGE '60'\n"
        + CLIENT
        + "config network\n\toption network 'wan6'\nconfig global\n\toption uci_enabled '1'\n"
    )
    configuration = load(text)
    assert uci_enabled(parse_uci(text, FILE))
    assert configuration.settings.max_spa_packet_age == 60
    assert configuration.networks == ("wan6",)
    assert len(configuration.stanzas) == 1


def test_section_without_source_is_named_and_never_mixed_into_another() -> None:
    found = load(CLIENT + "config access 'phone'\n" + KEYS)
    assert [stanza.number for stanza in found.stanzas] == [1]
    [problem] = found.problems
    assert (problem.section, problem.line) == ("phone", 5)
    assert "SOURCE is missing: this client can't knock" in problem.message


@pytest.mark.parametrize("left", ["note 'mine'", "enabled '1'", "KEY 'set on the router'"])
def test_what_is_left_of_a_section_keeps_nobody_else_from_being_read(left: str) -> None:
    """As OpenWISP's agent leaves it, which takes away only the options it had set."""
    found = load(f"{CLIENT}config access 'rest'\n\toption {left}\n")
    assert [stanza.number for stanza in found.stanzas] == [1]
    told = [problem for problem in found.problems if problem.section == "rest"]
    assert {problem.severity for problem in told} == {Severity.WARNING}
    assert any("SOURCE is missing" in problem.message for problem in told)


def with_left(*lines: str) -> Configuration:
    """A client beside another one, in which something is wrong; a second key of a kind wins."""
    names = {line.split()[1] for line in lines}
    client = f"config access 'anna'\n\toption SOURCE 'ANY'\n{KEYS}"
    kept = [line for line in client.split("\n") if not names & set(line.split()[1:2])]
    found = load(CLIENT + "\n".join([*kept, *(f"\t{line}" for line in lines)]) + "\n")
    assert [stanza.number for stanza in found.stanzas] == [1]
    return found


@pytest.mark.parametrize(
    "option",
    ["KEY", "KEY_BASE64", "HMAC_KEY", "HMAC_KEY_BASE64", "OPEN_PORTS", "DESTINATION", "unknown"],
)
def test_a_variable_without_a_value_shuts_its_client_out_and_nobody_else(option: str) -> None:
    found = with_left(f"option {option} '{{{{ its_name }}}}'", "option note '{{ x }}'")
    [problem] = found.problems
    assert (problem.section, problem.option, problem.severity) == ("anna", option, Severity.WARNING)
    assert "no value for its variable its_name: this client can't knock" in problem.message


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("list OPEN_PORTS 'tcp/22'\n\tlist OPEN_PORTS '{{ p }}'", "its variable p"),
        ("option SOURCE '{{ x }}/24'", "its variable x"),
        ("option KEY_BASE64 '{{ my-key }}'", "a variable in it"),
        ("option KEY 'swordfish {{ my key }}'", "a variable in it"),
        ("list KEY 'swordfish'\n\tlist KEY '{{ key }}'", "its variable key"),
        ("option enabled '{{ on }}'", "its variable on"),
        ("option REQUIRE_USERNAME '{{ a }}{{ b }}'", "its variable a"),
        ("option CMD_CYCLE_TIMER '{{}}'", "a variable in it"),
    ],
)
def test_so_does_one_in_a_part_of_a_value_whatever_else_is_wrong(line: str, told: str) -> None:
    """An error would keep the configuration in which others are that were revoked with it."""
    found = with_left(line, "option FW_ACCESS_TIMEOUT 'soon'")
    [problem] = found.problems
    assert problem.severity is Severity.WARNING
    assert f"OpenWISP had no value for {told}: this client can't knock" in problem.message
    assert "my" not in str(problem)


def test_a_command_may_have_braces_of_its_own() -> None:
    command = "docker inspect --format {{.State}} web"
    lines = "".join(f"\toption CMD_CYCLE_{when} '{command}'\n" for when in ("OPEN", "CLOSE"))
    found = load(f"{CLIENT}{lines}\toption CMD_CYCLE_TIMER '30'\n")
    [stanza] = found.stanzas
    assert (stanza.cmd_cycle_open, stanza.cmd_cycle_close) == (command, command)


def test_braces_of_two_items_are_no_variable() -> None:
    with pytest.raises(ConfigError, match="SOURCE"):
        load("config access\n\tlist SOURCE 'ANY {{'\n\tlist SOURCE '}} ANY'\n" + KEYS)


def test_a_section_without_source_is_left_out_whatever_else_is_wrong() -> None:
    found = load(f"{CLIENT}config access 'rest'\n\toption OPEN_PORTS 'tcp/x'\n\tlist KEY 'a'\n")
    assert [stanza.number for stanza in found.stanzas] == [1]
    [problem] = found.problems
    assert "SOURCE is missing" in problem.message


@pytest.mark.parametrize(
    ("lines", "networks", "name"),
    [
        ("option network '{{ uplink }}'", ("{{uplink}}",), "uplink"),
        ("option network 'wan {{ my link }}'", ("wan", "{{mylink}}"), "my link"),
        ("option network '{{ my-link }} {{b}}'", ("{{my-link}}", "{{b}}"), "my-link"),
        ("list network 'wan'\n\tlist network '{{ b }}'", ("wan", "{{b}}"), "b"),
        ("option network 'lan_{{ b }}'", ("lan_{{b}}",), "b"),
    ],
)
def test_a_variable_without_a_value_is_no_network(
    lines: str, networks: tuple[str, ...], name: str
) -> None:
    found = load(f"{CLIENT}config network\n\t{lines}\n")
    assert found.networks == networks
    [problem] = found.problems
    assert f"no value for its variable {name}: no knock is heard there" in problem.message


@pytest.mark.parametrize("name", ["SYSLOG_IDENTITY", "MAX_SPA_PACKET_AGE", "PCAP_FILTER"])
def test_a_variable_without_a_value_is_no_setting(name: str) -> None:
    with pytest.raises(ConfigError, match="no value for its variable x"):
        load(f"{CLIENT}config config\n\toption {name} 'a {{{{ x }}}}'\n")


def test_a_setting_that_has_no_effect_may_be_anything() -> None:
    text = f"{CLIENT}config config\n\toption SNAT_TRANSLATE_IP '{{{{ x }}}}'\n"
    assert {problem.severity for problem in load(text).problems} == {Severity.NOTE}


def test_numbers_count_all_access_sections() -> None:
    unusable = "config access\n\toption SOURCE 'ANY'\n\toption KEY 'CHANGEME'\n"
    assert only_client(unusable + CLIENT).number == 2


def test_names() -> None:
    named = CLIENT.replace("config access", "config access 'phone'")
    assert only_client(CLIENT).label == "#1"
    assert only_client(named).label == "phone"
    assert only_client(named + "\toption name 'Anna'\n").label == "Anna"


def test_two_clients_of_one_name_are_warned_about() -> None:
    named = CLIENT + "\toption name 'Anna'\n"
    [problem] = worth_a_look(load(named + named))
    assert (problem.option, problem.line) == ("name", 10)


def test_all_errors_are_collected_with_their_lines() -> None:
    found = errors(
        "config config\n\toption MAX_SPA_PACKET_AGE '2 minutes'\n"
        "config access\n\toption SOURCE 'everywhere'\n\toption OPEN_PORTS 'ssh'\n" + KEYS
    )
    assert [(p.line, p.option) for p in found] == [
        (2, "MAX_SPA_PACKET_AGE"),
        (4, "SOURCE"),
        (5, "OPEN_PORTS"),
    ]
    assert str(found[0]) == (
        f"{FILE}:2: MAX_SPA_PACKET_AGE: '2 minutes' is not a number from 1 to 100000 (seconds). "
        "Write only digits, for example 120."
    )


def test_a_disabled_client_stays_known() -> None:
    assert not only_client(CLIENT + "\toption enabled '0'\n").enabled


def test_a_disabled_client_may_be_wrong() -> None:
    wrong = CLIENT + "\toption OPEN_PORTS 'ssh'\n\toption enabled '0'\n"
    configuration = load(wrong)
    assert configuration.stanzas == ()
    assert [p.option for p in worth_a_look(configuration)] == ["OPEN_PORTS"]


def test_lists_of_networks_and_ports_are_joined() -> None:
    stanza = only_client(
        "config access\n\tlist SOURCE '192.0.2.0/24'\n\tlist SOURCE '2001:db8::/32'\n"
        "\tlist OPEN_PORTS 'tcp/22'\n\tlist OPEN_PORTS 'tcp/443'\n" + KEYS
    )
    assert [str(network) for network in stanza.sources or ()] == ["192.0.2.0/24", "2001:db8::/32"]
    assert {str(port) for port in stanza.open_ports or ()} == {"tcp/22", "tcp/443"}


def test_a_list_where_one_value_belongs_is_an_error() -> None:
    [problem] = errors(CLIENT + "\tlist REQUIRE_USERNAME 'a'\n\tlist REQUIRE_USERNAME 'b'\n")
    assert problem.option == "REQUIRE_USERNAME"


def test_unknown_options_are_noted_only() -> None:
    configuration = load(CLIENT + "\toption colour 'blue'\n")
    [problem] = configuration.problems
    assert (problem.severity, problem.option) == (Severity.NOTE, "colour")


def test_a_name_in_the_wrong_case_is_a_warning() -> None:
    # `open_ports` has no effect, so this client may open any port.
    [problem] = worth_a_look(load(CLIENT + "\toption open_ports 'tcp/22'\n"))
    assert "OPEN_PORTS" in problem.remedy


def test_the_later_of_key_and_key_base64_counts() -> None:
    stanza = only_client(CLIENT + "\toption KEY 'other'\n")
    assert stanza.keys.encryption_key == b"other"
    assert worth_a_look(load(CLIENT + "\toption KEY 'other'\n"))


def test_a_placeholder_never_beats_a_real_key() -> None:
    stanza = only_client(CLIENT + "\toption KEY '__CHANGEME__'\n\toption HMAC_KEY 'CHANGEME'\n")
    assert (stanza.keys.encryption_key, stanza.keys.hmac_key) == (b"key1", b"hmac1")


def test_a_placeholder_hmac_key_does_not_turn_into_no_hmac_key() -> None:
    configuration = load(
        "config access\n\toption SOURCE 'ANY'\n\toption KEY 'real'\n"
        "\toption HMAC_KEY '__CHANGEME__'\n"
    )
    assert configuration.stanzas == ()
    assert worth_a_look(configuration)[0].option == "HMAC_KEY"


def test_a_client_without_hmac_key_is_possible() -> None:
    text = "config access\n\toption SOURCE 'ANY'\n\toption KEY 'real'\n"
    assert only_client(text).keys.hmac_key is None


def test_equal_keys_are_refused() -> None:
    [problem] = errors(
        "config access\n\toption SOURCE 'ANY'\n\toption KEY 'same'\n\toption HMAC_KEY 'same'\n"
    )
    assert problem.option == "HMAC_KEY"


@pytest.mark.parametrize(
    ("option", "maximum"), [("KEY", 32), ("HMAC_KEY", 136)], ids=["encryption", "hmac"]
)
def test_a_key_no_client_can_use_leaves_the_client_out(option: str, maximum: int) -> None:
    base = "config access\n\toption SOURCE 'ANY'\n\toption KEY 'k'\n\toption HMAC_KEY 'h'\n"
    fits, long = (f"{base}\toption {option} '{'x' * n}'\n" for n in (maximum, maximum + 1))
    assert len(load(fits).stanzas) == 1
    assert load(long).stanzas == ()
    assert str(maximum) in worth_a_look(load(long))[0].message


def test_legacy_mode_cuts_the_key() -> None:
    configuration = load(
        "config access\n\toption SOURCE 'ANY'\n\toption ENCRYPTION_MODE 'Legacy'\n"
        "\toption KEY '0123456789abcdefXYZ'\n"
    )
    [stanza] = configuration.stanzas
    assert stanza.keys.encryption_key == b"0123456789abcdef"
    assert stanza.keys.mode is EncryptionMode.LEGACY
    assert worth_a_look(configuration)


def test_hmac_type() -> None:
    stanza = only_client(CLIENT + "\toption HMAC_DIGEST_TYPE 'SHA512'\n")
    assert stanza.keys.hmac_type is DigestType.SHA512


def test_keys_never_show_in_a_repr() -> None:
    configuration = load(CLIENT)
    package = parse_uci(CLIENT, FILE)
    for shown in (repr(configuration), repr(package)):
        assert "a2V5" not in shown
        assert "key1" not in shown


def test_forced_nat_needs_forwarding() -> None:
    forced = CLIENT + "\toption FORCE_NAT '192.168.1.10 22'\n"
    [problem] = errors(forced)
    assert "ENABLE_IPT_FORWARDING" in problem.remedy
    assert str(only_client(NAT + forced).force_nat) == "192.168.1.10:22"


def test_timeouts() -> None:
    def timeouts(options: str) -> tuple[int, int]:
        stanza = only_client(CLIENT + options)
        return stanza.fw_access_timeout, stanza.max_fw_timeout

    assert timeouts("") == (30, 300)
    assert timeouts("\toption FW_ACCESS_TIMEOUT '0'\n") == (30, 300)
    # The cap nobody set must not shorten what somebody did set.
    assert timeouts("\toption FW_ACCESS_TIMEOUT '3600'\n") == (3600, 3600)
    assert timeouts("\toption MAX_FW_TIMEOUT '20'\n") == (30, 20)


def test_variables_of_other_builds_are_noted() -> None:
    [problem] = load("config config\n\toption PF_ANCHOR_NAME 'fwknop'\n").problems
    assert problem.severity is Severity.NOTE
    assert "pf does not exist on Linux" in problem.message


def test_which_interface() -> None:
    device = "config config\n\toption PCAP_INTF 'eth1'\n"
    network = "config network\n\tlist network 'wan'\n\tlist network 'wan6'\n"
    assert load("").networks == ("wan",)
    assert load(device).networks == ()
    assert load(device).settings.interfaces == ("eth1",)
    both = load(device + network)
    assert both.networks == ("wan", "wan6")
    assert [p.option for p in worth_a_look(both)] == ["network"]


def test_connections_are_cut_at_expiry_only_where_that_is_wished() -> None:
    assert only_client(CLIENT).cut_at_expiry is False
    assert only_client(CLIENT + "\toption cut_at_expiry '1'\n").cut_at_expiry is True


def test_our_own_server_options() -> None:
    settings = load(
        "config config\n\toption firewall 'log-only'\n\toption mark '0x10000'\n"
    ).settings
    assert (settings.firewall, settings.mark) == ("log-only", 0x10000)


def test_dangerous_settings_are_warned_about() -> None:
    configuration = load(
        "config config\n\toption ENABLE_DIGEST_PERSISTENCE 'N'\n"
        "\toption ENABLE_SPA_PACKET_AGING 'N'\n"
    )
    assert len(worth_a_look(configuration)) == 2


def test_an_unclear_switch_is_warned_about() -> None:
    [problem] = worth_a_look(load("config global\n\toption uci_enabled 'Y'\n"))
    assert problem.option == "uci_enabled"
