"""The nftables backend: rules by the nft program, doors by raw netlink.

A door costs one small transaction, not a process, and the kernel shuts it in time
even if the daemon is dead by then.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress

from fwknopd.firewall import Diagnosis, FirewallError, TimedDoor
from fwknopd.firewall.fw4 import CHAINS, judge_chains
from fwknopd.firewall.netlink import Message, Request
from fwknopd.firewall.nfnetlink import (
    NFTA_RULE_HANDLE,
    NFTA_TABLE_HANDLE,
    Element,
    LoadedElement,
    add_element,
    delete_element,
    delete_table,
    dump_elements,
    dump_rules,
    get_element,
    get_table,
    parse_elements,
    parse_handle,
    table_of_deletion,
)
from fwknopd.firewall.nft_elements import doors_of, elements_of, elements_to_add, is_shared
from fwknopd.firewall.nft_opening import DELETE, Opening
from fwknopd.firewall.nft_process import NftAnswer, run_nft
from fwknopd.firewall.nft_ruleset import (
    DEFAULT_MARK,
    DEFAULT_TABLE,
    FAMILIES,
    check_mark,
    check_table,
    replace_script,
    setup_script,
)
from fwknopd.firewall.nft_socket import NftNotices, NftSocket
from fwknopd.grants import Door

# Each turn ends with more known than before, unless doors expire at that very moment.
ATTEMPTS = 6
NOT_ALLOWED = (
    "not allowed to change nftables: needs CAP_NET_ADMIN. "
    "Start fwknopd as root, or give its service that capability"
)
_NFT_NOT_ALLOWED = ("Operation not permitted", "Permission denied", "must be root")
_DUMPED = [name for family in FAMILIES for name in (family.opened, family.redirected, family.local)]


class NftablesFirewall:
    """Doors in our own table ``inet fwknopd``; fw4 accepts the packets it marks."""

    name = "nftables"

    def __init__(self, mark: int = DEFAULT_MARK, table: str = DEFAULT_TABLE) -> None:
        self.mark = check_mark(mark)
        self.table = check_table(table)
        self._requests: NftSocket | None = None
        self._notices: NftNotices | None = None
        self._identity: tuple[int, ...] = ()

    def start(self, devices: Sequence[str]) -> None:
        """Make the rules, or renew them for other devices; open doors stay open.

        A table that an older version left, and that can't be renewed, is replaced.
        Raises FirewallError.
        """
        setup = setup_script(self.table, devices, self.mark)
        self._connect()
        if _load(setup) and (complaint := _load(replace_script(self.table, devices, self.mark))):
            raise FirewallError(
                f"nft could not make table inet {self.table}: {complaint}. "
                "Are the kernel's modules for nftables and NAT installed?"
            )
        # What we just did was announced to us too; from here on it is others.
        self._drain()
        self._identity = self._read_identity()

    def open(self, doors: Sequence[TimedDoor]) -> None:
        """Open all ``doors`` or none; an open one gets the new time. Raises FirewallError.

        The time of an open door changes in one transaction, so that it isn't shut
        for a moment.
        """
        opening = Opening(self._outlasting(elements_to_add(doors)))
        for _ in range(ATTEMPTS):
            steps = opening.steps()
            errors = self._transact([self._request(*step) for step in steps])
            if not any(errors):
                return
            try:
                opening.learn(steps, errors)
            except OSError as error:
                raise self._refused(error) from None
        raise FirewallError(f"doors in table inet {self.table} change faster than we can set them")

    def close(self, doors: Sequence[Door]) -> None:
        """Close ``doors`` at once for new connections. Raises FirewallError."""
        for _ in range(ATTEMPTS):
            # One that expires meanwhile fails the transaction; then look again.
            if self._delete(self._elements_only_of(doors)):
                return
        raise FirewallError(
            f"doors in table inet {self.table} change faster than we can close them"
        )

    def read(self) -> list[TimedDoor]:
        """The doors open now, with the seconds they will be. Raises FirewallError."""
        return doors_of({name: self._dump(name) for name in _DUMPED})

    def next_due(self) -> float | None:
        """None: the kernel closes doors itself."""
        return None

    def expire(self) -> None:
        """Nothing to do."""

    def stop(self) -> None:
        """Delete the table, and with it every door. Never raises."""
        # If it is gone already, or not ours to delete, there is nothing left to do.
        with suppress(FirewallError):
            self._transact([delete_table(self.table)])
        self._disconnect()

    def place(self, door: Door) -> str:
        """All doors are in one place, named like the backend."""
        return self.name

    def fileno(self) -> int | None:
        """Descriptor to watch for notices, None before ``start``."""
        return self._notices.fileno() if self._notices else None

    def rules_lost(self) -> bool:
        """Whether rules of ours were deleted since ``start``. Never blocks, never raises.

        True once per loss; the answer to it is ``start`` and then ``open``.
        """
        lost, complete = self._drain()
        return lost or not (complete or self._is_intact())

    def diagnose(self) -> Diagnosis:
        """Whether fw4 accepts what our table marks. Runs nft twice; raises FirewallError."""
        return judge_chains({chain: _list_fw4_chain(chain) for chain in CHAINS}, self.mark)

    def _outlasting(self, wanted: dict[Element, int]) -> dict[Element, int]:
        """``wanted``, but without cutting short what another door needs for longer."""
        return {
            element: max(time, self._remaining(element)) if is_shared(element) else time
            for element, time in wanted.items()
        }

    def _request(self, element: Element, milliseconds: int) -> Request:
        if milliseconds == DELETE:
            return delete_element(self.table, element)
        return add_element(self.table, element, milliseconds)

    def _delete(self, elements: Sequence[Element]) -> bool:
        errors = self._transact([delete_element(self.table, element) for element in elements])
        for code in errors:
            if code not in (0, errno.ENOENT):
                raise self._refused(OSError(code, ""))
        return not any(errors)

    def _elements_only_of(self, doors: Iterable[Door]) -> list[Element]:
        """Elements of those ``doors`` that are open, without what other doors need."""
        unwanted = set(doors)
        is_open = [timed.door for timed in self.read()]
        needed = {item for door in is_open if door not in unwanted for item in elements_of(door)}
        ours = {item for door in is_open if door in unwanted for item in elements_of(door)}
        return list(ours - needed)

    def _remaining(self, element: Element) -> int:
        """ms that ``element`` has left, 0 if it is gone or without end."""
        try:
            loaded = self._elements(self._socket().ask(get_element(self.table, element)))
        except OSError:
            return 0
        return max((item.remaining or 0 for item in loaded), default=0)

    def _dump(self, set_name: str) -> list[LoadedElement]:
        return self._elements(self._ask(dump_elements(self.table, set_name)))

    def _elements(self, messages: Iterable[Message]) -> list[LoadedElement]:
        return [loaded for message in messages for loaded in parse_elements(message)]

    def _read_identity(self) -> tuple[int, ...]:
        """Handles of the table and its rules: another table, or other rules, differ."""
        tables = [parse_handle(m, NFTA_TABLE_HANDLE) for m in self._ask(get_table(self.table))]
        rules = [parse_handle(m, NFTA_RULE_HANDLE) for m in self._ask(dump_rules(self.table))]
        return (*tables, *rules)

    def _is_intact(self) -> bool:
        try:
            return self._read_identity() == self._identity
        except FirewallError:
            return False

    def _drain(self) -> tuple[bool, bool]:
        if self._notices is None:
            return False, True
        notices, complete = self._notices.drain()
        return any(table_of_deletion(notice) == self.table for notice in notices), complete

    def _connect(self) -> None:
        try:
            self._requests = self._requests or NftSocket()
            self._notices = self._notices or NftNotices()
        except OSError as error:
            self._disconnect()
            raise self._refused(error) from error

    def _disconnect(self) -> None:
        for opened in (self._requests, self._notices):
            if opened is not None:
                opened.close()
        self._requests = self._notices = None

    def _socket(self) -> NftSocket:
        if self._requests is None:
            raise FirewallError("the firewall was not started: this is a mistake in fwknopd")
        return self._requests

    def _transact(self, requests: Sequence[Request]) -> list[int]:
        try:
            return self._socket().transact(requests) if requests else []
        except OSError as error:
            raise self._refused(error) from error

    def _ask(self, request: Request) -> list[Message]:
        try:
            return self._socket().ask(request)
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> FirewallError:
        if error.errno in (errno.EPERM, errno.EACCES):
            return FirewallError(NOT_ALLOWED)
        if error.errno == errno.ENOENT:
            return FirewallError(
                f"nftables table inet {self.table} is gone: something deleted it, as "
                "`fw4 flush` does. It is made again when fwknopd notices or is reloaded"
            )
        if isinstance(error, TimeoutError):
            return FirewallError("the kernel did not answer a request to nftables in time")
        return FirewallError(
            f"the kernel refused a change in nftables table inet {self.table}: "
            f"{os.strerror(error.errno or 0)}. Look at it with `nft list table inet {self.table}`"
        )


def _load(script: str) -> str:
    """Load ``script``; what nft had against it, empty if nothing. Raises FirewallError."""
    answer = run_nft(["-f", "-"], script)
    if answer.status == 0:
        return ""
    if _is_forbidden(answer):
        raise FirewallError(NOT_ALLOWED)
    return answer.complaint


def _list_fw4_chain(chain: str) -> str | None:
    answer = run_nft(["list", "chain", "inet", "fw4", chain])
    if answer.status == 0:
        return answer.output
    if _is_forbidden(answer):
        raise FirewallError(NOT_ALLOWED)
    return None


def _is_forbidden(answer: NftAnswer) -> bool:
    return any(text in answer.errors for text in _NFT_NOT_ALLOWED)
