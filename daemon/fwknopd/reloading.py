"""The configuration in force, and how a newer one takes its place: wholly, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path

from fwknopd.capture import CaptureError
from fwknopd.clock import SystemClock
from fwknopd.config.problems import ConfigError, Problem, Severity
from fwknopd.config.restart import awaiting_restart
from fwknopd.config.settings import Configuration, ServerSettings
from fwknopd.departures import Departures
from fwknopd.engine import CLOSE_RETRY_SECONDS, Engine
from fwknopd.events import EventKind, FirewallWork
from fwknopd.firewall import FirewallError
from fwknopd.firewall.unused import UnusedFirewall
from fwknopd.grants import Grant
from fwknopd.intake import Intake
from fwknopd.options import Options
from fwknopd.part_settings import capture_request, engine_settings, needs_firewall
from fwknopd.policy.stanza import clients_in
from fwknopd.startup import errors_of, idle_problem, load_configuration
from fwknopd.uci_freshness import Freshness

GONE = "its client was deleted, disabled or given new keys"


def _nothing(_configuration: Configuration, _file: str) -> tuple[Problem, ...]:
    return ()


class Reloading:
    """Holds the configuration; `reload` replaces it.

    Whatever can fail is done before anything changes: the files are read, new captures are
    opened beside the old ones, the clients' keys are made ready. The change itself is a few
    assignments.
    """

    def __init__(
        self,
        options: Options,
        configuration: Configuration | None,
        engine: Engine,
        intake: Intake,
        clock: SystemClock,
    ) -> None:
        self.configuration = configuration
        self.loaded_at = clock.now()
        self.idle = None if configuration else idle_problem(options)
        """Why there is no configuration, None when there is one."""
        self.errors: tuple[Problem, ...] = ()
        """What was wrong at the last reload; empty when it succeeded."""
        self.rights_missing: Callable[[Configuration, str], tuple[Problem, ...]] = _nothing
        """Warnings about what a configuration needs that the process has given up."""
        self._options = options
        self._engine = engine
        self._intake = intake
        self._clock = clock
        self._departures = Departures()
        self._close_at = inf
        self._close_fault = ""
        self._freshness = Freshness(Path(options.uci or ""))
        self._started_with = configuration.settings if configuration else ServerSettings()

    def file_of(self, configuration: Configuration | None) -> str:
        """The file that a person looks at first for what is wrong with it."""
        options = self._options
        from_files = configuration is not None and configuration.source == "files"
        return options.config_file if from_files or options.uci is None else options.uci

    def is_outdated(self) -> bool:
        """Whether the UCI file is another one than the configuration in force was read from."""
        etag = self.configuration.etag if self.configuration else ""
        return bool(etag) and self._freshness.differs(etag)

    def reload(self) -> tuple[Problem, ...]:
        """Use the files as they are now; the errors found, and then nothing has changed."""
        configuration: Configuration | None = None
        try:
            configuration = load_configuration(self._options)
            self._adopt(configuration)
        except ConfigError as error:
            self._failed(errors_of(error))
        except CaptureError as error:
            self._failed((self._capture_problem(error, configuration),))
        except Exception as error:  # a fault of ours in the new must not cost the old
            self._failed((self._our_fault(error, configuration),))
        else:
            self._succeeded()
        return self.errors

    def _adopt(self, configuration: Configuration | None) -> None:
        warned = self._with_warnings(configuration)
        request = capture_request(self._options, configuration)
        settings = engine_settings(self._options, configuration, self._engine.settings.policy)
        prepared = self._intake.prepare(request)
        try:
            self._engine.configure(settings)
        except BaseException:
            prepared.discard()
            raise
        # From here on nothing fails.
        self.configuration, self.loaded_at = warned, self._clock.now()
        self.idle = None if configuration else idle_problem(self._options)
        self._intake.adopt(prepared)

    def _with_warnings(self, configuration: Configuration | None) -> Configuration | None:
        if configuration is None:
            return None
        waiting = awaiting_restart(
            self._started_with,
            configuration.settings,
            self.file_of(configuration),
            iptables=self._engine.firewall.name == "iptables",
        )
        if self._engine.firewall.name == UnusedFirewall.name and needs_firewall(configuration):
            waiting = (*waiting, self._firewall_problem(configuration))
        waiting = (*waiting, *self.rights_missing(configuration, self.file_of(configuration)))
        return replace(configuration, problems=(*configuration.problems, *waiting))

    def _firewall_problem(self, configuration: Configuration) -> Problem:
        return Problem(
            Severity.WARNING,
            self.file_of(configuration),
            None,
            "",
            "there is a client that opens doors now, and the daemon was started without a firewall",
            "Restart the daemon; on OpenWrt: /etc/init.d/fwknopd restart",
        )

    def _succeeded(self) -> None:
        self.errors = ()
        count = clients_in(self._engine.settings.stanzas)
        self._record(
            EventKind.RELOAD,
            f"Configuration loaded: {'1 client' if count == 1 else f'{count} clients'}",
        )
        for problem in self.configuration.problems if self.configuration else ():
            if problem.severity is Severity.WARNING:
                self._warn(str(problem))
        self._close_fault = ""
        self.close_cycles_of_the_gone()
        self.clients_are_known()
        self.close_doors_of_the_gone()

    def clients_are_known(self) -> None:
        """Those in force are whom the next reload is compared with."""
        self._departures.use(self._engine.settings.stanzas)

    def close_cycles_of_the_gone(self) -> None:
        """What the commands of such clients have opened is closed at once."""
        self._engine.commands.close_of_the_gone(self._engine.settings.stanzas, GONE)

    def next_due(self) -> float:
        """Monotonic second at which `run_timers` has something to do, inf when never."""
        return self._close_at

    def run_timers(self, now: float) -> None:
        """Try again to close what could not be closed; ``now``: monotonic seconds."""
        if now >= self._close_at:
            self.close_doors_of_the_gone()

    def close_doors_of_the_gone(self) -> None:
        """Who may not knock any more has no open door any more either.

        Nor any connection, for then somebody shuts a client out. One that gets new keys is
        not shut out, and may be the very connection over which they were made. What can't
        be closed is tried again until it can.
        """
        gone = self._departures
        faults = [
            self._fault_of(gone.is_shut_out, "its client was deleted or disabled", cut=True),
            self._fault_of(gone.is_gone, "its client was given new keys", cut=False),
            self._fault_of(gone.may_be_gone, "it may be of the client that is gone", cut=False),
        ]
        fault = next(filter(None, faults), "")
        if fault and fault != self._close_fault:
            detail = f"Doors of clients that are gone can't be closed yet: {fault}"
            self._record(EventKind.ERROR, detail)
        self._close_fault = fault
        self._close_at = self._clock.monotonic() + CLOSE_RETRY_SECONDS if fault else inf
        if not fault:
            gone.settled()

    def _fault_of(self, select: Callable[[Grant], bool], why: str, *, cut: bool) -> str:
        try:
            self._engine.doors.revoke(select, why, cut=cut)
        except FirewallError as error:
            self._engine.events.firewall_errors[FirewallWork.CLOSE] += 1
            return str(error)
        return ""

    def _failed(self, errors: tuple[Problem, ...]) -> None:
        self.errors = errors
        for problem in errors:
            self._record(EventKind.ERROR, f"Configuration not used: {problem}")

    def tell_of_idleness(self) -> None:
        """Say why nobody can knock, if there is no configuration."""
        if self.idle:
            self._warn(str(self.idle))

    def _warn(self, text: str) -> None:
        self._engine.events.record(EventKind.RELOAD, detail=text, reason=Severity.WARNING)

    def _record(self, kind: EventKind, detail: str) -> None:
        self._engine.events.record(kind, detail=detail)

    def _capture_problem(self, error: CaptureError, configuration: Configuration | None) -> Problem:
        file = self.file_of(configuration)
        return Problem(Severity.ERROR, file, None, error.option, error.message, error.remedy)

    def _our_fault(self, error: Exception, configuration: Configuration | None) -> Problem:
        return Problem(
            Severity.ERROR,
            self.file_of(configuration),
            None,
            "",
            f"the daemon failed to use it: {type(error).__name__}: {error}",
            "This is a fault in the daemon; please report it",
        )
