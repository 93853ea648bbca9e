"""What a field expects, said to people who don't read the daemon's English."""

from __future__ import annotations

from fwknop_webui.daemon_words import in_words
from fwknop_webui.i18n import SOURCE_LANGUAGE, _, language
from fwknop_webui.variable_text import kind_text, range_text
from fwknopd.config.problems import Problem
from fwknopd.config.variable import Variable
from fwknopd.config.variables import ACCESS_VARIABLES, SERVER_VARIABLES, UCI_VARIABLES

_BY_NAME = {v.name: v for v in (*UCI_VARIABLES, *SERVER_VARIABLES, *ACCESS_VARIABLES)}


def said(problem: Problem) -> str:
    """The daemon's words on an option, after what is expected in the reader's language."""
    words = f"{in_words(problem.message)}. {in_words(problem.remedy)}".strip()
    variable = _BY_NAME.get(problem.option)
    if variable is None or language() == SOURCE_LANGUAGE:
        return words
    return f"{_expected(variable)} ({words})"


def _expected(variable: Variable) -> str:
    kind = ", ".join(filter(None, (kind_text(variable), range_text(variable))))
    if not variable.example:
        return _("Expecting: {kind}.").format(kind=kind)
    return _("Expecting: {kind}, such as {example}.").format(kind=kind, example=variable.example)
