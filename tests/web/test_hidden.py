"""What is kept out of the page's memory, and is there for who needs it."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

from fwknop_webui.hidden import takes_turns


def said_by(program: str) -> list[str]:
    """What a Python of its own prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return done.stdout.splitlines()


def test_what_is_left_out_is_there_for_who_asks_later() -> None:
    program = (
        "from fwknop_webui.hidden import left_out\n"
        "with left_out('colorsys', 'rgb_to_hls'):\n"
        "    from colorsys import rgb_to_hls as empty\n"
        "import colorsys\n"
        "print(bool(empty(1, 2, 3)), colorsys.rgb_to_hls(0, 0, 0))\n"
        "with left_out('colorsys', 'rgb_to_hls'):\n"
        "    from colorsys import rgb_to_hls\n"
        "print(rgb_to_hls is colorsys.rgb_to_hls)\n"
    )
    first, second = said_by(program)
    assert first.startswith("False (0")
    assert second == "True"


def test_what_is_put_off_is_loaded_for_who_looks_into_it() -> None:
    program = """
import sys
from fwknop_webui.hidden import put_off, when_called
with put_off("colorsys", ONE_SIXTH=6, hls_to_rgb=when_called("colorsys", "hls_to_rgb")):
    import colorsys as later
    from colorsys import ONE_SIXTH, hls_to_rgb
print(ONE_SIXTH, "colorsys" in sys.modules)
print(hls_to_rgb(0, 0, 0), "colorsys" in sys.modules)
print(later.ONE_SIXTH, later.ONE_THIRD)
import colorsys
print(later is not colorsys, hasattr(later, "nothing"))
with put_off("colorsys", ONE_THIRD=3):
    import colorsys as there
print(there is colorsys)
"""
    assert said_by(program) == [
        "6 False",
        "(0, 0, 0) True",
        "6 0.3333333333333333",
        "True False",
        "True",
    ]


def test_who_looks_while_it_is_put_off_gets_it() -> None:
    program = """
import sys
from fwknop_webui.hidden import put_off
with put_off("colorsys"):
    from colorsys import rgb_to_hls
import colorsys
print(rgb_to_hls is colorsys.rgb_to_hls)
"""
    assert said_by(program) == ["True"]


def test_what_is_for_now_is_gone_unless_it_was_there() -> None:
    program = """
import json, sys
from fwknop_webui.hidden import for_now
with for_now("colorsys"), for_now("json"):
    import colorsys
print("colorsys" in sys.modules, "json" in sys.modules)
"""
    assert said_by(program) == ["False True"]


def test_functions_that_take_turns_are_known_as_inspect_knows_them() -> None:
    async def waits() -> None:
        """Does nothing."""

    def goes_on() -> None:
        """Does nothing."""

    for function in (waits, goes_on, print, str, Path.exists, Path().exists):
        assert takes_turns(function) is inspect.iscoroutinefunction(function)
