"""The command line: the C daemon's spelling, abbreviations, and errors that help."""

from __future__ import annotations

import pytest

from fwknopd.options import DEFAULT_UCI, Options, UsageError, parse_options, usage


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


def test_nothing_given_is_the_default() -> None:
    assert parse_options([]) == Options()


def test_help_names_every_option() -> None:
    for name in ("--uci", "--events", "--firewall", "--control", "-f", "-i"):
        assert name in usage()
