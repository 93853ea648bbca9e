"""What is done with the real gpg: openings, listings, and that nothing stays behind."""

from __future__ import annotations

import bz2
import os
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fwknopd.config.access_conf import stanzas_from_access_conf
from fwknopd.config.gpg_ring_checks import ring_problems
from fwknopd.gpg_home import PREFIX, clear, clear_abandoned, new_folder
from fwknopd.gpg_jobs import LONGEST_TEXT, decrypt, list_keys
from fwknopd.gpg_queue import GpgQueue
from fwknopd.loop import Loop
from fwknopd.policy.gpg import GpgHome
from fwknopd.policy.gpg_questions import GpgAnswer, GpgFailure, GpgQuestion, NeedsGpg
from fwknopd.policy.packet import Address
from fwknopd.spa.gpg_report import Report, Signature, read_report, unpacked
from fwknopd.spa.gpg_ring import KeyRing as ListedRing
from fwknopd.spa.gpg_ring import read_ring
from fwknopd.spa.openpgp import parse_message
from fwknopd.workers import Workers
from tests.interop.key_rings import GPG, KeyRing, key_ring, processes_of
from tests.interop.openpgp_packets import (
    long_packet,
    new_packet,
    parted_packet,
    sealed_for,
    session_packet,
)
from tests.unit.policy.gpg_knocks import gpg_client
from tests.unit.policy.knocks import packet

pytestmark = pytest.mark.gpg

TEXT = b"4071836258190274:YWxpY2U:1700000000:3.0.0:1:MTkyLjAuMi43LHRjcC8yMg:..."
PASSPHRASE = 'p\u00e4ss "phrase" $HOME'
SOON = 30.0


class Site:
    """A router's ring, a client's ring, and what they know of each other."""

    def __init__(self, router: KeyRing, client: KeyRing) -> None:
        self.router, self.client = router, client
        self.own = router.make("router", passphrase=PASSPHRASE)
        router.add_part(self.own, "rsa2048", "encr", passphrase=PASSPHRASE)
        self.anna, self.bert = client.make("anna"), client.make("bert")
        self.parts = router.fingerprints(self.own)
        self.home = GpgHome(str(router.folder), GPG)
        client.add(router.public(self.own))
        router.add(client.public(self.anna, self.bert))
        router.trust(self.anna, self.own)

    def sealed(self, *options: str, text: bytes = TEXT) -> bytes:
        """A message to the router."""
        return self.client.gpg(
            *("--trust-model", "always", "--pinentry-mode", "loopback", "--passphrase", ""),
            *("--recipient", self.own, *options),
            data=text,
        )

    def signed(self, *signers: str, text: bytes = TEXT) -> bytes:
        """A signed message to the router."""
        users = [word for signer in signers or (self.anna,) for word in ("-u", signer)]
        return self.sealed("--sign", "--encrypt", *users, text=text)

    def opened(
        self, message: bytes, passphrase: str = PASSPHRASE, home: GpgHome | None = None
    ) -> GpgAnswer:
        """What gpg makes of it."""
        question = GpgQuestion(home or self.home, passphrase.encode(), parse_message(message))
        return answer(decrypt(question, new_folder()))

    def report(self, message: bytes) -> Report:
        made = self.opened(message)
        assert isinstance(made, Report), made
        return made


def answer(result: bytes) -> GpgAnswer:
    said = unpacked(result)
    return GpgFailure(said) if isinstance(said, str) else read_report(*said)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("gpg")
    with key_ring(folder / "router") as router, key_ring(folder / "client") as client:
        yield Site(router, client)


def left_behind() -> list[Path]:
    return list(new_folder().parent.glob(f"{PREFIX}{os.getpid()}-*"))


@pytest.fixture(autouse=True)
def nothing_stays(site: Site) -> Iterator[None]:
    """No run leaves a folder or a process, nor writes into the ring."""
    before = {path: path.stat().st_mtime_ns for path in site.router.folder.iterdir()}
    yield
    assert left_behind() == []
    assert {path: path.stat().st_mtime_ns for path in site.router.folder.iterdir()} == before


def test_a_signed_message(site: Site) -> None:
    assert site.report(site.signed()) == Report(TEXT, Signature(site.anna, "", True))


def test_an_unsigned_message(site: Site) -> None:
    assert site.report(site.sealed("--encrypt")) == Report(TEXT)


