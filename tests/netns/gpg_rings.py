"""The GPG keys of a router and of a client who knows it, as guides have people make them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.key_rings import KeyRing, key_ring


class Ring:
    """A ring with a key of its own, and what stands for it in a guide."""

    def __init__(self, keys: KeyRing, own: str) -> None:
        self.keys = keys
        self.own = own
        self.ids: dict[str, str] = {}

    @property
    def folder(self) -> Path:
        """The folder gpg calls its home."""
        return self.keys.folder

    @property
    def short_id(self) -> str:
        """The 8 digits fwknop goes by."""
        return self.own[-8:]

    def filled_in(self, text: str) -> str:
        """A guide's text with these keys instead of its own."""
        for example, real in self.ids.items():
            text = text.replace(example, real)
        return text

    @contextmanager
    def at(self, place: Path) -> Iterator[None]:
        """Have the ring at this place while the block runs.

        Sockets need short paths, which those of a test's machine are not.
        """
        place.symlink_to(self.folder)
        try:
            yield
        finally:
            place.unlink()


@contextmanager
def gpg_rings(passphrase: str = "") -> Iterator[tuple[Ring, Ring]]:
    """The router's ring, whose key has the passphrase, and the client's."""
    with (
        tempfile.TemporaryDirectory(prefix="fwkr-") as folder,
        key_ring(Path(folder, "router")) as router_keys,
        key_ring(Path(folder, "client")) as client_keys,
    ):
        router = Ring(router_keys, router_keys.make("router", "rsa2048", "", passphrase))
        router_keys.add_part(router.own, "rsa2048", "encr", passphrase)
        client = Ring(client_keys, client_keys.make("client"))
        client_keys.add(router_keys.public(router.own))
        client_keys.trust(router.own)
        router_keys.add(client_keys.public(client.own))
        router_keys.trust(client.own)
        router.ids = {
            "11111111": router.short_id,
            "99999999": client.short_id,
            "/home/test/.gnupg": str(router.folder),
        }
        yield router, client
