"""What the API's lists say, without a server and with all rows: what `cph50 export` writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings
from cph50_pipeline.web import energy, power, sessions
from cph50_pipeline.web.answering import Question, all_rows
from cph50_pipeline.web.context import Context
from cph50_pipeline.web.forms import Form
from cph50_pipeline.web.parameters import Paged
from cph50_pipeline.web.problems import ProblemError


@dataclass(frozen=True)
class _List:
    """A list that can be exported.

    Attributes:
        query: The parameters of its route.
        question: Asks for what they say.
        by: Which of them says how much is summed; None: nothing is.
    """

    query: type[Paged]
    question: Callable[[Context, Any], Question]
    by: str | None = None


_LISTS: Mapping[str, _List] = {
    "sessions": _List(sessions.SessionsQuery, sessions.question),
    "energy": _List(energy.EnergyQuery, energy.question, "by"),
    "power": _List(power.RollupsQuery, power.question, "resolution"),
}


def exported(settings: Settings, what: str, wanted: Mapping[str, str], form: Form) -> bytes:
    """All rows of a list, as its route would answer were there no pages.

    Args:
        what: `sessions`, `energy` or `power`.
        wanted: By option: `from`, `to`, `vehicle`, `by`; what is not wanted is left out.
        form: In JSON the rows alone are given.

    Raises:
        BadInputError: an option cannot be used.
        Cph50Error: a stored file cannot be read.
    """
    listed = _LISTS[what]
    named = {(listed.by or option) if option == "by" else option: text for option, text in wanted.items()}
    context = Context.of(settings)
    try:
        query = listed.query.model_validate(named)
        return all_rows(context, listed.question(context, query), form)
    except ValidationError as error:
        raise BadInputError("; ".join(_explain(what, found) for found in error.errors())) from error
    except ProblemError as problem:
        raise BadInputError(problem.detail, remedy=problem.remedy) from problem
    finally:
        context.close()


def _explain(what: str, found: Mapping[str, Any]) -> str:
    option = {"resolution": "by"}.get(found["loc"][0], found["loc"][0])
    if found["type"] == "extra_forbidden":
        return f"An export of {what} knows no --{option}"
    return f"--{option}: {found['msg']}, not {found['input']!r}"
