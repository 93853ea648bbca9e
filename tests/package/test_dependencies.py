"""Each package brings what it needs: its code runs in a Python of its dependencies alone.

OpenWrt has the standard library in pieces. A piece that is forgotten in DEPENDS is there on
every developer's computer, and missing on the router of whoever installs the package.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from package.dev.packing import DAEMON, PAGE
from tests.lab.configs import client_section
from tests.package.built import Packages, install
from tests.package.feed import PythonRoot

PROJECT = Path(__file__).parents[2]
SOURCES = {"fwknop-wrt": PROJECT / "daemon", "fwknop-wrt-webui": PROJECT / "webui"}
# Installed by whoever wants them; the code does without, and says what is missing.
OPTIONAL = {"fwknop-wrt": {"gnupg", "qrcode", "ubus", "uci"}, "fwknop-wrt-webui": {"ubus", "uci"}}

_IMPORT_ALL = """\
import importlib, json, sys
for name in {names!r}:
    importlib.import_module(name)
ours = [m.__file__ for n, m in sys.modules.items() if n.partition(".")[0] == {package!r}]
json.dump(ours, sys.stdout)
"""
# What a program needs is read in few pieces: importing all of it leaves nothing over.
_PIECES = """\
import importlib, sys
for name in {names!r}:
    importlib.import_module(name)
for packs in sys.meta_path:
    if type(packs).__name__ == "Packs":
        print(packs._waiting, packs._unpacked)
        used = [piece.pack.path for name, piece in packs._pieces.items() if name in sys.modules]
        print(*sorted({{pack.rpartition("/")[2] for pack in used}}))
"""


_THERE_AND_BACK = """\
from fwknopd.spa.message import MessageType
from fwknopd.spa.packet import SpaKeys, classify, decode, encode
keys = SpaKeys(b"k" * 32, b"h" * 64)
packet = encode(user="alice", timestamp=1_700_000_000, rand="1234567890123456", keys=keys,
    message_type=MessageType.ACCESS, message="198.51.100.7,tcp/22", salt=b"12345678")
print(decode(classify(packet), keys).message.decode())
"""


_RENDER = """\
import re
from fwknop_webui import cli, i18n, serving
from fwknop_webui.app import create_app
app = create_app(serving._config(cli.parsed([]), "localhost"))
page = app.test_client().get("/login")
print(page.status_code, b"<form" in page.data)
print(app.test_client().get(re.search(r'"([^"]*app[.]css)"', page.text)[1]).status_code)
for language in i18n.languages():
    if language != i18n.SOURCE_LANGUAGE:
        i18n._catalog(language)
        print(language)
"""


@pytest.fixture(scope="module")
def root(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> PythonRoot:
    """A Python with the daemon's package and what that needs, nothing else."""
    root = PythonRoot(tmp_path_factory.mktemp("python"))
    install(root, packages, "fwknop-wrt")
    return root


