"""After a change of the zone: what a rebuild would do, that it does it, and that a kill in between loses nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from cph50_pipeline.charging.activity import ActivityMonth
from cph50_pipeline.charging.collection import add_missed_sample, new_record
from cph50_pipeline.charging.model import Session
from cph50_pipeline.civil_time import month_bounds
from cph50_pipeline.defs.jobs import POWER_JOB, REBUILD_TAG
from cph50_pipeline.defs.launch import Outcome
from cph50_pipeline.defs.month_files import ACTIVITY, CACHE, MONTH_FILES, ROLLUPS, SLOTS
from cph50_pipeline.defs.reading_files import read_readings, reading_months, write_readings
from cph50_pipeline.defs.reading_moves import ReadingMove
from cph50_pipeline.defs.rebuild import RebuildPlan, SessionMove, plan_rebuild, rebuild
from cph50_pipeline.errors import BadInputError, LockedError, PermanentError
from cph50_pipeline.power.readings import collect
from cph50_pipeline_tests.dagster.homes import (
    MONTHS,
    Home,
    Killed,
    die_before,
    failure_texts,
    settings_for,
    with_house,
)

NOVEMBER, DECEMBER, JANUARY = MONTHS
EAST, WEST = "Pacific/Auckland", "Pacific/Honolulu"


@pytest.fixture(autouse=True)
def _account(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands of this process log in at the simulator."""
    monkeypatch.setenv("CPH50_CHARGEPOINT_USERNAME", home.simulator.account.username)
    monkeypatch.setenv("CPH50_CHARGEPOINT_PASSWORD", home.simulator.account.password)


def moved_to(timezone: str, home: Home, **changes: Any) -> Home:
    """The same household after it has set another zone."""
    changed = {"timezone": timezone, **changes}
    return replace(home, settings=settings_for(home.folder, home.simulator, **changed))


def sampled(home: Home, session: Session, seconds: int = 20) -> str:
    """A session file with one look, as a run of this household writes it; its path."""
    began = session.start + timedelta(seconds=seconds)
    record = new_record(session.session_id, session.start, began, 10)
    path = home.store().collection_path(session)
    home.store().write_collection(path, add_missed_sample(record, began, "a test", home.settings.zone))
    return path


def last_of_december(home: Home) -> Session:
    """The session that starts in January by the eastern zone."""
    return next(s for s in home.store().sessions(DECEMBER) if s.session_id == "8204832001")


def first_of_january(home: Home) -> Session:
    """The session that starts in December by the western zone."""
    return home.store().sessions(JANUARY)[0]


def keep_only(home: Home, session: Session) -> None:
    """Let January hold one session, in every file."""
    january = home.store().activity(JANUARY)
    kept = january.model_copy(update={"sessions": {session.session_id: january.sessions[session.session_id]}})
    (home.folder / ACTIVITY.path(JANUARY)).write_bytes(ACTIVITY.dump(kept))


def plan(home: Home) -> RebuildPlan:
    return plan_rebuild(home.settings, home.store())


def apply(home: Home) -> Outcome:
    return rebuild(home.settings, home.instance, lambda line: None)


def places(home: Home, session_id: str) -> list[str]:
    """The months whose answers hold a session."""
    store = home.store()
    return [m for m in store.stored_months(ACTIVITY) if session_id in store.activity(m).sessions]


def all_ids(home: Home) -> list[str]:
    return sorted(key for month in MONTHS for key in home.store().activity(month).sessions)


def test_in_the_zone_of_the_files_there_is_nothing_to_do(collected: Home) -> None:
    sampled(collected, first_of_january(collected))
    assert not plan(collected).is_needed
    assert not plan(moved_to("America/New_York", collected)).sessions


def test_an_empty_data_root_has_nothing_to_rebuild(home: Home) -> None:
    assert not plan(home).is_needed