def test_a_signer_nobody_trusts(site: Site) -> None:
    assert site.report(site.signed(site.bert)).signature == Signature(site.bert)


def test_the_first_signer_counts(site: Site) -> None:
    for signers in ((site.anna, site.bert), (site.bert, site.anna)):
        signature = site.report(site.signed(*signers)).signature
        assert signature is not None
        assert signature.signer == signers[0]
        assert signature.trusted is (signers[0] == site.anna)


def test_an_expired_signature(site: Site) -> None:
    message = site.sealed(
        *("--sign", "--encrypt", "-u", site.anna, "--default-sig-expire", "seconds=1")
    )
    time.sleep(1.1)
    signature = site.report(message).signature
    assert signature == Signature(site.anna, "the signature has expired", True)


def test_a_stranger(site: Site, tmp_path: Path) -> None:
    with key_ring(tmp_path / "stranger", site.router.public(site.own)) as stranger:
        who = stranger.make("stranger")
        message = stranger.gpg(
            *("--trust-model", "always", "--pinentry-mode", "loopback", "--passphrase", ""),
            *("--recipient", site.own, "--sign", "--encrypt"),
            data=TEXT,
        )
    signature = site.report(message).signature
    assert signature == Signature(who, "the signing key is not in the key ring")


def test_the_passphrase(site: Site) -> None:
    message = site.signed()
    for wrong in ("wrong", ""):
        made = site.opened(message, passphrase=wrong)
        assert isinstance(made, Report)
        assert made.text is None
    assert "passphrase" in str(site.opened(message, passphrase="wrong"))


def test_a_message_for_somebody_else(site: Site, tmp_path: Path) -> None:
    with key_ring(tmp_path / "other") as other:
        who = other.make("other")
        other.add_part(who, "rsa2048", "encr")
        key_id, session, body = sealed_for(other.public(who), b"")
    made = site.report(session_packet(key_id, session) + new_packet(18, body))
    assert made.text is None
    assert "not in the key ring" in made.fault


# Messages no client makes


def literal(text: bytes) -> bytes:
    return new_packet(11, b"b\0\0\0\0\0" + text)


def made_by_hand(site: Site, inner: bytes) -> tuple[bytes, bytes]:
    key_id, session, body = sealed_for(site.router.public(site.own), inner)
    return session_packet(key_id, session), body


def test_every_framing_opens_and_is_one_packet(site: Site) -> None:
    start, body = made_by_hand(site, literal(TEXT * 8))
    sealed = set()
    for message in (
        start + new_packet(18, body),
        start + long_packet(18, body),
        start + parted_packet(18, body),
        start + start + new_packet(18, body),
    ):
        assert site.report(message) == Report(TEXT * 8)
        sealed.add(parse_message(message).sealed)
    assert len(sealed) == 1


def test_a_changed_message_stays_closed_though_its_signature_came_first(site: Site) -> None:
    # In batch mode gpg would end at the bad signature, before it has seen the change.
    signed = site.client.gpg(
        *("--pinentry-mode", "loopback", "--passphrase", "", "-u", site.anna),
        *("--sign", "--compress-algo", "none"),
        data=TEXT,
    )
    start, body = made_by_hand(site, signed)
    assert site.report(start + new_packet(18, body)).signature == Signature(site.anna, "", True)
    changed = bytearray(body)
    changed[-100] ^= 1
    closed = site.report(start + new_packet(18, bytes(changed)))
    assert closed.text is None


def test_a_text_beside_the_signed_one_is_not_taken_for_it(site: Site) -> None:
    signed = site.client.gpg(
        *("--pinentry-mode", "loopback", "--passphrase", "", "-u", site.anna),
        *("--sign", "--compress-algo", "none"),
        data=TEXT,
    )
    for inner in (literal(b"forged") + signed, signed + literal(b"forged")):
        start, body = made_by_hand(site, inner)
        report = site.report(start + new_packet(18, body))
        signature = report.signature
        good = signature is not None and signature.trusted and not signature.fault
        assert not good or report.text == TEXT


def test_no_packet_becomes_gigabytes(site: Site) -> None:
    compressor = bz2.BZ2Compressor(9)
    million, packed = bytes(1_000_000), b""
    size = 60 * len(million)
    packed += compressor.compress(b"\xcb\xff" + (size + 6).to_bytes(4) + b"b\0\0\0\0\0")
    for _ in range(60):
        packed += compressor.compress(million)
    packed += compressor.flush()
    assert len(packed) < 1000
    start, body = made_by_hand(site, new_packet(8, b"\x03" + packed))
    started = time.monotonic()
    made = site.opened(start + new_packet(18, body))
    assert time.monotonic() - started < SOON
    assert isinstance(made, Report)
    assert made.text is None


