"""How many clients a change of the UCI file comes to."""

from __future__ import annotations

from fwknopd.config.old_key_sections import ACCESS, OWNER, name_of
from fwknopd.config.uci_model import UciPackage
from fwknopd.ctl.output import counted


def counts_told(old: UciPackage, new: UciPackage) -> str:
    """ "500 clients added, 1 client deleted. ", and "" where only settings changed."""
    before, after = _clients(old), _clients(new)
    numbers = {
        "added": len(after.keys() - before.keys()),
        "changed": sum(1 for name in before.keys() & after if before[name] != after[name]),
        "deleted": len(before.keys() - after.keys()),
    }
    told = [f"{counted(number, 'client')} {what}" for what, number in numbers.items() if number]
    return f"{', '.join(told)}. " if told else ""


def _clients(package: UciPackage) -> dict[str, list[tuple[str, object]]]:
    """Their options by name. What stands on which line is no difference."""
    sections = [section for section in package.of_type(ACCESS) if not section.get(OWNER)]
    return {name_of(s) or s.id: [(o.name, o.value) for o in s.options] for s in sections}
