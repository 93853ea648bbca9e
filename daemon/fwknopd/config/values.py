"""Values from text: one reader for each kind of variable.

Whatever these functions get, they return a value or raise InvalidValue; where fwknopd
is lenient and people's files rely on it they accept the text and record that.
Ranges, choices and lengths come from the variable table.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fwknopd.config.addresses import parse_host, parse_nat_ranges, parse_networks
from fwknopd.config.command_values import read_account, read_command, read_commands
from fwknopd.config.dates import parse_date
from fwknopd.config.device_names import DEVICE_NAME_RULE, is_device_name
from fwknopd.config.endpoint import parse_endpoint
from fwknopd.config.file_text import encode_text
from fwknopd.config.hours import parse_days, parse_hours
from fwknopd.config.invalid import CONTROL, InvalidValue, Leniencies, shown
from fwknopd.config.ipt_chain import parse_ipt_chain
from fwknopd.config.port_lists import MAX_PORT, read_ports
from fwknopd.config.variable import Kind, Variable
from fwknopd.keys import KeyTextError, decode_key_base64
from fwknopd.policy.schedule import HourRange
from fwknopd.policy.stanza import Address, NatRange, NatTarget

TRUE_WORDS = frozenset({"1", "on", "true", "yes", "enabled"})
FALSE_WORDS = frozenset({"0", "off", "false", "no", "disabled"})
"""UCI's words for a switch; platform notes 1.7."""

_FINGERPRINT = 40
_COMMENT = re.compile(r"\s+#.*\Z", re.DOTALL)
_DIGEST = re.compile("[0-9a-f]{64}")
_FREE_TEXT = frozenset({Kind.TEXT, Kind.KEY_TEXT, Kind.PATH, Kind.FILTER})
_FREE_TEXT |= {Kind.COMMAND, Kind.COMMANDS}


def says_off(text: str) -> bool:
    """Whether this value of a switch such as ``enabled`` is read as off."""
    return _COMMENT.sub("", text.strip()).lower() in FALSE_WORDS


def says_on(text: str) -> bool:
    """Whether this value of a switch such as ``enabled`` is read as on."""
    return _COMMENT.sub("", text.strip()).lower() in TRUE_WORDS


def says_yes(text: str) -> bool:
    """Whether this value of a directive such as FORWARD_ALL is read as Yes."""
    return text.strip()[:1] in ("Y", "y")


def parse_value(variable: Variable, text: str, leniencies: Leniencies) -> Any:
    """The typed value of ``variable``. Raises InvalidValue.

    Types: bool (BOOLEAN, SWITCH), int (INTEGER, MARK, DATE and EPOCH as seconds since
    1970), bytes (keys), tuple of networks or None for ANY, frozenset of PortSpec,
    NatTarget, tuple of NatRange, tuple of HourRange, frozenset of day numbers, tuple of
    commands, frozenset of key ids as text, an address, else str (IPT_CHAIN in one fixed form).
    """
    text = text.strip()
    if variable.kind not in _FREE_TEXT:
        text = _without_comment(variable, text, leniencies)
    return _READERS[variable.kind](variable, text, leniencies)


def _without_comment(variable: Variable, text: str, leniencies: Leniencies) -> str:
    """fwknopd has no comments after values, yet its lenient readers let them pass."""
    plain = _COMMENT.sub("", text)
    if plain != text:
        leniencies.add(
            "'#' does not start a comment after a value; what follows it is ignored here",
            f"End the value with ; or put the comment on a line above {variable.name}.",
        )
    return plain


def _boolean(variable: Variable, text: str, leniencies: Leniencies) -> bool:
    if says_yes(text):
        return True
    if text[:1] not in ("N", "n"):
        leniencies.add(
            f"{shown(text)} means No: fwknopd takes only words that begin with Y as Yes",
            f"Write {variable.name} Y or {variable.name} N.",
        )
    return False


def _switch(variable: Variable, text: str, leniencies: Leniencies) -> bool:
    if says_on(text):
        return True
    if says_off(text):
        return False
    raise InvalidValue(f"{shown(text)} is neither on nor off", "Write 1 or 0.")


def _integer(variable: Variable, text: str, leniencies: Leniencies) -> int:
    if text.isascii() and text.isdigit() and len(text) < 20:
        number = int(text)
        if (variable.minimum or 0) <= number <= (variable.maximum or number):
            return number
    unit = f" ({variable.unit})" if variable.unit else ""
    raise InvalidValue(
        f"{shown(text)} is not a number from {variable.minimum} to {variable.maximum}{unit}",
        f"Write only digits, for example {variable.example}.",
    )


def _mark(variable: Variable, text: str, leniencies: Leniencies) -> int:
    base = 16 if text.lower().startswith("0x") else 10
    try:
        number = int(text, base) if len(text) < 20 and "_" not in text else 0
    except ValueError:
        number = 0
    if number < 1 or number > 0x80000000 or number & (number - 1):
        raise InvalidValue(
            f"{shown(text)} is not a single bit of a 32-bit mark",
            f"Write one bit as a hexadecimal number, for example {variable.example}.",
        )
    return number


def _text(variable: Variable, text: str, leniencies: Leniencies) -> str:
    if CONTROL.search(text):
        raise InvalidValue("it holds a line break or control character", "Write it on one line.")
    if variable.maximum is not None and len(text) > variable.maximum:
        raise InvalidValue(
            f"it has {len(text)} characters, more than {variable.maximum}", "Shorten it."
        )
    return text


def _run_dir_or_path(variable: Variable, text: str, leniencies: Leniencies) -> str:
    if variable.name == "FWKNOP_RUN_DIR" and not text.startswith("/"):
        raise InvalidValue(
            f"{shown(text)} is not a full path", f"Write it from /, as {variable.example}."
        )
    return _text(variable, text, leniencies)


