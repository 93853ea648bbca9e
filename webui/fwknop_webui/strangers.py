"""Options of the file that no page has a field for."""

from __future__ import annotations

from fwknopd.config.uci_changes import MASK
from fwknopd.config.uci_format import UciOption, UciPackage
from fwknopd.config.variables import is_secret

_ON_OTHER_PAGES = {
    "global": ("uci_enabled", "fw_access_timeout", "max_fw_timeout"),
    "network": ("network",),
}


def strangers(package: UciPackage) -> list[tuple[str, str]]:
    """What no page shows: options of other sections, as (place, value) with secrets masked."""
    return [
        (f"{section.type} {section.id}: {option.name}", _masked(option))
        for section in package.sections
        if section.type not in ("config", "access")
        for option in section.options
        if option.name not in _ON_OTHER_PAGES.get(section.type, ())
    ]


def _masked(option: UciOption) -> str:
    return MASK if is_secret(option.name) else ", ".join(option.items)
