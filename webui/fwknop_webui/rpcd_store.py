"""The configuration of a router, read and written by rpcd with the user's own session.

/etc/config is root's, and this process is not. rpcd looks at the user's rights, keeps the
changes until they are applied, and puts the files back itself if nobody confirms in time.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from fwknop_webui.auth import Login
from fwknop_webui.clock import Clock
from fwknop_webui.i18n import _
from fwknop_webui.rpcd import DENIED, NO_DATA, NOT_FOUND, AccessDenied, Rpcd, RpcdError, RpcdStatus
from fwknop_webui.rpcd_calls import staging_calls
from fwknop_webui.rpcd_login import PACKAGE, RpcdLogin
from fwknop_webui.store import (
    StillUnconfirmed,
    Undecided,
    Unreadable,
    UnsavedInLuci,
    Waiting,
    new_id,
)
from fwknop_webui.untyped import Json, child, children, flag, text
from fwknopd.config.uci_changes import ChangeError, UciChange, apply
from fwknopd.config.uci_differences import differences
from fwknopd.config.uci_format import UciOption, UciPackage, UciSection, UciValue
from fwknopd.uci_store import ConcurrentEdit, Loaded, StoreError

GRACE = 2.0
"""Seconds after which rpcd has certainly taken back what was not confirmed."""


@dataclass(frozen=True, slots=True)
class _Applied:
    id: str
    user: str
    until: float
    login: Login = field(repr=False)
    is_spared: bool = False
    """Whether nobody else uses the login any more."""


class RpcdStore:
    """The UCI package fwknopd. ``login`` tells whose request this is."""

    file = f"/etc/config/{PACKAGE}"

    def __init__(self, rpcd: Rpcd, login: Callable[[], Login], clock: Clock) -> None:
        self._rpcd = rpcd
        self._login = login
        self._clock = clock
        self._rights = RpcdLogin(rpcd)
        self._applied: _Applied | None = None
        self._last: Loaded | None = None
        self._lock = threading.RLock()

    def networks(self) -> dict[str, str]:
        """See Store.networks: those that are configured, not what netifd makes besides."""
        try:
            dump = self._rpcd.call(self._login().rpcd, "network.interface", "dump", {})
        except StoreError:
            return {}
        named = {text(i, "interface"): i for i in children(dump, "interface")}
        return {
            name: text(found, "l3_device") or text(found, "device")
            for name, found in named.items()
            if name not in ("", "loopback") and not flag(found, "dynamic")
        }

    def load(self) -> Loaded:
        """See Store.load. rpcd says of a file that can't be read no more than that."""
        try:
            answer = self._call("get", {"config": PACKAGE})
        except RpcdStatus as error:
            if error.code == NOT_FOUND:
                raise _missing(self.file) from error
            raise Unreadable(
                _("the router's rpcd can't read {file} (status {code})").format(
                    file=self.file, code=error.code
                ),
                _(
                    "Look what is wrong with `uci show fwknopd`, and mend the file in an editor. "
                    "It can't be replaced from here: only rpcd may write it for this page, and "
                    "it changes no file that it can't read."
                ),
            ) from error
        values = child(answer, "values")
        etag = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
        last = self._last
        if last is None or last.etag != etag:
            package = _package(values)
            last = self._last = Loaded(package, package, etag, ())
        return last

    def apply(self, changes: Sequence[UciChange], etag: str, user: str, seconds: float) -> str:
        """See Store.apply. Raises UnsavedInLuci too: nobody has looked at that here."""
        with self._lock:
            login = self._login()
            if not login.owned:
                self._look_for_others()
            self._forget_staged()
            loaded = self.load()
            if loaded.etag != etag:
                raise ConcurrentEdit(
                    _("{file} was changed by somebody else meanwhile").format(file=self.file),
                    _("Load the page again."),
                )
            try:
                self._stage(loaded.package, changes)
                self._start_clock(seconds)
            except StoreError:
                self._forget_staged()
                raise
            until = self._clock.monotonic() + seconds + GRACE
            self._applied = _Applied(new_id(), user, until, login)
            return self._applied.id

    def _look_for_others(self) -> None:
        found = child(self._call("changes", {}), "changes")
        packages = ", ".join(sorted(name for name, changes in found.items() if changes))
        if packages:
            raise UnsavedInLuci(packages)

    def _stage(self, package: UciPackage, changes: Sequence[UciChange]) -> None:
        try:
            wanted = apply(package, changes)
        except ChangeError as error:
            raise StoreError(str(error), _("Load the page again and repeat the change.")) from error
        for call in staging_calls(differences(package, wanted), wanted):
            call.answered(self._call(call.method, {"config": PACKAGE, **call.message()}))
        # rpcd leaves out what it doesn't take, and says nothing.
        if _content(self.load().package) != _content(wanted):
            raise StoreError(_("the router's rpcd did not take every change"), _("See logread."))

    def _start_clock(self, seconds: float) -> None:
        try:
            self._call("apply", {"rollback": True, "timeout": max(1, round(seconds))})
        except RpcdStatus as error:
            if error.code == DENIED:
                raise _unconfirmed() from error
            raise

    def _forget_staged(self) -> None:
        """rpcd refuses this while anything waits to be confirmed, so it also asks for that."""
        try:
            self._call("revert", {"config": PACKAGE})
        except RpcdStatus as error:
            if error.code != DENIED:
                raise
            if self._rights.may(self._login(), "uci", PACKAGE, "write"):
                raise _unconfirmed() from error
            raise _read_only() from error
        except AccessDenied as error:
            raise _read_only() from error

    def confirm(self) -> bool:
        """See Store.confirm. As long as rpcd doesn't answer, it still waits."""
        with self._lock:
            applied = self._applied
            if applied is None:
                return False
            kept = self._decide(applied, "confirm")
            self._settled(applied, is_taken_back=not kept)
            return kept

    def rollback(self) -> bool:
        """See Store.rollback. rpcd may have done it already: its clock runs by itself."""
        with self._lock:
            applied = self._applied
            if applied is None:
                return False
            try:
                self._decide(applied, "rollback")
            except Undecided:
                if self._clock.monotonic() < applied.until:
                    raise
            self._settled(applied, is_taken_back=True)
            return True

    def _settled(self, applied: _Applied, *, is_taken_back: bool) -> None:
        self._applied = None
        if is_taken_back:
            # It is staged again in rpcd's eyes, also by its clock; here it is in our session.
            with suppress(RpcdError):
                self._rpcd.call(applied.login.rpcd, "uci", "revert", {"config": PACKAGE})
        if applied.is_spared:
            self._rights.end(applied.login)

    def _decide(self, applied: _Applied, method: str) -> bool:
        """False when rpcd has nothing to decide about any more. Raises Undecided, RpcdError."""
        try:
            self._rpcd.call(applied.login.rpcd, "uci", method, {})
        except RpcdStatus as error:
            if error.code == NO_DATA:
                return False
            if error.code == DENIED:
                raise _undecided() from error
            raise
        except AccessDenied as error:
            raise _undecided() from error
        return True

    def spares(self, login: Login) -> bool:
        """See Store.spares: rpcd takes a confirmation only from the session that applied."""
        with self._lock:
            applied = self._applied
            if applied is None or not login.rpcd or applied.login.rpcd != login.rpcd:
                return False
            self._applied = replace(applied, is_spared=True)
            return True

    def waiting(self) -> Waiting | None:
        """See Store.waiting."""
        applied = self._applied
        if applied is None:
            return None
        left = max(0.0, applied.until - self._clock.monotonic())
        return Waiting(applied.user, left, applied.id)

    def _call(self, method: str, message: Json) -> Json:
        login = self._login()
        try:
            return self._rpcd.call(login.rpcd, "uci", method, message)
        except AccessDenied:
            # Is it this call alone, or the whole session?
            self._rights.may(login, "uci", PACKAGE, "read")
            raise


