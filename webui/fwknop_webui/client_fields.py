"""The fields of a client's form, by tab; help, units and ranges come from the variable table."""

from __future__ import annotations

from fwknop_webui.client_keys import KEY_FIELDS
from fwknop_webui.forms import Field, Widget
from fwknop_webui.i18n import noop as N_
from fwknopd.config.variables import Scope


def _field(option: str, label: str, widget: Widget = Widget.TEXT, **more: str) -> Field:
    return Field(option, label, Scope.ACCESS, widget, **more)


OPEN_PORTS = _field(
    "OPEN_PORTS",
    N_("May open"),
    text=N_("Ports as protocol/number, with commas between. Nothing at all: any port it asks for."),
    placeholder="tcp/8080, udp/53",
    parted_by=", ",
)

EXPIRE_EPOCH = _field("ACCESS_EXPIRE_EPOCH", N_("Access ends at"), Widget.NUMBER)
GPG_PASSPHRASE = _field("GPG_DECRYPT_PW", N_("Its passphrase"), Widget.SECRET)
SELDOM = frozenset({EXPIRE_EPOCH.option})
"""Fields that are there only when the option is: another field says the same more easily."""

TABS: tuple[tuple[str, str, tuple[Field, ...]], ...] = (
    (
        "general",
        N_("General"),
        (
            _field("name", N_("Name")),
            _field("enabled", N_("Enabled"), Widget.FLAG),
            OPEN_PORTS,
            _field("FW_ACCESS_TIMEOUT", N_("Open for"), Widget.NUMBER),
            _field("log_only", N_("Log only"), Widget.FLAG),
            _field("note", N_("Note")),
        ),
    ),
    (
        "network",
        N_("Network"),
        (
            _field("SOURCE", N_("May knock from")),
            _field("REQUIRE_SOURCE_ADDRESS", N_("Knock must name its address"), Widget.FLAG),
            _field("REQUIRE_USERNAME", N_("Required user name")),
            _field("DESTINATION", N_("Knock must be sent to")),
            _field("RESTRICT_PORTS", N_("May never open")),
            _field("grant_source", N_("Let in the knock's source, too"), Widget.FLAG),
            _field("widen_ipv4", N_("Widen IPv4 to prefix"), Widget.NUMBER),
            _field("widen_ipv6", N_("Widen IPv6 to prefix"), Widget.NUMBER),
        ),
    ),
    (
        "forwarding",
        N_("Forwarding"),
        (
            _field("nat_targets", N_("May be led to")),
            _field(
                "FORCE_NAT",
                N_("Always lead to"),
                text=N_("An address, a blank and a port, such as 192.168.1.10 22."),
            ),
            _field("FORWARD_ALL", N_("Forward everything"), Widget.FLAG),
            _field("DISABLE_DNAT", N_("Keep the destination address"), Widget.FLAG),
            _field("FORCE_MASQUERADE", N_("Appear as this router"), Widget.FLAG),
            _field("FORCE_SNAT", N_("Appear as this address")),
        ),
    ),
    (
        "time",
        N_("Time"),
        (
            _field("MAX_FW_TIMEOUT", N_("Longest time on request"), Widget.NUMBER),
            _field("cut_at_expiry", N_("Cut connections at the end"), Widget.FLAG),
            _field(
                "ACCESS_EXPIRE",
                N_("Access ends on"),
                Widget.DATE,
                text=N_("From the first minute of this day on the client is refused."),
            ),
            EXPIRE_EPOCH,
            _field("allowed_hours", N_("Hours"), placeholder="08:00-18:00"),
            _field("allowed_days", N_("Days"), Widget.DAYS, placeholder="mon tue wed thu fri"),
        ),
    ),
    (
        "keys",
        N_("Keys"),
        (
            _field("HMAC_DIGEST_TYPE", N_("HMAC type"), Widget.SELECT),
            _field("ENCRYPTION_MODE", N_("Encryption mode"), Widget.SELECT),
        ),
    ),
    (
        "gpg",
        N_("GPG"),
        (
            _field("GPG_REMOTE_ID", N_("Signed by (key ids)")),
            _field("GPG_FINGERPRINT_ID", N_("Signed by (fingerprints)")),
            _field("GPG_DECRYPT_ID", N_("This router's key")),
            GPG_PASSPHRASE,
            _field("GPG_ALLOW_NO_PW", N_("It has no passphrase"), Widget.FLAG),
            _field("GPG_HOME_DIR", N_("Key ring folder")),
            _field("GPG_EXE", N_("gpg program")),
            _field("GPG_DISABLE_SIG", N_("Take unsigned knocks"), Widget.FLAG),
            _field("GPG_IGNORE_SIG_VERIFY_ERROR", N_("Take faulty signatures"), Widget.FLAG),
        ),
    ),
    (
        "commands",
        N_("Commands"),
        (
            _field("ENABLE_CMD_EXEC", N_("May run commands"), Widget.FLAG),
            _field("allowed_commands", N_("Only these commands"), needs="ENABLE_CMD_EXEC"),
            _field("CMD_EXEC_USER", N_("Run as user")),
            _field("CMD_EXEC_GROUP", N_("Run with group")),
            _field("ENABLE_CMD_SUDO_EXEC", N_("Run through sudo"), Widget.FLAG),
            _field("CMD_SUDO_EXEC_USER", N_("sudo's user"), needs="ENABLE_CMD_SUDO_EXEC"),
            _field("CMD_SUDO_EXEC_GROUP", N_("sudo's group"), needs="ENABLE_CMD_SUDO_EXEC"),
            _field("CMD_CYCLE_OPEN", N_("Run instead of opening")),
            _field("CMD_CYCLE_CLOSE", N_("Run instead of closing"), needs="CMD_CYCLE_OPEN"),
            _field(
                "CMD_CYCLE_TIMER",
                N_("Time between the two"),
                Widget.NUMBER,
                needs="CMD_CYCLE_OPEN",
            ),
        ),
    ),
)
FIELDS = tuple(item for _name, _title, fields in TABS for item in fields)
SHOWN = frozenset((*(item.option for item in FIELDS), *KEY_FIELDS))
