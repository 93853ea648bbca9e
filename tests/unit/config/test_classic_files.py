"""fwknopd.conf and access.conf as text: syntax, includes, what guides tell people to paste."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from fwknopd.config.access_conf import MAX_STANZAS, is_conf_name, stanzas_from_access_conf
from fwknopd.config.fwknopd_conf import settings_from_fwknopd_conf
from fwknopd.config.includes import IncludeError
from fwknopd.config.problems import ConfigError, Problem, Severity
from fwknopd.config.settings import ServerSettings
from fwknopd.policy.stanza import SourceNat, Stanza

CONF = "/etc/fwknop/fwknopd.conf"
ACCESS = "/etc/fwknop/access.conf"
KEY = "KEY secret\n"


class Files:
    """A file system made of a dictionary."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files

    def read_file(self, path: str) -> str:
        if path not in self.files:
            raise IncludeError(f"{path} does not exist", "Make it.")
        return self.files[path]

    def list_folder(self, path: str) -> Sequence[str]:
        names = [p.removeprefix(f"{path}/") for p in self.files if p.startswith(f"{path}/")]
        if not names:
            raise IncludeError(f"{path} does not exist", "Make it.")
        return names


def settings(text: str, *overrides: str) -> tuple[ServerSettings, tuple[Problem, ...]]:
    return settings_from_fwknopd_conf(text, CONF, [(more, f"{CONF}.d") for more in overrides])


def stanzas(text: str, files: dict[str, str] | None = None) -> tuple[Stanza, ...]:
    return stanzas_from_access_conf(text, ACCESS, Files(files or {}))[0]


def problems(text: str, files: dict[str, str] | None = None) -> tuple[Problem, ...]:
    return stanzas_from_access_conf(text, ACCESS, Files(files or {}))[1]


def errors(text: str, files: dict[str, str] | None = None) -> list[Problem]:
    with pytest.raises(ConfigError) as refused:
        stanzas(text, files)
    return [p for p in refused.value.problems if p.severity is Severity.ERROR]


# fwknopd.conf


def test_an_empty_file_means_defaults() -> None:
    assert settings("")[0] == ServerSettings(pcap_intf="eth0")


def test_values_end_at_the_semicolon() -> None:
    found, told = settings("PCAP_FILTER   udp port 12345; # comment\nPCAP_INTF\teth1 ;\r\n")
    assert (found.pcap_filter, found.pcap_intf) == ("udp port 12345", "eth1")
    assert told == ()


def test_comments_and_blank_lines() -> None:
    assert settings("# a\n; b\n\n   \n\t# c\n\r\n")[1] == ()


def test_the_last_line_and_the_override_win() -> None:
    assert settings("UDPSERV_PORT 1;\nUDPSERV_PORT 2;")[0].udpserv_port == 2
    assert settings("UDPSERV_PORT 1;", "UDPSERV_PORT 3;")[0].udpserv_port == 3


def test_a_line_without_value_is_ignored_with_a_warning() -> None:
    found, [problem] = settings("PCAP_FILTER ;\n")
    assert found.pcap_filter == "udp port 62201"
    assert (problem.severity, problem.line) == (Severity.WARNING, 1)


def test_names_take_no_colon_here() -> None:
    found, [problem] = settings("MAX_SPA_PACKET_AGE: 60;\n")
    assert found.max_spa_packet_age == 120
    assert "MAX_SPA_PACKET_AGE" in problem.remedy


def test_embedded_variables() -> None:
    found, told = settings("FWKNOP_RUN_DIR /run/x;\nFWKNOP_PID_FILE $FWKNOP_RUN_DIR/y.pid;\n")
    assert (found.fwknop_pid_file, told) == ("/run/x/y.pid", ())


def test_an_embedded_variable_must_be_set_above() -> None:
    found, [problem] = settings("FWKNOP_PID_FILE $FWKNOP_RUN_DIR/y.pid;\nFWKNOP_RUN_DIR /run/x;\n")
    assert found.fwknop_pid_file == ""
    assert problem.line == 1
    assert "FWKNOP_RUN_DIR" in problem.message


def test_values_do_not_grow_without_end() -> None:
    text = "PCAP_FILTER x\n" + f"PCAP_FILTER $PCAP_FILTER/{'y' * 500}\n" * 50
    with pytest.raises(ConfigError):
        settings(text)


