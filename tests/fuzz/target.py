"""What a fuzz target is.

The invariant of all of them: whatever the bytes, a parser gives a value or raises the one error
it declares, in bounded time and memory; and where two ways lead to the same answer, they agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

Mutator = Callable[[bytes, Random], bytes]


@dataclass(frozen=True, slots=True)
class Target:
    """One parser, or a few that work on the same bytes.

    - ``proves``: the invariant in one sentence, for people
    - ``check``: raises whatever breaks it; returns for what is read and what is refused
    - ``seeds``: inputs to begin with, made of the recorded test data
    - ``mutate``: a change that knows what the input is made of; bytes are also changed blindly
    - ``words``: what such inputs are made of, for dictionaries
    - ``longest``: bytes of an input
    - ``grown``: bytes to which inputs are grown, to see that time grows no faster; 0 where the
      program takes no input that long
    """

    name: str
    proves: str
    check: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    mutate: Mutator
    words: tuple[bytes, ...] = ()
    longest: int = 4096
    grown: int = 0