def test_the_longest_text_there_is(site: Site) -> None:
    assert site.report(site.sealed("--encrypt", text=b"x" * 1500)).text == b"x" * 1500
    assert site.report(site.sealed("--encrypt", text=b"x" * (LONGEST_TEXT + 1))).text is None


# What can be wrong with this machine


def test_no_key_ring(site: Site) -> None:
    made = site.opened(site.signed(), home=GpgHome("/nonexistent", GPG))
    assert made == GpgFailure("the key ring /nonexistent (GPG_HOME_DIR) does not exist")


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("/nonexistent", "does not exist"),
        ("/bin/true", "is not gpg"),
        ("/bin/false", "fails when it is started"),
    ],
)
def test_no_gpg(site: Site, program: str, why: str) -> None:
    made = site.opened(site.signed(), home=GpgHome(site.home.folder, program))
    assert isinstance(made, GpgFailure)
    assert program in made.detail
    assert why in made.detail


def test_no_python_gnupg(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gnupg", None)
    made = site.opened(site.signed())
    assert isinstance(made, GpgFailure)
    assert "python-gnupg is not installed" in made.detail


def test_the_owners_own_agent_is_left_alone(site: Site) -> None:
    def agents() -> list[str]:
        return [line for line in processes_of(site.router.folder) if "gpg-agent" in line]

    before = agents()
    site.report(site.signed())
    assert agents() == before
    assert before


def test_no_secret_shows_in_the_process_list(site: Site, tmp_path: Path) -> None:
    spy = tmp_path / "gpg"
    spy.write_text(
        f'#!/bin/sh\n{{ tr "\\0" " " < /proc/$$/cmdline; env; }} >> {tmp_path}/seen\n'
        f'exec {GPG} "$@"\n'
    )
    spy.chmod(0o755)
    made = site.opened(site.signed(), home=GpgHome(site.home.folder, str(spy)))
    assert isinstance(made, Report)
    assert made.text == TEXT
    seen = (tmp_path / "seen").read_bytes()
    assert b"--decrypt" in seen
    assert PASSPHRASE.encode() not in seen


# Key rings


def ring_of(folder: Path) -> ListedRing:
    said = unpacked(list_keys(GpgHome(str(folder), GPG), new_folder()))
    assert not isinstance(said, str), said
    return read_ring(said[0])


def test_a_ring_is_listed(site: Site) -> None:
    ring = ring_of(site.router.folder)
    assert ring.recipients == {fingerprint[-16:] for fingerprint in site.parts}
    trusted = {key.parts[0].fingerprint: key.trusted for key in ring.public}
    assert trusted == {site.own: True, site.anna: True, site.bert: False}


def said_of(folder: Path, lines: str) -> list[str]:
    text = f"SOURCE ANY\nGPG_ALLOW_NO_PW Y\nGPG_HOME_DIR {folder}\n{lines}\n"
    stanzas, _ = stanzas_from_access_conf(text, "access.conf")
    return [str(problem) for problem in ring_problems(stanzas, ring_of(folder))]


def test_what_can_not_work_is_found_in_a_real_ring(site: Site) -> None:
    folder = site.router.folder
    assert said_of(folder, f"GPG_FINGERPRINT_ID {site.anna}\nGPG_DECRYPT_ID router") == []
    [untrusted] = said_of(folder, f"GPG_FINGERPRINT_ID {site.bert}")
    assert "does not trust" in untrusted
    [unknown] = said_of(folder, f"GPG_FINGERPRINT_ID {site.anna}\nGPG_DECRYPT_ID 11111111")
    assert "11111111 is no secret key" in unknown


def test_a_curve_key_is_found_in_a_real_ring(tmp_path: Path, site: Site) -> None:
    with key_ring(tmp_path / "curve", site.client.public(site.anna)) as curve:
        own = curve.make("curve", "ed25519", "cert")
        curve.add_part(own, "cv25519", "encr")
        curve.trust(site.anna)
        [problem] = said_of(curve.folder, f"GPG_FINGERPRINT_ID {site.anna}")
        assert "never arrive whole" in problem


def test_the_length_that_is_warned_of_is_that_of_real_packets(site: Site, tmp_path: Path) -> None:
    from fwknopd.config.gpg_ring_checks import _packet_length

    router, anna = (
        ring_of(site.router.folder).public[index].newest(use) for index, use in ((0, "e"), (1, "s"))
    )
    assert router is not None
    assert anna is not None
    characters = len(site.signed(text=b64encode(os.urandom(87)))) * 4 // 3
    assert abs(_packet_length(router, anna) - characters) < 60


# A gpg that is stuck


class Desk:
    """The queue with real workers."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.workers = Workers(self.loop)
        self.queue = GpgQueue(self.workers)
        self.answers: list[GpgAnswer] = []

    def ask(self, question: GpgQuestion, source: Address) -> None:
        client = gpg_client(access={"home": question.home})
        self.queue.ask(NeedsGpg(question, client, True), source, self.answers.append)

    def close(self) -> None:
        self.workers.close()
        self.queue.close()
        self.loop.close()


def hanging(folder: Path, what: str = "--decrypt") -> Path:
    """A gpg that brings up its agent, and then is stuck."""
    program = folder / "gpg"
    program.write_text(
        f'#!/bin/sh\ncase " $* " in *" {what} "*)\n'
        f'  {GPG} --homedir "$(dirname "$0")/none" --version > /dev/null\n'
        "  for word; do case $last in --homedir) home=$word;; esac; last=$word; done\n"
        '  gpg-agent --homedir "$home" --daemon > /dev/null 2>&1\n'
        f"  echo $$ > {folder}/pid; sleep 1000;;\nesac\n"
        f'exec {GPG} "$@"\n'
    )
    program.chmod(0o755)
    return program


def test_a_stuck_gpg_is_stopped_with_all_it_started(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fwknopd.gpg_queue.GPG_SECONDS", 1.0)
    stuck = GpgHome(site.home.folder, str(hanging(tmp_path)))
    message = parse_message(site.signed())
    source = packet(b"").source
    with closing(Desk()) as desk:
        desk.ask(GpgQuestion(stuck, PASSPHRASE.encode(), message), source)
        [folder] = desk.queue._running.values()
        desk.workers.finish()
        [made] = desk.answers
        assert isinstance(made, GpgFailure)
        assert "more than 1 seconds" in made.detail
        assert processes_of(folder) == []
        assert not folder.exists()
        monkeypatch.undo()
        desk.ask(GpgQuestion(site.home, PASSPHRASE.encode(), message), source)
        desk.workers.finish()
        assert isinstance(desk.answers[1], Report)
        assert desk.answers[1].text == TEXT


def test_an_end_in_the_midst_leaves_nothing(site: Site, tmp_path: Path) -> None:
    stuck = GpgHome(site.home.folder, str(hanging(tmp_path)))
    message = parse_message(site.signed())
    desk = Desk()
    desk.ask(GpgQuestion(stuck, PASSPHRASE.encode(), message), packet(b"").source)
    [folder] = desk.queue._running.values()
    wait_for(tmp_path / "pid")
    assert processes_of(folder)
    desk.close()
    assert processes_of(folder) == []
    assert not folder.exists()


def test_what_a_killed_daemon_left_is_cleared(site: Site, tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    name = new_folder()
    folder = name.with_name(f"{PREFIX}{dead.pid}-abcdef")
    mine = name.with_name(f"{PREFIX}{os.getpid()}-abcdef")
    foreign = name.with_name(f"{PREFIX}{dead.pid}-foreign")
    try:
        foreign.symlink_to(tmp_path)
        (tmp_path / "kept").touch()
        for home in (folder, mine):
            home.mkdir(mode=0o700)
        subprocess.run(
            ["gpg-agent", "--homedir", str(folder), "--daemon"],
            check=True,
            # It would keep pipes open.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert processes_of(folder)
        clear_abandoned()
        assert processes_of(folder) == []
        assert not folder.exists()
        assert mine.exists()
        assert (tmp_path / "kept").exists()
    finally:
        for home in (folder, mine):
            clear(home)
        foreign.unlink(missing_ok=True)


def wait_for(path: Path) -> None:
    end = time.monotonic() + SOON
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.02)


def test_a_job_leaves_the_signals_of_its_process_alone(site: Site) -> None:
    before = signal.getsignal(signal.SIGPIPE)
    site.report(site.signed())
    assert signal.getsignal(signal.SIGPIPE) is before
