"""Builds the service from a command line, runs it, and takes it down again."""

from __future__ import annotations

import gc
import sys
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from fwknopd import core_dumps
from fwknopd.capture import CaptureError
from fwknopd.clock import SystemClock
from fwknopd.commands import CommandProcesses
from fwknopd.config.problems import ConfigError
from fwknopd.config.settings import Configuration, ServerSettings
from fwknopd.control.server import ControlServer, ControlSocketError
from fwknopd.cycle_journal import CycleJournal
from fwknopd.detach import Foreground, detach
from fwknopd.digest_cache import rotate
from fwknopd.ended_keys import EndedKeys
from fwknopd.engine import Engine
from fwknopd.event_outputs import add_sinks, watch_work
from fwknopd.event_sinks import EventFileError, SyslogSink, write_stderr, write_syslog
from fwknopd.events import EventKind, EventLog
from fwknopd.firewall import Firewall, FirewallError
from fwknopd.firewall.choice import choose_connections, choose_firewall
from fwknopd.firewall.unused import UnusedFirewall
from fwknopd.first_knock import FirstKnock
from fwknopd.gpg_support import GpgSupport
from fwknopd.late_verbs import LateVerbs
from fwknopd.loop import Loop
from fwknopd.name_lookup import look_up
from fwknopd.options import Options, absolute
from fwknopd.owner_journal import OwnerJournal
from fwknopd.part_settings import iptables_settings, needs_firewall, policy_settings
from fwknopd.pid_file import AlreadyRunning, PidFile, PidFileError
from fwknopd.replay import VolatileMemory
from fwknopd.replay_journal import JournalError, ReplayJournal
from fwknopd.replay_memory import ReplayMemory
from fwknopd.run_paths import RunPaths, run_paths, used_paths
from fwknopd.sandbox import SandboxError, give_up_all_but, needed
from fwknopd.service import Service
from fwknopd.signals import SignalPipe
from fwknopd.startup import load_configuration
from fwknopd.workers import Workers

START_FAULTS = (
    CaptureError,
    ControlSocketError,
    EventFileError,
    FirewallError,
    JournalError,
    PidFileError,
)


def run(options: Options) -> int:
    """Be the daemon; returns the exit code."""
    core_dumps.forbid()
    if options.syslog_only:
        # For what is said before the configuration tells under which name.
        SyslogSink()
    try:
        _run(options)
    except ConfigError as error:
        _complain(options, *map(str, error.problems))
    except AlreadyRunning as error:
        # The C daemon's words, mark included: scripts look for them.
        _complain(options, str(error), mark="[*] ")
    except START_FAULTS as error:
        _complain(options, str(error))
    else:
        return 0
    return 1


def _complain(options: Options, *lines: str, mark: str = "fwknopd: ") -> None:
    for line in lines:
        if options.syslog_only:
            write_syslog(line)
        else:
            write_stderr(f"{mark}{line}")


def _run(options: Options) -> None:
    with ExitStack() as ending:
        # Before all else: a SIGHUP while we start means "reload", and must not end us. In the
        # background nobody knows our number before the pid file is written.
        signals = _signals(ending) if options.foreground else None
        configuration = load_configuration(options)
        settings = configuration.settings if configuration else ServerSettings()
        clock = SystemClock()
        events = EventLog(clock.now)
        if configuration is not None and settings.pcap_file:
            ending.close()
            _run_file(options, configuration, events, clock)
            return
        options, paths = absolute(options), run_paths(options, settings)
        _make_folder(paths.run_dir)
        starter = Foreground() if options.foreground else detach()
        signals = signals or _signals(ending)
        pid_file = PidFile(paths.pid_file)
        ending.callback(pid_file.release)
        _run_service(options, configuration, events, clock, paths, starter, signals)


def _signals(ending: ExitStack) -> SignalPipe:
    signals = SignalPipe()
    ending.callback(signals.close)
    return signals