@pytest.fixture(scope="module")
def root_with_page(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> PythonRoot:
    """The same for the package of the web page."""
    root = PythonRoot(tmp_path_factory.mktemp("python-with-page"))
    install(root, packages, "fwknop-wrt-webui")
    return root


def imported(folder: Path) -> Iterator[str]:
    """Every module the sources import, be it at the top or when it is first needed."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module


def others(package: str) -> list[str]:
    names = set(imported(SOURCES[package]))
    return sorted(n for n in names if n.partition(".")[0] not in OPTIONAL[package])


def modules(package: str) -> list[str]:
    """What the sources of a package have, by the names they are imported by."""
    folder = SOURCES[package]
    found = [".".join(p.relative_to(folder).with_suffix("").parts) for p in folder.rglob("*.py")]
    return sorted(name.removesuffix(".__init__") for name in found if "__main__" not in name)


def import_all(root: PythonRoot, package: str, module: str) -> list[str]:
    names = [*modules(package), *others(package)]
    done = root.run(_IMPORT_ALL.format(package=module, names=names))
    assert not done.returncode, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def assert_from_byte_code(files: list[str], root: PythonRoot, at_least: int) -> None:
    assert len(files) > at_least
    folder = str(root.site_packages)
    assert all(file.startswith(folder) and file.endswith(".pyc") for file in files)


def languages() -> list[str]:
    folder = PROJECT / "webui/fwknop_webui/translations"
    return sorted(path.name for path in folder.glob("*") if (path / "LC_MESSAGES").is_dir())


def call(root: PythonRoot, program: str, *arguments: str) -> str:
    """What an installed program says."""
    path = root.folder / program
    code = "import runpy, sys; sys.argv = {!r}; runpy.run_path({!r}, run_name='__main__')"
    done = root.run(code.format([path.name, *arguments], str(path)))
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_a_python_of_pieces_lacks_those_not_asked_for(root: PythonRoot) -> None:
    assert root.run("import urllib.parse, email, ctypes, cryptography").returncode == 0
    for module in ("logging", "asyncio", "decimal", "xml.dom", "unicodedata", "ssl", "flask"):
        done = root.run(f"import {module}")
        assert f"No module named '{module.partition('.')[0]}'" in done.stderr


def test_the_daemons_dependencies_suffice(root: PythonRoot) -> None:
    assert_from_byte_code(import_all(root, "fwknop-wrt", "fwknopd"), root, 200)


def pieces_read_for(root: PythonRoot, names: tuple[str, ...]) -> list[str]:
    """What importing these modules leaves unused, and from which packs they came."""
    done = root.run(_PIECES.format(names=names))
    assert not done.returncode, done.stderr
    return done.stdout.splitlines()


def test_what_a_daemon_needs_is_read_at_once(root: PythonRoot) -> None:
    assert pieces_read_for(root, DAEMON) == ["{} {}", "common.pack daemon.pack"]


def test_the_page_reads_nothing_that_only_the_daemon_needs(root_with_page: PythonRoot) -> None:
    own, packs, daemons, others = pieces_read_for(root_with_page, PAGE)
    assert own == daemons == "{} {}"
    assert packs == "page.pack"
    assert "daemon.pack" not in others


def test_the_programs_run(root: PythonRoot) -> None:
    assert "fwknopd" in call(root, "usr/sbin/fwknopd", "--version")
    assert "--uci" in call(root, "usr/sbin/fwknopd", "--help")
    assert "KEY_BASE64" in call(root, "usr/bin/fwknopctl", "keygen")


def test_a_code_to_scan_asks_for_the_package_that_draws_it(
    root: PythonRoot, tmp_path: Path
) -> None:
    uci = tmp_path / "fwknopd"
    uci.write_text(client_section("phone", "tcp/22", 30))
    said = call(root, "usr/bin/fwknopctl", "qr", "--client", "phone", "--uci", str(uci))
    assert "opkg install python3-qrcode" in said


def test_a_module_runs_without_its_source(root: PythonRoot) -> None:
    code = "import runpy, sys; sys.argv = ['x', '--help']"
    done = root.run(f"{code}; runpy.run_module('fwknopd.ctl', run_name='__main__')")
    assert "usage: " in done.stdout


def test_packets_are_made_and_read(root: PythonRoot) -> None:
    done = root.run(_THERE_AND_BACK)
    assert done.stdout.split() == ["198.51.100.7,tcp/22"], done.stderr


def test_the_pages_dependencies_suffice(root_with_page: PythonRoot) -> None:
    files = import_all(root_with_page, "fwknop-wrt-webui", "fwknop_webui")
    assert_from_byte_code(files, root_with_page, 40)


def test_templates_scripts_and_languages_come_along(root_with_page: PythonRoot) -> None:
    done = root_with_page.run(_RENDER)
    assert done.stdout.split() == ["200", "True", "200", *languages()], done.stderr


@pytest.mark.parametrize("package", ["python3-waitress", "python3-qrcode"])
def test_a_library_imports_with_what_it_names(
    packages: Packages, package: str, tmp_path: Path
) -> None:
    root = PythonRoot(tmp_path)
    install(root, packages, package)
    modules = {
        "python3-waitress": "waitress, waitress.server, waitress.runner, waitress.proxy_headers",
        "python3-qrcode": "qrcode.main, qrcode.image.svg, qrcode.console_scripts",
    }
    done = root.run(f"import {modules[package]}")
    assert not done.returncode, done.stderr
