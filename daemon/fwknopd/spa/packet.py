"""Wire text to message and back: the only entry to this package for the layers above.

Theory of operation. `classify` decides from public facts alone (size, alphabet)
whether bytes can be a knock. `decode` tries one stanza's keys on it: MAC first,
and only an authenticated body is decrypted. Neither keeps state; replay is the
caller's, who asks `replay_key` for a name of the packet that every re-encoding
of it shares.

Rules: no sockets, files, clocks or randomness in this package. Importing this
module doesn't load the crypto library: people's settings name its types, and the
web interface must not pay for AES.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address

from fwknopd.spa.digest import DigestType
from fwknopd.spa.mode import EncryptionGuess, EncryptionMode


@dataclass(frozen=True, slots=True)
class SpaKeys:
    """One stanza's keys. An empty or missing HMAC key means packets carry no MAC."""

    encryption_key: bytes | None = field(default=None, repr=False)
    hmac_key: bytes | None = field(default=None, repr=False)
    mode: EncryptionMode = EncryptionMode.CBC
    hmac_type: DigestType = DigestType.SHA256


@dataclass(frozen=True, slots=True)
class WireText:
    """Text that passed `classify`: 140..1500 base64 characters, prefix still missing.

    ``forwarded_for`` is the client address a reverse proxy claimed, only when asked for.
    """

    text: bytes
    forwarded_for: IPv4Address | None = None

    @property
    def encryption_guess(self) -> EncryptionGuess:
        """By length alone, MAC included, as the reference daemon guesses."""
        raise NotImplementedError
