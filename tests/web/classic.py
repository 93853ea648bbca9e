"""fwknopd.conf and access.conf as a router has them that was set up by hand."""

from __future__ import annotations

from pathlib import Path

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
HMAC = "oKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr8="

ACCESS_CONF = f"""\
# The office
SOURCE          198.51.100.0/24
DESTINATION     203.0.113.1
KEY             an office key
HMAC_KEY        another office key

# Anna, as before
SOURCE          ANY
KEY_BASE64      {KEY}
HMAC_KEY_BASE64 {HMAC}

SOURCE          ANY
KEY             half a client
OPEN_PORTS      22
"""
FWKNOPD_CONF = """\
MAX_SPA_PACKET_AGE 60;
ENABLE_IPT_FORWARDING N;
ENABLE_NAT_DNS Y;
UDPSERV_PORT 99999;
"""


def classic_files(folder: Path) -> Path:
    """A folder with both files: one client to add, one to compare, one that is broken."""
    folder.mkdir()
    for name, text in (("access.conf", ACCESS_CONF), ("fwknopd.conf", FWKNOPD_CONF)):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text)
    return folder
