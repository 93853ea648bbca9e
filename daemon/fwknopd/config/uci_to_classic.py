"""A UCI package as fwknopd.conf and access.conf that mean the same, for the C daemon too.

Nobody may be let in by less than UCI asks for. So a client whose rules the classic files
can't hold is left out, as a comment, and one that is switched off becomes one whose access
has ended. Each stanza is read back and compared before it counts as written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from fwknopd.config.access_conf import stanzas_from_access_conf
from fwknopd.config.conf_lines import MAX_LINE
from fwknopd.config.convert import same_rules, settings_differences
from fwknopd.config.directive import Directive, Findings
from fwknopd.config.fwknopd_conf import settings_from_fwknopd_conf
from fwknopd.config.problems import ConfigError, Problem, Severity
from fwknopd.config.settings import Configuration, ServerSettings
from fwknopd.config.stanza_keys import KEY_NAMES
from fwknopd.config.uci_config import DROPPED_OPTIONS, configuration_from_uci
from fwknopd.config.uci_format import encode_text
from fwknopd.config.uci_model import UciOption, UciPackage, UciSection
from fwknopd.config.unset_variables import is_no_key
from fwknopd.config.values import says_off
from fwknopd.config.variable import Kind, Scope, Status
from fwknopd.config.variables import lookup
from fwknopd.keys import encode_key_base64
from fwknopd.policy.stanza import Stanza

ENDED = 1
"""ACCESS_EXPIRE_EPOCH of a client that is switched off. It must not be 0, which is never."""

_ONE_WAY = "The comment is for you: an import does not read it."
_COLUMN = 27
_KNOWN = {"global": {"uci_enabled"}, "network": {"network"}}


@dataclass(frozen=True, slots=True)
class Exported:
    """The two texts. ``original`` is what UCI says to the daemon.

    ``losses`` tells what is not carried over; an error among them means that the server
    settings would differ.
    """

    fwknopd_conf: str
    access_conf: str
    original: Configuration
    losses: tuple[Problem, ...]

    @property
    def usable(self) -> bool:
        """Do the settings mean the same as in UCI?"""
        return all(loss.severity is not Severity.ERROR for loss in self.losses)


def classic_from_uci(package: UciPackage, file: str, device: str = "") -> Exported:
    """The package in classic form. ``file`` is named in reports.

    ``device`` is captured on when UCI names a network, of which the classic files know
    nothing. Raises ConfigError when the daemon could not use the package.
    """
    original = configuration_from_uci(package, file)
    losses = Findings()
    _report_strangers(package, file, losses)
    writer = _Writer(file, losses)
    settings = original.settings
    if original.network is not None and device:
        settings = replace(settings, pcap_intf=device)
    server = writer.server(package, original, device)
    _compare_settings(server, settings, original, file, losses)
    stanzas = {stanza.number: stanza for stanza in original.stanzas}
    blocks = [
        writer.client(section, stanzas.get(number), original.settings)
        for number, section in enumerate(package.of_type("access"), start=1)
    ]
    if not any(line.startswith("SOURCE") for block in blocks for line in block.split("\n")):
        losses.warn(
            Directive("", "", file),
            "no client is left for access.conf, and fwknopd wants one at least",
            "Make a client in UCI first.",
        )
    if original.settings.access_folder:
        losses.warn(
            Directive("ACCESS_FOLDER", "", file),
            "it comes along, and makes fwknopd read that folder instead of access.conf",
            "Delete the line, or start fwknopd with -a.",
        )
    head = f"# Written by fwknopctl export from {file}.\n"
    return Exported(head + server, "\n".join((head, *blocks)), original, losses.problems())


def _report_strangers(package: UciPackage, file: str, losses: Findings) -> None:
    for section in package.sections:
        known = _KNOWN.get(section.type, set())
        if section.type in ("config", "access"):
            continue
        for option in section.options:
            if option.name not in known:
                losses.note(
                    _place(option, section, file),
                    f"not carried over: sections of type {section.type} are UCI's own",
                    "Nothing is lost as long as UCI keeps it.",
                )


def _place(option: UciOption, section: UciSection, file: str) -> Directive:
    return Directive(option.name, "", file, option.line, section.id)


def _compare_settings(
    text: str, wanted: ServerSettings, original: Configuration, file: str, losses: Findings
) -> None:
    found, _ = settings_from_fwknopd_conf(text, file)
    if original.network is not None and found.pcap_intf != wanted.pcap_intf:
        losses.warn(
            Directive("network", "", file),
            f"fwknopd.conf knows no network: {original.network} becomes {found.pcap_intf}",
            "Name its device with --interface.",
        )
        wanted = replace(wanted, pcap_intf=found.pcap_intf)
    for name in settings_differences(found, wanted):
        severity = Severity.ERROR
        variable = lookup(Scope.SERVER, name) or lookup(Scope.SERVER, name.lower())
        if variable is not None and variable.uci_only:
            severity = Severity.WARNING
        losses.add(
            severity,
            Directive(variable.name if variable else name, "", file),
            "fwknopd.conf can't say what UCI says",
            "Give it on the command line if there is an option for it.",
        )


class _Writer:
    def __init__(self, file: str, losses: Findings) -> None:
        self._file = file
        self._losses = losses

    # fwknopd.conf

    def server(self, package: UciPackage, original: Configuration, device: str) -> str:
        lines = [
            line
            for section in package.of_type("config")
            for option in section.options
            if not (option.name == "PCAP_INTF" and device and original.network is not None)
            for line in self._server_lines(option, section)
        ]
        if original.network is not None and device:
            lines.append(_line("PCAP_INTF", f"{device};"))
        return "".join(lines)

    def _server_lines(self, option: UciOption, section: UciSection) -> Iterator[str]:
        place, value = _place(option, section, self._file), _value(option)
        variable = lookup(Scope.SERVER, option.name)
        if variable is not None and variable.uci_only:
            self._losses.note(place, "kept as a comment: only UCI has it", "See the README.")
            yield _comment(f"{option.name}: {value}")
        elif value.startswith("$") or not _fits(option.name, value):
            self._leave_out(place)
        else:
            yield _line(option.name, f"{value};")

    def _leave_out(self, place: Directive) -> None:
        self._losses.warn(
            place, "left out: the classic files can't hold its value", "Write it by hand."
        )

    # access.conf

    def client(self, section: UciSection, stanza: Stanza | None, settings: ServerSettings) -> str:
        """A stanza, as a comment when it can't mean the same."""
        comments, lines, whole = self._stanza_lines(section)
        off = stanza is not None and not stanza.enabled
        if off or _is_off(section):
            lines.append(_line("ACCESS_EXPIRE_EPOCH", str(ENDED)))
        wanted = replace(stanza, enabled=True, access_expire=ENDED) if stanza and off else stanza
        if wanted is not None:
            wanted = _narrowed(wanted)
        text = "".join(lines)
        if whole and _means(text, wanted, settings):
            if _is_off(section):
                self._tell(section, "switched off: written as a client whose access has ended")
            return "".join((*comments, text))
        self._losses.warn(
            Directive("", "", self._file, section.line, section.id),
            f"client {_label(section)} is left out, as a comment: access.conf can't say the same",
            "Look at it and complete it by hand.",
        )
        quoted = "".join(f"# {line}\n" for line in text.split("\n") if line)
        return "".join((*comments, _comment("left out:"), quoted))

    def _tell(self, section: UciSection, message: str) -> None:
        place = Directive("", "", self._file, section.line, section.id)
        self._losses.note(place, f"client {_label(section)}: {message}", "See access.conf.")

    def _stanza_lines(self, section: UciSection) -> tuple[list[str], list[str], bool]:
        """Comments, directives with SOURCE first, and whether all that matters is among them."""
        comments: list[str] = []
        lines: list[str] = []
        whole = True
        for option in sorted(section.options, key=lambda option: option.name != "SOURCE"):
            place = _place(option, section, self._file)
            variable = lookup(Scope.ACCESS, option.name)
            name, value = _as_classic(option)
            if option.name in DROPPED_OPTIONS or _says_nothing(option):
                self._losses.note(place, "left out: it says nothing", "Nothing is lost.")
            elif variable is not None and variable.uci_only:
                comments.append(_comment(f"{name}: {value}"))
                self._losses.note(place, "kept as a comment: only UCI has it", _ONE_WAY)
            elif _fits(name, value):
                lines.append(_line(name, value))
            else:
                self._leave_out(place)
                # Without it the client could be let in by less than was meant.
                whole = whole and (variable is None or variable.status is Status.IGNORED)
        return comments, lines, whole


