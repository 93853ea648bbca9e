"""Text that can be sent to a browser.

UCI files may hold any bytes; those that are no UTF-8 come as lone surrogates, which no page
can carry. They are shown as "?".
"""

from __future__ import annotations


def displayable(text: str) -> str:
    """``text`` with everything that isn't Unicode replaced by "?"."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def finalized(value: object) -> object:
    """The same for whatever a template is about to print; marked-up text is ours already."""
    return displayable(value) if type(value) is str else value


def one_line(text: str) -> str:
    r"""``text`` with every character that can't be seen, or moves others, as \xNN or \uNNNN."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(ord(c)) for c in text)


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
