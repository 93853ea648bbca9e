"""The Ansible role and its module: what the module does where tests/netns/test_fleet.py is not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from fwknopd.config.uci_format import parse_uci
from fwknopd.config.variables import ACCESS_VARIABLES
from fwknopd.config.wanted import CLIENT_MEMBERS, MEMBERS, State
from package.ansible.roles.fwknop_wrt.library import fwknop_wrt
from tests.interop.example_keys import HMAC_KEY_BASE64, KEY_BASE64
from tests.interop.program import environment

ANSIBLE = Path(__file__).parents[2] / "package/ansible"
PROGRAMS = Path(sys.executable).parent
KEYS = {"KEY_BASE64": KEY_BASE64, "HMAC_KEY_BASE64": HMAC_KEY_BASE64}
ANNA = {"name": "anna", "options": {"OPEN_PORTS": ["tcp/22"]}, "keys": KEYS}
# As the system's log would have it, on standard error.
LOGGING = """\
import runpy, sys
from ansible.module_utils.basic import AnsibleModule
AnsibleModule.log = lambda self, msg, log_args=None: print("log:", msg, log_args, file=sys.stderr)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
HOSTILE = re.compile("swordfish")
PASSPHRASES = {
    "KEY": "swordfish\\back\\\\slash 'n' \"quotes\"",
    "HMAC_KEY": "swordfish ü\\x41=,{9}",
}
# Answers as the real one does where a daemon runs; all else is done by the real one.
FWKNOPCTL = f"""\
#!/bin/sh
echo "$*" >>command.lines
case "$*" in
*status) [ -e running ] || exit 3; cat status; [ -e ready ] || exit 4 ;;
*reload) cat reload ;;
*) exec {PROGRAMS}/fwknopctl "$@" ;;
esac
"""
SERVICE = """\
#!/bin/sh
echo "$1" >>asked
case "$1" in
enabled) [ -e enabled.mark ] ;;
enable) touch enabled.mark ;;
running) [ -e running ] ;;
start) touch running ;;
esac
"""


class Router:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logged = ""
        self.uci = self.put("fwknopd_test", "config global\n", 0o600)
        self.program = self.put("fwknopctl", FWKNOPCTL, 0o700)
        self.service = self.put("service", SERVICE, 0o700)
        self.put("ready", "", 0o600)
        self.put("reload", '{"reloaded": true}', 0o600)
        self.runs_from("uci", outdated=False)

    def runs_from(self, source: str, **told: object) -> None:
        """What the daemon says that it uses."""
        self.put("status", json.dumps({"configuration": {"source": source, **told}}), 0o600)

    def put(self, name: str, text: str, mode: int) -> Path:
        path = self.folder / name
        path.touch(mode=mode)
        path.write_text(text)
        return path

    def module(self, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        """Run the module as Ansible does on a router; its answer."""
        places = {"uci": str(self.uci), "program": str(self.program), "service": str(self.service)}
        given = {**places, **arguments, "_ansible_check_mode": check, "_ansible_diff": True}
        file = self.put("arguments.json", json.dumps({"ANSIBLE_MODULE_ARGS": given}), 0o600)
        done = subprocess.run(
            [sys.executable, "-c", LOGGING, fwknop_wrt.__file__, file],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
        )
        self.logged = done.stderr
        lines = self.folder / "command.lines"
        told = done.stdout + done.stderr + (lines.read_text() if lines.exists() else "")
        assert not any(key in told for key in KEYS.values())
        assert not HOSTILE.search(told), told
        answer: dict[str, Any] = json.loads(done.stdout)
        assert answer.get("failed", False) == bool(done.returncode), done.stderr
        return answer

    @property
    def asked(self) -> list[str]:
        """What the init script was asked for since the last look."""
        file = self.folder / "asked"
        told = file.read_text().split() if file.exists() else []
        file.unlink(missing_ok=True)
        return told


@pytest.fixture
def router(tmp_path: Path) -> Router:
    return Router(tmp_path)


def test_the_module_sets_up_once_and_keeps_the_daemon_running(router: Router) -> None:
    looked = router.module(check=True, clients=[ANNA], enabled=True)
    assert looked["changed"]
    assert "option OPEN_PORTS" not in router.uci.read_text()
    assert router.asked == ["enabled", "running"]
    made = router.module(clients=[ANNA], enabled=True)
    assert made["changed"]
    assert made["diff"]["after"] == looked["diff"]["after"]
    assert "list OPEN_PORTS 'tcp/22'" in made["diff"]["after"]
    assert router.asked == ["enabled", "enable", "running", "start", "reload"]
    assert not router.module(clients=[ANNA], enabled=True)["changed"]
    assert router.asked == ["enabled", "running"]
    (router.folder / "running").unlink()
    assert router.module(clients=[ANNA], enabled=True)["changed"]
    assert (router.folder / "running").exists()


def test_what_is_not_named_stays_as_it_is(router: Router) -> None:
    router.module(clients=[ANNA])
    kept = router.uci.read_text()
    assert not router.module(clients=[{"name": "anna"}])["changed"]
    assert router.uci.read_text() == kept
    router.module(
        clients=[{"name": "anna", "state": "absent"}], settings={"MAX_SPA_PACKET_AGE": None}
    )
    assert parse_uci(router.uci.read_text(), "f").of_type("access") == ()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {"clients": [{**ANNA, "options": {"OPEN_PORT": "tcp/22"}}]},
            "client anna: options.OPEN_PORT: there is no such",
        ),
        ({"clients": [{**ANNA, "options": KEYS}]}, "Put it under keys"),
        ({"settings": {"OPEN_PORTS": "tcp/22"}}, "settings.OPEN_PORTS: there is no such option"),
        ({"clients": [{"name": "eve"}]}, "client eve: there is no key"),
        (
            {"clients": [{"name": "eve"}, {**ANNA, "options": {"OPEN_PORTS": "tcp/99999"}}]},
            "client anna: OPEN_PORTS: 'tcp/99999'",
        ),
        ({"uci": "/nowhere/fwknopd"}, "/nowhere/fwknopd"),
        ({"program": "/nowhere/fwknopctl"}, "Name the packages of fwknop-wrt"),
    ],
    ids=["misspelt", "keys among options", "no setting", "no keys", "two", "no file", "no program"],
)
def test_the_module_says_what_is_wrong_and_changes_nothing(
    router: Router, arguments: dict[str, Any], said: str
) -> None:
    before = router.uci.read_text()
    answer = router.module(**arguments)
    assert said in answer["msg"]
    assert router.uci.read_text() == before


