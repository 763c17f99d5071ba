from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cph50_pipeline.charging.answers import ActivityRow, ChargingStatus
from cph50_pipeline.charging.sessions import FLAGS, read_sessions
from cph50_pipeline_tests.unit.charging.builders import START, month_of_answers, open_answer, row, status

HOUR = timedelta(hours=1)
FULL_CURVE = [(0, 0.0, 0.0), (1800, 4.0, 8.0), (3600, 8.0, 8.0)]


def flags(**fields: Any) -> tuple[str, ...]:
    """The flags of a session with a faultless curve, save for what is given."""
    points = fields.pop("points", FULL_CURVE)
    return read_sessions(month_of_answers([], [status(points, **fields)]))[0].flags


def test_sessions_come_in_order_of_start_and_then_id() -> None:
    rows = [row(session_id="9"), row(session_id="1", start=START + HOUR * 2), row(session_id="10")]

    assert [session.session_id for session in read_sessions(month_of_answers(rows))] == ["10", "9", "1"]


def test_a_faultless_session_carries_no_flag() -> None:
    assert flags() == ()


def test_the_status_is_preferred_where_both_say_the_same() -> None:
    month = month_of_answers([row(total_amount=0.8)], [status(total_amount=0.9)])

    assert read_sessions(month)[0].cost == 0.9


def test_the_row_is_preferred_where_it_is_the_fuller() -> None:
    running = ChargingStatus.model_validate(open_answer(minutes=30, energy_kwh=4.0, total_amount=0.4))
    session = read_sessions(month_of_answers([row()], [running]))[0]

    assert (session.is_open, session.energy_kwh, session.cost) == (False, 8.0, 0.8)


def test_what_one_answer_leaves_out_is_taken_from_the_other() -> None:
    sparse = status(total_amount=None, charging_time=None, is_home_charger=None)
    month = month_of_answers([row(is_home_charger=False, charger_label="charger-0001")], [sparse])
    session = read_sessions(month)[0]

    assert (session.cost, session.charging_seconds) == (0.8, 3600)
    assert (session.is_home, session.charger_label) == (False, "charger-0001")


def test_an_end_a_day_too_late_is_set_by_the_time_plugged_in() -> None:
    wrong_end = int((START + 25 * HOUR).timestamp() * 1000)
    session = read_sessions(month_of_answers([row(end_time=wrong_end)]))[0]

    assert session.end == START + HOUR
    assert session.reported_end == START + 25 * HOUR
    assert "end_corrected" in session.flags


@pytest.mark.parametrize("seconds", [-290, 290])
def test_an_end_within_five_minutes_of_the_time_plugged_in_stands(seconds: int) -> None:
    end = START + HOUR + timedelta(seconds=seconds)
    session = read_sessions(month_of_answers([row(end_time=int(end.timestamp() * 1000))]))[0]

    assert session.end == end
    assert "end_corrected" not in session.flags


def test_an_end_before_the_start_is_never_kept() -> None:
    before = int((START - HOUR).timestamp() * 1000)
    for plugged_in in (3_600_000, None, -5):
        session = read_sessions(month_of_answers([row(end_time=before, session_time=plugged_in)]))[0]

        assert session.end is not None
        assert session.end >= session.start
        assert "end_corrected" in session.flags


def test_an_end_after_the_next_start_on_the_same_charger_is_cut_there() -> None:
    rows = [row(session_id="1", minutes=120), row(session_id="2", start=START + HOUR)]
    first, second = read_sessions(month_of_answers(rows))

    assert first.end == second.start
    assert "end_overlaps_next" in first.flags
    assert "end_overlaps_next" not in second.flags


def test_the_next_session_may_be_the_first_of_the_following_month() -> None:
    eve = datetime(2025, 12, 1, 7, 30, tzinfo=UTC)  # half an hour before local midnight
    month = month_of_answers([row(session_id="1", start=eve, minutes=120)])
    following = month_of_answers([row(session_id="2", start=eve + HOUR)])

    assert [session.end for session in read_sessions(month, following)] == [eve + HOUR]
    assert [session.end for session in read_sessions(month)] == [eve + 2 * HOUR]


