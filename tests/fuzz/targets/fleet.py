"""What tools for many routers bring: NetJSON, tables of clients, and what they want in JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache

from fwknopd.config.convert import MASK
from fwknopd.config.netjson_reading import uci_from_netjson, variables_from_json
from fwknopd.config.netjson_writing import netjson_from_uci
from fwknopd.config.old_key_sections import name_of
from fwknopd.config.problems import ConfigError
from fwknopd.config.uci_config import configuration_from_uci
from fwknopd.config.uci_differences import differences
from fwknopd.config.uci_edit import apply
from fwknopd.config.uci_format import UciPackage, decode_text, encode_text, format_uci, parse_uci
from fwknopd.config.variables import is_secret
from fwknopd.config.wanted import State, Wanted, WantedClient, wanted_from_json
from fwknopd.config.wanted_csv import clients_from_csv
from fwknopd.config.wanted_package import Moment, as_wanted
from tests.fuzz.mutators import json_values, one_of, parts
from tests.fuzz.target import Mutator, Target
from tests.fuzz.targets.classic import KEY, NAMES, OTHER, VALUES, check_problems
from tests.fuzz.targets.uci import meaning

NOW = 1_800_000_000
SECRET, SECOND = KEY.decode(), OTHER.decode()


# NetJSON: the document, and behind a NUL what OpenWISP knows of the device.


def check_netjson(data: bytes) -> None:
    """A package that is the same when written and read, and again when exported; or ConfigError."""
    text, _, known = decode_text(data).partition("\0")
    try:
        package = uci_from_netjson(text, "f", variables_from_json(known, "v") if known else {})
    except ConfigError as error:
        check_problems(error.problems)
        return
    assert_is_written(package)
    if meaning(package) is None:
        return
    exported = netjson_from_uci(package, "f")
    check_problems(exported.losses)
    shown = [block.items() for block in exported.masked["fwknopd"]]
    assert all(value == MASK for items in shown for name, value in items if is_secret(name))
    if exported.usable:
        again = uci_from_netjson(exported.text, "f", {})
        assert format_uci(again) == format_uci(package)


def assert_is_written(package: UciPackage) -> None:
    """In UCI it is what it is."""
    text = format_uci(package)
    assert format_uci(parse_uci(text, "f")) == text


def netjson_seeds() -> list[bytes]:
    exported = netjson_from_uci(start(), "f").document
    client = {
        **{"config_name": "access", "config_value": "b-c.d", "name": "{{ who }}", "SOURCE": "ANY"},
        **{"KEY_BASE64": "{{key}}", "OPEN_PORTS": ["tcp/22", "x \"y\" '\\'' z"], "enabled": True},
    }
    named = {"type": "DeviceConfiguration", "fwknopd": [client], "interfaces": []}
    variables = {"who": "phone", "key": SECRET, "id": 7}
    texts = [json.dumps(document).encode() for document in (exported, named)]
    return [texts[0], texts[1], texts[1] + b"\0" + json.dumps(variables).encode()]


def in_halves(change: Mutator) -> Mutator:
    """Each of two texts with a NUL between them."""
    return lambda data, random: b"\0".join(change(half, random) for half in data.split(b"\0"))


# What is wanted: a document, or a table. Both are made of the same start.


@cache
def start() -> UciPackage:
    """A router with a client."""
    text = (
        "config global\n option uci_enabled 1\nconfig network\n option network wan\n"
        "config access 'phone'\n option name phone\n option SOURCE ANY\n"
        f" option KEY_BASE64 {SECRET}\n option HMAC_KEY_BASE64 {SECOND}\n list OPEN_PORTS tcp/22\n"
        "config access\n option old_keys_of phone\n option SOURCE ANY\n option KEY 'first one'\n"
        " option ACCESS_EXPIRE_EPOCH 1900000000\n"
    )
    return parse_uci(text, "f")


def check_wanted(data: bytes) -> None:
    """What a document wants is so afterwards, and wants no more then; or ConfigError."""
    try:
        wanted = wanted_from_json(decode_text(data), "standard input")
    except ConfigError as error:
        assert_told(error)
        return
    check_made(wanted, data)


def check_table(data: bytes) -> None:
    """The same of a table. A row that is read names a client, and says where it stands."""
    text = decode_text(data)
    try:
        rows = clients_from_csv(text, "table.csv")
    except ConfigError as error:
        assert_told(error)
        return
    lines = text.count("\n") + text.count("\r") + 1
    for row in rows:
        assert row.client.origin is not None
        assert 1 <= row.client.origin[1] <= lines
        assert row.client.state is None
    check_made(Wanted(clients=tuple(row.client for row in rows)), data)


def check_made(wanted: Wanted, data: bytes) -> None:
    """It is made, written and read back; whoever is to be there may knock."""
    found = {key for client in wanted.clients for key in client.keys.values() if len(key) > 15}
    # What stands somewhere else, too, such as in a name or as a field's, may be told.
    fields = repr(Wanted(clients=(WantedClient(""),)))
    keys = {k for k in found if data.count(encode_text(k)) == 1 and k not in fields}
    assert not any(key in repr(wanted) for key in keys)
    try:
        after = made(start(), wanted, "old_1")
    except ConfigError as error:
        assert_told(error)
        assert not any(key in str(problem) for problem in error.problems for key in keys)
        return
    assert made(after, wanted, "old_2") == after, "it wants more when it is so"
    assert_is_written(after)
    # But for the order of options, which means nothing.
    changed = apply(start(), differences(start(), after))
    assert not differences(changed, after)
    assert meaning(changed) == meaning(after)
    numbers = {stanza.number for stanza in configuration_from_uci(after, "f").stanzas}
    present = {client.name for client in wanted.clients if client.state in (None, State.PRESENT)}
    for number, section in enumerate(after.of_type("access"), start=1):
        assert name_of(section) not in present or number in numbers


def made(package: UciPackage, wanted: Wanted, section: str) -> UciPackage:
    return as_wanted(package, wanted, Moment(NOW, lambda: section), "f")


def assert_told(error: ConfigError) -> None:
    """In whole lines."""
    check_problems(error.problems)
    assert error.problems


def wanted_seeds() -> list[bytes]:
    keys = {"KEY_BASE64": SECOND, "HMAC_KEY_BASE64": SECRET}
    options = {"OPEN_PORTS": ["tcp/22", "udp/53"], "FW_ACCESS_TIMEOUT": 60, "note": None}
    documents: Sequence[object] = (
        {"enabled": True, "network": "wan wan6", "settings": {"MAX_SPA_PACKET_AGE": "60"}},
        {"clients": [{"name": "phone", "keys": keys, "overlap_hours": 5, "options": options}]},
        {"clients": [{"name": "phone", "state": "revoked"}, {"name": "x", "state": "absent"}]},
        {
            "exclusive": True,
            "clients": [
                {"name": "new", "keys": keys, "end_at_first_use": True, "overlap_hours": 1}
            ],
        },
    )
    return [json.dumps(document).encode() for document in documents]


def table_seeds() -> list[bytes]:
    quoted = f'\ufeffname;OPEN_PORTS;KEY_BASE64\nphone;"tcp/22, udp/53";\n\n"a ""b""";;{SECOND}'
    texts = (
        f"name,OPEN_PORTS,KEY_BASE64,HMAC_KEY_BASE64\r\nnew,tcp/22,{SECOND},{SECRET}\r\n",
        quoted,
        f"sep=;\nname;OPEN_PORTS;KEY\nnew;tcp/22,udp/53;{'k' * 20}\n",
        f"name,note,KEY,ACCESS_EXPIRE\na,x\u2028y,{'k' * 20},1/2/2030\nb,,{'b' * 20},\n",
    )
    return [text.encode() for text in texts]


