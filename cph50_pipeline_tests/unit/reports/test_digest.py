"""The digest: cars add up to the session cache in every period, and its page is inert whatever people named."""

from __future__ import annotations

import csv
import io
import random
import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.charging.cache import CacheRecord
from cph50_pipeline.civil_time import local_date, month_of
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.reports.digest import (
    WEEKS,
    Amounts,
    Digest,
    digest,
    digest_csv,
    digest_html,
    periods_markdown,
    vehicles_markdown,
)
from cph50_pipeline.storage.documents import dump_json, load_json
from cph50_pipeline.vehicles.classification import Classification
from cph50_pipeline.vehicles.config import VehicleConfig
from cph50_pipeline.vehicles.plateaus import PlateauNow
from cph50_pipeline_tests.unit.reports.records import record

PACIFIC = ZoneInfo("America/Los_Angeles")
CONFIG = VehicleConfig.read(
    {
        "vehicles": {
            "ember": {"nickname": "Ember", "efficiency_mi_per_kwh": 3.5},
            "tide": {"make": "Example", "model": "Tide"},
        }
    },
    "vehicle_config.json",
)
HOSTILE = """<script>alert("1")</script><img src=x onerror='alert(2)'> {{ 7 * 7 }} =1+1"""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def of(records: Sequence[CacheRecord], config: VehicleConfig = CONFIG, zone: ZoneInfo = PACIFIC) -> Digest:
    return digest(records, {}, config, {}, zone)


def classified(
    session_id: str, by: str | None, confidence: float, needs_review: bool = False
) -> Classification:
    return Classification(
        session_id=session_id,
        vehicle_id="ember",
        confidence=confidence,
        labeled_by=by,  # type: ignore[arg-type]
        labeled_at=None,
        final=True,
        needs_review=needs_review,
        reason="",
    )


def micro(value: float | None) -> int:
    return round((value or 0.0) * 10**6)


def test_a_car_sums_its_energy_cost_and_miles() -> None:
    found = of(
        [
            record("1", utc("2026-01-05T10:00"), "ember", 10.5, 2.5),
            record("2", utc("2026-01-06T10:00"), "ember", 20.0, None),
            record("3", utc("2026-01-07T10:00"), "tide", 9.5, 1.25),
        ]
    )
    ember, tide, unknown = found.vehicles
    assert (ember.name, ember.sessions, ember.energy_kwh) == ("Ember", 2, 30.5)
    assert (ember.cost, ember.sessions_without_cost, ember.miles) == (2.5, 1, 106.75)
    assert ember.energy_share == pytest.approx(0.7625)
    assert (tide.name, tide.cost, tide.miles) == ("Example Tide", 1.25, None)
    assert (unknown.vehicle_id, unknown.sessions, unknown.cost) == ("unknown", 0, None)
    assert (found.total.energy_kwh, found.total.cost, found.total.miles) == (40.0, 3.75, 106.75)


def test_a_car_that_left_the_configuration_is_counted_under_its_id() -> None:
    found = of([record("1", utc("2026-01-05T10:00"), "sold_van", 5.0)])
    assert [vehicle.vehicle_id for vehicle in found.vehicles] == ["ember", "sold_van", "tide", "unknown"]
    assert found.vehicles[1].name == "sold_van"


def test_who_named_the_car_and_how_surely_is_counted() -> None:
    records = [record(str(number), utc("2026-01-05T10:00"), "ember", 1.0) for number in range(4)]
    named = [
        classified("0", "manual", 1.0),
        classified("1", "classifier", 0.9),
        classified("2", "classifier", 0.6, needs_review=True),
    ]
    ember = digest(records, {one.session_id: one for one in named}, CONFIG, {}, PACIFIC).vehicles[0]
    assert (ember.labels, ember.mean_confidence, ember.needs_review) == (1, 0.75, 1)


