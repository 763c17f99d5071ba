"""The household's meters, as `meters.json` declares them, and how a state's text becomes a number.

Numbers are canonical from here on: kW, kWh, V, and a power factor as a share. Readings and their states are in
`readings.py`.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cph50_pipeline.charging.fields import rounded
from cph50_pipeline.errors import BadInputError

Quantity = Literal["power", "energy", "voltage", "power_factor"]
MeterId = Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$")]
Limits = tuple[float, float]

CHARGER: MeterId = "charger.power"
"""The charger is a meter of every household, without being declared."""

HELD_INTERVALS = 3
"""For how many collection intervals a reading stands when no other comes: one lost reading is no gap."""

USUAL_INTERVAL_SECONDS = 600.0
_FOREVER_MS = 1 << 60

_UNITS: dict[Quantity, dict[str, float]] = {
    "power": {"mW": 1e-6, "W": 1e-3, "kW": 1.0, "MW": 1e3},
    "energy": {"Wh": 1e-3, "kWh": 1.0, "MWh": 1e3, "kJ": 1 / 3600, "MJ": 1 / 3.6, "GJ": 1e3 / 3.6},
    "voltage": {"mV": 1e-3, "V": 1.0, "kV": 1e3},
    "power_factor": {"": 1.0, "%": 0.01},
}
"""What a unit is in the canonical one. Exact matches: mW and MW are a factor of a billion apart."""

CANONICAL_UNITS: dict[Quantity, str] = {"power": "kW", "energy": "kWh", "voltage": "V", "power_factor": ""}
"""In what numbers are from here on."""

_PLAUSIBLE: dict[Quantity, Limits] = {
    "power": (-100.0, 100.0),
    "energy": (0.0, 1e8),
    "voltage": (0.0, 1000.0),
    "power_factor": (-1.0, 1.0),
}
"""The widest that a household's meter may say, in canonical units, where no range is declared."""


class Meter(BaseModel):
    """One meter.

    Attributes:
        source: Who reads it.
        entity: Home Assistant's name of it; None for the charger.
        kind: A gauge says how much there is now, a counter how much there was so far.
        unit: Of what the source says, where it does not say so itself; also of `range` and `band`.
        scale: Multiplies what the source says, before the unit counts: 0.1 for a power factor of 9.8.
        range: What is possible; a reading outside is kept, and counts as missing. A zero of the mains is judged as an
            outage first.
        mains: Zero while the house has no power; an outage is when all such meters say so.
        outage_after_seconds: For how long; None: not asked for.
        frozen_after_seconds: How long a reading may be the same; None: for ever, as PV's is at night.
        band: What is normal, as of a supply's voltage; outside of it is an event.
        hold_seconds: How long a reading stands when no other comes.
    """

    # defer_build: schemas are built where they are used, because import is budgeted.
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", allow_inf_nan=False)

    source: Literal["home_assistant", "charger"]
    entity: str | None = Field(default=None, pattern=r"^[a-z0-9_]+\.[a-z0-9_]+$")
    quantity: Quantity
    kind: Literal["gauge", "counter"]
    unit: str
    scale: float = 1.0
    range: Limits | None = None
    mains: bool = False
    outage_after_seconds: float | None = Field(default=None, gt=0)
    frozen_after_seconds: float | None = Field(default=None, gt=0)
    band: Limits | None = None
    hold_seconds: float = Field(default=HELD_INTERVALS * USUAL_INTERVAL_SECONDS, gt=0)

    @field_validator("scale")
    @classmethod
    def _not_nothing(cls, value: float) -> float:
        if value == 0:
            raise ValueError("makes every reading zero")
        return value

    @field_validator("range", "band")
    @classmethod
    def _in_order(cls, value: Limits | None) -> Limits | None:
        if value is not None and not value[0] < value[1]:
            raise ValueError("the lower limit comes first")
        return value

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.unit not in _UNITS[self.quantity]:
            known = ", ".join(repr(unit) for unit in _UNITS[self.quantity])
            raise ValueError(f"unit: {self.unit!r} does not measure {self.quantity}; use one of {known}")
        if (self.kind == "counter") != (self.quantity == "energy"):
            raise ValueError("kind: energy is counted, everything else is a gauge")
        if (self.entity is None) != (self.source == "charger"):
            raise ValueError("entity: a meter of home_assistant has one, the charger has none")
        if self.mains and self.kind == "counter":
            raise ValueError("mains: a counter does not fall to zero in an outage")
        if self.outage_after_seconds is not None and not self.mains:
            raise ValueError("outage_after_seconds: only where mains is true")
        return self

    @property
    def hold_ms(self) -> int:
        """How long a reading stands, in milliseconds. The charger's stand until the next: all are known."""
        return _FOREVER_MS if self.source == "charger" else round(self.hold_seconds * 1000)

    @property
    def possible(self) -> Limits:
        """What a reading may be, in the canonical unit."""
        return _PLAUSIBLE[self.quantity] if self.range is None else self._canonical_limits(self.range)

    @property
    def normal(self) -> Limits | None:
        """The band in the canonical unit."""
        return None if self.band is None else self._canonical_limits(self.band)

    def _canonical_limits(self, limits: Limits) -> Limits:
        factor = _UNITS[self.quantity][self.unit]
        return limits[0] * factor, limits[1] * factor


