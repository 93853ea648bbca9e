"""Byte code in packs: the same program, without what no program looks at."""

from __future__ import annotations

import marshal
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from fwknop_webui.data import data_of
from fwknopd.packed import Pack
from package.dev import packing

DAEMON = Path(__file__).parents[2] / "daemon"
MODULES = {
    "__init__": '"""The package."""\nNAME = __name__\n',
    "cli": '''\
"""What is read at once."""
from __future__ import annotations
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple
from fwknop_webui.part import deep
if TYPE_CHECKING:
    from nowhere import Nothing
LIMIT: int = 3
"""How many."""

class Pair(NamedTuple):
    left: int
    right: Nothing

@dataclass(frozen=True, slots=True)
class Point:
    """Has a documentation."""
    x: int
    y: list[int] = field(default_factory=list)

@dataclass
class Special:
    of_all: ClassVar[int] = 7
    x: int
    given: InitVar[int]
    def __post_init__(self, given):
        self.x += given + self.of_all

class Bare:
    """Nothing but this."""

def total(point: Point, *rest: Nothing, **others: Nothing) -> Nothing:
    """Has another one."""
    later: Nothing
    result: int = point.x + LIMIT
    return result

async def only_documented() -> None:
    """Does nothing."""

def late():
    from fwknop_webui import alone
    return alone.fail()
''',
    "part/__init__": "",
    "part/deep": "WHERE = __name__, __package__, __file__\n",
    "alone": "\n\ndef fail():\n    x = 1\n    return (\n        x / 0)\n",
    "__main__": "print('run as', __name__)\n",
}
_USE = """\
import sys, traceback
from fwknop_webui import NAME, cli, part
print(NAME, cli.total(cli.Point(4)), cli.Pair(1, 2), cli.Point(1) == cli.Point(1), part.__path__)
print(cli.__doc__, cli.total.__doc__, cli.Point.__doc__, cli.Bare.__doc__, end=" ")
print(cli.total.__annotations__)
print(cli.Special(1, 2))
print(*cli.deep.WHERE)
print("fwknop_webui.alone" in sys.modules)
try:
    cli.late()
except ZeroDivisionError:
    traceback.print_exc(file=sys.stdout)
try:
    import fwknop_webui.part.nothing
except ModuleNotFoundError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a router would have the small package, packed."""
    source = tmp_path_factory.mktemp("source") / "fwknop_webui"
    for name, text in MODULES.items():
        path = source / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (source / "templates").mkdir()
    (source / "templates/a.html").write_text("<p>")
    (source / "a.po").write_text("for translators")
    site = tmp_path_factory.mktemp("site")
    assert not packing.main([str(source), str(site / source.name)])
    return site


def run(site: Path, *arguments: str) -> list[str]:
    """What Python says of it, on either stream."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env={"PYTHONPATH": f"{site}:{DAEMON}", "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return done.stdout.splitlines()


def test_a_packed_package_does_what_its_sources_do(site: Path) -> None:
    results, documented, special, where, early, *failure, missing = run(site, "-c", _USE)
    assert results == "fwknop_webui 7 Pair(left=1, right=2) True []"
    assert documented == "None None . None {}"
    assert special == "Special(x=10)"
    file = site / "fwknop_webui/part/deep.pyc"
    assert where == f"fwknop_webui.part.deep fwknop_webui.part {file}"
    assert early == "False"
    assert missing == "No module named 'fwknop_webui.part.nothing'"
    # A function's first line, and the name of its module's source.
    assert failure[-2].strip() == 'File "fwknop_webui/alone.py", line 3, in fail'
    assert failure[-1] == "ZeroDivisionError: division by zero"


_UPGRADE = """\
import os, sys
from pathlib import Path
from fwknop_webui import cli
from importlib import import_module
pack = Path(cli.__file__).with_name("others.pack")
other = b"of the next version"
if "in place" in sys.argv:
    pack.write_bytes(other)
else:
    pack.with_name("new").write_bytes(other)
    pack.with_name("new").rename(pack)
if "closed" in sys.argv:
    os.closerange(3, 100)
    os.open("/dev/zero", os.O_RDONLY)
try:
    print(import_module("fwknop_webui.alone").__name__)
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize("how", ["replaced", "in place", "closed"])
def test_a_program_goes_on_with_the_packs_it_began_with_or_says_why_not(
    site: Path, tmp_path: Path, how: str
) -> None:
    shutil.copytree(site, tmp_path, dirs_exist_ok=True)
    said = run(tmp_path, "-c", _UPGRADE, how)
    pack = tmp_path / "fwknop_webui/others.pack"
    told = f"{pack} is another one since this program began: restart it"
    assert said == ["fwknop_webui.alone" if how == "replaced" else told]


@pytest.mark.parametrize("head", [marshal.dumps((1, 2)), marshal.dumps(3), b"?", b""])
def test_a_pack_of_another_version_is_told(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "daemon.pack"
    listed = zlib.compress(head)
    path.write_bytes(len(listed).to_bytes(4, "little") + listed)
    with pytest.raises(ImportError, match=r"daemon\.pack is damaged, or of another version"):
        list(Pack(str(path)).pieces())


def test_a_packed_module_is_run_by_its_name(site: Path) -> None:
    assert run(site, "-m", "fwknop_webui") == ["run as __main__"]


def test_a_router_gets_few_files(site: Path) -> None:
    files = {path.name for path in (site / "fwknop_webui").iterdir()}
    assert files == {"__init__.pyc", "page.pack", "others.pack", "data.z"}


def test_templates_are_read_from_the_archive_or_their_folder(site: Path, tmp_path: Path) -> None:
    packed = data_of(site / "fwknop_webui")
    assert list(packed.folders()) == ["templates"]
    assert packed.files("templates") == {"a.html": b"<p>"}
    assert not packed.files("nothing")
    # Sources that somebody installed beside it are what he wants to try.
    (tmp_path / "templates/inner").mkdir(parents=True)
    (tmp_path / "templates/b.html").write_text("<b>")
    folder = data_of(tmp_path)
    assert list(folder.folders()) == ["templates", "templates/inner"]
    assert dict(folder.files("templates")) == {"b.html": b"<b>"}
    assert len(folder.files("nothing")) == 0 == len(folder.files("templates/inner"))
    with pytest.raises(KeyError):
        folder.files("templates")["inner"]


def test_what_is_imported_at_once_is_found_without_importing_it() -> None:
    modules = dict(packing._modules(DAEMON / "fwknopd"))
    together = packing.imported_with(packing.DAEMON, modules)
    assert {"fwknopd.__init__", "fwknopd.spa.__init__", "fwknopd.engine"} <= together
    # Only functions import these.
    assert not {"fwknopd.firewall.iptables", "fwknopd.gpg_jobs"} & together


def test_usage_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert packing.main([]) == 2
    assert capsys.readouterr().err.startswith("usage: ")