@pytest.mark.parametrize(
    "arguments",
    [
        {"clients": [{**ANNA, "keys": PASSPHRASES}]},
        {"clients": [{"name": "anna", "key": PASSPHRASES}]},
        {"clients": [{"name": "anna", "options": {**PASSPHRASES, "KEY_BASE46": "swordfish4"}}]},
        {"clients": [{"name": "anna", "options": {"keys": [PASSPHRASES]}}]},
        {"clients": [{"name": "anna", "keys": "KEY=swordfish9"}]},
        {"clients": [{"name": "anna", "keys": "swordfish, and no dict"}]},
        {"clients": ["name=anna keys=swordfish9"]},
        {"clients": "swordfish9"},
        {"clients": [ANNA], "keys": PASSPHRASES},
        {"settings": {"KEY": "swordfish9"}},
    ],
    ids=[
        *("hostile", "misspelt keys", "among options", "deeper", "text of pairs", "text"),
        *("client of pairs", "no list", "beside clients", "settings"),
    ],
)
def test_keys_are_never_shown_wherever_they_are(router: Router, arguments: dict[str, Any]) -> None:
    """Neither in what the module answers, with its invocation, nor in the system's log."""
    assert "invocation" in router.module(**arguments)


def test_the_log_says_how_many_clients_there_were(router: Router) -> None:
    router.module(clients=[ANNA])
    assert "log: Invoked for 1 clients None" in router.logged


def test_the_module_knows_which_options_are_no_keys() -> None:
    known = {n for v in ACCESS_VARIABLES if not v.secret for n in (v.name, *v.aliases)}
    assert known == fwknop_wrt.HARMLESS


def test_the_module_says_what_another_program_of_that_name_says(router: Router) -> None:
    router.program.write_text("#!/bin/sh\ncat >/dev/null; echo nonsense; exit 1\n")
    assert router.module(clients=[ANNA])["msg"] == "fwknopctl apply: nonsense\n"


def test_the_module_says_what_the_daemon_does_not_take(router: Router) -> None:
    refusal = {"reloaded": False, "problems": [{"message": "no such device"}]}
    router.put("reload", json.dumps(refusal), 0o600)
    answer = router.module(clients=[ANNA])
    assert "goes on with its old configuration: no such device" in answer["msg"]


def test_what_an_earlier_run_wrote_is_used_by_the_next(router: Router) -> None:
    router.module(clients=[ANNA], enabled=True)
    revoked: dict[str, Any] = {"clients": [{"name": "anna", "state": "revoked"}], "enabled": True}
    router.put("reload", '{"reloaded": false}', 0o600)
    router.runs_from("uci", outdated=True)
    for _ in range(2):
        assert router.module(**revoked)["failed"]
    assert router.module(check=True, **revoked)["changed"]
    router.put("reload", '{"reloaded": true}', 0o600)
    _ = router.asked
    assert router.module(**revoked)["changed"]
    assert router.asked == ["enabled", "running", "reload"]
    router.runs_from("uci", outdated=False)
    assert not router.module(**revoked)["changed"]
    assert router.asked == ["enabled", "running"]


