"""What a rule does with one bit of a packet's mark, read from nft's listing. Pure."""

from __future__ import annotations

import re
from enum import Enum

# Listings of different versions say "&" or "and", "meta mark" or "mark".
_TERM = r"(?:(?:meta mark|ct mark|mark|0x[0-9a-f]+|\d+|and|or|xor)(?![\w-])|[&|^()])"
SETS = re.compile(rf"(?P<what>ct mark|meta mark|mark) set(?P<value>(?: ?{_TERM})*)")
TEST = re.compile(
    r"(?P<what>ct mark|meta mark|mark) (?:(?:&|and) (?P<mask>0x[0-9a-f]+|\d+) )?"
    r"(?P<op>==|!=)? ?(?P<value>0x[0-9a-f]+|\d+)(?![\w.])"
)
_WORD = re.compile(_TERM)
_RESTORED = re.compile(r" ct mark and (?P<mask>0x[0-9a-f]+|\d+)")
_EVERY_BIT = (1 << 32) - 1


class Effect(Enum):
    """What becomes of the bit."""

    KEPT = "kept"
    SET = "set"
    CLEARED = "cleared"
    UNKNOWN = "made what something else is"


def effect_on_mark(rule: str, bit: int, *, by_iptables: bool = False) -> Effect | None:
    """What ``rule`` does to that bit of the packet's mark; None if it sets no mark."""
    for match in SETS.finditer(rule):
        if match["what"] != "ct mark":
            if by_iptables and (restored := _RESTORED.fullmatch(match["value"])):
                # iptables restores the bits of its mask only, which the listing doesn't say.
                return Effect.UNKNOWN if _number(restored["mask"]) & bit else Effect.KEPT
            return _effect(match["value"], bit, ("meta mark", "mark"))
    return None


def effect_on_connection(rule: str, bit: int) -> Effect | None:
    """The same for the mark of the connection."""
    for match in SETS.finditer(rule):
        if match["what"] == "ct mark":
            return _effect(match["value"], bit, ("ct mark",))
    return None


def may_restore(rule: str, bit: int, *, by_iptables: bool = False) -> bool:
    """Whether ``rule`` gives packets that bit if the mark of their connection has it."""
    effect = effect_on_mark(rule, bit, by_iptables=by_iptables)
    values = [m["value"] for m in SETS.finditer(rule) if m["what"] != "ct mark"]
    return effect is Effect.UNKNOWN and any("ct mark" in value for value in values)


def may_save(rule: str, bit: int) -> bool:
    """Whether ``rule`` keeps that bit in the connection's mark for packets that have it."""
    if effect_on_connection(rule, bit) is not Effect.UNKNOWN:
        return False
    tests = TEST.finditer(SETS.sub("", rule))
    met = [is_met(test, bit, marked=True) for test in tests if test["what"] != "ct mark"]
    return False not in met


def asks_for(rule: str, bit: int) -> bool:
    """Whether ``rule`` looks at that bit, of the packet's mark or of the connection's.

    One that compares the whole mark counts if it wants the bit to be set.
    """
    without_sets = SETS.sub("", rule)
    return any(
        bool(bit & (_number(m["mask"]) if m["mask"] else _number(m["value"])))
        for m in TEST.finditer(without_sets)
    )


def wanted_bit(rule: str) -> int:
    """The one bit that ``rule`` wants to be set in the packet's mark, 0 if it is not about one."""
    match = TEST.search(SETS.sub("", rule))
    if match is None or match["what"] == "ct mark" or not match["mask"]:
        return 0
    mask, value, equal = _number(match["mask"]), _number(match["value"]), match["op"] != "!="
    return mask if mask.bit_count() == 1 and equal == bool(value & mask) else 0


def is_met(match: re.Match[str], bit: int, *, marked: bool) -> bool | None:
    """Whether a packet with or without that bit meets a `TEST`; None when it may or not."""
    mask = _number(match["mask"]) if match["mask"] else _EVERY_BIT
    equal = match["op"] != "!="
    if mask & bit and bool(_number(match["value"]) & bit) is not marked:
        return not equal
    return equal if mask == bit else None


def _number(text: str) -> int:
    return int(text, 16) if text.startswith("0x") else int(text)


def _effect(value: str, bit: int, own: tuple[str, ...]) -> Effect:
    """Works out one bit of an expression, from left to right as listings are written.

    ``own`` are the words for the mark that is set.
    """
    words = [word for word in _WORD.findall(value) if word not in ("(", ")")]
    if not words:
        return Effect.UNKNOWN
    result = _of_term(words[0], bit, own)
    for operator, term in zip(words[1::2], words[2::2], strict=False):
        result = _combined(result, operator, _of_term(term, bit, own))
    return result


def _of_term(term: str, bit: int, own: tuple[str, ...]) -> Effect:
    if term in own:
        return Effect.KEPT
    if not term[0].isdigit():
        return Effect.UNKNOWN
    return Effect.SET if _number(term) & bit else Effect.CLEARED


def _combined(left: Effect, operator: str, right: Effect) -> Effect:
    is_and = operator in ("&", "and")
    neutral, strong = (Effect.SET, Effect.CLEARED) if is_and else (Effect.CLEARED, Effect.SET)
    if left is neutral:
        return right
    if right is neutral:
        return left
    return (
        strong
        if operator in ("&", "and", "|", "or") and strong in (left, right)
        else Effect.UNKNOWN
    )