def _run_service(
    options: Options,
    configuration: Configuration | None,
    events: EventLog,
    clock: SystemClock,
    paths: RunPaths,
    starter: Foreground,
    signals: SignalPipe,
) -> None:
    settings = configuration.settings if configuration else ServerSettings()
    add_sinks(events, options, settings)
    memory = ReplayMemory(
        ReplayJournal(paths.digest_file),
        clock,
        events,
        trace=paths.trace,
        former=paths.former_digest_file,
    )
    loop = Loop()
    workers, journal = Workers(loop), CycleJournal(paths.cycles)
    gpg = GpgSupport(workers, events)
    owners = OwnerJournal(paths.owners, clock.monotonic, partial(_report, events))
    engine = Engine(
        clock=clock,
        events=events,
        firewall=_firewall(options, settings, needed=needs_firewall(configuration)),
        memory=memory,
        look_up=partial(look_up, workers),
        runner=CommandProcesses(workers),
        cycles=None if options.test else journal,
        gpg=gpg,
        owners=None if options.test else owners,
    )
    engine.doors.endings.connections = choose_connections(engine.firewall)
    if not options.test:
        loaded = journal.load()
        engine.commands.adopt(loaded.cycles, loaded.fault)
    watch_work(engine, options, settings, configuration)
    _load(memory, options, configuration, paths)
    # From the last one up, each even if another failed.
    with ExitStack() as ending:
        ending.callback(memory.close)
        ending.callback(owners.close)
        service = Service(options, configuration, engine, clock, loop, workers, gpg=gpg)
        if not options.test:
            service.old_keys.memory = EndedKeys(paths.ended_keys)
            service.first_knock = FirstKnock(paths.knocked)
        ending.callback(loop.close)
        ending.callback(gpg.close)
        ending.callback(workers.close)
        control = ControlServer(paths.control, LateVerbs(service), _group(options))
        ending.callback(control.close)
        ending.callback(service.stop)
        service.start(control, signals)
        _confine(service, paths)
        _look_for_garbage()
        _give_back()
        starter.ready()
        service.run()


def _load(
    memory: ReplayMemory, options: Options, configuration: Configuration | None, paths: RunPaths
) -> None:
    """Used packets from before, or none if the command line says so."""
    policy = policy_settings(configuration.settings, test=options.test) if configuration else None
    memory.load(policy)
    if options.rotate_digest_cache:
        rotate(paths.digest_file)
        memory.rewrite()


def _look_for_garbage() -> None:
    """From here on, but not among what is there already: it stays for as long as the daemon.

    To look through all of it takes longer than a knock, and would happen in the middle of one.
    """
    gc.freeze()
    gc.enable()


def _give_back() -> None:
    """Return what only loading took, half a megabyte, where the C library would keep it."""
    # Not worth loading ctypes for. `sandbox` has it, unless others have taken our rights.
    ctypes = sys.modules.get("ctypes")
    if ctypes is not None:
        with suppress(AttributeError, OSError):
            ctypes.CDLL(None).malloc_trim(0)


def _report(events: EventLog, text: str) -> None:
    events.record(EventKind.ERROR, detail=text)


def _confine(service: Service, paths: RunPaths) -> None:
    """Give up what there is no use for; a daemon that can't runs all the same, and says so."""
    configuration = service.configuration
    rights = needed(configuration, used_paths(service.options, paths, configuration))
    service.reloading.rights_missing = rights.missing
    try:
        give_up_all_but(rights)
    except SandboxError as error:
        detail = f"The daemon keeps rights it has no use for: {error}"
        service.events.record(EventKind.ERROR, detail=detail)


def _run_file(
    options: Options, configuration: Configuration, events: EventLog, clock: SystemClock
) -> None:
    from fwknopd.pcap_file import judge_file

    settings = configuration.settings
    add_sinks(events, options, settings)
    with ExitStack() as ending:
        loop = Loop()
        ending.callback(loop.close)
        workers = Workers(loop)
        gpg = GpgSupport(workers, events)
        ending.callback(gpg.close)
        ending.callback(workers.close)
        engine = Engine(
            clock=clock,
            events=events,
            firewall=_firewall(options, settings),
            memory=VolatileMemory(),
            look_up=partial(look_up, workers),
            runner=CommandProcesses(workers),
            gpg=gpg,
        )
        watch_work(engine, options, settings, configuration)
        # First of all: by then it is known which packets gpg can't open.
        gpg.use(configuration.stanzas)
        workers.finish()
        _look_for_garbage()
        judge_file(options, configuration, engine, workers.finish)


def _firewall(options: Options, settings: ServerSettings, *, needed: bool = True) -> Firewall:
    kind = "log-only" if options.test else options.firewall or settings.firewall
    if kind == "auto" and not needed:
        return UnusedFirewall()
    return choose_firewall(
        kind,
        settings.mark,
        partial(iptables_settings, settings),
        forwards=settings.enable_ipt_forwarding,
    )


def _group(options: Options) -> int | None:
    """The group that may use the control socket, so that the web page needs no root."""
    if options.control_group is None:
        return None
    import grp

    try:
        return grp.getgrnam(options.control_group).gr_gid
    except KeyError:
        raise ControlSocketError(
            f"--control-group: there is no group {options.control_group!r}",
            "Make it (groupadd --system NAME), or name one of those in /etc/group",
        ) from None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise PidFileError(
            f"the run directory {folder} can't be made: {error.strerror}. "
            "Name another with --run-dir (-r) or FWKNOP_RUN_DIR."
        ) from error
