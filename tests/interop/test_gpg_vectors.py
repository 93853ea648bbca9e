"""The recorded GPG packets, opened by the real gpg: libfko's answer, and the C daemon's verdict.

Once through the library, with one run of gpg for each packet, and once through the
program: `fwknopd --pcap-file ... --test --events -`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from fwknopd.config.access_conf import stanzas_from_access_conf
from fwknopd.gpg_home import new_folder
from fwknopd.gpg_jobs import decrypt
from fwknopd.policy.authorizer import Authorizer
from fwknopd.policy.explanation import explain
from fwknopd.policy.gpg_candidate import message_of, question_of
from fwknopd.policy.gpg_questions import (
    GpgAnswer,
    GpgFacts,
    GpgFailure,
    GpgQuestion,
    NeedsGpg,
)
from fwknopd.policy.packet import Packet
from fwknopd.policy.stanza import Stanza
from fwknopd.policy.verdict import Reason, Refusal, Verdict
from fwknopd.replay import ReplayCache
from fwknopd.spa.errors import SpaError, SpaErrorCode
from fwknopd.spa.gpg_packet import gpg_keys, open_wire
from fwknopd.spa.gpg_report import read_report, unpacked
from fwknopd.spa.message import SpaMessage
from fwknopd.spa.packet import WireText
from tests.interop.deviations import GPG
from tests.interop.key_rings import KeyRing, recorded_ring
from tests.interop.policy_deviations import POLICY_DEVIATIONS
from tests.interop.spa_vectors import SpaVector, load_vectors
from tests.interop.test_daemon_vectors import frame, write_pcap
from tests.interop.test_policy_vectors import (
    BASE,
    DESTINATION,
    NOW,
    SOURCE,
    access_conf,
    by_name,
    policy_settings,
    server_settings,
)
from tests.interop.test_spa_vectors import SUCCESS, decoded_fields

pytestmark = pytest.mark.gpg

VECTORS = [vector for vector in load_vectors() if vector.encryption == "gpg"]
FIRST_SOURCE = IPv4Address("10.99.0.1")

SAYS = {
    "accepted": {Reason.ACCEPTED},
    "accepted-command": {Reason.ACCEPTED},
    "preprocess": {Reason.NOT_SPA},
    "no-encryption-type-match": {Reason.WRONG_LENGTH},
    "gpg-id-mismatch": {Reason.SIGNER_NOT_ALLOWED},
    "gpg-fingerprint-mismatch": {Reason.SIGNER_NOT_ALLOWED},
    "FKO_ERROR_GPGME_NO_SIGNATURE": {Reason.SIGNATURE_MISSING},
    "FKO_ERROR_GPGME_BAD_SIGNATURE": {Reason.SIGNATURE_BAD},
    # Without an HMAC nobody knows whose it would have been.
    "FKO_ERROR_GPGME_DECRYPT_FAILED": {Reason.DECRYPT_FAILED, Reason.NO_CLIENT_MATCHED},
    "FKO_ERROR_INVALID_DATA_HMAC_COMPAREFAIL": {Reason.NO_CLIENT_MATCHED},
}
"""The C daemon's verdict, up to its first colon or libfko's name, in our words."""


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyRing]:
    with recorded_ring(tmp_path_factory.mktemp("gpg") / "ring") as made:
        yield made


def expected(vector: SpaVector) -> set[Reason]:
    if vector.name in POLICY_DEVIATIONS:
        return {POLICY_DEVIATIONS[vector.name].ours}
    if vector.name in GPG:
        return {reason for reason in Reason if reason is not Reason.ACCEPTED}
    verdict, _, rest = vector.daemon_verdict.partition(":")
    said = verdict if verdict != "libfko" else rest
    return SAYS.get(said, {Reason.MALFORMED})


def stanza_lines(vector: SpaVector, ring: KeyRing) -> list[tuple[str, str]]:
    return [
        (name, value.replace("<gpg-home>", str(ring.folder))) for name, value in vector.stanza_extra
    ]


def stanza(vector: SpaVector, ring: KeyRing) -> Stanza:
    text = access_conf(vector.keys, stanza_lines(vector, ring))
    (made,), _ = stanzas_from_access_conf(text, "access.conf", settings=server_settings(vector))
    return made


def answer(question: GpgQuestion) -> GpgAnswer:
    said = unpacked(decrypt(question, new_folder()))
    return GpgFailure(said) if isinstance(said, str) else read_report(*said)


def opened(vector: SpaVector, ring: KeyRing) -> SpaMessage | SpaErrorCode:
    """What the library makes of the packet."""
    client = stanza(vector, ring)
    assert client.gpg is not None
    try:
        envelope = open_wire(WireText(vector.packet), gpg_keys(client.keys))
        return message_of(answer(question_of(client.gpg, envelope)), client.gpg)[0]
    except SpaError as error:
        return error.code


def library_name(result: SpaMessage | SpaErrorCode) -> str | None:
    return result.libfko_name if isinstance(result, SpaErrorCode) else SUCCESS


# The library was given this one without the daemon's tests before it.
UNTESTED = {"gpg-neg-ecc-recipient-unsigned", "gpg-neg-prefix-kept"}


@by_name([v for v in VECTORS if v.name not in UNTESTED | GPG.keys()])
def test_opening_agrees_with_libfko(vector: SpaVector, ring: KeyRing) -> None:
    result = opened(vector, ring)
    assert library_name(result) == vector.library_verdict
    if isinstance(result, SpaMessage):
        assert decoded_fields(result) == vector.decoded


def judge(
    authorizer: Authorizer, vector: SpaVector, answers: dict[GpgQuestion, GpgAnswer] | None = None
) -> Verdict:
    """The verdict, with gpg asked as often as it is needed."""
    packet = Packet(vector.packet, SOURCE, DESTINATION, 40000, 62201, 17, "wan")
    known: dict[GpgQuestion, GpgAnswer] = {} if answers is None else answers
    while True:
        verdict = authorizer.judge(packet, NOW, facts=GpgFacts(known))
        if not isinstance(verdict, NeedsGpg):
            return verdict
        known[verdict.question] = answer(verdict.question)


def reason_of(verdict: Verdict) -> Reason:
    return verdict.reason if isinstance(verdict, Refusal) else Reason.ACCEPTED


@by_name(VECTORS)
def test_verdict_and_reason_are_the_c_daemons(vector: SpaVector, ring: KeyRing) -> None:
    policy, answers = policy_settings(server_settings(vector)), dict[GpgQuestion, GpgAnswer]()
    client = stanza(vector, ring)
    authorizer = Authorizer([client], policy, ReplayCache())
    verdict = judge(authorizer, vector, answers)
    assert reason_of(verdict) in expected(vector), verdict
    # The same packet a second time.
    second = judge(authorizer, vector, answers)
    assert isinstance(second, Refusal)
    if not isinstance(verdict, Refusal):
        assert second.reason is Reason.REPLAY
    packet = Packet(vector.packet, SOURCE, DESTINATION, 40000, 62201, 17, "wan")
    explained = explain(packet, [client], policy, None, NOW, gpg=GpgFacts(answers))
    assert explained.questions == ()
    assert reason_of(explained.verdict) is reason_of(verdict)


def write_configuration(folder: Path, vectors: Sequence[SpaVector], ring: KeyRing) -> None:
    conf = BASE | {"PCAP_FILTER": "udp", "MAX_SNIFF_BYTES": "3000"}
    lines = "".join(f"{name} {value};\n" for name, value in conf.items())
    stanzas = [
        access_conf(vector.keys, stanza_lines(vector, ring)).replace(
            f"SOURCE {SOURCE}", f"SOURCE {FIRST_SOURCE + number}"
        )
        for number, vector in enumerate(vectors)
    ]
    for name, text in (("fwknopd.conf", lines), ("access.conf", "".join(stanzas))):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text)


def run_daemon(folder: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "fwknopd.cli", "-f", "--test", "--events", "-"),
            *("-c", str(folder / "fwknopd.conf"), "-a", str(folder / "access.conf")),
            *("--pcap-file", str(folder / "packets.pcap"), "--run-dir", str(folder)),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return [event for event in events if event["event"] == "verdict"]


def test_the_program_gives_the_recorded_verdicts(ring: KeyRing, tmp_path: Path) -> None:
    write_configuration(tmp_path, VECTORS, ring)
    sources = [FIRST_SOURCE + number for number in range(len(VECTORS))]
    write_pcap(tmp_path / "packets.pcap", list(map(frame, VECTORS, sources)))
    verdicts = run_daemon(tmp_path)
    assert [event["source"] for event in verdicts] == list(map(str, sources))
    wrong = {
        vector.name: (event["reason"], vector.daemon_verdict, event["detail"])
        for vector, event in zip(VECTORS, verdicts, strict=True)
        if event["reason"] not in {str(reason) for reason in expected(vector)}
    }
    assert not wrong


def test_every_gpg_deviation_is_one(ring: KeyRing) -> None:
    known = {vector.name: vector for vector in VECTORS}
    for name, deviation in GPG.items():
        result = opened(known[name], ring)
        assert library_name(result) != known[name].library_verdict
        assert result is deviation.ours
