"""An Ansible module: make a router's fwknopd what the inventory says.

One run of ``fwknopctl apply`` does it, with everything on its standard input, so that no key is
in a command line, in a file on the way, or in a log. Runs on the router, with its Python.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: fwknop_wrt
short_description: Clients and settings of fwknopd on an OpenWrt router
description:
  - Changes C(/etc/config/fwknopd), has the daemon use it, and sees to it that it runs.
  - What the daemon could not use is refused, and nothing is changed then.
attributes:
  check_mode: {support: full}
  diff_mode: {support: full, description: Keys are masked.}
options:
  enabled: {type: bool, description: Whether the daemon runs from UCI.}
  network: {type: str, description: The network whose device is watched.}
  settings: {type: dict, description: Variables of fwknopd.conf; null takes one away.}
  exclusive: {type: bool, default: false, description: Delete all clients that are not named.}
  clients:
    type: list
    elements: dict
    default: []
    description: The clients.
    suboptions:
      name: {type: str, required: true, description: By this it is known.}
      state:
        type: str
        choices: [present, revoked, absent]
        description: >-
          A revoked client is known, and refused. An absent one is deleted. Left out, who is there
          stays what he is, also revoked, and who is not is made.
      options:
        type: dict
        description: All its rules, such as OPEN_PORTS. Left out, they stay as they are.
      keys:
        type: dict
        description: KEY_BASE64, HMAC_KEY_BASE64 and other secrets. Left out, they stay.
      overlap_hours:
        type: int
        default: 0
        description: How long old keys go on working when others come.
      end_at_first_use:
        type: bool
        default: false
        description: And not after the first knock with the new ones.
  router: {type: str, default: "", description: What warnings call it; its host name if empty.}
  uci: {type: path, default: /etc/config/fwknopd, description: The file.}
  program: {type: str, default: fwknopctl, description: By name or path.}
  service: {type: path, default: /etc/init.d/fwknopd, description: Empty to leave it alone.}
"""

CLIENT: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "state": {"choices": ["present", "revoked", "absent"]},
    "options": {"type": "dict"},
    "keys": {"type": "dict", "no_log": True},
    "overlap_hours": {"type": "int", "default": 0},
    "end_at_first_use": {"type": "bool", "default": False},
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "enabled": {"type": "bool"},
    "network": {"type": "str"},
    "settings": {"type": "dict"},
    "exclusive": {"type": "bool", "default": False},
    "clients": {"type": "list", "elements": "dict", "default": [], "options": CLIENT},
    "router": {"type": "str", "default": ""},
    "uci": {"type": "path", "default": "/etc/config/fwknopd"},
    "program": {"type": "str", "default": "fwknopctl"},
    "service": {"type": "path", "default": "/etc/init.d/fwknopd"},
}
WANTED = ("enabled", "network", "settings", "exclusive", "clients")
_HARMLESS = """
    name enabled log_only note OPEN_PORTS RESTRICT_PORTS FW_ACCESS_TIMEOUT MAX_FW_TIMEOUT
    cut_at_expiry ACCESS_EXPIRE ACCESS_EXPIRE_EPOCH allowed_hours allowed_days old_keys_of
    end_at_first_use SOURCE DESTINATION REQUIRE_SOURCE_ADDRESS REQUIRE_SOURCE REQUIRE_USERNAME
    grant_source widen_ipv4 widen_ipv6 FORCE_NAT nat_targets DISABLE_DNAT FORCE_SNAT
    FORCE_MASQUERADE FORWARD_ALL HMAC_DIGEST_TYPE ENCRYPTION_MODE ENABLE_CMD_EXEC allowed_commands
    CMD_EXEC_USER CMD_EXEC_GROUP ENABLE_CMD_SUDO_EXEC CMD_SUDO_EXEC_USER CMD_SUDO_EXEC_GROUP
    CMD_CYCLE_OPEN CMD_CYCLE_CLOSE CMD_CYCLE_TIMER GPG_HOME_DIR GPG_EXE GPG_DECRYPT_ID
    GPG_ALLOW_NO_PW GPG_REQUIRE_SIG GPG_DISABLE_SIG GPG_IGNORE_SIG_VERIFY_ERROR GPG_REMOTE_ID
    GPG_FINGERPRINT_ID DATA_COLLECT_MODE PERMIT_CLIENT_PORTS PERMIT_CLIENT_TIMEOUT
    ENABLE_FORWARD_ACCESS ENABLE_OUTPUT_ACCESS REQUIRE_OS REQUIRE_OS_REGEX REQUIRE_AUTH_METHOD
    CMD_REGEX DISABLE_FW_TIMEOUT EXTERNAL_CMD_OPEN EXTERNAL_CMD_CLOSE EXTERNAL_CMD_ALARM
"""
HARMLESS = frozenset(_HARMLESS.split())
"""Options of clients that are no keys. What stands under any other name may be a misspelt key's."""

