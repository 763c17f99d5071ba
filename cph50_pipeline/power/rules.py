"""What must be true of a month of power before its files are swapped in. Violations are returned, not raised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cph50_pipeline.charging.rules import Violation
from cph50_pipeline.civil_time import from_epoch_ms, month_bounds, month_of, to_epoch_ms
from cph50_pipeline.power.events import Event

if TYPE_CHECKING:
    import pyarrow as pa

ENERGY_TOLERANCE_KWH = 1e-6
_COVERAGE_TOLERANCE = 1e-9  # a share is a quotient
_SUMMED_DAYS = 30


def rollup_violations(month: str, table: pa.Table, zone: ZoneInfo) -> list[Violation]:
    """Buckets begin in the month, none stands twice, coverage is a share, and each resolution has the same energy."""
    found = [
        *_outside(month, table, "start", zone),
        *_twice(month, table, ("meter", "resolution", "start")),
        *_no_share(month, table),
        *_energy_lost(month, table),
    ]
    return sorted(found, key=lambda violation: (violation.subject, violation.rule))


def window_violations(month: str, table: pa.Table, zone: ZoneInfo) -> list[Violation]:
    """Windows end with a day of the month, none stands twice, and coverage is a share."""
    found = [*_twice(month, table, ("meter", "days", "end")), *_no_share(month, table)]
    begins, ends = map(to_epoch_ms, month_bounds(month, zone))
    for meter, end in zip(*_columns(table, "meter", "end"), strict=True):
        if not begins < end <= ends:
            found.append(_finds("inside_month", month, meter, "a window ends outside the month"))
    return sorted(set(found), key=lambda violation: (violation.subject, violation.rule))


def window_sum_violations(month: str, table: pa.Table, rollups: Sequence[pa.Table]) -> list[Violation]:
    """The energy of each 30 days is the sum of their days'.

    Args:
        table: The windows.
        rollups: Of the months in which their days lie.
    """
    days = _days(rollups)
    found: dict[str, Violation] = {}
    columns = _columns(table, "meter", "days", "start", "end", "energy_kwh")
    for meter, length, start, end, kwh in zip(*columns, strict=True):
        if length != _SUMMED_DAYS:
            continue
        of_days = sum(day_kwh for at, day_kwh in days.get(meter, ()) if start <= at < end)
        if abs((kwh or 0.0) - of_days) > ENERGY_TOLERANCE_KWH:
            told = f"the 30 days until {from_epoch_ms(end):%Y-%m-%d %H:%M} UTC say {kwh} kWh, their days {of_days:.6f}"
            found.setdefault(meter, _finds("windows_add_up", month, meter, told))
    return [found[meter] for meter in sorted(found)]


def _days(rollups: Sequence[pa.Table]) -> dict[str, list[tuple[int, float]]]:
    """By meter the starts of its days, and their energy where it is known."""
    import pyarrow.compute as pc

    days: dict[str, list[tuple[int, float]]] = {}
    for table in rollups:
        of_days = table.filter(pc.field("resolution") == "day")
        for meter, start, kwh in zip(*_columns(of_days, "meter", "start", "energy_kwh"), strict=True):
            days.setdefault(meter, []).append((start, kwh or 0.0))
    return days


def event_violations(month: str, events: Iterable[Event], zone: ZoneInfo) -> list[Violation]:
    """Events begin in the month, last no negative time, and none stands twice."""
    found, seen = [], set()
    for event in events:
        key = (event.meter, event.kind, event.start)
        if month_of(event.start, zone) != month:
            found.append(_finds("inside_month", month, event.meter, f"{event.kind} begins at {event.start}"))
        if event.end < event.start:
            found.append(_finds("in_order", month, event.meter, f"{event.kind} of {event.start} ends before"))
        if key in seen:
            found.append(_finds("unique_buckets", month, event.meter, f"{event.kind} twice at {event.start}"))
        seen.add(key)
    return found


def _outside(month: str, table: pa.Table, column: str, zone: ZoneInfo) -> Iterator[Violation]:
    begins, ends = map(to_epoch_ms, month_bounds(month, zone))
    meters = {
        meter for meter, at in zip(*_columns(table, "meter", column), strict=True) if not begins <= at < ends
    }
    for meter in sorted(meters):
        yield _finds("inside_month", month, meter, "a bucket begins outside the month")


def _twice(month: str, table: pa.Table, keys: tuple[str, ...]) -> Iterator[Violation]:
    counted = table.group_by(list(keys), use_threads=False).aggregate([([], "count_all")])
    for meter, count in zip(*_columns(counted, "meter", "count_all"), strict=True):
        if count > 1:
            yield _finds("unique_buckets", month, meter, f"{count} rows for one {keys[-1]}")


def _no_share(month: str, table: pa.Table) -> Iterator[Violation]:
    bounds = table.group_by("meter", use_threads=False).aggregate([("coverage", "min"), ("coverage", "max")])
    columns = _columns(bounds, "meter", "coverage_min", "coverage_max")
    for meter, least, most in zip(*columns, strict=True):
        if least < 0 or most > 1 + _COVERAGE_TOLERANCE:
            yield _finds("coverage_is_a_share", month, meter, f"coverage from {least} to {most}")


def _energy_lost(month: str, table: pa.Table) -> Iterator[Violation]:
    sums = table.group_by(["meter", "resolution"], use_threads=False).aggregate([("energy_kwh", "sum")])
    by_meter: dict[str, dict[str, float]] = {}
    for meter, resolution, kwh in zip(*_columns(sums, "meter", "resolution", "energy_kwh_sum"), strict=True):
        by_meter.setdefault(meter, {})[resolution] = kwh or 0.0
    for meter, energy in sorted(by_meter.items()):
        if max(energy.values()) - min(energy.values()) > ENERGY_TOLERANCE_KWH:
            told = ", ".join(f"{kwh:.6f} kWh by {name}" for name, kwh in sorted(energy.items()))
            yield _finds("energy_conserved", month, meter, told)


def _columns(table: pa.Table, *names: str) -> list[list[Any]]:
    import pyarrow.types as types

    chosen = [table[name] for name in names]
    return [
        (column.cast("int64") if types.is_timestamp(column.type) else column).to_pylist() for column in chosen
    ]


def _finds(rule: str, month: str, meter: str, what: str) -> Violation:
    return Violation(rule, month, meter, f"{month}: meter {meter}: {what}")
