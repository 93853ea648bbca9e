"""The import directions of ARCHITECTURE.md, read from the sources.

A parser that could open a file, or a web page that pulls in the packet capture,
would work in every other test. Only here it shows.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DAEMON = ROOT / "daemon"
WEBUI = ROOT / "webui"

# Pure: bytes and values in, values out. What each may import of fwknopd besides itself.
CORE = {
    "spa": ("spa",),
    "policy": ("spa", "replay", "grants"),
    "grants": ("spa", "policy.stanza"),
    "departures": ("grants", "policy.stanza"),
    "past_doors": ("grants",),
    "flows": ("grants", "spa", "policy.stanza"),
    "connections": ("grants",),
    "door_requests": ("grants",),
    "replay": ("spa",),
    "replay_format": ("replay",),
    "cycle_table": ("policy.command", "policy.stanza"),
    "cycle_format": ("checked_lines", "cycle_table", "policy.command"),
    "owner_format": ("checked_lines", "grants"),
    "checked_lines": (),
    "replay_blindness": (),
    "openmetrics": (),
    "keys": ("spa",),
    "key_handing": ("keys", "spa"),
    "config": ("spa", "keys", "policy.gpg", "policy.stanza", "policy.schedule", "policy.settings"),
}
# Each is one edge to the outside. They know the core, and never each other.
ADAPTERS = (
    ("capture",),
    ("firewall",),
    ("control",),
    (
        *("events", "event_sinks", "log_lines", "command_lines"),
        *("syslog_message", "syslog_server"),
    ),
    ("uci_store", "uci_files", "uci_freshness", "classic_files", "regular_file"),
    ("replay_journal", "file_systems"),
    ("cycle_journal", "owner_journal", "ended_keys", "run_file"),
    ("clock", "time_sources", "time_zone"),
    ("commands",),
    ("sandbox",),
    ("gpg_home", "gpg_jobs", "gpg_queue", "gpg_rings"),
)
# What edges share: starting a program or a job, and nothing that is one edge's business.
SHARED = ("spawning", "children", "workers", "loop", "accounts")
# The engine sees of the edges only what a backend promises and what an event is.
ENGINE_MODULES = (
    *("engine", "engine_edges", "open_doors", "adopting", "endings", "door_list", "reporting"),
    *("late_commands", "knock_commands", "command_queue", "command_reporting", "open_cycles"),
    *("judging", "undecided"),
)
ENGINE = (*CORE, *ENGINE_MODULES, "firewall", "events")
WEBUI_MAY_IMPORT = (
    "config",
    "keys",
    "key_handing",
    "openmetrics",
    "uci_store",
    "classic_files",
    "control.client",
    "core_dumps",
    "policy.verdict",
)
# Parts of the standard library that touch nothing outside the process.
PURE = {"__future__", "base64", "binascii", "collections", "dataclasses", "datetime", "enum"}
PURE |= {"functools", "hashlib", "heapq", "hmac", "ipaddress", "itertools", "operator", "re"}
PURE |= {"csv", "json", "math", "shlex", "string", "struct", "typing"}
# Of time only what is told the time: see CLOCK_CALLS.
PURE |= {"time"}
ONLY_IN = {
    "cryptography": "fwknopd/spa/cipher.py",
    "gnupg": "fwknopd/gpg_jobs.py",
    "pcap": "fwknopd/capture/pcap.py",
    "secrets": "fwknopd/keys.py",
}
OUTSIDE_CALLS = frozenset({"open", "print", "input", "exec", "eval", "__import__"})
CLOCK_CALLS = frozenset({"now", "utcnow", "today", "time", "time_ns", "monotonic", "monotonic_ns"})
CLOCK_CALLS |= {"perf_counter", "sleep"}
# These read the clock only when they are not told a time.
CLOCK_CALLS_WITHOUT_ARGUMENT = frozenset({"localtime", "gmtime", "ctime"})


def sources(base: Path) -> list[Path]:
    return sorted(path for package in base.glob("fwknop*") for path in package.rglob("*.py"))


def label(path: Path) -> str:
    return str(path.relative_to(base_of(path)))


def base_of(path: Path) -> Path:
    return DAEMON if path.is_relative_to(DAEMON) else WEBUI


def module_name(path: Path) -> str:
    parts = path.relative_to(base_of(path)).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in (*sources(DAEMON), *sources(WEBUI))}


def imports(path: Path) -> Iterator[str]:
    """Full names of the modules a file imports, in functions and for types too."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            assert node.module
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else node.module for name in names)


def ours(path: Path) -> Iterator[str]:
    """Imported modules of fwknopd, without that prefix."""
    for name in imports(path):
        if name.startswith("fwknopd."):
            yield name.removeprefix("fwknopd.")


def is_within(name: str, allowed: tuple[str, ...]) -> bool:
    return any(name == entry or name.startswith(f"{entry}.") for entry in allowed)


def parts(*names: str) -> list[Path]:
    """The sources of modules and packages directly in fwknopd."""
    wanted = tuple(f"fwknopd.{name}" for name in names)
    return [path for name, path in MODULES.items() if is_within(name, wanted)]


