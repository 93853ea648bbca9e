"""Used packets over the ends of processes: one router, its clocks, and a real journal file."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fwknopd import replay_journal
from fwknopd.engine import EngineSettings
from fwknopd.firewall import TimedDoor
from fwknopd.firewall.log_only import LogOnlyFirewall
from fwknopd.policy.command import Command, Ended
from fwknopd.policy.verdict import Refusal
from fwknopd.replay_format import format_file
from fwknopd.replay_journal import JournalError

from .conftest import PHONE, Runner
from .router import AGE, CutOff, Flash, PowerCut, Router

SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture
def router(tmp_path: Path) -> Router:
    return Router(tmp_path)


@pytest.fixture
def volatile_router() -> Iterator[Router]:
    """One whose journal is on a file system in memory, as /var of a router is."""
    if not SHARED_MEMORY.is_dir():
        pytest.fail("there is no /dev/shm here")
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
        yield Router(Path(folder))


# With a journal


def test_a_first_start_takes_knocks_at_once(router: Router) -> None:
    router.start()
    assert router.send(router.knock()) == "accepted"
    assert router.errors() == []


@pytest.mark.parametrize("restart", [Router.start, Router.reboot])
def test_a_restart_refuses_copies_and_takes_knocks_at_once(
    router: Router, restart: Callable[[Router], Router]
) -> None:
    copy = router.start().knock(ahead=100)
    assert router.send(copy) == "accepted"
    router.later(10)
    restart(router)
    assert router.send(copy) == "replay"
    assert router.send(router.knock()) == "accepted"
    assert router.errors() == []


def test_a_process_that_ends_before_its_door_has_spent_the_packet(router: Router) -> None:
    copy = router.start(firewall=CutOff(router.clock.monotonic)).knock()
    with pytest.raises(PowerCut):
        router.engine.handle(copy)
    assert router.start().send(copy) == "replay"


def test_a_refused_packet_is_spent_over_a_restart_and_a_change_of_rules(router: Router) -> None:
    copy = router.start().knock()
    router.engine.configure(
        EngineSettings(router.settings, (replace(PHONE, open_ports=frozenset()),))
    )
    assert router.send(copy) == "port-not-allowed"
    assert router.start().send(copy) == "replay"


def test_packets_that_come_together_are_written_together(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    router.start()
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    packets = [router.knock() for _ in range(50)]
    router.engine.handle_all(packets)
    assert len(synced) == 1
    monkeypatch.undo()
    router.start()
    assert {router.send(packet) for packet in packets} == {"replay"}


class WatchedDoors(LogOnlyFirewall):
    """Notes how often the disk had been waited for when doors were opened."""

    def __init__(self, router: Router, flash: Flash) -> None:
        super().__init__(router.clock.monotonic)
        self.syncs_before: list[int] = []
        self._flash = flash

    def open(self, doors: Sequence[TimedDoor]) -> None:
        self.syncs_before.append(self._flash.syncs)
        super().open(doors)


class WatchedRunner(Runner):
    """Notes the same of commands."""

    def __init__(self, flash: Flash) -> None:
        super().__init__()
        self.syncs_before: list[int] = []
        self._flash = flash

    def start(self, command: Command, closing: bool, done: Callable[[Ended], None]) -> None:
        self.syncs_before.append(self._flash.syncs)
        super().start(command, closing, done)


@pytest.fixture
def flash(router: Router, monkeypatch: pytest.MonkeyPatch) -> Flash:
    made = Flash(router.path)
    monkeypatch.setattr(os, "fsync", made.sync)
    return made


def test_a_door_does_not_wait_for_the_disk_but_who_is_told_does(
    router: Router, flash: Flash
) -> None:
    firewall = WatchedDoors(router, flash)
    router.start(firewall=firewall)
    synced_when_told: list[int] = []
    router.events.sinks.append(lambda _: synced_when_told.append(flash.syncs))
    before = flash.syncs
    assert router.send(router.knock()) == "accepted"
    assert firewall.syncs_before == [before]
    # The verdict and the door.
    assert synced_when_told == [before + 1] * 2


def test_a_command_waits_for_the_disk(router: Router, flash: Flash) -> None:
    runner = WatchedRunner(flash)
    router.start(runner=runner)
    runs = replace(PHONE, enable_cmd_exec=True)
    router.engine.configure(EngineSettings(router.settings, (runs,)))
    before = flash.syncs
    assert router.send(router.command("id")) == "accepted"
    assert (runner.texts(), runner.syncs_before) == (["id"], [before + 1])


def test_a_packet_that_a_power_failure_takes_is_as_one_that_never_came(
    router: Router, flash: Flash
) -> None:
    firewall = WatchedDoors(router, flash)
    copy = router.start(firewall=firewall).knock(ahead=100)
    flash.dies = True
    with pytest.raises(PowerCut):
        router.engine.handle(copy)
    # Open before that, told to nobody, and gone with the power.
    assert len(firewall.read()) == 1
    assert [event.event for event in router.events.recent(10)] == []
    flash.lose()
    router.reboot()
    assert router.errors() == []
    assert router.send(copy) == "accepted"
    assert router.send(copy) == "replay"
    assert router.start().send(copy) == "replay"


def test_a_disk_that_fails_shuts_nobody_out(router: Router, flash: Flash) -> None:
    router.start()
    flash.fails = True
    copies = [router.knock(ahead=AGE) for _ in range(3)]
    assert [router.send(copy) for copy in copies[:2]] == ["accepted"] * 2
    assert len(router.errors()) == 1
    flash.fails = False
    assert router.send(copies[2]) == "accepted"
    assert {router.start().send(copy) for copy in copies} == {"replay"}


def test_the_c_daemons_list_at_its_usual_place_is_taken_over(router: Router) -> None:
    copy = router.start().knock()
    assert router.send(copy) == "accepted"
    router.former = router.run_dir / "digest.cache"
    router.path.rename(router.former)
    (router.run_dir / "fwknopd.ran").unlink()
    assert router.start().send(copy) == "replay"
    assert router.send(router.knock()) == "accepted"
    router.former = None
    assert router.start().send(copy) == "replay"


# Lost while nothing ran


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b" 17 ", b" 18 "))


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"# padding\n" * 200)


LOSSES: dict[str, tuple[Callable[[Path], object], str]] = {
    "removed": (Path.unlink, "is gone, though fwknopd ran here before"),
    "emptied": (lambda path: path.write_bytes(b""), "is empty"),
    "torn": (tear, "has damaged lines (1)"),
    "spoilt": (spoil, "has damaged lines (1)"),
    "cut": (grow, "is larger than 2000 bytes"),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_list_lets_no_used_packet_in_again(
    router: Router, loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_journal, "MAX_BYTES", 2000)
    harm, words = LOSSES[loss]
    copy = router.start().knock(ahead=AGE)
    assert router.send(copy) == "accepted"
    harm(router.path)
    router.start()
    (told,) = router.errors()
    assert words in told
    assert "2027-01-15 08:02:01 UTC" in told
    for _ in range(AGE + 1):
        assert router.send(copy) == "replay"
        assert router.send(router.knock()) == "replay"
        router.later(1)
    assert router.send(router.knock()) == "accepted"
    assert router.send(copy) == "replay"


def test_the_loss_is_known_to_every_later_start(router: Router) -> None:
    copy = router.start().knock(ahead=AGE)
    router.send(copy)
    router.path.unlink()
    router.start()
    router.later(30)
    router.start()
    assert "was lost by an earlier run" in router.errors()[0]
    assert router.send(copy) == "replay"
    assert router.send(router.knock()) == "replay"
    router.later(AGE + 1 - 30)
    assert router.start().send(copy) == "replay"
    assert router.send(router.knock()) == "accepted"


def test_open_doors_of_an_earlier_run_tell_of_a_loss(router: Router) -> None:
    copy = router.start().knock(ahead=AGE)
    router.send(copy)
    router.path.unlink()
    (router.run_dir / "fwknopd.ran").unlink()
    router.start().memory.outlived()
    assert router.send(copy) == "replay"


def test_open_doors_with_a_whole_journal_are_no_loss(router: Router) -> None:
    router.start()
    router.start().memory.outlived()
    assert router.send(router.knock()) == "accepted"


def test_a_list_in_memory_is_lost_with_a_reboot(volatile_router: Router) -> None:
    router = volatile_router
    copy = router.start().knock(ahead=100)
    router.send(copy)
    router.path.unlink()
    router.reboot()
    assert "is gone since this machine was started" in router.errors()[0]
    assert router.send(copy) == "replay"
    # 40 s after the start of the machine, so all of earlier is too old 81 s later.
    router.later(80)
    assert router.send(router.knock()) == "replay"
    router.later(1)
    assert router.send(router.knock()) == "accepted"
    assert router.send(copy) == "replay"


def test_a_first_start_long_after_a_boot_takes_knocks_at_once(volatile_router: Router) -> None:
    volatile_router.start()
    assert volatile_router.send(volatile_router.knock()) == "accepted"


# After a boot


def test_what_a_whole_list_lacks_is_not_fresh_after_a_reboot(router: Router) -> None:
    """It was read-only for a while, or the power failed before the disk had it."""
    router.start()
    router.later(1000)
    router.send(router.knock())
    listed = router.path.read_bytes()
    copy = router.knock()
    assert router.send(copy) == "accepted"
    router.path.write_bytes(listed)
    router.later(5)
    router.reboot()
    assert router.send(copy) == "replay"
    assert router.errors() == []
    # Nobody waits.
    assert router.send(router.knock()) == "accepted"


def test_a_clock_that_is_behind_keeps_its_owner_out_only_at_first(router: Router) -> None:
    router.start()
    router.later(1000)
    router.reboot()
    assert router.send(router.knock(ahead=-30)) == "accepted"
    late = router.knock(ahead=-50)
    verdict = router.engine.handle(late)
    assert isinstance(verdict, Refusal)
    assert "before this machine was started" in verdict.detail
    router.later(11)
    assert router.send(router.knock(ahead=-50)) == "accepted"
    assert router.send(late) == "replay"
    router.later(AGE)
    assert router.send(router.knock(ahead=-AGE)) == "accepted"
    assert router.memory.cache.booted_at is None


def test_what_was_too_old_is_no_fresher_for_a_reload_that_raises_the_age(router: Router) -> None:
    router.start()
    router.later(1000)
    router.send(router.knock())
    listed = router.path.read_bytes()
    copy = router.knock()
    assert router.send(copy) == "accepted"
    router.path.write_bytes(listed)
    router.later(5)
    router.reboot()
    router.later(AGE + 30)
    assert router.send(copy) == "too-old"
    assert router.memory.cache.booted_at is None
    router.use(replace(router.settings, max_spa_packet_age=3600))
    assert router.send(copy) == "replay"
    assert router.send(router.knock(ahead=-AGE)) == "accepted"
    # Nor after packets did not age for a while, in which nobody is asked when they were made.
    router.use(replace(router.settings, enable_spa_packet_aging=False))
    router.use(replace(router.settings, enable_spa_packet_aging=True))
    assert router.send(copy) == "replay"
    router.later(3600)
    assert router.send(router.knock()) == "accepted"
    assert router.memory.cache.booted_at is None


@pytest.mark.parametrize(
    "change",
    [{"enable_spa_packet_aging": False}, {"enable_digest_persistence": False}, {"test": True}],
    ids=lambda change: next(iter(change)),
)
def test_where_the_time_of_packets_or_the_list_is_of_no_account_neither_is_the_boot(
    router: Router, change: dict[str, Any]
) -> None:
    router.start()
    router.later(1000)
    router.settings = replace(router.settings, **change)
    router.reboot()
    assert router.send(router.knock(ahead=-100)) == "accepted"


def test_test_mode_leaves_no_trace_and_is_never_strict(router: Router) -> None:
    router.settings = replace(router.settings, test=True)
    for _ in range(2):
        router.start()
        assert router.send(router.knock()) == "accepted"
    assert list(router.run_dir.iterdir()) == []
    assert not router.path.exists()


# Growth


def test_the_file_stays_small_through_a_long_life(router: Router) -> None:
    router.start()
    for _ in range(60):
        router.later(AGE + 1)
        router.engine.handle_all([router.knock() for _ in range(50)])
    # 3000 packets went through; 1024 are remembered at most when so few are still acceptable.
    assert router.path.read_bytes().count(b"\n") < 2200
    last = router.knock()
    assert router.send(last) == "accepted"
    assert router.start().send(last) == "replay"


# Lost while it ran


@pytest.mark.parametrize("harm", [Path.unlink, tear, spoil, Path.touch])
def test_a_list_harmed_meanwhile_is_made_whole(
    router: Router, harm: Callable[[Path], None]
) -> None:
    copies = [router.start().knock(ahead=AGE), router.knock(ahead=AGE)]
    assert router.send(copies[0]) == "accepted"
    harm(router.path)
    assert router.send(copies[1]) == "accepted"
    router.start()
    assert [router.send(copy) for copy in copies] == ["replay", "replay"]


@contextmanager
def unwritable(router: Router) -> Iterator[None]:
    """A folder stands where the new file is prepared, and another where the file was."""
    kept = router.path.with_name("kept")
    router.path.rename(kept)
    router.path.mkdir()
    (router.path / "full").touch()
    yield
    (router.path / "full").unlink()
    router.path.rmdir()
    kept.rename(router.path)


def test_what_could_not_be_written_is_written_later(router: Router) -> None:
    router.start()
    copies = [router.knock(ahead=AGE) for _ in range(4)]
    assert router.send(copies[0]) == "accepted"
    with unwritable(router):
        assert router.send(copies[1]) == "accepted"
        assert router.send(copies[2]) == "accepted"
    assert len(router.errors()) == 1
    assert router.send(copies[3]) == "accepted"
    router.start()
    assert {router.send(copy) for copy in copies} == {"replay"}
    assert router.send(router.knock()) == "accepted"


def test_a_list_that_grows_because_it_can_not_be_made_anew_is_told_once(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    router.start()
    monkeypatch.setattr(replay_journal.ReplayJournal, "grown", lambda *_: True)
    for told in (1, 2):
        with monkeypatch.context() as full:
            full.setattr(replay_journal, "_replace", refuse)
            assert [router.send(router.knock()) for _ in range(3)] == ["accepted"] * 3
        assert len(router.errors()) == told
        # There is room again, and then none any more.
        assert router.send(router.knock()) == "accepted"


def test_an_orderly_end_writes_what_could_not_be_written(router: Router) -> None:
    copy = router.start().knock(ahead=AGE)
    with unwritable(router):
        assert router.send(copy) == "accepted"
    router.memory.close()
    assert router.start().send(copy) == "replay"
    assert router.send(router.knock()) == "accepted"


def test_a_file_that_can_not_be_read_stops_a_start(router: Router) -> None:
    router.path.mkdir(parents=True)
    with pytest.raises(JournalError, match="directory"):
        router.start()


# Switched off


def test_without_replay_detection_no_journal_is_needed(router: Router) -> None:
    router.path.mkdir(parents=True)
    router.settings = replace(router.settings, enable_digest_persistence=False)
    packet = router.start().knock()
    assert router.send(packet) == router.send(packet) == "accepted"
    assert router.errors() == []


def test_what_came_while_detection_was_off_counts_as_used(router: Router) -> None:
    off = replace(router.settings, enable_digest_persistence=False)
    known = router.start().knock(ahead=AGE)
    router.send(known)
    router.use(off)
    copy = router.knock(ahead=AGE)
    assert router.send(copy) == "accepted"
    router.use(replace(off, enable_digest_persistence=True))
    assert [router.send(packet) for packet in (copy, known)] == ["replay", "replay"]
    router.later(AGE + 1)
    fresh = router.knock()
    assert router.send(fresh) == "accepted"
    assert router.start().send(fresh) == "replay"


def test_a_run_without_detection_is_known_to_the_next_start(router: Router) -> None:
    on = router.settings
    router.start()
    router.settings = replace(on, enable_digest_persistence=False)
    copy = router.start().knock(ahead=AGE)
    assert router.send(copy) == "accepted"
    router.settings = on
    assert router.start().send(copy) == "replay"


def test_turning_detection_on_reports_a_journal_that_can_not_be_read(router: Router) -> None:
    router.settings = replace(router.settings, enable_digest_persistence=False)
    router.path.mkdir(parents=True)
    copy = router.start().knock(ahead=AGE)
    router.send(copy)
    router.use(replace(router.settings, enable_digest_persistence=True))
    assert "directory" in router.errors()[0]
    assert router.send(copy) == "replay"


# Clocks


def test_a_loss_is_reckoned_with_once_the_clock_is_set(router: Router) -> None:
    copy = router.start().knock(ahead=AGE)
    router.send(copy)
    router.path.unlink()
    true_time, router.clock.wall = router.clock.wall, 77.0
    router.start()
    assert router.send(copy) == "clock-not-set"
    assert router.memory.cache.blind_before is None
    router.later(20)
    router.clock.wall = true_time + 20
    assert router.send(copy) == "replay"
    assert router.send(router.knock()) == "replay"
    router.later(AGE + 1 - 20)
    assert router.send(router.knock()) == "accepted"


def test_a_loss_before_the_clock_was_set_is_known_to_the_next_start(router: Router) -> None:
    copy = router.start().knock(ahead=AGE)
    router.send(copy)
    router.path.unlink()
    true_time, router.clock.wall = router.clock.wall, 77.0
    router.start()
    router.later(5)
    router.clock.wall = true_time + 5
    assert router.start().send(copy) == "replay"


def test_a_loss_moves_along_when_the_clock_is_set_forward(router: Router) -> None:
    """A router begins with the time of its last shutdown, which looks like a time."""
    behind = 3 * 86_400
    router.start()
    copy = router.knock(ahead=AGE)
    router.send(copy)
    router.path.unlink()
    router.clock.wall -= behind
    router.start()
    router.clock.wall += behind
    assert router.send(copy) == "replay"
    router.later(10)
    assert router.start().send(copy) == "replay"
    router.later(AGE + 1 - 10)
    assert router.send(router.knock()) == "accepted"


def test_a_loss_moves_along_after_another_start_too(router: Router) -> None:
    router.start()
    copy = router.knock(ahead=AGE)
    router.send(copy)
    router.path.unlink()
    router.clock.wall -= 86_400
    router.start()
    router.start()
    router.clock.wall += 86_400
    assert router.send(copy) == "replay"


def test_a_loss_noted_by_a_true_clock_is_not_moved_by_one_that_was_behind(router: Router) -> None:
    router.start()
    router.path.unlink()
    router.start()
    router.later(AGE + 1)
    router.clock.wall -= 3 * 86_400
    router.start()
    router.clock.wall += 3 * 86_400
    assert router.send(router.knock()) == "accepted"


def test_a_slow_drift_of_the_clock_writes_nothing(router: Router) -> None:
    router.start()
    before = router.path.read_bytes()
    for _ in range(20):
        router.later(1)
        router.clock.wall += 0.06
        router.engine.handle_all(())
    assert router.path.read_bytes() == before


def test_the_journal_begins_as_the_c_daemons_does(router: Router) -> None:
    router.start()
    assert router.path.read_bytes().startswith(format_file((), None))
