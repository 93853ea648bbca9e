"""``fwknopctl exposed``: at which ports of clients anybody gets in, knock or not."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from fwknopd.ctl.answers import Json, children, number, text, texts
from fwknopd.ctl.daemon import ask
from fwknopd.ctl.output import GREEN, RED, YELLOW, clean, colour, print_json, print_note

EXPOSED = 5
"""How the verb ends when a port is open to anybody."""

_LUCI = "LuCI, Network, Firewall"
_BY = {
    "rule": "the traffic rule {name!r}",
    "redirect": "the port forward {name!r}",
    "zone": "the zone {name!r}, which accepts input",
    "text": "the rule `{name}` in {chain}",
    "policy": "the chain {name}, which accepts what no rule refuses",
    "nothing": "no rule at all, for nothing is refused here",
}
_REMEDIES = {
    "rule": f"Switch it off: {_LUCI}, Traffic Rules",
    "redirect": f"Switch it off: {_LUCI}, Port Forwards",
    "zone": f"Let it reject input: {_LUCI}, General Settings, Zones",
    "text": "Take the rule away where it was made",
    "policy": "Let the chain drop what no rule accepts",
    "nothing": "Make a firewall that drops what no rule accepts",
}


def show_exposed(options: Namespace) -> int:
    """The verb ``exposed``."""
    answer = ask(
        options, "exposed", anew=True, **({"ports": options.ports} if options.ports else {})
    )
    if options.json:
        print_json(answer)
    else:
        _show(answer)
    return (
        EXPOSED if any(text(port, "reach") == "open" for port in children(answer, "ports")) else 0
    )


def _show(answer: Json) -> None:
    for line in _lines(answer):
        print(line)
    if detail := text(answer, "detail"):
        print_note(f"whether strangers get in can't be told: {detail}")
    elif not children(answer, "ports") and not texts(answer, "closed"):
        print("No client has ports that could be looked at.")
    if more := int(number(answer, "more")):
        print_note(f"{more} more ports were not looked at; name them with --ports")


def _lines(answer: Json) -> Iterator[str]:
    for port in children(answer, "ports"):
        yield from _told(port)
    if closed := texts(answer, "closed"):
        devices = ", ".join(texts(answer, "devices"))
        shut = colour("shut", GREEN)
        yield clean(f"{', '.join(closed)}: ") + shut + clean(f" to strangers on {devices}")


def _told(port: Json) -> Iterator[str]:
    how, reach = text(port, "how"), text(port, "reach")
    names = {"name": clean(text(port, "name")), "chain": clean(text(port, "chain"))}
    by = _BY.get(how, _BY["text"]).format(**names)
    place = f"{clean(text(port, 'port'))} on {clean(text(port, 'device'))}{_versions(port)}"
    if reach == "open":
        leads_to = clean(text(port, "leads_to"))
        to = f", which leads them to {leads_to}" if leads_to else ""
        yield f"{place}: {colour('open to anybody', RED)}, by {by}{to}{_clients(port)}"
        yield f"  {_REMEDIES.get(how, _REMEDIES['text'])}."
    elif reach == "some":
        yield f"{place}: {colour('perhaps open to some', YELLOW)}, by {by}"
    else:
        yield f"{place}: can't be told, for {by}"


def _versions(port: Json) -> str:
    value = port.get("versions")
    versions = [str(v) for v in value if v in (4, 6)] if isinstance(value, list) else []
    return f" (IPv{', IPv'.join(versions)})" if versions else ""


def _clients(port: Json) -> str:
    names = texts(port, "clients")
    return f"; clients: {clean(', '.join(names[:5]))}{' ...' if names[5:] else ''}" if names else ""
