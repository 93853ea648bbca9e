"""Everything the overview shows at one moment, and what of it changed since."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from fwknop_webui.client_rows import section_labels
from fwknop_webui.doors import Doors
from fwknop_webui.i18n import _
from fwknop_webui.knocks import Knock
from fwknop_webui.live import LiveDaemon
from fwknop_webui.notices import Notice
from fwknop_webui.status import Status
from fwknop_webui.trouble import Trouble, trouble_of
from fwknopd.config.problems import Problem, Severity
from fwknopd.config.uci_format import UciPackage
from fwknopd.control.client import ControlError

REGIONS = ("status", "doors", "knocks")
NEWS_SECONDS = 600
"""How long the overview says that the first knock worked."""


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One of the first steps. ``endpoint`` is the page to do it on, "" for none.

    ``is_switch``: it is a box to tick right there. ``ticked``: that is saved, not applied.
    """

    text: str
    done: bool
    endpoint: str = ""
    hint: str = ""
    is_switch: bool = False
    ticked: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``trouble`` says why there is no status. ``now`` is the router's epoch time.

    ``first_knock``: the client whose knock ended the first steps a moment ago.
    ``unreadable``: why the configuration can't be read.
    """

    now: float
    status: Status | None
    doors: Doors
    knocks: tuple[Knock, ...]
    trouble: Trouble | None
    checklist: tuple[ChecklistItem, ...]
    first_knock: str = ""
    unreadable: Notice | None = None

    @property
    def versions(self) -> dict[str, str]:
        """A short code per region that changes when what the region shows does."""
        status = (self.status, self.trouble, self.checklist, self.first_knock, self.unreadable)
        shown = {
            "status": status,
            # All but the time.
            "doors": (replace(self.doors, now=0.0), self.trouble),
            "knocks": (self.knocks, self.trouble),
        }
        return {name: _version(shown[name]) for name in REGIONS}


def _version(shown: object) -> str:
    # repr of frozen dataclasses: every value in it, in order.
    return hashlib.sha256(repr(shown).encode("utf-8", "replace")).hexdigest()[:12]


def take(live: LiveDaemon, now: float, configured: Configured) -> Snapshot:
    """Ask the daemon; what it can't say is left empty."""
    try:
        status, doors, knocks = live.status(), live.doors(), live.knocks()
    except ControlError as error:
        unreadable = configured.unreadable
        trouble = trouble_of(error, live.start_command, editable=unreadable is None)
        steps = checklist(None, configured)
        return Snapshot(now, None, Doors(now), (), trouble, steps, unreadable=unreadable)
    status = replace(status, problems=named(status.problems, configured.package))
    return Snapshot(
        now=doors.now or now,
        status=status,
        doors=doors,
        knocks=knocks,
        trouble=None,
        checklist=checklist(status, configured),
        first_knock=_first_knock(status, knocks, doors.now or now),
        unreadable=configured.unreadable,
    )


def named(problems: Sequence[Problem], package: UciPackage) -> tuple[Problem, ...]:
    """The problems with sections called as people know them."""
    labels = section_labels(package) if problems else {}
    return tuple(replace(p, section=labels.get(p.section, p.section)) for p in problems)


def _first_knock(status: Status, knocks: tuple[Knock, ...], now: float) -> str:
    """Who got in here first of all, while that is news; "" for nobody."""
    fresh = [k.client for k in knocks if k.accepted and now - k.time < NEWS_SECONDS]
    is_first = status.accepted == 1 and not status.knocked_before
    return fresh[-1] if is_first and fresh else ""


@dataclass(frozen=True, slots=True)
class Configured:
    """What the configuration has so far, as far as the first steps go.

    ``unreadable``: why nothing is known of it. ``switched``: unsaved changes are of another
    opinion about ``overwrite``. ``package``: what the file holds now.
    """

    has_client: bool = False
    has_unsaved: bool = False
    overwrite: bool = False
    unreadable: Notice | None = None
    switched: bool = False
    package: UciPackage = field(default_factory=lambda: UciPackage(()), repr=False)

    @property
    def is_complete(self) -> bool:
        """Whether knocks can work with it."""
        return self.has_client and self.overwrite


def checklist(status: Status | None, configured: Configured) -> tuple[ChecklistItem, ...]:
    """The first steps, or nothing once all are done, or when nobody knows which are."""
    if configured.unreadable:
        return ()
    unsaved = _("Saved, but not applied yet: press Save & Apply.") if configured.has_unsaved else ""
    items = (
        ChecklistItem(_("Start the daemon"), status is not None),
        ChecklistItem(
            _("Let the router know the time (NTP)"), status is not None and status.clock_ok
        ),
        ChecklistItem(
            # A router's first boot has added one, but nobody's phone has its keys by that.
            _("Add a client") if configured.has_client else _("Add a client and scan its QR code"),
            configured.has_client,
            "add_client",
            unsaved,
        ),
        ChecklistItem(
            _("Enable config overwrite"),
            configured.overwrite,
            hint=unsaved if configured.switched else "",
            is_switch=True,
            ticked=configured.switched,
        ),
        ChecklistItem(
            _("Knock, and see it accepted below"),
            status is not None and _has_worked(status),
            "diagnostics",
            hint=_(
                "None was accepted so far. Show a client's QR code under "
                "Clients to the phone, unless it has the keys already. Knock from outside, such "
                "as over a phone's mobile data, unless the daemon listens on your LAN."
            ),
        ),
    )
    if all(item.done for item in items):
        return ()
    if status is None:
        # A page that can't ask the daemon should not doubt its clock.
        return () if configured.is_complete else (items[0], *items[2:4])
    # Nobody knocked yet, or none of it is remembered: then only that is left to say.
    return items if not all(item.done for item in items[:-1]) else items[-1:]


def _has_worked(status: Status) -> bool:
    """Counted since the daemon's start, or known from before it."""
    return status.accepted > 0 or status.replay_entries > 0 or status.knocked_before


def source_text(status: Status) -> str:
    """Where the running configuration comes from."""
    return {
        "uci": _("these pages (UCI)"),
        "files": _("files in /etc/fwknop"),
    }.get(status.source, _("unknown"))


def worst(problems: tuple[Problem, ...]) -> str:
    """The colour of a list of problems."""
    if any(item.severity is Severity.ERROR for item in problems):
        return "error"
    return "warning" if any(p.severity is Severity.WARNING for p in problems) else "info"
