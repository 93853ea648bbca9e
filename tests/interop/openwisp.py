"""What OpenWISP makes of a NetJSON document, by the library it uses itself."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from netjsonconfig import OpenWrt

from fwknopd.config.uci_format import UciPackage, parse_uci

HEADING = "package fwknopd\n"
DEVICE = {"id": "7", "name": "router", "mac_address": "00:11:22:33:44:55"}
"""OpenWISP has variables for each device, so what looks like one is always looked up."""


def rendered(
    document: Mapping[str, Any],
    *,
    templates: Sequence[Mapping[str, Any]] = (),
    variables: Mapping[str, str] = DEVICE,
) -> str:
    """The text of /etc/config/fwknopd."""
    text = _backend(document, templates, variables).render(files=False)
    _, heading, file = text.partition(HEADING)
    assert heading, text
    return str(file)


def package(document: Mapping[str, Any]) -> UciPackage:
    """The file, as our loader reads it."""
    return parse_uci(rendered(document), "rendered")


def delivered(document: Mapping[str, Any]) -> bytes:
    """The file as the archive has it that OpenWISP hands to its agent."""
    with tarfile.open(fileobj=_backend(document, (), DEVICE).generate()) as archive:
        file = archive.extractfile("etc/config/fwknopd")
        assert file is not None
        return file.read()


def taken_over(text: str) -> dict[str, Any]:
    """A router's file as the document the library makes of it."""
    config = OpenWrt(native=f"{HEADING}\n{text.lstrip()}").config
    return dict(config)


def _backend(
    document: Mapping[str, Any],
    templates: Sequence[Mapping[str, Any]],
    variables: Mapping[str, str],
) -> OpenWrt:
    # The library keeps the objects it is given, and writes into them.
    return OpenWrt(
        dict(deepcopy(document)),
        templates=[dict(deepcopy(template)) for template in templates],
        context=dict(variables),
    )