SHORTEST_MASK = 4
"""To mask each "N" would say less of a key than it would spoil of a message."""

NOT_RUNNING, NOT_READY = 3, 4
"""How ``fwknopctl status`` ends."""

RELOAD_SECONDS = 15
"""A daemon that has to be restarted for its new rights answers a moment later."""


class Module(AnsibleModule):  # type: ignore[misc]
    """Ansible's, which would write all arguments to the system log, and masks only known keys."""

    def _load_params(self) -> None:
        """Before anything looks at them, so that nothing that fails can show them."""
        super()._load_params()
        self.no_log_values.update(masks(self.params))

    def _log_invocation(self) -> None:
        """How a key looks within a printed list is for no mask to know."""
        self.log(f"Invoked for {len(self.params['clients'])} clients")


def masks(parameters: dict[str, Any]) -> set[str]:
    """Every text that is or may be a key, as it is and as Python and JSON would quote it."""
    found = {text for secret in _secrets(parameters) for text in _texts(secret)}
    forms = {form for text in found for form in (text, repr(text)[1:-1], json.dumps(text)[1:-1])}
    return {form for form in forms if len(form) >= SHORTEST_MASK}


def _secrets(parameters: dict[str, Any]) -> Iterator[object]:
    for name, value in parameters.items():
        if name == "clients":
            for client in value if isinstance(value, list) else [value]:
                yield from _secrets_of(client) if isinstance(client, dict) else [client]
        elif name == "settings" and isinstance(value, dict):
            yield from (text for option, text in value.items() if _sounds_secret(option))
        elif name not in ARGUMENTS and not name.startswith("_ansible"):
            yield value


def _secrets_of(client: dict[str, Any]) -> Iterator[object]:
    for name, value in client.items():
        if name == "options" and isinstance(value, dict):
            yield from (text for option, text in value.items() if option not in HARMLESS)
        elif name in ("keys", "options") or name not in CLIENT:
            yield value


def _sounds_secret(name: str) -> bool:
    return any(word in name.upper() for word in ("KEY", "PASS", "SECRET", "PW"))


def _texts(value: object) -> Iterator[str]:
    """All within; of a text that Ansible would read as a dict or a list, also the parts."""
    if isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
        yield from (part for part in re.split(r"[\s,='\"{}:\[\]]+", str(value)) if len(part) > 7)


