"""UCI: the file, pending changes to it, and what a configuration is made of."""

from __future__ import annotations

import json
from dataclasses import replace

from fwknopd.config.migration import migrate
from fwknopd.config.problems import ConfigError
from fwknopd.config.settings import Configuration
from fwknopd.config.uci_changes import SetOption, apply
from fwknopd.config.uci_config import configuration_from_uci, uci_enabled
from fwknopd.config.uci_delta import format_delta, parse_delta
from fwknopd.config.uci_format import (
    UciPackage,
    UciSyntaxError,
    decode_text,
    encode_text,
    format_uci,
    parse_uci,
)
from fwknopd.config.uci_model import is_writable_type
from fwknopd.config.uci_to_classic import classic_from_uci
from fwknopd.uci_store import StoreError, UciStore
from tests.fuzz.mutators import parts
from tests.fuzz.target import Target
from tests.fuzz.targets.classic import KEY, NAMES, OTHER, VALUES, check_problems
from tests.fuzz.targets.state import folder, kept
from tests.interop.spa_vectors import DATA

FRESH = (KEY.decode(), OTHER.decode())
BASE = b"config a 'a'\n option k v\n list l 1\n list l 2\nconfig b 'b'\n option k w\n"


def check_file(data: bytes) -> None:
    """UciSyntaxError with its line, or a package that is the same when written and read."""
    assert encode_text(decode_text(data)) == data
    try:
        package = parse_uci(data, "f")
    except UciSyntaxError as error:
        assert 1 <= error.line <= data.count(b"\n") + 1
        check_problems(error.problems)
        return
    if not all(is_writable_type(section.type) for section in package.sections):
        return
    # Names of anonymous sections count; those of a merged file count anew.
    again = parse_uci(encode_text(format_uci(package)), "f")
    # As bytes: parts of a character that quotes kept apart are one when they are together.
    assert encode_text(format_uci(again)) == encode_text(format_uci(package))


def check_package(data: bytes) -> None:
    """A configuration or ConfigError, the same from the file written anew; migration ends."""
    try:
        package = parse_uci(data, "f")
    except UciSyntaxError:
        return
    if not all(is_writable_type(section.type) for section in package.sections):
        return
    package = parse_uci(format_uci(package), "f")
    found = meaning(package)
    assert meaning(parse_uci(format_uci(package), "f")) == found
    assert uci_enabled(package) in (True, False)
    migrated = apply(package, migrate(package, lambda: FRESH).changes)
    assert not migrate(migrated, lambda: FRESH).changes, "a second migration found more to do"
    try:
        exported = classic_from_uci(package, "f")
    except ConfigError as error:
        check_problems(error.problems)
        return
    check_problems(exported.losses)


def meaning(package: UciPackage) -> Configuration | None:
    """What the daemon makes of it, without the places of problems."""
    try:
        configuration = configuration_from_uci(package, "f")
    except ConfigError as error:
        check_problems(error.problems)
        return None
    check_problems(configuration.problems)
    for stanza in configuration.stanzas:
        assert KEY.decode() not in repr(stanza)
    return replace(configuration, problems=())


def check_delta(data: bytes) -> None:
    """Changes that are the same when recorded again; committed, they leave a file that is read."""
    changes = parse_delta(decode_text(data), "fwknopd")
    again = parse_delta(format_delta(changes, "fwknopd"), "fwknopd")
    assert format_delta(again, "fwknopd") == format_delta(changes, "fwknopd")
    path, delta = kept("fwknopd", BASE), kept("fwknopd.delta", data)
    savedir = folder() / "savedir"
    savedir.mkdir(mode=0o700, exist_ok=True)
    delta.replace(savedir / "fwknopd")
    store = UciStore(path, savedir)
    loaded = store.load()
    try:
        store.commit([SetOption("b", "committed", "yes")], loaded.etag)
    except StoreError as error:
        assert str(error)
        assert path.read_bytes() == BASE, "refused, and written all the same"
        return
    committed = store.load()
    assert committed.pending == ()
    # Not by its name: pending changes can take that away from it.
    assert any(section.get("committed") == "yes" for section in committed.package.sections)


