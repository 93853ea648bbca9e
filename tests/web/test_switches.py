"""A switch means on the page what it means to the daemon, however oddly it was written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fwknop_webui.client_fields import FIELDS
from fwknop_webui.forms import Field, Widget
from fwknopd.config.invalid import InvalidValue, Leniencies
from fwknopd.config.uci_config import uci_enabled
from fwknopd.config.uci_format import UciOption, UciSection, parse_uci
from fwknopd.config.values import parse_value
from tests.web.visitor import Visitor

SWITCHES = [item for item in FIELDS if item.widget is Widget.FLAG]
WRITTEN = (
    *("1", "on", "ON", " yes ", "Enabled", "1 # for Anna", "on\t# x", "1# x", "0 # 1", "0", "off"),
    *("Y", "y", "yes # x", "Yup", " Y", "N", "no", "# Y", "maybe", "true", "2"),
)


def daemon_reads(item: Field, text: str) -> bool:
    """What is no value at all switches nothing on."""
    assert item.variable is not None
    try:
        return bool(parse_value(item.variable, text, Leniencies()))
    except InvalidValue:
        return False


@pytest.mark.parametrize("text", WRITTEN)
def test_page_reads_a_switch_as_the_daemon_does(text: str) -> None:
    for item in SWITCHES:
        section = UciSection("access", None, "c", (UciOption(item.option, text),))
        assert bool(item.read(section)) is daemon_reads(item, text), item.option


@pytest.mark.parametrize("text", ["1", " on ", "ON", "1 # mine", "Y", "0"])
def test_overwrite_is_ticked_when_the_daemon_goes_by_it_and_can_be_switched(
    text: str, visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    written = f"\nconfig global\n\toption uci_enabled '{text}'\n"
    write_uci(written)
    form = visitor.get("/settings").form("/settings")
    is_on = uci_enabled(parse_uci(written, ""))
    assert (form.values("uci_enabled") == ["1"]) is is_on
    page = visitor.press(form, "Save", uci_enabled=[] if is_on else "1")
    assert page.staged == 1
    assert (page.form("/settings").values("uci_enabled") == ["1"]) is not is_on


def test_client_with_a_remark_behind_its_switch_is_enabled(
    visitor: Visitor, write_uci: Callable[[str], None]
) -> None:
    write_uci(
        "\nconfig access 'a'\n\toption SOURCE 'ANY'\n\toption name 'Anna'\n"
        "\toption KEY 'some key'\n\toption enabled '1 # again'\n"
    )
    assert "Disable" in visitor.get("/clients").text
    assert visitor.get("/clients/a").main_form().values("enabled") == ["1"]
