"""Attempts to set elements, played against a model of the kernel's map."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.firewall.nfnetlink import Element
from fwknopd.firewall.nft_opening import DELETE, Opening, Step

State = dict[bytes, tuple[bytes, int]]


def perform(state: State, steps: list[Step], clash: int = errno.EBUSY) -> list[int]:
    """Do all steps or none on a map of key to (data, ms), as kernels before 6.12 do."""
    after = dict(state)
    errors = [_perform_step(after, clash, *step) for step in steps]
    if not any(errors):
        state.clear()
        state.update(after)
    return errors


def _perform_step(state: State, clash: int, element: Element, milliseconds: int) -> int:
    there = state.get(element.key)
    if milliseconds == DELETE:
        return 0 if state.pop(element.key, None) else errno.ENOENT
    if there and there[0] != element.data:
        return clash
    state.setdefault(element.key, (element.data, milliseconds))
    return 0


def test_new_elements_need_one_attempt() -> None:
    state: State = {}
    opening = Opening({Element("m", b"a", b"1"): 30})
    assert not any(perform(state, opening.steps()))
    assert state == {b"a": (b"1", 30)}


def test_the_time_of_an_element_that_is_there_changes_in_one_attempt() -> None:
    state: State = {b"a": (b"1", 7)}
    assert not any(perform(state, Opening({Element("m", b"a", b"1"): 30}).steps()))
    assert state == {b"a": (b"1", 30)}


KEYS = st.sampled_from([b"a", b"b", b"c"])
CONTENT = st.tuples(st.sampled_from([b"1", b"2"]), st.integers(1, 9))
STATES = st.dictionaries(KEYS, CONTENT)


@given(STATES, STATES.filter(bool), st.sets(KEYS), st.sampled_from([errno.EBUSY, errno.EEXIST]))
def test_any_state_becomes_the_wanted_one(
    state: State, wanted: State, expiring: set[bytes], clash: int
) -> None:
    """Even if other elements than thought are gone at the second attempt."""
    others = {key: value for key, value in state.items() if key not in wanted}
    opening = Opening({Element("m", key, data): time for key, (data, time) in wanted.items()})
    for attempt in range(4):
        steps = opening.steps()
        errors = perform(state, steps, clash)
        if not any(errors):
            break
        opening.learn(steps, errors)
        if attempt == 0:
            for key in expiring - set(others):
                state.pop(key, None)
    assert state == others | wanted


@given(STATES, STATES, st.sampled_from([errno.EBUSY, errno.EEXIST]))
def test_what_is_unwanted_goes(state: State, unwanted: State, clash: int) -> None:
    others = {key: value for key, value in state.items() if key not in unwanted}
    opening = Opening({}, [Element("m", key, data) for key, (data, _) in unwanted.items()])
    for _ in range(2):
        steps = opening.steps()
        errors = perform(state, steps, clash)
        opening.learn(steps, errors)
    assert state == others


def test_what_is_wanted_is_not_unwanted() -> None:
    state: State = {}
    element = Element("m", b"a", b"1")
    assert not any(perform(state, Opening({element: 30}, [element]).steps()))
    assert state == {b"a": (b"1", 30)}


def test_other_failures_are_not_tried_again() -> None:
    opening = Opening({Element("m", b"a"): 30})
    with pytest.raises(OSError) as caught:
        opening.learn(opening.steps(), [errno.ENOSPC, 0, 0])
    assert caught.value.errno == errno.ENOSPC


def test_a_missing_set_is_not_taken_for_an_expired_element() -> None:
    opening = Opening({Element("m", b"a"): 30})
    with pytest.raises(OSError) as caught:
        opening.learn(opening.steps(), [errno.ENOENT] * 3)
    assert caught.value.errno == errno.ENOENT
