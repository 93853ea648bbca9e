"""Variables of other builds and older releases: accepted so that old files load, and ignored."""

from __future__ import annotations

from fwknopd.config.variable import Kind, Scope, Status, Variable

OTHER_BUILDS = "Other builds"


def _foreign(scope: Scope, names: str, what: str, reason: str) -> tuple[Variable, ...]:
    return tuple(
        Variable(
            name,
            scope,
            Kind.TEXT,
            what,
            OTHER_BUILDS,
            status=Status.IGNORED,
            status_note=reason,
        )
        for name in names.split()
    )


FOREIGN_SERVER_VARIABLES: tuple[Variable, ...] = (
    *_foreign(
        Scope.SERVER,
        "ENABLE_NFQ_CAPTURE NFQ_INTERFACE NFQ_PORT NFQ_TABLE NFQ_CHAIN NFQ_QUEUE_NUMBER "
        "NFQ_LOOP_SLEEP",
        "For fwknopd builds that take packets from a netfilter queue.",
        "packets are captured directly, no netfilter queue is needed",
    ),
    *_foreign(
        Scope.SERVER,
        "ENABLE_FIREWD_FORWARDING ENABLE_FIREWD_LOCAL_NAT ENABLE_FIREWD_SNAT "
        "ENABLE_FIREWD_OUTPUT ENABLE_FIREWD_COMMENT_CHECK FLUSH_FIREWD_AT_INIT "
        "FLUSH_FIREWD_AT_EXIT FIREWD_INPUT_ACCESS FIREWD_OUTPUT_ACCESS FIREWD_FORWARD_ACCESS "
        "FIREWD_DNAT_ACCESS FIREWD_SNAT_ACCESS FIREWD_MASQUERADE_ACCESS",
        "For fwknopd builds that use firewalld.",
        "firewalld is not used on OpenWrt",
    ),
    *_foreign(
        Scope.SERVER,
        "IPFW_START_RULE_NUM IPFW_MAX_RULES IPFW_ACTIVE_SET_NUM IPFW_EXPIRE_SET_NUM "
        "IPFW_EXPIRE_PURGE_INTERVAL IPFW_ADD_CHECK_STATE FLUSH_IPFW_AT_INIT FLUSH_IPFW_AT_EXIT",
        "For fwknopd builds that use the ipfw firewall of FreeBSD and old macOS.",
        "ipfw does not exist on Linux",
    ),
    *_foreign(
        Scope.SERVER,
        "PF_ANCHOR_NAME PF_EXPIRE_INTERVAL",
        "For fwknopd builds that use the pf firewall of the BSDs.",
        "pf does not exist on Linux",
    ),
)

FOREIGN_ACCESS_VARIABLES: tuple[Variable, ...] = _foreign(
    Scope.ACCESS,
    "DATA_COLLECT_MODE PERMIT_CLIENT_PORTS PERMIT_CLIENT_TIMEOUT ENABLE_FORWARD_ACCESS "
    "ENABLE_OUTPUT_ACCESS REQUIRE_OS REQUIRE_OS_REGEX REQUIRE_AUTH_METHOD CMD_REGEX "
    "DISABLE_FW_TIMEOUT EXTERNAL_CMD_OPEN EXTERNAL_CMD_CLOSE EXTERNAL_CMD_ALARM",
    "From the Perl program that fwknop was until 2009.",
    "fwknop has not known it since version 2.0",
)
