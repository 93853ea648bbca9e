"""Write the tables of directives in COMPATIBILITY.md from the variable table.

Usage: python package/dev/compatibility.py [--check]

Which directives there are, and which are ignored or not supported yet, is in the
variable table. What is better than in the C daemon stands here: the daemon does not
need it, and must not carry it about.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from fwknopd.config.variables import ACCESS_VARIABLES, SERVER_VARIABLES, Status, Variable

DOCUMENT = Path(__file__).resolve().parents[2] / "COMPATIBILITY.md"
COMMAND = "make compatibility"
BEGIN = f"<!-- {{}}: written by `{COMMAND}` -->"
END = "<!-- end of {} -->"

BETTER = "better"
NEW = "new"

Remarks = Mapping[str, tuple[str, str]]
"""For an honoured directive that is not just the same: the word for it, and how or what."""

_SOURCE_NAT = (
    BETTER,
    "IPv6 too; only connections of the client are changed, and several can be open at once",
)
_IPTABLES_ONLY = "with iptables; the nftables firewall has no such chains"
_UNKNOWN_ACCOUNT = "in UCI one that is unknown costs only that client"
_KEY = (
    BETTER,
    "one too long for any client is named; the C daemon refuses each packet. CHANGEME, which "
    "everybody knows from stock files, is no key, nor is an HMAC key in which no byte is left, as "
    "in `HMAC_KEY_BASE64 =`: the C daemon takes packets without HMAC then",
)
_NETWORKS = (
    "a mask with gaps or of 0.0.0.0, or two networks without a comma, is an error; empty entries "
    "are passed over"
)
_CHAIN = (
    "same",
    f"{_IPTABLES_ONLY}. What iptables would refuse (a table it has not, position 0, a name of over "
    "28 letters), or what lets nobody in, is an error",
)

SERVER_REMARKS: Remarks = {
    "PCAP_INTF": (
        BETTER,
        "may list several, with commas; a device that is missing or goes away is waited for. "
        "A packet seen on a bridge and its port, or twice by `any`, is no replay; doors open on "
        "the bridge or VLAN on top of the device as well",
    ),
    "PCAP_FILTER": (BETTER, "what can't be a knock is dropped by the kernel already"),
    "PCAP_FILE": (BETTER, "every packet gets a verdict, and the program ends with the file"),
    "MAX_SNIFF_BYTES": (
        BETTER,
        "the header of the link is not counted, so the default cuts no full frame",
    ),
    "ENABLE_UDP_SERVER": (
        BETTER,
        "IPv6 too; DESTINATION sees the address a packet was sent to, not 0.0.0.0",
    ),
    "UDPSERV_PORT": (BETTER, "a port above 65535 is an error; in the C daemon it wraps"),
    "ENABLE_SPA_OVER_HTTP": (
        BETTER,
        "a request that came in pieces is heard too, by the TCP server; says so if no web "
        "knock can be heard",
    ),
    "ALLOW_ANY_USER_AGENT": ("same", "as in fwknopd 2.6.11"),
    "ENABLE_TCP_SERVER": (
        BETTER,
        "reads the knock itself, whatever PCAP_FILTER says, in one piece or several, over IPv6 "
        "too, from up to 64 clients at once",
    ),
    "TCPSERV_PORT": (BETTER, "a port above 65535 is an error; in the C daemon it wraps"),
    "ENABLE_PCAP_ANY_DIRECTION": (BETTER, "it acts; in the C daemon only the option does"),
    "ENABLE_DIGEST_PERSISTENCE": (
        BETTER,
        "a copy whose base64 was written in another way is known as a copy too",
    ),
    "WAIT_FOR_CLOCK": (
        NEW,
        "Y unless set: nothing is granted until a time server, or somebody, has set the clock "
        "of a machine that has no battery for it. The C daemon passes over the line",
    ),
    "SYSLOG_SERVER": (
        NEW,
        "unset unless somebody sets it. The C daemon passes over the line. Facts stand in the "
        "element `fwknop@32473`: that number is kept for examples (RFC 5612), as this project has "
        "none of its own",
    ),
    "METRICS_TOKEN_SHA256": (
        NEW,
        "unset unless somebody sets it. The C daemon passes over the line",
    ),
    "ENABLE_IPT_FORWARDING": (
        BETTER,
        "lets through to the host that was asked for; in the C daemon to that port of every host",
    ),
    "ENABLE_IPT_LOCAL_NAT": (
        BETTER,
        "leads to this machine only, whatever address the client typed",
    ),
    "ENABLE_IPT_SNAT": _SOURCE_NAT,
    "SNAT_TRANSLATE_IP": _SOURCE_NAT,
    "ENABLE_DESTINATION_RULE": (BETTER, "works with the UDP server too"),
    "ENABLE_NAT_DNS": (BETTER, "a slow name server delays nobody else; IPv6 hosts too"),
    "ENABLE_RULE_PREPEND": ("same", _IPTABLES_ONLY),
    "ENABLE_IPT_OUTPUT": ("same", _IPTABLES_ONLY),
    "ENABLE_IPT_COMMENT_CHECK": ("same", _IPTABLES_ONLY),
    "FLUSH_IPT_AT_INIT": (
        BETTER,
        "N unless set: open doors outlive a crash, and still close on time",
    ),
    "FLUSH_IPT_AT_EXIT": ("same", _IPTABLES_ONLY),
    "IPT_INPUT_ACCESS": _CHAIN,
    "IPT_OUTPUT_ACCESS": _CHAIN,
    "IPT_FORWARD_ACCESS": _CHAIN,
    "IPT_DNAT_ACCESS": _CHAIN,
    "IPT_SNAT_ACCESS": _CHAIN,
    "IPT_MASQUERADE_ACCESS": _CHAIN,
    "DIGEST_FILE": (
        BETTER,
        "the C daemon's file is taken over, and it can take ours; a torn line does no harm. "
        "On OpenWrt it is on flash, as /var is lost with every reboot",
    ),
    "CMD_EXEC_TIMEOUT": (
        BETTER,
        "it acts, and 60 seconds unless set; the C daemon waits for a command as long as it takes. "
        "So it has to be a time, from 1 to 86400",
    ),
    "ACCESS_FOLDER": (BETTER, "read in alphabetical order; `-a` on the command line wins"),
}

ACCESS_REMARKS: Remarks = {
    "SOURCE": (BETTER, f"IPv6 too; {_NETWORKS}"),
    "DESTINATION": (BETTER, f"IPv6 too, and it works with the UDP server; {_NETWORKS}"),
    "OPEN_PORTS": (
        BETTER,
        "each port asked for must be listed; the C daemon counts matches, so that one entry "
        "written twice lets another port in. What `tcp/22-30` really means is said; `tcp/ssh`, for "
        "the C daemon port 0, is an error; empty entries are passed over",
    ),
    "RESTRICT_PORTS": (
        BETTER,
        "an entry of which only a part would count, such as `tcp/22-30`, is an error",
    ),
    "KEY": _KEY,
    "KEY_BASE64": _KEY,
    "HMAC_KEY": _KEY,
    "HMAC_KEY_BASE64": _KEY,
    "MAX_FW_TIMEOUT": (
        BETTER,
        "if written, it caps FW_ACCESS_TIMEOUT as well, and a conflict is named",
    ),
    "ACCESS_EXPIRE": (
        BETTER,
        "a month 31 is read in the same odd way, but named, as is what follows the day; a year of "
        "one, three or five digits, or before 1970, is an error",
    ),
    "ACCESS_EXPIRE_EPOCH": ("same", "0 is never, and that is said"),
    "FORCE_NAT": (
        BETTER,
        "IPv6 too. Port 0 keeps the port asked for; in the C daemon the rules name port 0. With "
        "ENABLE_IPT_LOCAL_NAT alone it leads to this machine; in the C daemon to others only. An "
        "address in octal, or more than a port behind it, is an error",
    ),
    "FORCE_SNAT": (BETTER, "acts without ENABLE_IPT_SNAT; only connections of the client change"),
    "FORCE_MASQUERADE": (
        BETTER,
        "acts without ENABLE_IPT_SNAT; only connections of the client change; with FORWARD_ALL "
        "it is not overruled by SNAT_TRANSLATE_IP",
    ),
    "FORWARD_ALL": (
        BETTER,
        "without FORCE_NAT no destination is translated; the C daemon sends connections to 0.0.0.0",
    ),
    "ENABLE_CMD_EXEC": (
        BETTER,
        "a command delays nobody, and gets nothing of the daemon's. None is run from files that "
        "others than root may write. UCI can list what may be run (`allowed_commands`)",
    ),
    "CMD_EXEC_USER": (BETTER, f"counts for command cycles too; {_UNKNOWN_ACCOUNT}"),
    "CMD_EXEC_GROUP": (BETTER, f"a group that is no user's name is found too; {_UNKNOWN_ACCOUNT}"),
    "ENABLE_CMD_SUDO_EXEC": (BETTER, "a client can't give sudo options of its own"),
    "CMD_CYCLE_OPEN": (
        BETTER,
        "OPEN_PORTS, RESTRICT_PORTS and `--test` apply; IPv6 addresses too. Where all clients have "
        "one no firewall is needed",
    ),
    "CMD_CYCLE_CLOSE": (
        BETTER,
        "runs in time even if the daemon was killed meanwhile, and at once when it is stopped, "
        "when somebody revokes, or when the client is deleted. Knocking again extends instead "
        "of having it run twice",
    ),
    "CMD_CYCLE_TIMER": (
        BETTER,
        "MAX_FW_TIMEOUT caps what the client asks for; `$CLIENT_TIMEOUT` is never 0",
    ),
    "CMD_SUDO_EXEC_USER": (BETTER, _UNKNOWN_ACCOUNT),
    "CMD_SUDO_EXEC_GROUP": (
        BETTER,
        "it acts; in the C daemon only together with CMD_EXEC_GROUP, and only if a user has "
        "that name",
    ),
    "GPG_HOME_DIR": (
        BETTER,
        "only read: gpg runs in a folder of its own, and leaves no agent behind. What can't work "
        "with the keys in it is said when it is read",
    ),
    "GPG_EXE": (
        BETTER,
        "one that is missing or stuck delays nobody else; python-gnupg runs it, which has to be "
        "installed",
    ),
    "GPG_DECRYPT_ID": (
        BETTER,
        "as in the C daemon every secret key of the ring opens packets; one that isn't there, or "
        "can't work, is named",
    ),
    "GPG_REQUIRE_SIG": (
        "same",
        "with GPG_DISABLE_SIG Y as well somebody who may sign has to be named",
    ),
    "GPG_IGNORE_SIG_VERIFY_ERROR": (
        BETTER,
        "a packet that somebody changed on the way is refused all the same",
    ),
    "GPG_REMOTE_ID": (
        "same",
        "the last 8 digits, in capitals; what never fits, longer ids among it, is named",
    ),
    "GPG_FINGERPRINT_ID": ("same", "that of the subkey which signed; what never fits is named"),
}

_TABLES: Mapping[str, tuple[Sequence[Variable], Remarks]] = {
    "fwknopd.conf": (SERVER_VARIABLES, SERVER_REMARKS),
    "access.conf": (ACCESS_VARIABLES, ACCESS_REMARKS),
}


def updated(document: str) -> str:
    """The document with both tables as they should be. Raises ValueError."""
    for name, (variables, remarks) in _TABLES.items():
        before, begin, rest = document.partition(BEGIN.format(name))
        _, end, after = rest.partition(END.format(name))
        if not begin or not end:
            raise ValueError(f"{DOCUMENT.name} has no place for the table of {name}")
        document = f"{before}{begin}\n\n{_table(variables, remarks)}\n{end}{after}"
    return document


def _table(variables: Sequence[Variable], remarks: Remarks) -> str:
    theirs = [variable for variable in variables if not variable.uci_only]
    honoured = {v.name for v in theirs if v.status is Status.HONOURED}
    if strangers := remarks.keys() - honoured:
        raise ValueError(f"not an honoured directive: {', '.join(sorted(strangers))}")
    return "\n".join(["| directive | here | |", "|---|---|---|", *_rows(theirs, remarks), ""])


def _rows(variables: Iterable[Variable], remarks: Remarks) -> Iterator[str]:
    """One row for each, or for neighbours of which the same can be said."""

    def said(variable: Variable) -> tuple[str, str]:
        if variable.status is not Status.HONOURED:
            return str(variable.status), variable.status_note
        return remarks.get(variable.name, ("same", ""))

    for (word, text), alike in groupby(variables, said):
        names = ", ".join(f"`{name}`" for v in alike for name in (v.name, *v.aliases))
        yield f"| {names} | {word} | {text} |"


def main(arguments: Sequence[str]) -> int:
    """Write the file, or only say whether it is up to date."""
    old = DOCUMENT.read_text()
    new = updated(old)
    if "--check" in arguments:
        if old != new:
            print(f"{DOCUMENT.name} is out of date: run `{COMMAND}`", file=sys.stderr)
        return int(old != new)
    DOCUMENT.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
