"""`fwknopd --pcap-file`: judge the packets of a capture file as if they came in now.

Only judge: they are copies, so a door for them is a door for whoever recorded them. Packet
aging is off by default here, and the daemon that remembers them may run beside this one.
"""

from __future__ import annotations

from collections.abc import Callable

from fwknopd.capture.bpf import CaptureFilter
from fwknopd.capture.pcap import PcapFileCapture
from fwknopd.config.problems import ConfigError, Problem, Severity
from fwknopd.config.settings import Configuration
from fwknopd.engine import Engine, EngineSettings
from fwknopd.options import Options
from fwknopd.part_settings import policy_settings

BATCH = 1000


def judge_file(
    options: Options,
    configuration: Configuration,
    engine: Engine,
    finish: Callable[[], None] = lambda: None,
) -> None:
    """Every packet gets a verdict event, junk included, in the order of the file.

    ``finish`` waits for what a packet has set going, such as gpg.

    Raises CaptureError, and ConfigError without ``--test``.
    """
    if not options.test:
        raise ConfigError([_test_only(options)])
    settings = configuration.settings
    policy = policy_settings(settings, test=options.test)
    engine.configure(
        EngineSettings(policy, configuration.stanzas, test=options.test, list_rejected=True)
    )
    # The kernel's junk filter is left out: each packet's refusal is to be seen.
    user = CaptureFilter(settings.pcap_filter, settings.pcap_filter)
    capture = PcapFileCapture(options.pcap_file or settings.pcap_file, user)
    judged = 0
    try:
        while not capture.exhausted:
            for packet in capture.read(BATCH):
                engine.handle(packet)
                finish()
                judged += 1
                if judged == options.packet_limit:
                    return
    finally:
        capture.close()


def _test_only(options: Options) -> Problem:
    given = options.pcap_file is not None
    return Problem(
        Severity.ERROR,
        "the command line" if given else "the configuration",
        None,
        "--pcap-file" if given else "PCAP_FILE",
        "no door is opened for the packets of a file, they are only judged",
        "Add --test (-t).",
    )
