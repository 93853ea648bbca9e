"""The templates for OpenWISP on a router: rendered by its library, merged as its agent merges."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from fwknopd.config.netjson_reading import uci_from_netjson
from fwknopd.config.netjson_writing import netjson_from_uci
from fwknopd.config.problems import Severity
from fwknopd.config.settings import Configuration
from fwknopd.config.uci_change import SetOption
from fwknopd.config.uci_config import configuration_from_uci, uci_enabled
from fwknopd.config.uci_edit import apply
from fwknopd.config.uci_format import format_uci, parse_uci
from fwknopd.config.uci_model import UciOption, UciPackage, UciSection
from tests.interop import openwisp
from tests.interop.example_keys import HMAC_KEY, HMAC_KEY_BASE64, KEY, KEY_BASE64
from tests.interop.openwisp_agent import Agent, Order

TEMPLATES = Path(__file__).parents[2] / "package/openwisp"
SERVICE = TEMPLATES.parent / "fwknop-wrt/files/etc/init.d/fwknopd"
OTHER_KEY = "Sz80RjpXOlhH2olGuKBUamHKcqyMBsS9BTgLaMugUsg="
PHONE_KEY = "a2V5IG9mIHRoZSByb3V0ZXIncyBvd24gcGhvbmUgMzI="
ROUTER = parse_uci(
    f"""
config global

config network
\toption network 'wan'

config access
\toption SOURCE 'ANY'
\toption name 'phone'
\toption KEY_BASE64 '{PHONE_KEY}'
\toption HMAC_KEY_BASE64 '{HMAC_KEY_BASE64}'

