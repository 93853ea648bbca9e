"""The packages ``make ipk`` builds: their layout, what they tell a package manager, their bytes."""

from __future__ import annotations

import gzip
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fwknopd import __version__
from package.dev import ipk
from package.dev.ipk_control import conffiles, keep_over_sysupgrade
from package.dev.ipk_recipe import Package
from tests.package.built import Built, Packages
from tests.package.feed import LIBRARIES, VERSION

PROJECT = Path(__file__).parents[2]
RECIPES = PROJECT / "package"
SITE_PACKAGES = f"/usr/lib/{VERSION}/site-packages"
NAMES = ("fwknop-wrt", "fwknop-wrt-webui", "python3-qrcode", "python3-waitress")
EPOCH = 1_700_000_000


def members(archive: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return list(opened)


def test_every_recipe_of_a_pure_package_is_built(packages: Packages) -> None:
    assert sorted(packages) == sorted(NAMES)
    recipes = {path.parent.name for path in RECIPES.glob("*/Makefile")}
    assert recipes == {*NAMES, "python3-pypcap"}
    version = re.escape(__version__)
    assert re.fullmatch(rf"fwknop-wrt_{version}-r1_all.ipk", packages["fwknop-wrt"].path.name)


@pytest.mark.parametrize("name", NAMES)
def test_the_archive_is_laid_out_as_opkg_wants_it(packages: Packages, name: str) -> None:
    built = packages[name]
    outer = built.path.read_bytes()
    # gzip, with neither a name nor a time.
    assert outer[:8] == bytes.fromhex("1f8b080000000000")
    names = [member.name for member in members(outer)]
    assert names == ["./debian-binary", "./data.tar.gz", "./control.tar.gz"]
    assert built.part("debian-binary") == b"2.0\n"
    data = gzip.decompress(built.part("data.tar.gz"))
    # ustar with GNU's magic, not POSIX's.
    assert data[257:265] == b"ustar  \0"
    assert built.field("Installed-Size") == str(len(data))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_tells_who_packed_it(packages: Packages, name: str) -> None:
    built = packages[name]
    epoch = int(built.field("SourceDateEpoch"))
    inner = [built.part(part) for part in ("data.tar.gz", "control.tar.gz")]
    for archive in (built.path.read_bytes(), *inner):
        for member in members(archive):
            assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
            assert member.mtime == epoch
    data = [member.name for member in members(inner[0])]
    assert data == sorted(data, key=lambda name: [*name.split("/")])
    for content in (gzip.decompress(part) for part in inner):
        assert str(PROJECT).encode() not in content
        assert b"ipk-" + str(os.getpid()).encode() not in content


@pytest.mark.parametrize("name", NAMES)
def test_modes_are_the_recipes_and_not_the_checkouts(packages: Packages, name: str) -> None:
    for path, member in packages[name].files().items():
        assert member.isdir() or member.isreg(), path
        private = path == "/etc/config/fwknopd"
        wanted = {0o600} if private else {0o755} if member.isdir() else {0o644, 0o755}
        assert member.mode in wanted, path


@pytest.mark.parametrize("name", NAMES)
def test_python_comes_as_byte_code_for_one_version(packages: Packages, name: str) -> None:
    built = packages[name]
    minor = sys.version_info.minor
    assert built.field("Depends").startswith(
        f"python3-light (>= 3.{minor}), python3-light (<< 3.{minor + 1})"
    )
    python = [path for path in built.files() if path.endswith((".py", ".pyc", "__pycache__"))]
    assert python
    assert all(p.startswith(SITE_PACKAGES) and p.endswith(".pyc") for p in python)
    assert not [path for path in built.files() if path.endswith((".po", ".pot"))]


@pytest.mark.parametrize(("name", "kib"), [("fwknop-wrt", 460), ("fwknop-wrt-webui", 296)])
def test_it_fits_a_routers_flash(packages: Packages, name: str, kib: int) -> None:
    files = packages[name].files().values()
    assert sum(member.size for member in files) < kib * 1024
    # Nor can its file system make less of it: what is large is compressed.
    assert packages[name].path.stat().st_size > 0.9 * sum(member.size for member in files)


@pytest.mark.parametrize("name", NAMES)
def test_everything_it_needs_is_in_the_feed_or_here(packages: Packages, name: str) -> None:
    assert set(packages[name].needs()) <= {*LIBRARIES, *packages}


def test_it_takes_the_place_of_the_stock_packages(packages: Packages) -> None:
    for name, stock in (("fwknop-wrt", "fwknopd"), ("fwknop-wrt-webui", "luci-app-fwknopd")):
        assert packages[name].field("Provides") == stock
        assert packages[name].field("Conflicts") == stock
    assert "fwknop-wrt" in packages["fwknop-wrt-webui"].needs()
    assert "kmod-nf-conntrack-netlink" in packages["fwknop-wrt"].needs()


def test_configuration_and_used_packets_outlive_an_upgrade(packages: Packages) -> None:
    daemon = packages["fwknop-wrt"]
    assert daemon.control_file("conffiles") == "/etc/config/fwknopd\n"
    kept = daemon.files()["/lib/upgrade/keep.d/fwknop-wrt"]
    assert kept.size == len("/etc/fwknop/\n")


def test_what_a_recipe_keeps_without_shipping_it_is_listed_for_sysupgrade(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/shipped").touch()
    package = Package("x", tmp_path, {}, {"conffiles": "/etc/shipped\n/etc/made/\n"})
    keep_over_sysupgrade(package)
    assert conffiles(package) == ["/etc/shipped"]
    assert (tmp_path / "lib/upgrade/keep.d/x").read_text() == "/etc/made/\n"


def test_every_file_for_the_router_is_in_a_package(packages: Packages) -> None:
    for name in ("fwknop-wrt", "fwknop-wrt-webui"):
        folder = RECIPES / name / "files"
        wanted = {f"/{path.relative_to(folder)}" for path in folder.rglob("*") if path.is_file()}
        assert wanted <= packages[name].files().keys()
    luci = PROJECT / "webui/luci"
    for part, place in (("root", "/"), ("htdocs", "/www/")):
        found = [path for path in (luci / part).rglob("*") if path.is_file()]
        assert found
        wanted = {f"{place}{path.relative_to(luci / part)}" for path in found}
        assert wanted <= packages["fwknop-wrt-webui"].files().keys()
    installed = packages["fwknop-wrt"].files()
    scripts = {path.name for path in (PROJECT / "uci-defaults").glob("*")}
    assert {f"/etc/uci-defaults/{name}" for name in scripts} <= installed.keys()


def test_rpcd_is_told_of_the_pages_access_list(packages: Packages) -> None:
    assert "rpcd reload" in packages["fwknop-wrt-webui"].control_file("postinst-pkg")


@pytest.mark.busybox
@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_scripts_are_for_a_routers_shell(packages: Packages, script: str, tmp_path: Path) -> None:
    path = tmp_path / script
    path.write_text(packages["fwknop-wrt"].control_file(script))
    assert not subprocess.run(["busybox", "ash", "-n", str(path)]).returncode
    # On the computer that makes an image there is no firewall to load and no library to read.
    environment = {"PATH": "/nowhere", "IPKG_INSTROOT": str(tmp_path)}
    run = [shutil.which("busybox") or "", "ash", str(path)]
    assert not subprocess.run(run, env=environment, cwd=tmp_path).returncode


@contextmanager
def private_files() -> Iterator[None]:
    """New files are nobody else's to read."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """The two packages of ours, made somewhere else by somebody else, with those of the sources."""
    with pytest.MonkeyPatch.context() as patch, private_files():
        patch.setenv("TZ", "Asia/Tokyo")
        patch.setenv("PYTHONHASHSEED", "77")
        patch.setenv("MAKEFLAGS", "-j4 -k")
        made = ipk.build_all(NAMES[:2], tmp_path_factory.mktemp("again"), sources=True)
    return {Built(path).field("Package"): Built(path) for path in made if path.suffix == ".ipk"}


@pytest.mark.parametrize("name", NAMES[:2])
def test_the_same_sources_give_the_same_bytes(
    packages: Packages, again: Packages, name: str
) -> None:
    assert again[name].path.read_bytes() == packages[name].path.read_bytes()


def test_sources_can_be_put_beside_what_is_packed(
    packages: Packages, again: Packages, tmp_path: Path
) -> None:
    beside = again["fwknop-wrt-src"]
    assert beside.field("Provides") == beside.field("Conflicts") == ""
    files = {path for path, member in beside.files().items() if member.isreg()}
    assert f"{SITE_PACKAGES}/fwknopd/spa/packet.py" in files
    assert not files & {p for p, m in packages["fwknop-wrt"].files().items() if m.isreg()}
    # They count, then: a traceback has lines, and who changes one sees what becomes of it.
    for built in (packages["fwknop-wrt"], beside):
        built.unpack(tmp_path)
    program = [sys.executable, "-Bc", "import fwknopd.keys; print(fwknopd.keys.__file__)"]
    found = f"{tmp_path}{SITE_PACKAGES}"
    done = subprocess.run(program, env={"PYTHONPATH": found}, capture_output=True, text=True)
    assert done.stdout == f"{found}/fwknopd/keys.py\n", done.stderr


def test_faults_of_a_build_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ipk.main(["--output", str(tmp_path), "fwknop"]) == 1
    assert "ipk: there is no recipe fwknop in " in capsys.readouterr().err
    monkeypatch.setattr(ipk, "ROOT", tmp_path)
    assert ipk.main(["--output", str(tmp_path), "fwknop-wrt"]) == 1
    assert "set SOURCE_DATE_EPOCH" in capsys.readouterr().err
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(EPOCH))
    assert ipk.source_date() == EPOCH


def test_a_failing_recipe_shows_what_make_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "broken/Makefile"
    recipe.parent.mkdir()
    recipe.write_text("stage:\n\t@echo no compiler here; false\n")
    monkeypatch.setattr(ipk, "RECIPES", tmp_path)
    assert ipk.main(["--output", str(tmp_path), "broken"]) == 1
    assert "ipk: broken: make failed:\nno compiler here" in capsys.readouterr().err


def test_pypcap_is_the_same_release_everywhere() -> None:
    recipe = (RECIPES / "python3-pypcap/Makefile").read_text()
    script = (RECIPES / "python3-pypcap/build_wheel.py").read_text()
    for variable, constant in (("PKG_VERSION", "VERSION"), ("PKG_HASH", "SDIST_SHA256")):
        wanted = re.search(rf"^{variable}:=(\S+)$", recipe, re.MULTILINE)
        assert wanted is not None
        assert f'{constant} = "{wanted[1]}"\n' in script
