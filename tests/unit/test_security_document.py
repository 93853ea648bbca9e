"""SECURITY.md names the tests that prove what it says; each must be there and be run."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "SECURITY.md").read_text()
PROOF = re.compile(r"`(tests/[a-z0-9_/]+\.py)::([a-z0-9_]+)`")

# Holes of this neighbourhood that became known; one that is forgotten here proves nothing.
KNOWN = (
    *("CVE-2012-4434", "CVE-2012-4435", "CVE-2012-4436", "fwknop #85", "CVE-2021-32019"),
    *("CVE-2021-33425", "CVE-2021-27821", "CVE-2022-41435", "CVE-2026-61875", "CVE-2026-61876"),
    *("CVE-2026-62948", "CVE-2023-30861", "CVE-2023-46136", "CVE-2023-25577", "CVE-2024-34069"),
    *("waitress", "CVE-2024-54143", "wg-easy #1302"),
)


def rows() -> list[list[str]]:
    """The cells of every row of the two tables of threats."""
    found = []
    for part in DOCUMENT.split("| threat | what is done | proof |\n")[1:]:
        lines = part.split("\n\n")[0].splitlines()[1:]
        found += [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return found


@cache
def names_in(path: str) -> frozenset[str]:
    """What pytest collects of a file."""
    assert Path(path).name.startswith("test_"), path
    body = ast.parse((ROOT / path).read_bytes()).body
    names = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    return frozenset(name for name in names if name.startswith("test_"))


def test_every_threat_has_a_proof_that_is_there() -> None:
    assert len(rows()) > 45
    for row in rows():
        assert len(row) == 3, row
        threat, done, proof = row
        assert threat and done, row
        # Nothing but proofs: a word that looks like one and is none would be no proof.
        assert PROOF.sub("", proof).strip() == "", threat
        for path, name in PROOF.findall(proof):
            assert name in names_in(path), f"{path}::{name}"
        assert PROOF.findall(proof), threat


@pytest.mark.parametrize("hole", KNOWN)
def test_no_known_hole_is_left_out(hole: str) -> None:
    assert [row for row in rows() if hole in row[0]]