config config
\toption ENABLE_IPT_FORWARDING 'Y'
\toption MAX_SPA_PACKET_AGE '60'
""",
    "router",
)
"""As it is after an installation, and after somebody has looked around on the page."""
VARIABLES = {
    "fwknop_network": "uplink",
    "fwknop_anna_key": OTHER_KEY,
    "fwknop_anna_hmac_key": HMAC_KEY_BASE64,
    "fwknop_bob_key": "a2V5IG9mIGJvYg==",
    "fwknop_bob_hmac_key": "aG1hYyBvZiBib2I=",
}
ALL = ("settings", "anna", "bob")


def backwards(sections: Sequence[UciSection]) -> Sequence[UciSection]:
    return sections[::-1]


class Fleet:
    """OpenWISP, one device, and the agent on it."""

    def __init__(self, order: Order) -> None:
        client = (TEMPLATES / "client.json").read_text()
        self.templates = {
            "settings": json.loads((TEMPLATES / "settings.json").read_text()),
            "anna": json.loads(client),
            "bob": json.loads(client.replace("anna", "bob")),
        }
        self.variables = dict(VARIABLES)
        self.agent = Agent(ROUTER, order)

    def deliver(self, *names: str) -> Configuration:
        """What the daemon reads then, if it is to run from UCI."""
        text = ""
        if names:
            templates = [self.templates[name] for name in names]
            text = openwisp.rendered({}, templates=templates, variables=self.variables)
        self.agent.apply(parse_uci(text, "delivered"))
        return self.loaded()

    def loaded(self) -> Configuration:
        # Written and read: what the daemon gets is a file.
        package = parse_uci(format_uci(self.agent.router), "router")
        return configuration_from_uci(package, "router")

    def change(self, section: str, option: str, value: str) -> None:
        """Somebody does so on the router."""
        self.agent.router = apply(self.agent.router, [SetOption(section, option, value)])


@pytest.fixture(params=[tuple, backwards], ids=["in order", "backwards"])
def fleet(request: pytest.FixtureRequest) -> Fleet:
    return Fleet(request.param)


def names(configuration: Configuration) -> set[str]:
    """Who may knock."""
    return {stanza.label for stanza in configuration.stanzas if stanza.enabled}


def test_templates_come_beside_what_the_router_has_and_win(fleet: Fleet) -> None:
    found = fleet.deliver(*ALL)
    assert uci_enabled(fleet.agent.router)
    assert names(found) == {"phone", "anna", "bob"}
    assert (found.networks, found.settings.max_spa_packet_age) == (("uplink",), 120)
    assert found.problems == ()
    assert fleet.deliver(*ALL) == found


def test_a_variable_with_another_value_is_a_rotation(fleet: Fleet) -> None:
    fleet.deliver(*ALL)
    before = fleet.agent.router
    fleet.variables["fwknop_anna_key"] = KEY_BASE64
    [anna] = [s for s in fleet.deliver(*ALL).stanzas if s.label == "anna"]
    assert (anna.keys.encryption_key, anna.keys.hmac_key) == (KEY, HMAC_KEY)
    section = before.section("client_anna")
    assert section is not None
    changed = section.with_option(UciOption("KEY_BASE64", KEY_BASE64))
    assert fleet.agent.router == before.with_section(changed)


def test_a_list_that_gets_shorter_is_shorter_on_the_router(fleet: Fleet) -> None:
    [section] = fleet.templates["anna"]["fwknopd"]
    section["OPEN_PORTS"] = ["tcp/22", "tcp/443"]
    fleet.deliver(*ALL)
    section["OPEN_PORTS"] = ["tcp/443"]
    section.pop("REQUIRE_SOURCE_ADDRESS")
    [anna] = [s for s in fleet.deliver(*ALL).stanzas if s.label == "anna"]
    assert [str(port) for port in anna.open_ports or ()] == ["tcp/443"]
    assert not anna.require_source_address


def test_a_template_taken_off_revokes_its_client_alone(fleet: Fleet) -> None:
    fleet.deliver(*ALL)
    found = fleet.deliver("settings", "bob")
    assert names(found) == {"phone", "bob"}
    assert fleet.agent.router.section("client_anna") is None
    assert found.problems == ()


def test_a_template_that_says_so_has_its_client_refused_by_name(fleet: Fleet) -> None:
    fleet.deliver(*ALL)
    fleet.templates["anna"]["fwknopd"][0]["enabled"] = "0"
    found = fleet.deliver(*ALL)
    assert [s.label for s in found.stanzas if not s.enabled] == ["anna"]


@pytest.mark.parametrize(
    ("option", "value"), [("KEY", "typed in on the router"), ("enabled", "1"), ("note", "mine")]
)
def test_what_somebody_added_on_the_router_lets_nobody_in_who_is_revoked(
    fleet: Fleet, option: str, value: str
) -> None:
    fleet.deliver(*ALL)
    fleet.change("client_anna", option, value)
    found = fleet.deliver("settings", "bob")
    assert names(found) == {"phone", "bob"}
    assert {p.severity for p in found.problems} == {Severity.WARNING}
    assert names(fleet.deliver(*ALL)) == {"phone", "anna", "bob"}


def test_keys_of_before_a_rotation_on_the_router_end_with_their_client(fleet: Fleet) -> None:
    fleet.deliver(*ALL)
    old = UciSection(
        "access",
        "old_keys_1",
        "old_keys_1",
        (
            UciOption("SOURCE", "ANY"),
            UciOption("name", "anna (old keys)"),
            UciOption("old_keys_of", "anna"),
            UciOption("KEY_BASE64", OTHER_KEY),
        ),
    )
    fleet.agent.router = UciPackage((*fleet.agent.router.sections, old))
    assert "anna (old keys)" in names(fleet.loaded())
    assert names(fleet.deliver("settings", "bob")) == {"phone", "bob"}


@pytest.mark.parametrize("missing", ["fwknop_anna_key", "fwknop_anna_hmac_key"])
def test_a_client_without_its_variables_is_out_and_keeps_nobody_in(
    fleet: Fleet, missing: str
) -> None:
    fleet.deliver(*ALL)
    del fleet.variables[missing]
    found = fleet.deliver("settings", "anna")
    assert names(found) == {"phone"}
    [problem] = found.problems
    assert f"no value for its variable {missing}" in problem.message


@pytest.mark.parametrize(
    "text",
    [
        *("{{ anna_key }}", "{{anna_key}}", "{{ anna-key }}", "{{ anna.key }}", "{{ anna key }}"),
        *("{{ a }}{{ b }}", "pre-{{ k }}", "{{ k }} and more", "{{}}"),
        *("{{ {{ k }} }}", "{{ schlüssel }}"),
    ],
)
@pytest.mark.parametrize("option", ["KEY", "HMAC_KEY"])
def test_no_text_with_a_variable_is_a_passphrase(option: str, text: str) -> None:
    """netjsonconfig leaves what it has no value of, and what it takes for no name."""
    fleet = Fleet(tuple)
    [section] = fleet.templates["anna"]["fwknopd"]
    del section[f"{option}_BASE64"]
    section[option] = text
    found = fleet.deliver("settings", "anna")
    delivered = fleet.agent.router.section("client_anna")
    assert delivered is not None
    assert delivered.get(option) == text
    assert names(found) == {"phone"}
    [problem] = found.problems
    assert (problem.option, problem.severity) == (option, Severity.WARNING)


def test_who_lacks_a_variable_keeps_nobody_in_who_is_revoked(fleet: Fleet) -> None:
    fleet.deliver(*ALL)
    [section] = fleet.templates["anna"]["fwknopd"]
    section["OPEN_PORTS"] = ["tcp/22", "{{ fwknop_anna_port }}"]
    found = fleet.deliver("settings", "anna")
    assert names(found) == {"phone"}
    [problem] = found.problems
    assert (problem.option, problem.severity) == ("OPEN_PORTS", Severity.WARNING)


def test_with_no_template_left_the_router_is_as_it_was(fleet: Fleet) -> None:
    before = fleet.agent.router
    fleet.deliver(*ALL)
    fleet.deliver()
    assert fleet.agent.router == before
    assert not uci_enabled(fleet.agent.router)


def test_a_router_that_took_its_own_export_has_each_client_once(fleet: Fleet) -> None:
    """Its sections have the document's names then, and so OpenWISP can revoke them, too."""
    exported = netjson_from_uci(ROUTER, "router")
    assert exported.usable
    fleet.agent = Agent(uci_from_netjson(exported.text, "router", {}), fleet.agent.order)
    blocks = {block["config_value"]: block for block in exported.document["fwknopd"]}
    fleet.templates["phone"] = {"fwknopd": [blocks["client_phone"]]}
    found = fleet.deliver("settings", "phone")
    assert [stanza.label for stanza in found.stanzas] == ["phone"]
    found = fleet.deliver("settings")
    assert (found.stanzas, found.problems) == ((), ())


def test_procd_reloads_the_daemon_when_the_agent_tells_it_of_a_change() -> None:
    """By `ubus call service event`; only a script without this function it calls itself."""
    found = SERVICE.read_text()
    _, _, triggers = found.partition("\nservice_triggers() {\n")
    assert "\tprocd_add_reload_trigger fwknopd\n" in triggers.partition("\n}\n")[0]
