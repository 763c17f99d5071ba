from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.charging.activity import (
    ActivityMonth,
    StoredSession,
    given_up,
    merge,
    needs_detail,
    open_sessions,
    placed,
)
from cph50_pipeline.charging.answers import ActivityRow, ChargingStatus
from cph50_pipeline.charging.sessions import read_sessions
from cph50_pipeline.civil_time import from_epoch_ms, month_of
from cph50_pipeline.errors import BadInputError
from cph50_pipeline_tests.unit.charging.builders import (
    PACIFIC,
    START,
    ZONES,
    answer,
    month_of_answers,
    open_answer,
    row,
    status,
)

EMPTY = ActivityMonth(month="2025-11")


@st.composite
def rows(draw: st.DrawFn) -> ActivityRow:
    return ActivityRow.model_validate(_any_answer(draw))


@st.composite
def statuses(draw: st.DrawFn) -> ChargingStatus:
    points = draw(st.lists(st.floats(0, 60, allow_nan=False), max_size=3))
    curve = [
        {"timestamp": 1_762_243_201_000 + 1000 * n, "energy_kwh": value} for n, value in enumerate(points)
    ]
    return ChargingStatus.model_validate({**_any_answer(draw), "update_data": curve})


def _any_answer(draw: st.DrawFn) -> dict[str, Any]:
    """Answers of few sessions in few states, so that many meet and some tie in all that counts as fuller."""
    make = draw(st.sampled_from([answer, open_answer]))
    fields: dict[str, Any] = make(
        session_id=draw(st.sampled_from(["501", "502"])),
        minutes=draw(st.sampled_from([30, 60])),
        energy_kwh=draw(st.sampled_from([0.0, 1.5, 8.0])),
        total_amount=draw(st.sampled_from([None, 0.5, 0.8])),
        city=draw(st.sampled_from([None, "here", "there"])),
    )
    return fields


@given(st.lists(rows(), max_size=6), st.lists(statuses(), max_size=6), st.randoms())
def test_the_order_and_number_of_answers_do_not_matter(
    all_rows: list[ActivityRow], all_statuses: list[ChargingStatus], random: Random
) -> None:
    at_once = merge(EMPTY, all_rows, all_statuses, PACIFIC)
    answers: list[ActivityRow | ChargingStatus] = [*all_rows, *all_statuses, *all_rows]
    random.shuffle(answers)
    one_by_one = EMPTY
    for single in answers:
        rows_now = [single] if isinstance(single, ActivityRow) else []
        statuses_now = [single] if isinstance(single, ChargingStatus) else []
        one_by_one = merge(one_by_one, rows_now, statuses_now, PACIFIC)

    assert one_by_one.document() == at_once.document()


@given(st.lists(rows(), max_size=6), st.lists(statuses(), max_size=6))
def test_taking_the_same_answers_in_again_changes_nothing(
    all_rows: list[ActivityRow], all_statuses: list[ChargingStatus]
) -> None:
    once = merge(EMPTY, all_rows, all_statuses, PACIFIC)

    assert merge(once, all_rows, all_statuses, PACIFIC).document() == once.document()


@given(st.lists(rows(), max_size=4), st.lists(statuses(), max_size=4), rows(), statuses())
def test_no_answer_takes_anything_away(
    all_rows: list[ActivityRow],
    all_statuses: list[ChargingStatus],
    late_row: ActivityRow,
    late: ChargingStatus,
) -> None:
    before = merge(EMPTY, all_rows, all_statuses, PACIFIC)
    after = merge(before, [late_row], [late], PACIFIC)

    for session_id, stored in before.sessions.items():
        assert after.sessions[session_id].has_ended >= stored.has_ended
        assert (after.sessions[session_id].status is None) <= (stored.status is None)
    assert set(open_sessions(after)) - {late_row.session_id, late.session_id} <= set(open_sessions(before))


@given(st.lists(rows(), min_size=1, max_size=4), st.lists(statuses(), max_size=4))
def test_a_stored_month_reads_back_as_it_was(
    all_rows: list[ActivityRow], all_statuses: list[ChargingStatus]
) -> None:
    month = merge(EMPTY, all_rows, all_statuses, PACIFIC)
    stored = json.loads(json.dumps(month.document()))

    assert ActivityMonth.read(stored, "2025-11.json").document() == month.document()


def test_undeclared_fields_are_stored_as_answered() -> None:
    month = month_of_answers([row(utility={"name": "Example Energy", "plans": [{"code": "EV-1"}]})])

    stored = month.document()["sessions"]["501"]["activity"]
    assert stored["utility"] == {"name": "Example Energy", "plans": [{"code": "EV-1"}]}


def test_a_later_answer_of_an_open_session_replaces_the_earlier() -> None:
    early = ActivityRow.model_validate(open_answer(minutes=10, energy_kwh=1.0))
    late = ActivityRow.model_validate(open_answer(minutes=20, energy_kwh=2.0))
    month = merge(month_of_answers([late]), [early], [], PACIFIC)

    assert month.sessions["501"].activity == late