def test_the_plateau_stands_beside_the_models() -> None:
    plateaus = {"tide": PlateauNow("tide", "9", 10, 9.21, 9.06, 0.0166, 0.0171, 0.004)}
    tide = digest([], {}, CONFIG, plateaus, PACIFIC).vehicles[1]
    assert tide.plateau is not None
    assert (tide.plateau.power_kw, tide.plateau.model_kw, tide.plateau.has_moved) == (9.21, 9.06, True)
    assert "9.21" in digest_html(digest([], {}, CONFIG, plateaus, PACIFIC))


@pytest.mark.parametrize(
    ("start", "month", "week"),
    [
        ("2026-02-01T07:59:59", "2026-01", "2026-W05"),  # local midnight is at 08:00
        ("2026-02-01T08:00:00", "2026-02", "2026-W05"),
        ("2026-01-05T07:59:59", "2026-01", "2026-W01"),  # the ISO year and its weeks begin on Mondays
        ("2027-01-01T09:00:00", "2027-01", "2026-W53"),
        ("2026-11-01T08:30:00", "2026-11", "2026-W44"),  # the hour that comes twice
        ("2026-11-01T09:30:00", "2026-11", "2026-W44"),
    ],
)
def test_a_session_counts_in_the_local_month_and_week_of_its_start(start: str, month: str, week: str) -> None:
    found = of([record("1", utc(start), "ember", 5.0)])
    assert [period.period for period in found.months] == [month]
    assert [period.period for period in found.weeks] == [week]


def test_all_months_and_the_last_weeks_with_data_are_shown_without_gaps_being_filled() -> None:
    starts = [utc("2025-01-06T20:00") + timedelta(weeks=2 * number) for number in range(20)]
    found = of([record(str(number), start, "tide", 1.0) for number, start in enumerate(starts)])
    assert len(found.weeks) == WEEKS
    assert found.weeks[-1].period == "2025-W40"
    assert found.weeks[0].period == "2025-W18"
    assert len(found.months) == len({month_of(start, PACIFIC) for start in starts})


histories = st.lists(
    st.tuples(
        st.datetimes(datetime(2024, 12, 1), datetime(2026, 3, 1), timezones=st.just(UTC)),
        st.sampled_from(["ember", "tide", "unknown", "sold_van"]),
        st.floats(0, 120).map(lambda value: round(value, 6)),
        st.none() | st.floats(0, 80).map(lambda value: round(value, 6)),
    ),
    max_size=40,
)


@given(histories, st.sampled_from(["America/Los_Angeles", "UTC", "Pacific/Apia", "Australia/Lord_Howe"]))
def test_the_cars_of_every_period_add_up_to_the_session_cache(
    history: list[tuple[datetime, str, float, float | None]], zone_name: str
) -> None:
    zone = ZoneInfo(zone_name)
    records = [record(str(number), *fields) for number, fields in enumerate(history)]
    found = of(records, zone=zone)

    assert sums([found.total]) == of_cache(records)
    assert sums(found.vehicles) == of_cache(records)
    assert sums([period.total for period in found.months]) == of_cache(records)
    for period in [*found.months, *found.weeks]:
        assert sums(period.vehicles) == sums([period.total])
    by_month = defaultdict(list)
    by_week = defaultdict(list)
    for one in records:
        by_month[month_of(one.session_start_time, zone)].append(one)
        by_week["{:04}-W{:02}".format(*local_date(one.session_start_time, zone).isocalendar())].append(one)
    assert {p.period: sums([p.total]) for p in found.months} == {m: of_cache(r) for m, r in by_month.items()}
    assert {p.period: sums([p.total]) for p in found.weeks} == {
        week: of_cache(by_week[week]) for week in sorted(by_week)[-WEEKS:]
    }


def sums(amounts: Sequence[Amounts]) -> tuple[int, int, int, int]:
    return (
        sum(one.sessions for one in amounts),
        sum(micro(one.energy_kwh) for one in amounts),
        sum(micro(one.cost) for one in amounts),
        sum(one.sessions_without_cost for one in amounts),
    )