def test_a_plan_names_sessions_files_and_months_and_writes_nothing(collected: Home) -> None:
    session = last_of_december(collected)
    path = sampled(collected, session)
    before = collected.files()
    found = plan(moved_to(EAST, collected))
    assert found.sessions == (SessionMove(session.session_id, DECEMBER, JANUARY),)
    assert [(file.source, file.target) for file in found.files] == [
        (path, f"sessions/2026/01/01/{session.session_id}.json")
    ]
    assert found.months == tuple(MONTHS)
    assert (found.emptied, found.is_begun) == ((), False)
    assert collected.files() == before


def test_a_rebuild_moves_a_session_with_all_that_is_derived_of_it_and_commits(collected: Home) -> None:
    session = last_of_december(collected)
    path = sampled(collected, session)
    ids, kwh = all_ids(collected), energy_kwh(collected)
    east = moved_to(EAST, collected)
    outcome = apply(east)
    assert outcome.succeeded, outcome.failures
    assert places(east, session.session_id) == [JANUARY]
    assert all_ids(east) == ids
    assert energy_kwh(east) == pytest.approx(kwh)
    cached = {month: {r.session_id for r in east.store().need_month(CACHE, month)} for month in MONTHS}
    assert cached == {month: set(east.store().activity(month).sessions) for month in MONTHS}
    record = east.store().collection(session)
    assert record is not None
    assert record.sample_count == 1
    assert not (east.folder / path).exists()
    assert east.git("status", "--porcelain") == ""
    assert not plan(east).is_needed


def energy_kwh(home: Home) -> float:
    return sum(slot.energy_kwh for month in MONTHS for slot in home.store().need_month(SLOTS, month))


def test_a_run_after_a_change_of_the_zone_names_the_command_that_helps(collected: Home) -> None:
    west = moved_to(WEST, collected)
    before = west.files()
    result = west.run([JANUARY])
    assert not result.success
    assert any("cph50 rebuild" in text for text in failure_texts(result))
    assert {path for path, data in west.files().items() if before.get(path) != data} <= {"runs.json"}


def test_there_and_back_again_is_where_it_was(collected: Home) -> None:
    sampled(collected, last_of_december(collected))
    assert collected.run(MONTHS).success
    before = {path: data for path, data in collected.files().items() if path != "runs.json"}
    for zone in (EAST, WEST, collected.settings.timezone):
        assert apply(moved_to(zone, collected)).succeeded
    assert {path: data for path, data in collected.files().items() if path != "runs.json"} == before


def test_a_month_left_without_sessions_goes_with_its_files_once_these_stand_elsewhere(
    collected: Home,
) -> None:
    session = first_of_january(collected)
    keep_only(collected, session)
    west = moved_to(WEST, collected)
    assert plan(west).emptied == (JANUARY,)
    outcome = apply(west)
    assert outcome.succeeded, outcome.failures
    assert places(west, session.session_id) == [DECEMBER]
    assert [f.path(JANUARY) for f in MONTH_FILES.values() if (west.folder / f.path(JANUARY)).exists()] == []
    assert session.session_id in {r.session_id for r in west.store().need_month(CACHE, DECEMBER)}
    assert west.git("status", "--porcelain") == ""


def test_a_run_that_fails_leaves_the_rest_to_the_next_rebuild(collected: Home) -> None:
    session = first_of_january(collected)
    keep_only(collected, session)
    west = moved_to(WEST, collected)
    west.simulator.faults.fail(404, times=None)
    assert not apply(west).succeeded
    assert places(west, session.session_id) == [DECEMBER]
    assert (west.folder / CACHE.path(JANUARY)).exists()
    again = plan(west)
    assert (again.is_begun, again.is_needed, again.sessions) == (True, True, ())
    west.simulator.faults.clear()
    assert apply(west).succeeded
    assert not (west.folder / CACHE.path(JANUARY)).exists()
    assert not plan(west).is_needed


@pytest.fixture(scope="module")
def made_by_others() -> dict[bool, dict[str, bytes]]:
    """What the second rebuild made after the other kills, by whether January was left empty."""
    return {}


