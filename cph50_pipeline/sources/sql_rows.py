"""What the rows of a fleet's query say: values with their own times, and what was left out and why.

No database here: rows come as sequences. One row that cannot be used costs no other.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from cph50_pipeline.charging.fields import QUANTITY_DECIMALS
from cph50_pipeline.civil_time import format_instant, from_epoch_ms
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.live.model import Reading, Value
from cph50_pipeline.sources.devices_file import (
    EPOCH_MS,
    EPOCH_SECONDS,
    DevicesConfig,
    FleetDevice,
    FleetSensor,
)

LONGEST_TEXT = 500
_CLOCKS_DIFFER = timedelta(minutes=5)
_SHOWN_CHARACTERS = 40
_TRUTHS = {
    "1": True,
    "true": True,
    "on": True,
    "yes": True,
    "0": False,
    "false": False,
    "off": False,
    "no": False,
}


class _UnusableError(Exception):
    """A value that is none; its text says why."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a sensor's value stands in a row."""

    sensor: str
    spec: FleetSensor
    index: int


class RowJudge:
    """Takes the rows of one query in any order; of each sensor the newest stands.

    Args:
        config: What the rows mean.
        file_name: Where that is said, for messages.
        devices: The devices that were asked for, by id; rows of others are passed over.
        columns: What the query calls its columns.
        now: A row that is further ahead than clocks differ is refused.

    Raises:
        BadInputError: a column is missing without which no row can be read.
    """

    def __init__(
        self,
        config: DevicesConfig,
        file_name: str,
        devices: Mapping[str, FleetDevice],
        columns: Sequence[str],
        now: datetime,
    ) -> None:
        self._config = config
        self._file_name = file_name
        self._columns = list(columns)
        self._latest_allowed = now + _CLOCKS_DIFFER
        self._device_of = {unit_key(device.unit_id): id_ for id_, device in devices.items()}
        # Whose row it is need not be told where one device was asked for.
        self._only = next(iter(devices), None) if config.unit_column is None else None
        self._time = self._index("time_column", config.time_column)
        self._unit, self._name, self._value = (
            None if column is None else self._index(field, column)
            for field, column in (
                ("unit_column", config.unit_column),
                ("name_column", config.name_column),
                ("value_column", config.value_column),
            )
        )
        self._by_name = self._places_by_name()
        self._wide = [] if config.is_long else [*self._wide_places()]
        self._newest: dict[tuple[str, str], tuple[datetime, Value]] = {}
        self._faults: dict[tuple[str, str], tuple[datetime, str]] = {}
        self._refused_rows: dict[str, str] = {}
        self.heard: set[str] = set()
        """The devices of which there was any row."""

    @property
    def missing(self) -> list[str]:
        """A line for each sensor whose column the query does not bring: it is left out, the others are read."""
        return [
            f"{self._file_name}: sensors.{name}.column: {self._absent(sensor.column)}; the other sensors are read"
            for name, sensor in self._config.sensors.items()
            if sensor.column is not None and sensor.column not in self._columns
        ]

    def take(self, row: Sequence[object]) -> None:
        """Take one row."""
        device = self._only if self._unit is None else self._device_of.get(unit_key(row[self._unit]))
        if device is None:
            return
        self.heard.add(device)
        if row[self._time] is None:
            return  # as of a unit that an outer join found no values for
        try:
            at = self._instant(row[self._time])
        except _UnusableError as unusable:
            self._refused_rows[device] = str(unusable)
            return
        for place in self._places(row):
            self._take_value(device, place, row[place.index], at)

    def readings(self) -> list[Reading]:
        """The newest usable value of each sensor."""
        return [
            Reading(device, sensor, value, self._config.sensors[sensor].unit, at)
            for (device, sensor), (at, value) in sorted(self._newest.items())
        ]

    def troubles(self) -> dict[str, str]:
        """One line for each device of which something could not be used, by its id."""
        reasons: dict[str, list[str]] = defaultdict(list)
        for device, why in self._refused_rows.items():
            reasons[device].append(why)
        for (device, sensor), (at, why) in self._faults.items():
            if self._is_unanswered(device, sensor, at):
                reasons[device].append(f"{sensor}: {why}")
        return {
            device: f"{'; '.join(sorted(why))}. It is left out, the rest is read"
            for device, why in sorted(reasons.items())
        }

    def _is_unanswered(self, device: str, sensor: str, at: datetime) -> bool:
        """Whether nothing good came since."""
        known = self._newest.get((device, sensor))
        return known is None or known[0] < at

    def _take_value(self, device: str, place: _Place, raw: object, at: datetime) -> None:
        key = device, place.sensor
        known = self._newest.get(key)
        if _is_missing(raw) or (known is not None and known[0] > at):
            return
        try:
            self._newest[key] = at, _value(raw, place.spec)
        except _UnusableError as unusable:
            before = self._faults.get(key)
            if before is None or before[0] <= at:
                self._faults[key] = at, str(unusable)

    def _places(self, row: Sequence[object]) -> Sequence[_Place]:
        return self._wide if self._name is None else self._by_name.get(str(row[self._name]), ())

    def _wide_places(self) -> Iterator[_Place]:
        for name, sensor in self._config.sensors.items():
            if sensor.column in self._columns:
                yield _Place(name, sensor, self._columns.index(sensor.column))

    def _places_by_name(self) -> dict[str, list[_Place]]:
        found: dict[str, list[_Place]] = defaultdict(list)
        for name, sensor in self._config.sensors.items():
            if sensor.name is not None and self._value is not None:
                found[sensor.name].append(_Place(name, sensor, self._value))
        return dict(found)

    def _index(self, field: str, column: str) -> int:
        if column not in self._columns:
            raise BadInputError(
                f"{self._file_name}: {field}: {self._absent(column)}",
                kept="The values read before stay, and their age shows",
                remedy="Correct it; the file is read again by itself",
            )
        return self._columns.index(column)

    def _absent(self, column: str | None) -> str:
        return f"the query brings no column {column}; it brings {', '.join(self._columns)}"

    def _instant(self, raw: object) -> datetime:
        try:
            at = self._as_instant(raw)
        except (
            TypeError,
            ValueError,
            ArithmeticError,
            OSError,
        ):  # the last two of times beyond all calendars
            raise _UnusableError(
                f"a row whose time is {_shown(raw)}, no time in {self._config.time_kind}"
            ) from None
        if at > self._latest_allowed:
            raise _UnusableError(f"a row of {format_instant(at)}, which is still to come")
        return at

    def _as_instant(self, raw: object) -> datetime:
        if self._config.time_kind in (EPOCH_SECONDS, EPOCH_MS):
            if isinstance(raw, bool | datetime):
                raise ValueError
            number = float(raw)  # type: ignore[arg-type]
            return from_epoch_ms(number * 1000 if self._config.time_kind == EPOCH_SECONDS else number)
        at = raw if isinstance(raw, datetime) else datetime.fromisoformat(raw)  # type: ignore[arg-type]
        # In the hour that a clock goes through twice it is the first time: nothing looks fresher than it is.
        return (at if at.tzinfo else at.replace(tzinfo=self._config.zone)).astimezone(UTC)