def _recorded() -> list[str]:
    vectors = json.loads((DATA.parent / "uci" / "vectors.json").read_text())
    found: set[str] = set()
    _texts(vectors, found)
    return sorted(found)


def _texts(value: object, found: set[str]) -> None:
    if isinstance(value, str):
        found.add(value)
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _texts(item, found)


def file_seeds() -> list[bytes]:
    """A choice of the recorded files, each unlike the others in length."""
    files = [text for text in _recorded() if "config " in text and len(text) < 1500]
    return [encode_text(text) for text in {len(text) // 20: text for text in files}.values()]


def package_seeds() -> list[bytes]:
    key, other = KEY.decode(), OTHER.decode()
    client = (
        "config access 'phone'\n\toption name 'phone'\n\toption SOURCE 'ANY'\n"
        f"\toption KEY_BASE64 '{key}'\n\toption HMAC_KEY_BASE64 '{other}'\n"
        "\tlist OPEN_PORTS 'tcp/22'\n\tlist OPEN_PORTS 'udp/53-60'\n"
    )
    heading = (
        "config global\n\toption uci_enabled '1'\n\nconfig network\n\toption network 'wan'\n\n"
        "config config\n\toption ENABLE_IPT_FORWARDING 'y'\n\toption PCAP_FILTER 'udp port 1'\n\n"
    )
    old = (
        "config access\n\toption SOURCE 'ANY'\n\toption keytype 'KEY'\n"
        "\toption KEY '__CHANGEME__'\n"
        f"\toption KEY_BASE64 '{key}'\n\nconfig access\n\toption old_keys_of 'phone'\n"
        f"\toption SOURCE ANY\n\toption KEY '{other}'\n\toption ACCESS_EXPIRE_EPOCH '1900000000'\n"
    )
    fresh = "config global\n\toption uci_enabled '0'\nconfig access\n\toption KEY CHANGEME\n"
    return [text.encode() for text in (heading + client, client + old, heading + old, fresh)]


def delta_seeds() -> list[bytes]:
    recorded = [t for t in _recorded() if t[:1] in "-+@^|~" and "." in t and len(t) < 400]
    own = (
        "fwknopd.a.k='x'\n|fwknopd.a.l='3'\n~fwknopd.a.l='1'\n-fwknopd.a.k\n@fwknopd.a='n'\n"
        "^fwknopd.b='0'\n+fwknopd.cfg03abcd='access'\nfwknopd.c='access'\n-fwknopd.a.l='1'\n"
    )
    return [own.encode(), *(encode_text(text) for text in recorded[:40])]


FILE_WORDS = (
    *(b"config ", b"option ", b"list ", b"package ", b"\n\toption x 'y'", b"'\\''", b"\\\n", b'"'),
    *(b"access", b"global", b"network", b"old_keys_of", b"uci_enabled", b"keytype", b"#", b";"),
)
DELTA_WORDS = (
    *(b"fwknopd.a", b"fwknopd.b.k", b"fwknopd.a.l", b"=", b"'", b"^", b"-", b"@", b"+", b"|", b"~"),
    *(b"'a b'", b"'a\nb'", b"'#'", b"'0'", b"'999999999'"),
)

TARGETS = (
    Target(
        "uci_file",
        "A UCI file is refused with its line, or is the same when written and read again.",
        check_file,
        file_seeds,
        parts((b"\n", b" ", b"'", b"\t"), FILE_WORDS),
        FILE_WORDS,
        grown=1 << 17,
    ),
    Target(
        "uci_configuration",
        "A UCI package is a configuration or ConfigError, and the same when written anew; "
        "migration has nothing to do the second time.",
        check_package,
        package_seeds,
        parts((b"\n", b" ", b"'"), (*FILE_WORDS, *VALUES, *NAMES)),
        (*FILE_WORDS, *VALUES, *NAMES),
        grown=1 << 15,
    ),
    Target(
        "uci_delta",
        "Pending changes are read or passed over, and leave a file that can be read.",
        check_delta,
        delta_seeds,
        parts((b"\n", b".", b"=", b"'"), DELTA_WORDS),
        DELTA_WORDS,
        grown=1 << 14,
    ),
)
