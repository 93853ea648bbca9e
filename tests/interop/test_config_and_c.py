"""Odd values in the classic files: refused by both daemons, or taken for the same by both."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from fwknopd.config.problems import ConfigError
from fwknopd.config.settings import Configuration
from fwknopd.configuration import load_files
from fwknopd.policy.stanza import Stanza
from tests.c_daemon import find_c_daemon
from tests.interop.config_values import ACCESS, KEYS, LENIENT, OTHERWISE, SERVER, STRICTER

pytestmark = pytest.mark.c_daemon

Read = Mapping[str, str]
"""The values a daemon works with, in the C daemon's words; those it can't tell are left out."""

_CONF = "FWKNOP_RUN_DIR {folder}/run;\nENABLE_IPT_FORWARDING Y;\n"
_LINE = re.compile(r" *(?:\d+\. )?([A-Z_0-9]+(?: \([a-z]+\))?)(?: +=  '(.*)'|:  (.*))")
_NOT_SET = "<not set>"
_DIGEST_NUMBERS = ("none", "md5", "sha1", "sha256", "sha384", "sha512", "sha3_256", "sha3_512")


@pytest.mark.parametrize("name", ACCESS)
def test_directives_of_a_stanza(tmp_path: Path, name: str) -> None:
    cases = {value: (_CONF, _stanza(name, value)) for value in ACCESS[name]}
    assert _differences(tmp_path, cases) == _listed(name, ACCESS[name])


@pytest.mark.parametrize("name", SERVER)
def test_settings_of_the_server(tmp_path: Path, name: str) -> None:
    cases = {v: (f"{_CONF}{name} {v};\n", f"SOURCE ANY\n{KEYS}") for v in SERVER[name]}
    assert _differences(tmp_path, cases) == _listed(name, SERVER[name])


def test_the_lists_name_no_value_that_is_not_tried() -> None:
    tried = {(name, value) for table in (ACCESS, SERVER) for name in table for value in table[name]}
    assert tried >= STRICTER.keys() | LENIENT.keys() | OTHERWISE.keys()


def _stanza(name: str, value: str) -> str:
    if name == "SOURCE":
        return f"SOURCE {value}\n{KEYS}"
    own = name.removesuffix("_BASE64")
    keys = "".join(line for line in KEYS.splitlines(True) if not line.startswith(f"{own} "))
    return f"SOURCE ANY\n{keys}{name} {value}\n"


def _listed(name: str, values: Iterable[str]) -> dict[str, str]:
    tables = {"we refuse it": STRICTER, "we take it": LENIENT, "we read it otherwise": OTHERWISE}
    return {v: said for v in values for said, table in tables.items() if (name, v) in table}


def _differences(folder: Path, cases: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    found = {}
    for value, (conf, access) in cases.items():
        _write(folder / "fwknopd.conf", conf.format(folder=folder))
        _write(folder / "access.conf", access)
        said = _difference(_theirs(folder), _ours(folder))
        if said:
            found[value] = said
    return found


def _difference(theirs: Read | None, ours: Read | None) -> str:
    if theirs is None or ours is None:
        return "" if theirs is ours else "we refuse it" if ours is None else "we take it"
    # The C daemon prints some values as they were written.
    same = all(theirs.get(name, value).lower() == value.lower() for name, value in ours.items())
    return "" if same else "we read it otherwise"


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))


def _theirs(folder: Path) -> Read | None:
    command = [str(find_c_daemon()), "-D", "-c", "fwknopd.conf", "-a", "access.conf"]
    done = subprocess.run(command, capture_output=True, cwd=folder, timeout=20)
    assert done.returncode in (0, 1)
    lines = done.stdout.decode("utf-8", "surrogateescape").splitlines()
    found = [match for line in lines if (match := _LINE.fullmatch(line))]
    return None if done.returncode else {m[1]: m[2] if m[3] is None else m[3] for m in found}


def _ours(folder: Path) -> Read | None:
    try:
        loaded = load_files(folder / "fwknopd.conf", folder / "access.conf")
    except ConfigError:
        return None
    return {**_of_server(loaded), **_of_stanza(loaded.stanzas[0])} if loaded.stanzas else None


def _of_server(loaded: Configuration) -> Read:
    settings = loaded.settings
    return {
        "MAX_SPA_PACKET_AGE": str(settings.max_spa_packet_age),
        "MAX_SNIFF_BYTES": str(settings.max_sniff_bytes),
        "UDPSERV_PORT": str(settings.udpserv_port),
        "PCAP_INTF": settings.pcap_intf,
        "SYSLOG_FACILITY": settings.syslog_facility,
    }


def _of_stanza(stanza: Stanza) -> Read:
    keys, target, end = stanza.keys, stanza.force_nat, stanza.access_expire
    digest = str(_DIGEST_NUMBERS.index(keys.hmac_type.value)) if keys.hmac_key else "0"
    return {
        "KEY_LEN": str(len(keys.encryption_key or b"")),
        "HMAC_KEY_LEN": str(len(keys.hmac_key or b"")),
        "HMAC_DIGEST_TYPE": digest,
        "FW_ACCESS_TIMEOUT": str(stanza.fw_access_timeout),
        "REQUIRE_SOURCE_ADDRESS": _yes(stanza.require_source_address),
        "FORWARD_ALL": _yes(stanza.forward_all),
        "ENABLE_CMD_EXEC": _yes(stanza.enable_cmd_exec),
        "REQUIRE_USERNAME": stanza.require_username or _NOT_SET,
        "CMD_EXEC_USER": stanza.cmd_exec_user or _NOT_SET,
        "ACCESS_EXPIRE": _NOT_SET if end is None else time.ctime(end),
        "FORCE_NAT (ip)": str(target.address) if target else _NOT_SET,
        **({"FORCE_NAT (port)": str(target.port)} if target else {}),
    }


def _yes(value: bool) -> str:
    return "Yes" if value else "No"
