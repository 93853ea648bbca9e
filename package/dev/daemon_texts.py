"""The sentences in the daemon's sources that people read on the web page, as templates.

The daemon knows no gettext. A literal is its own template; in an f-string each expression
becomes a gap named after it, so "the device {device} is down" stands for the sentence whatever
the device. The web page finds the template by the words around the gaps (daemon_words).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "daemon/fwknopd"

_NAMES = """
    config/access_conf config/access_stanza config/addresses config/classic_parts
    config/command_values config/dates config/directive config/fwknopd_conf
    config/gpg_ring_checks config/gpg_stanza config/hours config/includes config/ipt_chain
    config/old_keys config/restart config/server_settings config/stanza_commands
    config/stanza_keys config/stock_values config/typed_values config/uci_config config/uci_edit
    config/uci_format config/uci_scanner config/values uci_store uci_files regular_file
    classic_files keys
    gpg_checks network netifd configuration accounts policy/addresses policy/authorizer
    policy/candidates policy/command_rules policy/doors policy/explanation
    policy/explanation_facts policy/explanation_reading policy/gpg_questions
    policy/replay_check policy/rules spa/base64 spa/cipher spa/digest spa/fields
    spa/gpg_packet spa/gpg_report spa/http spa/message spa/openpgp spa/packet spa/request
    gpg_queue gpg_jobs name_lookup engine command_queue judging undecided rehearsal workers
    children
    firewall/conntrack firewall/iptables_diagnosis firewall/iptables_overruled
    firewall/iptables_process firewall/log_only firewall/nft_elements firewall/nft_judging
    firewall/nft_process firewall/nft_table firewall/nftables firewall/process firewall/unused
    firewall/iptables firewall_guard clock status capture/faults capture/device capture/pcap
    capture/reopening capture/sockets command_reporting commands connections reloading
    service intake runner startup old_keys open_doors open_cycles knock_commands reporting
    ended_keys owner_journal cycle_journal replay_memory replay_journal gpg_rings sandbox verbs
    config/device_names config/port_lists config/unset_variables config/wanted config/wanted_csv
    config/wanted_check config/wanted_package config/wanted_warnings config/shared_keys key_handing
    firewall/exposure exposed_ports
"""
MODULES = tuple(_NAMES.split())
"""Where problems, verdicts, explanations and states get their words."""

_GAP = re.compile(r"\{(\w*)\}")
_MACHINE = re.compile(
    r"[\n\\\x00]|\(\?|\{\"|^--?\w|%[YHMsr]|^(?:add|delete|meta|ct|iifname|udp|tcp|inet)\b|^(?:CMD:|#)"
    r"|^fwknopd: $|^(?:DNAT|FORWARD) ALL$"
)
"""Patterns, commands, rules, and marks by which things are told apart: nobody's sentences."""

_OWN = frozenset({"xtables lock", "Operation not permitted", "Permission denied", "must be root"})
"""What other programs say, looked for in their answers."""

MAX_VARIANTS = 40


def texts() -> Iterator[tuple[str, str]]:
    """Every sentence, with the file it stands in."""
    for name in MODULES:
        path = ROOT / f"{name}.py"
        for text in dict.fromkeys(_of_source(ast.parse(path.read_text()))):
            yield f"fwknopd/{name}.py", text


def _of_source(tree: ast.Module) -> Iterator[str]:
    inner = set(_inner(tree))
    for node in ast.walk(tree):
        if id(node) not in inner and isinstance(node, ast.JoinedStr | ast.BinOp | ast.Constant):
            yield from (text for text in map(_numbered, _templates(node)) if is_sentence(text))


def _inner(tree: ast.Module) -> Iterator[int]:
    """Nodes that are part of a text, docstrings, and types in quotes."""
    for node in ast.walk(tree):
        if (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) or (
            isinstance(node, ast.AnnAssign) and _name(node.annotation) == "TypeAlias"
        ):
            yield id(node.value)
        elif isinstance(node, ast.JoinedStr | ast.BinOp):
            yield from (id(part) for part in ast.walk(node) if part is not node)


def _templates(node: ast.expr) -> list[str]:
    """What the expression may say, each alternative by itself."""
    match node:
        case ast.Constant(value=str(value)):
            return [value]
        case ast.JoinedStr(values=parts):
            return _joined([_part(part) for part in parts])
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _joined([_templates(left), _templates(right)])
        case ast.IfExp(body=body, orelse=other):
            return [*_templates(body), *_templates(other)]
        case ast.Constant(value=int(value)):
            return [str(value)]
    return [f"{{{_name(node)}}}"]


def _part(node: ast.expr) -> list[str]:
    if isinstance(node, ast.FormattedValue):
        inner = node.value
        alternatives = isinstance(inner, ast.IfExp | ast.Constant)
        return _templates(inner) if alternatives else [f"{{{_name(inner)}}}"]
    return _templates(node)


def _joined(parts: list[list[str]]) -> list[str]:
    found = [""]
    for part in parts:
        found = [before + after for before in found for after in part][:MAX_VARIANTS]
    return found


def _name(node: ast.expr) -> str:
    """What to call a gap."""
    match node:
        case ast.Name(id=name):
            return name.strip("_")
        case ast.Attribute(attr=name):
            return name.strip("_")
        case ast.Call(args=[first, *_rest]):
            return _name(first)
        case ast.Call(func=function):
            return _name(function)
        case ast.Subscript(value=value):
            return _name(value)
    return "value"


def _numbered(text: str) -> str:
    """The same with a number behind the names of gaps that come again."""
    seen: dict[str, int] = {}

    def numbered(gap: re.Match[str]) -> str:
        seen[gap[1]] = seen.get(gap[1], 0) + 1
        return f"{{{gap[1]}{seen[gap[1]] if seen[gap[1]] > 1 else ''}}}"

    return _GAP.sub(numbered, text)


def is_sentence(text: str) -> bool:
    """Whether it is made of words, for people."""
    words = re.findall(r"[A-Za-z']{2,}", _GAP.sub(" ", text))
    # One word between gaps would be found in everybody's sentences.
    is_own = len(words) > 1 or (len(words) == 1 and (text[0].isalpha() or "(" in text))
    return is_own and " " in text and not _MACHINE.search(text) and text not in _OWN
