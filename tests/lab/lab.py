"""The lab as one object: enter it and everything runs, leave it and nothing is left."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from tests.lab.client import Ask, Knock, choose_client, spa_port
from tests.lab.configs import loopback_config, ready_config, write_private
from tests.lab.daemon import Daemon
from tests.lab.errors import LabError
from tests.lab.events import Event, EventStream
from tests.lab.folder import Record, claimed, write_record
from tests.lab.hosts import THIS_MACHINE, Host
from tests.lab.network import Network, network
from tests.lab.page import Page, usable_port
from tests.lab.paths import LabPaths
from tests.lab.process import SYSTEM_PATH
from tests.lab.ubus import install_ubus

Part = TypeVar("Part", Network, Daemon, Page)


@dataclass(frozen=True, slots=True)
class LabOptions:
    """What kind of lab. ``config`` is the text of its UCI file; port 0 means any free one.

    ``network`` False: no namespaces, knocks go to a UDP port of this machine, and the
    daemon only tells what it would open. ``checkpoint`` is called before each step of
    starting up with the step's name, at the end with "", and may raise to give up.
    """

    config: str | None = None
    scenario: str = "wan-drop"
    firewall: str = "auto"
    port: int = 0
    network: bool = True
    listener: Callable[[Event], None] = lambda event: None
    checkpoint: Callable[[str], None] = lambda step: None


class Lab:
    """A phone, a stranger, a router with daemon and LAN host, and the web page for it.

        with Lab(folder) as lab:
            lab.knock()
            assert lab.phone.connect(lab.router.address, 22)

    Raises LabError, after taking everything down again, when it can't be started.
    """

    def __init__(self, folder: Path, options: LabOptions | None = None) -> None:
        self.paths = LabPaths(folder)
        self.options = options or LabOptions()
        self.events = EventStream(self.options.listener)
        self._cleanup = ExitStack()
        self._network: Network | None = None
        self._daemon: Daemon | None = None
        self._page: Page | None = None

    # What there is

    @property
    def network(self) -> Network:
        """The machines. Raises LabError in a lab without namespaces."""
        return _present(self._network, "has no namespaces, or is not started")

    @property
    def phone(self) -> Host:
        """The machine that knocks."""
        return THIS_MACHINE if self._network is None else self._network.phone

    @property
    def stranger(self) -> Host:
        """A machine that never knocks."""
        return self.network.stranger

    @property
    def router(self) -> Host:
        """The machine that guards; ``address`` is that of its WAN."""
        return THIS_MACHINE if self._network is None else self._network.router

    @property
    def lan(self) -> Host:
        """A machine behind the router."""
        return self.network.lan

    @property
    def daemon(self) -> Daemon:
        """fwknopd on the router."""
        return _present(self._daemon, "is not started")

    @property
    def page(self) -> Page:
        """The web page."""
        return _present(self._page, "is not started")

    # What it does

    def knock(
        self,
        ask: Ask | None = None,
        *,
        client: str | None = None,
        keys: Mapping[str, str] | None = None,
        save_packet: Path | None = None,
    ) -> str:
        """Knock from the phone with the real client; returns what it wrote.

        With ``keys`` (option name -> text, as from a QR code), else those of the
        client's section. ``save_packet`` keeps the packet, to play it again.
        """
        keys = choose_client(self.paths.uci, client).keys if keys is None else keys
        knock = Knock(self.paths, self.phone, self.router.address, ask or Ask())
        saved = ["-B", str(save_packet)] if save_packet else []
        return knock.send(keys, [*knock.fwknop(), "--no-save-args", *saved])

    def replay(self, packet: Path, host: Host | None = None) -> None:
        """Send a saved packet again, from the phone or from another machine."""
        sender = self.phone if host is None else host
        sender.send_datagram(packet.read_bytes().strip(), self.router.address, self.spa_port)

    @property
    def spa_port(self) -> int:
        """The UDP port knocks go to."""
        return spa_port(self.paths.uci)

    # Its life

    def __enter__(self) -> Lab:
        with ExitStack() as cleanup:
            self._start(cleanup)
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    def _start(self, cleanup: ExitStack) -> None:
        port = usable_port(self.options.port)
        self.paths.check()
        cleanup.enter_context(claimed(self.paths.folder))
        # First of all, so that whoever finds this folder knows that it is a lab's.
        write_record(self.paths.folder, Record(os.getpid()))
        for name, step in (
            ("files", self._write_files),
            ("network", lambda: self._start_network(cleanup)),
            ("fwknopd", lambda: self._start_daemon(cleanup)),
            ("web page", lambda: self._start_page(cleanup, port)),
        ):
            self.options.checkpoint(name)
            step()
        self.options.checkpoint("")
        stem = "" if self._network is None else self._network.stem
        write_record(
            self.paths.folder, Record(os.getpid(), ready=True, stem=stem, url=self.page.url)
        )

    def _write_files(self) -> None:
        for folder in (self.paths.uci.parent, self.paths.classic, self.paths.run_dir):
            folder.mkdir(mode=0o700)
        config = self.options.config
        if config is None:
            config = (
                ready_config()
                if self.options.network
                else loopback_config(usual_port=bool(self.options.port))
            )
        write_private(self.paths.uci, config)
        install_ubus(self.paths.folder)

    def _start_network(self, cleanup: ExitStack) -> None:
        if self.options.network:
            self._network = cleanup.enter_context(network(self.options.scenario))

    def _start_daemon(self, cleanup: ExitStack) -> None:
        self._daemon = Daemon(
            self.router,
            self.paths,
            firewall=self.options.firewall if self.options.network else "log-only",
            environment=self._environment(f"{self.paths.folder}/bin:{SYSTEM_PATH}"),
            events=self.events,
        )
        cleanup.callback(self._daemon.close)
        self._daemon.start()

    def _start_page(self, cleanup: ExitStack, port: int) -> None:
        environment = self._environment(SYSTEM_PATH)
        self._page = Page(self.paths, port, environment)
        cleanup.callback(self._page.close)
        self._page.start()

    def _environment(self, path: str) -> dict[str, str]:
        return {"PATH": path, "HOME": str(self.paths.folder), "LC_ALL": "C.UTF-8"}


def _present(part: Part | None, state: str) -> Part:
    if part is None:
        raise LabError(f"this lab {state}")
    return part
