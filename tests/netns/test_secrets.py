"""The whole of it used with keys that are looked for afterwards, everywhere.

Daemon, page and commands run under strace, with a umask that hides nothing. So every program they
start is known with its arguments and environment, every connection they make, and every file.
"""

from __future__ import annotations

import io
import json
import os
import re
import resource
import signal
import stat
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fwknop_webui.routes import Route
from fwknop_webui.security import COOKIE
from fwknop_webui.views import ROUTES
from tests.lab import process
from tests.lab.client import Ask
from tests.lab.configs import write_private
from tests.lab.events import event_is
from tests.lab.lab import Lab, LabOptions
from tests.lab.process import SYSTEM_PATH, installed_program
from tests.netns.canaries import Canary, holders, key, phrase, told
from tests.web.test_backup import download, restore
from tests.web.test_import import paste
from tests.web.visitor import Page, Visitor
from tests.web.wire import Wire

pytestmark = [pytest.mark.root, pytest.mark.nft, pytest.mark.client, pytest.mark.strace]

CALLS = "execve,execveat,connect,sendto,sendmsg,sendmmsg,open,openat,openat2,creat"
CONFIGURATION = """\
config global
	option uci_enabled '1'

config network
	option network 'wan'

config access 'phone'
	option name 'phone'
	option SOURCE 'ANY'
	option KEY_BASE64 '{key}'
	option HMAC_KEY_BASE64 '{hmac}'
	option OPEN_PORTS 'tcp/22'

config access 'talker'
	option name 'talker'
	option SOURCE 'ANY'
	option KEY '{spoken}'
	option HMAC_KEY '{spoken_hmac}'

config config
	option ENABLE_NAT_DNS 'Y'
"""
ASKED = ["--server=198.51.100.2", "--allow-ip=203.0.113.10", "--access=tcp/22", "--print"]
BROKEN_FILES = (
    "config access\n\toption KEY_BASE64 '{broken}\n",
    "config access\n\toptoin KEY_BASE64 '{broken}'\n",
    "config access\n\toption KEY_BASE64 '{broken}!'\n\toption SOURCE 'ANY'\n",
    "config access\n\toption KEY_BASE64 '{broken}' '{broken}'\n",
    "config access\n\toption HMAC_KEY '{broken}'\n\toption KEY '{broken}'\n\toption SOURCE 'x'\n",
)
CLASSIC = """\
SOURCE          ANY
KEY_BASE64      {classic}
HMAC_KEY        {classic_hmac}

SOURCE          ANY
KEI_BASE64      {classic}
KEY_BASE64      {classic}?
"""
USABLE = "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY_BASE64 {classic}\nHMAC_KEY {classic_hmac}\n"
MAY_SHOW_KEYS = re.compile(r"POST /(clients/[^/]+/(qr|rotate)|backup/download|import/qr)$")
"""The answers that are made to hand keys to a person."""


@dataclass
class Used:
    """What is left to look at."""

    canaries: dict[str, Canary]
    lab: Lab
    traces: Path
    wire: Wire
    session: str = ""
    commands: dict[str, str] = field(default_factory=dict)
    written: Path = Path()
    seen: dict[str, bytes] = field(default_factory=dict)
    limits: list[tuple[int, int]] = field(default_factory=list)

    @property
    def secrets(self) -> list[Canary]:
        return list(self.canaries.values())

    def lines(self, *calls: str) -> list[str]:
        """What strace saw of these calls."""
        wanted = re.compile(rf"\d+ +({'|'.join(calls)})\(")
        files = sorted(self.traces.iterdir())
        text = "".join(file.read_text(errors="replace") for file in files)
        return [line for line in text.splitlines() if wanted.match(line)]


@contextmanager
def traced(folder: Path) -> Iterator[None]:
    """Every program of a lab has a strace beside it, and none of the protection of a umask."""
    usual, umask = process.with_kernel_leash, os.umask(0)

    def leash(argv: Sequence[str]) -> list[str]:
        file = folder / f"trace-{len(list(folder.iterdir()))}"
        file.touch()
        return [*usual([]), *strace(file), *argv]

    process.with_kernel_leash = leash
    try:
        yield
    finally:
        process.with_kernel_leash = usual
        os.umask(umask)


