"""fwknopctl explain: by the running daemon, which stays as it was, and by files alone."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fwknopd.ctl import main
from tests.interop.example_keys import HMAC_KEY_BASE64, KEY_BASE64
from tests.interop.program import Fwknopd, make_packet
from tests.unit.capture.frames import capture_file, ethernet, ipv4, udp

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Fwknopd]:
    installed = Fwknopd(tmp_path)
    installed.has_run_before()
    with installed.foreground():
        yield installed


@pytest.fixture
def installed(tmp_path: Path) -> Fwknopd:
    return Fwknopd(tmp_path)


def told(capsys: Capsys, *arguments: str | Path, code: int = 0) -> str:
    assert main(["explain", *map(str, arguments)]) == code
    captured = capsys.readouterr()
    return captured.out or captured.err


def packet_file(folder: Path, packet: bytes, name: str = "packet") -> Path:
    path = folder / name
    path.write_bytes(packet)
    return path


def control(daemon: Fwknopd) -> str:
    return f"--control={daemon.run_dir / 'control.sock'}"


def test_asking_the_daemon_changes_nothing_in_it(daemon: Fwknopd, capsys: Capsys) -> None:
    packet = make_packet()
    file = packet_file(daemon.folder, packet)
    before = daemon.ask("status"), daemon.ask("events"), (daemon.run_dir / "digest.cache").stat()
    for _ in range(2):
        text = told(capsys, control(daemon), "--source", "192.0.2.7", file)
        assert "ACCEPTED for client #1: opens tcp/22 for 192.0.2.7, for 30 s" in text
    after = daemon.ask("status"), daemon.ask("events"), (daemon.run_dir / "digest.cache").stat()
    for name in ("counters", "replay", "grants"):
        assert before[0][name] == after[0][name]
    assert before[1:] == after[1:]
    daemon.send(packet)
    assert daemon.wait_for_event("access rule for 192.0.2.7")
    text = told(capsys, control(daemon), "--source", "192.0.2.7", file)
    assert "REFUSED (replay)" in text
    assert "this packet was used before, on 20" in text
    assert "from 127.0.0.1" in text


def test_several_reasons_at_once(daemon: Fwknopd, capsys: Capsys) -> None:
    file = packet_file(daemon.folder, make_packet("tcp/23", age=3600))
    text = told(capsys, control(daemon), file)
    assert "REFUSED (too-old) for client #1" in text
    assert re.search(r" 360\d s apart, limit 120 s", text)
    assert "not in this client's OPEN_PORTS (tcp/22): tcp/23" in text


def test_the_daemon_refuses_what_is_no_packet(daemon: Fwknopd) -> None:
    from fwknopd.control.client import ControlError

    for arguments in ({"payload": "a b"}, {"payload": "QUFB", "source": "here"}):
        with pytest.raises(ControlError) as raised:
            daemon.ask("explain", **arguments)
        assert raised.value.code == "bad-argument"


def test_a_file_too_large_for_a_packet(daemon: Fwknopd, capsys: Capsys) -> None:
    text = told(capsys, control(daemon), packet_file(daemon.folder, b"Z" * 3000), code=1)
    assert "the packet has 3000 bytes" in text


# Without a daemon


def files(installed: Fwknopd) -> tuple[str, ...]:
    return ("-c", str(installed.config), "-a", str(installed.access))


def as_json(capsys: Capsys, *arguments: str | Path) -> list[dict[str, Any]]:
    packets: list[dict[str, Any]] = json.loads(told(capsys, "--json", *arguments))["packets"]
    return packets


def test_text_hexadecimal_and_capture_mean_the_same(installed: Fwknopd, capsys: Capsys) -> None:
    packet = make_packet()
    frame = ethernet(ipv4(udp(packet)))
    forms = {
        "text": packet + b"\n",
        "hex": packet.hex(" ").encode() + b"\n",
        "colons": b"0x" + packet.hex(":", 16).encode(),
        "pcap": capture_file([ethernet(ipv4(udp(b"short"))), frame]),
    }
    said = set()
    for name, data in forms.items():
        path = packet_file(installed.folder, data, name)
        [answer] = as_json(capsys, *files(installed), path, "--source", "192.0.2.9")
        assert answer["verdict"]["outcome"] == "accept"
        said.add(json.dumps(answer["clients"][0]["fields"]))
    assert len(said) == 1


def test_standard_input(
    installed: Fwknopd, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(make_packet() + b"\n"))
    monkeypatch.setattr("sys.stdin", stdin)
    text = told(capsys, *files(installed))
    assert "ACCEPTED" in text
    assert "not known: only the running daemon remembers packets" in text


def test_a_capture_tells_the_addresses_and_shows_what_may_be_knocks(
    installed: Fwknopd, capsys: Capsys
) -> None:
    frames = [
        ethernet(ipv4(udp(data))) for data in (b"dns", make_packet(), b"Z" * 200, b"!" * 1400)
    ]
    path = packet_file(installed.folder, capture_file(frames))
    text = told(capsys, *files(installed), path)
    assert "Packet 1 of 3" in text
    assert "source not known" not in text
    assert [answer["verdict"]["reason"] for answer in as_json(capsys, *files(installed), path)] == [
        "accepted",
        "no-client-matched",
        "not-spa",
    ]
    assert len(as_json(capsys, *files(installed), path, "--all")) == 4


def test_a_capture_without_knocks_and_a_broken_one(installed: Fwknopd, capsys: Capsys) -> None:
    quiet = packet_file(installed.folder, capture_file([ethernet(ipv4(udp(b"x")))] * 2))
    assert "none of the 2 packets" in told(capsys, *files(installed), quiet, code=1)
    broken = packet_file(installed.folder, capture_file([b"x" * 60])[:-5])
    assert "the capture can't be read" in told(capsys, *files(installed), broken, code=1)


def test_uci_says_that_it_is_off(installed: Fwknopd, capsys: Capsys) -> None:
    uci = installed.folder / "uci"
    installed.write(
        uci,
        "config access\n\toption name 'Ann'\n\toption SOURCE 'ANY'\n"
        f"\toption KEY_BASE64 '{KEY_BASE64}'\n\toption HMAC_KEY_BASE64 '{HMAC_KEY_BASE64}'\n"
        "config access\n\toption name 'Bob'\n\toption SOURCE 'ANY'\n\toption enabled '0'\n"
        "\toption KEY 'bobs own key'\n\toption HMAC_KEY 'bobs other key'\n",
    )
    assert main(["explain", "--uci", str(uci), str(packet_file(uci.parent, make_packet()))]) == 0
    captured = capsys.readouterr()
    assert "Enable config overwrite is off" in captured.err
    assert "Client Ann: would let it in" in captured.out
    assert "Client Bob: not its packet: its MAC is not this client's" in captured.out
    for secret in (KEY_BASE64, HMAC_KEY_BASE64, "bobs own key"):
        assert secret not in captured.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["/nowhere"], "/nowhere does not exist"),
        (["--source", "here"], "--source: 'here' is no address"),
        (["-a", "/nowhere"], "/nowhere"),
        (["--uci", "/nowhere"], "/nowhere does not exist"),
    ],
)
def test_complaints(
    installed: Fwknopd, capsys: Capsys, arguments: list[str], complaint: str
) -> None:
    file = packet_file(installed.folder, make_packet())
    ours = [] if set(arguments) & {"-a", "--uci"} else list(files(installed))
    ours += ["-c", str(installed.config)] if "-a" in arguments else []
    given = [str(file)] if arguments[0].startswith("-") else []
    assert complaint in told(capsys, *ours, *arguments, *given, code=1)


def test_a_faulty_configuration_is_named_with_its_line(installed: Fwknopd, capsys: Capsys) -> None:
    installed.write(installed.access, "SOURCE ANY\nOPEN_PORTS ssh\nKEY abcdefgh\n")
    text = told(capsys, *files(installed), packet_file(installed.folder, b"Z" * 200), code=1)
    assert f"{installed.access}:2: OPEN_PORTS: 'ssh' is no port" in text
