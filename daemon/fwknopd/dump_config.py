"""`fwknopd -D`: the settings in effect and the clients, as the C daemon prints them. No keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, fields

from fwknopd.config.server_variables import SERVER_VARIABLES
from fwknopd.config.settings import Configuration, ServerSettings
from fwknopd.config.variable import Kind, Status, Variable
from fwknopd.options import Options
from fwknopd.policy.stanza import Stanza
from fwknopd.run_paths import run_paths

NOT_SET = "<not set>"
_HEADED = ("number", "keys", "sources")
"""Fields of a stanza that have lines of their own form."""


def dump_text(options: Options, configuration: Configuration | None) -> str:
    """Everything, in many lines."""
    settings = configuration.settings if configuration else ServerSettings()
    lines = ["Current fwknopd config settings:"]
    network = configuration.network if configuration else None
    pairs = [*_settings(options, settings), *([("NETWORK", network)] if network else [])]
    for number, (name, value) in enumerate(pairs):
        lines.append(f"{number:3}. {name:<28} =  '{value}'")
    lines += ["", "Current fwknopd access settings:"]
    from_uci = configuration is not None and configuration.source == "uci"
    file = options.uci if from_uci else "the access.conf file"
    for stanza in configuration.stanzas if configuration else ():
        lines += [*_stanza(stanza, f"<see {file}>"), ""]
    return "\n".join(lines)


def _settings(options: Options, settings: ServerSettings) -> Iterator[tuple[str, str]]:
    yield "CONFIG_FILE", options.config_file
    yield "OVERRIDE_CONFIG", ",".join(options.override_config) or NOT_SET
    if options.uci is not None:
        yield "UCI", options.uci
    paths = run_paths(options, settings)
    in_effect = {
        "FWKNOP_RUN_DIR": paths.run_dir,
        "FWKNOP_PID_FILE": paths.pid_file,
        "DIGEST_FILE": paths.digest_file,
        "ACCESS_FILE": options.access_file or settings.access_file,
        "ACCESS_FOLDER": options.access_folder or settings.access_folder,
    }
    for variable in SERVER_VARIABLES:
        value = in_effect.get(variable.name)
        yield variable.name, _setting(variable, settings) if value is None else _text(value)


def _setting(variable: Variable, settings: ServerSettings) -> str:
    if variable.status is not Status.HONOURED:
        return f"<{variable.status}>"
    value = getattr(settings, variable.name.lower())
    if variable.kind is Kind.MARK:
        return f"{value:#x}"
    if isinstance(value, bool):
        return "Y" if value else "N"
    return _text(value)


def _stanza(stanza: Stanza, hidden: str) -> Iterator[str]:
    yield f"SOURCE ({stanza.number}):  {'ANY' if stanza.sources is None else _text(stanza.sources)}"
    yield "=" * 62
    for name, value in (*_keys(stanza, hidden), *_directives(stanza)):
        yield f"{name:>27}:  {value}"


def _keys(stanza: Stanza, hidden: str) -> Iterator[tuple[str, str]]:
    keys = stanza.keys
    yield "KEY_BASE64", hidden if keys.encryption_key else NOT_SET
    yield "KEY_LEN", str(len(keys.encryption_key or b""))
    yield "HMAC_KEY_BASE64", hidden if keys.hmac_key else NOT_SET
    yield "HMAC_KEY_LEN", str(len(keys.hmac_key or b""))
    yield "HMAC_DIGEST_TYPE", keys.hmac_type.value if keys.hmac_key else NOT_SET
    yield "ENCRYPTION_MODE", keys.mode.value


def _directives(stanza: Stanza) -> Iterator[tuple[str, str]]:
    for item in fields(stanza):
        if item.name not in _HEADED:
            yield item.name.upper(), _directive(item, stanza)


def _directive(item: Field[object], stanza: Stanza) -> str:
    value = getattr(stanza, item.name)
    if not item.repr:
        # What must not be in a repr is a secret.
        return "<hidden>" if value else NOT_SET
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return _text(value)


def _text(value: object) -> str:
    if value is None or value == "":
        return NOT_SET
    if isinstance(value, frozenset):
        return ", ".join(sorted(map(str, value))) or NOT_SET
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or NOT_SET
    return str(value)
