"""The one charger as `last_session.json` says it is: for where the live table is not, or nothing is in it yet."""

from __future__ import annotations

from datetime import datetime

from cph50_pipeline.charging.watching import LastSession
from cph50_pipeline.defs.charger_values import UNNAMED
from cph50_pipeline.defs.store import STATE_FILE
from cph50_pipeline.live.model import Device, DeviceKind, LatestValue
from cph50_pipeline.live.snapshot import DeviceSnapshot, snapshot_of

_NAME = "Charger"
_REWRITTEN_SECONDS = 600.0
"""How often the state file is rewritten when nothing changes."""
_SENSORS = (
    "connected",
    "charging",
    "power_kw",
    "energy_kwh",
    "duration_minutes",
    "vehicle_id",
    "vehicle_confidence",
)
_UNITS = {"power_kw": "kW", "energy_kwh": "kWh", "duration_minutes": "min"}


def state_snapshot(state: LastSession | None, now: datetime, carry_minutes: float) -> DeviceSnapshot | None:
    """The charger as the state file says; None where there is none, or it does not say when that was.

    Args:
        now: UTC.
        carry_minutes: As of `live.snapshot.snapshot_of`.
    """
    at = None if state is None else state.looked_at
    if state is None or at is None:
        return None
    charger = Device(UNNAMED, DeviceKind.CHARGER, _NAME, STATE_FILE, _REWRITTEN_SECONDS)
    values = [
        LatestValue(UNNAMED, sensor, value, _UNITS.get(sensor), at, STATE_FILE, at)
        for sensor in _SENSORS
        if (value := getattr(state, sensor)) is not None
    ]
    return snapshot_of(charger, values, now, carry_minutes)