def strace(file: Path) -> list[str]:
    # As a grandchild it leaves the program its number; all of every text, all of the environment.
    how = ["-D", "-f", "--seccomp-bpf", "-qq", "-v", "-s", "1000000", "-e", "signal=none"]
    return ["strace", *how, "-e", f"trace={CALLS}", "-o", str(file), "--"]


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Used]:
    folder = tmp_path_factory.mktemp("secrets")
    canaries = {name: key(name) for name in ("key", "classic", "broken", "strange")}
    canaries["hmac"] = key("hmac", 64)
    for name in ("spoken", "spoken_hmac", "classic_hmac", "wrong", "backup"):
        canaries[name] = phrase(name)
    config = CONFIGURATION.format(**{name: canary.text for name, canary in canaries.items()})
    (folder / "traces").mkdir()
    with traced(folder / "traces"), Lab(folder / "lab", LabOptions(config=config)) as lab:
        canaries["password"] = Canary("password", lab.page.password, lab.page.password.encode())
        found = Used(canaries, lab, folder / "traces", Wire(lab.page.url), written=folder / "cli")
        found.written.mkdir()
        use(found)
        yield found


def use(used: Used) -> None:
    """Do everything that people do, and much that they should not."""
    visitor = used.wire.visitor(used.lab.page.password)
    log_in(used, visitor)
    look_around(visitor)
    knock(used)
    handle_keys(used, visitor)
    break_configuration(used, visitor)
    run_commands(used)
    look_around(visitor)
    crash(used)


def log_in(used: Used, visitor: Visitor) -> None:
    visitor.log_in(used.canaries["wrong"].text)
    visitor.log_in()
    cookie = visitor.client.get_cookie(COOKIE)
    assert cookie
    used.session = cookie.value


def look_around(visitor: Visitor) -> None:
    """Open every page there is."""
    for route in ROUTES:
        if route.method == "GET":
            visitor.client.get(path_of(route))
    visitor.client.get("/nothing")
    visitor.client.get("/clients/add?from=phone")
    visitor.client.get("/advanced?q=key")


def path_of(route: Route) -> str:
    return route.rule.replace("<section>", "phone").replace("<name>", "app.css")


def knock(used: Used) -> None:
    """Knocks that are let in, refused, too late, again, and made with other keys."""
    lab, canaries = used.lab, used.canaries
    mark = lab.events.mark()
    packet = lab.paths.folder / "packet"
    lab.knock(Ask("tcp/22"), client="phone", save_packet=packet)
    lab.events.wait_for(event_is("grant"), since=mark)
    lab.replay(packet)
    for keys in (
        {"KEY_BASE64": canaries["strange"].text, "HMAC_KEY_BASE64": canaries["hmac"].text},
        {"KEY": canaries["spoken"].text, "HMAC_KEY_BASE64": canaries["strange"].text},
    ):
        lab.knock(keys=keys)
    mark = lab.events.mark()
    lab.knock(Ask("tcp/4444"), client="phone")
    lab.events.wait_for(event_is("verdict", verdict="refuse"), since=mark)
    lab.knock(Ask("tcp/22"), client="talker")
    # The phone's files are no business of ours.
    packet.unlink()
    lab.paths.rc_file.unlink()


def handle_keys(used: Used, visitor: Visitor) -> None:
    """Show keys, make new ones, take them from files, and carry them away and back."""
    canaries = used.canaries
    for section in ("phone", "talker"):
        form = visitor.get("/clients").row_form(f"/clients/{section}/qr")
        visitor.press(form, form.buttons[0][0])
    visitor.press(
        visitor.get("/clients/phone/rotate").form("/clients/phone/rotate"), "Make new keys"
    )
    visitor.get("/changes")
    visitor.press(visitor.get("/changes").form("/changes/apply"), "Revert")
    classic = CLASSIC.format(**{name: canary.text for name, canary in canaries.items()})
    paste(visitor, classic)
    visitor.get("/import/preview")
    sealed = download(
        visitor, passphrase=canaries["backup"].text, again=canaries["backup"].text
    ).response.get_data()
    plain = download(visitor, "Download without encryption", passphrase="", again="")
    restore(visitor, sealed, canaries["wrong"].text)
    changed = used.lab.paths.uci.read_text().replace("tcp/22", "tcp/2222")
    for data in (sealed, plain.response.get_data(), changed.encode()):
        restore(visitor, data, canaries["backup"].text)
        visitor.get("/backup/preview")
    confirm(visitor, visitor.get("/backup/preview"))