def unit_key(unit: object) -> str:
    """A unit id as text: a database may give back a decimal for what is an integer here."""
    if isinstance(unit, float | Decimal) and math.isfinite(unit) and unit % 1 == 0:
        return str(int(unit))
    return str(unit).strip()


def _is_missing(raw: object) -> bool:
    return raw is None or (isinstance(raw, str) and not raw.strip())


def _value(raw: object, spec: FleetSensor) -> Value:
    if spec.kind == "text":
        return _text(raw)
    return _boolean(raw) if spec.kind == "boolean" else _number(raw, spec)


def _number(raw: object, spec: FleetSensor) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float | Decimal | str):
        raise _UnusableError(f"{_shown(raw)} is no number")
    try:
        number = math.nan if "_" in str(raw) else float(raw) * spec.scale + spec.offset
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise _UnusableError(f"{_shown(raw)} is no number")
    if spec.range is not None and not spec.range[0] <= number <= spec.range[1]:
        raise _UnusableError(f"{number:g} is outside {spec.range[0]:g} to {spec.range[1]:g}")
    return round(number, QUANTITY_DECIMALS) + 0.0  # no minus zero


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise _UnusableError(f"{_shown(raw)} is no text")
    if len(raw) > LONGEST_TEXT:
        raise _UnusableError(f"{_shown(raw)} has more than {LONGEST_TEXT} characters")
    return raw


def _boolean(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, bytes):  # MySQL's BIT(1)
        known = {b"\x00": False, b"\x01": True}.get(raw)
    elif isinstance(raw, int | float | Decimal):
        known = bool(raw) if raw in (0, 1) else None
    else:
        known = _TRUTHS.get(raw.strip().lower()) if isinstance(raw, str) else None
    if known is None:
        raise _UnusableError(f"{_shown(raw)} is neither true nor false")
    return known


def _shown(raw: object) -> str:
    text = repr(str(raw) if isinstance(raw, Decimal) else raw)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
