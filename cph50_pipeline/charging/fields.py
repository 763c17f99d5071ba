"""Field types that the documents of charging share: instants and rounded quantities.

Times of the household's calendar are made in `civil_time`; this module only says how a document writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, PlainSerializer, ValidationError

from cph50_pipeline.civil_time import format_instant
from cph50_pipeline.errors import BadInputError

QUANTITY_DECIMALS = 6  # 1 mWh: finer than any meter, coarser than the noise of floating point

Model = TypeVar("Model", bound=BaseModel)


def _in_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


Instant = Annotated[
    AwareDatetime,
    AfterValidator(_in_utc),
    PlainSerializer(format_instant, return_type=str, when_used="json"),
]
"""An instant in UTC, written as "2026-01-07T06:00:01+00:00"."""


def rounded(value: float | None) -> float | None:
    """A quantity as it is stored: rounded to `QUANTITY_DECIMALS`, never minus zero; None stays None."""
    return None if value is None else round(value, QUANTITY_DECIMALS) + 0.0


def read_document(model: type[Model], document: object, name: str) -> Model:
    """Check a document that was read from a file.

    Raises:
        BadInputError: naming the file and every field that is wrong, with its session where it has one.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        details = "; ".join(_explain(fault) for fault in faults)
        raise BadInputError(
            f"{name}: {details}",
            kept="The file was left as it is",
            remedy="Restore it from the last commit, or delete it and run its month again",
        ) from error


def _explain(fault: Mapping[str, object]) -> str:
    location = fault["loc"]
    parts = [str(part) for part in location] if isinstance(location, tuple) else []
    if len(parts) > 1 and parts[0] == "sessions":
        parts = [f"session {parts[1]}", *([".".join(parts[2:])] if parts[2:] else [])]
    else:
        parts = [".".join(parts)] if parts else []
    return ": ".join([*parts, str(fault["msg"])])
