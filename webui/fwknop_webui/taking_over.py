"""A whole configuration, or many clients at once, put on top of what there is by now.

What a preview showed is a change to the version it was made from, as a form's is. Where
somebody else changed the same since, the preview is shown once more with both values, and a
person decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fwknop_webui.conflict_rows import Row, conflict_rows
from fwknop_webui.editing import base_seal, contested_notice, is_unchanged, opened_draft
from fwknop_webui.i18n import _
from fwknop_webui.notices import Level, Notice
from fwknop_webui.pages import notify
from fwknop_webui.saving import Combined, combine
from fwknop_webui.services import services
from fwknop_webui.staging import Draft

MINE, THEIRS = "mine", "theirs"


@dataclass(frozen=True, slots=True)
class TakenOver:
    """``draft`` is what would be staged; ``rows`` what both changed.

    ``base`` names the version the first preview was made from.
    """

    draft: Draft
    base: str
    rows: tuple[Row, ...] = ()
    notice: Notice | None = None

    @property
    def is_settled(self) -> bool:
        """Whether nobody has to be asked."""
        return self.notice is None


def take_over(
    draft: Draft, change: Callable[[Draft], Draft], form: Mapping[str, str]
) -> TakenOver | None:
    """``change`` makes of a draft what the preview promised; ``form`` is the posted preview.

    "do" says whose values to take where both changed the same, if the form showed what there
    is now. None when nobody knows any more what it showed.
    """
    base, choice = form.get("base", ""), form.get("do", "")
    opened = opened_draft(draft, base)
    if opened is None:
        return None
    is_decided = choice in (MINE, THEIRS) and is_unchanged(draft, form.get("seen", ""))
    prefer_mine = not (is_decided and choice == THEIRS)
    file = services().store.file
    found = combine(opened, change(opened), draft, file, prefer_mine=prefer_mine)
    if not found.is_clean and not is_decided:
        rows = conflict_rows(opened.package, draft.package, found.conflicts)
        return TakenOver(found.draft, base, tuple(rows), _contested(found))
    if found.is_merged and not is_decided:
        title = _("The configuration was changed while you looked")
        notify(Level.INFO, title, _("Your changes were put beside those; nothing was lost."))
    return TakenOver(found.draft, base)


def _contested(found: Combined) -> Notice:
    if found.problems:
        return contested_notice(found)
    title = _("Nothing is changed yet: somebody else changed the same meanwhile")
    return Notice(Level.ERROR, title, _("Choose below whose values to keep."))


def previewed(draft: Draft, changed: Draft) -> TakenOver:
    """A preview nobody has answered yet."""
    return TakenOver(changed, base_seal(draft))