@pytest.mark.parametrize("name", ["ENABLE_X_FORWARDED_FOR", "ALLOW_ANY_USER_AGENT"])
def test_a_rule_for_web_knocks_needs_web_knocks(name: str) -> None:
    found, [problem] = settings(f"{name} Y;\n")
    assert getattr(found, name.lower()) is True
    assert "ENABLE_SPA_OVER_HTTP" in problem.remedy
    assert settings(f"ENABLE_TCP_SERVER Y;\nENABLE_SPA_OVER_HTTP Y;\n{name} Y;\n")[1] == ()


@pytest.mark.parametrize(
    ("lines", "heard"),
    [
        ("", False),
        ("PCAP_FILTER udp dst port 5000;", False),
        ("ENABLE_UDP_SERVER Y;", False),
        ("PCAP_FILTER udp port 62201 or tcp port 80;", True),
        ("ENABLE_TCP_SERVER Y;", True),
        ("ENABLE_UDP_SERVER Y;\nENABLE_TCP_SERVER Y;", True),
    ],
)
def test_web_knocks_that_nobody_hears_are_told_of(lines: str, heard: bool) -> None:
    _, told = settings(f"ENABLE_SPA_OVER_HTTP Y;\n{lines}\n")
    assert [problem.option for problem in told] == ([] if heard else ["ENABLE_SPA_OVER_HTTP"])


def test_a_packet_file_switches_aging_off_unless_it_is_wanted() -> None:
    assert not settings("PCAP_FILE /x.pcap;")[0].enable_spa_packet_aging
    text = "PCAP_FILE /x.pcap;\nENABLE_SPA_PACKET_AGING Y;"
    assert settings(text)[0].enable_spa_packet_aging


def test_options_of_ours_belong_into_uci() -> None:
    found, [problem] = settings("mark 0x10;")
    assert found.mark == ServerSettings().mark
    assert problem.severity is Severity.NOTE


def test_range_errors_name_file_line_and_range() -> None:
    for name in ("UDPSERV_PORT", "TCPSERV_PORT"):
        with pytest.raises(ConfigError, match=rf"fwknopd.conf:2: {name}: '70000' .* 1 to 65535"):
            settings(f"\n{name} 70000;")


def test_a_long_comment_is_fine_and_a_long_line_is_not() -> None:
    assert settings("#" + "x" * 5000)[1] == ()
    with pytest.raises(ConfigError, match="1023"):
        settings("PCAP_FILTER " + "x" * 1100)


# access.conf: the files of public guides


def test_guide_for_a_declarative_server() -> None:
    [stanza] = stanzas(
        "SOURCE                     ANY\n"
        "OPEN_PORTS                 tcp/22\n"
        "REQUIRE_SOURCE_ADDRESS     Y\n"
        "KEY_BASE64:                Sz80RjpXOlhH2olGuKBUamHKcqyMBsS9BTgLaMugUsg=\n"
        "HMAC_KEY_BASE64:           c0TOaMJ2aVPdYTh4Aa25Dwxni7PrLo2zLAtBoVwSepkvH6nLcW45Cjb9zaEC"
        "2SQd03kaaV+Ckx3FhCh5ohNM5Q==\n"
    )
    assert len(stanza.keys.encryption_key or b"") == 32
    assert len(stanza.keys.hmac_key or b"") == 64
    assert stanza.require_source_address


def test_guide_with_semicolons_colons_and_comments() -> None:
    text = (
        "SOURCE: ANY;\n"
        "OPEN_PORTS: tcp/22; ### for ssh (change for access to other services)\n"
        "#KEY: throw_away_password;\n"
        "KEY: passphrase;\n"
        "FW_ACCESS_TIMEOUT: 30;\n"
        "REQUIRE_SOURCE_ADDRESS: Y;\n"
        "DATA_COLLECT_MODE: PCAP;\n"
        "GPG_REMOTE_ID: 99999999;   ## client key\n"
    )
    [stanza] = stanzas(text)
    assert {str(port) for port in stanza.open_ports or ()} == {"tcp/22"}
    assert stanza.keys.encryption_key == b"passphrase"
    told = {p.option: p.severity for p in problems(text)}
    assert told == {"DATA_COLLECT_MODE": Severity.NOTE, "GPG_REMOTE_ID": Severity.WARNING}


