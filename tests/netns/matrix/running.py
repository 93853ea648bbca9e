"""Campaigns side by side: most of the time each waits for something."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, SimpleQueue

from tests.netns.matrix.campaign import Campaign, Report
from tests.netns.matrix.guarded import guarded, served_site
from tests.netns.matrix.plans import SETTINGS, Plan, arenas
from tests.netns.matrix.site import Site
from tests.netns.namespaces import Machines

WORKERS = 4


class Campaigns:
    """Runs the campaigns it is given, some at a time, each on machines of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._executor = ThreadPoolExecutor(WORKERS, "campaign")
        self._sites: SimpleQueue[tuple[Site, Machines]] = SimpleQueue()
        self._cleanup = ExitStack()
        self._futures: dict[Plan, Future[Report]] = {}

    def prepare(self, plans: Iterable[Plan]) -> None:
        """Begin with these; somebody will ask for their reports."""
        for plan in plans:
            self._futures[plan] = self._executor.submit(self._run, plan)

    def report(self, plan: Plan) -> Report:
        """What a campaign found; whatever it raised."""
        if plan not in self._futures:
            self.prepare([plan])
        return self._futures[plan].result()

    def reports(self) -> dict[Plan, Report]:
        """Those that came to an end."""
        ended = {p: f for p, f in self._futures.items() if f.done() and not f.cancelled()}
        return {plan: f.result() for plan, f in ended.items() if f.exception() is None}

    def _run(self, plan: Plan) -> Report:
        served = self._served()
        kinds = SETTINGS[plan.settings]
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        with guarded(served, arenas()[plan.arena], folder, kinds) as router:
            report = Campaign(router, kinds, plan.trouble, str(plan), plan.turn).run()
        self._sites.put(served)
        return report

    def _served(self) -> tuple[Site, Machines]:
        try:
            return self._sites.get_nowait()
        except Empty:
            return self._cleanup.enter_context(served_site())

    def close(self) -> None:
        """End; what didn't begin never does."""
        self._executor.shutdown(cancel_futures=True)
        self._cleanup.close()


def side_by_side() -> bool:
    """Not where pytest-xdist already runs tests side by side."""
    return "PYTEST_XDIST_WORKER" not in os.environ
