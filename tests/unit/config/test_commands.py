"""Directives about commands: what they mean, what is wrong with them, what is said of them."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest

from fwknopd.config.access_conf import build_stanzas, read_access_conf
from fwknopd.config.directive import Findings
from fwknopd.config.fwknopd_conf import settings_from_fwknopd_conf
from fwknopd.config.includes import NoIncludes
from fwknopd.config.problems import ConfigError, Problem, Severity
from fwknopd.config.settings import Configuration, ServerSettings
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_format import parse_uci
from fwknopd.configuration import load_files, load_uci
from fwknopd.policy.stanza import Stanza

ACCESS = "/etc/fwknop/access.conf"
UCI = "/etc/config/fwknopd"
HEAD = "SOURCE ANY\nKEY secret\n"
SECTION = "config access\n\toption SOURCE 'ANY'\n\toption KEY 'secret'\n"
ENABLED = SECTION + "\toption ENABLE_CMD_EXEC 'Y'\n"


class Accounts:
    """A machine with one user, and one group of another name."""

    def has_user(self, name: str) -> bool:
        return name in ("anna", "root")

    def has_group(self, name: str) -> bool:
        return name == "netdev"


def classic(directives: str) -> tuple[Stanza, tuple[Problem, ...]]:
    """The one client of a file, and what is said to it. Raises ConfigError."""
    findings = Findings()
    raw = read_access_conf([(HEAD + directives, ACCESS)], NoIncludes(), findings)
    stanzas = build_stanzas(raw, ServerSettings(), findings, Accounts())
    problems = findings.result()
    (stanza,) = stanzas
    return stanza, problems


def error(directives: str) -> Problem:
    with pytest.raises(ConfigError) as refused:
        classic(directives)
    (found,) = refused.value.problems
    return found


def uci(text: str) -> Configuration:
    return configuration_from_uci(parse_uci(text, UCI), UCI, Accounts())


def test_every_directive() -> None:
    stanza, _ = classic(
        "ENABLE_CMD_EXEC Y\nCMD_EXEC_USER anna\nCMD_EXEC_GROUP netdev\n"
        "ENABLE_CMD_SUDO_EXEC y\nCMD_SUDO_EXEC_USER root\nCMD_SUDO_EXEC_GROUP netdev\n"
    )
    assert stanza.enable_cmd_exec
    assert (stanza.cmd_exec_user, stanza.cmd_exec_group) == ("anna", "netdev")
    assert stanza.enable_cmd_sudo_exec
    assert (stanza.cmd_sudo_exec_user, stanza.cmd_sudo_exec_group) == ("root", "netdev")
    assert stanza.allowed_commands is None


def test_nothing_is_run_by_default() -> None:
    stanza, problems = classic("CMD_EXEC_USER anna\n")
    assert not stanza.enable_cmd_exec
    assert problems == ()


@pytest.mark.parametrize(
    ("directives", "whose"),
    [
        ("", "root"),
        ("CMD_EXEC_USER anna\n", "anna"),
        ("ENABLE_CMD_SUDO_EXEC Y\n", "root"),
        ("ENABLE_CMD_SUDO_EXEC Y\nCMD_SUDO_EXEC_USER anna\n", "anna"),
    ],
)
def test_a_client_that_may_run_anything_is_warned_about(directives: str, whose: str) -> None:
    _, (problem,) = classic(f"ENABLE_CMD_EXEC Y\n{directives}")
    assert problem.severity is Severity.WARNING
    assert problem.line == 3
    assert problem.message.endswith(f"any command on this router, as {whose}")
    assert "allowed_commands" in problem.remedy


@pytest.mark.parametrize(
    "name", ["CMD_EXEC_USER", "CMD_SUDO_EXEC_USER", "CMD_EXEC_GROUP", "CMD_SUDO_EXEC_GROUP"]
)
def test_an_account_that_is_not_there(name: str) -> None:
    found = error(f"ENABLE_CMD_EXEC N\n{name} bert\n")
    kind = name.rpartition("_")[2].lower()
    assert (found.file, found.line, found.option) == (ACCESS, 4, name)
    assert found.message.startswith(f"this machine has no {kind} bert")
    assert "/etc/" in found.remedy


def test_in_uci_an_account_that_is_not_there_costs_that_client_only() -> None:
    other = SECTION.replace("secret", "other")
    configuration = uci(f"{ENABLED}\toption CMD_EXEC_USER 'bert'\n{other}")
    assert [stanza.number for stanza in configuration.stanzas] == [2]
    (problem,) = configuration.problems
    assert problem.severity is Severity.WARNING
    assert (problem.option, problem.line) == ("CMD_EXEC_USER", 5)


def test_a_group_may_be_named_by_a_user_as_in_the_c_daemon() -> None:
    stanza, _ = classic("CMD_EXEC_GROUP anna\n")
    assert stanza.cmd_exec_group == "anna"


def test_a_group_is_no_user() -> None:
    assert "no user netdev" in error("CMD_EXEC_USER netdev\n").message


@pytest.mark.parametrize("name", ["-u", "#0", "a b", "a:b", "%wheel", "a,b", "/x", "a/b", "x" * 65])
def test_what_can_be_no_name(name: str) -> None:
    assert "can't be the name" in error(f"CMD_EXEC_USER {name}\n").message


# The list of commands


def test_allowed_commands_of_an_option() -> None:
    configuration = uci(
        f"{ENABLED}\toption allowed_commands 'vpn  start;; wake büro ; vpn start'\n"
    )
    (stanza,) = configuration.stanzas
    assert stanza.allowed_commands == ("vpn start", "wake büro")
    assert configuration.problems == ()


def test_allowed_commands_of_a_list() -> None:
    lists = "".join(f"\tlist allowed_commands '{text}'\n" for text in ("vpn a,b", "wake\tbüro"))
    (stanza,) = uci(ENABLED + lists).stanzas
    assert stanza.allowed_commands == ("vpn a,b", "wake büro")


def test_a_list_of_nothing_is_an_error() -> None:
    with pytest.raises(ConfigError) as refused:
        uci(f"{ENABLED}\toption allowed_commands ' ; '\n")
    assert "it names no command" in refused.value.problems[0].message


def test_allowed_commands_are_ours_and_mean_nothing_in_access_conf() -> None:
    stanza, problems = classic("ENABLE_CMD_EXEC Y\nallowed_commands id\n")
    assert stanza.allowed_commands is None
    assert [p.option for p in problems] == ["allowed_commands", "ENABLE_CMD_EXEC"]


# The server's part


def test_server_variables() -> None:
    settings, _ = settings_from_fwknopd_conf("CMD_EXEC_TIMEOUT 5;\nSUDO_EXE /opt/sudo;\n", "f")
    assert (settings.cmd_exec_timeout, settings.sudo_exe) == (5, "/opt/sudo")
    assert (ServerSettings().cmd_exec_timeout, ServerSettings().sudo_exe) == (60, "/usr/bin/sudo")


@pytest.mark.parametrize("value", ["0", "86401", "5s", "-1"])
def test_a_time_limit_out_of_range(value: str) -> None:
    with pytest.raises(ConfigError):
        settings_from_fwknopd_conf(f"CMD_EXEC_TIMEOUT {value};\n", "f")


# Files that others may write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        "fwknopd.conf": "VERBOSE 0;\n",
        "access.conf": f"{HEAD}ENABLE_CMD_EXEC Y\nSOURCE ANY\nKEY other\n",
        "fwknopd": f"config global\n\toption uci_enabled '1'\n{ENABLED}",
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    return tmp_path


def files(folder: Path) -> Configuration:
    return load_files(folder / "fwknopd.conf", folder / "access.conf")


def from_uci(folder: Path) -> Configuration:
    configuration = load_uci(folder / "fwknopd", folder / "delta")
    assert configuration is not None
    return configuration


def test_private_files_may_ask_for_commands(folder: Path) -> None:
    assert files(folder).stanzas[0].enable_cmd_exec
    assert from_uci(folder).stanzas[0].enable_cmd_exec


def test_readable_files_may_too(folder: Path) -> None:
    (folder / "access.conf").chmod(0o644)
    assert files(folder).stanzas[0].enable_cmd_exec


@pytest.mark.parametrize("name", ["access.conf", "fwknopd.conf"])
def test_whoever_may_write_a_file_gets_no_commands_by_it(folder: Path, name: str) -> None:
    (folder / name).chmod(0o602)
    configuration = files(folder)
    assert [stanza.enable_cmd_exec for stanza in configuration.stanzas] == [False, False]
    (problem,) = [p for p in configuration.problems if "can run no command" in p.message]
    assert problem.file == str(folder / name)
    assert f"chmod 600 {folder / name}" in problem.remedy


def test_the_same_with_uci(folder: Path) -> None:
    (folder / "fwknopd").chmod(0o602)
    configuration = from_uci(folder)
    assert not configuration.stanzas[0].enable_cmd_exec
    assert any("can run no command" in p.message for p in configuration.problems)


@pytest.mark.root
def test_a_file_of_another_user_gets_no_commands(folder: Path) -> None:
    os.chown(folder / "fwknopd", pwd.getpwnam("nobody").pw_uid, 0)
    assert not from_uci(folder).stanzas[0].enable_cmd_exec


@pytest.mark.root
def test_a_group_that_may_write_a_file_gets_no_commands(folder: Path) -> None:
    os.chown(folder / "fwknopd", 0, grp.getgrnam("users").gr_gid)
    (folder / "fwknopd").chmod(0o620)
    assert not from_uci(folder).stanzas[0].enable_cmd_exec
    os.chown(folder / "fwknopd", 0, 0)
    assert from_uci(folder).stanzas[0].enable_cmd_exec


# Command cycles

CYCLE = "CMD_CYCLE_OPEN open $IP\nCMD_CYCLE_CLOSE close $IP\nCMD_CYCLE_TIMER 60\n"


def test_a_cycle() -> None:
    stanza, problems = classic(CYCLE)
    found = (stanza.cmd_cycle_open, stanza.cmd_cycle_close, stanza.cmd_cycle_timer)
    assert found == ("open $IP", "close $IP", 60)
    assert problems == ()


@pytest.mark.parametrize("close", ["NONE", "NONEsuch"])
def test_a_cycle_that_is_never_closed_needs_no_timer(close: str) -> None:
    stanza, problems = classic(f"CMD_CYCLE_OPEN open\nCMD_CYCLE_CLOSE {close}\n")
    assert stanza.cmd_cycle_timer == 0
    assert problems == ()


@pytest.mark.parametrize(
    ("directives", "option", "message"),
    [
        ("CMD_CYCLE_OPEN a\n", "CMD_CYCLE_OPEN", "CMD_CYCLE_CLOSE is missing"),
        ("CMD_CYCLE_CLOSE a\n", "CMD_CYCLE_CLOSE", "CMD_CYCLE_OPEN is missing"),
        (
            "CMD_CYCLE_OPEN a\nCMD_CYCLE_CLOSE none\n",
            "CMD_CYCLE_OPEN",
            "CMD_CYCLE_TIMER is missing",
        ),
        ("CMD_CYCLE_OPEN $\nCMD_CYCLE_CLOSE NONE\n", "CMD_CYCLE_OPEN", "it names no program"),
        (f"CMD_CYCLE_OPEN {'é' * 128}\nCMD_CYCLE_CLOSE NONE\n", "CMD_CYCLE_OPEN", "256 bytes"),
        (f"{CYCLE}CMD_CYCLE_TIMER 0\n", "CMD_CYCLE_TIMER", "not a number from 1 to 8388608"),
    ],
)
def test_what_is_wrong_with_a_cycle(directives: str, option: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        classic(directives)
    found = refused.value.problems[0]
    assert found.severity is Severity.ERROR
    assert (found.option, message in found.message) == (option, True)
    assert found.remedy


def test_what_stands_in_a_cycles_way() -> None:
    stanza, problems = classic(f"{CYCLE}ENABLE_CMD_EXEC Y\nCMD_EXEC_USER anna\n")
    assert stanza.cmd_exec_user == "anna"
    said = {p.option: (p.severity, p.message) for p in problems}
    assert said["ENABLE_CMD_EXEC"][0] is Severity.WARNING
    assert "it has no effect" in said["ENABLE_CMD_EXEC"][1]
    assert said["CMD_EXEC_USER"][0] is Severity.NOTE
    assert "the C daemon runs them as root" in said["CMD_EXEC_USER"][1]


@pytest.mark.parametrize(
    ("directives", "most"),
    [("", 300), ("CMD_CYCLE_TIMER 3600\n", 3600), ("CMD_CYCLE_TIMER 9\n", 300)],
)
def test_a_long_timer_raises_the_cap_that_nobody_set(directives: str, most: int) -> None:
    stanza, problems = classic(CYCLE + directives)
    assert stanza.max_fw_timeout == most
    assert problems == ()


def test_a_cap_that_is_set_wins_over_the_timer_and_says_so() -> None:
    stanza, (problem,) = classic(f"{CYCLE}MAX_FW_TIMEOUT 40\n")
    assert stanza.max_fw_timeout == 40
    assert "it is shorter than CMD_CYCLE_TIMER (60)" in problem.message


def test_whoever_may_write_a_file_gets_no_cycle_by_it(folder: Path) -> None:
    text = (folder / "access.conf").read_text().replace("ENABLE_CMD_EXEC Y\n", CYCLE)
    (folder / "access.conf").write_text(text)
    assert [stanza.number for stanza in files(folder).stanzas] == [1, 2]
    (folder / "access.conf").chmod(0o602)
    configuration = files(folder)
    # Ports are not opened instead.
    assert [stanza.number for stanza in configuration.stanzas] == [2]
    assert any("can run no command" in p.message for p in configuration.problems)
