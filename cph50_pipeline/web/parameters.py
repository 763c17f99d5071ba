"""The parameters that routes share, and what they mean in the household's zone."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from cph50_pipeline.civil_time import day_start, shift_month
from cph50_pipeline.web.forms import Form
from cph50_pipeline.web.problems import ProblemError

_DAY = r"^(19[7-9]\d|20\d\d|21\d\d)-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"
API = "/api/v1"
MAX_LIMIT = 100_000

Day = Annotated[
    str,
    Field(
        pattern=_DAY, json_schema_extra={"format": "date"}, description="YYYY-MM-DD", examples=["2026-01-07"]
    ),
]
VehicleId = Annotated[
    str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z_-]{0,63}$", description="A car's id, or `unknown`")
]
ChargerLabel = Annotated[
    str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$", description="A charger's label")
]
MeterId = Annotated[
    str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$", max_length=64, description="A meter's id")
]
SessionId = Annotated[str, Path(pattern=r"^[0-9A-Za-z_-]{1,64}$", description="A session's id")]
DeviceId = Annotated[str, Path(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,127}$", description="A device's id")]
Suffix = Annotated[Form, Path(description="The form: `json`, `csv` or `parquet`")]


class Query(BaseModel):
    """Parameters of a query; what is not declared is refused, so that a slip of the pen does not pass unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True)


class Span(Query):
    """Civil days in the household's zone, both included; an end that is left out is open."""

    first_day: Day | None = Field(default=None, alias="from")
    last_day: Day | None = Field(default=None, alias="to")

    def instants(self, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
        """The half-open interval (UTC); None where it is open.

        Raises:
            ProblemError: 422 for a day that no month has, or a last day before the first.
        """
        first, last = _day("from", self.first_day), _day("to", self.last_day)
        if first is not None and last is not None and last < first:
            raise ProblemError(422, f"to: {last} is before {first}")
        return (
            None if first is None else day_start(first, zone),
            None if last is None else day_start(last + timedelta(days=1), zone),
        )

    def months(self, before: int = 0) -> tuple[str | None, str | None]:
        """The first and the last month that the days touch.

        Args:
            before: So many months earlier, for what reaches over from there.
        """
        first = None if self.first_day is None else shift_month(self.first_day[:7], -before)
        return first, None if self.last_day is None else self.last_day[:7]


class Paged(Span):
    """A span of days, and which of its rows."""

    limit: int | None = Field(
        default=None, ge=1, le=MAX_LIMIT, description=f"How many rows; 100 in JSON and {MAX_LIMIT} else"
    )
    offset: int = Field(
        default=0, ge=0, le=10_000_000, description="How many rows to leave out before the first"
    )


def _day(name: str, text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise ProblemError(422, f"{name}: no month has the day {text}") from None