def confirm(visitor: Visitor, page: Page) -> None:
    visitor.press(page.form("/backup/confirm"), "Restore")
    visitor.press(visitor.get("/changes").form("/changes/apply"), "Save & Apply")


def break_configuration(used: Used, visitor: Visitor) -> None:
    """Every way of a key to be in the wrong place."""
    lab, broken = used.lab, used.canaries["broken"]
    good = lab.paths.uci.read_text()
    for text in BROKEN_FILES:
        write_private(lab.paths.uci, good + "\n" + text.format(broken=broken.text))
        lab.daemon.ask("reload")
        look_around(visitor)
        restore(visitor, text.format(broken=broken.text).encode())
        paste(visitor, text.format(broken=broken.text))
    used.seen["status with a broken file"] = json.dumps(lab.daemon.ask("status")).encode()
    write_private(lab.paths.uci, good)
    assert lab.daemon.ask("reload")["reloaded"] is True


def run_commands(used: Used) -> None:
    lab, out = used.lab, used.written
    classic = out / "access.conf"
    texts = {name: canary.text for name, canary in used.canaries.items()}
    write_private(classic, CLASSIC.format(**texts))
    write_private(out / "usable.conf", USABLE.format(**texts))
    write_private(out / "fwknopd.conf", "PCAP_INTF eth1;\n")
    write_private(out / "copy", lab.paths.uci.read_text())
    files = ["-c", str(out / "fwknopd.conf"), "-a", str(classic)]
    uci = f"--uci={lab.paths.uci}"
    for command in (
        *(["status"], ["grants"], ["events"], ["version"], ["reload"]),
        *(["client", verb, f"--uci={out}/copy", "phone"] for verb in ("rotate", "revoke")),
        ["client", "list", f"--uci={out}/copy"],
        ["client", "add", f"--uci={out}/copy", "--set=OPEN_PORTS=tcp/22", "--check", "third"],
        ["export", uci, "--interface=eth1", "--netjson"],
        ["--json", "status"],
        ["import", *files, f"--uci={out / 'copy'}"],
        ["import", *files[:2], "-a", f"{out}/usable.conf", f"--uci={out}/new", "--apply"],
        ["export", uci, "--interface=eth1"],
        ["export", uci, "--interface=eth1", "--output", str(out / "exported")],
        ["migrate", f"--uci={out / 'copy'}"],
        ["explain", uci, str(out / "fwknopd.conf")],
        ["qr", uci, "--client=phone", f"--svg={out / 'phone.svg'}"],
        ["knock", uci, "--client=phone", *ASKED],
    ):
        used.commands[" ".join(command)] = run(used, *command)
    with_syntax_error = out / "broken.conf"
    write_private(with_syntax_error, f"SOURCE ANY\nKEY_BASE64 {texts['broken']} x\nKEY")
    broken = ["import", "-c", str(out / "fwknopd.conf"), "-a", str(with_syntax_error), uci]
    used.commands["import of a broken file"] = run(used, *broken)


def run(used: Used, *arguments: str) -> str:
    """A command's words, as an administrator runs it."""
    command = [str(installed_program("fwknopctl")), f"--control={used.lab.paths.control}"]
    file = used.traces / f"command-{len(used.commands)}"
    with used.lab.router.entered():
        done = subprocess.run(
            [*strace(file), *command, *arguments],
            capture_output=True,
            text=True,
            timeout=30,
            stdin=subprocess.DEVNULL,
            env={"PATH": SYSTEM_PATH, "HOME": str(used.written)},
        )
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def crash(used: Used) -> None:
    """Let both processes die as a fault in C code does, and look at what they leave."""
    for each in (used.lab.daemon.process, used.lab.page.process):
        for file in ("cmdline", "environ"):
            used.seen[f"{each.name} {file}"] = Path(f"/proc/{each.pid}/{file}").read_bytes()
        used.limits.append(resource.prlimit(each.pid, resource.RLIMIT_CORE))
        each.signal(signal.SIGSEGV)
        assert each.wait(20) == -signal.SIGSEGV
    used.lab.daemon.stop()


def test_the_canaries_are_found_where_they_may_be(used: Used) -> None:
    """What finds them works: else all the others would pass for nothing."""
    assert told(used.secrets, used.lab.paths.uci.read_bytes()) == [
        "key",
        "hmac",
        "spoken",
        "spoken_hmac",
    ]
    for exchange in used.wire.exchanges:
        if exchange.path == "/clients/phone/qr":
            assert told([used.canaries["key"]], exchange.body)
            break
    else:
        raise AssertionError("nobody looked at keys")
    raw = used.canaries["key"].raw
    for form in (raw, raw.hex().encode(), b"..." + raw[3:]):
        assert used.canaries["key"].is_in(form)


