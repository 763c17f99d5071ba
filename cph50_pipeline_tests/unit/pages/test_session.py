"""The page of a session: its curve, its siblings, its quarter hours, and values as people read them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cph50_pipeline.charging.model import Reading
from cph50_pipeline.charging.slots import ChargingSlot
from cph50_pipeline.pages.charts import HEIGHT, LEFT, WIDTH
from cph50_pipeline.pages.links import ServedLinks, StaticLinks
from cph50_pipeline.pages.rendering import render
from cph50_pipeline.pages.session import SessionInputs, SessionView, power_picture, session_view, shown
from cph50_pipeline.pages.troubles import Trouble
from cph50_pipeline.vehicles.config import Vehicle
from cph50_pipeline_tests.unit.pages.charges import CARS, LA, TIDE, Charge

# From 23:00 to 01:00 in Los Angeles.
NIGHT = Charge("1001", datetime(2026, 1, 7, 7, tzinfo=UTC), 8, 250_000, flags=("tiny", "new_in_2030"))
INPUTS = SessionInputs(
    record=NIGHT.record,
    config=CARS,
    slots=tuple(
        ChargingSlot("1001", NIGHT.vehicle_id, NIGHT.start + timedelta(minutes=15 * n), 0.25, None, 1.0)
        for n in range(8)
    ),
    readings=tuple(NIGHT.readings),
    classification=NIGHT.classification,
)


def rendered(view: SessionView, links: ServedLinks | StaticLinks | None = None) -> str:
    return render(
        "session",
        links=links or ServedLinks(),
        zone=LA.key,
        page="history",
        view=view,
        versions=None,
        versions_trouble=None,
        back="/history?at=2026-01",
        versions_address="/history/session?id=1001&history=1",
        person=None,
        sign_in="/sign-in",
    )


def test_a_page_tells_times_in_the_households_zone_and_where_its_day_is() -> None:
    view = session_view(INPUTS, ServedLinks(), LA)
    assert (view.start.hour, view.end and view.end.hour) == (23, 1)
    assert view.day_address == "/history?view=day&at=2026-01-06"
    assert [slot.is_next_day for slot in view.slots] == [False] * 4 + [True] + [False] * 3
    assert [slot.cost for slot in view.slots] == [None] * 8


def test_flags_are_explained_and_an_unknown_one_is_still_shown() -> None:
    page = rendered(session_view(INPUTS, ServedLinks(), LA))
    assert "ended with less than 1 kWh" in page
    assert "new in 2030" in page
    assert "93 %" in page
    assert "like its plateau" in page
    assert "/label?session=1001" in page


def test_a_reason_calls_cars_as_people_do_whatever_they_call_them() -> None:
    assert INPUTS.classification is not None
    stored = f"nearest is {TIDE} at 9.05 kW; not {TIDE}_2 or my{TIDE}"
    named = replace(INPUTS, classification=INPUTS.classification.model_copy(update={"reason": stored}))
    assert session_view(named, ServedLinks(), LA).reason == (
        f"nearest is Tide at 9.05 kW; not {TIDE}_2 or my{TIDE}"
    )
    hostile = CARS.model_copy(update={"vehicles": {TIDE: Vehicle(nickname="<script>alert(1)</script>")}})
    page = rendered(session_view(replace(named, config=hostile), ServedLinks(), LA))
    assert "nearest is &lt;script&gt;alert(1)&lt;/script&gt; at" in page
    assert "<script>alert" not in page


def test_a_session_away_from_home_says_so() -> None:
    away = NIGHT.record.model_copy(
        update={"location": NIGHT.record.location.model_copy(update={"name": None})}
    )
    view = session_view(replace(INPUTS, record=away), ServedLinks(), LA)
    assert view.flags[0].word == "elsewhere"
    assert "elsewhere" not in [flag.word for flag in session_view(INPUTS, ServedLinks(), LA).flags]


def test_sessions_of_one_stay_lead_to_each_other() -> None:
    other = Charge("1002", NIGHT.start + timedelta(hours=2), 4, 250_000, TIDE)
    view = session_view(replace(INPUTS, together=(NIGHT.record, other.record)), ServedLinks(), LA)
    assert [(one.is_this, one.car.name) for one in view.together] == [(True, "Ember"), (False, "Tide")]
    assert view.together[1].address == "/history/session?id=1002&month=2026-01"


def test_what_could_not_be_read_is_told_and_the_rest_is_shown() -> None:
    bare = SessionInputs(NIGHT.record, CARS, troubles=(Trouble("charging_energy/2026-01 is damaged"),))
    page = rendered(session_view(bare, ServedLinks(), LA))
    assert "charging_energy/2026-01 is damaged" in page
    assert "No reading of this session shows its power" in page
    assert "Its quarter hours are not made yet" in page
    assert "2.00 kWh" in page


READINGS = st.lists(
    st.tuples(st.integers(-600, 9000), st.none() | st.floats(0, 12), st.none() | st.floats(0, 80)),
    max_size=30,
)


@given(points=READINGS)
@example(points=[(0, 5e-324, None)])
def test_the_curve_stays_in_its_picture_and_has_no_line_where_no_power_is_known(
    points: list[tuple[int, float | None, float | None]],
) -> None:
    readings = [
        Reading(NIGHT.start + timedelta(seconds=second), energy, power, "curve")
        for second, power, energy in sorted(points, key=lambda one: one[0])
    ]
    picture = power_picture(readings, NIGHT.record, LA)
    if all(power is None for _, power, _ in points):
        assert picture is None
        return
    assert picture is not None
    assert picture.curve.highest == max(power for _, power, _ in points if power is not None)
    for path in picture.curve.paths:
        for pair in path.removesuffix("h0.01").lstrip("M").split("L"):
            x, y = (float(number) for number in pair.split())
            assert 0 <= x <= WIDTH - LEFT
            assert 0 <= y <= HEIGHT
    assert [tick.x for tick in picture.ticks] == sorted(tick.x for tick in picture.ticks)
    assert picture.grid[0].label == "0"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "\N{EN DASH}"),
        ("2026-01-07T07:00:00+00:00", "2026-01-06 23:00:00 PST"),
        ("charging", "charging"),
        ("The Marina Tariff of 2026", "The Marina Tariff of 2026"),
        ("2026-01-07T07:00:00", "2026-01-07T07:00:00"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00"),
        (True, "yes"),
        (0.0, "0.0"),
        (["idle", "tiny"], "idle, tiny"),
        ([], "\N{EN DASH}"),
    ],
)
def test_stored_values_are_shown_as_people_read_them(value: object, expected: str) -> None:
    assert shown(value, LA) == expected


@given(
    st.one_of(st.text(), st.from_regex(r"\A.{10}T.{5,}\Z"), st.from_regex(r"\A\d{4}-\d\d-\d\dT\d\d:\d\d.*\Z"))
)
def test_whatever_text_is_stored_can_be_shown(text: str) -> None:
    assert shown(text, LA)[:1] == text[:1] or shown(text, LA)[4:5] == "-"


@pytest.mark.parametrize(
    ("named_by", "said", "other"),
    [
        ("classifier", "A person should look at it", "The program would say another car"),
        ("manual", "The program would say another car", "needs review"),
    ],
)
def test_who_said_whose_it_was_is_not_asked_to_look_again(named_by: str, said: str, other: str) -> None:
    view = replace(session_view(INPUTS, ServedLinks(), LA), labeled_by=named_by, needs_review=True)
    text = rendered(view)
    assert said in text
    assert other not in text


def test_while_a_session_is_named_again_no_reason_stands_beside_another_car() -> None:
    assert INPUTS.classification is not None
    said = INPUTS.classification.model_copy(update={"vehicle_id": "another", "reason": "labelled by manual"})
    view = session_view(replace(INPUTS, classification=said), ServedLinks(), LA)
    assert view.car.vehicle_id == INPUTS.record.vehicle_id
    assert (view.reason, view.labeled_by, view.needs_review) == ("it is being named again", None, False)
