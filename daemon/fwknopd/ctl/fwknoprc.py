"""The client's ``.fwknoprc``: named stanzas of ``NAME value`` lines over a ``[default]`` one.

A value ends at the first blank, ``#`` or ``;``, as measured with the real client. Like
it, we refuse names we don't know; and we refuse settings we know but can't follow,
because a knock that silently means something else is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fwknopd.ctl.errors import CtlError

DEFAULT = "default"

FOLLOWED = frozenset(
    {
        *("SPA_SERVER", "SPA_SERVER_PORT", "SPA_SOURCE_PORT", "ACCESS", "ALLOW_IP", "NAT_ACCESS"),
        *("FW_TIMEOUT", "KEY", "KEY_BASE64", "HMAC_KEY", "HMAC_KEY_BASE64", "HMAC_DIGEST_TYPE"),
        *("USE_HMAC", "DIGEST_TYPE", "ENCRYPTION_MODE", "SPOOF_USER"),
    }
)
# Each with the values that ask for nothing special.
_NOT_FOLLOWED: Mapping[str, tuple[str, ...]] = {
    "SPA_SERVER_PROTO": ("udp",),
    "USE_GPG": ("n",),
    "USE_GPG_AGENT": ("n",),
    "NAT_LOCAL": ("n",),
    "NAT_RAND_PORT": ("n",),
    "RAND_PORT": ("n",),
    "RESOLVE_IP_HTTPS": ("n",),
    "NAT_PORT": (),
    "SPOOF_SOURCE_IP": (),
    "TIME_OFFSET": ("0",),
    "KEY_FILE": (),
}
# These only serve functions that are off unless something above turns them on.
_WITHOUT_EFFECT = frozenset(
    {
        *("RESOLVE_HTTP_ONLY", "RESOLVE_URL", "WGET_CMD", "HTTP_USER_AGENT"),
        *("USE_WGET_USER_AGENT", "GPG_SIGNING_PW", "GPG_SIGNING_PW_BASE64", "GPG_SIGNER"),
        *("GPG_RECIPIENT", "GPG_HOMEDIR", "GPG_EXE", "VERBOSE"),
    }
)

_STANZA = re.compile(r"\s*\[\s*([^\]]*?)\s*\]\s*")
_SETTING = re.compile(r"\s*([A-Za-z0-9_]+):?\s+([^\s#;]+).*", re.DOTALL)
_NOTHING = re.compile(r"\s*(?:[#;].*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and the line it stands in. Some values are keys, so it shows none."""

    value: str
    line: int

    def __repr__(self) -> str:
        return f"Setting(line={self.line})"


Stanza = dict[str, Setting]


def parse_fwknoprc(text: str, file: str) -> dict[str, Stanza]:
    """The stanzas by name; settings above the first belong to ``default``. Raises CtlError."""
    current: Stanza = {}
    stanzas = {DEFAULT: current}
    for number, line in enumerate(text.split("\n"), start=1):
        if stanza := _STANZA.fullmatch(line):
            current = stanzas.setdefault(stanza[1], {})
        elif setting := _SETTING.fullmatch(line):
            current[_known(setting[1], f"{file}:{number}")] = Setting(setting[2], number)
        elif not _NOTHING.fullmatch(line):
            raise CtlError(
                f"{file}:{number}: this is neither a setting nor a stanza",
                "Write NAME VALUE, or [stanza]",
            )
    return stanzas


def choose_stanza(stanzas: Mapping[str, Stanza], name: str | None, file: str) -> dict[str, str]:
    """The settings of a stanza over those of ``default``. Raises CtlError."""
    if name is not None and name not in stanzas:
        known = ", ".join(sorted(stanzas.keys() - {DEFAULT})) or "none"
        raise CtlError(f"{file} has no stanza [{name}]", f"It has: {known}")
    merged = {**stanzas[DEFAULT], **stanzas[name or DEFAULT]}
    for setting, harmless in _NOT_FOLLOWED.items():
        if setting in merged and merged[setting].value.lower() not in harmless:
            raise CtlError(
                f"{file}:{merged[setting].line}: {setting} is not supported here",
                "Take it out, or send this knock with the fwknop client",
            )
    return {setting: found.value for setting, found in merged.items() if setting in FOLLOWED}


def _known(name: str, place: str) -> str:
    if name in FOLLOWED or name in _NOT_FOLLOWED or name in _WITHOUT_EFFECT:
        return name
    raise CtlError(f"{place}: there is no setting {name}", "See the manual page fwknop(8)")
