"""What the init script tells procd, run by busybox's shell on a router's files."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.package.router import Router

pytestmark = [pytest.mark.root, pytest.mark.busybox]

SCRIPT = "/etc/init.d/fwknopd"
UCI = "/etc/config/fwknopd"
PID_FILE = "/var/run/fwknop/fwknopd.pid"
LOCK = "/var/run/fwknop/control.sock.lock"
PARSED = "/usr/sbin/fwknopd --uci /etc/config/fwknopd --exit-parse-config\n"
BROKEN = """\
#!/bin/sh
echo "Configs parsed" >&1
echo "fwknopd: $2:3: KEY: it is too short. Write a longer one" >&2
exit 1
"""

CONFIGURED = """
config global
	option uci_enabled '1'

config network
	option network '{network}'

config access
	option SOURCE 'ANY'
	option KEY 'secret'
"""

WITH_COMMANDS = CONFIGURED.format(network="wan") + "\toption ENABLE_CMD_EXEC 'Y'\n"


def with_jails(router: Router) -> None:
    router.program("/sbin/ujail")
    router.program("/sbin/fw4")


def running(router: Router) -> None:
    router.write("/tmp/procd/running", "")


def told(router: Router, verb: str) -> list[list[str]]:
    """The calls the script makes for ``verb``, which it ends well."""
    done = router.run(SCRIPT, verb)
    assert (done.code, done.output) == (0, "")
    return router.calls()


def parameters(calls: list[list[str]]) -> dict[str, list[str]]:
    """Each of procd's parameters with its words."""
    found: dict[str, list[str]] = {}
    for name, *words in calls:
        if name == "procd_set_param":
            found[words[0]] = words[1:]
        elif name == "procd_append_param":
            found.setdefault(words[0], []).extend(words[1:])
    return found


def names(calls: list[list[str]]) -> list[str]:
    return [call[0] for call in calls]


def jailed(calls: list[list[str]]) -> bool:
    return "procd_add_jail" in names(calls)


def test_a_start(router: Router) -> None:
    calls = told(router, "start")
    assert calls[0] == ["procd_open_service", "fwknopd", SCRIPT]
    assert names(calls).count("procd_open_instance") == 1
    assert parameters(calls) == {
        "command": [
            *("/usr/bin/python3", "/usr/sbin/fwknopd", "--foreground", "--syslog-only"),
            *("--uci", UCI, "--control-group", "fwknop"),
        ],
        "reload_signal": ["HUP"],
        "file": [UCI],
        "respawn": ["3600", "5", "0"],
        "stderr": ["1"],
        "limits": ["core=1 1"],
    }
    assert router.read("/tmp/programs") == PARSED
    assert calls[-3:] == [
        ["procd_add_reload_trigger", "fwknopd"],
        ["procd_add_reload_interface_trigger", "wan"],
        ["procd_close_service", "set"],
    ]


def test_nothing_is_written_but_folders(router: Router) -> None:
    told(router, "start")
    run, folder = router.path("/var/run/fwknop").stat(), router.path("/etc/fwknop/state")
    assert (run.st_uid, run.st_gid, run.st_mode & 0o7777) == (0, 4242, 0o2750)
    assert [*folder.iterdir(), *router.path("/var/run/fwknop").iterdir()] == []
    assert {path.name for path in router.path("/tmp").iterdir()} == {
        *("procd", "networks", "run", "programs"),
    }


def test_without_the_group_the_socket_is_roots_alone(router: Router) -> None:
    router.write("/etc/group", "root:x:0:\n")
    assert "--control-group" not in parameters(told(router, "start"))["command"]
    run = router.path("/var/run/fwknop").stat()
    assert (run.st_gid, run.st_mode & 0o7777) == (0, 0o700)


def test_changed_files_and_devices_are_seen(router: Router) -> None:
    router.write("/etc/fwknop/access.conf", "SOURCE ANY\n")
    router.write("/etc/fwknop/digest.cache", "")
    router.write(UCI, CONFIGURED.format(network="wwan"))
    router.write("/tmp/networks/wwan", "wwan0\n")
    calls = told(router, "start")
    assert parameters(calls)["file"] == [UCI, "/etc/fwknop/access.conf"]
    assert parameters(calls)["netdev"] == ["wwan0"]
    assert ["procd_add_reload_interface_trigger", "wwan"] in calls
    assert ["procd_add_reload_interface_trigger", "wan"] not in calls


