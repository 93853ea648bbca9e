"""Every case recorded from the real `uci` program, replayed on our reader, writer and store."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from fwknopd.config.uci_format import UciSyntaxError, encode_text, export_uci, parse_uci
from tests.unit.config.uci_cli import UciCommand

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "data" / "uci" / "vectors.json").read_text()
)["cases"]

# Cases with steps that are not replayed, with the reason.
LEFT_OUT = {
    "strict-off": "`uci -S` (skip bad lines); a broken file is never half used here",
    "strict-off-unterminated": "`uci -S`, as above",
    "dup-section-type-nonstrict": "its two steps with `uci -S`; the strict ones are replayed",
}


def raw(recorded: str | dict[str, str]) -> bytes:
    if isinstance(recorded, dict):
        return base64.b64decode(recorded["b64"])
    return encode_text(recorded)


def text(recorded: str | dict[str, str]) -> str:
    return raw(recorded).decode("utf-8", "surrogateescape")


def is_replayed(step: dict[str, Any]) -> bool:
    return "-S" not in step["argv"]


PARSE_CASES = [c for c in CASES if c["steps"][0]["argv"] == ["-q", "export", "t"]]


@pytest.mark.parametrize("case", PARSE_CASES, ids=lambda case: case["id"])
def test_reads_and_refuses_what_uci_does(case: dict[str, Any]) -> None:
    data = raw(case["files"]["t"])
    expected = case["steps"][0]
    if expected["rc"] == 0:
        exported = export_uci(parse_uci(data, "/etc/config/t"), "t")
        assert encode_text(exported) == raw(expected["stdout"])
    else:
        with pytest.raises(UciSyntaxError) as refused:
            parse_uci(data, "/etc/config/t")
        assert f"/etc/config/t:{refused.value.line}: " in str(refused.value)
        assert 1 <= refused.value.line <= data.count(b"\n") + 1


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_replays_recorded_commands(case: dict[str, Any], tmp_path: Path) -> None:
    confdir, savedir = tmp_path / "config", tmp_path / "save"
    for folder in (confdir, savedir):
        folder.mkdir(mode=0o700)
    set_up(case, confdir, savedir)
    command = UciCommand(confdir, savedir)
    for step in filter(is_replayed, case["steps"]):
        code, stdout = command.run(step["argv"], text(step.get("stdin", "")))
        assert (code, stdout) == (step["rc"], raw(step["stdout"])), step["argv"]
    assert contents(confdir) == {name: raw(data) for name, data in case["files_after"].items()}
    assert contents(savedir) == {name: raw(data) for name, data in case["delta_after"].items()}
    for name in case.get("setup", {}).get("symlink", {}):
        assert (confdir / name).is_symlink()


def set_up(case: dict[str, Any], confdir: Path, savedir: Path) -> None:
    setup = case.get("setup", {})
    for name, data in case["files"].items():
        (confdir / name).write_bytes(raw(data))
        (confdir / name).chmod(int(setup.get("mode", {}).get(name, "0644"), 8))
    for name, data in setup.get("delta", {}).items():
        (savedir / name).write_bytes(raw(data))
    for name, target in setup.get("symlink", {}).items():
        (confdir / name).symlink_to(target)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_left_out_cases_exist() -> None:
    with_left_out_steps = {case["id"] for case in CASES if not all(map(is_replayed, case["steps"]))}
    assert with_left_out_steps == set(LEFT_OUT)