def test_guide_with_a_short_passphrase() -> None:
    [stanza] = stanzas("SOURCE: ANY;\nKEY: myt3stk3y!\n")
    assert stanza.keys.encryption_key == b"myt3stk3y!"
    assert stanza.open_ports is None


# access.conf: syntax


def test_everything_from_the_last_colon_of_the_name_goes() -> None:
    [stanza] = stanzas("SOURCE: ANY\nKEY:x: secret\nREQUIRE_USERNAME: a:b\n" + KEY)
    assert stanza.require_username == "a:b"


def test_a_line_of_blanks_is_fine() -> None:
    assert len(stanzas("SOURCE ANY\n \t \n" + KEY)) == 1


def test_a_line_without_value_is_an_error() -> None:
    [problem] = errors("SOURCE ANY\n" + KEY + "OPEN_PORTS\n")
    assert problem.line == 3


def test_names_are_case_sensitive() -> None:
    assert any("no stanza" in p.message for p in errors("source ANY\n" + KEY))


def test_lines_before_the_first_source_are_noted() -> None:
    [problem] = problems("OPEN_PORTS tcp/22\nSOURCE ANY\n" + KEY)
    assert (problem.severity, problem.line) == (Severity.NOTE, 1)


def test_stanzas_do_not_mix_and_are_counted() -> None:
    first, second = stanzas("SOURCE ANY\nOPEN_PORTS tcp/1\nKEY a\nSOURCE 10.0.0.1\nKEY b\n")
    assert (first.number, second.number) == (1, 2)
    assert second.open_ports is None


def test_the_last_of_equal_directives_wins() -> None:
    [stanza] = stanzas("SOURCE ANY\nFW_ACCESS_TIMEOUT 10\nFW_ACCESS_TIMEOUT 20\n" + KEY)
    assert stanza.fw_access_timeout == 20


@pytest.mark.parametrize(
    "line", ["ACCESS_EXPIRE_EPOCH 0", "ACCESS_EXPIRE 7/12/2032\nACCESS_EXPIRE_EPOCH 0"]
)
def test_an_end_of_0_is_none(line: str) -> None:
    text = f"SOURCE ANY\n{KEY}{line}\n"
    assert stanzas(text)[0].access_expire is None
    [problem] = problems(text)
    assert "never ends" in problem.message


def test_a_key_may_hold_a_tab_inside() -> None:
    assert stanzas("SOURCE ANY\nKEY \ta\tb\t\n")[0].keys.encryption_key == b"a\tb"


@pytest.mark.parametrize(
    "keys", ["", "KEY __CHANGEME__\n", "KEY CHANGEME\n"], ids=["none", "stock", "old stock"]
)
def test_a_stanza_without_keys_is_an_error(keys: str) -> None:
    [problem] = errors("SOURCE ANY\n" + keys)
    assert problem.remedy == "Generate keys for this client."


def test_the_options_of_uci_are_unknown_here() -> None:
    [problem] = problems("SOURCE ANY\nname Anna\n" + KEY)
    assert (problem.severity, problem.option) == (Severity.NOTE, "name")


def test_too_many_stanzas_are_refused() -> None:
    found = errors("SOURCE ANY\nKEY x\n" * (MAX_STANZAS + 1))
    assert str(MAX_STANZAS) in found[0].message


# access.conf: includes


def test_an_include_adds_stanzas_and_the_including_one_goes_on() -> None:
    text = "SOURCE ANY\nKEY outer\n%include /inner.conf\nOPEN_PORTS tcp/1\n"
    outer, inner = stanzas(text, {"/inner.conf": "SOURCE 10.0.0.1\nKEY inner\n"})
    assert {str(port) for port in outer.open_ports or ()} == {"tcp/1"}
    assert inner.open_ports is None
    assert (outer.number, inner.number) == (1, 2)


def test_an_include_may_stand_before_the_first_source() -> None:
    assert len(stanzas("%include /a\n", {"/a": "SOURCE ANY\n" + KEY})) == 1


def test_includes_reach_three_levels() -> None:
    files = {"/2": "%include /3\n", "/3": "SOURCE ANY\n" + KEY}
    assert len(stanzas("%include /2\n", files)) == 1
    files = {"/2": "%include /3\n", "/3": "%include /4\n", "/4": "SOURCE ANY\n" + KEY}
    found = errors("%include /2\n", files)
    assert (found[0].file, found[0].line) == ("/3", 1)


