"""Which rows of the page Advanced a person wants to see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fwknop_webui.advanced_rows import Row
from fwknop_webui.i18n import _
from fwknop_webui.i18n import noop as N_

SHOW = {
    "all": N_("All"),
    "set": N_("Set by you"),
    "honoured": N_("Honoured"),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows a person wants to see."""

    words: str = ""
    show: str = "all"

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Filter:
        """From the address; an unknown choice shows all."""
        show = query.get("show", "all")
        return cls(query.get("q", "").strip()[:100], show if show in SHOW else "all")

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.words) or self.show != "all"

    def fits(self, row: Row) -> bool:
        """Whether the row is shown."""
        if (self.show == "set" and not row.is_set) or (
            self.show == "honoured" and not row.is_honoured
        ):
            return False
        wanted = self.words.lower().split()
        return not wanted or all(word in _haystack(row) for word in wanted)


def _haystack(row: Row) -> str:
    if row.variable is None:
        return row.name.lower()
    found = (row.variable.help, row.variable.group, row.variable.status_note)
    return " ".join((row.name, *row.variable.aliases, *map(_, found))).lower()
