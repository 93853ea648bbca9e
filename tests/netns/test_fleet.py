"""One client on five routers by one run of Ansible: added, given new keys, and revoked."""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from fwknopd.keys import (
    encode_key_base64,
    generate_encryption_key,
    generate_hmac_key,
    generate_token,
    token_digest,
)
from tests.netns.fleet import PATH, Fleet, Router, fleet, pages
from tests.netns.probes import Outcome
from tests.unit.scraped import samples

pytestmark = [pytest.mark.root, pytest.mark.client, pytest.mark.nft, pytest.mark.ssh]

TIME_LIMIT = 20.0
EXAMPLE = Path(__file__).parents[2] / "package/ansible/example"
CLIENTS = "group_vars/routers/main.yml"
VAULT = "group_vars/routers/vault.yml"
VARIABLES = {
    # No router of these has netifd, which would know the device of a network.
    "fwknop_wrt_network": None,
    "fwknop_wrt_settings": {"PCAP_INTF": "eth0"},
    # The client with placeholder keys that the package brings goes.
    "fwknop_wrt_exclusive": True,
    "fwknop_wrt_folder": "/run",
}
RECAP = re.compile(r"^(\w+) +: ok=(\d+) +changed=(\d+) +unreachable=0 +failed=0 ", re.MULTILINE)


def new_keys() -> dict[str, str]:
    return {
        "KEY_BASE64": encode_key_base64(generate_encryption_key()),
        "HMAC_KEY_BASE64": encode_key_base64(generate_hmac_key()),
    }


class Office:
    """Where the administrator sits, with the example's files, and what Ansible said so far."""

    def __init__(self, site: Fleet) -> None:
        self.site = site
        self.said = ""
        self.token = generate_token()
        self._secrets = [self.token]
        site.write("vault.password", "the vault's own secret\n")
        site.write("fwknop-wrt.ipk", "a package")
        [play] = yaml.safe_load((EXAMPLE / "site.yml").read_text())
        site.write("site.yml", yaml.safe_dump([{**play, "environment": {"PATH": PATH}}]))
        clients = (EXAMPLE / CLIENTS).read_text()
        site.write(CLIENTS, clients.replace("options:", "options:\n      FW_ACCESS_TIMEOUT: 600"))

    def keep(self, keys: dict[str, str]) -> None:
        """Put keys into the vault."""
        self._secrets += keys.values()
        self.site.write(VAULT, yaml.safe_dump({"vault_anna_keys": keys}))
        self.site.run("ansible-vault", "encrypt", VAULT)
        assert (self.site.folder / VAULT).read_text().startswith("$ANSIBLE_VAULT")

    def inventory(self, *packages: str) -> None:
        """Write it; ``packages`` are installed where none is."""
        found = yaml.safe_load((EXAMPLE / "inventory.yml").read_text())["routers"]
        found["hosts"] = {router.name: {"ansible_host": router.lan} for router in self.site.routers}
        found["vars"] |= {**VARIABLES, "fwknop_wrt_packages": list(packages)}
        settings = found["vars"]["fwknop_wrt_settings"]
        found["vars"]["fwknop_wrt_settings"] = settings | {
            "METRICS_TOKEN_SHA256": token_digest(self.token)
        }
        found["vars"]["ansible_python_interpreter"] = sys.executable
        self.site.write("inventory.yml", yaml.safe_dump({"routers": found}))

    def want(self, state: str) -> None:
        """Say what is to become of the client, or nothing of it ("")."""
        path = self.site.folder / CLIENTS
        text = re.sub(r"(?m)^    state: .*\n", "", path.read_text())
        named = "  - name: anna\n"
        assert named in text
        path.write_text(text.replace(named, f"{named}    state: {state}\n" if state else named))

    def play(self, *options: str) -> dict[str, bool]:
        """Run the role; which routers it changed."""
        said = self.site.run("ansible-playbook", "-i", "inventory.yml", "site.yml", *options)
        self.said += said
        changed = {name: count != "0" for name, _, count in RECAP.findall(said)}
        assert changed, said
        return changed

    def assert_no_key_was_said(self) -> None:
        """Not even with -vvv and --diff, which show what differs with keys masked."""
        assert "+\toption KEY_BASE64 '******** (new)'" in self.said
        assert self._secrets
        for secret in self._secrets:
            assert secret not in self.said


