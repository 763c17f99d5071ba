"""The digest of the vehicles: how much each charged, what it cost and how far it goes, by week and by month.

Everything is summed from the session cache in whole millionths, so that the cars add up to the cache to the last digit,
in every period. A session counts, with all of its energy, in the week and the month of its local start.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from zoneinfo import ZoneInfo

from cph50_pipeline.charging.cache import CacheRecord
from cph50_pipeline.charging.fields import QUANTITY_DECIMALS, Instant
from cph50_pipeline.charging.model import UNKNOWN_VEHICLE
from cph50_pipeline.civil_time import local_date, month_of
from cph50_pipeline.reports.pages import environment
from cph50_pipeline.reports.parts import Document, Part
from cph50_pipeline.reports.text import Cell, csv_text, markdown_table
from cph50_pipeline.vehicles.classification import Classification
from cph50_pipeline.vehicles.config import VehicleConfig
from cph50_pipeline.vehicles.plateaus import PlateauNow

WEEKS = 12
CSV_COLUMNS = (
    "period_kind",
    "period",
    "scope",
    "vehicle_id",
    "name",
    "sessions",
    "energy_kwh",
    "energy_share",
    "cost",
    "sessions_without_cost",
    "miles",
)
_UNIT = 10**QUANTITY_DECIMALS


class Amounts(Part):
    """What some sessions sum to.

    Attributes:
        energy_share: Of the period's energy; None when there was none.
        cost: Of the sessions whose cost is known, in the account's currency; None when none is.
        sessions_without_cost: How many are left out of it.
        miles: How far the energy goes, of the cars whose efficiency is known; None when none is.
    """

    sessions: int
    energy_kwh: float
    energy_share: float | None
    cost: float | None
    sessions_without_cost: int
    miles: float | None


class VehicleAmounts(Amounts):
    """What one car's sessions sum to in one period."""

    vehicle_id: str


class Period(Part):
    """A week, as "2026-W03", or a month, as "2026-01": each car that has sessions in it, and all together."""

    period: str
    vehicles: tuple[VehicleAmounts, ...]
    total: Amounts


class CarPlateau(Part):
    """A car's plateau in its newest sessions against the model; see `vehicles.plateaus.PlateauNow`."""

    power_kw: float
    model_kw: float
    shift: float
    sessions: int
    has_moved: bool


class VehicleSummary(VehicleAmounts):
    """One car over all time.

    Attributes:
        name: What people call it.
        labels: Sessions of which a person said that they were its.
        mean_confidence: Of the sessions that the classifier gave it; None when there is none.
        needs_review: Sessions that a person should look at.
        plateau: None when the model does not know the car, or no recent session surely was its.
    """

    name: str
    labels: int
    mean_confidence: float | None
    needs_review: int
    plateau: CarPlateau | None


class Digest(Document):
    """The whole digest.

    Attributes:
        timezone: The household's zone, in which a session has its week and month.
        first_start: When the first session began, and the last; None when there is none.
        vehicles: The configured cars and those that have sessions, by id; "unknown" is the last.
        total: All sessions of the session cache.
        weeks: The last weeks that have sessions, by time.
        months: All months that have sessions, by time.
    """

    timezone: str
    first_start: Instant | None
    last_start: Instant | None
    vehicles: tuple[VehicleSummary, ...]
    total: Amounts
    weeks: tuple[Period, ...]
    months: tuple[Period, ...]


