"""The jail an init script asks for, built as procd's ujail does, out of what procd was told."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.package.router import Router

# Read-only mounts, then writable ones, an empty line after each. The last one is this
# computer's files, without which the programs here would not run.
_BUILD = """\
set -e
jail=/tmp/jail
mkdir -p $jail
mount -t tmpfs -o mode=0755 none $jail
for path in $READ_ONLY; do
	mkdir -p $jail$path
	mount --bind $path $jail$path
	mount -o remount,bind,ro $jail$path
done
for path in $WRITABLE; do
	mount --bind $path $jail$path
done
for path in proc sys dev host; do
	mkdir $jail/$path
done
mount -t proc proc $jail/proc
mount --rbind /sys $jail/sys
mount --rbind /dev $jail/dev
mount --rbind /host $jail/host
for link in /*; do
	[ ! -L $link ] || [ -e $jail$link ] || cp -P $link $jail$link
done
mount -o remount,bind,ro $jail
exec chroot $jail "$@"
"""


def jail_command(router: Router, calls: Sequence[Sequence[str]], *more: str) -> Sequence[str]:
    """The command line that starts the instance of ``calls`` in its jail.

    ``more`` are further arguments of it.
    """
    read_only = _words(calls, "procd_add_jail_mount")
    writable = _words(calls, "procd_add_jail_mount_rw")
    command = [*_parameter(calls, "command"), *more]
    capabilities = json.loads(router.read(*_parameter(calls, "capabilities")))
    tools = "/host/usr/bin"
    return router.command(
        *(f"{tools}/env", f"READ_ONLY={' '.join(read_only)}", f"WRITABLE={' '.join(writable)}"),
        f"PATH=/host/usr/sbin:{tools}",
        *(f"{tools}/unshare", "--mount", "--propagation=unchanged", "--pid", "--fork"),
        *("--kill-child", "--"),
        *("/host/usr/bin/sh", "-c", _BUILD, "sh"),
        *(f"{tools}/setpriv", "--no-new-privs"),
        f"--bounding-set={_set(capabilities['bounding'])}",
        f"--inh-caps={_set(capabilities['inheritable'])}",
        f"--ambient-caps={_set(capabilities['ambient'])}",
        *("--", *command),
    )


def _set(capabilities: Sequence[str]) -> str:
    return ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in capabilities)])


def _words(calls: Sequence[Sequence[str]], name: str) -> list[str]:
    return [word for call in calls if call[0] == name for word in call[1:]]


def _parameter(calls: Sequence[Sequence[str]], name: str) -> list[str]:
    of_it = [call[2:] for call in calls if call[0].endswith("_param") and call[1] == name]
    return [word for words in of_it for word in words]
