"""Which commands a client may ask for, and how they are to be run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fwknopd.policy.command import Command
from fwknopd.policy.verdict import CommandDecision, Reason
from fwknopd.spa.message import MessageType

from .knocks import Gate, client, knock

COMMAND = MessageType.COMMAND


def asked(text: str, *, sudo_exe: str = "/usr/bin/sudo", **rules: Any) -> Command:
    """What is run for a command that is allowed."""
    phone = client(enable_cmd_exec=True, **rules)
    gate = Gate(phone, sudo_exe=sudo_exe, cmd_exec_timeout=7)
    verdict = gate.judge(knock(phone, f"203.0.113.5,{text}", kind=COMMAND))
    assert isinstance(verdict, CommandDecision), verdict
    return verdict.command


def refused(text: str, **rules: Any) -> tuple[Reason, str]:
    phone = client(**{"enable_cmd_exec": True, **rules})
    refusal = Gate(phone).refusal(knock(phone, f"203.0.113.5,{text}", kind=COMMAND))
    assert refusal.stanza is phone
    return refusal.reason, refusal.detail


def test_off_unless_switched_on() -> None:
    reason, detail = refused("reboot", enable_cmd_exec=False)
    assert reason is Reason.COMMAND_NOT_ALLOWED
    assert "reboot" not in detail


def test_a_command_may_come_from_a_client_without_ports() -> None:
    phone = client(enable_cmd_exec=True, open_ports=frozenset())
    verdict = Gate(phone).judge(knock(phone, "0.0.0.0,id -u", kind=COMMAND))
    assert isinstance(verdict, CommandDecision)
    assert (verdict.command.words, str(verdict.address)) == ((b"id", b"-u"), "198.51.100.7")
    assert verdict.replay_entry is not None


def test_commands_need_the_right_user() -> None:
    reason, _ = refused("id", require_username="bob")
    assert reason is Reason.USERNAME_MISMATCH


def test_words_are_parted_at_white_space_and_nothing_else_means_anything() -> None:
    text = " sh\t-c  'a b' \"c\" $HOME `id` >/tmp/x ; rm&\x0b\x0c\r\nlast,word "
    assert asked(text).words == (
        *(b"sh", b"-c", b"'a", b"b'", b'"c"', b"$HOME", b"`id`", b">/tmp/x", b";", b"rm&"),
        b"last,word",
    )


def test_other_white_space_is_part_of_a_word() -> None:
    # In Latin-1 and UTF-8 these would be blanks.
    assert asked("a\x85b\xa0c").words == ("a\x85b\xa0c".encode(),)


def test_a_command_of_blanks_is_none() -> None:
    assert refused(" \t ")[0] is Reason.MALFORMED


def test_who_it_runs_as_and_how_long() -> None:
    command = asked("id", cmd_exec_user="nobody", cmd_exec_group="users")
    assert command == Command((b"id",), "nobody", "users", 7)
    assert command.account == "nobody/users"


@pytest.mark.parametrize(
    ("user", "group", "account"),
    [("", "", ""), ("nobody", "", "nobody/nobody"), ("", "users", "root/users")],
)
def test_accounts_in_words(user: str, group: str, account: str) -> None:
    assert Command((b"id",), user, group, 1).account == account


SUDO: dict[str, Any] = {"enable_cmd_sudo_exec": True}


@pytest.mark.parametrize(
    ("user", "group", "words"),
    [
        ("", "", "/opt/sudo id -u"),
        ("nobody", "", "/opt/sudo -u nobody id -u"),
        # The C daemon leaves the group out unless CMD_EXEC_GROUP is set too.
        ("nobody", "users", "/opt/sudo -u nobody -g users id -u"),
        ("", "users", "/opt/sudo -g users id -u"),
    ],
)
def test_sudo(user: str, group: str, words: str) -> None:
    names = {"cmd_sudo_exec_user": user, "cmd_sudo_exec_group": group}
    command = asked("id -u", sudo_exe="/opt/sudo", **SUDO, **names)
    assert command.text == words
    assert command.account == ""


def test_sudo_itself_can_run_as_somebody() -> None:
    command = asked("id", **SUDO, cmd_exec_user="nobody", cmd_sudo_exec_user="bin")
    assert (command.text, command.user) == ("/usr/bin/sudo -u bin id", "nobody")


@pytest.mark.parametrize("text", ["-u root id", "-s", "--shell", "PATH=/tmp id", "=x id"])
def test_a_client_gives_sudo_no_options(text: str) -> None:
    reason, detail = refused(text, **SUDO, cmd_sudo_exec_user="nobody")
    assert reason is Reason.COMMAND_NOT_ALLOWED
    assert "sudo would take" in detail
    assert asked(text).words[0] == text.split()[0].encode()


ALLOWED = ("/etc/init.d/vpn start", "wake büro")


@pytest.mark.parametrize("text", ["/etc/init.d/vpn start", " /etc/init.d/vpn\tstart ", "wake büro"])
def test_what_is_on_the_list_is_run(text: str) -> None:
    assert asked(text, allowed_commands=ALLOWED).words == tuple(text.encode().split())


@pytest.mark.parametrize(
    "text",
    [
        "/etc/init.d/vpn",
        "/etc/init.d/vpn stop",
        "/etc/init.d/vpn start now",
        "/etc/init.d/vpnstart",
        "/etc/init.d/vpn 'start'",
        "WAKE büro",
    ],
)
def test_what_is_not_on_the_list_is_not_run(text: str) -> None:
    reason, detail = refused(text, allowed_commands=ALLOWED)
    assert reason is Reason.COMMAND_NOT_ALLOWED
    assert "'/etc/init.d/vpn start'" in detail


def test_an_empty_list_allows_nothing() -> None:
    assert refused("id", allowed_commands=())[0] is Reason.COMMAND_NOT_ALLOWED


def test_a_further_client_with_the_same_keys_may_run_it() -> None:
    phone = client(enable_cmd_exec=True, allowed_commands=("id",))
    second = replace(phone, number=2, name="second", allowed_commands=("id -u",))
    verdict = Gate(phone, second).judge(knock(phone, "203.0.113.5,id -u", kind=COMMAND))
    assert verdict.stanza is second