def digest(
    records: Iterable[CacheRecord],
    classifications: Mapping[str, Classification],
    config: VehicleConfig,
    plateaus: Mapping[str, PlateauNow],
    zone: ZoneInfo,
) -> Digest:
    """The digest of all stored sessions; the same for the same sessions in any order.

    Args:
        records: The session cache of all months.
        classifications: By session id, for who named the car.
        plateaus: By vehicle id, of cars that the model knows.
    """
    ordered = sorted(records, key=lambda record: (record.session_start_time, record.session_id))
    counted = [_counted(record, config) for record in ordered]
    months = [month_of(record.session_start_time, zone) for record in ordered]
    weeks = [_week(record, zone) for record in ordered]
    by_vehicle = _by(counted, [one.vehicle_id for one in counted])
    total = _amounts(counted, counted)
    return Digest(
        timezone=zone.key,
        first_start=ordered[0].session_start_time if ordered else None,
        last_start=ordered[-1].session_start_time if ordered else None,
        vehicles=tuple(
            VehicleSummary(
                vehicle_id=vehicle_id,
                name=_name(vehicle_id, config),
                plateau=_plateau(plateaus.get(vehicle_id)),
                **_amounts(by_vehicle.get(vehicle_id, []), counted).model_dump(),
                **_naming([classifications.get(one.session_id) for one in by_vehicle.get(vehicle_id, [])]),
            )
            for vehicle_id in _vehicle_ids(config, by_vehicle)
        ),
        total=total,
        weeks=_periods(counted, weeks)[-WEEKS:],
        months=_periods(counted, months),
    )


def digest_csv(found: Digest) -> str:
    """Every figure of the digest as a row; a period's row of scope "all" is the sum of its vehicles."""
    names = {vehicle.vehicle_id: vehicle.name for vehicle in found.vehicles}
    all_time = Period(period="", vehicles=found.vehicles, total=found.total)
    kinds = [("all", [all_time]), ("month", found.months), ("week", found.weeks)]
    return csv_text(
        CSV_COLUMNS,
        [row for kind, periods in kinds for period in periods for row in _csv_rows(kind, period, names)],
    )


def digest_html(found: Digest) -> str:
    """The digest as one page that needs nothing else: no script, no other file, light or dark as the reader has it."""
    made = environment()
    made.filters["date"] = lambda instant: local_date(instant, ZoneInfo(found.timezone)).isoformat()
    colors = {vehicle.vehicle_id: place for place, vehicle in enumerate(_cars(found.vehicles))}
    return made.get_template("vehicles.html.j2").render(digest=found, colors=colors, unknown=UNKNOWN_VEHICLE)


def vehicles_markdown(found: Digest) -> str:
    """The cars over all time as a table."""
    columns = (
        "vehicle",
        "sessions",
        "kWh",
        "share",
        "cost",
        "miles",
        "labels",
        "confidence",
        "plateau kW",
        "model kW",
    )
    total = found.total
    together = ("all", total.sessions, total.energy_kwh, total.energy_share, total.cost, total.miles)
    rows = [*map(_markdown_row, found.vehicles), (*together, None, None, None, None)]
    return markdown_table(columns, rows)


def periods_markdown(periods: Sequence[Period], vehicles: Sequence[VehicleSummary]) -> str:
    """Energy (kWh) by period and car, newest first."""
    rows: list[tuple[Cell, ...]] = []
    for period in reversed(periods):
        energies = {one.vehicle_id: one.energy_kwh for one in period.vehicles}
        shares = [energies.get(vehicle.vehicle_id) for vehicle in vehicles]
        rows.append(
            (period.period, period.total.sessions, *shares, period.total.energy_kwh, period.total.cost)
        )
    names = [vehicle.name for vehicle in vehicles]
    return markdown_table(("period", "sessions", *names, "kWh", "cost"), rows)


@dataclass(frozen=True, slots=True)
class _Counted:
    """One session in whole millionths of kWh, of the currency and of miles."""

    session_id: str
    vehicle_id: str
    energy: int
    cost: int | None
    miles: int | None


def _counted(record: CacheRecord, config: VehicleConfig) -> _Counted:
    vehicle = config.vehicles.get(record.vehicle_id)
    efficiency = vehicle.efficiency_mi_per_kwh if vehicle else None
    cost = record.session.cost
    return _Counted(
        session_id=record.session_id,
        vehicle_id=record.vehicle_id,
        energy=round(record.energy_kwh * _UNIT),
        cost=None if cost is None else round(cost * _UNIT),
        miles=None if efficiency is None else round(record.energy_kwh * efficiency * _UNIT),
    )


