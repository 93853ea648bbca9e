"""Where ``knock`` and ``qr`` take keys from: a .fwknoprc, a client in UCI, or standard input.

Never from the command line, which every user of the system can read.
"""

from __future__ import annotations

import os
import re
import sys
from argparse import Namespace
from enum import StrEnum
from getpass import getpass
from pathlib import Path
from typing import TypeVar

from fwknopd.config.directive import Findings
from fwknopd.config.problems import ConfigError, Problem, Severity
from fwknopd.config.settings import ServerSettings
from fwknopd.config.uci_config import stanza_from_section
from fwknopd.config.uci_model import UciSection
from fwknopd.ctl.errors import CtlError
from fwknopd.ctl.fwknoprc import choose_stanza, parse_fwknoprc
from fwknopd.ctl.output import print_note
from fwknopd.keys import KeyTextError, decode_key_base64
from fwknopd.policy.stanza import Stanza
from fwknopd.regular_file import FileError, open_regular, privacy_problems, read_limited
from fwknopd.spa.digest import DigestType
from fwknopd.spa.mode import EncryptionMode
from fwknopd.spa.packet import SpaKeys
from fwknopd.uci_store import UciStore

DEFAULT_RC = "~/.fwknoprc"
DEFAULT_UCI = "/etc/config/fwknopd"
_RC_LIMIT = 1 << 20
_STDIN = "standard input"
_LEGACY_KEY_LENGTH = 16
_KEY_TOKEN = re.compile(r"(?:^|\s)((?:HMAC_)?KEY(?:_BASE64)?):\s*")
_Choice = TypeVar("_Choice", bound=StrEnum)


def rc_settings(options: Namespace) -> dict[str, str]:
    """The settings of the chosen stanza. Raises CtlError."""
    path = Path(options.rc or DEFAULT_RC).expanduser()
    stanzas = parse_fwknoprc(_read(path), str(path))
    return choose_stanza(stanzas, options.stanza, str(path))


def stdin_settings() -> dict[str, str]:
    """Keys typed in, or piped in as .fwknoprc lines, ``keygen`` output or a QR code's text."""
    if sys.stdin.isatty():
        return _prompt()
    # A QR code's text has its tokens on one line, and no blank after the colon.
    text = _KEY_TOKEN.sub(r"\n\1 ", sys.stdin.read(_RC_LIMIT))
    return choose_stanza(parse_fwknoprc(text, _STDIN), None, _STDIN)


def uci_client(options: Namespace) -> Stanza:
    """The client named on the command line, as the daemon reads it. Raises CtlError."""
    file = options.uci or DEFAULT_UCI
    if not options.client:
        raise CtlError("which client's keys?", "Name it with --client, such as --client phone")
    try:
        loaded = UciStore(Path(file)).load()
    except FileError as error:
        raise CtlError(error.message, error.remedy) from None
    except ConfigError as error:
        raise _problem_error(error.problems[0]) from None
    sections = loaded.package.of_type("access")
    number, section = _find(sections, options.client, file)
    findings = Findings()
    stanza = stanza_from_section(section, number, file, ServerSettings(), findings)
    problems = sorted(findings.problems(), key=lambda p: p.severity is not Severity.ERROR)
    if stanza is None or (problems and problems[0].severity is Severity.ERROR):
        raise _problem_error(problems[0])
    return stanza


def keys_from(settings: dict[str, str]) -> SpaKeys:
    """The keys in rc settings; asks for what is missing at a terminal. Raises CtlError."""
    key = _key(settings, "KEY")
    if key is None:
        raise CtlError(
            "there is no encryption key",
            "Give KEY_BASE64 or KEY in the stanza, or name a client with --uci and --client",
        )
    mode = _choice(settings, "ENCRYPTION_MODE", EncryptionMode, EncryptionMode.CBC)
    if mode is EncryptionMode.ASYMMETRIC:
        raise CtlError(
            "GPG knocks are not supported here", "Send them with the fwknop client instead"
        )
    if mode is EncryptionMode.LEGACY:
        key = key[:_LEGACY_KEY_LENGTH]
    use_hmac = not settings.get("USE_HMAC", "Y").upper().startswith("N")
    hmac_key = _key(settings, "HMAC_KEY") if use_hmac else None
    return SpaKeys(key, hmac_key, mode, digest_type(settings, "HMAC_DIGEST_TYPE"))


def digest_type(settings: dict[str, str], name: str) -> DigestType:
    """A digest type by its name in any case; SHA-256 where nothing is said. Raises CtlError."""
    return _choice(settings, name, DigestType, DigestType.SHA256)


def _prompt() -> dict[str, str]:
    # A passphrase can't be told from base64, so both are asked for as what they are.
    asked = {
        "KEY_BASE64": getpass("Encryption key (base64, empty for a passphrase): ").strip(),
        "KEY": "",
        "HMAC_KEY_BASE64": getpass("HMAC key (base64, empty for none): ").strip(),
    }
    if not asked["KEY_BASE64"]:
        asked["KEY"] = getpass("Passphrase: ")
    return {name: value for name, value in asked.items() if value}


def _read(path: Path) -> str:
    try:
        descriptor = open_regular(path)
        try:
            for problem in privacy_problems(path, os.fstat(descriptor)):
                print_note(f"{problem.file}: {problem.message}. {problem.remedy}")
            return read_limited(descriptor, path, _RC_LIMIT).decode("utf-8", "surrogateescape")
        finally:
            os.close(descriptor)
    except FileError as error:
        raise CtlError(error.message, error.remedy) from None


def _find(sections: tuple[UciSection, ...], wanted: str, file: str) -> tuple[int, UciSection]:
    """A client by name, section id or number. Raises CtlError."""
    numbered = list(enumerate(sections, start=1))
    for number, section in numbered:
        if wanted in _names(section, number):
            return number, section
    known = ", ".join(_names(section, number)[0] for number, section in numbered) or "none"
    raise CtlError(f"{file} has no client {wanted!r}", f"It has: {known}")


def _names(section: UciSection, number: int) -> list[str]:
    """What a client may be called, the best name first."""
    names = (section.get("name"), section.name, f"#{number}", section.id)
    return [name for name in names if name]


def _problem_error(problem: Problem) -> CtlError:
    place = ":".join(str(part) for part in (problem.file, problem.line) if part)
    what = f"{problem.option}: {problem.message}" if problem.option else problem.message
    return CtlError(f"{place}: {what}", problem.remedy)


def _key(settings: dict[str, str], name: str) -> bytes | None:
    """A key given in base64 or as it is. The error names the setting, never the key."""
    encoded = settings.get(f"{name}_BASE64")
    if encoded is None:
        text = settings.get(name)
        return None if text is None else text.encode("utf-8", "surrogateescape")
    try:
        return decode_key_base64(encoded)
    except KeyTextError as error:
        raise CtlError(f"{name}_BASE64: {error.message}", error.remedy) from None


def _choice(settings: dict[str, str], name: str, kind: type[_Choice], default: _Choice) -> _Choice:
    text = settings.get(name)
    if text is None:
        return default
    for member in kind:
        if member.value.lower() == text.lower():
            return member
    raise CtlError(f"{name}: {text!r} is not known", f"Use one of: {', '.join(kind)}")
