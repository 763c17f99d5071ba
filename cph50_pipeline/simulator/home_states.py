"""Home Assistant's answers about the simulated house, as JSON: states, history and statistics.

Shapes only, by Home Assistant's own source; what the recorder holds is `house.recorder`'s, and how answers travel is
`home_assistant`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from cph50_pipeline.civil_time import to_epoch_ms
from cph50_pipeline.simulator.house.orders import conversion
from cph50_pipeline.simulator.house.recorder import Kept, Recorder
from cph50_pipeline.simulator.house.sensors import Sensor, is_recorded
from cph50_pipeline.simulator.house.statistics import Row, statistics

JsonObject = dict[str, Any]

ALL_TYPES = ("change", "last_reset", "max", "mean", "min", "state", "sum")
_ARITHMETIC_MEAN = 1


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """What is asked of the history.

    Attributes:
        with_start_state: Whether the state at the start comes first.
        significant_only: Leaves out rows in which only the unit is news.
        minimal: Rows after the first carry state and time only, and rows that repeat a state are left out.
        with_attributes: Whether rows carry their unit and the like.
    """

    entity_ids: tuple[str, ...]
    start: datetime
    end: datetime
    with_start_state: bool = True
    significant_only: bool = True
    minimal: bool = False
    with_attributes: bool = True


@dataclass(frozen=True, slots=True)
class StatisticsQuery:
    """What is asked of the statistics; `units` maps classes of units to the unit wanted."""

    statistic_ids: tuple[str, ...]
    start: datetime
    end: datetime | None
    period: str
    units: Mapping[str, str]
    types: Sequence[str] = ALL_TYPES


class HomeStates:
    """What Home Assistant answers, at an instant."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def states(self, now: datetime) -> list[JsonObject]:
        """The present states of all sensors."""
        found = (self.state(sensor.entity_id, now) for sensor in self.recorder.sensors(now))
        return [state for state in found if state is not None]

    def state(self, entity_id: str, now: datetime) -> JsonObject | None:
        """The present state of a sensor; None when there is no such sensor."""
        sensor = self.recorder.sensor(entity_id, now)
        kept = self.recorder.state(sensor, now) if sensor else None
        if sensor is None or kept is None:
            return None
        return {
            **_row(sensor, kept, kept.changed_at, kept.at, with_attributes=True),
            "last_reported": _text(self.recorder.reported_at(sensor, now) or kept.at),
            "context": {"id": f"01SIMULATED{to_epoch_ms(kept.at):015d}", "parent_id": None, "user_id": None},
        }

    def history(self, query: HistoryQuery, now: datetime) -> list[list[JsonObject]]:
        """A list of rows for every sensor that has any."""
        if query.start > self.recorder.clock(now) or query.end <= self.recorder.oldest(now):
            return []
        rows = (self._history_of(entity_id, query, now) for entity_id in query.entity_ids)
        return [one for one in rows if one]

    def _history_of(self, entity_id: str, query: HistoryQuery, now: datetime) -> list[JsonObject]:
        sensor = self.recorder.known(entity_id)
        if sensor is None:
            return []
        kept = self.recorder.between(sensor, query.start, query.end, now)
        if query.significant_only:
            kept = [one for one in kept if one.changed_at == one.at]
        rows = [
            _row(sensor, one, one.changed_at, one.at, with_attributes=query.with_attributes) for one in kept
        ]
        before = self.recorder.before(sensor, query.start, now) if query.with_start_state else None
        if before is not None:
            first = _row(sensor, before, query.start, query.start, with_attributes=query.with_attributes)
            rows.insert(0, first)
        return _minimal(rows) if query.minimal else rows

    def statistic_ids(self, now: datetime, kind: str | None) -> list[JsonObject]:
        """What statistics there are: of `kind` "mean" or "sum", or of both."""
        orders = self.recorder.orders.in_force()
        sensors = [one for one in self.recorder.sensors(now) if is_recorded(one, orders)]
        wanted = {"mean": "measurement", "sum": "total_increasing"}.get(kind or "")
        return [self._described(one, now) for one in sensors if wanted in (None, one.state_class)]

    def _described(self, sensor: Sensor, now: datetime) -> JsonObject:
        is_gauge = sensor.state_class == "measurement"
        present = self.recorder.state(sensor, now)
        return {
            "statistic_id": sensor.entity_id,
            "display_unit_of_measurement": present.unit if present else sensor.unit,
            "has_mean": is_gauge,
            "mean_type": _ARITHMETIC_MEAN if is_gauge else 0,
            "has_sum": not is_gauge,
            "name": None,
            "source": "recorder",
            "statistics_unit_of_measurement": sensor.unit,
            "unit_class": sensor.unit_class,
        }

    def statistics(self, query: StatisticsQuery, now: datetime) -> dict[str, list[JsonObject]]:
        """The rows of every sensor that has any.

        Raises:
            BadInputError: a unit is wanted that the sensor's cannot be converted to.
        """
        answer = {}
        for entity_id in query.statistic_ids:
            sensor = self.recorder.known(entity_id)
            if sensor is None:
                continue
            end = query.end or self.recorder.clock(now)
            with_sum = "sum" in query.types
            rows = statistics(self.recorder, sensor, query.start, end, now, query.period, with_sum=with_sum)
            if rows:
                factor = conversion(sensor.unit, self._wanted_unit(sensor, query, now))
                answer[entity_id] = [_statistics_row(row, query.types, factor) for row in rows]
        return answer

    def _wanted_unit(self, sensor: Sensor, query: StatisticsQuery, now: datetime) -> str:
        """The unit asked for; without one that of the present state."""
        present = self.recorder.state(sensor, now)
        return query.units.get(sensor.unit_class) or (present.unit if present else sensor.unit)


def _row(
    sensor: Sensor, kept: Kept, changed_at: datetime, updated_at: datetime, *, with_attributes: bool
) -> JsonObject:
    attributes = {
        "state_class": sensor.state_class,
        "unit_of_measurement": kept.unit,
        "device_class": sensor.device_class,
        "friendly_name": sensor.name,
    }
    return {
        "entity_id": sensor.entity_id,
        "state": kept.state,
        "attributes": attributes if with_attributes else {},
        "last_changed": _text(changed_at),
        "last_updated": _text(updated_at),
    }


def _minimal(rows: list[JsonObject]) -> list[JsonObject]:
    shown = rows[:1]
    for before, row in pairwise(rows):
        if row["state"] != before["state"]:
            shown.append({"state": row["state"], "last_changed": row["last_updated"]})
    return shown


def _statistics_row(row: Row, types: Sequence[str], factor: float) -> JsonObject:
    """A row with a key for every type asked for: null where the sensor has no such statistics."""
    numbers = {name: getattr(row, name, None) for name in types}
    converted = {name: None if number is None else number * factor for name, number in numbers.items()}
    return {"start": to_epoch_ms(row.start), "end": to_epoch_ms(row.end), **converted}


def _text(instant: datetime) -> str:
    return instant.isoformat()


def parse_time(text: str, recorder: Recorder) -> datetime | None:
    """A time as Home Assistant reads it: without an offset it is the household's own; None when it is none."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    zone = recorder.house.zone
    return (instant if instant.tzinfo else instant.replace(tzinfo=zone)).astimezone(UTC)
