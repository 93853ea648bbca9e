"""A key ring as gpg lists it: ``--list-keys --with-colons`` as values (GnuPG's doc/DETAILS).

Lines nobody knows are passed over; whatever the lines, the outcome is a value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

CUT = "cut:"
"""A line that says: there are more public keys than are listed."""

_UNUSABLE = frozenset("erdin")
"""Validities of keys nobody uses: expired, revoked, disabled, invalid."""
_TRUSTED = frozenset("fu")
_AWAY = "#"
"""Where a secret part should be: it is kept elsewhere."""
_PRIMARY, _SUBKEY, _FINGERPRINT, _USER = ("pub", "sec"), ("sub", "ssb"), ("fpr",), ("uid",)
_SECRET = ("sec",)
_RSA, _ELGAMAL = frozenset({1, 2, 3}), frozenset({16, 20})


@dataclass(frozen=True, slots=True)
class KeyPart:
    """A primary key or subkey. ``uses`` are letters: e encrypt, s sign. ``made``: epoch seconds."""

    key_id: str
    fingerprint: str
    algorithm: int
    bits: int
    uses: str
    validity: str
    made: int
    present: bool = True

    @property
    def usable(self) -> bool:
        """Neither expired nor revoked, and its secret part is here if it should be."""
        return self.present and self.validity[:1] not in _UNUSABLE

    @property
    def is_long(self) -> bool:
        """Packets for this key keep their beginning on the way, as `openpgp.was_cut` explains."""
        numbers = 2 if self.algorithm in _ELGAMAL else 1
        return self.algorithm in _RSA | _ELGAMAL and numbers * (self.bits // 8 + 2) + 10 >= 256


@dataclass(frozen=True, slots=True)
class RingKey:
    """A key with its subkeys; the primary one comes first."""

    parts: tuple[KeyPart, ...]
    users: tuple[str, ...] = ()

    @property
    def trusted(self) -> bool:
        """It is known to be its owner's."""
        return self.parts[0].validity[:1] in _TRUSTED

    def newest(self, use: str) -> KeyPart | None:
        """The part that gpg uses for this: the youngest subkey that can, else the primary."""
        able = [part for part in self.parts if part.usable and use in part.uses]
        subkeys = [part for part in able if part is not self.parts[0]]
        return max(subkeys or able, key=lambda part: part.made, default=None)

    def is_named(self, name: str) -> bool:
        """``name`` is an id, a fingerprint or part of a user's name, as on gpg's command line."""
        digits = name.removeprefix("0x").removesuffix("!").replace(" ", "").upper()
        if len(digits) >= 8 and any(part.fingerprint.endswith(digits) for part in self.parts):
            return True
        return any(name.lower() in user.lower() for user in self.users)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of a ring. ``whole``: there are no further public keys."""

    secret: tuple[RingKey, ...] = ()
    public: tuple[RingKey, ...] = ()
    whole: bool = True

    @property
    def recipients(self) -> frozenset[str]:
        """Ids of all parts that may open a message."""
        return frozenset(part.key_id for key in self.secret for part in key.parts if part.present)


@dataclass(slots=True)
class _Key:
    """A key of which more lines may come."""

    secret: bool
    parts: list[KeyPart] = field(default_factory=list)
    users: list[str] = field(default_factory=list)

    def add_fingerprint(self, fingerprint: str) -> None:
        last = self.parts[-1]
        if not last.fingerprint:
            self.parts[-1] = replace(last, fingerprint=fingerprint)


def read_ring(lines: Iterable[str]) -> KeyRing:
    """The ring of the lines of both lists, of secret keys and of public ones."""
    keys: list[_Key] = []
    whole = True
    for line in lines:
        fields = line.split(":")
        kind = fields[0]
        if kind in _PRIMARY:
            keys.append(_Key(kind in _SECRET, [_part(fields)]))
        elif line == CUT:
            whole = False
        elif keys and kind in _SUBKEY:
            keys[-1].parts.append(_part(fields))
        elif keys and kind in _FINGERPRINT:
            keys[-1].add_fingerprint(_at(fields, 9).upper())
        elif keys and kind in _USER:
            keys[-1].users.append(_at(fields, 9))
    secret, public = (
        tuple(RingKey(tuple(key.parts), tuple(key.users)) for key in keys if key.secret is wanted)
        for wanted in (True, False)
    )
    return KeyRing(secret, public, whole)


def _part(fields: list[str]) -> KeyPart:
    return KeyPart(
        key_id=_at(fields, 4).upper(),
        fingerprint="",
        algorithm=_number(fields, 3),
        bits=_number(fields, 2),
        uses="".join(letter for letter in _at(fields, 11) if letter.islower()),
        validity=_at(fields, 1),
        made=_number(fields, 5),
        present=_at(fields, 14) != _AWAY,
    )


def _at(fields: list[str], index: int) -> str:
    return fields[index] if index < len(fields) else ""


def _number(fields: list[str], index: int) -> int:
    text = _at(fields, index)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
