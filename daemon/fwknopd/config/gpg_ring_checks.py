"""What can't work between a client's GPG rules and the key ring: said when it is read, not
when the first knock fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fwknopd.config.problems import Problem, Severity, printable
from fwknopd.policy.gpg import NOWHERE, SHORT_ID, GpgAccess
from fwknopd.policy.stanza import Stanza
from fwknopd.spa.gpg_ring import KeyPart, KeyRing, RingKey
from fwknopd.spa.packet import SpaKeys

LONGEST_DATAGRAM = 1472
"""Characters that fit into one Ethernet frame, and so the longest knock; protocol notes 11."""

_PLAINTEXT = 118
"""Bytes of a usual knock before it is encrypted."""
_SEALING = 93
"""Bytes that encryption adds, beside the two numbers as long as the keys."""
_SIGNING = 54
_CURVE_SIGNATURE = 64


def ring_problems(stanzas: Iterable[Stanza], ring: KeyRing) -> tuple[Problem, ...]:
    """Warnings on clients that use this ring."""
    return tuple(
        problem
        for stanza in stanzas
        if stanza.gpg is not None
        for problem in _Check(stanza, stanza.gpg, ring).problems()
    )


def unread_problems(stanzas: Iterable[Stanza], why: str) -> tuple[Problem, ...]:
    """Warnings on clients whose ring could not be read."""
    return tuple(
        _problem(stanza.gpg, "GPG_HOME_DIR", f"{why}: GPG knocks can't be opened", "Mend that.")
        for stanza in stanzas
        if stanza.gpg is not None
    )


def _problem(access: GpgAccess, option: str, message: str, remedy: str) -> Problem:
    """A warning at the option if it is written, else at the client."""
    named = option if option in access.origins else "SOURCE"
    file, line, section = access.origins.get(named, NOWHERE)
    return Problem(
        Severity.WARNING,
        file,
        line,
        option,
        printable(message),
        remedy,
        section,
    )


class _Check:
    """One client against the ring."""

    def __init__(self, stanza: Stanza, access: GpgAccess, ring: KeyRing) -> None:
        self._keys: SpaKeys = stanza.keys
        self._access = access
        self._ring = ring

    def problems(self) -> Iterator[Problem]:
        own = self._own_key()
        if own is None:
            yield self._no_own_key()
            return
        part = own.newest("e")
        if part is None or not part.is_long:
            yield self._short(own, part)
            return
        signers = list(self._signers()) if self._access.check_signature else []
        for option, name, signer in signers:
            yield from self._signer_problems(option, name, signer)
        yield from self._length_problems(part, [signer for _, _, signer in signers if signer])

    # The router's key

    def _own_key(self) -> RingKey | None:
        name = self._access.decrypt_id
        keys = [key for key in self._ring.secret if not name or key.is_named(name)]
        fit = [key for key in keys if (part := key.newest("e")) and part.is_long]
        return next(iter(fit or keys), None)

    def _no_own_key(self) -> Problem:
        folder = self._access.home.folder
        if self._ring.secret:
            return _problem(
                self._access,
                "GPG_DECRYPT_ID",
                f"{self._access.decrypt_id} is no secret key in {folder}",
                f"See which there are: gpg --homedir {folder} -K",
            )
        return _problem(
            self._access,
            "GPG_HOME_DIR",
            f"there is no secret key in {folder} that gpg can use: GPG knocks can't be opened",
            "Generate or import one there (as root); gpg-agent must be installed too, on "
            "OpenWrt with the package gnupg2-utils.",
        )

    def _short(self, own: RingKey, part: KeyPart | None) -> Problem:
        option, name = "GPG_DECRYPT_ID", own.parts[0].fingerprint[-SHORT_ID:]
        if part is None:
            what = f"key {name} has no part that can decrypt, or it has expired"
        else:
            what = (
                f"knocks to key {name} never arrive whole: fwknop works with RSA keys of 2048 "
                "bits and more only, not with elliptic curves"
            )
        return _problem(
            self._access,
            option,
            what,
            "Make an RSA key for the router: gpg --quick-generate-key router rsa2048, then "
            "gpg --quick-add-key FINGERPRINT rsa2048 encr",
        )

    # The clients' keys

    def _signers(self) -> Iterator[tuple[str, str, RingKey | None]]:
        """Option, id and key of each who may sign."""
        for option, names in (
            ("GPG_REMOTE_ID", self._access.remote_ids),
            ("GPG_FINGERPRINT_ID", self._access.fingerprints),
        ):
            for name in sorted(names or ()):
                keys = [key for key in self._ring.public if _part_named(key, name)]
                yield option, name, keys[0] if keys else None

    def _signer_problems(self, option: str, name: str, key: RingKey | None) -> Iterator[Problem]:
        ignoring = self._access.ignore_verify_error
        if key is None:
            if self._ring.whole and not ignoring:
                yield _problem(
                    self._access,
                    option,
                    f"there is no key {name} in {self._access.home.folder}, so its signature "
                    "can't be checked",
                    "Import the client's public key there (gpg --import), and have it trusted.",
                )
            return
        used = key.newest("s")
        if used is None:
            yield self._unusable(option, name)
        elif used is not _part_named(key, name):
            yield self._other_part(option, name, used)
        if not key.trusted and not ignoring:
            yield self._untrusted(option, name)

    def _unusable(self, option: str, name: str) -> Problem:
        message = f"key {name} can't sign any more: it has expired or was revoked"
        return _problem(self._access, option, message, "Renew it, and import it again.")

    def _other_part(self, option: str, name: str, used: KeyPart) -> Problem:
        right = used.fingerprint[-len(name) :]
        return _problem(
            self._access,
            option,
            f"the owner of key {name} signs with its part {right}, which is compared instead",
            f"Write {right} here, or have the client sign with --gpg-sign {name}!.",
        )

    def _untrusted(self, option: str, name: str) -> Problem:
        home = self._access.home.folder
        return _problem(
            self._access,
            option,
            f"the key ring does not trust key {name}, so its signatures are refused",
            f"See that it is the client's, then: gpg --homedir {home} --lsign-key {name}",
        )

    # Length

    def _length_problems(self, part: KeyPart, signers: list[RingKey]) -> Iterator[Problem]:
        mac = self._keys.hmac_type.text_length if self._keys.hmac_key else 0
        for signer in signers:
            used = signer.newest("s")
            length = _packet_length(part, used) + mac if used else 0
            if length > LONGEST_DATAGRAM:
                yield _problem(
                    self._access,
                    "GPG_DECRYPT_ID",
                    f"knocks to a key of {part.bits} bits, signed by one of "
                    f"{used.bits if used else 0}, have some {length} characters, and more than "
                    f"{LONGEST_DATAGRAM} do not arrive",
                    "Use a shorter key, for example RSA of 2048 bits.",
                )


def _packet_length(part: KeyPart, signer: KeyPart) -> int:
    signature = signer.bits // 8 if signer.algorithm in (1, 2, 3) else _CURVE_SIGNATURE
    sealed = part.bits // 8 + signature + _SIGNING + _PLAINTEXT + _SEALING
    return -(-sealed * 4 // 3) - 2


def _part_named(key: RingKey, name: str) -> KeyPart | None:
    """The part whose fingerprint ends so, as the C daemon compares."""
    return next((part for part in key.parts if part.fingerprint.endswith(name)), None)
