"""What the daemon says, in the reader's language.

The daemon speaks English to everybody, its log included, and knows nothing of catalogs. Its
sentences are told apart by their templates, as gettext's texts are: "{name} is down" is that
sentence whatever the name. `package/dev/daemon_texts.py` finds the templates in its sources and
`make translations` puts them into a catalog of their own, loaded when a page first needs it.
What is in none is shown as it came.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache

from fwknop_webui import catalogs
from fwknop_webui.i18n import SOURCE_LANGUAGE, _, language
from fwknop_webui.i18n import noop as N_

log = logging.getLogger(__name__)

MAX_LENGTH = 2000
"""Longer texts are lists of something, and looked at as they are."""

MAX_DEPTH = 5
"""Sentences within sentences within sentences."""

MAX_CUTS = 12
MAX_LOOKS = 24
"""So often the templates are searched for one text, whatever somebody wrote into it."""

_PEOPLES = """
    account address device digits file folder forwarded_for host interface item key label lookup
    name network old_keys_of option path port program required section_id signer source target text
    user value word
"""
PEOPLES = frozenset(_PEOPLES.split())
"""Gaps that hold what people or other programs wrote, which is left as it is.

A client may be called "a name", and "NAT access", too.
"""

_DOORS = {"access": N_("access"), "local NAT": N_("local NAT")}
_TIMES = {
    name: name
    for name in (
        *(N_("mon"), N_("tue"), N_("wed"), N_("thu"), N_("fri"), N_("sat"), N_("sun")),
        *(N_("every day"), N_("at any hour")),
    )
}
_TERMS = {"door": _DOORS, "here": _TIMES, "schedule": _TIMES}
"""Gaps with words that are sentences nowhere else, and are theirs alone: a client may be called
"sun"."""

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_SEAMS = (": ", "; ", ". ")
"""What the daemon puts sentences together with."""


def in_words(text: str) -> str:
    """``text`` of the daemon in the language of this answer."""
    chosen = language()
    if chosen == SOURCE_LANGUAGE or not text or len(text) > MAX_LENGTH:
        return text
    return _translated(chosen, text)


@lru_cache(maxsize=512)
def _translated(chosen: str, text: str) -> str:
    return "\n".join(_phrases(chosen).said(line) for line in text.split("\n"))


@dataclass(frozen=True, slots=True)
class Template:
    """A sentence with gaps: the words around them, their names, and the translation."""

    words: tuple[str, ...]
    names: tuple[str, ...]
    translation: str

    @classmethod
    def of(cls, text: str, translation: str) -> Template:
        """Read a text of the catalog."""
        words = _PLACEHOLDER.split(text)
        return cls(tuple(words[::2]), tuple(words[1::2]), translation)

    @property
    def weight(self) -> int:
        """How much of the sentence is its own."""
        return sum(map(len, self.words))

    def fields(self, text: str) -> dict[str, str] | None:
        """What stands in the gaps of ``text``; None when it is another sentence."""
        first, *others = self.words
        *middle, last = others
        end = len(text) - len(last)
        if not text.startswith(first) or not text.endswith(last) or end < len(first):
            return None
        found, place = [], len(first)
        for index, word in enumerate(middle):
            # Of two gaps side by side the first has it all.
            anchor = next(filter(None, middle[index:]), "")
            after = text.find(anchor, place, end) if anchor else end
            if after < 0:
                return None
            found.append(text[place:after])
            place = after + len(word)
        return dict(zip(self.names, (*found, text[place:end]), strict=True))

    def sentences(self, fields: dict[str, str]) -> dict[str, str]:
        """Those of the gaps that may hold words of the daemon's."""
        return {name: text for name, text in fields.items() if _kind(name) not in PEOPLES}

    def filled(self, fields: dict[str, str]) -> str:
        """The translation with the gaps filled in; what fills them is never read as a template."""
        return _PLACEHOLDER.sub(lambda gap: fields[gap[1]], self.translation)


@dataclass(frozen=True, slots=True)
class Phrases:
    """A catalog: whole sentences, and templates by their first character."""

    whole: dict[str, str]
    templates: dict[str, list[Template]] = field(default_factory=dict)

    @classmethod
    def of(cls, texts: Iterable[tuple[str, str]]) -> Phrases:
        """Sort the texts of a catalog."""
        found = cls({})
        for text, translation in texts:
            if not _PLACEHOLDER.search(text):
                found.whole[text] = translation
                continue
            made = Template.of(text, translation)
            found.templates.setdefault(made.words[0][:1], []).append(made)
        return found

    def said(self, text: str) -> str:
        """The sentence translated, or as it is when nobody knows it."""
        return _Telling(self).best(text).text

    def matching(self, text: str) -> Iterator[tuple[Template, dict[str, str]]]:
        """The templates the text may come from, with what stands in their gaps.

        Those with the fewest gaps come first, and of those the wordiest.
        """
        groups = (*self.templates.get(text[:1], ()), *self.templates.get("", ()))
        found = [(template, template.fields(text)) for template in groups]
        fitting = [(template, fields) for template, fields in found if fields is not None]
        yield from sorted(fitting, key=lambda item: (len(item[1]), -item[0].weight))


