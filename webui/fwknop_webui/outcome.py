"""What to say after saving: that the daemon uses it only when that is so."""

from __future__ import annotations

import shlex
from pathlib import Path

from fwknop_webui.i18n import _, ngettext
from fwknop_webui.live import Reloaded
from fwknop_webui.notices import Level, Notice
from fwknop_webui.settings_form import overwrites
from fwknop_webui.staging import Draft
from fwknopd.config.problems import Severity


def outcome(draft: Draft, file: str, result: Reloaded) -> Notice:
    """The notice after the daemon read its configuration anew; ``file`` is the one we wrote."""
    if is_in_use(file, result):
        return _in_use(len(draft.changes), result)
    title, text = _why_not(draft, file, result)
    if result.problems:
        text = f"{text} " + _("About what it uses instead, the daemon says:")
    return Notice(Level.WARNING, title, text, result.problems, tells_use=True)


def is_in_use(file: str, result: Reloaded) -> bool:
    """Whether the daemon runs from what we wrote."""
    return result.source == "uci" and _is_same(result.file, file)


def remedy() -> str:
    """What to do so that the daemon uses these pages."""
    return _("Tick “Enable config overwrite” in Settings to use what you set here.")


def _in_use(count: int, result: Reloaded) -> Notice:
    text = ngettext(
        "{n} change applied; the daemon is using it.",
        "{n} changes applied; the daemon is using them.",
        count,
    ).format(n=count)
    serious = any(problem.severity is not Severity.NOTE for problem in result.problems)
    more = _("It has this to say:") if result.problems else ""
    level = Level.WARNING if serious else Level.SUCCESS
    return Notice(level, text, more, result.problems, is_applied=True)


def _why_not(draft: Draft, file: str, result: Reloaded) -> tuple[str, str]:
    if result.source == "uci":
        title = _("Saved in {file}, but the daemon runs from {other}")
        text = _("Start the daemon or this page with --uci naming the file of the other.")
        return title.format(file=file, other=result.file), text
    if result.source == "files":
        title = _("Saved; the daemon runs from the files in {folder}")
        return title.format(folder=_folder(result.file)), _files_remedy(draft, file)
    return _("Saved, but the daemon uses no configuration at all"), _none_remedy(draft)


def _files_remedy(draft: Draft, file: str) -> str:
    if not overwrites(draft.package):
        return _("Tick “Enable config overwrite” in Settings to use this.")
    return _("It was started to use them: start it with --uci {file} to use this.").format(
        file=shlex.quote(file)
    )


def _none_remedy(draft: Draft) -> str:
    if overwrites(draft.package):
        return _("The overview says why.")
    return _(
        "It guards nothing: there are no classic files either. "
        "Tick “Enable config overwrite” in Settings to use this."
    )


def _folder(file: str) -> str:
    return str(Path(file).parent) if file.startswith("/") else "/etc/fwknop"


def _is_same(theirs: str, ours: str) -> bool:
    """Whether both mean one file. A relative path means something to the daemon alone."""
    if not theirs.startswith("/"):
        return Path(theirs).name == Path(ours).name
    return Path(theirs).resolve() == Path(ours).resolve()