class Router:
    """What is done on the router; ``changed`` once something was, or would be."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._program = module.get_bin_path(module.params["program"])
        self.changed = False

    def run(self) -> dict[str, Any]:
        """Everything; what to tell Ansible."""
        if not self._program:
            return self._not_installed()
        applied = self._apply()
        for warning in applied.get("warnings", ()):
            self._warn(_sentence(warning))
        self.changed = applied["changed"]
        self._serve(written=applied["written"])
        place = self._module.params["uci"]
        return {
            "problems": applied["problems"],
            "diff": {
                "before_header": place,
                "after_header": place,
                "before": "".join(f"{line}\n" for line in applied["before"]),
                "after": "".join(f"{line}\n" for line in applied["after"]),
            },
        }

    def _warn(self, text: str) -> None:
        """Ansible shows what several routers say alike only once, so each says who it is."""
        self._module.warn(f"{self._module.params['router'] or os.uname().nodename}: {text}")

    def _not_installed(self) -> dict[str, Any]:
        program = self._module.params["program"]
        if not self._module.check_mode:
            remedy = "Name the packages of fwknop-wrt in fwknop_wrt_packages, or install them"
            self._module.fail_json(msg=f"{program} is not there. {remedy}.")
        told = f"{program} is not there, so what would change once it is can't be told"
        self._warn(told)
        self.changed = True
        return {"msg": told}

    def _apply(self) -> dict[str, Any]:
        parameters = self._module.params
        wanted = {name: parameters[name] for name in WANTED if parameters[name] is not None}
        wanted["clients"] = [
            {name: value for name, value in client.items() if value is not None}
            for client in parameters["clients"]
        ]
        command = ["apply", "--uci", parameters["uci"]]
        command += ["--check"] if self._module.check_mode else []
        return self._ask(command, json.dumps(wanted))

    def _ask(self, command: list[str], data: str = "") -> dict[str, Any]:
        code, out, err = self._module.run_command(
            [self._program, "--json", *command], data=data, binary_data=True
        )
        try:
            answer: dict[str, Any] = json.loads(out)
        except ValueError:
            self._module.fail_json(msg=f"fwknopctl {command[0]}: {err or out}", rc=code)
        if code and "error" in answer:
            error = answer["error"]
            told = f"{self._in_words(error['message'])}. {error['remedy']}"
            others = [self._in_words(other) for other in error.get("others", ())]
            self._module.fail_json(msg=" ".join([told, *others]), rc=code)
        return answer

    def _in_words(self, message: str) -> str:
        """What the document says of a client, as who wrote the inventory knows it."""
        clients = self._module.params["clients"]
        found = re.fullmatch(r"standard input: (?:clients\[(\d+)\])?\.?(.*)", message, re.DOTALL)
        if not found or int(found[1] or 0) >= max(len(clients), 1):
            return message
        return f"client {clients[int(found[1])]['name']}: {found[2]}" if found[1] else found[2]

    def _serve(self, *, written: bool) -> None:
        """Have the daemon started at boot, running, and using what the file says.

        Also when an earlier run wrote it, and could not have the daemon use it.
        """
        script = self._module.params["service"]
        script = script if script and Path(script).exists() else ""
        if script:
            self._keep_running(script)
        if not written and not self._is_stale():
            return
        self.changed = True
        if self._module.check_mode:
            return
        if script:
            # The script knows when a restart is needed; what became of it, the daemon.
            self._module.run_command([script, "reload"], check_rc=True)
        self._reload()

    def _keep_running(self, script: str) -> None:
        for question, order in (("enabled", "enable"), ("running", "start")):
            if self._module.run_command([script, question])[0]:
                self.changed = True
                if not self._module.check_mode:
                    self._module.run_command([script, order], check_rc=True)

    def _is_stale(self) -> bool:
        """Whether a daemon runs that does not use the file as it is now."""
        code, status = self._status()
        if code == NOT_RUNNING:
            return False
        found = status.get("configuration") or {}
        if found.get("source") == "uci":
            # A daemon from before it told this may have read anything.
            return bool(found.get("outdated", True))
        return self._module.params["enabled"] is True or bool(found.get("last_error"))

    def _reload(self) -> None:
        until = time.monotonic() + RELOAD_SECONDS
        while self._status()[0] == NOT_RUNNING:
            if time.monotonic() > until:
                self._module.fail_json(msg="fwknopd does not run: see logread -e fwknopd there")
            time.sleep(0.2)
        answer = self._ask(["reload"])
        told = [_sentence(problem) for problem in answer.get("problems", ())]
        if not answer.get("reloaded"):
            said = " ".join(told)
            self._module.fail_json(msg=f"fwknopd goes on with its old configuration: {said}")
        for warning in told:
            self._warn(warning)
        # Who switches it off needs not be told that nothing opens.
        if self._module.params["enabled"] is not False and self._status()[0] == NOT_READY:
            self._warn("fwknopd runs, but no knock would open anything: fwknopctl status")

    def _status(self) -> tuple[int, dict[str, Any]]:
        code, out, _ = self._module.run_command([self._program, "--json", "status"])
        try:
            found = json.loads(out)
        except ValueError:
            found = None
        return code, found if isinstance(found, dict) else {}


def _sentence(problem: dict[str, Any]) -> str:
    """A problem as the daemon tells it: which place and option, what is wrong, what to do."""
    line, place = problem.get("line"), problem.get("file") or ""
    place = "" if place in problem["message"] else place
    words = (f"{place} line {line}" if line else place, problem.get("option"), problem["message"])
    said = f"{': '.join(filter(None, words))}."
    remedy = (problem.get("remedy") or "").rstrip(".")
    return f"{said} {remedy}." if remedy else said


def main() -> None:
    """Run as Ansible runs modules."""
    module = Module(argument_spec=ARGUMENTS, supports_check_mode=True)
    router = Router(module)
    told = router.run()
    module.exit_json(changed=router.changed, **told)


if __name__ == "__main__":
    main()
