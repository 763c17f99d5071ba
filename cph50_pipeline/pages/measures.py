"""What the bars of the history page can show of a period's sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Show = Literal["energy", "cost", "miles", "sessions"]
SHOWS: tuple[Show, ...] = get_args(Show)


@dataclass(frozen=True, slots=True)
class Measure:
    """One of them.

    Attributes:
        word: What it is called.
        heading: What it is called above a column: its unit, where it has one.
        unit: Empty where it has none.
        decimals: With how many of them it is shown.
        whole: Whether there are only whole ones.
        unknown: Why some of it may not be known, after "the energy"; empty where all of it always is.
    """

    show: Show
    word: str
    heading: str
    unit: str
    decimals: int
    whole: bool = False
    unknown: str = ""


MEASURES: Mapping[Show, Measure] = {
    "energy": Measure("energy", "Energy", "kWh", "kWh", 2),
    "cost": Measure("cost", "Cost", "Cost", "", 2, unknown="whose cost is not known"),
    "miles": Measure("miles", "Miles", "Miles", "mi", 0, unknown="of cars whose efficiency is not known"),
    "sessions": Measure("sessions", "Sessions", "Sessions", "", 0, whole=True),
}