def test_a_file_that_includes_itself_ends() -> None:
    assert errors("%include /loop\n", {"/loop": "%include /loop\n"})


def test_a_missing_include_names_the_line_that_asks_for_it() -> None:
    found = errors("\n%include /missing\n")
    assert (found[0].file, found[0].line) == (ACCESS, 2)


def test_folders_are_read_in_the_order_of_names() -> None:
    files = {
        f"/d/{name}": f"SOURCE ANY\nREQUIRE_USERNAME {name}\nKEY x\n"
        for name in ("b.conf", "a.config", "c.conf.bak", "d.txt", "conf")
    }
    found = stanzas("%include_folder /d\n", files)
    assert [stanza.require_username for stanza in found] == ["a.config", "b.conf"]


@pytest.mark.parametrize("name", ["x.conf", "x.config", "x.conf2", ".conf", "a.b.conf"])
def test_names_an_include_folder_reads(name: str) -> None:
    assert is_conf_name(name)


@pytest.mark.parametrize("name", ["conf", "x.conf.bak", "x.cfg", "x.conf~.swp", ""])
def test_names_an_include_folder_leaves_alone(name: str) -> None:
    assert not is_conf_name(name)


def test_folders_count_as_a_level_and_must_exist() -> None:
    files = {"/2": "%include /3\n", "/3": "%include_folder /d\n", "/d/a.conf": "SOURCE ANY\n" + KEY}
    assert errors("%include /2\n", files)[0].file == "/3"
    assert errors("%include_folder /none\n")[0].line == 1


def test_a_long_line_is_an_error() -> None:
    found = errors("SOURCE ANY\nKEY x\nREQUIRE_USERNAME " + "y" * 1100)
    assert (found[0].line, found[0].remedy) == (3, "Shorten it.")


def test_a_key_file_before_the_first_stanza_is_noted() -> None:
    [problem] = problems("%include_keys /keys\nSOURCE ANY\n" + KEY, {"/keys": "KEY x\n"})
    assert (problem.severity, problem.line) == (Severity.NOTE, 1)


def test_key_files() -> None:
    text = "SOURCE ANY\n%include_keys /keys\nSOURCE ANY\n" + KEY
    first, second = stanzas(text, {"/keys": "KEY: apart\nHMAC_KEY: too\n"})
    assert (first.keys.encryption_key, first.keys.hmac_key) == (b"apart", b"too")
    assert second.keys.encryption_key == b"secret"


def test_other_directives_have_no_place_in_a_key_file() -> None:
    text = "SOURCE ANY\n%include_keys /keys\n"
    files = {"/keys": "KEY a\nHMAC_DIGEST_TYPE md5\n"}
    assert stanzas(text, files)[0].keys.hmac_type == "sha256"
    [problem] = problems(text, files)
    assert (problem.file, problem.option) == ("/keys", "HMAC_DIGEST_TYPE")


def test_a_missing_key_file_drops_only_its_stanza() -> None:
    # Also when there is a KEY: the missing file may have held the HMAC key.
    text = "SOURCE ANY\nKEY a\n%include_keys /missing\nSOURCE ANY\n" + KEY
    [stanza] = stanzas(text)
    assert stanza.number == 2
    assert [p.line for p in problems(text)] == [3]


def test_a_stanza_made_wrong_by_a_key_file_is_dropped_alone() -> None:
    text = "SOURCE ANY\n%include_keys /keys\nSOURCE ANY\n" + KEY
    assert [s.number for s in stanzas(text, {"/keys": "KEY_BASE64 !!!\n"})] == [2]


def test_nat_is_checked_against_fwknopd_conf() -> None:
    text = "SOURCE ANY\nFORCE_NAT 192.168.1.10 22\n" + KEY
    assert errors(text)[0].line == 2
    allowed = ServerSettings(enable_ipt_local_nat=True)
    assert stanzas_from_access_conf(text, ACCESS, None, allowed)[0]


def test_text_alone_can_not_include() -> None:
    with pytest.raises(ConfigError, match="can't be included here"):
        stanzas_from_access_conf("%include /etc/shadow\n", ACCESS)


# Forwarding

