"""The command line: the C daemon's spelling, abbreviations, and errors that help."""

from __future__ import annotations

from pathlib import Path

import pytest

from fwknopd import cli
from fwknopd.option_table import OPTIONS
from fwknopd.options import DEFAULT_UCI, Options, UsageError, absolute, parse_options, usage


def test_the_set_ups_people_paste() -> None:
    nixos = parse_options(["--conf", "/etc/fwknop/fwknopd.conf", "--foreground"])
    assert (nixos.config_file, nixos.foreground) == ("/etc/fwknop/fwknopd.conf", True)
    console = parse_options(["-f", "-v", "-i", "eth0"])
    assert (console.foreground, console.verbose, console.interface) == (True, 1, "eth0")
    stock = parse_options(["--foreground", "--syslog-enable", "-c", "a", "-a", "b", "-i", "eth1"])
    assert (stock.config_file, stock.access_file, stock.interface) == ("a", "b", "eth1")


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        (["--uci"], DEFAULT_UCI),
        (["--uci", "-f"], DEFAULT_UCI),
        (["--uci", "/tmp/x", "-f"], "/tmp/x"),
        (["--uci=/tmp/x"], "/tmp/x"),
        ([], None),
    ],
)
def test_uci_with_and_without_a_file(arguments: list[str], file: str | None) -> None:
    assert parse_options(arguments).uci == file


def test_overrides_are_split_at_commas_and_add_up() -> None:
    assert parse_options(["-O", "a,b", "-O", "c"]).override_config == ("a", "b", "c")


def test_verbosity_adds_up() -> None:
    assert parse_options(["-vv", "-v"]).verbose == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--nonsense"], "--nonsense"),
        (["-i"], "-i"),
        (["-C", "many"], "--packet-limit"),
        (["--key-len", "33"], "--key-len"),
        (["surplus"], "surplus"),
        (["--pcap-f", "x"], "--pcap-f"),
    ],
)
def test_a_wrong_command_line_is_named(arguments: list[str], told: str) -> None:
    with pytest.raises(UsageError, match=r"fwknopd --help|expected a number") as error:
        parse_options(arguments)
    assert told.lstrip("-") in str(error.value)


@pytest.mark.parametrize(
    ("words", "action"),
    [
        ("-S", "status"),
        ("--stat", "status"),
        ("--kill", "kill"),
        ("--rest", "restart"),
        ("-D -v", "dump-config"),
        ("--fw-list", "fw-list"),
        ("--fw-list-a", "fw-list-all"),
        ("--fw-fl", "fw-flush"),
        ("--exit-parse-c", "check"),
        ("--exit-parse-d", "check-digests"),
        ("--dump-s", "error-codes"),
        ("-k", "key-gen"),
        ("-f", "run"),
        # Several at once: the C daemon's order, not that of the words.
        ("-D --fw-list -h", "help"),
        ("--exit-parse-config -D", "dump-config"),
        ("-h -V", "version"),
    ],
)
def test_actions(words: str, action: str) -> None:
    assert parse_options(words.split()).action == action


@pytest.mark.parametrize("words", ["-D -S", "-K -R", "--status --kill", "-D -K -R -S"])
def test_actions_that_exclude_each_other(words: str) -> None:
    with pytest.raises(UsageError, match="mutually exclusive"):
        parse_options(words.split())
    assert parse_options(["-S", "-S"]).action == "status"


@pytest.mark.parametrize(
    ("word", "field"),
    [
        ("--pcap-a", "pcap_any_direction"),
        ("--u", "udp_server"),
        ("--udp", "udp_server"),
        ("-U", "udp_server"),
        ("--rot", "rotate_digest_cache"),
    ],
)
def test_our_own_options_make_no_abbreviation_ambiguous(word: str, field: str) -> None:
    assert getattr(parse_options([word]), field) is True


def test_values_may_be_attached() -> None:
    given = parse_options(["--con=a", "-ieth3", "--pid=x", "--digest-f=y", "--packet=7"])
    assert (given.config_file, given.interface, given.pid_file) == ("a", "eth3", "x")
    assert (given.digest_file, given.packet_limit) == ("y", 7)


def test_options_without_effect_are_remembered() -> None:
    given = parse_options(["--sudo-exe", "/x", "-l", "C", "--no-locale", "-l", "D"])
    assert given.sudo_exe == "/x"
    assert given.without_effect == ("locale", "no-locale")


def test_events_on_standard_output_need_the_foreground() -> None:
    assert parse_options(["--events=-", "-f"]).events == "-"
    with pytest.raises(UsageError, match="--foreground"):
        parse_options(["--events", "-"])


def test_paths_for_the_background_are_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/etc")
    given = absolute(parse_options(["-c", "a", "-O", "b,/c", "--events", "d", "-r", "e"]))
    assert (given.config_file, given.override_config) == ("/etc/a", ("/etc/b", "/c"))
    assert (given.events, given.run_dir, given.access_file) == ("/etc/d", "/etc/e", None)


def test_nothing_given_is_the_default() -> None:
    assert parse_options([]) == Options()


@pytest.mark.parametrize(
    "arguments",
    [["-c", "f"], ["-a", "f"], ["-O", "f"], ["--access-folder", "d"], ["--uci", "f"], ["--conf=f"]],
)
def test_files_named_on_the_command_line_are_the_ones_used(arguments: list[str]) -> None:
    assert parse_options(arguments).names_files
    assert not parse_options(["-f", "-v", "-i", "eth0"]).names_files


def test_help_names_every_option() -> None:
    for option in OPTIONS:
        assert f"--{option.long} " in usage()
        assert f" -{option.short}, " in usage() or not option.short
    assert max(map(len, usage().splitlines())) < 120


def test_on_a_router_a_file_that_is_gone_does_not_lead_to_the_classic_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    release, uci = tmp_path / "openwrt_release", str(tmp_path / "fwknopd")
    monkeypatch.setattr(cli, "OPENWRT", release)
    monkeypatch.setattr(cli, "DEFAULT_UCI", uci)
    assert cli._with_uci(Options()).uci is None
    release.touch()
    assert cli._with_uci(Options()).uci == uci
    assert cli.main(["--exit-parse-config"]) == 1
    assert f"{uci} does not exist, so nobody can knock" in capsys.readouterr().err
    # Who names files is believed.
    assert cli.main(["--exit-parse-config", "-c", f"{tmp_path}/named.conf"]) == 1
    assert "named.conf does not exist" in capsys.readouterr().err


def test_a_check_tells_of_a_switch_that_says_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uci, conf, access = (tmp_path / name for name in ("fwknopd", "fwknopd.conf", "access.conf"))
    conf.touch()
    access.write_text("SOURCE ANY\nKEY a\nHMAC_KEY b\n")
    files = ["--uci", str(uci), "-c", str(conf), "-a", str(access)]
    for written, told in (
        ("perhaps", f"{uci}:2: uci_enabled: it is neither on nor off and counts as off."),
        ("{{ x }}", f"Nothing to guard: OpenWISP had no value for uci_enabled in {uci}"),
    ):
        uci.write_text(f"config global\n\toption uci_enabled '{written}'\n")
        assert cli.main([*files, "--exit-parse-config"]) == 0
        said = capsys.readouterr().err
        assert told in said and ".." not in said
