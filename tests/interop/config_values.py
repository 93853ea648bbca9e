"""Odd values of directives, and every one on which we decide otherwise than the C daemon.

The test fails for a difference that is not listed here, and for one listed that is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

KEYS = "KEY enckey\nHMAC_KEY hmackey\n"

_AMOUNTS_TRIED = ("0", "1", "30", "+30", "-1", "30s", "abc", "30.5", "30 40")
_NUMBERS = (*_AMOUNTS_TRIED, "030", "08", "0x1E")
_LIMITS = ("8388608", "8388609", "2147483648", "4294967296", "99999999999999999999")
_BOOLEANS = ("Y", "y", "N", "Yes", "never", "1", "true", "on", '"Y"', "Y # x", "Y;", "\tY")
_PORTS = (
    *("tcp/22", "TCP/22", "tcp/22,udp/53", "tcp/22 ,\tudp/53", "tcp/ 22", "tcp/00022", "tcp/0"),
    *("tcp/65535", "tcp/65536", "tcp/99999", "tcp/-1", "icmp/8", "any", "22", "tcp22", "6/22"),
    *("tcpx/22", "tcp/22,udp", '"tcp/22"', "tcp/22,", "tcp/22,,udp/53", "tcp /22", "tcp/+22"),
    *("tcp/0000022", "tcp/ssh", "tcp/*", "tcp/", "tcp/22-30", "tcp/22x", "tcp/22 udp/53"),
)
_NETWORKS = (
    *("ANY", "any", "ANY,1.2.3.4", "1.2.3.4, ANY", "ANYTHING", "ALL", "1.2.3.4", "1.2.3.4/1"),
    *("1.2.3.4/0", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/x", "1.2.3.4/255.255.255.0", "1.2.3"),
    *("10.1/8", "010.0.0.1", "0x0a.0.0.1", "256.1.1.1", "1.2.3.08", "1.2.3.4.5", "localhost"),
    *("1.2.3.4-1.2.3.9", "!1.2.3.4", "1.2.3.4, 5.6.7.8", "1.2.3.4 # x", "1.2.3.4,", ",1.2.3.4"),
    *("1.2.3.4/255.255.0.255", "1.2.3.4/0.0.0.0", "1.2.3.4 5.6.7.8", "2001:db8::/32", "ANY "),
)
_TEXT_KEYS = (
    *(
        "a",
        "a b",
        '"abc"',
        "abc#d",
        "abc # d",
        "a\tb",
        "a=b",
        "\u00e4",
        "\udcff",
        "x" * 32,
        "abc  ",
    ),
    *("__CHANGEME__", "__changeme__", "__CHANGEME__x", "CHANGEME", "a;b"),
)
_BASE64_KEYS = (
    *("YWJj", "YWJjZA==", "YWJjZA", "YWJjZA=", "YWJj====", "YWJjZB==", "YW Jj", "YWJj!", "YWJj-_"),
    *("__CHANGEME__", "AA", "YWJj  ", "YW=Jj", "=", "A"),
)
_DATES = (
    *("12/31/2030", "1/1/30", "01/01/2030", "31/12/2030", "0/1/2030", "0/0/2030", "99/99/2030"),
    *("1/1/1970", "12/31/2030 23:59", "12/31/2030x", "12/ 31/ 2030", "12/31", "2030-12-31", "abc"),
    *("012/31/2030", "12/31/2030,", "12/31/203", "12/31/20300", "1/1/1900", "12/31/2030/5"),
)
_TARGETS = (
    *("1.2.3.4 22", "1.2.3.4  0", "1.2.3.4\t22", "1.2.3.4:22", "1.2.3.4", "1.2.3.4 65536", "h 22"),
    *("1.2.3 22", "1.2.3.4 x", "1.2.3.4 tcp/22", "1.2.3.4 22 # x", "1.2.3.4 22 tcp", "::1 22"),
    *("1.2.3.4 22x", "010.0.0.1 22"),
)
_MODES = ("CBC", "cbc", "ECB", "CFB", "OFB", "CTR", "legacy", "PCBC", "GCM", "CBCX", "2", "CBC # x")
_DIGESTS = ("md5", "SHA1", "sha3_256", "sha3-256", "sha-256", "sha2", "3", "sha256 ", "sha3_384")

ACCESS: Mapping[str, tuple[str, ...]] = {
    "SOURCE": _NETWORKS,
    "DESTINATION": _NETWORKS,
    "OPEN_PORTS": _PORTS,
    "RESTRICT_PORTS": _PORTS,
    "KEY": _TEXT_KEYS,
    "HMAC_KEY": _TEXT_KEYS,
    "KEY_BASE64": _BASE64_KEYS,
    "HMAC_KEY_BASE64": _BASE64_KEYS,
    "HMAC_DIGEST_TYPE": _DIGESTS,
    "ENCRYPTION_MODE": _MODES,
    "FW_ACCESS_TIMEOUT": (*_NUMBERS, *_LIMITS),
    "MAX_FW_TIMEOUT": (*_NUMBERS, *_LIMITS),
    "REQUIRE_SOURCE_ADDRESS": _BOOLEANS,
    "FORWARD_ALL": _BOOLEANS,
    "ENABLE_CMD_EXEC": _BOOLEANS,
    "REQUIRE_USERNAME": ("alice", "al ice", '"alice"', "alice # x", "\u00e4", "a" * 300, "alice "),
    "CMD_EXEC_USER": ("root", "nobody", "no-such-user", "0", "ROOT", "root,nobody", "root "),
    "ACCESS_EXPIRE": _DATES,
    "ACCESS_EXPIRE_EPOCH": ("0", "1", "1924902000", "2147483648", "-1", "30s", "abc"),
    "FORCE_NAT": _TARGETS,
}
"""By directive, in a stanza with ``KEYS``."""

SERVER: Mapping[str, tuple[str, ...]] = {
    "MAX_SPA_PACKET_AGE": (*_AMOUNTS_TRIED, "100000", "100001", "4294967296"),
    "MAX_SNIFF_BYTES": (*_AMOUNTS_TRIED, "32768", "32769"),
    "UDPSERV_PORT": ("1", "0", "65535", "131072", "65536", "80x"),
    "ENABLE_SPA_OVER_HTTP": _BOOLEANS,
    "ENABLE_IPT_OUTPUT": _BOOLEANS,
    "SYSLOG_FACILITY": ("LOG_DAEMON", "log_local0", "LOG_LOCAL8", "LOG_USER", "3", "LOG_DAEMON "),
    "PCAP_INTF": ("eth0", "br-lan", "eth0.1", "eth0 # x", "eth/0", '"eth0"'),
    "BOGUS": ("1",),
}

_NUMBER = "a number is digits, no larger than its limit; C reads what it can, and wraps"
_BLANKS = "trailing blanks are no part of a value, as in fwknop 2.6.11"
_COMMENT = "what follows ' #' does not count where the value can't hold it, and that is said"
_EMPTY = "an empty entry of a list is passed over"
_NO_PORT = "C reads port 0, which nobody can ask for"
_HALF = "half of an entry would forbid less than was written"
_SECOND = "C reads the first of the two only"
_MASK = "C compares with whatever mask this is"
_IPV6 = "IPv6 too"
_KNOWN = "everybody knows this key"
_CUT = "what follows = is no base64; C takes what is before it for the key"
_NO_HMAC = "no HMAC key is left, and C takes packets without HMAC then"
_YEAR = "C makes some year of it"
_OCTAL = "iptables reads another address than was meant"
_DEVICE = "no device can have this name"
_PORT = "C wraps it"

_TIMEOUTS = ("FW_ACCESS_TIMEOUT", "MAX_FW_TIMEOUT")
_AMOUNTS = ("MAX_SPA_PACKET_AGE", "MAX_SNIFF_BYTES")
_LISTS = ("OPEN_PORTS", "RESTRICT_PORTS")
_PLACES = ("SOURCE", "DESTINATION")
_BASE64 = ("KEY_BASE64", "HMAC_KEY_BASE64")


def _each(names: Iterable[str], values: Iterable[str], why: str) -> dict[tuple[str, str], str]:
    return {(name, value): why for name in names for value in values}


STRICTER: Mapping[tuple[str, str], str] = {
    **_each((*_TIMEOUTS, *_AMOUNTS), ("+30", "30s", "30.5", "30 40"), _NUMBER),
    **_each(_TIMEOUTS, ("0x1E", "abc", "4294967296"), _NUMBER),
    **_each(("ACCESS_EXPIRE_EPOCH",), ("-1", "30s", "abc"), _NUMBER),
    **_each(_LISTS, ("tcp/+22", "tcp/0000022"), _NUMBER),
    **_each(_LISTS, ("tcp/ssh", "tcp/*", "tcp/"), _NO_PORT),
    **_each(("RESTRICT_PORTS",), ("tcp/22-30", "tcp/22x", "tcp/22 udp/53"), _HALF),
    **_each(_PLACES, ("1.2.3.4/255.255.0.255", "1.2.3.4/0.0.0.0"), _MASK),
    **_each(_PLACES, ("1.2.3.4 5.6.7.8",), _SECOND),
    **_each(("KEY", "HMAC_KEY"), ("CHANGEME",), _KNOWN),
    **_each(_BASE64, ("YW=Jj",), _CUT),
    **_each(("HMAC_KEY_BASE64",), ("=", "A"), _NO_HMAC),
    **_each(("ACCESS_EXPIRE",), ("12/31/203", "12/31/20300", "1/1/1900", "12/31/2030/5"), _YEAR),
    **_each(("FORCE_NAT",), ("1.2.3.4 22 tcp", "1.2.3.4 22x"), _NUMBER),
    **_each(("FORCE_NAT",), ("010.0.0.1 22",), _OCTAL),
    **_each(("PCAP_INTF",), ("eth/0", '"eth0"'), _DEVICE),
    **_each(("UDPSERV_PORT",), ("65536",), _PORT),
    **_each(("UDPSERV_PORT",), ("80x",), _NUMBER),
}
"""By directive and value: refused here alone, and why."""

LENIENT: Mapping[tuple[str, str], str] = {
    **_each(_PLACES, ("1.2.3.4,", ",1.2.3.4"), _EMPTY),
    **_each(_PLACES, ("2001:db8::/32",), _IPV6),
    **_each(_PLACES, ("ANY ",), _BLANKS),
    **_each(_LISTS, ("tcp/22,", "tcp/22,,udp/53"), _EMPTY),
    **_each(_LISTS, ("tcp /22",), "blanks around the slash are none of the entry's"),
    **_each(_BASE64, ("YWJj  ",), _BLANKS),
    **_each(("HMAC_DIGEST_TYPE",), ("sha256 ",), _BLANKS),
    **_each(("CMD_EXEC_USER",), ("root ",), _BLANKS),
    **_each(("SYSLOG_FACILITY",), ("LOG_DAEMON ",), _BLANKS),
    **_each(("ENCRYPTION_MODE",), ("CBC # x",), _COMMENT),
    **_each(("FORCE_NAT",), ("::1 22",), _IPV6),
}
"""Taken here alone."""

OTHERWISE: Mapping[tuple[str, str], str] = {
    **_each(("KEY", "HMAC_KEY"), ("abc  ",), _BLANKS),
    **_each(("REQUIRE_USERNAME",), ("alice ",), _BLANKS),
    **_each(("PCAP_INTF",), ("eth0 # x",), _COMMENT),
}
"""Taken by both, and not for the same."""