@pytest.mark.parametrize(
    ("source", "told", "is_stale"),
    [
        ("uci", {}, True),
        ("none", {}, True),
        ("files", {}, True),
        ("none", {"enabled": None}, False),
        ("none", {"enabled": None, "last_error": "no such device"}, True),
    ],
    ids=["older daemon", "nothing", "classic files", "switched off", "refused"],
)
def test_a_daemon_that_does_not_use_the_file_is_told_to(
    router: Router, source: str, told: dict[str, Any], is_stale: bool
) -> None:
    given: dict[str, Any] = {"clients": [ANNA], "enabled": True}
    router.module(**given)
    router.runs_from(source, **told)
    asked = given | {name: told[name] for name in ("enabled",) if name in told}
    assert router.module(**asked)["changed"] == is_stale


def test_the_module_warns_of_what_a_reload_does_not_bring(router: Router) -> None:
    waits = {"option": "SYSLOG_SERVER", "message": "it waits", "remedy": "Restart the daemon"}
    router.put("reload", json.dumps({"reloaded": True, "problems": [waits]}), 0o600)
    answer = router.module(clients=[ANNA])
    assert "SYSLOG_SERVER: it waits. Restart the daemon." in str(answer["warnings"])


def test_warnings_say_of_which_router_and_file_they_are(router: Router) -> None:
    problem = {"file": "/etc/config/fwknopd", "line": 7, "message": "it is odd", "remedy": ""}
    router.put("reload", json.dumps({"reloaded": True, "problems": [problem]}), 0o600)
    nobody = {"name": "ana", "state": "revoked"}
    every_port = {**ANNA, "options": {"OPEN_PORTS": []}}
    told = router.module(router="r1", clients=[every_port, nobody])["warnings"]
    expected = [
        "r1: OPEN_PORTS: client anna may open every port, as OPEN_PORTS is given without a value. "
        "Write its ports, such as tcp/22.",
        "r1: there is no client ana here: nothing to revoke. Look at the name: fwknopctl client "
        "list.",
        "r1: /etc/config/fwknopd line 7: it is odd.",
    ]
    for text, warning in zip(expected, told, strict=True):
        assert text in str(warning)
    [told] = router.module(check=True, clients=[nobody])["warnings"]
    assert f"{os.uname().nodename}: there is no client ana here" in str(told)


def test_the_module_warns_where_knocks_would_open_nothing(router: Router) -> None:
    (router.folder / "ready").unlink()
    answer = router.module(clients=[ANNA])
    assert answer["changed"]
    assert "no knock would open anything" in str(answer["warnings"])
    router.module(clients=[ANNA], enabled=True)
    answer = router.module(clients=[ANNA], enabled=False)
    assert answer["changed"]
    assert "warnings" not in answer


def test_before_the_first_installation_a_look_does_not_fail(router: Router) -> None:
    answer = router.module(check=True, program="/nowhere/fwknopctl", clients=[ANNA])
    assert answer["changed"]
    assert "is not there" in answer["msg"]


def test_the_module_knows_what_the_document_may_say() -> None:
    assert set(fwknop_wrt.WANTED) == MEMBERS
    assert fwknop_wrt.CLIENT.keys() == CLIENT_MEMBERS
    assert fwknop_wrt.CLIENT["state"]["choices"] == list(State)
    assert fwknop_wrt.CLIENT["keys"]["no_log"] is True


def test_the_modules_documentation_names_every_argument() -> None:
    options = yaml.safe_load(fwknop_wrt.DOCUMENTATION)["options"]
    assert options.keys() == fwknop_wrt.ARGUMENTS.keys()
    for name, argument in fwknop_wrt.ARGUMENTS.items():
        assert options[name].get("default") == argument.get("default"), name
    clients = options["clients"]["suboptions"]
    assert clients.keys() == fwknop_wrt.CLIENT.keys()
    assert clients["state"]["choices"] == fwknop_wrt.CLIENT["state"]["choices"]


def test_the_example_is_a_playbook_and_every_variable_has_a_default(tmp_path: Path) -> None:
    example = ANSIBLE / "example"
    done = subprocess.run(
        [
            *(PROGRAMS / "ansible-playbook", "--syntax-check"),
            *("-i", example / "inventory.yml", example / "site.yml"),
        ],
        env={
            **environment(),
            "HOME": str(tmp_path),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_ROLES_PATH": str(ANSIBLE / "roles"),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    defaults = (ANSIBLE / "roles/fwknop_wrt/defaults/main.yml").read_text()
    tasks = "".join(path.read_text() for path in (ANSIBLE / "roles/fwknop_wrt/tasks").iterdir())
    for name in sorted(set(re.findall(r"\bfwknop_wrt_(?!found)\w+", tasks))):
        assert f"\n{name}:" in defaults, name


def test_no_example_lets_a_client_in_again_that_was_revoked_on_a_router() -> None:
    group = yaml.safe_load((ANSIBLE / "example/group_vars/routers/main.yml").read_text())
    [document] = re.findall(r"^    (\{.*?\})$", (ANSIBLE / "README.md").read_text(), re.M | re.S)
    for clients in (group["fwknop_wrt_clients"], json.loads(document)["clients"]):
        assert clients
        assert not any("state" in client for client in clients)