@pytest.mark.parametrize(
    "elsewhere",
    [{"is_home_charger": False}, {"charger_label": "charger-0002"}],
    ids=["public", "another charger"],
)
def test_a_session_on_another_charger_cuts_nothing(elsewhere: dict[str, Any]) -> None:
    rows = [
        row(session_id="1", minutes=120, charger_label="charger-0001"),
        row(session_id="2", start=START + HOUR, **{"charger_label": "charger-0001", **elsewhere}),
    ]

    assert read_sessions(month_of_answers(rows))[0].end == START + 2 * HOUR


def test_public_stations_that_cannot_be_told_apart_cut_nothing() -> None:
    public = {"is_home_charger": False}
    rows = [row(session_id="1", minutes=120, **public), row(session_id="2", start=START + HOUR, **public)]

    assert read_sessions(month_of_answers(rows))[0].end == START + 2 * HOUR


def test_a_running_session_stays_open() -> None:
    running = ActivityRow.model_validate(open_answer(minutes=30))
    session = read_sessions(month_of_answers([running]))[0]

    assert session.is_open
    assert session.last_update == START + timedelta(minutes=30)


def test_an_answered_end_does_not_close_a_session_that_is_said_to_run() -> None:
    contradictory = row(current_charging="in_use")

    assert read_sessions(month_of_answers([contradictory]))[0].is_open


def test_a_session_left_open_is_over_once_its_charger_began_another() -> None:
    forgotten = ActivityRow.model_validate(open_answer(session_id="1", minutes=30))
    month = month_of_answers([forgotten, row(session_id="2", start=START + HOUR)])
    session = read_sessions(month)[0]

    assert session.end == START + timedelta(minutes=30)
    assert "end_assumed" in session.flags


def test_the_curve_is_in_order_of_time_whatever_the_answer_was() -> None:
    session = read_sessions(month_of_answers([], [status(FULL_CURVE[::-1])]))[0]

    assert [reading.energy_kwh for reading in session.curve] == [0.0, 4.0, 8.0]


@pytest.mark.parametrize(
    ("fields", "flag"),
    [
        ({"points": []}, "no_curve"),
        ({"points": [(1800, None, 8.0)]}, "no_curve"),
        ({"points": FULL_CURVE[1:]}, "late_curve"),
        ({"points": [(0, 0.0, 0.0), (1800, 4.0, None), (3600, 8.0, 0.0)]}, "no_power"),
        ({"points": [(0, 0.0, 0.0), (900, 4.0, 8.0), (1800, 3.995, 8.0), (3600, 8.0, 8.0)]}, "counter_reset"),
        ({"energy_kwh": 0.99}, "tiny"),
        ({"minutes": 60, "charging_time": 12 * 60_000}, "idle"),
    ],
)
def test_what_is_doubtful_is_flagged(fields: dict[str, Any], flag: str) -> None:
    assert flags(**fields) == (flag,)


@pytest.mark.parametrize(
    "fields",
    [
        {"points": [(5, 0.1, 8.0), *FULL_CURVE[1:]]},
        {"energy_kwh": 1.0},
        {"minutes": 59, "charging_time": 0},
        {"minutes": 60, "charging_time": 13 * 60_000},
        {"energy_kwh": 0.99, "points": [(0, 0.0, None)], "charging_time": None},
    ],
)
def test_the_flags_stop_at_their_limits(fields: dict[str, Any]) -> None:
    assert set(flags(**fields)) <= {"tiny"}
    assert ("tiny" in flags(**fields)) == (fields.get("energy_kwh", 8.0) < 1)


def test_a_session_that_just_began_is_neither_tiny_nor_idle() -> None:
    running = ChargingStatus.model_validate(open_answer(minutes=90, energy_kwh=0.2, charging_time=60_000))
    session = read_sessions(month_of_answers([], [running]))[0]

    assert not {"tiny", "idle"} & set(session.flags)


def test_every_flag_is_documented() -> None:
    assert list(FLAGS) == sorted(FLAGS)
    assert all(FLAGS.values())
