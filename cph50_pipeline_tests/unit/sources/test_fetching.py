"""What is asked of a source, what becomes of answers that fail, and a sampling window from its record."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cph50_pipeline.charging.activity import ActivityMonth, merge
from cph50_pipeline.charging.answers import (
    ActiveSession,
    ActivityRow,
    ChargerStatus,
    ChargingStatus,
    TechnicalInfo,
)
from cph50_pipeline.charging.collection import CollectionRecord, new_record
from cph50_pipeline.charging.privacy import charger_label
from cph50_pipeline.errors import BadInputError, Cph50Error, NotFoundError, PermanentError, TransientError
from cph50_pipeline.sources.fetching import (
    SamplingWindow,
    fetch_amperage_limit,
    fetch_months,
    fetch_session,
    sample_session,
)
from cph50_pipeline_tests.unit.charging.builders import PACIFIC, START, open_answer, row, status

NOVEMBER = "2025-11"
TIMEOUT = TransientError("ChargePoint did not answer")
REFUSED = PermanentError("ChargePoint refuses")


@dataclass
class ScriptedSource:
    """A source that answers from lists; an error in the place of an answer is raised."""

    rows: list[ActivityRow] = field(default_factory=list)
    sessions: dict[str, list[ChargingStatus | Cph50Error]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    limits: dict[str, float | Cph50Error | None] = field(default_factory=dict)
    since: datetime | None = None
    requests_made: int = 0

    def activity(self, since: datetime, page_size: int = 50) -> list[ActivityRow]:
        self.since = since
        return self.rows

    def session(self, session_id: str) -> ChargingStatus:
        self.asked.append(session_id)
        answers = self.sessions[session_id]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Cph50Error):
            raise answer
        return answer

    def chargers(self) -> list[str]:
        return sorted(self.limits)

    def charger_status(self, charger_id: str) -> ChargerStatus:
        self.asked.append(charger_id)
        limit = self.limits[charger_id]
        if isinstance(limit, Cph50Error):
            raise limit
        settings = {"chargeLimit": limit, "possibleChargeLimit": [16, 40]}
        return ChargerStatus(is_plugged_in=True, is_connected=True, charge_amperage_settings=settings)

    def technical_info(self, charger_id: str) -> TechnicalInfo:
        raise AssertionError("not asked for")

    def user_status(self) -> ActiveSession | None:
        raise AssertionError("not asked for")

    def within(self, seconds: float) -> AbstractContextManager[None]:
        return nullcontext()

    def unmetered(self) -> AbstractContextManager[None]:
        return nullcontext()


def source_of(*ids: str, **answers: Cph50Error) -> ScriptedSource:
    """A source with a session a day; `s2=error` fails the curve of session "s2"."""
    starts = {id_: START + timedelta(days=number) for number, id_ in enumerate(ids)}
    return ScriptedSource(
        rows=[row(session_id=id_, start=start) for id_, start in starts.items()],
        sessions={
            id_: [answers.get(id_) or status(session_id=id_, start=start)] for id_, start in starts.items()
        },
    )


def empty(*months: str) -> dict[str, ActivityMonth]:
    return {month: ActivityMonth(month=month) for month in months}


def test_a_month_that_is_not_stored_is_asked_for_whole() -> None:
    source = source_of("s1", "s2")
    answers = fetch_months(source, empty(NOVEMBER), PACIFIC)
    assert [each.session_id for each in answers.rows] == ["s1", "s2"]
    assert [each.session_id for each in answers.statuses] == ["s1", "s2"]
    assert answers.interrupted is None


def test_sessions_are_asked_for_since_the_local_start_of_the_first_month() -> None:
    source = ScriptedSource()
    fetch_months(source, empty("2025-12", NOVEMBER), PACIFIC)
    assert source.since == datetime(2025, 11, 1, 7, tzinfo=UTC)


def test_no_month_means_no_request() -> None:
    source = source_of("s1")
    assert fetch_months(source, {}, PACIFIC).rows == []
    assert source.since is None


def test_sessions_of_other_months_are_left_out() -> None:
    source = source_of("s1")
    source.rows.append(row(session_id="later", start=datetime(2025, 12, 2, tzinfo=UTC)))
    answers = fetch_months(source, empty(NOVEMBER), PACIFIC)
    assert [each.session_id for each in answers.rows] == ["s1"]
    assert source.asked == ["s1"]


def test_only_curves_that_are_missing_or_have_grown_are_asked_for() -> None:
    source = source_of("s1", "s2", "s3")
    known = [
        status(session_id="s1"),
        status(session_id="s2", start=START + timedelta(days=1), energy_kwh=2.0),
    ]
    stored = {NOVEMBER: merge(ActivityMonth(month=NOVEMBER), [], known, PACIFIC)}
    fetch_months(source, stored, PACIFIC)
    assert source.asked == ["s2", "s3"]


def test_a_curve_that_the_source_no_longer_has_is_noted_and_its_session_kept() -> None:
    answers = fetch_months(source_of("s1", "s2", s1=NotFoundError("gone")), empty(NOVEMBER), PACIFIC)
    assert answers.without_curve == ["s1"]
    assert [each.session_id for each in answers.rows] == ["s1", "s2"]
    assert [each.session_id for each in answers.statuses] == ["s2"]


def test_an_answer_that_cannot_be_used_is_noted_and_ends_nothing() -> None:
    wrong = BadInputError("session s1: energy_kwh is a word")
    answers = fetch_months(source_of("s1", "s2", s1=wrong), empty(NOVEMBER), PACIFIC)
    assert answers.unusable == [wrong]
    assert [each.session_id for each in answers.statuses] == ["s2"]
    assert answers.interrupted is None


@pytest.mark.parametrize("failure", [TIMEOUT, REFUSED])
def test_a_failure_in_the_middle_keeps_what_was_answered_and_asks_for_no_more_curves(
    failure: Cph50Error,
) -> None:
    source = source_of("s1", "s2", "s3", s2=failure)
    answers = fetch_months(source, empty(NOVEMBER), PACIFIC)
    assert answers.interrupted is failure
    assert [each.session_id for each in answers.statuses] == ["s1"]
    assert [each.session_id for each in answers.rows] == ["s1", "s2", "s3"]
    assert source.asked == ["s1", "s2"]


def test_one_session_is_asked_for_alone() -> None:
    source = source_of("s1", "s2")
    answers = fetch_session(source, "s2")
    assert [each.session_id for each in answers.statuses] == ["s2"]
    assert answers.rows == []
    assert source.asked == ["s2"]


def test_one_session_that_cannot_be_read_is_the_callers_concern() -> None:
    with pytest.raises(TransientError):
        fetch_session(source_of("s1", s1=TIMEOUT), "s1")


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.at = START + timedelta(minutes=5)
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def look(minute: int, **fields: Any) -> ChargingStatus:
    return status(**open_answer(energy_kwh=minute / 10, power_kw=6.0 + minute, **fields))


def window(clock: Clock, count: int = 4) -> SamplingWindow:
    return SamplingWindow(count, 10.0, PACIFIC, clock.now, clock.sleep)


def fresh(clock: Clock) -> CollectionRecord:
    return new_record("501", START, clock.now(), 10.0)


def source_with(*answers: ChargingStatus | Cph50Error) -> ScriptedSource:
    return ScriptedSource(sessions={"501": [*answers]})


def sample(
    source: ScriptedSource, clock: Clock, record: CollectionRecord | None = None, count: int = 4
) -> tuple[CollectionRecord, list[CollectionRecord]]:
    saved: list[CollectionRecord] = []
    done = sample_session(source, look(0), record or fresh(clock), window(clock, count), into(saved))
    return done, saved


def into(saved: list[CollectionRecord]) -> Callable[[CollectionRecord], CollectionRecord]:
    """Saves to a list."""

    def save(record: CollectionRecord) -> CollectionRecord:
        saved.append(record)
        return record

    return save


def test_sampling_goes_on_with_what_saving_gives_back(clock: Clock) -> None:
    def save(record: CollectionRecord) -> CollectionRecord:
        return record.model_copy(update={"vehicle_id": f"{record.vehicle_id}+"})

    record = sample_session(source_with(look(1)), look(0), fresh(clock), window(clock, 2), save)
    assert record.vehicle_id == "unknown++"


def powers(record: CollectionRecord) -> list[float | None]:
    return [each.power_kw for each in record.samples]


def test_the_answer_at_hand_is_the_first_sample_and_the_rest_are_asked_for(clock: Clock) -> None:
    source = source_with(look(1), look(2), look(3))
    record, _ = sample(source, clock)
    assert powers(record) == [6.0, 7.0, 8.0, 9.0]
    assert len(source.asked) == 3
    assert record.collection_delay_seconds == 300


def test_samples_are_the_interval_apart_and_nobody_waits_after_the_last(clock: Clock) -> None:
    record, _ = sample(source_with(look(1), look(2), look(3)), clock)
    assert clock.slept == [10.0, 10.0, 10.0]
    assert record.duration_seconds == 30


def test_time_that_an_answer_takes_is_no_pause_on_top(clock: Clock) -> None:
    source = source_with(look(1), look(2))
    answer = source.session

    def slowly(session_id: str) -> ChargingStatus:
        clock.at += timedelta(seconds=4)
        return answer(session_id)

    source.session = slowly  # type: ignore[method-assign]
    record, _ = sample(source, clock, count=3)
    assert clock.slept == [10.0, 6.0]
    assert [each.timestamp for each in record.samples] == [
        START + timedelta(minutes=5, seconds=seconds) for seconds in (0, 14, 24)
    ]


def test_every_sample_is_saved_when_it_is_taken(clock: Clock) -> None:
    _, saved = sample(source_with(look(1), look(2), look(3)), clock)
    assert [each.sample_count for each in saved] == [1, 2, 3, 4]


def test_an_interrupted_window_goes_on_where_its_record_stops(clock: Clock) -> None:
    _, saved = sample(source_with(look(1), look(2), look(3)), clock)
    source = source_with(look(9))
    record, again = sample(source, clock, record=saved[1])
    assert record.samples[:2] == saved[1].samples
    assert [each.sample_number for each in record.samples] == [1, 2, 3, 4]
    assert [each.sample_count for each in again] == [3, 4]
    assert len(source.asked) == 1
    assert record.collection_start == saved[0].collection_start


def test_a_complete_window_asks_for_nothing_and_writes_nothing(clock: Clock) -> None:
    full, _ = sample(source_with(look(1), look(2), look(3)), clock)
    source = source_with(look(9))
    record, saved = sample(source, clock, record=full)
    assert (record, saved, source.asked) == (full, [], [])


def test_sampling_stops_with_the_session(clock: Clock) -> None:
    source = source_with(look(1), status(energy_kwh=8.0, power_kw=0.0), look(3))
    record, _ = sample(source, clock, count=30)
    assert record.sample_count == 3
    assert record.samples[-1].status == "done"
    assert len(source.asked) == 2


def test_a_look_that_fails_for_a_passing_reason_is_a_missed_sample(clock: Clock) -> None:
    record, _ = sample(source_with(look(1), TIMEOUT, look(3)), clock)
    assert powers(record) == [6.0, 7.0, None, 9.0]
    assert record.samples[2].status == "missed: ChargePoint did not answer"
    assert (record.sample_count, record.valid_sample_count) == (4, 3)


def test_silence_for_the_whole_window_ends_it_with_missed_samples(clock: Clock) -> None:
    record, _ = sample(source_with(TIMEOUT), clock)
    assert (record.sample_count, record.valid_sample_count) == (4, 1)


@pytest.mark.parametrize("failure", [REFUSED, NotFoundError("gone"), BadInputError("not a session")])
def test_a_failure_that_does_not_pass_ends_the_window_with_what_was_sampled_saved(
    clock: Clock, failure: Cph50Error
) -> None:
    saved: list[CollectionRecord] = []
    with pytest.raises(type(failure)):
        sample_session(source_with(look(1), failure), look(0), fresh(clock), window(clock), into(saved))
    assert powers(saved[-1]) == [6.0, 7.0]


def test_the_same_reading_twice_is_one_distinct_reading(clock: Clock) -> None:
    record, _ = sample(source_with(look(0), look(1), look(1)), clock)
    assert (record.sample_count, record.distinct_sample_count) == (4, 2)


def test_the_limit_is_that_of_the_sessions_own_charger() -> None:
    source = ScriptedSource(limits={"111": 32, "222": 40})
    assert fetch_amperage_limit(source, status(charger_label=charger_label("222"))) == 40
    assert source.asked == ["222"]


def test_the_only_charger_is_the_one_of_a_session_that_names_none() -> None:
    assert fetch_amperage_limit(ScriptedSource(limits={"111": 32}), status(is_home_charger=None)) == 32


@pytest.mark.parametrize(
    ("limits", "fields"),
    [
        ({"111": 40, "222": 40}, {}),
        ({"111": 40}, {"charger_label": charger_label("333")}),
        ({"111": 40}, {"is_home_charger": False}),
        ({}, {}),
    ],
    ids=["two and no label", "another charger", "elsewhere", "no charger"],
)
def test_a_charger_that_cannot_be_told_is_not_asked(
    limits: dict[str, float | Cph50Error | None], fields: dict[str, Any]
) -> None:
    source = ScriptedSource(limits=limits)
    assert fetch_amperage_limit(source, status(**fields)) is None
    assert source.asked == []


@pytest.mark.parametrize("limit", [None, 0, -1])
def test_no_limit_is_none(limit: float | None) -> None:
    assert fetch_amperage_limit(ScriptedSource(limits={"111": limit}), status()) is None


def test_a_charger_that_does_not_answer_is_for_the_caller_to_judge() -> None:
    with pytest.raises(TransientError):
        fetch_amperage_limit(ScriptedSource(limits={"111": TIMEOUT}), status())
