"""Files the programs keep for themselves: a crash, a full disk or a stranger may have torn them.

The first byte chooses whether the checksums of lines are put right, for without that no line
but a recorded one would be read.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import shutil
import tempfile
from base64 import b64encode
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from fwknop_webui.lockout import Lockout
from fwknop_webui.login_history import LoginHistory
from fwknop_webui.login_memory import LoginMemory
from fwknop_webui.unconfirmed import UnconfirmedFile
from fwknopd.checked_lines import checked
from fwknopd.cycle_format import format_cycles, parse_cycles
from fwknopd.cycle_table import OpenCycle
from fwknopd.ended_keys import EndedKeys
from fwknopd.grants import Door, Grant
from fwknopd.owner_format import format_boot, format_ended, format_opened, parse_owners
from fwknopd.policy.command import Command
from fwknopd.replay import ReplayEntry
from fwknopd.replay_format import format_blind, format_file, format_line, parse_blind, parse_line
from fwknopd.replay_journal import ReplayJournal
from fwknopd.spa.request import PortSpec, Protocol
from tests.fuzz.mutators import behind_first_byte, json_values, one_of, parts
from tests.fuzz.target import Target
from tests.web.clock import HandClock

NOW = 1000.0
BOOT = "boot"
PHONE, ROUTER = ip_address("198.51.100.7"), ip_address("2001:db8::1")


SCRATCH = "FUZZ_SCRATCH"
"""Where a campaign wants the folder: libFuzzer ends its process without any tidying up."""


def memory() -> Path | None:
    """A file system in memory."""
    found = Path("/dev/shm")
    return found if found.is_dir() else None


@cache
def folder() -> Path:
    """A folder of this process, in memory where there is any."""
    made = Path(tempfile.mkdtemp(prefix="fwknop-fuzz-", dir=os.environ.get(SCRATCH) or memory()))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def kept(name: str, data: bytes) -> Path:
    """A private file with these bytes."""
    path = folder() / name
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def put_right(data: bytes) -> bytes:
    """The lines of an input, with the checksums that belong to them if it asks for that."""
    choice, text = data[:1], data[1:]
    if choice in (b"", b"\0"):
        return text
    lines = text.split(b"\n")
    return b"".join(
        line + b"\n" if line.startswith(b"#") else checked(line.rpartition(b" ")[0])
        for line in lines
    )


# Used packets, ours and the C daemon's


def check_used_packets(data: bytes) -> None:
    """Every line is an entry or counts as damaged; what is added to the file is read back."""
    text = put_right(data)
    path = kept("digest.cache", text)
    journal = ReplayJournal(path)
    before = journal.load()
    lines = text.split(b"\n")
    assert len(before.entries) + before.damaged <= len(lines)
    for line in lines:
        assert parse_blind(line) is None or line.startswith(b"# blind-before")
        entry = parse_line(line)
        if entry is not None and len(entry.client.encode("utf-8", "surrogateescape")) <= 128:
            assert parse_line(format_line(entry)[:-1]) == entry
    journal.append([ENTRY])
    journal.close()
    after = ReplayJournal(path).load()
    assert after.entries[-1] == ENTRY, "a packet that was used is not remembered"
    torn = bool(text) and not text.endswith(b"\n")
    assert torn or after.entries[:-1] == before.entries
    assert set(before.entries) <= set(after.entries)
    assert torn or after.blind_before == before.blind_before


ENTRY = ReplayEntry(
    digest="A" * 43,
    key=b"k" * 32,
    seen=1800000000,
    timestamp=1799999999,
    protocol=17,
    source=PHONE,
    source_port=40000,
    destination=ROUTER,
    destination_port=62201,
    client="Zo\u00eb",
)


def used_seeds() -> list[bytes]:
    c_line = b"5Yl2Tm%s 17 127.0.0.1 40001 127.0.0.1 62201 1800000000\n" % (b"a" * 37)
    header = b"# <digest> <proto> <src_ip> <src_port> <dst_ip> <dst_port> <time>\n"
    ours = format_file([ENTRY, ENTRY], 1799999000)
    return [
        b"\0" + ours,
        b"\1" + ours,
        b"\0" + header + c_line * 2,
        b"\0" + ours[:-20],
        b"\0" + format_blind(0) + c_line,
    ]


# Open doors and command cycles


def check_open_doors(data: bytes) -> None:
    """Grants of this boot that are not over, or damaged lines."""
    text = put_right(data)
    kept_, damaged = parse_owners(text, BOOT, NOW)
    assert len(kept_) + damaged <= text.count(b"\n") + 1
    for grant in kept_:
        assert grant.opened <= NOW < grant.expires
        assert grant.client
    assert parse_owners(text, "another boot", NOW) == ([], 0)


def doors_seeds() -> list[bytes]:
    door = Door(PHONE, PortSpec(Protocol.TCP, 22))
    grants = [
        Grant(door, "phone", 900.0, 1030.0, "owner"),
        Grant(door, "Zo\u00eb", 900.0, 1e9, "other", cut_at_expiry=True),
    ]
    text = format_boot(BOOT) + format_opened(grants) + format_ended(grants[:1])
    return [b"\0" + text, b"\1" + text]


def check_open_cycles(data: bytes) -> None:
    """Cycles that end in a time there is, the same when written again; or damaged lines."""
    text = put_right(data)
    cycles, damaged = parse_cycles(text, BOOT, NOW)
    assert len(cycles) + damaged <= text.count(b"\n") + 1
    for cycle in cycles:
        assert cycle.opened <= NOW <= cycle.expires <= NOW + 8388608
        assert cycle.closing.words
        assert all(word and b"\0" not in word for word in cycle.closing.words)
    again, none = parse_cycles(format_cycles(cycles, BOOT), BOOT, NOW)
    assert none == 0
    assert [cycle.closing for cycle in again] == [cycle.closing for cycle in cycles]


def cycles_seeds() -> list[bytes]:
    closing = Command((b"/bin/sh", b"-c", b"\xff 'x'"), "root", "", 30)
    cycle = OpenCycle(
        client="phone",
        address=PHONE,
        port="tcp/22",
        closing=closing,
        undoes=(b"/bin/open", b"x"),
        opened=990.0,
        expires=1020.0,
    )
    text = format_cycles([cycle, cycle], BOOT)
    return [b"\0" + text, b"\1" + text]


# Marks of keys that ended, and the page's own files


def check_ended_keys(data: bytes) -> None:
    """Marks, or a word on what is wrong; what is kept again is read back."""
    file = EndedKeys(kept("ended", data))
    marks, _ = file.load()
    assert file.keep(marks) == ""
    assert file.load() == (marks[-200:], "")


def check_page_files(data: bytes) -> None:
    """What the page wrote down and a crash tore gives something or nothing."""
    clock = HandClock().clock
    remembered = UnconfirmedFile(kept("unconfirmed", data)).read()
    if remembered is not None:
        assert 0 <= remembered.left(clock) <= max(0.0, remembered.seconds)
    lockout, logins = Lockout(clock.monotonic), LoginHistory()
    memory = LoginMemory(kept("state", data), clock, lockout, logins)
    level = logging.root.manager.disable
    logging.disable()
    try:
        memory.load()
        memory.save()
    finally:
        logging.disable(level)
    for name in ("admin", "198.51.100.7"):
        assert lockout.state() is not None, name


def page_seeds() -> list[bytes]:
    clock = HandClock().clock
    lockout, logins = Lockout(clock.monotonic), LoginHistory()
    memory = LoginMemory(folder() / "seed", clock, lockout, logins)
    for _ in range(4):
        lockout.failed("198.51.100.7")
    memory.save()
    unconfirmed = {
        **{name: b64encode(b"config access\n").decode() for name in ("before", "after", "pending")},
        **{"id": "1", "user": "root", "seconds": 90.0, "deadline": 1050.0, "boot": "first"},
    }
    return [(folder() / "seed").read_bytes(), json.dumps(unconfirmed).encode()]


LINES = parts((b"\n", b" ", b", "), (b"# blind-before ", b"-", b'"+"', b'"-"', b"1e999", b"::1"))

TARGETS = (
    Target(
        "used_packets",
        "The list of used packets, or the C daemon's digest.cache, is read line by line; a packet "
        "added to a torn file is remembered.",
        check_used_packets,
        used_seeds,
        behind_first_byte(LINES),
        (b"# blind-before ", b" 17 127.0.0.1 ", b" - "),
        grown=1 << 17,
    ),
    Target(
        "open_doors",
        "open.doors tells of grants of this boot that are not over, or has damaged lines.",
        check_open_doors,
        doors_seeds,
        behind_first_byte(LINES),
        (b'["boot", "boot"]', b'"+"', b'"-"', b"NaN", b"1e999", b"true"),
        grown=1 << 17,
    ),
    Target(
        "open_cycles",
        "The list of command cycles tells of commands of whole words that end in time, or has "
        "damaged lines.",
        check_open_cycles,
        cycles_seeds,
        behind_first_byte(LINES),
        (b'"words": [', b'"undoes": []', b'"boot": "boot"', b"NaN", b"1e999", b"\\u0000"),
        grown=1 << 17,
    ),
    Target(
        "ended_keys",
        "The marks of keys that ended are read, and kept again as they are.",
        check_ended_keys,
        lambda: [b"0123456789abcdef" * 2 + b"\n" + b"f" * 32 + b"\n"],
        parts((b"\n",), (b"0" * 32,)),
        (b"0" * 32,),
    ),
    Target(
        "page_files",
        "What the page remembers of unconfirmed changes and failed logins is believed or not.",
        check_page_files,
        page_seeds,
        one_of(json_values(("lockout", "logins", "boot", "first")), parts((b",", b":"))),
        (b'"lockout"', b'"logins"', b'"boot"', b"1e308", b"NaN", b"null"),
    ),
)
