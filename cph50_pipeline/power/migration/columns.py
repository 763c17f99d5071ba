"""Which meter a column of an old file is, and how its values become numbers.

Meters are found by their quantity where a person says nothing. What the names of the old columns promise is not
believed: a column that behaves otherwise is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import isfinite

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power.meters import CANONICAL_UNITS, CHARGER, Meter, MeterConfig, Quantity, canonical
from cph50_pipeline.power.migration.shapes import POWER, SINGLE, Source, Value
from cph50_pipeline.power.migration.times import Span
from cph50_pipeline.power.migration.verdicts import Reason, Refusal

SOLAR = "solar"
DAILY_ENERGY = "daily_energy"

_QUANTITIES: Mapping[str, Quantity] = {
    "voltage": "voltage",
    "power_factor": "power_factor",
    DAILY_ENERGY: "energy",
}
_UNITS: Mapping[str, Quantity] = {
    "W": "power",
    "kW": "power",
    "V": "voltage",
    "Wh": "energy",
    "kWh": "energy",
}
_SOLAR_WORDS = frozenset({"solar", "pv"})
_NO_NUMBERS = frozenset({"", "none", "null", "unavailable", "unknown"})
_MOST = 0.5
_ENOUGH = 20
_RISES_OF_A_COUNTER = 0.95
_LOW_POWER_FACTOR = 0.2
_RISES_OF_NO_COUNTER = 0.8


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person says about the files.

    Attributes:
        meters: The meter of a column.
        units: The unit of a column, where neither file nor meter says the right one.
        scales: What the values of a column are multiplied with, instead of the meter's scale.
        span: What the rows are; None: as their times tell.
    """

    meters: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    scales: Mapping[str, float] = field(default_factory=dict)
    span: Span | None = None

    def check(self, config: MeterConfig, columns: Collection[str]) -> None:
        """Refuse what cannot be.

        Args:
            columns: Of all files.

        Raises:
            BadInputError: a meter is not declared, or is the charger; a scale makes every reading zero; no file has
                such a column.
        """
        for column in (*self.meters, *self.units, *self.scales):
            if column not in columns:
                known = ", ".join(sorted(columns)) or "none"
                raise BadInputError(f"No file has a column '{column}'", remedy=f"The columns are {known}")
        for column, meter in self.meters.items():
            if meter not in config.meters or meter == CHARGER:
                known = ", ".join(id_ for id_ in config.meters if id_ != CHARGER) or "none"
                raise BadInputError(
                    f"--meter {column}={meter}: there is no such meter to migrate to",
                    remedy=f"Declare it in meters.json; the meters are {known}",
                )
        for column, scale in self.scales.items():
            if scale == 0 or not isfinite(scale):
                raise BadInputError(f"--scale {column}={scale}: it must be a number other than 0")


def meter_of(value: Value, choices: Choices, config: MeterConfig) -> str | None:
    """The id of the meter whose readings a column's values are; None when none is."""
    column = value.column
    if column in choices.meters:
        return choices.meters[column]
    if value.is_canonical and column != POWER:
        return column if column in config.meters and column != CHARGER else None
    if column == SOLAR:
        return _first(config, _UNITS.get(value.unit or ""), is_solar=True)
    if column == SINGLE and value.unit is not None and _UNITS.get(value.unit) != "power":
        return _first(config, _UNITS.get(value.unit)) if value.unit in _UNITS else None
    if column in (POWER, SINGLE):
        main = config.main_power
        return None if main == CHARGER or _is_solar(main) else main
    return _first(config, _QUANTITIES[column]) if column in _QUANTITIES else None


def _first(config: MeterConfig, quantity: Quantity | None, *, is_solar: bool = False) -> str | None:
    """The first meter by id of a quantity, of the mains before others."""
    fitting = [
        (not meter.mains, id_)
        for id_, meter in config.meters.items()
        if id_ != CHARGER and quantity in (None, meter.quantity) and _is_solar(id_) == is_solar
    ]
    return min(fitting)[1] if fitting else None


