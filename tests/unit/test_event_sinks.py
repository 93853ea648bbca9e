"""Sinks never cost the daemon its time, and never tear two events into one."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from fwknopd.event_sinks import EventFileError, JsonLinesSink
from fwknopd.events import EventKind, EventLog, Losses

MANY = 2000
"""Events that are more than any pipe holds."""


def log_to(sink: JsonLinesSink) -> EventLog:
    return EventLog(lambda: 1.0, sinks=[sink])


def test_a_pipe_nobody_reads_is_no_reason_to_wait(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    sink = JsonLinesSink(str(path))
    log = log_to(sink)
    for _ in range(MANY):
        log.record(EventKind.ERROR, detail="x" * 200)
    lost = sink.losses()
    assert (lost.count > 0, lost.newest, lost.why) == (True, 1.0, "")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    data = os.read(reader, 1 << 20)
    os.close(reader)
    assert all(json.loads(line)["detail"] == "x" * 200 for line in data.splitlines())
    assert len(data.splitlines()) + lost.count == MANY


def test_an_existing_file_is_made_private(tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.touch(mode=0o644)
    log_to(JsonLinesSink(str(path))).record(EventKind.START)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_text().splitlines()) == 1


def test_a_full_disk_tears_no_line_into_the_next(tmp_path: Path) -> None:
    import resource
    import signal

    path = tmp_path / "events"
    sink = JsonLinesSink(str(path))
    log = log_to(sink)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, before[1]))
    try:
        for _ in range(4):
            log.record(EventKind.ERROR, detail="full")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert (sink.losses().count > 0, sink.losses().place) == (True, str(path))
    log.record(EventKind.ERROR, detail="room again")
    assert json.loads(path.read_text().splitlines()[-1])["detail"] == "room again"


def test_a_full_file_system_is_told_by_its_name() -> None:
    sink = JsonLinesSink("/dev/full")
    log = EventLog(lambda: 7.0, sinks=[sink])
    for _ in range(3):
        log.record(EventKind.START)
    assert sink.losses() == Losses("/dev/full", 3, 7.0, os.strerror(errno.ENOSPC))


def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(EventFileError, match="nowhere/events"):
        JsonLinesSink(str(tmp_path / "nowhere/events"))
