"""The physics of a session: power that ramps, ripples, drifts with the voltage and tapers; and its counter.

Power and the energy counter are closed forms of the seconds since plug-in, so that any instant of a session
costs the same and the counter never depends on a step size. What ChargePoint keeps of it: see `points`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Wave:
    """A relative deviation of power that swings about zero.

    Attributes:
        amplitude: Largest deviation as a share of the plateau.
        period_seconds: Length of one swing.
        phase: Where in the swing the session's first second falls (radians).
    """

    amplitude: float
    period_seconds: float
    phase: float

    def at(self, seconds: float) -> float:
        """The deviation at a second of the session."""
        return self.amplitude * math.sin(self._angle(seconds))

    def area(self, begin: float, end: float) -> float:
        """The integral of the deviation over an interval, in seconds."""
        scale = self.amplitude * self.period_seconds / math.tau
        return scale * (math.cos(self._angle(begin)) - math.cos(self._angle(end)))

    def _angle(self, seconds: float) -> float:
        return math.tau * seconds / self.period_seconds + self.phase


@dataclass(frozen=True, slots=True)
class Burst:
    """One stretch of charging: ramp, plateau, taper. All times in seconds since the session's start.

    Attributes:
        begin: When power starts to rise.
        ramp: When the plateau is reached.
        plateau: When the plateau is left.
        end: When power is gone; equal to `plateau` when the charge is cut rather than complete.
        plateau_kw: Power of the plateau, deviations aside.
        waves: What makes the plateau ripple and drift.
        final_share: Share of the plateau's power left just before `end`.
    """

    begin: float
    ramp: float
    plateau: float
    end: float
    plateau_kw: float
    waves: tuple[Wave, ...] = ()
    final_share: float = 0.3

    def power_kw(self, seconds: float) -> float:
        """Power at a second of the session."""
        if not self.begin <= seconds < self.end:
            return 0.0
        if seconds < self.ramp:
            return self._level(self.ramp) * (seconds - self.begin) / (self.ramp - self.begin)
        if seconds < self.plateau:
            return self._level(seconds)
        return self._tapered(seconds)

    def energy_kwh(self, seconds: float) -> float:
        """Energy delivered from `begin` up to a second of the session."""
        energy = 0.0
        if seconds > self.begin:
            energy += self._ramp_energy(min(seconds, self.ramp))
        if seconds > self.ramp:
            energy += self._plateau_energy(min(seconds, self.plateau))
        if seconds > self.plateau:
            energy += self._taper_energy(min(seconds, self.end))
        return energy / _SECONDS_PER_HOUR

    def _level(self, seconds: float) -> float:
        return self.plateau_kw * (1.0 + sum(wave.at(seconds) for wave in self.waves))

    def _tapered(self, seconds: float) -> float:
        progress = (seconds - self.plateau) / (self.end - self.plateau)
        return self._level(self.plateau) * (1.0 - (1.0 - self.final_share) * progress)

    def _ramp_energy(self, seconds: float) -> float:
        length = self.ramp - self.begin
        return self._level(self.ramp) * (seconds - self.begin) ** 2 / (2 * length) if length > 0 else 0.0

    def _plateau_energy(self, seconds: float) -> float:
        swings = sum(wave.area(self.ramp, seconds) for wave in self.waves)
        return self.plateau_kw * (seconds - self.ramp + swings)

    def _taper_energy(self, seconds: float) -> float:
        if seconds <= self.plateau:
            return 0.0
        just_before = self._tapered(seconds)
        return (self._level(self.plateau) + just_before) / 2 * (seconds - self.plateau)


@dataclass(frozen=True, slots=True)
class Curve:
    """A session's bursts, in order and apart from each other."""

    bursts: tuple[Burst, ...]

    def power_kw(self, seconds: float) -> float:
        """Power at a second of the session."""
        return sum(burst.power_kw(seconds) for burst in self.bursts)

    def energy_kwh(self, seconds: float) -> float:
        """The cumulative counter at a second of the session. Never falls."""
        return sum(burst.energy_kwh(seconds) for burst in self.bursts)

    def drawing_seconds(self, seconds: float) -> float:
        """How long power was drawn up to a second of the session."""
        return sum(max(0.0, min(seconds, burst.end) - burst.begin) for burst in self.bursts)


def charge(
    begin: float, seconds: float, plateau_kw: float, waves: tuple[Wave, ...], *, ramp: float, taper: float
) -> Burst:
    """One charge of `seconds`; ramp and taper shrink to fit a short one, and `taper` 0 cuts it off."""
    ramp_seconds = min(ramp, seconds / 4)
    taper_seconds = min(taper, seconds / 3)
    end = begin + seconds
    return Burst(begin, begin + ramp_seconds, end - taper_seconds, end, plateau_kw, waves)
