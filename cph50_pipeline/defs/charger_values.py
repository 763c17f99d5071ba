"""What a look at the charger says, as latest values: the sensors of a charger. Which table they go to is in `live`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cph50_pipeline.charging.answers import ChargerStatus, ChargingStatus
from cph50_pipeline.charging.collection import Sample
from cph50_pipeline.charging.privacy import charger_label
from cph50_pipeline.charging.watching import LastSession, Observation
from cph50_pipeline.civil_time import format_instant, from_epoch_ms
from cph50_pipeline.live.model import Device, DeviceKind, Reading, Value

SOURCE = "charger"
UNNAMED = "charger"
_DEFAULT_MODEL = "Charger"


def charger_device(
    charger: ChargerStatus | None, poll_seconds: float, device_id: str | None = None
) -> Device:
    """The charger as a device.

    Args:
        device_id: Of a charger that was not looked at yet.
    """
    return Device(
        device_id=device_id or label_of(charger),
        kind=DeviceKind.CHARGER,
        name=(charger.model if charger is not None else None) or _DEFAULT_MODEL,
        source=SOURCE,
        poll_seconds=poll_seconds,
    )


def readings_of_charger(charger: ChargerStatus, at: datetime) -> list[Reading]:
    """What a charger's own status says; of one that is offline only that: the rest is of when it was heard last."""
    values: dict[str, tuple[Value | None, str | None]] = {"online": (charger.is_connected, None)}
    if charger.is_connected:
        values |= {
            "plugged_in": (charger.is_plugged_in, None),
            "status": (charger.charging_status, None),
            "amperage_limit": (charger.amperage_limit, "A"),
        }
    return [
        Reading(label_of(charger), sensor, value, unit, at)
        for sensor, (value, unit) in values.items()
        if value is not None
    ]


def readings_of_look(seen: Observation, state: LastSession) -> list[Reading]:
    """What a whole look says: the charger's status, and of the session in progress how it goes.

    Power and energy are of the time at which the charger took them; that nothing is drawn is of the look.
    """
    own = [] if seen.charger is None else readings_of_charger(seen.charger, seen.at)
    return [*own, *_of_state(label_of(seen.charger), seen, state)]


def readings_of_sample(device_id: str, sample: Sample) -> list[Reading]:
    """What one sample of a collection says of power and energy."""
    at = sample.reading_at or sample.timestamp
    pairs = (("power_kw", sample.power_kw, "kW"), ("energy_kwh", sample.energy_kwh, "kWh"))
    return [Reading(device_id, sensor, value, unit, at) for sensor, value, unit in pairs if value is not None]


def _of_state(device_id: str, seen: Observation, state: LastSession) -> Iterator[Reading]:
    is_offline = seen.charger is not None and not seen.charger.is_connected
    if seen.session is not None or not is_offline:
        yield Reading(device_id, "connected", state.connected, None, seen.at)
        yield Reading(device_id, "charging", state.charging, None, seen.at)
    if not state.charging and not is_offline:
        yield Reading(device_id, "power_kw", 0.0, "kW", seen.at)
    if seen.session is None or seen.session.is_home_charger is False:
        return
    read_at = _taken_at(seen.session, seen.at)
    if state.power_kw is not None:
        yield Reading(device_id, "power_kw", state.power_kw, "kW", read_at)
    if state.energy_kwh is not None:
        yield Reading(device_id, "energy_kwh", state.energy_kwh, "kWh", read_at)
    yield Reading(device_id, "session_id", seen.session.session_id, None, seen.at)
    yield Reading(
        device_id, "session_start", format_instant(from_epoch_ms(seen.session.start_time)), None, seen.at
    )
    if state.duration_minutes is not None:
        yield Reading(device_id, "duration_minutes", float(state.duration_minutes), "min", seen.at)
    if state.vehicle_id is not None:
        yield Reading(device_id, "vehicle_id", state.vehicle_id, None, seen.at)
    if state.vehicle_confidence is not None:
        yield Reading(device_id, "vehicle_confidence", state.vehicle_confidence, None, seen.at)


def _taken_at(session: ChargingStatus, looked_at: datetime) -> datetime:
    """When the charger took its reading, as it says; a clock ahead of ours counts as now."""
    if session.last_update_data_timestamp is None:
        return looked_at
    return min(from_epoch_ms(session.last_update_data_timestamp), looked_at)


def label_of(charger: ChargerStatus | None) -> str:
    """A charger's device id: it tells a household's chargers apart and identifies none."""
    if charger is None:
        return UNNAMED
    return charger.charger_label or charger_label(charger.charger_id) or UNNAMED
