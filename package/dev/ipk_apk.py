"""What `apk mkpkg` makes a package of: files, scripts, and its command line.

OpenWrt has used apk since 25.12. Its packages are no archives that Python could write; where
the program is installed it is run, elsewhere the command waits beside what it needs.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
import subprocess
from pathlib import Path

from package.dev.ipk_control import conffiles, dependencies, description
from package.dev.ipk_recipe import Package, RecipeError

_INSTALL = """\
#!/bin/sh
[ "${{IPKG_NO_SCRIPT}}" = "1" ] && exit 0
[ -s "${{IPKG_INSTROOT}}/lib/functions.sh" ] || exit 0
. "${{IPKG_INSTROOT}}/lib/functions.sh"
export root="${{IPKG_INSTROOT}}"
export pkgname="{name}"
add_group_and_user
default_postinst
"""
_REMOVE = """\
#!/bin/sh
[ -s "${{IPKG_INSTROOT}}/lib/functions.sh" ] || exit 0
. "${{IPKG_INSTROOT}}/lib/functions.sh"
export root="${{IPKG_INSTROOT}}"
export pkgname="{name}"
default_prerm
"""
_UPGRADE = "#!/bin/sh\nexport PKG_UPGRADE=1\n"


def write_apk(package: Package, output: Path) -> list[Path]:
    """The parts of one package and its command; the package too where apk is installed.

    Raises RecipeError when apk refuses it.
    """
    folder = output / package.name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(package.root, folder / "files", symlinks=True)
    _write_lists(package, folder / "files")
    for name, text in scripts(package).items():
        (folder / name).write_text(text)
    command = mkpkg(package)
    (folder / "command").write_text(shlex.join(command) + "\n")
    if shutil.which("apk") is None:
        return [folder]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RecipeError(f"{package.name}: apk mkpkg failed: {done.stderr.strip()}")
    return [folder, output / _file_name(package)]


def mkpkg(package: Package) -> list[str]:
    """The command line of `apk mkpkg`, to be run in the folder of the parts."""
    provides = [f"{name}={package.version}" for name in package.words("PROVIDES")]
    needs = [f"{name}{sign}{version}" for name, sign, version in dependencies(package)]
    arch = package.fields["PKGARCH"]
    info = {
        "name": package.name,
        "version": package.version,
        "description": description(package),
        "arch": "noarch" if arch == "all" else arch,
        "license": package.fields["LICENSE"],
        "origin": f"package/{package.fields['SOURCE_NAME']}",
        "url": package.fields["URL"],
        "maintainer": package.fields["MAINTAINER"],
        # A name provided with a version is provided once: so it is a conflict as well.
        "provides": " ".join(provides),
        "depends": " ".join(needs),
    }
    command = ["apk", "mkpkg"]
    for name, value in info.items():
        command += ["--info", f"{name}:{value}"] if value else []
    for name in scripts(package):
        command += ["--script", f"{name}:{name}"]
    return [*command, "--files", "files", "--output", f"../{_file_name(package)}"]


def _file_name(package: Package) -> str:
    return f"{package.name}-{package.version}.apk"


def scripts(package: Package) -> dict[str, str]:
    """Maintainer scripts, under apk's names for the moments they run at."""
    install = _INSTALL.format(name=package.name) + _body(package, "postinst")
    found = {
        "post-install": install,
        "post-upgrade": _UPGRADE + _without_interpreter(install),
        "pre-deinstall": _REMOVE.format(name=package.name) + _body(package, "prerm"),
    }
    if "preinst" in package.texts:
        found["pre-install"] = package.texts["preinst"]
        found["pre-upgrade"] = _UPGRADE + _body(package, "preinst")
    if "postrm" in package.texts:
        found["post-deinstall"] = package.texts["postrm"]
    return found


def _body(package: Package, script: str) -> str:
    return _without_interpreter(package.texts.get(script, ""))


def _without_interpreter(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#!"))


def _write_lists(package: Package, files: Path) -> None:
    """What OpenWrt's scripts want to know of an installed package, where they look for it."""
    folder = files / "lib/apk/packages"
    folder.mkdir(parents=True)
    lists = {"list": _file_list(files)}
    if names := conffiles(package):
        lists["conffiles"] = "".join(f"{name}\n" for name in names)
        lists["conffiles_static"] = "".join(
            f"{name} {hashlib.sha256((files / name[1:]).read_bytes()).hexdigest()}\n"
            for name in names
        )
    if user := package.fields["USERID"]:
        lists["rusers"] = f"{user}\n"
    for suffix, text in lists.items():
        (folder / f"{package.name}.{suffix}").write_text(text)


def _file_list(files: Path) -> str:
    found = [path for path in files.rglob("*") if not path.is_dir()]
    return "".join(f"/{path.relative_to(files)}\n" for path in sorted(found))
