"""The daemon's typed settings: what both loaders (UCI and the classic files) produce."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fwknopd.config.gpg_variables import DEFAULT_HOME, DEFAULT_PROGRAM
from fwknopd.config.ipt_chain import (
    DNAT_CHAIN,
    FORWARD_CHAIN,
    INPUT_CHAIN,
    MASQUERADE_CHAIN,
    OUTPUT_CHAIN,
    SNAT_CHAIN,
)
from fwknopd.config.problems import Problem
from fwknopd.policy.stanza import Address, Stanza

DEFAULT_MARK = 0x40000000


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """One field per variable of fwknopd.conf that the daemon acts on, under its lower-case name.

    Ages are seconds, sizes bytes. A text field is "" when the variable is not set.
    """

    pcap_intf: str = ""
    pcap_file: str = ""
    pcap_filter: str = "udp port 62201"
    enable_pcap_promisc: bool = False
    enable_pcap_any_direction: bool = False
    max_sniff_bytes: int = 1500
    enable_udp_server: bool = False
    udpserv_port: int = 62201
    enable_tcp_server: bool = False
    tcpserv_port: int = 62201
    enable_spa_packet_aging: bool = True
    max_spa_packet_age: int = 120
    enable_digest_persistence: bool = True
    wait_for_clock: bool = True
    enable_spa_over_http: bool = False
    enable_x_forwarded_for: bool = False
    allow_any_user_agent: bool = False
    enable_nat_dns: bool = True
    enable_ipt_forwarding: bool = False
    enable_ipt_local_nat: bool = False
    enable_ipt_snat: bool = False
    snat_translate_ip: Address | None = None
    enable_destination_rule: bool = False
    syslog_identity: str = "fwknopd"
    syslog_facility: str = "LOG_DAEMON"
    fwknop_run_dir: str = "/var/run/fwknop"
    fwknop_pid_file: str = ""
    digest_file: str = ""
    access_file: str = "/etc/fwknop/access.conf"
    access_folder: str = ""
    gpg_home_dir: str = DEFAULT_HOME
    gpg_exe: str = DEFAULT_PROGRAM
    verbose: int = 0
    firewall: str = "auto"
    ipt_input_access: str = str(INPUT_CHAIN)
    ipt_output_access: str = str(OUTPUT_CHAIN)
    ipt_forward_access: str = str(FORWARD_CHAIN)
    ipt_dnat_access: str = str(DNAT_CHAIN)
    ipt_snat_access: str = str(SNAT_CHAIN)
    ipt_masquerade_access: str = str(MASQUERADE_CHAIN)
    enable_ipt_output: bool = False
    enable_rule_prepend: bool = False
    enable_ipt_comment_check: bool = True
    flush_ipt_at_init: bool = False
    flush_ipt_at_exit: bool = True
    mark: int = DEFAULT_MARK
    cmd_exec_timeout: int = 60
    sudo_exe: str = "/usr/bin/sudo"
    metrics_token_sha256: str = ""
    syslog_server: str = ""

    @property
    def interfaces(self) -> tuple[str, ...]:
        """Device names of PCAP_INTF, which may list several."""
        return tuple(self.pcap_intf.replace(",", " ").split())


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything the daemon runs from. ``problems`` are warnings and notes, never errors.

    ``network`` is the UCI logical network (or several, separated by blanks) whose device is
    captured; None with the classic files, where ``settings.pcap_intf`` says it.
    ``files`` are the classic files and folders it was read from. ``etag`` tells the content of
    the UCI file from any other, "" with the classic files. ``unusable`` counts the clients that
    are left out with a warning, without those that are switched off, and without old keys.
    """

    settings: ServerSettings
    stanzas: tuple[Stanza, ...]
    network: str | None
    source: Literal["uci", "files"]
    problems: tuple[Problem, ...] = ()
    files: tuple[str, ...] = ()
    etag: str = field(default="", repr=False, compare=False)
    unusable: int = 0

    @property
    def networks(self) -> tuple[str, ...]:
        """The logical networks, one by one."""
        return tuple((self.network or "").split())
