"""Others' packages: each by version and digest, none forgotten, all under usable licences."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from package.dev import licences, pins, prepare

ROOT = Path(__file__).parents[2]
LISTS = (pins.RUN, pins.DEV, pins.PYPCAP, pins.FUZZ)
MARKER = r" ; [a-z_]+ (?:[!=<>]=|[<>]) '[A-Za-z0-9.]+'( and .+)?"
PIN = re.compile(rf"([a-z0-9-]+)==([0-9][0-9a-z.]*)({MARKER})?$")
DIGEST = re.compile(r"--hash=sha256:[0-9a-f]{64}$")


def pinned(file: Path) -> dict[str, tuple[str, ...]]:
    """What a list names, and the digests of each."""
    text = "".join(line for line in file.read_text().splitlines(True) if line[0] != "#")
    found = {}
    for entry in text.replace("\\\n", "").splitlines():
        pin, *digests = re.split(r"\s+(?=--hash)", entry)
        assert PIN.match(pin), pin
        assert digests and all(map(DIGEST.match, digests)), pin
        found[pin] = tuple(digests)
    return found


def names(file: Path) -> set[str]:
    return {canonicalize_name(Requirement(pin).name) for pin in pinned(file)}


@pytest.mark.parametrize("file", LISTS, ids=lambda file: file.name)
def test_every_line_is_a_version_with_digests(file: Path) -> None:
    assert len(pinned(file)) >= 2


def test_what_two_lists_name_is_the_same_to_the_byte() -> None:
    dev = pinned(pins.DEV)
    assert pinned(pins.RUN).items() <= dev.items()
    shared = pinned(pins.PYPCAP).items()
    assert {pin for pin, _ in shared} & dev.keys()
    assert all(dev.get(pin, digests) == digests for pin, digests in shared)


def test_nothing_is_left_for_pip_to_choose() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    always = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    always = [text for text in always if not text.startswith("pypcap==")]
    for file, wanted in ((pins.RUN, always + extras["gpg"]), (pins.DEV, always + extras["dev"])):
        assert {canonicalize_name(Requirement(text).name) for text in wanted} <= names(file)


def test_all_that_running_needs_is_in_the_smaller_list() -> None:
    running = licences.needed("fwknop-wrt") - {"fwknop-wrt", "pypcap"}
    assert running <= names(pins.RUN)


def test_what_is_installed_is_what_the_list_says() -> None:
    from importlib.metadata import version

    for pin in licences.pins(pins.DEV):
        assert str(pin.specifier) == f"=={version(pin.name)}", pin.name


# What is fixed in which version; the page's own limits and headers stand before each as well.
FIXED = {
    "waitress": (3, 0, 2),  # GHSA-3f84-rpwh-47g6, and smuggling before
    "werkzeug": (3, 0, 3),  # CVE-2023-46136, CVE-2024-34069
    "flask": (3, 1, 1),  # CVE-2023-30861, and fallback keys until 3.1.0
    "jinja2": (3, 1, 6),  # sandbox escapes; not used, but there
}


def test_no_version_with_a_known_hole_is_used() -> None:
    pinned_now = {pin.name.lower(): str(pin.specifier) for pin in licences.pins(pins.RUN)}
    for name, fixed in FIXED.items():
        version = tuple(map(int, pinned_now[name].removeprefix("==").split(".")[:3]))
        assert version >= fixed, name
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert "waitress>=3.0.2" in needed
    recipe = (ROOT / "package/python3-waitress/Makefile").read_text()
    assert "PKG_VERSION:=3.0.2\n" in recipe


def test_licences_are_listed_and_usable() -> None:
    assert licences.DOCUMENT.read_text() == licences.document(), "run: make pins"
    assert not [row for row in licences.rows() if not licences.is_usable(row)]


def test_a_package_that_was_changed_is_not_installed_and_the_reason_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What somebody else built of the same version, as a mirror might serve it."""
    wheel = tmp_path / "blinker-1.9.0-py3-none-any.whl"
    wheel.write_bytes(b"not what PyPI has")
    wanted = tmp_path / "wanted.txt"
    digest = pinned(pins.RUN)["blinker==1.9.0"][0]
    wanted.write_text(f"blinker==1.9.0 {digest}\n")
    pip = [str(prepare.VENV_PYTHON), "-m", "pip", "--isolated", "install", "--quiet"]
    offline = [*pip, "--no-index", f"--find-links={tmp_path}", f"--target={tmp_path / 'there'}"]
    with pytest.raises(prepare.SetupError, match="not what PyPI published: a\nmirror"):
        prepare.install_pinned(offline, wanted)
    assert "DO NOT MATCH THE HASHES" in capfd.readouterr().err
    assert not (tmp_path / "there").exists()
