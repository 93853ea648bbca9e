"""Rules are judged alike in a child and here, and what ails the child is told."""

from __future__ import annotations

import errno
import os

import pytest

from fwknopd.firewall import Diagnosis, FirewallError, nft_diagnosis
from fwknopd.firewall.nft_diagnosis import diagnosed, guards_input

MARK = 0x40000000
DROPS = """table inet admin {
\tchain input {
\t\ttype filter hook input priority filter; policy drop;
%s\t}
}
"""
ACCEPTS = DROPS % "\t\tmeta mark & 0x40000000 != 0x00000000 accept\n"
SETS = ACCEPTS.replace("\t\tmeta", '\t\tmeta mark set 0x40000000 comment "\u00e4"\n\t\tmeta', 1)


def diagnosis(*, apart: bool) -> Diagnosis:
    return diagnosed(MARK, ["wan"], True, "inet fwknopd", apart=apart)


@pytest.mark.parametrize(
    ("listing", "ready", "warnings"), [(DROPS % "", False, 0), (ACCEPTS, True, 0), (SETS, True, 1)]
)
def test_a_child_says_the_same(
    monkeypatch: pytest.MonkeyPatch, listing: str, ready: bool, warnings: int
) -> None:
    monkeypatch.setattr(nft_diagnosis, "list_rules", lambda: listing)
    found = diagnosis(apart=True)
    assert found == diagnosis(apart=False)
    assert (found.ready, len(found.warnings)) == (ready, warnings)


@pytest.mark.parametrize(("listing", "guards"), [("", False), (DROPS % "", True)])
def test_who_decides_what_comes_in(
    monkeypatch: pytest.MonkeyPatch, listing: str, guards: bool
) -> None:
    monkeypatch.setattr(nft_diagnosis, "list_rules", lambda: listing)
    assert guards_input(MARK) is guards


def test_a_child_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nft_diagnosis, "list_rules", lambda: None)
    with pytest.raises(FirewallError, match="that judges rules failed: it ended with status 70"):
        diagnosis(apart=True)


def test_so_is_that_there_can_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_process() -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(nft_diagnosis, "list_rules", lambda: "")
    monkeypatch.setattr(os, "fork", no_process)
    with pytest.raises(FirewallError, match="no process can be started to judge rules"):
        guards_input(MARK)
