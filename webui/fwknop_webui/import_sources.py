"""Where an import comes from: the router's own folder, or what a browser sends."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from werkzeug.datastructures import FileStorage

from fwknop_webui.backup_archive import CLASSIC_FOLDER
from fwknop_webui.i18n import _
from fwknopd.classic_files import FileReader, Texts, access_texts, read_texts
from fwknopd.config.access_conf import read_access_conf
from fwknopd.config.classic_parts import ClassicParts, classic_parts
from fwknopd.config.convert import RecordingReader
from fwknopd.config.directive import Findings
from fwknopd.config.fwknopd_conf import read_settings
from fwknopd.config.includes import NoIncludes
from fwknopd.config.settings import ServerSettings
from fwknopd.config.uci_format import decode_text

ACCESS, SERVER = "access.conf", "fwknopd.conf"


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of the classic files, and whether this process may read them."""

    path: Path

    @property
    def access(self) -> Path:
        """The file of the clients."""
        return self.path / ACCESS

    @property
    def exists(self) -> bool:
        """Whether there seem to be classic files. Where that is kept from us: yes."""
        try:
            return self.access.exists() or (self.path / SERVER).exists()
        except OSError:
            return True

    @property
    def trouble(self) -> str:
        """Why nothing can be read here, with what to do; "" when all is well."""
        if not self.exists:
            return _("There is no {file} on this router.").format(file=self.access)
        if _is_readable(self.path) and all(map(_is_readable, self._present())):
            return ""
        text = _(
            "This page runs as {user}, who may not read {folder}. Run “fwknopctl import” as root "
            "on the router, or upload or paste the files below."
        )
        return text.format(user=_user(), folder=self.path)

    def _present(self) -> list[Path]:
        return [path for path in (self.access, self.path / SERVER) if os.path.lexists(path)]

    def texts(self) -> tuple[Texts, Texts, FileReader]:
        """The files as the daemon would read them, nothing outside the folder.

        Raises ConfigError.
        """
        reader = FileReader(within=self.path)
        config = self.path / SERVER
        server = read_texts(reader, [config] if os.path.lexists(config) else [])
        settings = read_settings(server, Findings()) if server else ServerSettings()
        usual = settings.access_file == ServerSettings().access_file
        file = self.access if usual and not settings.access_folder else None
        return server, access_texts(reader, settings, file, None), reader

    def parts(self) -> ClassicParts:
        """What is in the files. Raises ConfigError."""
        server, access, reader = self.texts()
        found = classic_parts(server, access, reader)
        problems = (*reader.problems, *found.problems)
        return ClassicParts(found.settings, found.stanzas, problems)

    def backup_texts(self) -> dict[str, str]:
        """The files by their path in a backup, with what they include. Raises ConfigError."""
        server, access, reader = self.texts()
        recorder = RecordingReader(reader)
        read_access_conf(access, recorder, Findings())
        home = self.path.resolve()
        found = [(text, Path(file).resolve()) for text, file in (*server, *access, *recorder.texts)]
        return {f"{CLASSIC_FOLDER}{file.relative_to(home)}": text for text, file in found}


def _is_readable(path: Path) -> bool:
    return os.access(path, os.R_OK)


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid {os.geteuid()}"


def sent_parts(form: Mapping[str, str], files: Mapping[str, FileStorage]) -> ClassicParts | None:
    """What is in the files a form brought, uploaded or pasted; None when it brought nothing."""
    access, server = (_sent(name, file, form, files) for name, file in _FIELDS)
    return classic_parts(server, access, NoIncludes()) if access or server else None


_FIELDS = (("access", ACCESS), ("server", SERVER))


def _sent(name: str, file: str, form: Mapping[str, str], files: Mapping[str, FileStorage]) -> Texts:
    """An uploaded file, else what was pasted. ``file`` is how it is called in messages."""
    upload = files.get(name)
    text = decode_text(upload.read()) if upload else ""
    text = text or form.get(f"{name}_text", "")
    return [(text.replace("\r\n", "\n"), file)] if text.strip() else []
