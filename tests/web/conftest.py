"""The web page over a real UCI file and, where a test wants one, a daemon that answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from fwknop_webui.app import create_app
from fwknop_webui.auth import set_password
from fwknop_webui.services import WebConfig
from tests.web.clock import HandClock
from tests.web.daemon import StubDaemon
from tests.web.visitor import Visitor

PASSWORD = "correct horse battery"

STOCK = """
config global

config network

config access
\toption SOURCE 'ANY'
\toption HMAC_KEY '__CHANGEME__'
\toption KEY '__CHANGEME__'

config config
\toption ENABLE_IPT_FORWARDING 'Y'
\toption ENABLE_NAT_DNS 'Y'

"""


@pytest.fixture(scope="session")
def password_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # One for all tests: scrypt is slow on purpose.
    path = tmp_path_factory.mktemp("auth") / "webui.passwd"
    set_password(path, PASSWORD)
    return path


@pytest.fixture
def uci(tmp_path: Path) -> Path:
    path = tmp_path / "config" / "fwknopd"
    path.parent.mkdir()
    path.write_text(STOCK)
    path.chmod(0o600)
    return path


@pytest.fixture
def hands() -> HandClock:
    return HandClock()


def web_config(folder: Path, password_file: Path, hands: HandClock) -> WebConfig:
    """A page with everything of its own in ``folder``, and nothing of the machine's."""
    return WebConfig(
        uci=folder / "config" / "fwknopd",
        control=folder / "control.sock",
        password_file=password_file,
        savedir=folder / "delta",
        allowed_hosts=("router.lan",),
        host_name="OpenWrt",
        clock=hands.clock,
        login_state=folder / "webui.passwd.state",
        classic=folder / "fwknop",
        service=folder / "init.d" / "none",
        proc=folder / "proc",
    )


@pytest.fixture
def config(uci: Path, tmp_path: Path, password_file: Path, hands: HandClock) -> WebConfig:
    assert uci.is_relative_to(tmp_path)
    return web_config(tmp_path, password_file, hands)


@pytest.fixture
def app(config: WebConfig) -> Flask:
    return create_app(config)


@pytest.fixture
def daemon(config: WebConfig) -> Iterator[StubDaemon]:
    with StubDaemon(config.control) as running:
        yield running


@pytest.fixture
def stranger(app: Flask) -> Visitor:
    """A browser that isn't logged in."""
    return Visitor(app, PASSWORD)


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    """A browser that is logged in."""
    visitor = Visitor(app, PASSWORD)
    assert visitor.log_in().status == 200
    return visitor


@pytest.fixture
def second(app: Flask) -> Visitor:
    """Another browser that is logged in."""
    other = Visitor(app, PASSWORD)
    assert other.log_in().status == 200
    return other


@pytest.fixture
def write_uci(uci: Path) -> Callable[[str], None]:
    """Change the file behind the page's back, as an editor would."""

    def write(text: str) -> None:
        temporary = uci.with_name("edited")
        temporary.write_text(text)
        temporary.chmod(0o600)
        temporary.replace(uci)

    return write
