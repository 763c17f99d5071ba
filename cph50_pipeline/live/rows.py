"""Rows of the live table's tables, and what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cph50_pipeline.live.model import Cycle, Device, DeviceKind, Heartbeat, LatestValue, Reading, Value
from cph50_pipeline.live.tables import SLOT_SECONDS
from cph50_pipeline.live.times import microseconds, moment_of, optional_microseconds, optional_moment

Fields = dict[str, Any]
"""A row to write, by column."""
_SECOND_US = 1_000_000


def device_row(device: Device) -> Fields:
    """The row of a device that is in its feed's configuration."""
    return {
        "device_id": device.device_id,
        "kind": device.kind.value,
        "name": device.name,
        "source": device.source,
        "poll_seconds": float(device.poll_seconds),
        "retired_at_us": None,
    }


def device_of(row: Sequence[Any]) -> Device:
    """The device of a row with all columns, in order."""
    device_id, kind, name, source, poll_seconds, retired_at_us = row
    return Device(device_id, DeviceKind(kind), name, source, poll_seconds, optional_moment(retired_at_us))


def value_row(reading: Reading, source: str, received_at_us: int) -> Fields:
    """The row of a reading that can be kept."""
    number, text, boolean = _typed(reading.value)
    return {
        "device_id": reading.device_id,
        "sensor": reading.sensor,
        "number_value": number,
        "text_value": text,
        "boolean_value": boolean,
        "unit": reading.unit,
        "at_us": microseconds(reading.at),
        "source": source,
        "received_at_us": received_at_us,
    }


def slot_row(row: Fields) -> Fields:
    """A row of a value as one of the history."""
    return {**row, "slot": slot_of(row["at_us"])}


def slot_of(at_us: int) -> int:
    """The start of the slot in which a moment is, in seconds since 1970."""
    return at_us // _SECOND_US // SLOT_SECONDS * SLOT_SECONDS


def value_of(row: Sequence[Any]) -> LatestValue:
    """The value of a row with the columns of `value_row`, in order."""
    device_id, sensor, number, text, boolean, unit, at_us, source, received_at_us = row
    value: Value = number if number is not None else text if text is not None else bool(boolean)
    return LatestValue(device_id, sensor, value, unit, moment_of(at_us), source, moment_of(received_at_us))


def cycle_row(cycle: Cycle) -> Fields:
    """The row of a round."""
    return {
        "feed": cycle.feed,
        "started_at_us": microseconds(cycle.started_at),
        "duration_seconds": cycle.duration_seconds,
        "devices": cycle.devices,
        "updated": cycle.updated,
        "errors": cycle.errors,
        "average_age_seconds": cycle.average_age_seconds,
        "maximum_age_seconds": cycle.maximum_age_seconds,
        "fresh": cycle.fresh,
    }


def cycle_of(row: Sequence[Any]) -> Cycle:
    """The round of a row with all columns, in order."""
    feed, started_at_us, *rest = row
    return Cycle(feed, moment_of(started_at_us), *rest)


def heartbeat_row(beat: Heartbeat) -> Fields:
    """The row of a heartbeat."""
    return {
        "feed": beat.feed,
        "beaten_at_us": microseconds(beat.beaten_at),
        "succeeded_at_us": optional_microseconds(beat.succeeded_at),
        "failures": beat.failures,
        "trouble": beat.trouble,
        "interval_seconds": beat.interval_seconds,
    }


def heartbeat_of(row: Sequence[Any]) -> Heartbeat:
    """The heartbeat of a row with all columns, in order."""
    feed, beaten_at_us, succeeded_at_us, failures, trouble, interval_seconds = row
    return Heartbeat(
        feed, moment_of(beaten_at_us), optional_moment(succeeded_at_us), failures, trouble, interval_seconds
    )


def newest_by(rows: Iterable[Fields], key: Sequence[str]) -> list[Fields]:
    """The row with the newest time of each key, the first given of equal ones; sorted by key.

    The order lets two writers of the same rows wait for each other instead of blocking each other.
    """
    newest: dict[tuple[Any, ...], Fields] = {}
    for row in rows:
        its_key = tuple(row[name] for name in key)
        if its_key not in newest or row["at_us"] > newest[its_key]["at_us"]:
            newest[its_key] = row
    return [newest[its_key] for its_key in sorted(newest)]


def _typed(value: Value) -> tuple[float | None, str | None, bool | None]:
    if isinstance(value, bool):
        return None, None, value
    if isinstance(value, str):
        return None, value, None
    return float(value), None, None
