"""Commands as real processes: what they are, have and can, and how their end is known."""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fwknopd import commands
from fwknopd.accounts import NoSuchAccount, SystemAccounts, group, user_and_group
from fwknopd.commands import CommandProcesses, run
from fwknopd.loop import Loop
from fwknopd.policy.command import Command, Ended
from fwknopd.workers import Workers
from tests.unit.signal_state import blocked_signals, ignored_signals

SOON = 20
NOBODY, NOGROUP = 65534, 65534

# Writes what it sees of itself to the file named first. For whom nothing but /bin is readable.
PROBE = """\
#!/bin/sh
{
    for word; do printf 'word=%s\\n' "$word"; done
    grep -E '^(Uid|Gid|Groups|CapEff):' /proc/$$/status
    printf 'folder=%s\\n' "$(pwd)"
    printf 'umask=%s\\n' "$(umask)"
    tr '\\0' '\\n' </proc/$$/environ | sed 's/^/environment=/'
    (: </dev/tty) 2>/dev/null && echo terminal=yes
} >"$1.part"
mv "$1.part" "$1"
"""
# The same for what a shell would change itself.
OWN = """\
import json, os, sys
descriptors = {name: os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")
               if os.path.lexists(f"/proc/self/fd/{name}")}
seen = {"words": sys.argv, "descriptors": descriptors, "pid": os.getpid(), "group": os.getpgrp()}
with open(sys.argv[1], "w") as out:
    json.dump(seen, out)
"""


class Desk:
    """A loop, workers, and the ends of commands."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.workers = Workers(self.loop)
        self.ended: list[Ended] = []

    def run(
        self, *words: str | bytes, user: str = "", group: str = "", seconds: int = SOON
    ) -> Ended:
        self.start(*words, user=user, group=group, seconds=seconds)
        self.workers.finish()
        return self.ended.pop()

    def start(
        self, *words: str | bytes, user: str = "", group: str = "", seconds: int = SOON
    ) -> None:
        encoded = tuple(word if isinstance(word, bytes) else word.encode() for word in words)
        run(self.workers, Command(encoded, user, group, seconds), self.ended.append)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.workers.close()
    desk.loop.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that any user may use."""
    made = Path(tempfile.mkdtemp(prefix="fwknop-test-"))
    made.chmod(0o777)
    probe = made / "probe"
    probe.write_text(PROBE)
    probe.chmod(0o755)
    yield made
    shutil.rmtree(made)


def seen(folder: Path) -> dict[str, list[str]]:
    """What the probe wrote, by name."""
    found: dict[str, list[str]] = {}
    for line in (folder / "seen").read_text().splitlines():
        name, _, value = line.replace(":\t", "=", 1).partition("=")
        found.setdefault(name, []).append(value.strip())
    return found


def probe(desk: Desk, folder: Path, **account: str) -> dict[str, list[str]]:
    assert desk.run(str(folder / "probe"), str(folder / "seen"), **account).well  # type: ignore[arg-type]
    return seen(folder)


# What a command is


def test_words_arrive_as_they_are(desk: Desk, folder: Path) -> None:
    odd = [b"'a", b"$HOME", b"*", b"-x", b";", b"\x80\xff", b"\x01"]
    assert desk.run(str(folder / "probe"), str(folder / "seen"), *odd).well
    text = (folder / "seen").read_bytes()
    words = [line.removeprefix(b"word=") for line in text.split(b"\n") if line[:5] == b"word="]
    assert words == [str(folder / "seen").encode(), *odd]


def test_nothing_around_it_but_a_path(desk: Desk, folder: Path) -> None:
    found = probe(desk, folder)
    assert found["environment"] == ["PATH=/usr/sbin:/sbin:/usr/bin:/bin"]
    assert found["folder"] == ["/"]
    assert found["umask"] == ["0022"]
    assert "terminal" not in found


def test_no_signal_the_daemon_ignores_or_blocks_stays_so(desk: Desk, tmp_path: Path) -> None:
    ignored = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE, signal.SIGTTOU)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ignored}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        # A shell would show what it blocks itself at that moment.
        assert desk.run("cp", "/proc/self/status", str(tmp_path / "status")).well
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
    status = (tmp_path / "status").read_text()
    assert (ignored_signals(status), blocked_signals(status)) == (set(), set())


def test_no_descriptor_but_three_to_nowhere(desk: Desk, tmp_path: Path) -> None:
    script, out = tmp_path / "own.py", tmp_path / "out"
    script.write_text(OWN)
    held = os.open("/dev/zero", os.O_RDONLY)
    os.set_inheritable(held, True)
    try:
        assert desk.run(os.path.realpath(sys.executable), "-I", str(script), str(out)).well
    finally:
        os.close(held)
    found: dict[str, Any] = json.loads(out.read_text())
    assert found["descriptors"] == dict.fromkeys("012", "/dev/null")
    assert found["pid"] == found["group"]


