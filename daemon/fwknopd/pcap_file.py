"""`fwknopd --pcap-file`: judge the packets of a capture file as if they came in now."""

from __future__ import annotations

from fwknopd.capture.bpf import CaptureFilter
from fwknopd.capture.pcap import PcapFileCapture
from fwknopd.config.settings import Configuration
from fwknopd.engine import Engine, EngineSettings
from fwknopd.options import Options
from fwknopd.startup import policy_settings

BATCH = 1000


def judge_file(options: Options, configuration: Configuration, engine: Engine) -> None:
    """Every packet gets a verdict event, junk included. Raises CaptureError, FirewallError.

    The firewall is touched as in live use unless ``--test`` is given; it must have been
    started by the caller.
    """
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
                judged += 1
                if judged == options.packet_limit:
                    return
    finally:
        capture.close()
