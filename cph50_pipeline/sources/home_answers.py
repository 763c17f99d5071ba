"""Home Assistant's answers, read into rows: whatever shape they come in, and without stumbling over one bad row."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from cph50_pipeline.civil_time import format_instant, from_epoch_ms, parse_instant
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.sources.home_failures import unusable_answer
from cph50_pipeline.sources.home_source import Heard, Notice, StateRow, StatisticsRow

REQUESTED_UNITS = {"power": "kW", "energy": "kWh", "voltage": "V"}
"""In what statistics are asked for, by Home Assistant's classes of units."""


def read_state(answer: object, entity: str) -> StateRow:
    """What an entity says now, and since when.

    Raises:
        BadInputError: it is no state, or has no time.
    """
    state = _text(answer.get("state")) if isinstance(answer, Mapping) else None
    if not isinstance(answer, Mapping) or state is None:
        raise unusable_answer(f"the state of {entity}", "it has no state")
    at = _time(answer)
    if at is None:
        raise unusable_answer(f"the state of {entity}", "it has no usable time")
    return StateRow(entity, at, state, _unit(answer))


def read_history(answer: object, entities: Sequence[str], start: datetime, end: datetime) -> Heard:
    """The rows of a history, in order, one an instant, from `start` to `end`.

    Rows may come whole or short, as with `minimal_response`: a row without a unit has that of the one before. What
    stood before `start` stands at `start`.

    Raises:
        BadInputError: it is no history.
    """
    asked = f"the history of {format_instant(start)}"
    if not isinstance(answer, list):
        raise unusable_answer(asked, "it is no list")
    heard = Heard()
    for listed in answer:
        entity = _entity_of(listed, entities)
        if entity is None:
            heard.notices.append(_notice(None, "A part of " + asked + " belongs to no entity", start, end))
            continue
        rows = list(_state_rows(entity, listed))
        if len(rows) < len(listed):
            count = len(listed) - len(rows)
            message = f"{count} of {len(listed)} states of {entity} have no usable time and are left out"
            heard.notices.append(_notice(entity, message, start, end))
        heard.rows.extend(_in_span(rows, start, end))
    return Heard(sorted(heard.rows), heard.notices)


def read_statistics(answer: object, described: object, entities: Sequence[str]) -> list[StatisticsRow]:
    """The rows of statistics, in order.

    Args:
        answer: Of `recorder/statistics_during_period`.
        described: Of `recorder/list_statistic_ids`: says what units they are in.

    Raises:
        BadInputError: they are no statistics.
    """
    if not isinstance(answer, Mapping) or not isinstance(described, list):
        raise unusable_answer("statistics", "they are no object")
    metadata = {str(one.get("statistic_id")): one for one in described if isinstance(one, Mapping)}
    rows: list[StatisticsRow] = []
    for entity in entities:
        unit = _statistics_unit(metadata.get(entity, {}))
        listed = answer.get(entity, [])
        if not isinstance(listed, list):
            raise unusable_answer(f"the statistics of {entity}", "they are no list")
        rows.extend(_statistics_row(entity, row, unit) for row in listed)
    return sorted(rows, key=lambda row: (row.entity, row.start))


def _statistics_row(entity: str, row: object, unit: str | None) -> StatisticsRow:
    numbers: Mapping[Any, Any] = row if isinstance(row, Mapping) else {}
    start, end = _instant(numbers.get("start")), _instant(numbers.get("end"))
    if start is None or end is None:
        raise unusable_answer(f"the statistics of {entity}", "start or end is no time")
    return StatisticsRow(
        entity,
        start,
        end,
        mean=_number(numbers.get("mean")),
        state=_number(numbers.get("state")),
        change=_number(numbers.get("change")),
        unit=unit,
    )


def _statistics_unit(described: Mapping[str, Any]) -> str | None:
    """Numbers come in the unit asked for where Home Assistant can convert them, else as they are."""
    unit_class = described.get("unit_class")
    if isinstance(unit_class, str) and unit_class in REQUESTED_UNITS:
        return REQUESTED_UNITS[unit_class]
    key = "display_unit_of_measurement" if unit_class else "statistics_unit_of_measurement"
    unit = described.get(key)
    return unit if isinstance(unit, str) else None


def _entity_of(listed: object, entities: Sequence[str]) -> str | None:
    """Whose rows a list holds: its first row says so; where only one was asked for, it is that one."""
    if not isinstance(listed, list) or not listed:
        return None
    named = next(
        (row.get("entity_id") for row in listed if isinstance(row, Mapping) and "entity_id" in row), None
    )
    if named is None and len(entities) == 1:
        return entities[0]
    return named if named in entities else None


def _state_rows(entity: str, listed: Sequence[object]) -> Iterator[StateRow]:
    unit: str | None = None
    for row in listed:
        if not isinstance(row, Mapping):
            continue
        unit = _unit(row) or unit
        at, state = _time(row), _text(row.get("state"))
        if at is not None and state is not None:
            yield StateRow(entity, at, state, unit)


def _in_span(rows: Sequence[StateRow], start: datetime, end: datetime) -> list[StateRow]:
    """One row an instant, the later listed; what stood at the start, and what came until the end."""
    latest = {row.at: row for row in rows}
    ordered = [latest[at] for at in sorted(latest)]
    standing = [row for row in ordered if row.at <= start]
    return [
        *(row._replace(at=start) for row in standing[-1:]),
        *(row for row in ordered if start < row.at <= end),
    ]


def _time(row: Mapping[str, Any]) -> datetime | None:
    """When a row came about: its last update, where it says so, else its last change."""
    for name in ("last_updated", "last_changed"):
        value = row.get(name)
        if isinstance(value, str):
            try:
                return parse_instant(value)
            except (BadInputError, OverflowError):
                continue
    return None


def _instant(value: object) -> datetime | None:
    """The instant of a Unix time in milliseconds."""
    milliseconds = _number(value)
    try:
        return None if milliseconds is None else from_epoch_ms(milliseconds)
    except (ValueError, OverflowError, OSError):
        return None


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    return None if value is None or isinstance(value, bool | Mapping | list) else str(value)


def _unit(row: Mapping[str, Any]) -> str | None:
    attributes = row.get("attributes")
    unit = attributes.get("unit_of_measurement") if isinstance(attributes, Mapping) else None
    return unit if isinstance(unit, str) else None


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None  # type: ignore[arg-type]


def _notice(entity: str | None, message: str, start: datetime, end: datetime) -> Notice:
    return Notice("unusable", message, entity, start, end)
