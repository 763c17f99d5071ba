"""Invented records of the session cache."""

from __future__ import annotations

from datetime import datetime

from cph50_pipeline.charging.cache import (
    CacheCharger,
    CacheLocation,
    CacheRecord,
    CacheSession,
    CacheUtility,
    CacheVehicle,
)

_NOWHERE = CacheLocation(location_id=None, name=None, address=None, city=None, state=None, zip_code=None)
_CHARGER = CacheCharger(
    charger_id=None, charger_label=None, connector_type=None, charger_model=None, level=None
)
_UTILITY = CacheUtility(utility_name=None, utility_company=None, plan=None)


def record(
    session_id: str, start: datetime, vehicle_id: str, energy_kwh: float, cost: float | None = None
) -> CacheRecord:
    """A session of which only what reports count matters."""
    return CacheRecord(
        session_id=session_id,
        session_start_time=start,
        session_end_time=None,
        energy_kwh=energy_kwh,
        vehicle_id=vehicle_id,
        vehicle_confidence=None,
        vehicle=CacheVehicle(
            id=vehicle_id, confidence=None, vehicle_id=vehicle_id, vehicle_name=None, make=None, model=None
        ),
        location=_NOWHERE,
        charger=_CHARGER,
        session=CacheSession(
            energy_kwh=energy_kwh,
            duration_seconds=3600,
            charging_seconds=None,
            cost=cost,
            peak_power_kw=None,
            status="charging",
        ),
        utility=_UTILITY,
        flags=(),
    )