def test_an_ended_answer_outweighs_a_later_open_one() -> None:
    ended = row(minutes=60)
    stale = ActivityRow.model_validate(open_answer(minutes=90))

    assert merge(month_of_answers([ended]), [stale], [], PACIFIC).sessions["501"].activity == ended


def test_a_scrubbed_answer_replaces_the_same_answer_stored_in_private() -> None:
    private, public = row(address1="1 Example Street", lat=32.0), row(address1=None, lat=None)

    assert merge(month_of_answers([private]), [public], [], PACIFIC).sessions["501"].activity == public
    assert merge(month_of_answers([public]), [private], [], PACIFIC).sessions["501"].activity == public


def test_a_field_that_came_later_is_taken_in() -> None:
    unpriced, priced = row(total_amount=None), row(total_amount=0.8)

    assert merge(month_of_answers([unpriced]), [priced], [], PACIFIC).sessions["501"].activity == priced
    assert merge(month_of_answers([priced]), [unpriced], [], PACIFIC).sessions["501"].activity == priced


def test_a_closed_month_stays_closed_and_still_takes_a_fuller_answer() -> None:
    closed = ActivityMonth(month="2025-11", closed=True)
    month = merge(closed, [row()], [], PACIFIC)

    assert month.closed
    assert list(month.sessions) == ["501"]


@pytest.mark.parametrize(
    ("start", "belongs"),
    [
        (datetime(2025, 11, 1, 6, 59, 59, tzinfo=UTC), False),
        (datetime(2025, 11, 1, 7, 0, 0, tzinfo=UTC), True),
        (datetime(2025, 12, 1, 7, 59, 59, tzinfo=UTC), True),
        (datetime(2025, 12, 1, 8, 0, 0, tzinfo=UTC), False),
    ],
)
def test_a_session_belongs_to_the_month_of_its_local_start(start: datetime, belongs: bool) -> None:
    assert bool(merge(EMPTY, [row(start=start)], [status(start=start)], PACIFIC).sessions) == belongs


def test_a_session_without_status_needs_its_detail() -> None:
    month = month_of_answers([row()])

    assert needs_detail(None, row())
    assert needs_detail(month.sessions["501"], row())


def test_a_session_whose_status_says_all_is_not_asked_for_again() -> None:
    stored = month_of_answers([row()], [status()]).sessions["501"]

    assert not needs_detail(stored, row())
    assert not needs_detail(stored, row(minutes=61, energy_kwh=8.0))
    assert not needs_detail(stored, ActivityRow.model_validate(open_answer(minutes=90)))


@pytest.mark.parametrize("news", [row(), ActivityRow.model_validate(open_answer(minutes=45))])
def test_a_row_that_knows_of_more_asks_for_the_detail(news: ActivityRow) -> None:
    running = ChargingStatus.model_validate(open_answer(minutes=30, energy_kwh=8.0))
    stored = month_of_answers([], [running]).sessions["501"]

    assert needs_detail(stored, news)


def test_more_energy_than_the_stored_status_asks_for_the_detail() -> None:
    stored = month_of_answers([row()], [status(energy_kwh=7.9)]).sessions["501"]

    assert needs_detail(stored, row(energy_kwh=8.0))


def test_open_sessions_are_those_that_no_answer_calls_over() -> None:
    running = ActivityRow.model_validate(open_answer(session_id="502", start=START + timedelta(hours=2)))
    ended_by_status_alone = ActivityRow.model_validate(open_answer(session_id="503"))
    month = month_of_answers([row(), running, ended_by_status_alone], [status(session_id="503")])

    assert open_sessions(month) == ["502"]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ({"energy_kwh": "much"}, "session 501: activity.energy_kwh"),
        ({"start_time": None}, "session 501: activity.start_time"),
        ({"session_id": "777"}, "session 501 holds an answer of session 777"),
    ],
)
def test_a_damaged_month_names_file_session_and_field(damage: dict[str, Any], says: str) -> None:
    document = month_of_answers([row()]).document()
    document["sessions"]["501"]["activity"].update(damage)

    with pytest.raises(BadInputError) as caught:
        ActivityMonth.read(document, "chargepoint_activity/2025-11.json")
    assert "chargepoint_activity/2025-11.json" in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "document",
    [[], None, {"sessions": {}}, {"month": "2025-13"}, {"month": "2025-11", "sessions": {"501": {}}}],
)
def test_what_is_no_month_is_refused(document: object) -> None:
    with pytest.raises(BadInputError, match=r"a_file\.json"):
        ActivityMonth.read(document, "a_file.json")


