"""Words of the UCI language: quotes, escapes, comments, line ends, as libuci reads them.

The scanner walks over the whole text with one index. A command ends at a newline outside
quotes; a newline is therefore both white space (it ends a word) and the end of the command,
and is never skipped silently. Platform notes 1.1.
"""

from __future__ import annotations

import re

BLANKS = " \t\v\f\r"
_ENDS_WORD = BLANKS + "\n#;"
_PLAIN = re.compile(r"[^\s'\"#;\\]+", re.ASCII)
_IN_DOUBLE_QUOTES = re.compile(r'[^"\\]+')
_NEWLINE_AFTER_BACKSLASH = re.compile(r"\\(?:\r?\n|\Z)")


class ScanError(Exception):
    """The text is not UCI. ``line`` counts from 1."""

    def __init__(self, line: int, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason
        self.remedy = remedy


class Scanner:
    """Reads words one after another; raises ScanError."""

    def __init__(self, text: str) -> None:
        nul = text.find("\0")
        if nul >= 0:
            line = text.count("\n", 0, nul) + 1
            raise ScanError(line, "a NUL byte", "This is not a text file; restore a backup.")
        self._text = text
        self._at = 0
        self._line = 1
        self._line_at = 0
        self.cut = False
        """Whether the last word was a ``;``, or quotes with nothing in them and a blank."""

    @property
    def line(self) -> int:
        """The line the scanner is on, counted incrementally so that a file costs one pass."""
        self._line += self._text.count("\n", self._line_at, self._at)
        self._line_at = self._at
        return self._line

    def at_end(self) -> bool:
        """Is there no more text?"""
        return self._at >= len(self._text)

    def peek(self) -> str:
        """The next character, or "" at the end."""
        return self._text[self._at : self._at + 1]

    def skip_blanks(self, blanks: str = BLANKS) -> None:
        """Skip white space, but not the newline that ends the command."""
        while self.peek() and self.peek() in blanks:
            self._at += 1

    def skip_line(self) -> None:
        """Drop the rest of the line, leaving its newline."""
        end = self._text.find("\n", self._at)
        self._at = len(self._text) if end < 0 else end

    def take(self, characters: str) -> str:
        """Step over the next character if it is one of these, and return it; else ""."""
        char = self.peek()
        if not char or char not in characters:
            return ""
        self._at += 1
        return char

    def take_match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Step over what ``pattern`` matches here, if anything."""
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return found

    def take_newline(self) -> bool:
        """Step over the newline, if that is what comes."""
        if self.peek() != "\n":
            return False
        self._at += 1
        return True

    def keyword(self) -> str:
        """The command word: everything up to a space, a tab or the end of the line.

        It can't be quoted, and a bare keyword at the end of a line is not one (libuci sees the
        newline as part of it), so that comes back with its newline.
        """
        start = self._at
        while self.peek() not in ("", " ", "\t", "\n"):
            self._at += 1
        if self.peek() == "\n":
            return self._text[start : self._at + 1]
        return self._text[start : self._at]

    def word(self) -> str:
        """The next word of the command with quotes and escapes resolved; "" if none is left.

        A ``;`` between words counts as an empty word: it ends the command. Of what follows
        quotes with nothing in them one blank is gone, as it is to libuci.
        """
        self.skip_blanks()
        self.cut = self.peek() == ";"
        if self.cut:
            self._at += 1
            return ""
        start = self._at
        parts: list[str] = []
        while self._part(parts):
            pass
        return self._finish("".join(parts), start)

    def _part(self, parts: list[str]) -> bool:
        """Read one quoted or plain piece; False when the word is over."""
        char = self.peek()
        if not char or char in _ENDS_WORD:
            return False
        if char == "'":
            parts.append(self._single_quoted())
        elif char == '"':
            parts.append(self._double_quoted())
        elif char == "\\":
            parts.append(self._escaped())
        else:
            parts.append(self._run(_PLAIN))
        return True

    def _finish(self, word: str, start: int) -> str:
        if self.peek() == "#":
            self.skip_line()
        elif self.peek() == ";" and len(word) == self._at - start:
            # libuci ends a word that needed no unquoting by overwriting the character after
            # it. When that is the ";", the rest of the line is lost.
            self.skip_line()
        elif not word and self._at > start:
            self.cut = bool(self.take(BLANKS))
        return word

    def _run(self, pattern: re.Pattern[str]) -> str:
        """The longest run of ordinary characters; the caller has seen that there is one."""
        start = self._at
        found = pattern.match(self._text, start)
        self._at = found.end() if found else start + 1
        return self._text[start : self._at]

    def _single_quoted(self) -> str:
        opened = self.line
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise self._unterminated(opened, "'")
        piece = self._text[self._at + 1 : end]
        self._at = end + 1
        return piece

    def _double_quoted(self) -> str:
        opened = self.line
        self._at += 1
        parts: list[str] = []
        while self.peek() != '"':
            if self.at_end():
                raise self._unterminated(opened, '"')
            if self.peek() == "\\":
                parts.append(self._escaped())
            else:
                parts.append(self._run(_IN_DOUBLE_QUOTES))
        self._at += 1
        return "".join(parts)

    def _escaped(self) -> str:
        """Backslash and what it protects; at the end of a line it joins the next one."""
        joined = _NEWLINE_AFTER_BACKSLASH.match(self._text, self._at)
        if joined:
            self._at = joined.end()
            return ""
        self._at += 2
        return self._text[self._at - 1]

    def _unterminated(self, opened: int, quote: str) -> ScanError:
        return ScanError(
            opened, f"the quote {quote} opened here is never closed", "Add the closing quote."
        )