def test_it_has_no_terminal_even_if_the_daemon_has_one(folder: Path) -> None:
    # script(1) gives what it runs a terminal.
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from pathlib import Path\n"
        "from tests.unit.test_commands import Desk\n"
        "open('/dev/tty').close()\n"
        "assert Desk().run(sys.argv[3] + '/probe', sys.argv[3] + '/seen').well\n"
    )
    root = Path(__file__).parents[2]
    trial = folder / "trial.py"
    trial.write_text(code)
    line = f"{sys.executable} {trial} {root} {root / 'daemon'} {folder}"
    done = subprocess.run(
        ["script", "--quiet", "--return", "--command", line, "/dev/null"],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout
    assert "terminal" not in seen(folder)


def test_what_it_prints_takes_no_memory(desk: Desk) -> None:
    ended = desk.run("head", "-c", "3000000000", "/dev/zero")
    assert ended.status == 0


# Finding programs


def test_programs_are_found_in_the_systems_folders_only(
    desk: Desk, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.chdir(folder)
    assert desk.run("true").well
    ended = desk.run("probe", "x")
    assert ended.fault == "there is no program 'probe' in /usr/sbin:/sbin:/usr/bin:/bin"
    assert ended.status is None


@pytest.mark.parametrize("name", ["/no/such", "bin/no/such", "./none", "/bin/true/x"])
def test_a_program_that_is_not_there(desk: Desk, name: str) -> None:
    assert desk.run(name).fault == f"there is no program '{name}'"


def test_a_name_with_a_slash_starts_at_the_root(desk: Desk) -> None:
    assert desk.run("bin/true").well


def test_what_is_no_program(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    assert desk.run(str(tmp_path)).fault == f"'{tmp_path}' can't be run: Permission denied"
    assert "can't be run: Permission denied" in desk.run(str(tmp_path / "text")).fault


def test_a_script_that_does_not_say_by_what_is_run_by_sh(desk: Desk, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(f'echo "$1" >{tmp_path}/out\nexit 4\n')
    script.chmod(0o755)
    assert desk.run(str(script), "hello").status == 4
    assert (tmp_path / "out").read_text() == "hello\n"


# Ends


@pytest.mark.parametrize("status", [0, 1, 70, 127, 255])
def test_exit_status(desk: Desk, status: int) -> None:
    ended = desk.run("sh", "-c", f"exit {status}")
    assert (ended.status, ended.signal, ended.fault, ended.late) == (status, 0, "", False)
    assert ended.well is (status == 0)


def test_ended_by_a_signal(desk: Desk) -> None:
    ended = desk.run("sh", "-c", "kill -TERM $$")
    assert (ended.status, ended.signal, ended.late) == (None, signal.SIGTERM, False)


def test_one_that_takes_too_long_is_killed_with_all_it_started(desk: Desk, tmp_path: Path) -> None:
    # Neither of them listens to anything but SIGKILL.
    line = f"trap '' TERM HUP INT; sleep {SOON} & echo $! >{tmp_path}/pid; wait; sleep {SOON}"
    ended = desk.run("sh", "-c", line, seconds=1)
    assert (ended.late, ended.status, ended.signal) == (True, None, signal.SIGKILL)
    assert 0.9 < ended.seconds < SOON / 2
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_one_for_which_there_is_no_process(desk: Desk) -> None:
    full = Workers(desk.loop, running_limit=0, waiting_limit=0)
    run(full, Command((b"true",), "", "", 1), desk.ended.append)
    desk.loop.turn(0)
    assert "jobs are running or waiting already" in desk.ended[0].fault


def is_gone(pid: int) -> bool:
    end = time.monotonic() + SOON
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state in "ZX":
            return True
    return False


# Accounts


def test_as_the_daemon_itself(desk: Desk, folder: Path) -> None:
    found = probe(desk, folder)
    assert found["Uid"] == ["\t".join([str(os.getuid())] * 4)]


@pytest.mark.root
def test_root_alone_has_no_further_groups(folder: Path) -> None:
    before = os.getgroups()
    os.setgroups([1, 2, 100])
    try:
        desk = Desk()
        assert probe(desk, folder)["Groups"] == [""]
    finally:
        os.setgroups(before)


@pytest.mark.root
@pytest.mark.parametrize(
    ("user", "name", "ids"),
    [
        ("nobody", "", (NOBODY, NOGROUP)),
        ("nobody", "users", (NOBODY, 100)),
        # No group, but a user of this name: that user's group, as in the C daemon.
        ("bin", "sync", (2, NOGROUP)),
        ("", "users", (0, 100)),
    ],
)
def test_root_is_given_up_for_good(
    desk: Desk, folder: Path, user: str, name: str, ids: tuple[int, int]
) -> None:
    found = probe(desk, folder, user=user, group=name)
    assert found["Uid"] == ["\t".join([str(ids[0])] * 4)]
    assert found["Gid"] == ["\t".join([str(ids[1])] * 4)]
    assert found["Groups"] == [""]
    assert (found["CapEff"] == ["0" * 16]) is (ids[0] != 0)


def test_an_account_that_is_gone(desk: Desk) -> None:
    assert desk.run("true", user="no-such-user").fault == "there is no user no-such-user"
    assert desk.run("true", group="no-such-group").fault == "there is no group no-such-group"


@pytest.mark.root
def test_a_daemon_that_is_not_root_can_become_nobody_else(folder: Path) -> None:
    def trial() -> bytes:
        os.setresgid(NOGROUP, NOGROUP, NOGROUP)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        desk = Desk()
        itself = desk.run("true", user="nobody")
        return f"{itself.well} {desk.run('true', user='bin').fault}".encode()

    outcomes: list[bytes] = []
    desk = Desk()
    desk.workers.start(trial, SOON, lambda outcome: outcomes.append(outcome.result))
    desk.workers.finish()
    assert outcomes == [b"True can't become bin/bin: fwknopd does not run as root"]


def test_the_machines_accounts() -> None:
    accounts = SystemAccounts()
    assert accounts.has_user("root")
    assert accounts.has_group("root")
    assert not accounts.has_user("no-such-user")
    assert not accounts.has_group("no-such-group")
    assert user_and_group("root") == (0, 0)
    assert group("root") == 0
    with pytest.raises(NoSuchAccount):
        group("no-such-group")


def test_where_user_and_group_share_a_name_the_users_group_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = pwd.struct_passwd(("net", "x", 501, 600, "", "/", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwnam", {"net": user}.__getitem__)
    monkeypatch.setattr(grp, "getgrnam", {"net": grp.struct_group(("net", "x", 77, []))}.get)
    assert group("net") == 600


# The daemon's processes


def test_what_closes_does_not_wait_for_what_was_asked_for(desk: Desk, tmp_path: Path) -> None:
    processes = CommandProcesses(desk.workers)
    slow = Command((b"sleep", b"%d" % SOON), "", "", 1)
    for _ in range(6):
        processes.start(slow, False, desk.ended.append)
    processes.start(Command((b"true",), "", "", SOON), True, desk.ended.append)
    turn_until(desk, lambda: len(desk.ended) == 1)
    assert desk.ended[0].well
    turn_until(desk, lambda: len(desk.ended) == 7)
    assert all(ended.late for ended in desk.ended[1:])


def test_a_running_command_outlives_the_daemon(desk: Desk, tmp_path: Path) -> None:
    processes, out = CommandProcesses(desk.workers), tmp_path / "out"
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    line = f"echo $$ >{out}.part && mv {out}.part {out} && cat {fifo} >{out}.end"
    processes.start(Command((b"sh", b"-c", line.encode()), "", "", SOON), False, desk.ended.append)
    turn_until(desk, out.exists)
    desk.workers.close()
    fifo.write_text("alive")
    assert is_gone_or_reaped(int(out.read_text()))
    assert Path(f"{out}.end").read_text() == "alive"
    assert desk.ended == []


def turn_until(desk: Desk, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end, "it never happens"
        desk.workers.wait(condition, 0.02)


def is_gone_or_reaped(pid: int) -> bool:
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) == 0


# sudo


@pytest.mark.root
@pytest.mark.sudo
def test_sudo_makes_it_somebody_else(desk: Desk, folder: Path) -> None:
    words = ("sudo", "-u", "nobody", "-g", "users", str(folder / "probe"), str(folder / "seen"))
    assert desk.run(*words).well
    found = seen(folder)
    assert found["Uid"] == ["\t".join([str(NOBODY)] * 4)]
    assert found["Gid"] == ["\t".join(["100"] * 4)]


@pytest.mark.root
@pytest.mark.sudo
def test_what_runs_through_sudo_is_killed_too(desk: Desk, folder: Path) -> None:
    line = f"trap '' TERM; echo $$ >{folder}/pid; sleep {SOON}; sleep {SOON}"
    ended = desk.run("sudo", "-u", "nobody", "sh", "-c", line, seconds=2)
    assert ended.late
    assert is_gone(int((folder / "pid").read_text()))


def test_what_fails_before_the_command_is_no_end_of_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(command: Command) -> None:
        raise MemoryError

    monkeypatch.setattr(commands, "_become_account", fail)
    run(desk.workers, Command((b"true",), "", "", SOON), desk.ended.append)
    turn_until(desk, lambda: bool(desk.ended))
    assert desk.ended == [Ended(fault="MemoryError")]