def _amounts(members: Sequence[_Counted], of_all: Sequence[_Counted]) -> Amounts:
    energy, all_energy = sum(one.energy for one in members), sum(one.energy for one in of_all)
    return Amounts(
        sessions=len(members),
        energy_kwh=energy / _UNIT,
        energy_share=round(energy / all_energy, 4) if all_energy else None,
        cost=_sum_of_known([one.cost for one in members]),
        sessions_without_cost=sum(one.cost is None for one in members),
        miles=_sum_of_known([one.miles for one in members]),
    )


def _sum_of_known(values: Iterable[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / _UNIT if known else None


def _periods(counted: Sequence[_Counted], period_of: Sequence[str]) -> tuple[Period, ...]:
    return tuple(_period(period, members) for period, members in sorted(_by(counted, period_of).items()))


def _period(period: str, members: Sequence[_Counted]) -> Period:
    by_vehicle = _by(members, [one.vehicle_id for one in members])
    return Period(
        period=period,
        vehicles=tuple(
            VehicleAmounts(vehicle_id=id_, **_amounts(by_vehicle[id_], members).model_dump())
            for id_ in sorted(by_vehicle, key=_unknown_last)
        ),
        total=_amounts(members, members),
    )


def _by(counted: Sequence[_Counted], keys: Sequence[str]) -> dict[str, list[_Counted]]:
    groups: dict[str, list[_Counted]] = defaultdict(list)
    for one, key in zip(counted, keys, strict=True):
        groups[key].append(one)
    return groups


def _week(record: CacheRecord, zone: ZoneInfo) -> str:
    year, week, _ = local_date(record.session_start_time, zone).isocalendar()
    return f"{year:04d}-W{week:02d}"


def _vehicle_ids(config: VehicleConfig, found: Iterable[str]) -> list[str]:
    return sorted({*config.vehicles, *found, UNKNOWN_VEHICLE}, key=_unknown_last)


def _unknown_last(vehicle_id: str) -> tuple[bool, str]:
    return vehicle_id == UNKNOWN_VEHICLE, vehicle_id


def _name(vehicle_id: str, config: VehicleConfig) -> str:
    vehicle = config.vehicles.get(vehicle_id)
    return vehicle_id if vehicle is None else vehicle.display_name(vehicle_id)


def _naming(classified: Sequence[Classification | None]) -> dict[str, int | float | None]:
    known = [one for one in classified if one is not None]
    confidences = [one.confidence for one in known if one.labeled_by == "classifier"]
    return {
        "labels": sum(one.labeled_by == "manual" for one in known),
        "mean_confidence": round(fmean(confidences), 4) if confidences else None,
        "needs_review": sum(one.needs_review for one in known),
    }


def _plateau(found: PlateauNow | None) -> CarPlateau | None:
    if found is None:
        return None
    return CarPlateau(
        power_kw=found.power_kw,
        model_kw=found.model_kw,
        shift=found.shift,
        sessions=found.session_count,
        has_moved=found.has_moved,
    )


def _markdown_row(vehicle: VehicleSummary) -> tuple[Cell, ...]:
    plateau = vehicle.plateau
    return (
        vehicle.name,
        vehicle.sessions,
        vehicle.energy_kwh,
        vehicle.energy_share,
        vehicle.cost,
        vehicle.miles,
        vehicle.labels,
        vehicle.mean_confidence,
        None if plateau is None else plateau.power_kw,
        None if plateau is None else plateau.model_kw,
    )


def _cars(vehicles: Iterable[VehicleSummary]) -> list[VehicleSummary]:
    return [vehicle for vehicle in vehicles if vehicle.vehicle_id != UNKNOWN_VEHICLE]


def _csv_rows(kind: str, period: Period, names: Mapping[str, str]) -> list[tuple[Cell, ...]]:
    of_vehicles: list[tuple[Cell, ...]] = [
        (kind, period.period, "vehicle", one.vehicle_id, names[one.vehicle_id], *_csv_amounts(one))
        for one in period.vehicles
    ]
    return [*of_vehicles, (kind, period.period, "all", None, None, *_csv_amounts(period.total))]


def _csv_amounts(amounts: Amounts) -> tuple[Cell, ...]:
    return (
        amounts.sessions,
        amounts.energy_kwh,
        amounts.energy_share,
        amounts.cost,
        amounts.sessions_without_cost,
        amounts.miles,
    )
