"""Our table in the kernel: made by the nft program, changed by netlink, watched for losses."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import suppress

from fwknopd.firewall import FirewallError
from fwknopd.firewall.netlink import Message, Request
from fwknopd.firewall.nfnetlink import (
    NFTA_RULE_HANDLE,
    NFTA_TABLE_HANDLE,
    LoadedElement,
    LoadedSet,
    delete_table,
    dump_elements,
    dump_rules,
    dump_sets,
    get_table,
    parse_elements,
    parse_handle,
    parse_set,
    table_of_deletion,
)
from fwknopd.firewall.nft_process import NOT_ALLOWED, NftAnswer, is_forbidden, run_nft
from fwknopd.firewall.nft_ruleset import check_table
from fwknopd.firewall.nft_socket import NftNotices, NftSocket, OutcomeUnknown

# How often rules are made anew that somebody deletes at the same time.
ATTEMPTS = 3


class OwnTable:
    """The table ``inet NAME``. Every method but the last ones raises FirewallError."""

    def __init__(self, name: str) -> None:
        self.name = check_table(name)
        self._requests: NftSocket | None = None
        self._notices: NftNotices | None = None
        self._identity: tuple[int, ...] = ()
        self._is_lost = False

    def connect(self) -> None:
        """Open the sockets; again is no error."""
        try:
            self._requests = self._requests or NftSocket()
            self._notices = self._notices or NftNotices()
        except OSError as error:
            self.disconnect()
            raise self.refused(error) from error

    # The rules

    def load(self, script: str, rules: int) -> str:
        """Run a script that makes ``rules`` of them; what nft had against it, "" if nothing."""
        for _ in range(ATTEMPTS):
            answer = run_nft(["-f", "-"], script)
            if answer.status:
                return _complaint(answer)
            # What we just did was announced to us too; from here on it is others. A rule
            # they deleted before is missing now.
            self._drain()
            self._identity = self._read_identity()
            self._is_lost = False
            if len(self._identity) == rules + 1:
                return ""
        raise FirewallError(
            f"another program changes the rules in nftables table inet {self.name} as fast as "
            "they are made. Find it with `nft monitor`"
        )

    def extend(self, script: str, rules: int) -> str:
        """As `load`, for a table that holds doors; if it was lost meanwhile it still is."""
        self._socket()
        before = self._identity[:1]
        lost = self.lost()
        complaint = "" if lost else self.load(script, rules)
        if lost or self._identity[:1] != before:
            self._is_lost = True
            raise self.refused(OSError(errno.ENOENT, ""))
        return complaint

    def sets(self) -> list[LoadedSet]:
        """All sets and maps; none if there is no table."""
        try:
            messages = self._socket().ask(dump_sets(self.name))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self.refused(error) from error
        return [found for message in messages if (found := parse_set(message)) is not None]

    # The elements

    def change(self, requests: Sequence[Request], is_done: Callable[[], bool]) -> list[int]:
        """Do all ``requests`` or none; the errno of each, 0 for those without fault.

        ``is_done`` looks whether it happened, for an answer that was lost on its way: what
        the kernel opened must not be taken for refused.
        """
        try:
            return self._socket().transact(requests) if requests else []
        except OutcomeUnknown as error:
            if is_done():
                return [0] * len(requests)
            raise self.refused(error) from error
        except OSError as error:
            raise self.refused(error) from error

    def dump(self, set_name: str) -> list[LoadedElement]:
        """All elements of a set."""
        return _elements(self._ask(dump_elements(self.name, set_name)))

    def find(self, request: Request) -> LoadedElement | None:
        """The element that ``request`` asks for, None if it isn't there."""
        try:
            return next(iter(_elements(self._socket().ask(request))), None)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self.refused(error) from error

    def refused(self, error: OSError) -> FirewallError:
        """What the kernel answered, in plain words."""
        if error.errno in (errno.EPERM, errno.EACCES):
            return FirewallError(NOT_ALLOWED)
        if error.errno == errno.ENOENT:
            return FirewallError(
                f"nftables table inet {self.name} is gone: something deleted it, as "
                "`fw4 flush` does. It is made again when fwknopd notices or is reloaded"
            )
        if isinstance(error, OutcomeUnknown | TimeoutError):
            return FirewallError("the kernel did not answer a request to nftables in time")
        return FirewallError(
            f"the kernel refused a change in nftables table inet {self.name}: "
            f"{os.strerror(error.errno or 0)}. Look at it with `nft list table inet {self.name}`"
        )

    # Losses, and the end. None of these raises

    def fileno(self) -> int | None:
        """Descriptor to watch for notices, None without connection."""
        return self._notices.fileno() if self._notices else None

    def lost(self) -> bool:
        """Whether somebody deleted something of ours since it was loaded; True once per loss."""
        noticed, complete = self._drain()
        lost = self._is_lost or noticed or not (complete or self._is_intact())
        self._is_lost = False
        return lost

    def delete(self) -> None:
        """Delete the table and close the sockets."""
        # If it is gone already, or not ours to delete, there is nothing left to do.
        with suppress(FirewallError):
            self.change([delete_table(self.name)], lambda: False)
        self.disconnect()

    def disconnect(self) -> None:
        """Close the sockets; again is no error."""
        for opened in (self._requests, self._notices):
            if opened is not None:
                opened.close()
        self._requests = self._notices = None

    def _read_identity(self) -> tuple[int, ...]:
        """Handles of the table and its rules: another table, or other rules, differ."""
        tables = [parse_handle(m, NFTA_TABLE_HANDLE) for m in self._ask(get_table(self.name))]
        rules = [parse_handle(m, NFTA_RULE_HANDLE) for m in self._ask(dump_rules(self.name))]
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
        return any(table_of_deletion(notice) == self.name for notice in notices), complete

    def _ask(self, request: Request) -> list[Message]:
        try:
            return self._socket().ask(request)
        except OSError as error:
            raise self.refused(error) from error

    def _socket(self) -> NftSocket:
        if self._requests is None:
            raise FirewallError("the firewall was not started: this is a mistake in fwknopd")
        return self._requests


def _complaint(answer: NftAnswer) -> str:
    if is_forbidden(answer):
        raise FirewallError(NOT_ALLOWED)
    return answer.complaint


def _elements(messages: Sequence[Message]) -> list[LoadedElement]:
    return [loaded for message in messages for loaded in parse_elements(message)]
