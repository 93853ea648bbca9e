"""What stands at the end of a line behind its command: as libuci's parser takes it.

The newline belongs to the command, except behind a `;`, where libuci looks for another one.
"""

from __future__ import annotations

import pytest

from fwknopd.config.uci_format import UciSyntaxError, parse_uci

HEAD = "config access\n"


def options(text: str) -> dict[str, str]:
    """The options of the only section."""
    (section,) = parse_uci(text, "u").sections
    return {option.name: option.text for option in section.options}


@pytest.mark.parametrize(
    "line",
    [
        "option k 'v';\n",
        "option k 'v' ;\n",
        "option k v ;\n",
        "option k v ; \n",
        "option k v ;\r\n",
        "option k v\f;\n",
        "option k 'ä';\n",
        "option k v '' \n",
        "option k v ''\f\n",
    ],
)
@pytest.mark.parametrize("more", ["", "\toption l 'w'\n"], ids=["last", "followed"])
def test_a_line_with_nothing_behind_its_semicolon_is_refused(line: str, more: str) -> None:
    with pytest.raises(UciSyntaxError, match=r"^u:2: nothing follows the ;"):
        parse_uci(HEAD + line + more, "u")


def test_of_a_section_too() -> None:
    with pytest.raises(UciSyntaxError, match=r"^u:1: "):
        parse_uci("config access phone ;\n", "u")


@pytest.mark.parametrize("line", ["option k 'v';", "option k v ;", "option k v ''\f"])
def test_the_end_of_the_file_is_no_newline(line: str) -> None:
    assert options(HEAD + line) == {"k": "v"}


@pytest.mark.parametrize(
    "line",
    [
        # libuci overwrites the ; of a word without quotes, and with it the rest of the line.
        "option k v;\n",
        "option k v;option k w\n",
        "option k 'v' # ;\n",
        "option k 'v' ; # nothing more\n",
        "option k 'v' ;#nothing more\n",
        "option k 'v' ''\n",
        "option k v '' # nothing more\n",
        "option k x ; option k v\n",
        "option k x ''\foption k v\n",
    ],
)
def test_others_are_read(line: str) -> None:
    assert options(HEAD + line + "option l w\n") == {"k": "v", "l": "w"}


def test_an_empty_value_before_the_semicolon_counts_as_none() -> None:
    assert options(HEAD + "option k ;\noption l w\n") == {"l": "w"}