def _interface(variable: Variable, text: str, leniencies: Leniencies) -> str:
    names = text.replace(",", " ").split()
    if not names or not all(map(is_device_name, names)):
        raise InvalidValue(
            f"{shown(text)} is no device name ({DEVICE_NAME_RULE})",
            f"Write a name that `ip link` shows, for example {variable.example}.",
        )
    return " ".join(names)


def _choice(variable: Variable, text: str, leniencies: Leniencies) -> str:
    for choice in variable.choices:
        if choice.lower() == text.lower():
            return choice
    raise InvalidValue(
        f"{shown(text)} is not one of the possible values",
        f"Write one of {', '.join(variable.choices)}.",
    )


def _address(variable: Variable, text: str, leniencies: Leniencies) -> Address:
    address = parse_host(text)
    if address is None:
        raise InvalidValue(
            f"{shown(text)} is no address", f"Write it like {variable.example} or fd00::1."
        )
    return address


def _networks(variable: Variable, text: str, leniencies: Leniencies) -> Any:
    return parse_networks(text, leniencies)


def _key_text(variable: Variable, text: str, leniencies: Leniencies) -> bytes:
    if CONTROL.search(text.replace("\t", " ")):
        raise InvalidValue(
            "the key holds a line break or control character",
            f"Use {variable.name}_BASE64 for such a key.",
        )
    return encode_text(text)


def _key_base64(variable: Variable, text: str, leniencies: Leniencies) -> bytes:
    try:
        return decode_key_base64(text)
    except KeyTextError as error:
        raise InvalidValue(error.message, error.remedy) from error


def _date(variable: Variable, text: str, leniencies: Leniencies) -> int:
    return parse_date(text, leniencies)


def _hours(variable: Variable, text: str, leniencies: Leniencies) -> tuple[HourRange, ...]:
    return parse_hours(text)


def _days(variable: Variable, text: str, leniencies: Leniencies) -> frozenset[int]:
    return parse_days(text)


def _nat_target(variable: Variable, text: str, leniencies: Leniencies) -> NatTarget:
    words = text.split()
    address = parse_host(words[0]) if len(words) == 2 else None
    port = words[1] if len(words) == 2 and words[1].isascii() and words[1].isdigit() else ""
    if address is None or not port or len(port) > 5 or int(port) > MAX_PORT:
        raise InvalidValue(
            f"{shown(text)} is not an address, a blank and a port from 0 to {MAX_PORT}",
            f"Write it like {variable.example}.",
        )
    return NatTarget(address, int(port))


def _nat_ranges(variable: Variable, text: str, leniencies: Leniencies) -> tuple[NatRange, ...]:
    return parse_nat_ranges(text, leniencies)


def _gpg_ids(variable: Variable, text: str, leniencies: Leniencies) -> frozenset[str]:
    """Ids as they are written: fwknopd compares letter by letter, and so nobody else gets in."""
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not items:
        raise InvalidValue("it names no key", f"Write it like {variable.example}.")
    length = variable.minimum or 0
    for item in items:
        if not re.fullmatch(rf"[0-9A-F]{{{length}}}", item):
            what = "the last 8 digits of" if length < _FINGERPRINT else "the whole of"
            leniencies.add(
                f"{shown(item)} never fits: it is compared with {what} the signing key's "
                "fingerprint, without blanks and in capitals",
                _right_id(item, length) or f"Write it like {variable.example}.",
            )
    return frozenset(items)


def _right_id(item: str, length: int) -> str:
    """What was meant, if that can be told."""
    digits = "".join(item.split()).upper().removeprefix("0X")
    if not re.fullmatch(r"[0-9A-F]{8,40}", digits) or len(digits) < length:
        return ""
    return f"Write {digits[-length:]}."


def _ipt_chain(variable: Variable, text: str, leniencies: Leniencies) -> str:
    return str(parse_ipt_chain(text, variable.name))


def _digest(variable: Variable, text: str, leniencies: Leniencies) -> str:
    if not _DIGEST.fullmatch(text.lower()):
        raise InvalidValue(
            "it is not a SHA-256 digest, which has 64 hexadecimal digits",
            "Let `fwknopctl metrics --new-token` make one.",
        )
    return text.lower()


_READERS: dict[Kind, Callable[[Variable, str, Leniencies], Any]] = {
    Kind.BOOLEAN: _boolean,
    Kind.SWITCH: _switch,
    Kind.INTEGER: _integer,
    Kind.MARK: _mark,
    Kind.TEXT: _text,
    Kind.CHOICE: _choice,
    Kind.PATH: _run_dir_or_path,
    Kind.INTERFACE: _interface,
    Kind.FILTER: _text,
    Kind.ADDRESS: _address,
    Kind.NETWORKS: _networks,
    Kind.PORTS: read_ports,
    Kind.KEY_TEXT: _key_text,
    Kind.KEY_BASE64: _key_base64,
    Kind.DATE: _date,
    Kind.EPOCH: _integer,
    Kind.HOURS: _hours,
    Kind.DAYS: _days,
    Kind.NAT_TARGET: _nat_target,
    Kind.NAT_RANGES: _nat_ranges,
    Kind.GPG_IDS: _gpg_ids,
    Kind.IPT_CHAIN: _ipt_chain,
    Kind.ACCOUNT: lambda variable, text, _: read_account(variable, text),
    Kind.COMMAND: lambda variable, text, _: read_command(variable, text),
    Kind.COMMANDS: lambda variable, text, _: read_commands(variable, text),
    Kind.DIGEST: _digest,
    Kind.ENDPOINT: lambda variable, text, _: str(parse_endpoint(text, variable.example)),
}
