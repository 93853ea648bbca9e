"""What ``make ipk`` makes for apk: the parts of a package, and the command that joins them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from package.dev.ipk_apk import write_apk
from package.dev.ipk_control import dependencies
from package.dev.ipk_recipe import Build, Package, RecipeError, stage
from tests.package.built import Packages

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


@pytest.fixture
def services(tmp_path: Path) -> Path:
    """The init scripts of a router where the daemon runs; they write down what they are told."""
    folder = tmp_path / "init.d"
    folder.mkdir()
    for name in ("fwknopd", "fwknop-webui", "rpcd"):
        script = folder / name
        script.write_text(f'#!/bin/sh\necho "{name} $1" >>{folder}/told\n')
        script.chmod(0o755)
    return folder


@pytest.mark.busybox
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("fwknop-wrt", ["fwknopd running", "fwknopd restart", "fwknop-webui stop"]),
        ("fwknop-wrt-webui", ["rpcd reload", "fwknop-webui stop"]),
    ],
)
@pytest.mark.parametrize("upgrade", ["0", "1"])
def test_an_upgrade_ends_what_runs_of_the_version_before(
    packages: Packages, services: Path, name: str, told: list[str], upgrade: str
) -> None:
    of_both = (
        packages[name].control_file("postinst-pkg"),
        (packages[name].path.parents[1] / "apk" / name / "post-upgrade").read_text(),
    )
    for script in of_both:
        here = script.replace("/etc/init.d", str(services)).replace("/lib/functions.sh", "/none")
        here = here.replace('[ -s "${IPKG_INSTROOT}/none" ] || exit 0\n', "")
        here = "\n".join(line for line in here.splitlines() if not _is_of_openwrt(line))
        here = here.replace("PKG_UPGRADE=1", f"PKG_UPGRADE={upgrade}")
        done = subprocess.run(
            ["busybox", "ash", "-c", here], env={"PKG_UPGRADE": upgrade}, capture_output=True
        )
        assert (done.returncode, done.stderr) == (0, b"")
        listed = services / "told"
        calls = listed.read_text().splitlines() if listed.exists() else []
        listed.unlink(missing_ok=True)
        assert calls == (told if upgrade == "1" else [c for c in told if c == "rpcd reload"])


def _is_of_openwrt(line: str) -> bool:
    return line.startswith((". ", "add_group_and_user", "default_postinst"))