WORDS = ("name", "state", "options", "keys", "overlap_hours", "end_at_first_use", "clients")
MORE = ("enabled", "network", "settings", "exclusive", "revoked", "absent", "present", "phone")
DEVICE = ("config_name", "config_value", "fwknopd", "access", "{{ key }}", "{{who}}", "config")
KNOWN = tuple(name.decode() for name in NAMES)
COLUMNS = (b"name", b"phone", b'"', b'""', b";", b",", b"\r\n", SECOND.encode(), *NAMES, *VALUES)

TARGETS = (
    Target(
        "netjson",
        "NetJSON is a package that UCI and NetJSON can hold and give back, or ConfigError.",
        check_netjson,
        netjson_seeds,
        one_of(
            in_halves(json_values((*DEVICE, *WORDS, *KNOWN))),
            parts((b'"', b"'", b"\\"), (b"{{", b"}}")),
        ),
        tuple(f'"{word}"'.encode() for word in DEVICE),
        grown=1 << 15,
    ),
    Target(
        "wanted",
        "What a tool wants in JSON is so afterwards and wants no more then, or is refused without "
        "telling a key.",
        check_wanted,
        wanted_seeds,
        json_values((*WORDS, *MORE, *KNOWN)),
        tuple(f'"{word}"'.encode() for word in (*WORDS, *MORE)),
        grown=1 << 15,
    ),
    Target(
        "wanted_table",
        "A table of clients is made once, of rows with their lines, or is refused without telling "
        "a key.",
        check_table,
        table_seeds,
        parts((b"\n", b",", b";", b'"'), COLUMNS),
        (b"name,", b'"', b"\r\n", b"KEY", b"OPEN_PORTS", b"\xe2\x80\xa8"),
        grown=1 << 15,
    ),
)
