"""Campaigns and walks side by side: most of the time each waits for something."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar, cast

from tests.netns.matrix.guarded import served_site
from tests.netns.matrix.site import Site
from tests.netns.namespaces import Machines

WORKERS = 4

Found = TypeVar("Found", covariant=True)


class Job(Protocol[Found]):
    """Something to be run on machines; equal jobs are one."""

    def run(self, served: tuple[Site, Machines], folder: Path) -> Found:
        """Do it, with a folder for its files; what was found."""


class SideBySide:
    """Runs the jobs it is given, some at a time, each on machines of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._executor = ThreadPoolExecutor(WORKERS, "job")
        self._sites: SimpleQueue[tuple[Site, Machines]] = SimpleQueue()
        self._cleanup = ExitStack()
        self._futures: dict[Job[Any], Future[Any]] = {}

    def prepare(self, jobs: Iterable[Job[Any]]) -> None:
        """Begin with these; somebody will ask what they found."""
        for job in jobs:
            self._futures[job] = self._executor.submit(self._run, job)

    def found(self, job: Job[Found]) -> Found:
        """What a job found; whatever it raised."""
        if job not in self._futures:
            self.prepare([job])
        return cast(Found, self._futures[job].result())

    def ended(self) -> dict[Job[Any], Any]:
        """What those found that came to an end."""
        ended = {j: f for j, f in self._futures.items() if f.done() and not f.cancelled()}
        return {job: f.result() for job, f in ended.items() if f.exception() is None}

    def _run(self, job: Job[Found]) -> Found:
        served = self._served()
        found = job.run(served, Path(tempfile.mkdtemp(dir=self._folder)))
        # After an error nobody knows what state they are in.
        self._sites.put(served)
        return found

    def _served(self) -> tuple[Site, Machines]:
        try:
            return self._sites.get_nowait()
        except Empty:
            return self._cleanup.enter_context(served_site())

    def close(self) -> None:
        """End; what didn't begin never does."""
        self._executor.shutdown(cancel_futures=True)
        self._cleanup.close()


def is_alone() -> bool:
    """Whether tests are run one after the other, not by pytest-xdist."""
    return "PYTEST_XDIST_WORKER" not in os.environ
