"""The UCI package ``fwknopd`` as a configuration.

Sections may stand in any order. Stock's init script reads them top down and loses those
above ``global``, and hands an ``access`` section without SOURCE to the client before it;
neither happens here. Old LuCI's keytype and hkeytype say nothing the keys do not say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fwknopd.config.access_stanza import StanzaText, build_stanza
from fwknopd.config.command_values import ANY_ACCOUNT, SEPARATOR, Accounts
from fwknopd.config.directive import Directive, Findings
from fwknopd.config.old_keys import OPTION, follow_clients
from fwknopd.config.problems import Problem
from fwknopd.config.server_settings import build_settings
from fwknopd.config.settings import Configuration, ServerSettings
from fwknopd.config.shared_keys import check_shared_keys
from fwknopd.config.stock_values import as_stock
from fwknopd.config.uci_model import UciOption, UciPackage, UciSection
from fwknopd.config.unset_variables import MARK, REMEDY, in_one_word, missing_value
from fwknopd.config.values import FALSE_WORDS, TRUE_WORDS, says_off
from fwknopd.config.variable import Kind, Scope, Variable
from fwknopd.config.variables import lookup
from fwknopd.policy.stanza import Stanza

DEFAULT_NETWORK = "wan"
SWITCH = "uci_enabled"
DROPPED_OPTIONS = frozenset({"keytype", "hkeytype"})
_LIST_KINDS = frozenset({Kind.NETWORKS, Kind.PORTS, Kind.INTERFACE, Kind.HOURS, Kind.DAYS})
_LIST_KINDS |= {Kind.COMMANDS, Kind.GPG_IDS}


def uci_enabled(package: UciPackage) -> bool:
    """Is the daemon to run from UCI ("Enable config overwrite")?"""
    return any(enables(section.get(SWITCH)) for section in package.of_type("global"))


def enables(text: str) -> bool:
    """Whether ``uci_enabled`` with this value is on, as the init script's config_get_bool says."""
    return text.strip() in TRUE_WORDS


def is_unsaid(package: UciPackage) -> bool:
    """Is a variable of OpenWISP's left where it should say whether the daemon runs from UCI?

    That is no word for the classic files: whoever is in old ones must not get in by it.
    """
    left = any(missing_value(SWITCH, (s.get(SWITCH),)) for s in package.of_type("global"))
    return left and not uci_enabled(package)


def switch_problems(package: UciPackage, file: str) -> tuple[Problem, ...]:
    """What to say of ``uci_enabled``, for those who go by other files because of it."""
    findings = Findings()
    _check_enabled(package, file, findings)
    return findings.problems()


def configuration_from_uci(
    package: UciPackage, file: str, accounts: Accounts = ANY_ACCOUNT
) -> Configuration:
    """The configuration of the package, whether ``uci_enabled`` or not.

    Clients that can't be used are left out with a warning; their numbers stay reserved, so
    that numbers always count the ``access`` sections. Raises ConfigError with all problems.
    """
    findings = Findings()
    _check_enabled(package, file, findings)
    settings = build_settings(_server_directives(package, file, findings), findings)
    network = _network(package, file, settings, findings)
    found = tuple(_stanzas(package, file, settings, findings, accounts))
    stanzas = follow_clients(found, package, file, findings)
    _check_names(package, file, findings)
    check_shared_keys(stanzas, package, file, findings)
    problems, unusable = findings.result(), _unusable(package, found)
    return Configuration(settings, stanzas, network, "uci", problems, unusable=unusable)


def _unusable(package: UciPackage, found: Iterable[Stanza]) -> int:
    """Clients that are not among those ``found``, though nobody says that they shall not be."""
    usable = {stanza.number for stanza in found}
    return sum(
        1
        for number, section in enumerate(package.of_type("access"), start=1)
        if number not in usable and not says_off(section.get("enabled")) and not section.get(OPTION)
    )


def option_directives(
    section: UciSection, scope: Scope, file: str, findings: Findings
) -> list[Directive]:
    """The options of a section as directives; lists of networks and ports become one text."""
    directives = []
    for option in section.options:
        place = Directive(option.name, _joined(option, scope), file, option.line, section.id)
        if option.name in DROPPED_OPTIONS:
            continue
        if _is_stray_list(option, scope):
            findings.error(place, "it is a list", "Write it as one `option` instead of `list`.")
        elif isinstance(option.value, str):
            directives.append(as_stock(place, lookup(scope, option.name), findings))
        else:
            directives.append(place)  # which the stock init script passed over
    return directives


def _joined(option: UciOption, scope: Scope) -> str:
    return joined(option, lookup(scope, option.name))


