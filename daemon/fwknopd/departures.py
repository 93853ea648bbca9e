"""Which clients may not knock any more, by what each reload leaves of them. Pure.

A client is its keys, whatever it is called: one that was renamed, or whose number changed,
has gone nowhere. Several stanzas may have the same keys, though. Then only names tell them
apart; of those without a name all count as gone when there is one less, for nobody can say
which it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from fwknopd.grants import Grant
from fwknopd.policy.stanza import Stanza


class Departures:
    """Compares the clients of each reload with those before."""

    def __init__(self) -> None:
        self._stanzas: list[Stanza] = []
        self._names: dict[str, frozenset[str]] = {}
        self._fewer: set[str] = set()
        self._heirs: dict[str, str] = {}

    def use(self, stanzas: Iterable[Stanza]) -> None:
        """These are the clients from now on."""
        before, now = self._stanzas, [stanza for stanza in stanzas if stanza.enabled]
        left = Counter(stanza.identity for stanza in before)
        left.subtract(stanza.identity for stanza in now)
        self._fewer |= {identity for identity, count in left.items() if count > 0}
        self._stanzas, self._names = now, _names_by_identity(now)
        self._inherit(before, now)

    def _inherit(self, before: list[Stanza], now: list[Stanza]) -> None:
        """Without a name, who has a gone client's number and keys never seen is that client.

        Numbers change when a client is deleted, so the number alone says nothing.
        """
        for identity in self._names:
            self._heirs.pop(identity, None)
        known = {stanza.identity for stanza in before}
        new = {s.number: s.identity for s in now if not s.name and s.identity not in known}
        for stanza in before:
            if not stanza.name and stanza.identity in self._fewer and stanza.number in new:
                self._heirs[stanza.identity] = new[stanza.number]
        # Old keys whose time is over: their client knocks with its new ones.
        clients = {s.name: s.identity for s in now if s.name and not s.old_keys_of}
        for stanza in before:
            if stanza.identity not in self._names and stanza.old_keys_of in clients:
                self._heirs[stanza.identity] = clients[stanza.old_keys_of]

    def settled(self) -> None:
        """Nothing is open any more of who has gone so far."""
        self._fewer.clear()

    def is_gone(self, grant: Grant) -> bool:
        """Its client was deleted or disabled, or has other keys now."""
        if not grant.owner:
            return False
        names = self._names.get(grant.owner)
        if names is None:
            return True
        # An empty name is nobody's, so a number is never among them.
        return grant.owner in self._fewer and grant.client not in names

    def may_be_gone(self, grant: Grant) -> bool:
        """It was found open, nobody knows whose it is, and somebody is gone."""
        return not grant.owner and bool(self._fewer)

    def is_shut_out(self, grant: Grant) -> bool:
        """Its client is gone, and did not just get other keys."""
        if not self.is_gone(grant):
            return False
        named = any(grant.client in names for names in self._names.values())
        return not named and not self._has_heir(grant.owner)

    def _has_heir(self, identity: str) -> bool:
        heir = self._heirs.get(identity)
        # Each came after the one before it, so this ends.
        while heir is not None and heir not in self._names:
            heir = self._heirs.get(heir)
        return heir is not None


def _names_by_identity(stanzas: Iterable[Stanza]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    # Thousands of clients without a name share one set.
    alone: dict[str, frozenset[str]] = {}
    for stanza in stanzas:
        name = alone.setdefault(stanza.name, frozenset((stanza.name,)))
        others = found.get(stanza.identity)
        found[stanza.identity] = name if others is None else others | name
    return found
