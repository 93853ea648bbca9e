"""Classic files taken apart: what each stanza and setting is by itself, and what it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from fwknopd.config.classic_parts import ClassicParts, FoundStanza, classic_parts
from fwknopd.config.includes import IncludeError, NoIncludes
from fwknopd.config.problems import Severity
from fwknopd.config.stanza_names import suggested_name, suggested_note

KEYS = "KEY secret one\nHMAC_KEY secret two\n"


class Files:
    """Included files a test made up."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def read_file(self, path: str) -> str:
        if path not in self._texts:
            raise IncludeError(f"{path} does not exist", "Make it.")
        return self._texts[path]

    def list_folder(self, path: str) -> Sequence[str]:
        return [name.rpartition("/")[2] for name in self._texts if name.startswith(path)]


def parts(access: str, server: str = "", **included: str) -> ClassicParts:
    texts = {name.replace("__", "/"): text for name, text in included.items()}
    server_texts = [(server, "fwknopd.conf")] if server else []
    return classic_parts(server_texts, [(access, "access.conf")], Files(texts))


def stanza(access: str, **included: str) -> FoundStanza:
    (only,) = parts(access, **included).stanzas
    return only


def options(found: FoundStanza) -> dict[str, str]:
    return {option.name: option.text for option in found.section.options}


def test_stanzas_and_settings_come_with_their_places() -> None:
    found = parts(
        f"# head\n\nSOURCE ANY\n{KEYS}\nSOURCE 192.0.2.1\nKEY other\n",
        "# c\nMAX_SPA_PACKET_AGE 60;\nVERBOSE 1;\nMAX_SPA_PACKET_AGE 90;\n",
    )
    assert [(s.number, s.file, s.line) for s in found.stanzas] == [
        (1, "access.conf", 3),
        (2, "access.conf", 7),
    ]
    assert options(found.stanzas[0]) == {
        "SOURCE": "ANY",
        "KEY": "secret one",
        "HMAC_KEY": "secret two",
    }
    assert [(s.option.name, s.option.text, s.line) for s in found.settings] == [
        ("VERBOSE", "1", 3),
        ("MAX_SPA_PACKET_AGE", "90", 4),
    ]


def test_device_nobody_wrote_is_no_setting() -> None:
    assert parts("", "VERBOSE 1;\n").settings[0].option.name == "VERBOSE"
    assert len(parts("", "VERBOSE 1;\n").settings) == 1


def test_one_bad_stanza_spoils_no_other() -> None:
    good, bad, also_good = parts(
        f"SOURCE ANY\n{KEYS}SOURCE ANY\nKEY x\nOPEN_PORTS 22\nSOURCE ANY\nKEY y\n"
    ).stanzas
    assert good.usable
    assert also_good.usable
    assert not bad.usable
    (error,) = [p for p in bad.problems if p.severity is Severity.ERROR]
    assert (error.line, error.option) == (6, "OPEN_PORTS")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("OPEN_PORTS", "the line has no value"),
        ("#\nKEY " + "x" * 1100, "longer than 1023"),
        ("FW_ACCESS_TIMEOUT 99999999999", "8388608"),
    ],
)
def test_faulty_lines_belong_to_their_stanza(line: str, message: str) -> None:
    first, second = parts(f"SOURCE ANY\nKEY a\n{line}\nSOURCE ANY\nKEY b\n").stanzas
    assert not first.usable
    assert any(message in problem.message for problem in first.problems)
    assert second.usable


def test_stanza_without_keys_can_not_be_taken() -> None:
    for keys in ("", "KEY __CHANGEME__\n", "HMAC_KEY x\n"):
        found = stanza(f"SOURCE ANY\n{keys}")
        assert not found.usable
        assert found.stanza is None


def test_includes_are_followed_and_their_faults_are_no_stanzas() -> None:
    found = parts(
        f"SOURCE ANY\n{KEYS}%include /more\n%include /missing\n",
        **{"__more": "SOURCE 192.0.2.1\nKEY x\n"},
    )
    assert [s.file for s in found.stanzas] == ["access.conf", "/more"]
    assert all(s.usable for s in found.stanzas)
    (problem,) = found.problems
    assert problem.option == "%include"
    assert "/missing does not exist" in problem.message


def test_pasted_text_includes_nothing() -> None:
    found = classic_parts(
        [], [(f"SOURCE ANY\n{KEYS}%include /etc/shadow\n", "pasted")], NoIncludes()
    )
    assert found.stanzas[0].usable
    assert "can't be included here" in found.problems[0].message


def test_missing_key_file_makes_a_client_that_is_off() -> None:
    found = stanza(f"SOURCE ANY\n{KEYS}%include_keys /keys\n")
    assert found.usable
    assert found.stanza is None
    assert options(found)["enabled"] == "0"
    assert any("/keys does not exist" in problem.message for problem in found.problems)


