"""A daemon that finds an earlier one's doors in the kernel, and nothing else of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.events import event_is
from tests.lab.lab import Lab, LabOptions

pytestmark = [pytest.mark.root, pytest.mark.nft, pytest.mark.client]


def test_open_doors_without_a_list_make_it_strict(tmp_path: Path) -> None:
    with Lab(tmp_path / "lab", LabOptions()) as lab:
        mark = lab.events.mark()
        lab.knock()
        lab.events.wait_for(event_is("grant"), since=mark)
        lab.daemon.kill()
        for name in ("digest.cache", "fwknopd.ran"):
            (lab.paths.run_dir / name).unlink()
        mark = lab.events.mark()
        lab.daemon.start()
        lost = lab.events.wait_for(event_is("error"), since=mark)
        assert "left doors open" in lost["detail"]
        lab.knock()
        verdict = lab.events.wait_for(event_is("verdict"), since=mark)
        assert verdict["reason"] == "replay"
