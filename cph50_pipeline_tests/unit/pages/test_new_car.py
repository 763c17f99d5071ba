"""The form that adds a car: whatever is given is looked through, and what passes the file takes."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.pages.new_car import FIELDS, checked_form, empty_form
from cph50_pipeline.vehicles.config import Vehicle, VehicleConfig, with_vehicle

TODAY = date(2026, 1, 20)
HOUSEHOLD = VehicleConfig(
    vehicles={"ember": Vehicle(nickname="Ember"), "b": Vehicle(make="Volvo", model="EX30")}
)
TEXTS = st.text(max_size=12) | st.sampled_from(
    ["3,4", "0", "2024", "99999", "2026-01-20", "2026-W03-1", "1e9"]
)


@given(st.dictionaries(st.sampled_from(FIELDS), TEXTS))
def test_what_has_no_problem_the_file_takes(fields: dict[str, str]) -> None:
    form = checked_form(fields, HOUSEHOLD, TODAY)
    assert form.is_open
    if not form.problems:
        document = with_vehicle({}, "new", form.fields, form.days, datetime(2026, 1, 20, tzinfo=UTC))
        assert VehicleConfig.read(document, "cars").vehicles["new"].belongs_on(TODAY)


@pytest.mark.parametrize("name", ["Ember", " eMBER ", "volvo ex30"])
def test_no_two_cars_are_called_alike(name: str) -> None:
    assert {*checked_form({"nickname": name}, HOUSEHOLD, TODAY).problems} == {"nickname"}


def test_today_may_be_a_first_day_and_tomorrow_not() -> None:
    today, tomorrow = (
        checked_form({"nickname": "A", "first_day": day}, HOUSEHOLD, TODAY)
        for day in ("2026-01-20", "2026-01-21")
    )
    assert today.days == {"from": "2026-01-20", "to": None}
    assert {*tomorrow.problems} == {"first_day"}


def test_a_form_that_nobody_filled_in_says_nothing() -> None:
    form = empty_form()
    assert (form.is_open, form.problems, form.fields, form.days) == (False, {}, {}, {})