KEYS = "KEY enc-key-of-the-phone\nHMAC_KEY hmac-key-of-the-phone\n"
FORWARDING = ServerSettings(enable_ipt_forwarding=True)


def forwarder(*lines: str) -> Stanza:
    text = "".join(("SOURCE ANY\n", KEYS, *(f"{line}\n" for line in lines)))
    (stanza,), _ = stanzas_from_access_conf(text, ACCESS, Files({}), FORWARDING)
    return stanza


def test_forwarding_directives() -> None:
    stanza = forwarder("FORWARD_ALL Y", "FORCE_SNAT 192.168.1.1", "DISABLE_DNAT Y")
    assert (stanza.forward_all, stanza.disable_dnat) == (True, True)
    assert stanza.force_snat == SourceNat(ip_address("192.168.1.1"))


@pytest.mark.parametrize(
    ("lines", "source_nat"),
    [
        ((), None),
        (("FORCE_MASQUERADE N",), None),
        (("FORCE_MASQUERADE Y",), SourceNat()),
        (("FORCE_MASQUERADE Y", "FORCE_SNAT fd00::1"), SourceNat(ip_address("fd00::1"))),
        (("FORCE_SNAT fd00::1", "FORCE_MASQUERADE Y"), SourceNat(ip_address("fd00::1"))),
    ],
)
def test_an_address_wins_over_masquerading(
    lines: tuple[str, ...], source_nat: SourceNat | None
) -> None:
    assert forwarder("FORCE_NAT 192.168.1.10 22", *lines).force_snat == source_nat


@pytest.mark.parametrize("line", ["FORCE_SNAT 192.168.1.1", "FORCE_MASQUERADE Y"])
def test_a_source_is_forced_only_on_what_is_forwarded(line: str) -> None:
    (problem,) = errors(f"SOURCE ANY\n{KEYS}FORWARD_ALL Y\n{line}\n")
    assert (problem.line, problem.message) == (5, "forwarding is switched off")
    with pytest.raises(ConfigError) as refused:
        forwarder(line)
    (problem,) = refused.value.problems
    assert (problem.line, problem.option) == (4, line.split()[0])
    assert "FORWARD_ALL" in problem.remedy


@pytest.mark.parametrize("text", ["__CHANGEME__", "none"])
def test_an_address_that_is_not_used_may_be_none(text: str) -> None:
    assert settings(f"SNAT_TRANSLATE_IP {text};\n")[0].snat_translate_ip is None
    assert settings(f"SNAT_TRANSLATE_IP {text};\nENABLE_IPT_SNAT N;\n")[0].enable_ipt_snat is False
    with pytest.raises(ConfigError) as refused:
        settings(f"SNAT_TRANSLATE_IP {text};\nENABLE_IPT_SNAT Y;\n")
    assert [(p.line, p.option) for p in refused.value.problems] == [(1, "SNAT_TRANSLATE_IP")]


def test_the_address_that_is_used() -> None:
    found, _ = settings("ENABLE_IPT_SNAT Y;\nSNAT_TRANSLATE_IP 192.0.2.1;\n")
    assert (found.enable_ipt_snat, found.snat_translate_ip) == (True, ip_address("192.0.2.1"))


def test_what_keeps_forward_all_from_leading_anywhere_is_said() -> None:
    local = ServerSettings(enable_ipt_local_nat=True)
    text = f"SOURCE ANY\n{KEYS}FORWARD_ALL Y\nFORCE_MASQUERADE Y\n"
    _, problems = stanzas_from_access_conf(text, ACCESS, Files({}), local)
    assert [(p.line, p.option) for p in problems if "switched off" in p.message] == [
        (4, "FORWARD_ALL")
    ]
    assert "ENABLE_IPT_FORWARDING" in problems[0].remedy


@pytest.mark.parametrize("key", ["{{secret}}", "{{a}}-{{b}}", "pre-{{secret}}"])
def test_braces_in_a_key_are_a_key_as_with_the_c_daemon(key: str) -> None:
    """OpenWISP writes UCI alone."""
    [stanza] = stanzas(f"SOURCE ANY\nKEY {key}\nHMAC_KEY other-{key}\n")
    keys = stanza.keys
    assert (keys.encryption_key, keys.hmac_key) == (key.encode(), f"other-{key}".encode())
    assert problems(f"SOURCE ANY\nKEY {key}\nHMAC_KEY other-{key}\n") == ()
