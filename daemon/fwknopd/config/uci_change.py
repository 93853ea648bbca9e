"""Changes to a UCI package: what the web UI stages and what a delta file records.

``section`` is a section's ``id``. For a new anonymous section take it from
``new_section_id`` and use it in the changes that follow.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fwknopd.config.uci_model import UciValue


@dataclass(frozen=True, slots=True)
class AddSection:
    """Append an anonymous section, to be addressed as ``section`` (see ``new_section_id``)."""

    section: str
    type: str


@dataclass(frozen=True, slots=True)
class SetSection:
    """Make the named section, or change the type of an existing one."""

    section: str
    type: str


@dataclass(frozen=True, slots=True)
class SetOption:
    """Set an option (text) or a list (tuple); "" or () deletes it. The section must exist."""

    section: str
    option: str
    value: UciValue = field(repr=False)


@dataclass(frozen=True, slots=True)
class AddListItem:
    """Append an item; an option of that name becomes a list first."""

    section: str
    option: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeleteListItem:
    """Remove every equal item of a list."""

    section: str
    option: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeleteOption:
    """Delete an option or list; with ``index``, only that item (from 0) of a list."""

    section: str
    option: str
    index: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteSection:
    """Delete a section with everything in it."""

    section: str


@dataclass(frozen=True, slots=True)
class Rename:
    """Rename an option, or the section itself when ``option`` is None."""

    section: str
    option: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Reorder:
    """Move a section to ``position`` (from 0) among all sections of the package."""

    section: str
    position: int


UciChange = (
    AddSection
    | SetSection
    | SetOption
    | AddListItem
    | DeleteListItem
    | DeleteOption
    | DeleteSection
    | Rename
    | Reorder
)
