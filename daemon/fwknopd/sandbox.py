"""Giving up the rights the daemon has no use for, as soon as everything is open.

Whoever takes over the daemon by a packet has what it has. So it keeps the two capabilities of
its trade, and what the configuration it was started with needs beside them. Without commands
of clients no program it starts can get more than it has either (PR_SET_NO_NEW_PRIVS); with
them that would take from sudo, and from commands that run as root, what people count on.

A jail (procd's, systemd's) that leaves no more than that from the start has done this already,
and then nothing is loaded for it here. capabilities(7), prctl(2).
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from fwknopd.config.problems import Problem, Severity
from fwknopd.config.settings import Configuration

STATUS = Path("/proc/self/status")

_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522
_LOWEST_FREE_PORT = 1024


class Capability(IntEnum):
    """The capabilities that are spoken of here, as the kernel numbers them."""

    DAC_OVERRIDE = 1
    KILL = 5
    SETGID = 6
    SETUID = 7
    SETPCAP = 8
    NET_BIND_SERVICE = 10
    NET_ADMIN = 12
    NET_RAW = 13


TRADE = frozenset({Capability.NET_ADMIN, Capability.NET_RAW})
COMMANDS = frozenset({Capability.SETUID, Capability.SETGID, Capability.KILL})
"""For commands that run as somebody else, and that take too long."""


class SandboxError(Exception):
    """Rights can't be given up; the text says why."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What the daemon keeps. ``commands``: programs it starts may have more than itself."""

    kept: frozenset[Capability]
    commands: bool

    def missing(self, configuration: Configuration, file: str) -> tuple[Problem, ...]:
        """A warning when ``configuration``, from ``file``, needs rights that are given up."""
        if self.commands or not runs_commands(configuration):
            return ()
        return (
            Problem(
                Severity.WARNING,
                file,
                None,
                "",
                "there is a client with commands now, and the daemon gave up the rights to run "
                "them when it was started without",
                "Restart the daemon; on OpenWrt: /etc/init.d/fwknopd restart",
            ),
        )


def runs_commands(configuration: Configuration | None) -> bool:
    """Is there a client whose knocks run commands?"""
    stanzas = configuration.stanzas if configuration else ()
    return any(stanza.enable_cmd_exec or stanza.cmd_cycle_open for stanza in stanzas)


def needed(configuration: Configuration | None, paths: Iterable[Path]) -> Rights:
    """What ``configuration`` needs, with files and folders at ``paths``."""
    commands = runs_commands(configuration)
    kept = TRADE | COMMANDS if commands else TRADE
    # A key ring may be any user's.
    has_rings = configuration is not None and any(stanza.gpg for stanza in configuration.stanzas)
    if has_rings or any(map(_is_others, paths)):
        kept |= {Capability.DAC_OVERRIDE}
    if configuration is not None and _lowest_port(configuration) < _LOWEST_FREE_PORT:
        kept |= {Capability.NET_BIND_SERVICE}
    return Rights(kept, commands)


def _lowest_port(configuration: Configuration) -> int:
    settings = configuration.settings
    ports = [_LOWEST_FREE_PORT]
    ports += [settings.tcpserv_port] if settings.enable_tcp_server else []
    ports += [settings.udpserv_port] if settings.enable_udp_server else []
    return min(ports)


def _is_others(path: Path) -> bool:
    """May anybody but root have made what is there now, or replace it by something later?

    Then root may read and change it by this right alone.
    """
    try:
        found = path.stat()
    except OSError:
        return False
    return found.st_uid != 0 or bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def give_up_all_but(rights: Rights) -> None:
    """Keep ``rights`` alone, for good. Raises SandboxError; then some may be left."""
    held = _held()
    mask = sum(1 << capability for capability in rights.kept)
    excess = held.permitted | (0 if rights.commands else held.bounding)
    if not excess & ~mask and (rights.commands or held.no_new_privileges):
        return
    libc = _libc()
    if not rights.commands and held.permitted & 1 << Capability.SETPCAP:
        for number in range(held.bounding.bit_length()):
            if held.bounding & ~mask & 1 << number:
                _call(libc.prctl, _PR_CAPBSET_DROP, number, 0, 0, 0)
    _keep(libc, held, mask)
    if not rights.commands:
        _call(libc.prctl, _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Held:
    """Masks of capabilities, bit 0 the first."""

    inheritable: int
    permitted: int
    effective: int
    bounding: int
    no_new_privileges: bool


def _held() -> _Held:
    try:
        return _told()
    except (OSError, KeyError, ValueError) as error:
        raise SandboxError(f"{STATUS} doesn't tell what rights there are ({error})") from error


def _told() -> _Held:
    fields = dict(line.split(":", 1) for line in STATUS.read_text("ascii").splitlines())
    inheritable, permitted, effective, bounding = (
        int(fields[f"Cap{name}"], 16) for name in ("Inh", "Prm", "Eff", "Bnd")
    )
    # Kernels before 4.10 don't say; setting it twice is no error.
    silent = "0"
    told = fields.get("NoNewPrivs", silent).strip()
    return _Held(inheritable, permitted, effective, bounding, told != silent)


def _libc() -> Any:
    try:
        # Loaded only where nobody else has taken these rights; OpenWrt has it apart.
        import ctypes

        return ctypes.CDLL(None, use_errno=True)
    except (ImportError, OSError) as error:
        raise SandboxError(f"Python's ctypes can't be used ({error})") from error


def _keep(libc: Any, held: _Held, mask: int) -> None:
    sets = [each & mask for each in (held.effective, held.permitted, held.inheritable)]
    # Two structures of three masks: the lower 32 capabilities, then the upper.
    data = struct.pack("=6I", *(each & 0xFFFFFFFF for each in sets), *(each >> 32 for each in sets))
    # Number 0 is this process.
    _call(libc.capset, struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), data)


def _call(function: Any, *arguments: int | bytes) -> None:
    """Call a function of the C library. Raises SandboxError when it fails."""
    import ctypes

    # As the kernel takes them: a C int would leave half of a register undefined.
    words = [ctypes.c_ulong(word) if isinstance(word, int) else word for word in arguments]
    if function(*words) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise SandboxError(f"the kernel refuses {function.__name__}: {reason}")
