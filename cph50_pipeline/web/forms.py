"""In which form a list is given: JSON, CSV or Parquet, by the suffix of its path or by what `Accept` prefers."""

from __future__ import annotations

from enum import StrEnum

from cph50_pipeline.web.problems import ProblemError


class Form(StrEnum):
    """A form of a list, called as its suffix."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"

    @property
    def media_type(self) -> str:
        """What the form is called in HTTP."""
        return _MEDIA_TYPES[self]


_MEDIA_TYPES = {
    Form.JSON: "application/json",
    Form.CSV: "text/csv; charset=utf-8; header=present",
    Form.PARQUET: "application/vnd.apache.parquet",
}
_ACCEPTED = {
    "application/json": Form.JSON,
    "text/csv": Form.CSV,
    "application/vnd.apache.parquet": Form.PARQUET,
    "application/x-parquet": Form.PARQUET,
    "application/parquet": Form.PARQUET,
}
_MAX_ACCEPT_RANGES = 32


def form_of(suffix: Form | None, accept: str | None) -> Form:
    """The form to give: the suffix's, else what `Accept` likes best, JSON where it does not care.

    Raises:
        ProblemError: 406 when it wants another.
    """
    if suffix is not None:
        return suffix
    if not accept or not accept.strip():
        return Form.JSON
    weights = {form: _weight(form, accept) for form in Form}
    best = max(weights, key=lambda form: weights[form])  # the first of equals
    if weights[best] <= 0:
        raise ProblemError(406, "None of the forms asked for can be given", remedy=f"There are {_offered()}")
    return best


def _offered() -> str:
    return ", ".join(form.media_type.partition(";")[0] for form in Form)


def _weight(form: Form, accept: str) -> float:
    """How much a form is wanted; the range that fits most closely says it."""
    best, closeness = 0.0, -1
    for part in accept.split(",")[:_MAX_ACCEPT_RANGES]:
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        how_close = _closeness(form, name)
        if how_close > closeness:
            best, closeness = _quality(parameters), how_close
    return best


def _closeness(form: Form, media_range: str) -> int:
    if _ACCEPTED.get(media_range) is form:
        return 2
    if media_range == f"{form.media_type.partition('/')[0]}/*":
        return 1
    return 0 if media_range == "*/*" else -1


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
