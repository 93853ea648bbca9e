"""Whatever the changes, the calls lead rpcd to the same package, a section at a time."""

from __future__ import annotations

from hypothesis import given

from fwknop_webui.rpcd_calls import staging_calls
from fwknopd.config.uci_changes import SetOption
from fwknopd.config.uci_differences import differences
from fwknopd.config.uci_format import UciPackage
from tests.web.rpcd import StandIn, usual_users
from tests.web.test_differences import STOCK, edits, package


def content(found: UciPackage) -> list[object]:
    """All but the ids of anonymous sections."""
    return [(s.type, s.name, {o.name: o.value for o in s.options}) for s in found.sections]


def staged(wanted: UciPackage) -> tuple[UciPackage, list[str]]:
    """What rpcd has then, and the calls it took."""
    rpcd = StandIn(STOCK, usual_users())
    sid = rpcd.log_in("anna")
    methods = []
    for call in staging_calls(differences(package(), wanted), wanted):
        methods.append(call.method)
        code, answer = getattr(rpcd, f"_uci_{call.method}")(
            sid, {"config": "fwknopd", **call.message()}
        )
        assert code == 0
        call.answered(answer)
    return rpcd._staged(sid), methods


@given(edits())
def test_calls_lead_to_what_was_wanted(wanted: UciPackage) -> None:
    found, methods = staged(wanted)
    assert content(found) == content(wanted)
    assert methods.count("order") <= 1


def test_options_of_a_section_go_together() -> None:
    from fwknopd.config.uci_changes import apply

    changes = [SetOption("anna", "SOURCE", "ANY"), SetOption("anna", "note", "a phone")]
    assert staged(apply(package(), changes))[1] == ["set"]
    assert staged(package())[1] == []
