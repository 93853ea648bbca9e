"""What is wrong with the text of one field, before the form is sent.

Asked of the same readers as the whole form is, so that a field says what the server will say.
Faults that lie between fields are found when the form comes.
"""

from __future__ import annotations

from fwknop_webui import ports
from fwknop_webui.check import errors_by_field
from fwknop_webui.forms import unacceptable
from fwknop_webui.settings_form import field_fault
from fwknopd.config.typed_values import check_value
from fwknopd.config.variables import Scope, Status, lookup

CLIENT, SETTINGS = "client", "settings"
_SCOPES = {
    CLIENT: Scope.ACCESS,
    SETTINGS: Scope.SERVER,
    Scope.ACCESS.value: Scope.ACCESS,
    Scope.SERVER.value: Scope.SERVER,
}
"""By form: the last two are those of the page Advanced."""


def fault(form: str, option: str, text: str) -> str:
    """The error beside ``option`` of this form; "" for none, and for a field nobody knows."""
    typed = text.strip()
    if form == CLIENT and option == "OPEN_PORTS":
        # Blanks of any kind part them, so the form sees none.
        typed = ports.joined((), typed, "")
    if form == SETTINGS:
        found = field_fault(option, typed)
    else:
        found = unacceptable({option: typed}).get(option, "")
    if found:
        return found
    return _daemons_fault(form, option, typed)


def _daemons_fault(form: str, option: str, typed: str) -> str:
    scope = _SCOPES.get(form)
    variable = lookup(scope, option) if scope else None
    # The daemon takes anything for what it doesn't heed, and secrets are for the form alone.
    if variable is None or variable.status is not Status.HONOURED or variable.secret:
        return ""
    return errors_by_field(check_value(variable, typed), {variable.name}).get(variable.name, "")
