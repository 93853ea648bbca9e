"""What LuCI is given: a menu entry, a page that hands its login over, and rpcd's access list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fwknop_webui.views.handover import ROUTES
from fwknop_webui.views.login import LUCI as MENU_PATH

LUCI = Path(__file__).parents[2] / "webui/luci"


def listed(name: str) -> Any:
    return json.loads((LUCI / "root/usr/share" / name).read_text())


def test_the_menu_entry_is_where_the_stock_one_was() -> None:
    ((path, entry),) = listed("luci/menu.d/luci-app-fwknopd.json").items()
    assert f"/cgi-bin/luci/{path}" == MENU_PATH
    view = LUCI / "htdocs/luci-static/resources/view" / f"{entry['action']['path']}.js"
    assert view.exists()
    assert entry["depends"]["acl"] == [*listed("rpcd/acl.d/luci-app-fwknopd.json")]


def test_the_view_posts_the_session_where_it_is_taken_over() -> None:
    (view,) = (LUCI / "htdocs").rglob("*.js")
    text = view.read_text()
    (route,) = ROUTES
    assert route.method == "POST" and f"'{route.rule}'" in text
    assert "'name': 'sid', 'value': L.env.sessionid" in text


def test_the_access_list_gives_no_more_than_is_needed() -> None:
    """That it gives all that is needed is what test_rpcd.py's Anna shows, who has nothing else."""
    group = listed("rpcd/acl.d/luci-app-fwknopd.json")["luci-app-fwknopd"]
    assert group["read"]["uci"] == group["write"]["uci"] == ["fwknopd"]
    # What changes something takes the right to write.
    assert group["read"]["ubus"]["uci"] == ["changes", "get"]
    assert "file" not in group["read"]
    assert all(command.startswith("/etc/init.d/fwknopd ") for command in group["write"]["file"])
    # These can't be limited to one service or file.
    assert "rc" not in group["write"]["ubus"] and group["write"]["ubus"]["file"] == ["exec"]
