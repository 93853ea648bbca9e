"""What the server as a whole allows: the fwknopd.conf variables policy looks at."""

from __future__ import annotations

from dataclasses import dataclass

from fwknopd.policy.stanza import Address


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """Server-wide rules; the names are fwknopd.conf's. Ages and time limits are seconds.

    ``enable_digest_persistence`` switches replay detection as a whole, as it does in
    the C daemon, not only its memory across restarts. ``wait_for_clock``: nothing for which
    the time matters is granted by a clock that can't be believed.
    """

    max_spa_packet_age: int = 120
    enable_spa_packet_aging: bool = True
    enable_digest_persistence: bool = True
    enable_ipt_forwarding: bool = False
    enable_ipt_local_nat: bool = False
    enable_nat_dns: bool = True
    enable_ipt_snat: bool = False
    snat_translate_ip: Address | None = None
    enable_destination_rule: bool = False
    enable_spa_over_http: bool = False
    enable_x_forwarded_for: bool = False
    allow_any_user_agent: bool = False
    wait_for_clock: bool = True
    cmd_exec_timeout: int = 60
    sudo_exe: str = "/usr/bin/sudo"
    test: bool = False

    @property
    def max_age(self) -> int | None:
        """Seconds a timestamp may lie in the past or the future; None when packets don't age."""
        return self.max_spa_packet_age if self.enable_spa_packet_aging else None