def test_no_page_tells_a_key_but_those_made_for_it(used: Used) -> None:
    for exchange in used.wire.exchanges:
        what = f"{exchange.method} {exchange.path}"
        assert exchange.status < 500 or exchange.path != "/", what
        found = told(used.secrets, exchange.body + repr(exchange.headers).encode())
        if MAY_SHOW_KEYS.match(what):
            assert exchange.headers["Cache-Control"] == "no-store", what
            assert not {"password", "wrong", "backup"} & set(found), what
        else:
            assert not found, what
        assert not told(used.secrets, exchange.path.encode()), "addresses are kept in histories"
        assert used.session.encode() not in exchange.body, what


def test_no_log_and_no_event_tells_one(used: Used) -> None:
    lab = used.lab
    told_of = {
        "log of the daemon": lab.paths.log.read_bytes(),
        "log of the page": (lab.paths.folder / "webui.log").read_bytes(),
        "events": json.dumps(lab.events.since(0)).encode(),
        **used.seen,
    }
    for what, text in told_of.items():
        assert not told(used.secrets, text), what
        assert used.session.encode() not in text, what
    assert b"Traceback" not in told_of["log of the page"]


def test_no_command_tells_one(used: Used) -> None:
    for command, said in used.commands.items():
        assert not told(used.secrets, said.encode()), command


def test_no_program_gets_one_as_argument_or_in_its_environment(used: Used) -> None:
    programs = used.lines("execve", "execveat")
    assert any("nft" in line for line in programs)
    for line in programs:
        assert not told(used.secrets, line.encode())


def test_nothing_is_asked_of_the_network(used: Used) -> None:
    """No name is looked up, no version asked for, nothing fetched, be there a network or not."""
    calls = used.lines("connect", "sendto", "sendmsg", "sendmmsg")
    assert any("sa_family=AF_UNIX" in line for line in calls)
    assert not [line for line in calls if re.search(r"sa_family=AF_(INET|PACKET)", line)]


def test_files_with_keys_are_those_that_must_have_them(used: Used) -> None:
    lab = used.lab
    assert set(holders(lab.paths.folder, used.secrets)) == {"config/fwknopd"}
    assert set(holders(used.written, used.secrets)) == {
        *("access.conf", "usable.conf", "broken.conf", "copy", "new"),
        *("exported/access.conf",),
    }
    for line in used.lines("open", "openat", "openat2", "creat"):
        if "O_CREAT" in line or "O_TMPFILE" in line:
            (path,) = re.findall(r'"([^"]*)"', line)[:1]
            known = (str(lab.paths.folder), str(used.written), "/dev/", "/proc/self/")
            assert path.startswith(known) or "__pycache__" in path, line


def test_nothing_written_is_open_to_others_whatever_the_umask(used: Used) -> None:
    ours = [*used.lab.paths.run_dir.rglob("*"), *used.lab.paths.uci.parent.rglob("*")]
    ours += [*used.written.rglob("*"), *used.lab.paths.folder.glob("webui.password*")]
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in ours}
    assert len(modes) > 12
    for path, mode in modes.items():
        if path.is_dir():
            assert mode in (0o700, 0o750), path
        elif path.is_socket():
            assert mode in (0o600, 0o660), path
        else:
            assert mode == 0o600, path
        assert path.lstat().st_uid == os.geteuid(), path


def test_neither_process_leaves_a_core_dump(used: Used) -> None:
    # Nothing at all where this machine allows nothing, see fwknopd.core_dumps.
    assert len(used.limits) == 2
    assert set(used.limits) <= {(0, 0), (1, 1)}


def test_a_backup_s_bytes_are_no_plain_text(used: Used) -> None:
    """Sealed, it tells nothing; plain, it is compressed, and holds what it has to."""
    bodies = [e.body for e in used.wire.exchanges if e.path == "/backup/download"]
    assert len(bodies) == 2
    assert not told(used.secrets, bodies[0])
    with tarfile.open(fileobj=io.BytesIO(bodies[1])) as archive:
        (file,) = [archive.extractfile(member) for member in archive.getmembers()]
        assert file and "key" in told(used.secrets, file.read())
