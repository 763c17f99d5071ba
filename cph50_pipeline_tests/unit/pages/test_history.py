"""The history page: exact sums whatever the sessions and the period, and a list as somebody wants it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cph50_pipeline.pages.history import Amounts, HistoryView, Wanted, Way, history_view
from cph50_pipeline.pages.links import ServedLinks, StaticLinks
from cph50_pipeline.pages.measures import SHOWS, Show
from cph50_pipeline.pages.periods import Period, View, containing
from cph50_pipeline.pages.rendering import render
from cph50_pipeline.pages.troubles import Trouble
from cph50_pipeline.vehicles.config import VehicleConfig
from cph50_pipeline_tests.unit.pages.charges import CARS, EMBER, LA, TIDE, Charge, inputs_of

TODAY = date(2026, 3, 20)
JANUARY = containing("month", date(2026, 1, 1))
BEGIN = datetime(2025, 10, 1, tzinfo=UTC)
CHARGES = st.lists(
    st.builds(
        Charge,
        session_id=st.uuids().map(str),
        start=st.integers(0, 200 * 24 * 60).map(lambda minutes: BEGIN + timedelta(minutes=minutes)),
        quarters=st.integers(0, 200),
        energy=st.integers(0, 3_000_000),
        vehicle_id=st.sampled_from([EMBER, TIDE, "unknown", "sold_last_year"]),
        cost=st.none() | st.integers(0, 1_000_000),
    ),
    max_size=12,
    unique_by=lambda one: one.session_id,
)
PERIODS = st.builds(
    lambda view, day, length: (
        Period("range", day, day + timedelta(days=length)) if view == "range" else containing(view, day)
    ),
    st.sampled_from(["day", "month", "year", "range"]),
    st.dates(date(2025, 10, 1), date(2026, 4, 20)),
    st.integers(0, 150),
)


def seen(charges: list[Charge], period: Period = JANUARY, **wanted: Any) -> HistoryView:
    return history_view(inputs_of(charges), period, ServedLinks(), LA, TODAY, Wanted(**wanted))


def millionths(value: float | None) -> int | None:
    return None if value is None else round(value * 1e6)


@settings(deadline=None)
@given(charges=CHARGES, period=PERIODS, only=st.frozensets(st.sampled_from([EMBER, TIDE]), max_size=2))
def test_the_bars_the_parts_the_cars_and_the_sessions_sum_to_the_same(
    charges: list[Charge], period: Period, only: frozenset[str]
) -> None:
    view = history_view(inputs_of(charges), period, ServedLinks(), LA, TODAY, Wanted(only), page_size=None)
    total = millionths(view.total.energy_kwh)
    start, end = period.bounds(LA)
    drawn = [
        quarter
        for one in charges
        if not only or one.vehicle_id in only
        for quarter in one.drawn
        if start.timestamp() * 1000 <= quarter.start_ms < end.timestamp() * 1000
    ]
    assert total == sum(quarter.energy for quarter in drawn)
    assert total == sum(millionths(bar.total) or 0 for bar in view.chart.bars)
    assert total == sum(millionths(part.total.energy_kwh) or 0 for part in view.parts)
    assert total == sum(millionths(row.energy_kwh) or 0 for row in view.rows)
    assert millionths(view.total.cost) == (
        sum(quarter.cost or 0 for quarter in drawn) if any(q.cost is not None for q in drawn) else None
    )
    for one in view.by_car:
        assert one.car is not None
        bars = [part.value for bar in view.chart.bars for part in bar.segments if part.name == one.car.name]
        assert millionths(one.energy_kwh) == sum(millionths(value) or 0 for value in bars)
    assert view.total.sessions == sum(one.sessions for one in view.by_car) == len(view.rows)
    shown = [float(f"{(one.share or 0) * 100:.0f}") for one in view.by_car]
    assert sum(shown) == (100 if total else 0)
    assert all(
        abs(percent - 100 * one.energy_kwh * 1e6 / total) < 1
        for percent, one in zip(shown, view.by_car, strict=True)
        if total
    )


@settings(deadline=None)
@given(charges=CHARGES, period=PERIODS, show=st.sampled_from(SHOWS))
def test_whatever_the_bars_show_they_sum_to_the_tables_and_say_what_is_missing(
    charges: list[Charge], period: Period, show: Show
) -> None:
    view = history_view(inputs_of(charges), period, ServedLinks(), LA, TODAY, Wanted(show=show))
    drawn = sum(bar.total for bar in view.chart.bars)
    assert drawn == pytest.approx(view.total.of(show) or 0, abs=1e-9)
    assert sum(part.total.of(show) or 0 for part in view.parts) == pytest.approx(drawn, abs=1e-9)
    for place, one in enumerate(view.by_car):
        bars = [bar.segments[place].value for bar in view.chart.bars]
        assert sum(bars) == pytest.approx(one.of(show) or 0, abs=1e-9)
        assert sum(part.by_car[place].of(show) or 0 for part in view.parts) == pytest.approx(sum(bars))
    missing = [part.total.unknown_kwh(show) for part in view.parts]
    assert sum(missing) == pytest.approx(view.total.unknown_kwh(show), abs=1e-9)
    assert [bool(bar.unknown) for bar in view.chart.bars] == [one > 0 for one in missing]
    if show == "sessions":
        assert drawn == view.total.sessions == len(view.rows)


@settings(deadline=None, max_examples=25)
@given(charges=CHARGES, month=st.dates(date(2025, 10, 1), date(2026, 4, 1)))
def test_a_months_days_sum_to_the_month_and_a_years_months_to_the_year(
    charges: list[Charge], month: date
) -> None:
    inputs = inputs_of(charges)

    def energy(period: Period) -> int:
        return millionths(history_view(inputs, period, ServedLinks(), LA, TODAY).total.energy_kwh) or 0

    for view, whole in (("day", containing("month", month)), ("month", containing("year", month))):
        inner: View = "day" if view == "day" else "month"
        part, total = containing(inner, whole.first), 0
        while part.first <= whole.last:
            total += energy(part)
            assert part.next is not None
            part = part.next
        assert total == energy(whole)


def test_a_session_over_midnight_counts_on_each_day_by_its_energy_and_says_so() -> None:
    # From 23:00 to 02:00 in Los Angeles: four quarters before midnight, eight after it.
    night = Charge("1", datetime(2026, 1, 7, 7, tzinfo=UTC), 12, 250_000)
    first = seen([night], containing("day", date(2026, 1, 6)))
    second = seen([night], containing("day", date(2026, 1, 7)))
    assert (first.total.energy_kwh, second.total.energy_kwh) == (1.0, 2.0)
    assert (first.began_before, second.began_before) == (0, 1)
    assert (second.rows[0].energy_kwh, second.rows[0].whole_kwh) == (2.0, 3.0)
    assert second.rows[0].cost == pytest.approx(0.8)
    assert seen([night]).rows[0].whole_kwh is None


def test_a_session_from_the_month_before_counts_in_the_new_year() -> None:
    night = Charge("1", datetime(2026, 1, 1, 7, tzinfo=UTC), 8, 500_000)
    assert seen([night]).total.energy_kwh == 2.0
    assert seen([night], containing("year", date(2025, 6, 1))).total.energy_kwh == 2.0
    assert seen([night]).began_before == 1


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 8), 23), (date(2025, 11, 2), 25)])
def test_a_day_on_which_clocks_change_has_all_of_its_energy_in_as_many_bars_as_hours(
    day: date, hours: int
) -> None:
    start, end = containing("day", day).bounds(LA)
    assert (end - start) == timedelta(hours=hours)
    view = seen([Charge("1", start, 4 * hours, 250_000)], containing("day", day))
    assert len(view.chart.bars) == hours
    assert {bar.total for bar in view.chart.bars} == {1.0}
    assert view.total.energy_kwh == hours


def test_what_is_not_known_is_said_and_never_counted_as_zero() -> None:
    start = datetime(2026, 1, 7, 20, tzinfo=UTC)
    known = Charge("1", start, 4, 1_000_000, EMBER)
    unpriced = Charge("2", start + timedelta(hours=3), 2, 1_000_000, TIDE, cost=None)
    total = seen([known, unpriced]).total
    assert (total.cost, total.unknown_cost_kwh) == (pytest.approx(0.4), 2.0)
    assert (total.miles, total.unknown_miles_kwh) == (14.0, 2.0)
    alone: Amounts = seen([unpriced]).total
    assert (alone.cost, alone.miles) == (None, None)


def test_a_session_without_energy_is_listed_on_its_start_and_one_whose_energy_nothing_tells_has_none() -> (
    None
):
    start = datetime(2026, 1, 7, 20, tzinfo=UTC)
    empty, lost = Charge("1", start, 0, 0), Charge("2", start, 8, 1_000_000)
    inputs = replace(inputs_of([empty, lost]), draws=())
    view = history_view(inputs, containing("day", date(2026, 1, 7)), ServedLinks(), LA, TODAY)
    assert {row.session_id: row.energy_kwh for row in view.rows} == {"1": 0.0, "2": None}
    assert view.total.sessions == 2
    assert history_view(inputs, containing("day", date(2026, 1, 8)), ServedLinks(), LA, TODAY).is_empty


def test_cars_narrow_all_of_the_page_and_a_text_the_list_alone() -> None:
    start = datetime(2026, 1, 7, 20, tzinfo=UTC)
    charges = [
        Charge("1", start, 4, 1_000_000, EMBER, flags=("tiny",)),
        Charge("2", start + timedelta(hours=3), 2, 1_000_000, TIDE),
    ]
    narrowed = seen(charges, vehicles=frozenset({TIDE}))
    assert (narrowed.total.energy_kwh, len(narrowed.rows), len(narrowed.cars)) == (2.0, 1, 1)
    assert [choice.is_chosen for choice in narrowed.choices] == [False, True, False]
    found = seen(charges, text="TINY")
    assert ([row.session_id for row in found.rows], found.total.energy_kwh) == (["1"], 6.0)
    assert seen(charges, text="nothing like it").listed == 0


@pytest.mark.parametrize("sort", ["start", "end", "car", "energy", "duration", "cost", "peak"])
def test_the_list_is_sorted_both_ways_and_what_has_no_value_is_last(sort: Any) -> None:
    start = datetime(2026, 1, 7, 2, tzinfo=UTC)
    charges = [
        Charge(str(n), start + timedelta(hours=5 * n), 4 + n, 1_000_000 - n, (EMBER, TIDE)[n % 2], 7 * n)
        for n in range(4)
    ]
    charges.append(Charge("9", start + timedelta(hours=30), 9, 5, EMBER, cost=None, is_open=True))
    up = [row.session_id for row in seen(charges, sort=sort, order="asc").rows]
    down = [row.session_id for row in seen(charges, sort=sort, order="desc").rows]
    assert sorted(up) == sorted(down) == ["0", "1", "2", "3", "9"]
    if sort in ("end", "cost"):
        assert (up[-1], down[-1]) == ("9", "9")
        assert up[:-1] == down[:-1][::-1]
    elif sort not in ("car", "peak"):
        assert up == down[::-1]


def test_a_heading_sorts_by_its_column_and_again_the_other_way() -> None:
    view = seen([Charge("1", datetime(2026, 1, 7, 20, tzinfo=UTC), 4, 1)], sort="energy", order="desc")
    by_name = {heading.name: heading for heading in view.headings}
    assert by_name["energy"].sorted_as == "descending"
    assert by_name["energy"].address == "/history?view=month&at=2026-01&sort=energy&order=asc"
    assert "sort=car&order=asc" in by_name["car"].address


def test_a_long_list_is_in_pages_and_the_page_after_the_last_is_the_last() -> None:
    start = datetime(2026, 1, 2, 20, tzinfo=UTC)
    charges = [Charge(f"{n:03d}", start + timedelta(hours=n), 1, 1) for n in range(25)]

    def page(number: int) -> HistoryView:
        return history_view(
            inputs_of(charges), JANUARY, ServedLinks(), LA, TODAY, Wanted(page=number), page_size=10
        )

    assert [len(page(number).rows) for number in (1, 2, 3, 9)] == [10, 10, 5, 5]
    assert [choice.is_chosen for choice in page(9).pages] == [False, False, True]
    assert page(1).pages[1].address.endswith("list=2")


def test_before_the_first_stored_month_and_after_today_there_is_no_way() -> None:
    charges = [Charge("1", datetime(2026, 1, 7, 20, tzinfo=UTC), 4, 1)]
    assert seen(charges).previous is None
    assert seen(charges).next == Way(containing("month", date(2026, 2, 1)), "/history?view=month&at=2026-02")
    assert seen(charges, containing("month", TODAY)).next is None
    empty = seen(charges, containing("month", TODAY))
    assert empty.is_empty
    assert empty.nearest == Way(JANUARY, "/history?view=month&at=2026-01")


@pytest.mark.parametrize(
    ("period", "before", "after"),
    [
        (containing("month", date(2150, 5, 1)), "/history?view=month&at=2026-01", None),
        (containing("day", date(2150, 5, 1)), "/history?view=month&at=2026-01", None),
        (containing("year", date(1990, 5, 1)), None, "/history?view=year&at=2026"),
        (Period("range", date(1990, 5, 1), date(1990, 5, 9)), None, "/history?view=month&at=2026-01"),
    ],
)
def test_far_from_all_that_is_stored_the_way_back_leads_to_it(
    period: Period, before: str | None, after: str | None
) -> None:
    view = seen([Charge("1", datetime(2026, 1, 7, 20, tzinfo=UTC), 4, 1)], period)
    assert (view.previous and view.previous.address, view.next and view.next.address) == (before, after)


def test_what_a_sum_lacks_stands_beside_it_in_words() -> None:
    start = datetime(2026, 1, 7, 20, tzinfo=UTC)
    known, unknown = Charge("1", start, 4, 1_000_000), Charge("2", start, 4, 500_000, cost=None)
    text = render(
        "history",
        links=ServedLinks(),
        zone="America/Los_Angeles",
        page="history",
        view=seen([known, unknown]),
        csv="/history.csv",
        person=None,
        sign_in="/sign-in",
    )
    table = text.partition('id="cars-table"')[2].partition("</div>\n")[0]
    assert re.search(r'data-figure="cost">.*?lacking">without <data [^>]*>2.0 kWh<', table)
    assert "<abbr" not in text


def test_a_session_stands_in_the_bar_in_which_it_began_and_one_from_before_in_the_first() -> None:
    charges = [
        Charge("1", datetime(2026, 1, 1, 7, tzinfo=UTC), 8, 500_000),
        Charge("2", datetime(2026, 1, 8, 7, tzinfo=UTC), 8, 500_000),
    ]
    lost = replace(inputs_of(charges), records=inputs_of(charges[:1]).records)
    for inputs in (inputs_of(charges), lost):
        view = history_view(inputs, JANUARY, ServedLinks(), LA, TODAY, Wanted(show="sessions"))
        assert [place for place, bar in enumerate(view.chart.bars, 1) if bar.total] == [1, 7]
    assert "those from before in the first" in rendered(view, ServedLinks())


def test_what_bars_lack_is_told_beside_them_and_nothing_is_drawn_of_which_nothing_is_known() -> None:
    start = datetime(2026, 1, 7, 20, tzinfo=UTC)
    unpriced = Charge("2", start, 2, 1_000_000, TIDE, cost=None)
    known = Charge("1", start + timedelta(days=2), 4, 1_000_000)
    page = rendered(seen([unpriced, known], show="cost"), ServedLinks())
    assert "2.0 kWh</data> whose cost is not known" in page
    assert page.count(">?</text>") == 1
    assert "Wed 2026-01-07: 0.00, without 2.0 kWh whose cost is not known" in page
    page = rendered(seen([unpriced], show="miles"), ServedLinks())
    assert "There is nothing to draw" in page
    assert 'class="chart"' not in page


def test_the_static_site_shows_energy_alone() -> None:
    links = StaticLinks(1)
    inputs = inputs_of([Charge("1", datetime(2026, 1, 7, 20, tzinfo=UTC), 4, 1)])
    assert "data-show" not in rendered(history_view(inputs, JANUARY, links, LA, TODAY), links)


def test_addresses_keep_what_is_wanted() -> None:
    charges = [Charge("1", datetime(2026, 1, 7, 20, tzinfo=UTC), 4, 1)]
    view = seen(charges, vehicles=frozenset({EMBER}), sort="cost", order="asc", text="tiny", show="miles")
    for address in (
        view.tabs[0].address,
        view.next and view.next.address,
        view.chart.bars[6].link,
        view.years[0].address,
    ):
        assert address is not None
        assert f"vehicle={EMBER}&q=tiny&sort=cost&order=asc&show=miles" in address
    assert "vehicle" not in view.all_cars
    assert "show=miles" in view.all_cars
    by_name = {choice.name: choice.address for choice in view.shows}
    assert by_name["cost"].endswith(f"vehicle={EMBER}&q=tiny&sort=cost&order=asc&show=cost")
    assert "show" not in by_name["energy"]


HOSTILE = '<script>alert(1)</script>"&\N{RIGHT-TO-LEFT OVERRIDE}' + "long" * 100


def rendered(view: HistoryView, links: ServedLinks | StaticLinks) -> str:
    return render(
        "history",
        links=links,
        zone=LA.key,
        page="history",
        view=view,
        csv="/history.csv",
        person=None,
        sign_in="/sign-in",
    )


def test_hostile_names_and_texts_are_inert() -> None:
    config = VehicleConfig.model_validate({"vehicles": {EMBER: {"nickname": HOSTILE}}})
    inputs = inputs_of([Charge("1", datetime(2026, 1, 7, 20, tzinfo=UTC), 4, 1, flags=("<b>",))], config)
    inputs = replace(inputs, troubles=(Trouble("<i>broken</i>", "all", "mend it"),))
    view = history_view(inputs, JANUARY, ServedLinks(), LA, TODAY, Wanted(text="long"))
    page = rendered(view, ServedLinks())
    assert "<script>alert" not in page
    assert "<b>" not in page
    assert "<i>broken" not in page
    assert "mend it" in page
    assert re.search(r"<bdi>&lt;script&gt;", page)


def test_the_static_months_page_has_each_day_and_each_session_with_its_curve_and_no_form() -> None:
    charges = [Charge(f"{n}", datetime(2026, 1, 5 + n, 7, tzinfo=UTC), 12, 250_000) for n in range(3)]
    links = StaticLinks(depth=1)
    view = history_view(inputs_of(charges), JANUARY, links, LA, TODAY, page_size=None)
    page = rendered(view, links)
    assert [f'id="day-2026-01-{day:02d}"' in page for day in range(1, 32)] == [True] * 31
    for n in range(3):
        assert f'<details id="session-{n}">' in page
    assert page.count('class="curve"') == 3
    assert "<form" not in page
    assert "/history?" not in page
    assert '"../history/2026-01.html#day-2026-01-05"' in page
    year = history_view(inputs_of(charges), containing("year", TODAY), links, LA, TODAY)
    assert '"../history/2026-01.html"' in rendered(year, links)


def test_on_the_static_page_a_session_from_the_month_before_stands_on_the_first_day() -> None:
    night = Charge("1", datetime(2026, 1, 1, 7, tzinfo=UTC), 8, 500_000)
    view = history_view(inputs_of([night]), JANUARY, StaticLinks(1), LA, TODAY, page_size=None)
    assert [row.session_id for row in view.rows_of(view.parts[0])] == ["1"]
    assert view.rows_of(view.parts[1]) == ()


def test_the_cars_that_bars_and_tables_have_are_those_of_the_period() -> None:
    charges = [Charge("1", datetime(2026, 1, 7, 20, tzinfo=UTC), 4, 1, "unknown")]
    view = seen(charges)
    assert [car.name for car in view.cars] == ["Unknown"]
    assert view.rows[0].confidence is None
    assert {choice.car.vehicle_id for choice in view.choices} == {*CARS.vehicles, "unknown"}