def test_every_network_is_watched_and_those_that_are_down_awaited(router: Router) -> None:
    several = "config network\n\tlist network 'wan'\n\tlist network 'wanb'\n"
    router.write(UCI, several)
    router.write("/tmp/networks/wanb", "usb0\n")
    calls = told(router, "start")
    assert parameters(calls)["netdev"] == ["usb0"]
    assert [call[1] for call in calls if call[0].endswith("interface_trigger")] == ["wan", "wanb"]


def test_a_configuration_that_cannot_be_used_is_told_once(router: Router) -> None:
    router.program("/usr/sbin/fwknopd", BROKEN)
    calls = told(router, "start")
    assert "procd_open_instance" not in names(calls)
    # The next change starts it.
    assert ["procd_add_reload_trigger", "fwknopd"] in calls
    assert router.read("/tmp/log").splitlines() == [
        "daemon.err Not started: its configuration can't be used",
        f"daemon.err fwknopd: {UCI}:3: KEY: it is too short. Write a longer one",
    ]


def test_without_its_file_it_runs_and_lets_nobody_in(router: Router) -> None:
    """OpenWISP's agent deletes one in which nothing is left. The next one comes by a reload."""
    router.path(UCI).unlink()
    router.program("/usr/sbin/fwknopd", BROKEN)
    assert "procd_open_instance" in names(told(router, "start"))
    running(router)
    assert "procd_open_instance" in names(told(router, "reload"))
    assert router.read("/tmp/log") == ""


def test_a_running_daemon_judges_a_broken_configuration_itself(router: Router) -> None:
    running(router)
    router.program("/usr/sbin/fwknopd", BROKEN)
    assert "procd_open_instance" in names(told(router, "reload"))
    assert router.read("/tmp/log") == ""


def test_the_jail(router: Router) -> None:
    with_jails(router)
    calls = told(router, "start")
    assert ["procd_add_jail", "fwknopd", "log", "ubus", "procfs", "sysfs", "ronly"] in calls
    assert ["procd_add_jail_mount_rw", "/etc/fwknop/state", "/var/run/fwknop"] in calls
    (read_only,) = (call[1:] for call in calls if call[0] == "procd_add_jail_mount")
    assert {"/etc", "/usr", "/var"} <= set(read_only)
    found = parameters(calls)
    assert found["no_new_privs"] == ["1"]
    capabilities = json.loads(router.read(*found["capabilities"]))
    assert set(capabilities) == {
        *("bounding", "effective", "ambient", "permitted", "inheritable"),
    }
    for sets in capabilities.values():
        assert sets == ["CAP_NET_ADMIN", "CAP_NET_RAW"]


@pytest.mark.parametrize(
    "line",
    [
        "\toption ENABLE_CMD_EXEC 'Y'\n",
        "\toption CMD_CYCLE_OPEN '/bin/true'\n",
        "\toption GPG_HOME_DIR '/root/.gnupg'\n",
        "\toption DIGEST_FILE '/mnt/usb/digest.cache'\n",
        "\toption FIREWALL 'iptables'\n",
        "\toption TCPSERV_PORT '443'\n",
        "config global\n\toption jail '0'\n",
    ],
)
def test_no_jail_for_what_needs_the_whole_system(router: Router, line: str) -> None:
    with_jails(router)
    router.write(UCI, CONFIGURED.format(network="wan") + line)
    assert not jailed(told(router, "start"))


def test_a_jail_for_what_only_a_comment_speaks_of(router: Router) -> None:
    with_jails(router)
    router.write(UCI, "#\toption ENABLE_CMD_EXEC 'Y'\n")
    router.write("/etc/fwknop/access.conf", "SOURCE ANY # no ENABLE_CMD_EXEC\n")
    assert jailed(told(router, "start"))
    router.write("/etc/fwknop/access.conf", "SOURCE ANY\nENABLE_CMD_EXEC Y\n")
    assert not jailed(told(router, "start"))