def knock(site: Fleet, router: Router, stanza: str) -> Outcome:
    """Knock with the keys of that name, and try to get in once the daemon has judged it."""
    seen = verdicts(router).total()
    site.outside.type(f"fwknop -n {stanza} -D {router.wan} -a {router.client} -A tcp/22")
    until = time.monotonic() + TIME_LIMIT
    while verdicts(router).total() == seen:
        assert time.monotonic() < until, f"{router.name} heard no knock"
        time.sleep(0.05)
    return site.tries(router)


def verdicts(router: Router) -> Counter[str]:
    """How many knocks the daemon judged so far, by verdict."""
    counters: dict[str, int] = router.ask("status")["counters"]
    return Counter(counters)


def total(site: Fleet) -> dict[str, int]:
    """The knocks of all routers together, by verdict, as their counters add up."""
    return dict(sum(map(verdicts, site.routers), Counter()))


def scraped(site: Fleet, token: str) -> dict[str, float]:
    """The same as those see it who scrape all, each router by its page."""
    with pages(site):
        texts = [site.scrape(router, token) for router in site.routers]
        code, why = site.refusal(site.routers[0], token[:-1])
    assert (code, why) == (401, "This is not the token\n")
    return dict(sum((Counter(samples(text, "fwknopd_knocks")) for text in texts), Counter()))


def write_stanza(site: Fleet, **keys: dict[str, str]) -> None:
    """Give the client keys by the names it knows them by."""
    lines = [
        f"[{name}]\n" + "".join(f"{kind} {value}\n" for kind, value in found.items())
        for name, found in keys.items()
    ]
    site.outside.write("/home/.fwknoprc", "\n".join(lines))


def every(site: Fleet, what: Callable[[Router], Outcome]) -> set[Outcome]:
    """Do it with all routers side by side."""
    with ThreadPoolExecutor(len(site.routers)) as pool:
        return set(pool.map(what, site.routers))


@pytest.mark.timeout(300)
def test_a_client_is_added_rotated_and_revoked_on_five_routers_by_one_run_each(
    tmp_path: Path,
) -> None:
    with fleet(tmp_path) as site:
        office, first, second = Office(site), new_keys(), new_keys()
        write_stanza(site, first=first, second=second)

        office.keep(first)
        office.inventory("fwknop-wrt.ipk")
        before = [router.uci.read_bytes() for router in site.routers]
        assert office.play("--check", "--limit", "router1,router2") == {
            "router1": True,
            "router2": True,
        }
        assert [router.uci.read_bytes() for router in site.routers] == before
        assert every(site, site.tries) == {Outcome.SILENT}
        assert set(office.play().values()) == {True}
        assert all(router.starts_at_boot for router in site.routers)
        assert site.routers[0].opkg == ["update", "install /run/fwknop-wrt.ipk"]
        assert every(site, lambda router: knock(site, router, "first")) == {Outcome.CONNECTED}

        office.keep(second)
        office.inventory()
        assert set(office.play("--diff", "-vvv").values()) == {True}
        # Its door is still open, and both keys are good.
        assert every(site, lambda router: knock(site, router, "second")) == {Outcome.CONNECTED}
        assert every(site, lambda router: knock(site, router, "first")) == {Outcome.CONNECTED}

        office.want("revoked")
        assert office.play("--check", "--diff", "--limit", "router2") == {"router2": True}
        assert set(office.play("--diff").values()) == {True}
        assert every(site, site.tries) == {Outcome.SILENT}
        assert every(site, lambda router: knock(site, router, "second")) == {Outcome.SILENT}
        assert every(site, lambda router: knock(site, router, "first")) == {Outcome.SILENT}
        # Nor is it let in again by who forgets to say so.
        office.want("")
        assert office.play("--limit", "router3") == {"router3": False}

        count = len(site.routers)
        assert total(site) == {
            "accepted": 3 * count,
            "client-disabled": count,
            "no-client-matched": count,
        }
        assert scraped(site, office.token) == {
            "accept,accepted": 3 * count,
            "refuse,client-disabled": count,
            "refuse,no-client-matched": count,
        }
        office.assert_no_key_was_said()
