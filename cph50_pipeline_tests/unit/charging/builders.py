"""Answers, sessions and curves for tests of charging, each with one true course to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from cph50_pipeline.charging.activity import ActivityMonth, merge
from cph50_pipeline.charging.answers import ActivityRow, ChargingStatus
from cph50_pipeline.charging.model import Reading, Session
from cph50_pipeline.civil_time import month_of, to_epoch_ms

PACIFIC = ZoneInfo("America/Los_Angeles")
START = datetime(2025, 11, 4, 8, 0, 1, tzinfo=UTC)  # just after local midnight
ZONES = tuple(ZoneInfo(key) for key in ("America/Los_Angeles", "Europe/Berlin", "Australia/Lord_Howe"))


def answer(
    session_id: str = "501", start: datetime = START, minutes: float = 60, **fields: Any
) -> dict[str, Any]:
    """The fields of an ended session's answer; what is given overrides."""
    milliseconds = round(minutes * 60_000)
    begin = to_epoch_ms(start)
    return {
        "session_id": session_id,
        "start_time": begin,
        "end_time": begin + milliseconds,
        "session_time": milliseconds,
        "charging_time": milliseconds,
        "energy_kwh": 8.0,
        "total_amount": 0.8,
        "current_charging": "done",
        "last_update_data_timestamp": begin + milliseconds,
        "is_home_charger": True,
        **fields,
    }


def open_answer(**fields: Any) -> dict[str, Any]:
    """The fields of a running session's answer."""
    return answer(**{"end_time": None, "current_charging": "in_use", **fields})


def row(**fields: Any) -> ActivityRow:
    return ActivityRow.model_validate(answer(**fields))


def status(points: Sequence[tuple[float, float | None, float | None]] = (), **fields: Any) -> ChargingStatus:
    """A status whose curve is given as (seconds since the start, energy, power)."""
    document = answer(**fields)
    curve = [
        {
            "timestamp": document["start_time"] + round(second * 1000),
            "energy_kwh": energy_kwh,
            "power_kw": power_kw,
        }
        for second, energy_kwh, power_kw in points
    ]
    return ChargingStatus.model_validate({**document, "update_data": curve})


def month_of_answers(
    rows: Sequence[ActivityRow] = (), statuses: Sequence[ChargingStatus] = (), zone: ZoneInfo = PACIFIC
) -> ActivityMonth:
    """The month of the first answer, with all of its answers taken in."""
    first = [*rows, *statuses][0]
    month = month_of(datetime.fromtimestamp(first.start_time / 1000, tz=UTC), zone)
    return merge(ActivityMonth(month=month), rows, statuses, zone)


def reading(second: float, energy_kwh: float | None, power_kw: float | None = None) -> Reading:
    return Reading(
        at=START + timedelta(seconds=second), energy_kwh=energy_kwh, power_kw=power_kw, origin="curve"
    )


def session(
    *, start: datetime = START, seconds: float | None = 3600, energy_kwh: float = 8.0, **fields: Any
) -> Session:
    """An ended session, or an open one when `seconds` is None."""
    end = None if seconds is None else start + timedelta(seconds=seconds)
    values: dict[str, Any] = {
        "session_id": "501",
        "start": start,
        "end": end,
        "reported_end": end,
        "energy_kwh": energy_kwh,
        "plugged_in_seconds": seconds,
        "charging_seconds": seconds,
        "cost": 0.8,
        "power_kw": None,
        "is_home": True,
        "charger_label": None,
        "curve": (),
        "last_update": end,
        "flags": (),
        **fields,
    }
    return Session(**values)


@st.composite
def sessions_with_readings(draw: st.DrawFn) -> tuple[Session, list[Reading]]:
    """Any session, open or not, near a change of clocks or the end of a month, with any readings.

    These come late, doubled, falling, without energy, beyond the end or above the session's energy.
    """
    near = draw(
        st.sampled_from(
            [
                datetime(2025, 3, 9, tzinfo=UTC),
                datetime(2025, 3, 30, tzinfo=UTC),
                datetime(2025, 4, 5, tzinfo=UTC),
                datetime(2025, 10, 4, tzinfo=UTC),
                datetime(2025, 10, 26, tzinfo=UTC),
                datetime(2025, 11, 2, tzinfo=UTC),
                datetime(2025, 12, 31, tzinfo=UTC),
            ]
        )
    )
    start = near + timedelta(milliseconds=draw(st.integers(0, 2 * 86_400_000)))
    seconds = draw(st.integers(0, 40 * 3600))
    energy_kwh = draw(st.floats(0, 120))
    is_open = draw(st.booleans())
    readings = [
        Reading(
            at=start + timedelta(milliseconds=draw(st.integers(-60_000, 1100 * seconds + 60_000))),
            energy_kwh=draw(st.none() | st.floats(-0.1, 130)),
            power_kw=draw(st.none() | st.floats(0, 12)),
            origin="curve",
        )
        for _ in range(draw(st.integers(0, 12)))
    ]
    made = session(
        start=start,
        seconds=None if is_open else seconds,
        energy_kwh=energy_kwh,
        charging_seconds=draw(st.none() | st.floats(0, 50 * 3600)),
        cost=draw(st.none() | st.floats(0, 100)),
        last_update=draw(st.none() | st.just(start + timedelta(seconds=seconds))),
    )
    return made, readings