def _is_solar(meter: str) -> bool:
    return not _SOLAR_WORDS.isdisjoint(meter.replace("_", ".").split("."))


def number_of(value: Value, meter: Meter, choices: Choices) -> float | Refusal | None:
    """A value in its meter's canonical unit; None when the source said that it had none."""
    said = value.said
    if said is None or (isinstance(said, str) and said.strip().lower() in _NO_NUMBERS):
        return None
    if isinstance(said, bool) or not isinstance(said, str | int | float):
        return Refusal(Reason.NO_NUMBER, "it is no number")
    unit = choices.units.get(value.column, value.unit)
    scale = choices.scales.get(value.column, meter.scale)
    if value.is_canonical:
        unit, scale = CANONICAL_UNITS[meter.quantity], 1.0
    scaled = meter.model_copy(update={"scale": scale})
    number = canonical(scaled, str(said), unit)
    if number is None and canonical(scaled, "1", unit) is None:
        return Refusal(Reason.WRONG_UNIT, f"{unit!r} does not measure {meter.quantity}")
    return Refusal(Reason.NO_NUMBER, "it is no number") if number is None else _possible(number, meter)


def _possible(number: float, meter: Meter) -> float | Refusal:
    low, high = meter.possible
    if low <= number <= high:
        return number
    unit = CANONICAL_UNITS[meter.quantity]
    why = f"it would be {number:g} {unit}".rstrip() + f", and possible is {low:g} to {high:g}"
    return Refusal(Reason.NOT_POSSIBLE, f"{why}: see its --scale and --unit, or the meter's range")


def equal_to_power(source: Source) -> dict[str, Refusal]:
    """The columns that say what the column of power says in most rows where either is not zero: mapped wrongly."""
    equal: dict[str, int] = {}
    compared: dict[str, int] = {}
    for row in source.rows:
        numbers = {value.column: value.said for value in row.values or () if _is_number(value.said)}
        power = numbers.pop(POWER, None)
        if power is None:
            continue
        for column, number in numbers.items():
            if power != 0 or number != 0:
                compared[column] = compared.get(column, 0) + 1
                equal[column] = equal.get(column, 0) + (number == power)
    return {
        column: Refusal(
            Reason.EQUALS_POWER,
            f"{column} equals power in {equal[column]} of {count} rows: it was of the same entity",
        )
        for column, count in compared.items()
        if equal[column] > _MOST * count
    }


def _is_number(said: object) -> bool:
    return isinstance(said, int | float) and not isinstance(said, bool)


def misbehaves(column: str, numbers: Sequence[float], meter: Meter) -> Refusal | None:
    """Why readings in order of time are not of such a meter: a gauge that only rises, a counter that often falls."""
    changes = [later > earlier for earlier, later in pairwise(numbers) if later != earlier]
    if len(changes) < _ENOUGH:
        return None
    rises, falls = sum(changes), len(changes) - sum(changes)
    share = rises / len(changes)
    why = f"{column} rises {rises} times and falls {falls} times"
    if meter.kind == "counter" and share < _RISES_OF_NO_COUNTER:
        return Refusal(Reason.NO_COUNTER, f"{why}: this is no counter; if it is, say so with --meter")
    if meter.quantity == "power" and share >= _RISES_OF_A_COUNTER:
        return Refusal(
            Reason.A_COUNTER, f"{why}: this is a counter; say with --meter which, or that it is power"
        )
    return None


def is_too_low(column: str, numbers: Sequence[float], meter: Meter) -> Refusal | None:
    """Why no household has such a power factor: it was in another unit."""
    most = max(map(abs, numbers), default=0.0)
    if meter.quantity != "power_factor" or len(numbers) < _ENOUGH or not 0 < most <= _LOW_POWER_FACTOR:
        return None
    return Refusal(
        Reason.NOT_POSSIBLE,
        f"{column} would never be above {most:g}: say what it is in with --unit or --scale",
    )
