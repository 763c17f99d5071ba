"""What the house truly draws and makes, minute by minute: standby, appliances, heating and cooling, sun.

A civil day is drawn from seed and date alone. The cars are laid on top by `house`; what a sensor says of it all is
`sensors`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cph50_pipeline.civil_time import day_bounds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Minutes = NDArray[np.float64]

MINUTE = timedelta(minutes=1)
_BLOCK_MINUTES = 30  # no zone changes its clocks by less
_NOMINAL_V = 241.5
_VOLTS_LOST_PER_KW = 0.55
_SUN_PEAK_W = 3600.0
_COMPRESSOR_W, _HEAT_PUMP_W = 2900.0, 1700.0
_CYCLE_MINUTES = 22.0


@dataclass(frozen=True, slots=True)
class Appliance:
    """Something that runs now and then.

    Attributes:
        chance: How likely it runs on a day.
        hour: Around which local hour.
        stages: Watts and minutes, one after the other.
    """

    chance: float
    hour: float
    stages: tuple[tuple[float, int], ...]


_APPLIANCES = (
    Appliance(0.95, 7.1, ((2050, 4),)),
    Appliance(0.7, 10.4, ((2050, 3),)),
    Appliance(0.55, 16.2, ((2050, 4),)),
    Appliance(0.8, 18.3, ((2400, 9), (700, 14), (2400, 5), (500, 18))),
    Appliance(0.6, 21.0, ((70, 6), (1850, 19), (90, 38), (1850, 13), (20, 30))),
    Appliance(0.4, 11.5, ((180, 4), (2050, 16), (160, 42), (420, 9))),
    Appliance(0.3, 13.5, ((2600, 46), (250, 8))),
    Appliance(0.9, 6.8, ((1500, 7),)),
)


@dataclass(frozen=True, slots=True)
class Weather:
    """A day's weather.

    Attributes:
        mean_c: The day's mean temperature.
        cloud: Share of the sun that comes through.
        warmth: Where in the year the day lies: -1 in midwinter, 1 in midsummer.
    """

    mean_c: float
    cloud: float
    warmth: float


def local_hours(day: date, zone: ZoneInfo) -> Minutes:
    """What clocks show at every minute of a civil day, in hours: 1380, 1440 or 1500 values."""
    import numpy as np

    start, end = day_bounds(day, zone)
    count = round((end - start) / MINUTE)
    hours = np.empty(count)
    for begin in range(0, count, _BLOCK_MINUTES):
        shown = (start + begin * MINUTE).astimezone(zone)
        block = hours[begin : begin + _BLOCK_MINUTES]
        block[:] = shown.hour + shown.minute / 60 + np.arange(len(block)) / 60
    return hours


def weather(seed: int, day: date) -> Weather:
    """The weather of a day."""
    draw = Random(f"{seed}:{day.isoformat()}:weather")
    warmth = -math.cos(math.tau * (day.timetuple().tm_yday - 20) / 365.25)
    return Weather(15 + 9 * warmth + draw.gauss(0, 2.5), 1 - 0.75 * draw.random() ** 2, warmth)


def house_watts(seed: int, day: date, hours: Minutes) -> Minutes:
    """What the house draws at every minute of a civil day without its cars."""
    import numpy as np

    noise = _generator(seed, day, "house")
    sky = weather(seed, day)
    minutes = np.arange(len(hours))
    phases = noise.uniform(0, 1, 3)
    watts = 140 + 110.0 * ((minutes / 47 + phases[0]) % 1 < 0.38)
    watts = watts + 160 * _bump(hours, 6.8, 0.9) + (430 - 130 * sky.warmth) * _bump(hours, 20.2, 2.1)
    watts += _climate(sky, hours, minutes, (float(phases[1]), float(phases[2])))
    for begin, end, power in _appliance_runs(seed, day, hours):
        watts[begin:end] += power
    return np.asarray(
        np.maximum(watts * noise.normal(1, 0.015, len(hours)) + noise.normal(0, 3, len(hours)), 0)
    )


def solar_watts(seed: int, day: date, hours: Minutes) -> Minutes:
    """What the panels make at every minute of a civil day."""
    import numpy as np

    sky = weather(seed, day)
    half_day = 6 + 1.7 * sky.warmth
    height = np.cos(np.clip((hours - 12.6) / half_day, -1, 1) * math.pi / 2)
    passing = 1 - (1 - sky.cloud) * 0.5 * (1 + np.sin(np.arange(len(hours)) / 17 + day.toordinal()))
    watts = _SUN_PEAK_W * (0.75 + 0.25 * sky.warmth) * height * passing
    return np.asarray(np.where(height > 0.02, watts, 0.0))


def voltage(seed: int, day: date, hours: Minutes, watts: Minutes) -> Minutes:
    """The supply's voltage: highest at four in the morning, lower the more is drawn."""
    import numpy as np

    noise = _generator(seed, day, "voltage")
    swing = 1.6 * np.cos((hours - 4) / 24 * math.tau)
    return np.asarray(
        _NOMINAL_V + swing - _VOLTS_LOST_PER_KW * watts / 1000 + noise.normal(0, 0.25, len(hours))
    )


def power_factor_percent(seed: int, day: date, watts: Minutes) -> Minutes:
    """The power factor in percent: standby electronics are bad at it, heaters and cars are good."""
    import numpy as np

    noise = _generator(seed, day, "power factor").normal(0, 0.3, len(watts))
    return np.asarray(np.minimum(98.6 - 16 * np.exp(-watts / 550) + noise, 100.0))


def _climate(sky: Weather, hours: Minutes, minutes: NDArray[np.int_], phases: tuple[float, float]) -> Minutes:
    """Heat pump and air conditioner, switching on and off the more often the further it is from pleasant."""
    import numpy as np

    outside = sky.mean_c + 6 * np.sin((hours - 9) / 24 * math.tau)
    cooling = np.where(hours >= 10, np.clip((outside - 24) / 8, 0, 1), 0)
    heating = np.clip((14 - outside) / 18, 0, 1)
    compressor = _COMPRESSOR_W * ((minutes / _CYCLE_MINUTES + phases[0]) % 1 < cooling)
    pump = _HEAT_PUMP_W * ((minutes / _CYCLE_MINUTES + phases[1]) % 1 < heating)
    return np.asarray(compressor + pump)


def _appliance_runs(seed: int, day: date, hours: Minutes) -> Iterator[tuple[int, int, float]]:
    """Begin and end (minutes of the day) and watts of every stage that an appliance runs."""
    draw = Random(f"{seed}:{day.isoformat()}:appliances")
    for appliance in _APPLIANCES:
        runs, shift = draw.random() < appliance.chance, draw.gauss(0, 0.6)
        begin = int(abs(hours - (appliance.hour + shift)).argmin())
        for watts, minutes in appliance.stages:
            if runs:
                yield begin, begin + minutes, watts
            begin += minutes


def _bump(hours: Minutes, center: float, width: float) -> Minutes:
    import numpy as np

    return np.asarray(np.exp(-(((hours - center) / width) ** 2) / 2))


def _generator(seed: int, day: date, of: str) -> np.random.Generator:
    """Noise of its own for each thing and day, the same in every process."""
    import numpy as np

    digest = hashlib.sha256(f"{seed}:{day.isoformat()}:{of}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8])))
