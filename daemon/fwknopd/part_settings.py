"""What of a configuration each part of the daemon is given: policy, engine, firewall, captures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fwknopd.capture.bpf import MAX_PAYLOAD, capture_filter
from fwknopd.capture.device import ANY_DEVICE
from fwknopd.capture.link_layer import MAX_FRAME
from fwknopd.capture.plan import DEFAULT_DEVICE, CaptureRequest, Sniffing
from fwknopd.config.ipt_chain import parse_ipt_chain
from fwknopd.config.settings import Configuration, ServerSettings
from fwknopd.engine import EngineSettings
from fwknopd.options import Options
from fwknopd.policy.settings import PolicySettings

if TYPE_CHECKING:
    from fwknopd.firewall.iptables_rules import IptablesSettings

FRAME_OVERHEAD = 22
"""Bytes of an Ethernet header with two VLAN tags, beside MAX_SNIFF_BYTES."""

SHORT_PACKETS = (780, 944)
"""Bytes of payload, and of the whole frame, of what is captured where all packets are AES.

From 400 characters on those are refused anyway; the rest is room for a reason to be told.
Each packet takes the whole length in the kernel's ring until it is fetched, and what libpcap
adds makes it 1 KiB: so the ring holds half as many packets again as with whole frames.
"""


def policy_settings(settings: ServerSettings, *, test: bool = False) -> PolicySettings:
    """What of the settings policy looks at."""
    return PolicySettings(
        max_spa_packet_age=settings.max_spa_packet_age,
        enable_spa_packet_aging=settings.enable_spa_packet_aging,
        enable_digest_persistence=settings.enable_digest_persistence,
        enable_ipt_forwarding=settings.enable_ipt_forwarding,
        enable_ipt_local_nat=settings.enable_ipt_local_nat,
        enable_nat_dns=settings.enable_nat_dns,
        enable_ipt_snat=settings.enable_ipt_snat,
        snat_translate_ip=settings.snat_translate_ip,
        enable_destination_rule=settings.enable_destination_rule,
        enable_spa_over_http=settings.enable_spa_over_http,
        enable_x_forwarded_for=settings.enable_x_forwarded_for,
        allow_any_user_agent=settings.allow_any_user_agent,
        wait_for_clock=settings.wait_for_clock,
        cmd_exec_timeout=settings.cmd_exec_timeout,
        sudo_exe=settings.sudo_exe,
        test=test,
    )


def engine_settings(
    options: Options, configuration: Configuration | None, before: PolicySettings
) -> EngineSettings:
    """What the engine judges by; without a configuration there is no client.

    The policy ``before`` stays then: how long used packets are remembered hangs on it.
    """
    if configuration is None:
        return EngineSettings(before, ())
    policy = policy_settings(configuration.settings, test=options.test)
    return EngineSettings(policy, configuration.stanzas, test=options.test)


def needs_firewall(configuration: Configuration | None) -> bool:
    """Is there a client that opens doors? Behaviour notes 10: without one no firewall is used."""
    stanzas = configuration.stanzas if configuration else ()
    return not stanzas or any(not stanza.cmd_cycle_open for stanza in stanzas)


def iptables_settings(settings: ServerSettings) -> IptablesSettings:
    """What of the settings the iptables backend looks at."""
    # For who uses it.
    from fwknopd.firewall.iptables_rules import IptablesSettings

    return IptablesSettings(
        input=parse_ipt_chain(settings.ipt_input_access, "IPT_INPUT_ACCESS"),
        output=parse_ipt_chain(settings.ipt_output_access, "IPT_OUTPUT_ACCESS"),
        forward=parse_ipt_chain(settings.ipt_forward_access, "IPT_FORWARD_ACCESS"),
        dnat=parse_ipt_chain(settings.ipt_dnat_access, "IPT_DNAT_ACCESS"),
        snat=parse_ipt_chain(settings.ipt_snat_access, "IPT_SNAT_ACCESS"),
        masquerade=parse_ipt_chain(settings.ipt_masquerade_access, "IPT_MASQUERADE_ACCESS"),
        enable_output=settings.enable_ipt_output,
        enable_nat=settings.enable_ipt_forwarding or settings.enable_ipt_local_nat,
        enable_snat=settings.enable_ipt_snat,
        rule_prepend=settings.enable_rule_prepend,
        flush_at_init=settings.flush_ipt_at_init,
        flush_at_exit=settings.flush_ipt_at_exit,
        comment_check=settings.enable_ipt_comment_check,
    )


def capture_request(options: Options, configuration: Configuration | None) -> CaptureRequest:
    """The captures a configuration asks for: none without one, else devices or a UDP socket."""
    if configuration is None:
        return CaptureRequest()
    settings = configuration.settings
    networks = () if options.interface else tuple(dict.fromkeys(configuration.networks))
    devices = () if networks else settings.interfaces
    tcp_port = settings.tcpserv_port if settings.enable_tcp_server else None
    if settings.enable_udp_server:
        # The socket hears every device, so where none is named doors open for all.
        devices = devices if devices or networks else (ANY_DEVICE,)
        return CaptureRequest(devices, networks, udp_port=settings.udpserv_port, tcp_port=tcp_port)
    devices = devices if devices or networks else (DEFAULT_DEVICE,)
    return CaptureRequest(devices, networks, how=_sniffing(configuration), tcp_port=tcp_port)


def _sniffing(configuration: Configuration) -> Sniffing:
    settings = configuration.settings
    http = settings.enable_spa_over_http
    payload, frame = (
        (MAX_PAYLOAD, MAX_FRAME) if http or _has_long_packets(configuration) else SHORT_PACKETS
    )
    return Sniffing(
        filter=capture_filter(settings.pcap_filter, spa_over_http=http, max_payload=payload),
        # The C daemon's default cuts the last bytes of a full frame; ours must not.
        snaplen=min(settings.max_sniff_bytes + FRAME_OVERHEAD, frame),
        promiscuous=settings.enable_pcap_promisc,
        any_direction=settings.enable_pcap_any_direction,
    )


def _has_long_packets(configuration: Configuration) -> bool:
    """May packets come that are longer than any knock with AES: of GPG, or with commands?"""
    return any(stanza.enable_cmd_exec or stanza.gpg is not None for stanza in configuration.stanzas)
