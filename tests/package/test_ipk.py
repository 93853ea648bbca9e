"""The packages ``make ipk`` builds: their layout, what they tell a package manager, their bytes."""

from __future__ import annotations

import gzip
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from fwknopd import __version__
from package.dev import ipk
from package.dev.ipk_apk import write_apk
from package.dev.ipk_control import conffiles, dependencies, keep_over_sysupgrade
from package.dev.ipk_recipe import Build, Package, RecipeError, stage
from tests.package.built import Built, Packages
from tests.package.feed import LIBRARIES, VERSION

PROJECT = Path(__file__).parents[2]
RECIPES = PROJECT / "package"
SITE_PACKAGES = f"/usr/lib/{VERSION}/site-packages"
NAMES = ("fwknop-wrt", "fwknop-wrt-webui", "python3-qrcode", "python3-waitress")
EPOCH = 1_700_000_000
SMALL = """\
include $(TOPDIR)/rules.mk
PKG_NAME:=small
PKG_VERSION:=1.2
PKG_RELEASE:=3
PKG_LICENSE:=MIT
include $(INCLUDE_DIR)/package.mk
define Package/small
  TITLE:=Little
  DEPENDS:=@TARGET_x86 +libc other
  PROVIDES:=tiny
  PKGARCH:=all
endef
define Package/small/description
  It does little.
endef
define Package/small/preinst
#!/bin/sh
echo $$1
endef
Build/Prepare:=true
Build/Compile:=true
define Package/small/install
	$(INSTALL_DIR) $(1)/usr/bin
	echo x >$(1)/usr/bin/small
endef
$(eval $(call BuildPackage,small))
"""


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


@pytest.mark.parametrize(("name", "kib"), [("fwknop-wrt", 1100), ("fwknop-wrt-webui", 450)])
def test_it_fits_a_routers_flash(packages: Packages, name: str, kib: int) -> None:
    # A router's file system is compressed too, so it takes about what the package does.
    assert packages[name].path.stat().st_size < kib * 1024


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


def test_the_same_sources_give_the_same_bytes(
    packages: Packages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("PYTHONHASHSEED", "77")
    monkeypatch.setenv("MAKEFLAGS", "-j4 -k")
    with private_files():
        made = ipk.build_all(NAMES[:2], tmp_path)
    again = {Built(path).field("Package"): path for path in made if path.suffix == ".ipk"}
    assert len(again) == 2
    for name, path in again.items():
        assert path.read_bytes() == packages[name].path.read_bytes()


@pytest.fixture
def apk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the program apk; what it was called with is in the file it would make."""
    program = tmp_path / "bin/apk"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\nprintf "%s\\n" "$@" >made\nfor last; do :; done\nmv made "$last"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


@pytest.fixture
def small(tmp_path: Path) -> Package:
    """A package that is staged."""
    recipe = tmp_path / "recipes/small/Makefile"
    recipe.parent.mkdir(parents=True)
    recipe.write_text(SMALL)
    (made,) = stage(Build(recipe.parent, tmp_path / "out", tmp_path))
    return made


def test_apk_is_run_where_it_is_installed(apk: Path, small: Package, tmp_path: Path) -> None:
    parts, made = write_apk(small, tmp_path / "apk")
    assert made == tmp_path / "apk/small-1.2-r3.apk"
    assert made.read_text().splitlines() == [
        *("mkpkg", "--info", "name:small", "--info", "version:1.2-r3"),
        *("--info", "description:It does little.", "--info", "arch:noarch"),
        *("--info", "license:MIT", "--info", "origin:package/small"),
        *("--info", "provides:tiny=1.2-r3", "--info", "depends:libc other"),
        *("--script", "post-install:post-install", "--script", "post-upgrade:post-upgrade"),
        *("--script", "pre-deinstall:pre-deinstall"),
        *("--script", "pre-install:pre-install", "--script", "pre-upgrade:pre-upgrade"),
        *("--files", "files", "--output", "../small-1.2-r3.apk"),
    ]
    assert (parts / "files/usr/bin/small").read_text() == "x\n"
    assert (parts / "pre-install").read_text() == "#!/bin/sh\necho $1\n"
    assert (parts / "pre-upgrade").read_text() == "#!/bin/sh\nexport PKG_UPGRADE=1\necho $1\n"


def test_a_refusal_of_apk_is_told(apk: Path, small: Package, tmp_path: Path) -> None:
    apk.write_text("#!/bin/sh\necho 'ERROR: no space' >&2; exit 1\n")
    with pytest.raises(RecipeError, match="small: apk mkpkg failed: ERROR: no space"):
        write_apk(small, tmp_path / "apk")


def test_what_only_a_build_tree_decides_is_refused(small: Package) -> None:
    unclear = replace(small, fields={**small.fields, "DEPENDS": "+IPV6:other"})
    with pytest.raises(RecipeError, match=r"\+IPV6:other: what a build tree's menu decides"):
        dependencies(unclear)


@pytest.mark.busybox
def test_what_apk_needs_is_beside_its_command(packages: Packages) -> None:
    parts = packages["fwknop-wrt"].path.parents[1] / "apk/fwknop-wrt"
    command = shlex.split((parts / "command").read_text())
    scripts = [word for option, word in pairwise(command) if option == "--script"]
    named = {script.partition(":")[0] for script in scripts}
    assert named == {"post-install", "post-upgrade", "pre-deinstall", "post-deinstall"}
    for name in named:
        assert not subprocess.run(["busybox", "ash", "-n", str(parts / name)]).returncode
    lists = parts / "files/lib/apk/packages"
    files = (lists / "fwknop-wrt.list").read_text().splitlines()
    assert set(files) == {p for p, m in packages["fwknop-wrt"].files().items() if m.isreg()}
    assert (lists / "fwknop-wrt.conffiles").read_text() == "/etc/config/fwknopd\n"
    assert (lists / "fwknop-wrt.rusers").read_text() == ":fwknop\n"
    assert re.fullmatch(
        r"/etc/config/fwknopd [0-9a-f]{64}\n", (lists / "fwknop-wrt.conffiles_static").read_text()
    )


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