def joined(option: UciOption, variable: Variable | None) -> str:
    """An option or list as the one text its kind is read from."""
    if variable is not None and variable.kind is Kind.COMMANDS:
        return f"{SEPARATOR} ".join(option.items)
    return ", ".join(option.items)


def _is_stray_list(option: UciOption, scope: Scope) -> bool:
    variable = lookup(scope, option.name)
    return (
        not isinstance(option.value, str)
        and len(option.value) > 1
        and variable is not None
        and variable.kind not in _LIST_KINDS
    )


def _check_enabled(package: UciPackage, file: str, findings: Findings) -> None:
    for section in package.of_type("global"):
        option = section.option(SWITCH)
        if option is None or option.text.strip() in TRUE_WORDS | FALSE_WORDS:
            continue
        place = Directive(option.name, option.text, file, option.line, section.id)
        if not (missing := missing_value(SWITCH, option.items)):
            findings.warn(place, "it is neither on nor off and counts as off", "Write 1 or 0.")
        elif uci_enabled(package):
            findings.warn(place, f"{missing}: another section says that it is on", REMEDY)
        else:
            findings.warn(place, f"{missing}: nobody can knock until it says 1 or 0", REMEDY)


def _server_directives(package: UciPackage, file: str, findings: Findings) -> list[Directive]:
    return [
        directive
        for section in package.of_type("config")
        for directive in option_directives(section, Scope.SERVER, file, findings)
    ]


def _network(
    package: UciPackage, file: str, settings: ServerSettings, findings: Findings
) -> str | None:
    """The network to capture on: what is set, else none if a device is set, else wan."""
    options = [
        (section, option)
        for section in package.of_type("network")
        if (option := section.option("network")) is not None and option.text.strip()
    ]
    if not options:
        return None if settings.pcap_intf else DEFAULT_NETWORK
    section, option = options[-1]
    if settings.pcap_intf:
        findings.warn(
            Directive(option.name, option.text, file, option.line, section.id),
            f"the device of this network is used and PCAP_INTF {settings.pcap_intf} is not",
            "Delete one of the two.",
        )
    missing = missing_value(option.name, option.items)
    if missing:
        place = Directive(option.name, option.text, file, option.line, section.id)
        findings.warn(place, f"{missing}: no knock is heard there", REMEDY)
    # In one word no network has such a name, and the daemon waits for it.
    return " ".join(word for item in option.items for word in in_one_word(item).split())


def _stanzas(
    package: UciPackage,
    file: str,
    settings: ServerSettings,
    findings: Findings,
    accounts: Accounts,
) -> Iterator[Stanza]:
    for number, section in enumerate(package.of_type("access"), start=1):
        stanza = stanza_from_section(section, number, file, settings, findings, accounts)
        if stanza is not None:
            yield stanza


def stanza_from_section(
    section: UciSection,
    number: int,
    file: str,
    settings: ServerSettings,
    findings: Findings,
    accounts: Accounts = ANY_ACCOUNT,
) -> Stanza | None:
    """The client of one ``access`` section, or None when it can't be used (see findings)."""
    half = _half(section, file)
    if half is not None:
        place, message, remedy = half
        findings.warn(place, f"{message}: this client can't knock", remedy)
        return None
    text = StanzaText(
        number,
        Directive("SOURCE", "", file, section.line, section.id),
        option_directives(section, Scope.ACCESS, file, findings),
        name=section.name or "",
    )
    return build_stanza(text, settings, findings, accounts)


def _half(section: UciSection, file: str) -> tuple[Directive, str, str] | None:
    """What a client lacks of which OpenWISP, or its agent, left only a part; place and remedy.

    That must not keep the others from being read, whatever else is wrong in the section: who is
    revoked by the same change would stay in.
    """
    for option in section.options:
        # Looked for here first: thousands of clients have none.
        if MARK in option.text and (missing := missing_value(option.name, option.items)):
            return Directive(option.name, "", file, option.line, section.id), missing, REMEDY
    if section.option("SOURCE") is None:
        remedy = "Set SOURCE, to ANY for everywhere, or delete the section."
        return Directive("SOURCE", "", file, section.line, section.id), "SOURCE is missing", remedy
    return None


def _check_names(package: UciPackage, file: str, findings: Findings) -> None:
    """Events name the client; two of one name can't be told apart."""
    seen: set[str] = set()
    for section in package.of_type("access"):
        option = section.option("name")
        if option is None:
            continue
        if missing := missing_value("", option.items):
            place = Directive(option.name, option.text, file, option.line, section.id)
            findings.warn(place, f"{missing}: the client is called by what stands there", REMEDY)
        if option.text in seen:
            findings.warn(
                Directive(option.name, option.text, file, option.line, section.id),
                "another client has the same name",
                "Give each client its own name, so that the log tells them apart.",
            )
        seen.add(option.text)
