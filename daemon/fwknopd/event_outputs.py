"""Where the daemon says what it does: standard error, the system log, files, a log server."""

from __future__ import annotations

from fwknopd.config.settings import Configuration, ServerSettings
from fwknopd.engine import Engine
from fwknopd.event_sinks import JsonLinesSink, StderrSink, SyslogSink
from fwknopd.events import EventLog, Outlet
from fwknopd.log_lines import DEBUG
from fwknopd.options import Options


def add_sinks(events: EventLog, options: Options, settings: ServerSettings) -> None:
    """Have events told wherever options and settings say. Raises EventFileError."""
    if options.events is not None:
        file = JsonLinesSink(options.events)
        events.sinks.append(file)
        events.losing[Outlet.EVENTS_FILE] = file.losses
    if options.foreground and not options.syslog_only:
        events.sinks.append(StderrSink(settings.verbose))
    if not options.foreground or options.syslog_enable or options.syslog_only:
        events.sinks.append(
            SyslogSink(settings.syslog_identity, settings.syslog_facility, settings.verbose)
        )
    if settings.syslog_server:
        # Few have one.
        from fwknopd.config.endpoint import parse_endpoint
        from fwknopd.syslog_server import SyslogServerSink

        address = parse_endpoint(settings.syslog_server, "")
        identity, facility = settings.syslog_identity, settings.syslog_facility
        server = SyslogServerSink(address, identity, facility)
        events.sinks.append(server)
        events.losing[Outlet.LOG_SERVER] = server.losses


def watch_work(
    engine: Engine,
    options: Options,
    settings: ServerSettings,
    configuration: Configuration | None,
) -> None:
    """With -v: each packet's fields and the firewall's commands; with -vv the settings too.

    With -vvv also each payload, byte by byte.
    """
    if settings.verbose < 1:
        return
    from fwknopd.watching import watch

    sinks = [sink for sink in engine.events.sinks if isinstance(sink, StderrSink | SyslogSink)]

    def say(line: str) -> None:
        for sink in sinks:
            sink.say(DEBUG, line)

    watch(engine, say, payloads=settings.verbose > 2)
    if settings.verbose > 1:
        from fwknopd.dump_config import dump_text

        for line in dump_text(options, configuration).splitlines():
            say(line)
