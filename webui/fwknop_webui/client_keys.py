"""A client's keys: what may be said of them, how they are replaced. Never shown in a form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fwknop_webui.expected import said
from fwknop_webui.i18n import _
from fwknop_webui.i18n import noop as N_
from fwknopd.config.problems import Problem, Severity
from fwknopd.config.uci_changes import DeleteOption, SetOption, UciChange
from fwknopd.config.uci_format import UciSection
from fwknopd.config.unset_variables import is_no_key
from fwknopd.key_handing import KeyFields
from fwknopd.keys import (
    HMAC_KEY_LENGTHS,
    KeyTextError,
    decode_key_base64,
    encode_key_base64,
    generate_encryption_key,
    generate_hmac_key,
    weaknesses,
)

ENCRYPTION_OPTIONS = ("KEY_BASE64", "KEY")
HMAC_OPTIONS = ("HMAC_KEY_BASE64", "HMAC_KEY")
KEY_FIELDS = {
    **dict.fromkeys(ENCRYPTION_OPTIONS, "key"),
    **dict.fromkeys(HMAC_OPTIONS, "hmac_key"),
}
"""The form field that shows what is wrong with an option."""

_HMAC_TYPES = {kind.value: kind for kind in HMAC_KEY_LENGTHS}

FEWEST_BYTES = 16
"""Of a passphrase somebody makes up; a key that is generated has 32 and more."""

KINDS = (N_("Base64 key"), N_("Normal key"))


@dataclass(frozen=True, slots=True)
class KeyKind:
    """One way of writing a key, as LuCI offers it."""

    option: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class KeySummary:
    """What a page says of keys without showing them."""

    text: str
    is_usable: bool
    is_complete: bool


def option_in_use(section: UciSection | None, names: tuple[str, str]) -> str:
    """Which of the two options holds the key: the last real one, as the daemon reads it; or ""."""
    stored = section.options if section else ()
    real = [o.name for o in stored if o.name in names and o.text and not is_no_key(o.text)]
    return real[-1] if real else ""


def options_in_use(section: UciSection) -> tuple[str, ...]:
    """The options that hold its keys."""
    used = (option_in_use(section, ENCRYPTION_OPTIONS), option_in_use(section, HMAC_OPTIONS))
    return tuple(name for name in used if name)


def can_rotate(section: UciSection) -> bool:
    """Whether there is a key in the file that could be another one."""
    return bool(options_in_use(section))


def key_fields(section: UciSection) -> KeyFields:
    """The keys a client program needs; of two ways to write one key, the one in use."""
    return KeyFields(**{name.lower(): section.get(name) for name in options_in_use(section)})


def kinds(section: UciSection | None, names: tuple[str, str]) -> tuple[KeyKind, ...]:
    """The choices of the selector beside a key field."""
    used = option_in_use(section, names) or names[0]
    return tuple(
        KeyKind(name, _(label), name == used) for name, label in zip(names, KINDS, strict=True)
    )


def summarise(section: UciSection | None) -> KeySummary:
    """The badge: "256-bit key + HMAC SHA-256"."""
    encryption = option_in_use(section, ENCRYPTION_OPTIONS)
    hmac = option_in_use(section, HMAC_OPTIONS)
    if section is None or not (encryption or _has_gpg(section)):
        return KeySummary(_("no key"), False, False)
    hmac_type = (section.get("HMAC_DIGEST_TYPE") or "sha256").upper()
    proof = _("HMAC {type}").format(type=hmac_type) if hmac else _("no HMAC")
    strength = _strength(section, encryption) if encryption else _("GPG key")
    return KeySummary(f"{strength} + {proof}", True, bool(hmac))


def _has_gpg(section: UciSection) -> bool:
    return bool(section.get("GPG_DECRYPT_PW")) or section.get("GPG_ALLOW_NO_PW")[:1] in ("Y", "y")


def _strength(section: UciSection, option: str) -> str:
    if option == "KEY":
        return _("passphrase")
    try:
        return _("{bits}-bit key").format(bits=8 * len(decode_key_base64(section.get(option))))
    except KeyTextError:
        return _("broken key")


def new_keys(
    section_id: str, section: UciSection | None, hmac_type: str, *, hmac: bool = True
) -> list[UciChange]:
    """Fresh keys in place of whatever is there."""
    made = encode_key_base64(generate_encryption_key())
    changes = replace(section_id, section, ENCRYPTION_OPTIONS, "KEY_BASE64", made)
    if hmac:
        changes += new_hmac_key(section_id, section, hmac_type)
    return changes


def new_hmac_key(section_id: str, section: UciSection | None, hmac_type: str) -> list[UciChange]:
    """A fresh HMAC key, as long as its type wants it."""
    kind = _HMAC_TYPES.get(hmac_type.lower(), _HMAC_TYPES["sha256"])
    made = encode_key_base64(generate_hmac_key(kind))
    return replace(section_id, section, HMAC_OPTIONS, "HMAC_KEY_BASE64", made)


def replace(
    section_id: str, section: UciSection | None, names: tuple[str, str], option: str, value: str
) -> list[UciChange]:
    """Store the key under one option and drop the other; "" drops both."""
    unwanted = [name for name in names if name != option or not value]
    changes: list[UciChange] = [
        DeleteOption(section_id, name) for name in unwanted if section and section.option(name)
    ]
    return [*changes, SetOption(section_id, option, value)] if value else changes


@dataclass(frozen=True, slots=True)
class TypedKeys:
    """What the key fields of the form say; empty text keeps the key there is."""

    key: str = field(repr=False)
    key_option: str
    hmac_key: str = field(repr=False)
    hmac_option: str
    no_hmac: bool
    hmac_type: str
    generate: bool
    awaited: frozenset[str] = frozenset()
    """Fields that held a key on a page that came back: an empty one doesn't mean "make one"."""

    @classmethod
    def from_form(cls, form: Mapping[str, str], *, generate: bool) -> TypedKeys:
        """Read the fields; an unknown kind counts as base64."""
        key_option, hmac_option = form.get("key_kind", ""), form.get("hmac_key_kind", "")
        return cls(
            key=form.get("key", ""),
            key_option=key_option if key_option in ENCRYPTION_OPTIONS else "KEY_BASE64",
            hmac_key=form.get("hmac_key", ""),
            hmac_option=hmac_option if hmac_option in HMAC_OPTIONS else "HMAC_KEY_BASE64",
            no_hmac=bool(form.get("no_hmac")),
            hmac_type=form.get("HMAC_DIGEST_TYPE", ""),
            generate=generate,
            awaited=frozenset(n for n in ("key", "hmac_key") if form.get(f"{n}_again")),
        )

    @property
    def unsent(self) -> dict[str, str]:
        """What to say beside fields whose key doesn't come back with the page, by field."""
        again = type_it_again()
        return {name: again for name, text in self.texts.items() if text or name in self._missing}

    @property
    def _missing(self) -> frozenset[str]:
        if self.generate:
            return frozenset()
        unwanted = {"hmac_key"} if self.no_hmac else set()
        return frozenset(n for n in self.awaited - unwanted if not self.texts[n])

    @property
    def guessable(self) -> bool:
        """A typed key is so short that who recorded one knock can find it by trying."""
        typed = [(self.key, self.key_option), (self.hmac_key, self.hmac_option)]
        keys = [key_bytes(*((t, "") if o.endswith("BASE64") else ("", t))) for t, o in typed]
        return not self.generate and any(key and len(key) < FEWEST_BYTES for key in keys)

    @property
    def texts(self) -> dict[str, str]:
        """The typed keys by field, to be looked at for what no key may hold."""
        return {"key": self.key, "hmac_key": self.hmac_key}

    def faults(self, section: UciSection | None, found: Iterable[Problem]) -> dict[str, str]:
        """What is wrong with typed keys, by field, even where the daemon would only warn."""
        errors: dict[str, str] = {}
        typed = {name for name, text in self.texts.items() if text}
        for problem in found:
            name = KEY_FIELDS.get(problem.option, "")
            if name in typed and problem.severity is not Severity.NOTE:
                errors[name] = said(problem)
        if typed and not errors and section:
            errors = _weak(section, typed)
        errors |= dict.fromkeys(
            self._missing, _("The key you typed before is missing. Generate keys makes new ones.")
        )
        again = type_it_again()
        return {name: f"{text} {again}" for name, text in errors.items()}

    def changes(
        self, section_id: str, section: UciSection | None, *, gpg: bool = False
    ) -> list[UciChange]:
        """What the fields mean for the section. A client never ends up without a key.

        ``gpg``: it knocks with GPG, so it needs no encryption key, and gets none unasked.
        """
        return self._encryption(section_id, section, gpg) + self._hmac(section_id, section, gpg)

    def _encryption(
        self, section_id: str, section: UciSection | None, gpg: bool
    ) -> list[UciChange]:
        if self.key and not self.generate:
            return replace(section_id, section, ENCRYPTION_OPTIONS, self.key_option, self.key)
        is_there = bool(option_in_use(section, ENCRYPTION_OPTIONS))
        if self.generate if is_there else not gpg:
            return new_keys(section_id, section, self.hmac_type, hmac=False)
        return []

    def _hmac(self, section_id: str, section: UciSection | None, gpg: bool) -> list[UciChange]:
        if self.no_hmac:
            return replace(section_id, section, HMAC_OPTIONS, "", "")
        if self.hmac_key and not self.generate:
            return replace(section_id, section, HMAC_OPTIONS, self.hmac_option, self.hmac_key)
        is_new = section is None or (_only_placeholder(section) and not gpg)
        if self.generate or (is_new and not option_in_use(section, HMAC_OPTIONS)):
            return new_hmac_key(section_id, section, self.hmac_type)
        return []


def type_it_again() -> str:
    """What stands beside a secret that was typed on a page that comes back."""
    return _("Nothing you type here is sent back, so type it again.")


def _weak(section: UciSection, typed: set[str]) -> dict[str, str]:
    """Keys nobody should use, such as one character repeated."""
    fields = key_fields(section)
    encryption = key_bytes(fields.key_base64, fields.key)
    hmac = key_bytes(fields.hmac_key_base64, fields.hmac_key)
    found = [text for text in weaknesses(encryption or b"", hmac) if hmac or "HMAC" not in text]
    return {name: found[0] for name in sorted(typed)[:1] if found}


def key_bytes(base64_text: str, text: str) -> bytes | None:
    """A key from its two ways of being written. Raises KeyTextError."""
    if base64_text:
        return decode_key_base64(base64_text)
    return text.encode("utf-8", "surrogateescape") or None


def _only_placeholder(section: UciSection) -> bool:
    """An unedited stock client, which never worked, gets both keys."""
    return not option_in_use(section, ENCRYPTION_OPTIONS)