def of_cache(records: Sequence[CacheRecord]) -> tuple[int, int, int, int]:
    return (
        len(records),
        sum(micro(one.energy_kwh) for one in records),
        sum(micro(one.session.cost) for one in records),
        sum(one.session.cost is None for one in records),
    )


@given(histories, st.randoms(use_true_random=False))
def test_the_same_sessions_give_the_same_files(
    history: list[tuple[datetime, str, float, float | None]], order: random.Random
) -> None:
    records = [record(str(number), *fields) for number, fields in enumerate(history)]
    first = of(records)
    order.shuffle(records)
    again = of(records)
    assert dump_json(again.model_dump(mode="json")) == dump_json(first.model_dump(mode="json"))
    assert (digest_csv(again), digest_html(again)) == (digest_csv(first), digest_html(first))


def test_the_document_is_read_back_as_it_was_and_a_damaged_one_is_refused() -> None:
    found = of([record("1", utc("2026-01-05T10:00"), "ember", 10.5, 2.5)])
    data = dump_json(found.model_dump(mode="json"))
    assert Digest.read(load_json(data, "reports/vehicles.json"), "reports/vehicles.json") == found
    damaged = {name: value for name, value in found.model_dump(mode="json").items() if name != "total"}
    with pytest.raises(BadInputError, match=r"reports/vehicles\.json: total"):
        Digest.read(damaged, "reports/vehicles.json")


def test_the_table_of_figures_has_a_sum_for_every_period() -> None:
    found = of(
        [
            record("1", utc("2026-01-05T10:00"), "ember", 10.5, 2.5),
            record("2", utc("2026-02-06T10:00"), "tide", 9.5, None),
        ]
    )
    rows = list(csv.DictReader(io.StringIO(digest_csv(found))))
    for kind, period in [("all", ""), ("month", "2026-01"), ("month", "2026-02"), ("week", "2026-W06")]:
        members = [row for row in rows if (row["period_kind"], row["period"]) == (kind, period)]
        [total] = [row for row in members if row["scope"] == "all"]
        energies = [float(row["energy_kwh"]) for row in members if row["scope"] == "vehicle"]
        assert sum(energies) == float(total["energy_kwh"])
    assert [row["cost"] for row in rows if row["period"] == "2026-02"] == ["", ""]


class Page(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_hostile_names_are_only_text_on_the_page_and_in_the_tables() -> None:
    config = VehicleConfig.read(
        {"vehicles": {"ember": {"nickname": HOSTILE, "characteristics": HOSTILE}}}, "vehicle_config.json"
    )
    found = of([record("1", utc("2026-01-05T10:00"), "ember", 10.5, 2.5)], config)
    page = Page(digest_html(found))
    assert HOSTILE in page.texts
    assert page.tags.isdisjoint({"script", "img", "link", "iframe", "a", "form", "object"})
    assert not any(name.startswith("on") or name in ("src", "href") for name in page.attributes)
    for table in (vehicles_markdown(found), periods_markdown(found.months, found.vehicles)):
        assert "<" not in table
    formula = of([record("1", utc("2026-01-05T10:00"), "=cmd|calc", 1.0)])
    assert "'=cmd|calc" in digest_csv(formula)


def test_the_page_needs_nothing_else_and_says_no_time_of_its_making() -> None:
    page = digest_html(of([record("1", utc("2026-01-05T10:00"), "ember", 10.5, 2.5)]))
    assert "http:" not in page
    assert "https:" not in page
    assert "url(" not in page
    assert "default-src 'none'" in page
    assert 'name="viewport"' in page
    assert "prefers-color-scheme: dark" in page
    assert page.endswith("</html>\n")
    assert set(re.findall(r"\b20\d\d-\d\d-\d\d\b", page)) == {"2026-01-05"}


def test_a_household_without_sessions_has_a_page_that_says_so() -> None:
    found = of([])
    assert (found.total.sessions, found.total.energy_share, found.first_start) == (0, None, None)
    assert "No session is stored yet" in digest_html(found)