def _narrowed(stanza: Stanza) -> Stanza:
    """The client without options of UCI's whose loss is no danger; each is told.

    Letting in fewer than UCI does is none, and neither is a list of commands for a client
    that may run none.
    """
    allowed = stanza.allowed_commands if stanza.enable_cmd_exec else None
    return replace(
        stanza,
        grant_source=False,
        widen_ipv4=None,
        widen_ipv6=None,
        allowed_commands=allowed,
        old_keys_of="",
    )


def _means(text: str, wanted: Stanza | None, settings: ServerSettings) -> bool:
    """Is this stanza, read as a classic file, the wanted client?"""
    try:
        stanzas, _ = stanzas_from_access_conf(text, "access.conf", settings=settings)
    except ConfigError:
        return False
    return len(stanzas) <= 1 and same_rules(stanzas[0] if stanzas else None, wanted)


def _as_classic(option: UciOption) -> tuple[str, str]:
    """Name and value; a passphrase the files can't hold as text becomes base64."""
    value = _value(option)
    variable = lookup(Scope.ACCESS, option.name)
    is_text_key = variable is not None and variable.kind is Kind.KEY_TEXT
    if is_text_key and value and not _fits(option.name, value):
        return f"{option.name}_BASE64", encode_key_base64(encode_text(value))
    return option.name, value


def _value(option: UciOption) -> str:
    return ", ".join(option.items).strip()


def _says_nothing(option: UciOption) -> bool:
    value = _value(option)
    return not value or (option.name in KEY_NAMES and is_no_key(value))


def _is_off(section: UciSection) -> bool:
    return says_off(section.get("enabled"))


def _label(section: UciSection) -> str:
    return section.get("name") or section.id


def _fits(name: str, value: str) -> bool:
    """Can a line hold it? What is behind a ``;`` is lost, and a long line is cut."""
    return (
        ";" not in value
        and all(char >= " " or char == "\t" for char in value)
        and len(encode_text(_line(name, value))) < MAX_LINE
    )


def _line(name: str, value: str) -> str:
    return f"{name:<{_COLUMN - 1}} {value}\n"


def _comment(text: str) -> str:
    visible = "".join(char if char >= " " else " " for char in text)
    return f"# {visible}"[: MAX_LINE - 1] + "\n"
