"""New keys for a client, and how long it may go on with the old ones."""

from __future__ import annotations

from dataclasses import dataclass

from fwknop_webui import old_keys
from fwknop_webui.client_keys import (
    ENCRYPTION_OPTIONS,
    HMAC_OPTIONS,
    can_rotate,
    new_hmac_key,
    new_keys,
    option_in_use,
    options_in_use,
)
from fwknop_webui.i18n import _
from fwknop_webui.staging import Draft
from fwknopd.config.uci_changes import SetOption, UciChange, apply
from fwknopd.config.uci_format import UciPackage, UciSection
from fwknopd.config.values import says_off

DEFAULT_HOURS = 24
MAX_HOURS = 24 * 366
HOUR = 3600


@dataclass(frozen=True, slots=True)
class Overlap:
    """How long the old keys work beside the new ones; no hours: not at all."""

    hours: int = DEFAULT_HOURS
    first_use: bool = True


def overlap_of(hours: str, first_use: bool) -> Overlap:
    """What was typed. Raises ValueError, with what is expected."""
    is_short = hours.isascii() and hours.isdigit() and len(hours) <= 5
    if not is_short or int(hours) > MAX_HOURS:
        raise ValueError(_("Expecting: a number of hours from 0 to {n}.").format(n=MAX_HOURS))
    return Overlap(int(hours), first_use)


def rotate(draft: Draft, client: UciSection, overlap: Overlap, now: float) -> Draft:
    """The draft with new keys for the client, and with its old ones for a while.

    Pressed twice before it is applied, the old keys are still those in force. Keys that were
    refused do not work again. ``client`` has a name; ``now`` is epoch seconds.
    """
    if is_off(draft, client):
        package = apply(draft.package, _new(client))
        return draft.with_package(old_keys.ended(package, old_keys.name_of(client)))
    in_force = draft.base.package.section(client.id)
    has_old = in_force is not None and can_rotate(in_force)
    package = draft.package
    if in_force is not None and _keys(in_force) != _keys(client):
        package = _without_unapplied(draft, old_keys.name_of(client))
    if overlap.hours and has_old and in_force is not None:
        until = _until(client, int(now) + overlap.hours * HOUR)
        first_use = overlap.first_use
        package = old_keys.made_from(package, client, in_force, until, first_use=first_use)
    return draft.with_package(apply(package, _new(client)))


def is_off(draft: Draft, client: UciSection) -> bool:
    """Whether the client's keys are refused: now, or once the draft is applied."""
    seen = (client, draft.base.package.section(client.id))
    return any(section is not None and says_off(section.get("enabled")) for section in seen)


def has_new_keys(draft: Draft, client: UciSection) -> bool:
    """Whether the client's keys are others than those in force, or are used in another way."""
    in_force = draft.base.package.section(client.id)
    if in_force is None or _keys(in_force) != _keys(client):
        return True
    return any(in_force.get(name) != client.get(name) for name in old_keys.OF_KEYS)


def followed(draft: Draft, changed: UciPackage, former: UciSection) -> UciPackage:
    """``changed`` with a client's old keys as it is now; ``former`` is the client in the draft.

    They end with a client that is, or was, switched off: what a lost phone has must not work again.
    """
    changed = old_keys.follow(changed, former.id, old_keys.name_of(former))
    client = changed.section(former.id)
    if client is None or client.type != old_keys.ACCESS:
        return changed
    if not is_off(draft, former) and not says_off(client.get("enabled")):
        return changed
    return old_keys.ended(changed, old_keys.name_of(client))


def named(draft: Draft, client: UciSection, name: str) -> Draft:
    """The draft with a name for a client that has none: old keys know theirs by its name."""
    return draft.with_changes([SetOption(client.id, "name", name)])


def _without_unapplied(draft: Draft, name: str) -> UciPackage:
    made = old_keys.owners(draft.package).get(name, [])
    base = draft.base.package
    return old_keys.without(draft.package, {s.id for s in made if base.section(s.id) is None})


def _until(client: UciSection, until: int) -> int:
    """Not longer than the client itself may knock."""
    end = old_keys.end_of(client)
    return min(until, end) if end else until


def _keys(section: UciSection) -> tuple[str, ...]:
    return tuple(section.get(name) for name in options_in_use(section))


def _new(client: UciSection) -> list[UciChange]:
    """A key for each there is: who knocks with GPG has none but the HMAC key."""
    hmac_type, hmac = client.get("HMAC_DIGEST_TYPE"), option_in_use(client, HMAC_OPTIONS)
    if option_in_use(client, ENCRYPTION_OPTIONS):
        return new_keys(client.id, client, hmac_type, hmac=bool(hmac))
    return new_hmac_key(client.id, client, hmac_type)