_CHARGER = Meter(source="charger", quantity="power", kind="gauge", unit="kW")


class MeterConfig(BaseModel):
    """All meters of the household by id, the charger among them."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    meters: dict[MeterId, Meter] = Field(default={}, validate_default=True)

    @field_validator("meters")
    @classmethod
    def _with_the_charger(cls, meters: dict[str, Meter]) -> dict[str, Meter]:
        chargers = [id_ for id_, meter in meters.items() if meter.source == "charger"]
        if chargers not in ([], [CHARGER]) or meters.get(CHARGER, _CHARGER).source != "charger":
            raise ValueError(f"the charger, and nothing else, is called {CHARGER}")
        if meters.get(CHARGER, _CHARGER).quantity != "power":
            raise ValueError(f"{CHARGER}: quantity: is power")
        return dict(sorted({CHARGER: _CHARGER, **meters}.items()))

    @classmethod
    def read(
        cls, document: object, name: str, interval_seconds: float = USUAL_INTERVAL_SECONDS
    ) -> MeterConfig:
        """Read the parsed file.

        Args:
            document: The parsed JSON.
            name: The file, for the error.
            interval_seconds: Between two collections: by it a meter holds that does not say how long.

        Raises:
            BadInputError: naming the file and, of each fault, the meter and the field.
        """
        try:
            config = cls.model_validate(document)
        except ValidationError as error:
            faults = "; ".join(_explain(fault["loc"], fault["msg"]) for fault in error.errors())
            raise BadInputError(
                f"{name}: {faults}", kept="Nothing was read", remedy=f"Correct {name} and run again"
            ) from None
        usual = {"hold_seconds": HELD_INTERVALS * interval_seconds}
        held = {
            id_: meter if "hold_seconds" in meter.model_fields_set else meter.model_copy(update=usual)
            for id_, meter in config.meters.items()
        }
        return config.model_copy(update={"meters": held})

    @property
    def main_power(self) -> str:
        """The meter of the house's power: the first by id of the mains, else of the others, else the charger."""
        gauges = [id_ for id_, meter in self.meters.items() if meter.quantity == "power" and id_ != CHARGER]
        mains = [id_ for id_ in gauges if self.meters[id_].mains]
        return [*mains, *gauges, CHARGER][0]


def canonical(meter: Meter, state: str, unit: str | None = None) -> float | None:
    """The number in a source's state, in the meter's canonical unit.

    Whether it is possible is judged by `states.mark_states`: there the number is kept, so that a range which was
    wrong can be corrected.

    Args:
        state: What the source says: "412.5", "unavailable".
        unit: What the source says it is in, which goes before the declared one; None where it does not say.

    Returns:
        None for what is no finite number, and for a unit that does not measure the meter's quantity.
    """
    factor = _UNITS[meter.quantity].get(meter.unit if unit is None else unit.strip())
    number = _number(state)
    return None if factor is None or number is None else rounded(number * meter.scale * factor)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def _explain(location: tuple[int | str, ...], message: str) -> str:
    words = message.removeprefix("Value error, ")
    parts = [str(part) for part in location if part != "[key]"]
    if parts[:1] == ["meters"] and len(parts) > 1:
        parts = [f"meter {parts[1]}", *([".".join(parts[2:])] if parts[2:] else [])]
    return ": ".join([*parts, words])