def _missing(file: str) -> Unreadable:
    remedy = _("Make an empty one by `touch {file}; chmod 600 {file}`, then reload this page.")
    return Unreadable(
        _("{file} does not exist").format(file=file), remedy.format(file=shlex.quote(file))
    )


def _undecided() -> Undecided:
    return Undecided(
        _("the login these changes were applied with has ended, so nobody can decide any more"),
        _("In a minute and a half at most the router itself puts the old configuration back."),
    )


def _unconfirmed() -> StillUnconfirmed:
    return StillUnconfirmed(
        _("changes that were applied before, here or in LuCI, are not confirmed yet"),
        _("Confirm them, or wait a minute and a half."),
    )


def _read_only() -> StoreError:
    return StoreError(
        _("your account may look at this configuration, but not change it"),
        _("Add `list write 'luci-app-fwknopd'` to it in /etc/config/rpcd, or use another."),
    )


def _package(values: Json) -> UciPackage:
    found = [item for item in values.values() if isinstance(item, dict)]
    found.sort(key=_index)
    return UciPackage(tuple(_section(item) for item in found))


def _content(package: UciPackage) -> list[object]:
    """All but what anonymous sections are called, which is rpcd's to say."""
    return [
        (section.type, section.name, {option.name: option.value for option in section.options})
        for section in package.sections
    ]


def _index(section: Json) -> int:
    place = section.get(".index")
    return place if isinstance(place, int) else 0


def _section(found: Json) -> UciSection:
    name = text(found, ".name")
    options = (
        UciOption(option, _value(value))
        for option, value in found.items()
        if not option.startswith(".")
    )
    anonymous = flag(found, ".anonymous")
    return UciSection(text(found, ".type"), None if anonymous else name, name, tuple(options))


def _value(value: object) -> UciValue:
    if isinstance(value, list):
        return tuple(str(item) for item in value)
    return str(value)
