"""What the Dagster UI shows of each materialization: counts, energy, small tables. Values in, metadata out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import dagster as dg

from cph50_pipeline.charging.activity import ActivityMonth, open_sessions
from cph50_pipeline.charging.cache import CacheRecord
from cph50_pipeline.charging.model import Reading
from cph50_pipeline.charging.slots import ChargingSlot
from cph50_pipeline.vehicles.classification import Classification

_BARS = " ▁▂▃▄▅▆▇█"


def describe_activity(context: dg.AssetExecutionContext, months: Mapping[str, ActivityMonth]) -> None:
    """Sessions, energy and what is still open, by month."""
    for month, activity in months.items():
        latest = [stored.answers[0] for stored in activity.sessions.values()]
        context.add_asset_metadata(
            {
                "sessions": len(latest),
                "energy_kwh": round(sum(answer.energy_kwh for answer in latest), 3),
                "open_sessions": len(open_sessions(activity)),
                "curves": sum(stored.status is not None for stored in activity.sessions.values()),
                "closed": activity.closed,
            },
            partition_key=month,
        )


def describe_samples(
    context: dg.AssetExecutionContext, months: Mapping[str, Mapping[str, list[Reading]]]
) -> None:
    """Distinct readings and where they came from, by month."""
    for month, sessions in months.items():
        origins = Counter(reading.origin for readings in sessions.values() for reading in readings)
        context.add_asset_metadata(
            {
                "sessions": len(sessions),
                "readings_from_window": origins["window"],
                "readings_from_curve": origins["curve"],
            },
            partition_key=month,
        )


def describe_slots(context: dg.AssetExecutionContext, months: Mapping[str, list[ChargingSlot]]) -> None:
    """Energy, coverage and a picture of the days, by month."""
    for month, slots in months.items():
        energy = sum(slot.energy_kwh for slot in slots)
        covered = sum(slot.energy_kwh * slot.coverage for slot in slots)
        by_day: dict[str, float] = defaultdict(float)
        for slot in slots:
            by_day[slot.slot_start.date().isoformat()] += slot.energy_kwh
        context.add_asset_metadata(
            {
                "energy_kwh": round(energy, 3),
                "cost": round(sum(slot.cost or 0.0 for slot in slots), 2),
                "energy_coverage": round(covered / energy, 4) if energy else 1.0,
                "energy_by_utc_day": dg.MetadataValue.md(_day_table(by_day)),
            },
            partition_key=month,
        )


def describe_cache(context: dg.AssetExecutionContext, months: Mapping[str, list[CacheRecord]]) -> None:
    """Sessions, energy and cost by vehicle, and what was flagged, by month."""
    for month, records in months.items():
        flags = Counter(flag for record in records for flag in record.flags)
        context.add_asset_metadata(
            {
                "sessions": len(records),
                "energy_kwh": round(sum(record.energy_kwh for record in records), 3),
                "by_vehicle": dg.MetadataValue.md(_vehicle_table(records)),
                "flags": dg.MetadataValue.json(dict(sorted(flags.items()))),
            },
            partition_key=month,
        )


def describe_classifications(
    context: dg.AssetExecutionContext, months: Mapping[str, list[Classification]]
) -> None:
    """How many sessions got a car, from whom, by month."""
    for month, classified in months.items():
        context.add_asset_metadata(
            {
                "sessions": len(classified),
                "unknown": sum(c.labeled_by is None for c in classified),
                "manual": sum(c.labeled_by == "manual" for c in classified),
                "needs_review": sum(c.needs_review for c in classified),
            },
            partition_key=month,
        )


def _day_table(by_day: Mapping[str, float]) -> str:
    top = max(by_day.values(), default=0.0) or 1.0
    rows = [f"| {day} | {kwh:.1f} | {_bar(kwh / top)} |" for day, kwh in sorted(by_day.items())]
    return "\n".join(["| day | kWh | |", "|---|---|---|", *rows])


def _bar(share: float) -> str:
    eighths = round(share * 64)
    return _BARS[-1] * (eighths // 8) + _BARS[eighths % 8].strip()


def _vehicle_table(records: Iterable[CacheRecord]) -> str:
    by_vehicle: dict[str, list[CacheRecord]] = defaultdict(list)
    for record in records:
        by_vehicle[record.vehicle_id].append(record)
    rows = [
        f"| {vehicle} | {len(group)} | {sum(r.energy_kwh for r in group):.1f} "
        f"| {sum(r.session.cost or 0.0 for r in group):.2f} |"
        for vehicle, group in sorted(by_vehicle.items())
    ]
    return "\n".join(["| vehicle | sessions | kWh | cost |", "|---|---|---|---|", *rows])