def test_a_session_that_chargepoint_forgot_is_over_with_its_last_reading_until_it_answers_again() -> None:
    open_status = ChargingStatus(
        session_id="7",
        start_time=1_760_000_000_000,
        energy_kwh=3.0,
        current_charging="in_use",
        last_update_data_timestamp=1_760_000_600_000,
    )
    month = merge(ActivityMonth(month="2025-10"), [], [open_status], ZoneInfo("UTC"))
    gone = given_up(month, "7")
    assert open_sessions(month) == ["7"]
    assert open_sessions(gone) == []
    [session] = read_sessions(gone)
    assert session.end == from_epoch_ms(1_760_000_600_000)
    assert "end_assumed" in session.flags
    assert ActivityMonth.read(gone.document(), "file") == gone
    assert merge(gone, [], [open_status], ZoneInfo("UTC")) == gone
    more = open_status.model_copy(update={"energy_kwh": 4.0})
    assert open_sessions(merge(gone, [], [more], ZoneInfo("UTC"))) == ["7"]


@st.composite
def histories(draw: st.DrawFn) -> list[ActivityMonth]:
    """Months as some zone has them, some closed, with sessions around the ends of months, some given up."""
    zone = draw(st.sampled_from(ZONES))
    months = {key: ActivityMonth(month=key, closed=draw(st.booleans())) for key in ("2025-10", "2025-11")}
    for number in range(draw(st.integers(0, 6))):
        hours = draw(st.integers(-30, 30))
        make = draw(st.sampled_from([answer, open_answer]))
        fields = make(
            session_id=str(number), start=datetime(2025, 11, 1, tzinfo=UTC) + timedelta(hours=hours)
        )
        rows = [ActivityRow.model_validate(fields)]
        statuses = [ChargingStatus.model_validate(fields)] if draw(st.booleans()) else []
        months = {key: merge(month, rows, statuses, zone) for key, month in months.items()}
        if draw(st.booleans()):
            holder = next((key for key, month in months.items() if str(number) in month.sessions), None)
            months |= {holder: given_up(months[holder], str(number))} if holder else {}
    return list(months.values())


def documents(months: Iterable[ActivityMonth]) -> list[dict[str, Any]]:
    return [month.document() for month in months]


@given(histories(), st.sampled_from(ZONES))
def test_placed_by_any_zone_every_session_stands_once_as_it_was_and_in_its_month(
    history: list[ActivityMonth], zone: ZoneInfo
) -> None:
    made = placed(history, zone)
    before = {key: stored for month in history for key, stored in month.sessions.items()}
    after = [item for month in made.values() for item in month.sessions.items()]

    assert len(after) == len(before)
    assert dict(after) == before
    for key, month in made.items():
        assert month.month == key
        for stored in month.sessions.values():
            assert {month_of(from_epoch_ms(one.start_time), zone) for one in stored.answers} == {key}


@given(histories(), st.sampled_from(ZONES), st.randoms())
def test_placed_twice_or_in_another_order_is_the_same(
    history: list[ActivityMonth], zone: ZoneInfo, random: Random
) -> None:
    made = placed(history, zone)
    shuffled = random.sample(history, len(history))

    assert documents(placed(shuffled, zone).values()) == documents(made.values())
    assert documents(placed(made.values(), zone).values()) == documents(made.values())


@given(histories(), st.sampled_from(ZONES))
def test_what_a_killed_rebuild_left_in_both_months_is_placed_as_if_it_had_not_run(
    history: list[ActivityMonth], zone: ZoneInfo
) -> None:
    made = placed(history, zone)
    stored = {month.month: month for month in history}
    half_done = [
        month.model_copy(update={"sessions": {**stored[key].sessions, **month.sessions}}) if key in stored else month
        for key, month in made.items()
    ]  # fmt: skip

    again = placed(half_done, zone)
    assert [month.sessions for month in again.values()] == [month.sessions for month in made.values()]


def test_a_session_in_two_months_is_one_again_with_the_fuller_answers() -> None:
    early = month_of_answers([ActivityRow.model_validate(open_answer(minutes=10, energy_kwh=1.0))])
    late = month_of_answers([row()], [status()])
    strayed = early.model_copy(update={"month": "2025-10"})

    made = placed([strayed, late], PACIFIC)
    assert made["2025-10"].sessions == {}
    assert made["2025-11"].sessions == late.sessions


@pytest.mark.parametrize("closed", [(True, True), (True, False), (False, True)])
def test_a_month_stays_closed_only_where_all_that_its_sessions_come_from_was_closed(
    closed: tuple[bool, bool],
) -> None:
    november = month_of_answers([row()]).model_copy(update={"closed": closed[0]})
    stray = row(session_id="502", start=START + timedelta(days=1))
    december = ActivityMonth(
        month="2025-12", closed=closed[1], sessions={"502": StoredSession(activity=stray)}
    )

    made = placed([november, december], PACIFIC)
    assert made["2025-11"].closed == all(closed)
    assert made["2025-12"].closed == closed[1]


def test_a_month_that_was_never_asked_for_is_open_whatever_joins_it() -> None:
    october = month_of_answers([row()]).model_copy(update={"month": "2025-10", "closed": True})

    assert not placed([october], PACIFIC)["2025-11"].closed