@pytest.mark.parametrize("is_emptied", [False, True], ids=["a session less", "none left"])
@pytest.mark.parametrize("step", range(1, 5))
def test_killed_before_any_file_it_loses_nothing_and_a_second_rebuild_completes_it(
    collected: Home,
    step: int,
    is_emptied: bool,
    made_by_others: dict[bool, dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Four files move: December gains, the session's file comes and goes, January loses."""
    session = first_of_january(collected)
    path = sampled(collected, session)
    if is_emptied:
        keep_only(collected, session)
    ids = all_ids(collected)
    west = moved_to(WEST, collected)
    with monkeypatch.context() as patch:
        die_before(step, patch)
        with pytest.raises(Killed):
            apply(west)
    assert sorted(set(all_ids(west))) == ids
    assert path in west.files() or west.store().collection(session) is not None
    assert plan(west).is_needed
    assert apply(west).succeeded
    assert all_ids(west) == ids
    assert not plan(west).is_needed
    made = {path: data for path, data in west.files().items() if path != "runs.json"}
    assert made == made_by_others.setdefault(is_emptied, made)


def test_sessions_that_change_places_do_not_wait_for_each_other(collected: Home) -> None:
    december, january = (collected.store().activity(month) for month in (DECEMBER, JANUARY))
    stays = {month: set(collected.store().activity(month).sessions) for month in MONTHS}
    one, other = last_of_december(collected).session_id, first_of_january(collected).session_id
    for month, leaves, comes, session in (
        (december, one, other, january.sessions[other]),
        (january, other, one, december.sessions[one]),
    ):
        kept = {key: stored for key, stored in month.sessions.items() if key != leaves}
        mixed = month.model_copy(update={"sessions": {**kept, comes: session}})
        (collected.folder / ACTIVITY.path(month.month)).write_bytes(ACTIVITY.dump(mixed))
    outcome = apply(collected)
    assert outcome.succeeded, outcome.failures
    assert {month: set(collected.store().activity(month).sessions) for month in MONTHS} == stays


def test_samples_taken_in_both_places_are_joined(collected: Home) -> None:
    session = first_of_january(collected)
    sampled(collected, session, seconds=20)
    west = moved_to(WEST, collected)
    sampled(west, session, seconds=50)
    assert apply(west).succeeded
    record = west.store().collection(session)
    assert record is not None
    assert [(look.sample_number, look.timestamp - session.start) for look in record.samples] == [
        (1, timedelta(seconds=20)),
        (2, timedelta(seconds=50)),
    ]


def test_a_session_file_that_no_month_knows_moves_by_its_own_times(collected: Home) -> None:
    session = replace(first_of_january(collected), session_id="777")
    sampled(collected, session)
    west = moved_to(WEST, collected)
    assert [file.target for file in plan(west).files] == ["sessions/2025/12/31/777.json"]


def test_files_of_a_persons_own_stay_where_they_are(collected: Home) -> None:
    (collected.folder / "sessions").mkdir()
    (collected.folder / "sessions" / "notes.json").write_text("mine")
    assert plan(moved_to(WEST, collected)).files == ()


def test_a_session_that_is_being_sampled_is_not_moved_under_the_sampler(collected: Home) -> None:
    session = replace(first_of_january(collected), session_id="777")
    sampled(collected, session)
    west = moved_to(WEST, collected)
    before = west.files()
    with west.store().locks.session("777"), pytest.raises(LockedError, match="777"):
        apply(west)
    assert west.files() == before
    assert not plan(west).is_begun


def test_a_session_that_would_fall_out_of_the_history_stops_the_rebuild(collected: Home) -> None:
    west = moved_to(WEST, collected, history_start=JANUARY)
    before = west.files()
    with pytest.raises(PermanentError, match="CPH50_HISTORY_START=2025-12"):
        apply(west)
    assert west.files() == before


def test_a_damaged_month_stops_the_rebuild_and_is_named(collected: Home) -> None:
    (collected.folder / ACTIVITY.path(NOVEMBER)).write_text("{")
    with pytest.raises(BadInputError, match=ACTIVITY.path(NOVEMBER)):
        plan(moved_to(WEST, collected))


def test_no_check_takes_the_month_that_a_session_left_for_one_that_lost_it(collected: Home) -> None:
    assert collected.run(MONTHS).success
    assert apply(moved_to(WEST, collected)).succeeded
    [run] = collected.instance.get_runs(dg.RunsFilter(tags={REBUILD_TAG: WEST}))
    evaluations = [
        entry.dagster_event.asset_check_evaluation_data
        for entry in collected.instance.all_logs(run.run_id)
        if entry.dagster_event
        and entry.dagster_event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    assert evaluations
    assert [(e.check_name, e.metadata) for e in evaluations if not e.passed] == []


def test_months_without_answers_are_left_alone(collected: Home) -> None:
    assert collected.store().activity(NOVEMBER) == ActivityMonth(month=NOVEMBER)
    assert plan(moved_to(WEST, collected)).emptied == ()
    assert apply(moved_to(WEST, collected)).succeeded
    assert (collected.folder / ACTIVITY.path(NOVEMBER)).exists()


def with_power(home: Home) -> Home:
    """The household with readings of the house around the new year, and with its power."""
    newyear = datetime(2026, 1, 1, 8, tzinfo=UTC)
    rows = [("home.power", newyear + number * timedelta(minutes=30), 1.0) for number in range(-96, 96)]
    with home.store().open() as store:
        for month in (DECEMBER, JANUARY):
            of_month = collect(rows).between(*month_bounds(month, home.settings.zone))
            write_readings(store, month, of_month, is_over=month == DECEMBER)
    result = with_house(home, is_there=False).run(MONTHS, job=POWER_JOB)
    assert result.success, failure_texts(result)
    return home


def hours_by_month(home: Home) -> dict[str, int]:
    return {month: len(read_readings(home.store(), month)) // 2 for month in reading_months(home.store())}


def test_a_rebuild_lays_readings_out_anew_and_rolls_power_up_by_the_new_days(collected: Home) -> None:
    assert hours_by_month(with_power(collected)) == {DECEMBER: 48, JANUARY: 48}
    east = moved_to(EAST, collected, source="chargepoint")  # and so without a Home Assistant
    found = plan(east)
    assert (found.stale, found.power_months) == (tuple(MONTHS), tuple(MONTHS))
    assert found.readings[0] == ReadingMove(
        "power/readings/2025-12.parquet", "power/readings/2026-01-01.ndjson", 42
    )
    outcome = apply(east)
    assert outcome.succeeded, outcome.failures
    assert hours_by_month(east) == {DECEMBER: 27, JANUARY: 69}
    for month in MONTHS:
        rollups = east.store().need_month(ROLLUPS, month)
        assert ROLLUPS.violations(month, rollups, None, east.store()) == []
    assert not plan(east).is_needed


def test_power_of_another_zones_days_alone_needs_a_rebuild(collected: Home) -> None:
    found = plan(moved_to("America/New_York", with_power(collected)))
    assert (found.sessions, found.stale) == ((), tuple(MONTHS))
    assert found.is_needed


def test_a_reading_that_would_fall_out_of_the_history_stops_the_rebuild(home: Home) -> None:
    with home.store().open() as store:
        first = month_bounds(NOVEMBER, home.settings.zone)[0]
        write_readings(store, NOVEMBER, collect([("home.power", first, 1.0)]), is_over=False)
    with pytest.raises(PermanentError, match=r"1 reading\(s\) move .*CPH50_HISTORY_START"):
        plan(moved_to(WEST, home))


def test_a_damaged_file_of_readings_stops_the_rebuild_and_is_named(home: Home) -> None:
    path = home.folder / "power/readings/2026-01.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1")
    with pytest.raises(BadInputError, match=r"power/readings/2026-01\.parquet"):
        plan(moved_to(WEST, home))