def test_key_files_are_taken_in() -> None:
    found = stanza("SOURCE ANY\n%include_keys /keys\n", __keys="KEY from a file\n")
    assert options(found)["KEY"] == "from a file"
    assert found.stanza is not None


def test_gpg_stanza_is_told_and_not_passed_over() -> None:
    found = stanza("SOURCE ANY\nGPG_DECRYPT_PW x\nGPG_REMOTE_ID 12345678\nGPG_HOME_DIR /tmp\n")
    assert options(found)["GPG_REMOTE_ID"] == "12345678"
    assert found.stanza is not None or found.problems


def test_what_uci_can_not_hold_is_told() -> None:
    found = stanza(f"SOURCE ANY\n{KEYS}name Anna\nA-B c\n")
    assert "name" not in options(found)
    told = [p for p in found.problems if p.message.startswith("not carried over")]
    assert [p.option for p in told] == ["name", "A-B"]


def test_forwarding_is_judged_by_the_settings_beside_it() -> None:
    access = f"SOURCE ANY\n{KEYS}FORCE_NAT 192.168.1.2 22\n"
    assert parts(access).stanzas[0].usable
    assert parts(access, "ENABLE_IPT_FORWARDING Y;\n").stanzas[0].usable
    assert not parts(access, "ENABLE_IPT_FORWARDING N;\n").stanzas[0].usable


def test_faulty_setting_is_marked_by_itself() -> None:
    good, bad = parts("", "VERBOSE 1;\nUDPSERV_PORT 99999;\n").settings
    assert good.usable
    assert not bad.usable
    assert bad.problems[0].line == 2


def test_settings_that_are_none_are_told() -> None:
    found = parts("", "VERBOSE\nFWKNOP_PID_FILE $NOTHING/x;\n")
    assert not found.settings
    assert [p.line for p in found.problems] == [1, 2]


# Names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("# Anna's phone\nSOURCE ANY", "Anna's phone"),
        ("### Anna's phone ###\nSOURCE ANY", "Anna's phone"),
        ("; Anna\nSOURCE ANY", "Anna"),
        ("# Anna\n# bought 2024\nSOURCE ANY", "Anna"),
        ("# -----\n# Anna\nSOURCE ANY", "Anna"),
        ("SOURCE ANY ; # Anna", "Anna"),
        ("# Bob\nSOURCE: ANY;   ## Anna", "Anna"),
        ("SOURCE ANY\n# Anna\nKEY x", "Anna"),
        ("# name: Anna; and Bob\n# note: hers\n# more\nSOURCE ANY", "Anna; and Bob"),
        ("# Ümlaut ✓\nSOURCE ANY", "Ümlaut ✓"),
        # Not beside the stanza, or too much to be a name.
        ("# Anna\n\nSOURCE ANY", ""),
        ("# Anna\nKEY x\nSOURCE ANY", ""),
        ("# one\n# two\n# three\nSOURCE ANY", ""),
        ("# " + "long " * 20 + "\nSOURCE ANY", ""),
        ("# ----\nSOURCE ANY", ""),
        ("# 2024\nSOURCE ANY", ""),
        ("SOURCE ANY", ""),
        # Never what may be a key.
        ("#KEY: throw_away_password;\nSOURCE ANY", ""),
        ("# KEY_BASE64 abc\nSOURCE ANY", ""),
        ("# Anna AAECAwQFBgcICQoLDA0ODw==\nSOURCE ANY", ""),
        ("# my password is hunter2\nSOURCE ANY", ""),
        ("# HMAC-KEY hunter2\nSOURCE ANY", ""),
        ("#OPEN_PORTS tcp/22\nSOURCE ANY", ""),
        ("#SOURCE ANY\nSOURCE ANY", ""),
        ("#%include_keys /x\nSOURCE ANY", ""),
        ("# NEW_THING x\nSOURCE ANY", ""),
    ],
)
def test_name_comes_from_the_comment_beside_it(text: str, name: str) -> None:
    lines = text.split("\n")
    head = next(n for n, line in enumerate(lines, 1) if line.startswith("SOURCE"))
    assert suggested_name(lines, head) == name


def test_included_file_names_its_client() -> None:
    found = parts(
        "%include_folder /d\n",
        **{"__d__anna.conf": "SOURCE ANY\nKEY x\n", "__d__b.conf": "# Bob\nSOURCE ANY\nKEY y\n"},
    )
    assert [s.name for s in found.stanzas] == ["anna", "Bob"]
    assert stanza("SOURCE ANY\nKEY x\n").name == ""


def test_note_of_an_export_comes_back() -> None:
    lines = ["# name: Anna", "# note: \x1bPixel, bought 2024", "SOURCE ANY"]
    assert suggested_note(lines, 3) == "?Pixel, bought 2024"
    assert suggested_note(["SOURCE ANY"], 1) == ""
