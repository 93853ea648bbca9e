"""``fwknopctl explain``: what becomes of a packet, and why, without anything happening."""

from __future__ import annotations

import time
from argparse import Namespace
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from fwknopd.config.problems import ConfigError
from fwknopd.config.settings import Configuration
from fwknopd.control.protocol import MAX_PACKET
from fwknopd.ctl.answers import Json, child, children, number, text
from fwknopd.ctl.daemon import ask
from fwknopd.ctl.errors import CtlError
from fwknopd.ctl.output import GREEN, RED, clean, colour, print_json, print_note
from fwknopd.ctl.packet_input import plausible, read_packets
from fwknopd.ctl.problems import config_error, note_warnings
from fwknopd.ctl.verb import DEFAULT_CONFIG
from fwknopd.policy.packet import Packet
from fwknopd.policy.verdict import Reason
from fwknopd.regular_file import FileError

GPG_PATIENCE = 40.0
"""Seconds to wait for gpg, which has 10 for each try."""

MOST = 200
"""Packets explained at most in one go."""

_MARKS = {"passed": ("ok", GREEN), "failed": ("NO", RED), "noted": ("--", "")}
_CHECK_WIDTH = 15
_CLIENTS = {"accept": "would let it in", "foreign": "not its packet"}

Judge = Callable[[Packet], Json]


def explain_packet(options: Namespace) -> int:
    """The verb ``explain``. The exit code says that it was explained, not what came of it."""
    judge = _offline(options) if _has_files(options) else _online(options)
    packets = _chosen(options)
    answers = [judge(packet) for packet in packets]
    if options.json:
        print_json({"packets": answers})
        return 0
    for position, answer in enumerate(answers, start=1):
        if len(answers) > 1:
            print(f"Packet {position} of {len(answers)}")
        print("\n".join(explanation_lines(answer, whole=options.all)))
    return 0


def _chosen(options: Namespace) -> list[Packet]:
    found = read_packets(options.file, options.source, options.destination)
    packets = found if options.all or len(found) == 1 else plausible(found)
    if not packets:
        raise CtlError(
            f"none of the {len(found)} packets in the capture has the length of a knock",
            "Name another capture, or see them all with --all",
        )
    if len(packets) > MOST:
        print_note(f"of {len(packets)} packets only the first {MOST} are explained")
    return packets[:MOST]


# Who judges


def _online(options: Namespace) -> Judge:
    def judge(packet: Packet) -> Json:
        if len(packet.payload) > MAX_PACKET:
            raise CtlError(
                f"the packet has {len(packet.payload)} bytes, and a knock never has so many",
                f"Is it the right file? Up to {MAX_PACKET} bytes can be explained",
            )
        end = time.monotonic() + GPG_PATIENCE
        while True:
            answer = ask(
                options,
                "explain",
                payload=b64encode(packet.payload).decode("ascii"),
                source=str(packet.source),
                destination=str(packet.destination),
            )
            # gpg works beside the daemon, which waits for nobody.
            if not answer.pop("pending", False) or time.monotonic() > end:
                return answer
            time.sleep(0.1)

    return judge


def _has_files(options: Namespace) -> bool:
    return bool(options.uci or options.config_file or options.access_file)


def _offline(options: Namespace) -> Judge:
    # Loaded here: asking the daemon must not cost the crypto library.
    from fwknopd.clock import SystemClock
    from fwknopd.gpg_explaining import explained_now
    from fwknopd.part_settings import policy_settings
    from fwknopd.policy.explanation import explain

    try:
        configuration = _configuration(options)
    except ConfigError as error:
        raise config_error(error) from None
    except FileError as error:
        raise CtlError(error.message, error.remedy) from None
    note_warnings(configuration.problems)
    settings = policy_settings(configuration.settings)

    def judge(packet: Packet) -> Json:
        clock = SystemClock()
        now = int(clock.now())
        stanzas, offset = configuration.stanzas, clock.utc_offset(now)
        made = partial(explain, packet, stanzas, settings, None, now, clock.problem(), offset)
        return explained_now(lambda gpg: made(gpg=gpg), packet).as_json()

    return judge


def _configuration(options: Namespace) -> Configuration:
    from fwknopd.configuration import load_files

    if not options.uci:
        access = Path(options.access_file) if options.access_file else None
        return load_files(Path(options.config_file or DEFAULT_CONFIG), access)
    return _uci_configuration(Path(options.uci))


def _uci_configuration(path: Path) -> Configuration:
    from fwknopd.config.uci_config import configuration_from_uci, uci_enabled
    from fwknopd.uci_store import UciStore

    package = UciStore(path).load().package
    if not uci_enabled(package):
        print_note(f"Enable config overwrite is off in {path}: no daemon uses it as it is")
    return configuration_from_uci(package, str(path))


# What people see


def explanation_lines(answer: Json, *, whole: bool = False) -> Iterator[str]:
    """An explanation in lines; with ``whole`` also the steps of clients whose packet it isn't."""
    yield from map(_step_line, children(answer, "packet"))
    for client in children(answer, "clients"):
        yield from _client_lines(client, whole=whole)
    left_out = int(number(answer, "clients_left_out"))
    if left_out:
        yield f"  {left_out} more clients whose packet it is not"
    yield _verdict_line(child(answer, "verdict"))


def _step_line(step: Json, indent: str = "  ") -> str:
    mark, paint = _MARKS.get(text(step, "outcome"), ("??", ""))
    shown = colour(mark, paint) if paint else mark
    check, detail = clean(text(step, "check")), clean(text(step, "detail"))
    return f"{indent}{shown}  {check:<{_CHECK_WIDTH}} {detail}"


def _client_lines(client: Json, *, whole: bool) -> Iterator[str]:
    outcome, steps = text(client, "outcome"), children(client, "steps")
    said = _CLIENTS.get(outcome, f"refuses it: {text(client, 'reason')}")
    if outcome == "accept" and text(client, "reason") == Reason.LOG_ONLY:
        said = "would only log it"
    if outcome == "foreign" and steps and not whole:
        said += f": {text(steps[-1], 'detail')}"
        steps = []
    yield f"  Client {clean(text(client, 'client'))}: {clean(said)}"
    for step in steps:
        yield _step_line(step, "      ")
        if text(step, "check") == "decrypt":
            yield from _field_lines(child(client, "fields"))


def _field_lines(fields: Json) -> Iterator[str]:
    for name in fields:
        yield f"            {clean(name):<{_CHECK_WIDTH}} {clean(text(fields, name))}"


def _verdict_line(verdict: Json) -> str:
    client, detail = text(verdict, "client"), clean(text(verdict, "detail"))
    whose = f" for client {clean(client)}" if client else ""
    if text(verdict, "outcome") == "accept":
        word = "LOG ONLY" if text(verdict, "reason") == Reason.LOG_ONLY else "ACCEPTED"
        return f"{colour(word, GREEN)}{whose}: {detail}"
    return f"{colour('REFUSED', RED)} ({clean(text(verdict, 'reason'))}){whose}: {detail}"