@pytest.mark.parametrize("part", CORE)
def test_core_imports_point_inwards(part: str) -> None:
    allowed = (part, *CORE[part])
    wrong = [f"{label(p)}: {n}" for p in parts(part) for n in ours(p) if not is_within(n, allowed)]
    assert not wrong


@pytest.mark.parametrize("group", ADAPTERS, ids=lambda group: group[0])
def test_adapters_import_the_core_and_no_other_adapter(group: tuple[str, ...]) -> None:
    allowed = (*group, *CORE, *SHARED)
    wrong = [
        f"{label(p)}: {n}" for p in parts(*group) for n in ours(p) if not is_within(n, allowed)
    ]
    assert not wrong


def test_engine_imports_the_core_and_the_interfaces_of_the_edges() -> None:
    wrong = [
        name
        for path in parts(*ENGINE_MODULES)
        for name in ours(path)
        if not is_within(name, ENGINE) or name.startswith("firewall.")
    ]
    assert not wrong


def test_daemon_never_imports_the_web_ui() -> None:
    assert not [p for p in sources(DAEMON) for n in imports(p) if n.startswith("fwknop_webui")]


def test_web_ui_imports_only_what_the_daemon_offers_it() -> None:
    wrong = [
        f"{label(path)}: fwknopd.{name}"
        for path in sources(WEBUI)
        for name in ours(path)
        if not is_within(name, WEBUI_MAY_IMPORT)
    ]
    assert not wrong


@pytest.mark.parametrize("path", parts(*CORE), ids=label)
def test_core_imports_nothing_that_reaches_outside(path: Path) -> None:
    doors = {package for package, door in ONLY_IN.items() if label(path) == door}
    allowed = PURE | doors | {"fwknopd"}
    outside = {name for name in imports(path) if name.partition(".")[0] not in allowed}
    assert not outside


@pytest.mark.parametrize("path", parts(*CORE), ids=label)
def test_core_opens_no_file_and_reads_no_clock(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Call)]
    functions = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
    assert not functions & (OUTSIDE_CALLS | CLOCK_CALLS)
    methods = [(call.func.attr, call) for call in calls if isinstance(call.func, ast.Attribute)]
    assert not {name for name, _ in methods} & CLOCK_CALLS
    untold = {name for name, call in methods if not call.args}
    assert not untold & CLOCK_CALLS_WITHOUT_ARGUMENT


@pytest.mark.parametrize("package", ["cryptography", "gnupg", "pcap"])
def test_heavy_packages_have_one_door(package: str) -> None:
    # A sealed backup is the one time the web page needs the crypto library.
    expected = {ONLY_IN[package]}
    if package == "cryptography":
        expected.add("fwknop_webui/sealed_backup.py")
    doors = {
        label(path)
        for path in MODULES.values()
        if any(name.partition(".")[0] == package for name in imports(path))
    }
    assert doors == expected


def load(modules: list[str], unwanted: list[str]) -> dict[str, str]:
    """Import modules one after the other in a fresh interpreter; what is wrong with which.

    What was loaded is blamed on the first module that did it.
    """
    environment = {"PYTHONPATH": f"{DAEMON}:{WEBUI}"}
    question = json.dumps({"modules": modules, "unwanted": unwanted})
    done = subprocess.run(
        [sys.executable, "-c", LOADER, question],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


LOADER = """
import importlib, json, sys
question = json.loads(sys.argv[1])
wrong, seen = {}, set()
for module in question["modules"]:
    try:
        importlib.import_module(module)
    except Exception as error:
        wrong[module] = f"does not import: {error!r}"
    loaded = {name for name in question["unwanted"] if name in sys.modules} - seen
    if loaded:
        wrong[module] = f"loads {sorted(loaded)}"
    seen |= loaded
print(json.dumps(wrong))
"""
PAGES = [name for name in MODULES if name.startswith("fwknop_webui") and "__main__" not in name]


@pytest.fixture(scope="module")
def wrong_pages() -> dict[str, str]:
    return load(PAGES, ["cryptography", "pcap", "PIL", "asyncio"])


@pytest.mark.parametrize("module", PAGES)
def test_web_ui_loads_neither_cryptography_nor_capture(
    module: str, wrong_pages: dict[str, str]
) -> None:
    assert module not in wrong_pages, wrong_pages[module]


def test_daemon_starts_without_what_it_never_uses() -> None:
    # Each of these costs a router memory for the whole life of the process.
    unwanted = ["asyncio", "logging", "unittest", "concurrent.futures", "multiprocessing"]
    unwanted += ["fwknopd.firewall.iptables", "fwknopd.firewall.conntrack"]
    unwanted += ["gnupg", "subprocess", "threading"]
    # For who has iptables, runs from UCI, or asks the daemon something.
    unwanted += [f"fwknopd.firewall.iptables_{name}" for name in ("process", "rules")]
    unwanted += [f"fwknopd.config.uci_{name}" for name in ("config", "format", "model")]
    unwanted += ["fwknopd.verbs", "fwknopd.status", "fwknopd.door_list"]
    assert not load(["fwknopd.cli", "fwknopd.service", "fwknopd.runner"], unwanted)
