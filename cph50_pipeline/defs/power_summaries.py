"""What the Dagster UI shows of each materialization of the house's power. Values in, metadata out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from cph50_pipeline.civil_time import from_epoch_ms
from cph50_pipeline.power.events import Event
from cph50_pipeline.power.readings import Readings, State

if TYPE_CHECKING:
    import pyarrow as pa

_BASE_MS = 300_000


def describe_readings(context: dg.AssetExecutionContext, months: Mapping[str, Readings]) -> None:
    """Readings by meter and state, and the newest, by month."""
    for month, readings in months.items():
        context.add_asset_metadata(readings_metadata(readings), partition_key=month)


def readings_metadata(readings: Readings) -> dict[str, Any]:
    """What is shown of a month's readings."""
    newest = max((int(series.at[-1]) for series in readings.series.values()), default=None)
    return {
        "readings": len(readings),
        "dagster/row_count": len(readings),
        "by_meter": dg.MetadataValue.md(_state_table(readings)),
        **({} if newest is None else {"newest_reading": dg.MetadataValue.timestamp(from_epoch_ms(newest))}),
    }


def describe_rollups(
    context: dg.AssetExecutionContext, months: Mapping[str, pa.Table], main_power: str
) -> None:
    """Energy and coverage by meter, those of the house as numbers, and the last bucket, by month."""
    for month, table in months.items():
        context.add_asset_metadata(rollups_metadata(table, main_power), partition_key=month)


def rollups_metadata(table: pa.Table, main_power: str) -> dict[str, Any]:
    """What is shown of a month's rollups.

    Args:
        main_power: The meter of the house's power, or the charger where there is none.
    """
    by_meter = _energy_and_coverage(table)
    house_kwh, house_coverage, _ = by_meter.get(main_power, (None, 0.0, 0))
    last = max((last for _, _, last in by_meter.values()), default=None)
    rows = [
        (meter, "" if kwh is None else f"{kwh:.3f}", f"{coverage:.1%}")
        for meter, (kwh, coverage, _) in by_meter.items()
    ]
    return {
        "energy_kwh": round(house_kwh or 0.0, 3),
        "coverage": round(house_coverage, 4),
        "by_meter": dg.MetadataValue.md(_markdown(("meter", "kWh", "covered"), rows)),
        **({} if last is None else {"last_bucket": dg.MetadataValue.timestamp(from_epoch_ms(last))}),
    }


def _energy_and_coverage(table: pa.Table) -> dict[str, tuple[float | None, float, int]]:
    """By meter its energy, the share covered of the time from its first bucket to its last, and the last's start."""
    import pyarrow.compute as pc

    sums = (
        table.filter(pc.field("resolution") == "5min")
        .group_by("meter", use_threads=False)
        .aggregate([("energy_kwh", "sum"), ("coverage", "sum"), ("start", "min"), ("start", "max")])
        .sort_by("meter")
    )
    first, last = (sums[name].cast("int64").to_pylist() for name in ("start_min", "start_max"))
    columns = (sums[name].to_pylist() for name in ("meter", "energy_kwh_sum", "coverage_sum"))
    return {
        meter: (kwh, covered / ((until - begins) / _BASE_MS + 1), until)
        for meter, kwh, covered, begins, until in zip(*columns, first, last, strict=True)
    }


def describe_events(context: dg.AssetExecutionContext, months: Mapping[str, Sequence[Event]]) -> None:
    """How many events of each kind, and for how many minutes they lasted, by month."""
    for month, events in months.items():
        context.add_asset_metadata(events_metadata(events), partition_key=month)


def events_metadata(events: Sequence[Event]) -> dict[str, Any]:
    """What is shown of a month's events."""
    durations: dict[str, list[float]] = defaultdict(list)
    for event in events:
        durations[event.kind].append(event.duration_seconds / 60)
    rows = [(kind, len(minutes), f"{sum(minutes):.0f}") for kind, minutes in sorted(durations.items())]
    return {
        "events": len(events),
        "minutes": round(sum(sum(minutes) for minutes in durations.values()), 1),
        "by_kind": dg.MetadataValue.md(_markdown(("kind", "events", "minutes"), rows)),
    }


def _state_table(readings: Readings) -> str:
    import numpy as np

    rows = [
        (meter, *np.bincount(series.state, minlength=len(State)).tolist())
        for meter, series in readings.series.items()
    ]
    return _markdown(("meter", *(state.name.lower() for state in State)), rows)


def _markdown(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