def test_only_files_in_force_decide_on_the_jail(router: Router) -> None:
    with_jails(router)
    for name in ("x.conf", "access.conf"):
        router.write(f"/etc/fwknop/{name}", "SOURCE ANY\nENABLE_CMD_EXEC Y\n")
    router.write(UCI, CONFIGURED.format(network="wan"))
    assert jailed(told(router, "start"))
    router.write(UCI, "config global\n\toption uci_enabled '0'\n")
    assert not jailed(told(router, "start"))
    router.write("/etc/fwknop/access.conf", "SOURCE ANY\n")
    assert jailed(told(router, "start"))


def test_lists_go_where_the_jail_has_them(router: Router) -> None:
    router.write("/etc/fwknop/digest.cache", "used\n", 0o600)
    told(router, "start")
    assert router.read("/etc/fwknop/state/digest.cache") == "used\n"
    assert not router.path("/etc/fwknop/digest.cache").exists()
    router.write("/etc/fwknop/digest.cache", "older\n")
    told(router, "start")
    assert router.read("/etc/fwknop/state/digest.cache") == "used\n"


@pytest.mark.parametrize("program", ["/sbin/ujail", "/sbin/fw4"])
def test_no_jail_without(router: Router, program: str) -> None:
    with_jails(router)
    router.path(program).unlink()
    assert not jailed(told(router, "start"))


@pytest.mark.parametrize("jails", [True, False])
def test_a_reload_restarts_only_for_other_rights(router: Router, jails: bool) -> None:
    if jails:
        with_jails(router)
    told(router, "start")
    running(router)
    calls = told(router, "reload")
    assert "procd_kill" not in names(calls)
    assert jailed(calls) == jails
    router.write(UCI, WITH_COMMANDS)
    calls = told(router, "reload")
    assert names(calls)[0] == "procd_kill"
    assert not jailed(calls)
    running(router)
    assert "procd_kill" not in names(told(router, "reload"))
    router.write(UCI, CONFIGURED.format(network="wan"))
    calls = told(router, "reload")
    assert names(calls)[0] == "procd_kill"
    assert jailed(calls) == jails


def test_a_restart_looks_anew_though_the_old_one_is_still_listed(router: Router) -> None:
    with_jails(router)
    router.write(UCI, WITH_COMMANDS)
    assert not jailed(told(router, "start"))
    running(router)
    router.write(UCI, CONFIGURED.format(network="wan"))
    assert jailed(told(router, "restart"))
    running(router)
    router.program("/usr/sbin/fwknopd", BROKEN)
    assert "procd_open_instance" not in names(told(router, "restart"))


def test_a_broken_change_is_no_reason_to_restart(router: Router) -> None:
    told(router, "start")
    running(router)
    router.write(UCI, WITH_COMMANDS)
    router.program("/usr/sbin/fwknopd", BROKEN)
    assert "procd_kill" not in names(told(router, "reload"))


def test_the_status_of_a_running_daemon_is_its_own(router: Router) -> None:
    running(router)
    router.program("/usr/bin/fwknopctl", "#!/bin/sh\necho asked for $*\nexit 7\n")
    done = router.run(SCRIPT, "status")
    assert (done.code, done.output) == (7, "asked for status\n")


def test_the_status_of_none_says_why(router: Router) -> None:
    router.program("/usr/sbin/fwknopd", BROKEN)
    done = router.run(SCRIPT, "status")
    assert done.code == 3
    assert done.output.splitlines() == [
        "not running",
        f"fwknopd: {UCI}:3: KEY: it is too short. Write a longer one",
    ]


def test_a_stop_waits_for_the_end(router: Router) -> None:
    """The lock ends with the process, and the file with its orderly end."""
    router.write(PID_FILE, "4242\n")
    ending = f"flock {LOCK} sh -c 'echo; sleep 0.2; rm {PID_FILE}'"
    with subprocess.Popen(router.command("sh", "-c", ending), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert ["procd_kill", "fwknopd"] in told(router, "stop")
        assert not router.path(PID_FILE).exists()
    assert process.returncode == 0


def test_a_stop_does_not_wait_for_the_dead(router: Router) -> None:
    router.write(PID_FILE, "4242\n")
    router.write(LOCK, "")
    told(router, "stop")
    assert router.path(PID_FILE).exists()