@dataclass(frozen=True, slots=True)
class _Told:
    """``unknown``: how many characters of the text nobody could translate.

    ``has_seam``: what was left to itself may be several sentences.
    """

    text: str
    unknown: int
    has_seam: bool = False


@dataclass(frozen=True, slots=True)
class _Gaps:
    """What stands in a sentence's gaps; else as `_Told`."""

    texts: dict[str, str]
    unknown: int
    has_seam: bool


class _Telling:
    """One text: sentences may stand in the gaps of others, and several in a row.

    Of all ways to read it the one counts that leaves the least unknown.
    """

    def __init__(self, phrases: Phrases) -> None:
        self._phrases = phrases
        self._looks_left = MAX_LOOKS
        self._known: dict[str, _Told] = {}

    def best(self, text: str, depth: int = 0) -> _Told:
        """The best reading; the same part comes again in other ways to cut its text."""
        if text not in self._known:
            self._known[text] = self._read(text, depth)
        return self._known[text]

    def _read(self, text: str, depth: int) -> _Told:
        if known := self._whole(text):
            return _Told(known, 0)
        found = _Told(text, len(text), _has_seam(text))
        if " " not in text or depth > MAX_DEPTH:
            return found
        found = min((*self._filled(text, depth), found), key=_unknown)
        if found.has_seam:
            found = min((found, *self._in_parts(text, depth)), key=_unknown)
        return found

    def _whole(self, text: str) -> str:
        """A sentence without gaps; put together with others it may lose or get its full stop."""
        whole = self._phrases.whole
        if known := whole.get(text):
            return known
        if stopped := whole.get(f"{text}."):
            return stopped.removesuffix(".")
        bare = whole.get(text.removesuffix("."))
        return f"{bare}." if bare else ""

    def _filled(self, text: str, depth: int) -> Iterator[_Told]:
        bare = text.removesuffix(".")
        ends = [(text, ""), (bare, ".")] if bare != text else [(text, "")]
        for read, end in ends:
            if self._looks_left <= 0:
                return
            self._looks_left -= 1
            for template, fields in self._phrases.matching(read):
                told = self._gaps_told(template, fields, depth)
                yield _Told(template.filled(told.texts) + end, told.unknown, told.has_seam)

    def _gaps_told(self, template: Template, fields: dict[str, str], depth: int) -> _Gaps:
        inner = template.sentences(fields)
        told = {
            name: _Told(_in_terms(text, _TERMS[name]), 0)
            if name in _TERMS
            else self.best(text, depth + 1)
            for name, text in inner.items()
        }
        as_they_are = sum(len(text) for name, text in fields.items() if name not in inner)
        return _Gaps(
            fields | {name: best.text for name, best in told.items()},
            as_they_are + sum(best.unknown for best in told.values()),
            any(map(_has_seam, inner.values())),
        )

    def _in_parts(self, text: str, depth: int) -> Iterator[_Told]:
        for before, seam, after in _cuts(text):
            parts = self.best(before, depth + 1), self.best(after, depth + 1)
            # The less it is cut, the better.
            unknown = 1 + sum(part.unknown for part in parts)
            yield _Told(seam.join(part.text for part in parts), unknown)


def _in_terms(text: str, terms: Mapping[str, str]) -> str:
    """The text with each of these words in the reader's language."""
    known = "|".join(map(re.escape, terms))
    return re.sub(rf"\b(?:{known})\b", lambda word: _(terms[word[0]]), text)


def _kind(gap: str) -> str:
    """The gap's name without the number of one that comes again."""
    return gap.rstrip("0123456789")


def _has_seam(text: str) -> bool:
    return any(seam in text for seam in _SEAMS)


def _unknown(told: _Told) -> int:
    return told.unknown


def _cuts(text: str) -> Iterator[tuple[str, str, str]]:
    """The text parted at each seam, from the left."""
    places = sorted(
        (match.start(), seam) for seam in _SEAMS for match in re.finditer(re.escape(seam), text)
    )
    for place, seam in places[:MAX_CUTS]:
        yield text[:place], seam, text[place + len(seam) :]


@cache
def _phrases(chosen: str) -> Phrases:
    found = catalogs.pairs(chosen)
    if found is None:
        missing = catalogs.path(chosen, catalogs.DAEMON)
        log.warning("%s is missing: the daemon's sentences stay English. Install again", missing)
    return Phrases.of(found or ())
