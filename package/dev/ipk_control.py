"""What a package manager is told of a package, in opkg's words."""

from __future__ import annotations

import re
from pathlib import Path

from package.dev.ipk_recipe import Package, RecipeError

_POSTINST = """\
#!/bin/sh
[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0
[ -s "${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "${IPKG_INSTROOT}/lib/functions.sh"
default_postinst $0 $@
"""
_PRERM = """\
#!/bin/sh
[ -s "${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "${IPKG_INSTROOT}/lib/functions.sh"
default_prerm $0 $@
"""
# Where a maintainer script of a recipe ends up beside the two above, which run it.
SCRIPTS = {"postinst": "postinst-pkg", "prerm": "prerm-pkg", "preinst": "preinst"}
SCRIPTS |= {"postrm": "postrm"}

Constraint = tuple[str, str, str]
"""A package that is needed: name, "", ">=" or "<", and the version for that."""


def control_files(package: Package, epoch: int) -> dict[str, bytes]:
    """The files of control.tar.gz by name; scripts are those that begin with #!."""
    files = {"control": control_text(package, epoch), "postinst": _POSTINST, "prerm": _PRERM}
    if names := conffiles(package):
        files["conffiles"] = "".join(f"{name}\n" for name in names)
    for script, name in SCRIPTS.items():
        if script in package.texts:
            files[name] = package.texts[script]
    return {name: text.encode() for name, text in sorted(files.items())}


def control_text(package: Package, epoch: int) -> str:
    """The file ``control``, but for Installed-Size, which the archive knows."""
    needs = [_in_opkgs_words(need) for need in dependencies(package)]
    fields = {
        "Package": package.name,
        "Version": package.version,
        "Depends": ", ".join(needs),
        "Conflicts": ", ".join(package.words("CONFLICTS")),
        "Provides": ", ".join(package.words("PROVIDES")),
        "Source": f"package/{package.fields['SOURCE_NAME']}",
        "SourceName": package.fields["SOURCE_NAME"],
        "License": package.fields["LICENSE"],
        "LicenseFiles": package.fields["LICENSE_FILES"],
        "Section": package.fields["SECTION"],
        "Require-User": package.fields["USERID"],
        "SourceDateEpoch": str(epoch),
        "URL": package.fields["URL"],
        "Maintainer": package.fields["MAINTAINER"],
        "Architecture": package.fields["PKGARCH"],
        "Installed-Size": "0",
        "Description": f" {description(package)}",
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value.strip())


def description(package: Package) -> str:
    """Its lines, each but the first begun with one space."""
    text = package.texts.get("description", package.fields["TITLE"])
    return "\n ".join(line.strip() for line in text.strip().splitlines())


def dependencies(package: Package) -> list[Constraint]:
    """What has to be there. Byte code ties a package to one minor version of Python.

    In a build tree all packages are built together, so the recipe has no need to say so.
    """
    needs = [_need(word) for word in package.words("DEPENDS") if not word.startswith("@")]
    minor = python_of(package)
    if minor is None:
        return needs
    others = [need for need in needs if need[0] != "python3-light"]
    light = "python3-light"
    return [(light, ">=", f"3.{minor}"), (light, "<", f"3.{minor + 1}"), *others]


def _need(word: str) -> Constraint:
    if ":" in word:
        raise RecipeError(f"{word}: what a build tree's menu decides can't be built without one")
    return word.removeprefix("+"), "", ""


def _in_opkgs_words(need: Constraint) -> str:
    name, sign, version = need
    return f"{name} ({'<<' if sign == '<' else sign} {version})" if sign else name


def python_of(package: Package) -> int | None:
    """The minor version of the Python whose site-packages hold files, or None."""
    for folder in package.root.glob("usr/lib/python3.*/site-packages"):
        match = re.fullmatch(r"python3\.(\d+)", folder.parent.name)
        return int(match[1]) if match else None
    return None


def conffiles(package: Package) -> list[str]:
    """Configuration files of the package: kept as the user left them."""
    return [name for name in _kept(package) if _path(package, name).is_file()]


def keep_over_sysupgrade(package: Package) -> None:
    """List what a recipe wants kept and does not ship where sysupgrade looks for it."""
    if others := [name for name in _kept(package) if not _path(package, name).is_file()]:
        listed = package.root / "lib/upgrade/keep.d" / package.name
        listed.parent.mkdir(parents=True, exist_ok=True)
        with listed.open("a") as file:
            file.writelines(f"{name}\n" for name in others)


def _kept(package: Package) -> list[str]:
    return package.texts.get("conffiles", "").split()


def _path(package: Package, name: str) -> Path:
    return package.root / name.removeprefix("/")
