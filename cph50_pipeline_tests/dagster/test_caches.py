"""What is built, as entries: what makes one valid, what makes it invalid, and what a refresh would run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from cph50_pipeline.defs.caches.check import CHECK, judge
from cph50_pipeline.defs.caches.metrics import HIT_RATIO_METRIC, measure, prometheus
from cph50_pipeline.defs.caches.refreshing import (
    Wanted,
    batches,
    chosen,
    to_refresh,
)
from cph50_pipeline.defs.caches.registry import REFRESH_CRON, REFRESH_SCHEDULES, SITE_CRON, TYPES
from cph50_pipeline.defs.caches.status import EntryStatus, Fault, statuses, worst_first
from cph50_pipeline.defs.jobs import ATTRIBUTION_JOB, CACHE_JOB, POWER_JOB, SITE_JOB, VEHICLE_REPORT_JOB
from cph50_pipeline.defs.month_files import CACHE, MONTH_FILES, POWER_FILES, SAMPLES
from cph50_pipeline.defs.partitions import months_of_run
from cph50_pipeline.defs.reconcile import reconcile
from cph50_pipeline.defs.tick import latest_due
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline_tests.dagster.homes import MONTHS, NOW, Home, at, copy_home, failure_texts, settings_for

SESSION_TYPES = [name for name, type_ in TYPES.items() if type_.job == CACHE_JOB]
NOVEMBER, DECEMBER, JANUARY = MONTHS
BERLIN, PACIFIC = ZoneInfo("Europe/Berlin"), ZoneInfo("America/Los_Angeles")


@pytest.fixture(scope="module")
def built_once(
    tmp_path_factory: pytest.TempPathFactory, template: Path, shared_simulator: RunningSimulator
) -> Path:
    """A folder with a household whose session caches were made by one run, and Dagster's records of it."""
    folder = tmp_path_factory.mktemp("built")
    copy_home(template, folder / "data")
    (folder / "dagster").mkdir()
    with at(NOW), dg.DagsterInstance.local_temp(str(folder / "dagster")) as instance:
        home = Home(settings_for(folder / "data", shared_simulator), shared_simulator, instance)
        result = home.run(MONTHS, job=CACHE_JOB)
        assert result.success, failure_texts(result)
    return folder


@pytest.fixture
def built(tmp_path: Path, built_once: Path, shared_simulator: RunningSimulator) -> Iterator[Home]:
    """A copy of it."""
    shutil.copytree(built_once, tmp_path, dirs_exist_ok=True)
    later = NOW + timedelta(minutes=5)  # than the run that made it, however long that took
    with at(later), dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        yield Home(settings_for(tmp_path / "data", shared_simulator), shared_simulator, instance)


def look(home: Home, now: datetime = NOW + timedelta(minutes=10)) -> dict[tuple[str, str], EntryStatus]:
    """The entries of sessions by type and key."""
    found = statuses(home.instance, home.settings, now)
    return {(e.type, e.key): e for e in found if e.type in SESSION_TYPES}


def entry(home: Home, month: str = JANUARY, type_: str = CACHE.asset) -> EntryStatus:
    return look(home)[type_, month]


def test_every_type_is_an_asset_of_the_location_and_its_job_makes_it(home: Home) -> None:
    for type_ in TYPES.values():
        for job in type_.made_by:
            assert type_.key in home.defs.resolve_job_def(job).asset_layer.selected_asset_keys
        assert type_.job in type_.made_by
        assert type_.is_monthly == (type_.asset in {**MONTH_FILES, **POWER_FILES})


def test_every_type_has_a_policy_by_which_dagster_tells_its_freshness(home: Home) -> None:
    specs = {spec.key.to_user_string(): spec for spec in home.defs.resolve_all_asset_specs()}
    assert {name for name, spec in specs.items() if spec.freshness_policy is not None} == set(TYPES)


def test_what_a_run_has_made_is_valid_and_says_when_by_what_and_until_when(built: Home) -> None:
    found = look(built)
    assert {entry.fault for entry in found.values()} == {None}
    january = found[CACHE.asset, JANUARY]
    assert january.size_bytes == (built.folder / CACHE.path(JANUARY)).stat().st_size
    assert january.built_at is not None
    assert january.age_seconds == (NOW + timedelta(minutes=10) - january.built_at).total_seconds()
    assert january.valid_until == january.built_at + timedelta(days=1)
    assert january.next_refresh == datetime(2026, 1, 21, 10, tzinfo=UTC)  # 02:00 in the Pacific zone
    assert january.duration_seconds is not None
    assert not january.stale


def test_what_still_changes_is_too_old_after_a_day_and_what_is_settled_never_is(built: Home) -> None:
    next_day = look(built, NOW + timedelta(days=1, hours=1))
    assert next_day[CACHE.asset, JANUARY].fault is Fault.TOO_OLD
    assert next_day[CACHE.asset, JANUARY].stale
    years_later = look(built, NOW + timedelta(days=1000))
    assert years_later[CACHE.asset, NOVEMBER].valid
    assert years_later[CACHE.asset, NOVEMBER].valid_until is None


@pytest.mark.parametrize(
    ("built_at", "hours"),
    [
        ("2026-10-31T02:00:30", 25),
        ("2026-10-31T12:00", 25),
        ("2026-03-07T12:00", 23),
        ("2026-01-20T02:00", 24),
    ],
)
def test_a_build_holds_for_a_civil_day(built_at: str, hours: int) -> None:
    at_local = datetime.fromisoformat(built_at).replace(tzinfo=PACIFIC).astimezone(UTC)
    assert TYPES[CACHE.asset].valid_until(at_local, PACIFIC) - at_local == timedelta(hours=hours)


def test_a_month_that_is_not_closed_yet_still_changes(built: Home) -> None:
    assert entry(built, DECEMBER).valid_until is None  # nothing said that it was open
    assert built.run([DECEMBER], only=["chargepoint_activity"]).success
    assert built.run([DECEMBER], job=CACHE_JOB).success
    assert not built.store().activity(DECEMBER).closed
    assert entry(built, DECEMBER).valid_until is not None


def test_a_file_that_is_gone_is_missing_and_not_served(built: Home) -> None:
    (built.folder / CACHE.path(JANUARY)).unlink()
    found = entry(built)
    assert (found.fault, found.stale, found.size_bytes) == (Fault.MISSING, False, None)


def test_a_file_that_another_hand_replaced_is_held_against_its_rules(built: Home) -> None:
    path = built.folder / CACHE.path(JANUARY)
    path.write_text(path.read_text().replace("\n", "\n\n", 1))  # still the same records
    assert entry(built).valid
    path.write_text("[]\n")
    found = entry(built)
    assert found.fault is Fault.BROKEN
    assert found.stale
    assert JANUARY in (found.why or "")


def test_files_that_reconcile_found_count_as_built_but_nobody_knows_by_what_they_were_named(
    collected: Home,
) -> None:
    assert entry(collected).fault is Fault.NOT_BUILT
    reconcile(collected.instance, collected.store(), NOVEMBER)
    assert entry(collected, NOVEMBER).valid
    assert entry(collected, NOVEMBER, "vehicle_classifications").fault is Fault.OUTDATED


def test_a_label_makes_its_month_outdated_and_no_other_until_it_is_named_again(built: Home) -> None:
    [first, *_] = built.json(CACHE.path(NOVEMBER)) or built.json(CACHE.path(DECEMBER))
    month = NOVEMBER if built.json(CACHE.path(NOVEMBER)) else DECEMBER
    labels = {first["session_id"]: {"vehicle_id": "tide_suv_2024", "labeled_by": "someone"}}
    built.store().write_document("session_vehicle_map.json", labels)
    assert [e.key for e in worst_first([*look(built).values()])] == [month]
    assert built.run([month], job=ATTRIBUTION_JOB).success
    assert all(entry.valid for entry in look(built).values())


def test_what_was_made_before_what_it_is_made_of_is_outdated(built: Home) -> None:
    assert built.run([NOVEMBER], only=["session_samples"], job=CACHE_JOB).success
    outdated = {e.type for e in worst_first([*look(built).values()])}
    assert outdated == set(SESSION_TYPES) - {SAMPLES.asset}


def test_a_failed_attempt_shows_its_one_line_until_the_next_one_succeeds(built: Home) -> None:
    path = built.folder / "chargepoint_activity" / f"{NOVEMBER}.json"
    good = path.read_bytes()
    path.write_text("{")
    assert not built.run([NOVEMBER], job=CACHE_JOB).success
    found = entry(built, NOVEMBER)
    assert found.fault is Fault.FAILED
    assert found.stale
    assert f"chargepoint_activity/{NOVEMBER}.json" in (found.error or "")
    assert "\n" not in (found.error or "")
    assert entry(built, DECEMBER).valid
    path.write_bytes(good)
    assert built.run([NOVEMBER], job=CACHE_JOB).success
    assert entry(built, NOVEMBER).valid
    assert entry(built, NOVEMBER).error is None


def test_a_refresh_takes_what_is_not_valid_in_spans_and_skips_the_rest(built: Home) -> None:
    for month in (NOVEMBER, JANUARY):
        (built.folder / CACHE.path(month)).unlink()
    due = to_refresh([*look(built).values()], force=False)
    assert {(e.type, e.key) for e in due} == {(CACHE.asset, NOVEMBER), (CACHE.asset, JANUARY)}
    assert [(b.job, list(b.months)) for b in batches(due, JANUARY)] == [
        (CACHE_JOB, [NOVEMBER]),
        (CACHE_JOB, [JANUARY]),
    ]
    forced = to_refresh([*look(built).values()], force=True)
    assert [list(b.months) for b in batches(forced, JANUARY)] == [MONTHS]


def test_files_of_power_need_a_run_with_a_month_and_reports_one_without(built: Home) -> None:
    file = replace(entry(built), type="power_files", key="power/daily.json", fault=Fault.TOO_OLD)
    report = replace(file, type="vehicle_digest", key="reports/vehicles.json")
    assert [(b.job, list(b.months)) for b in batches([file, report], JANUARY)] == [
        (POWER_JOB, [JANUARY]),
        (VEHICLE_REPORT_JOB, []),
    ]
    rollups = replace(file, type="power_rollups", key=NOVEMBER)
    assert [(list(b.months), len(b.entries)) for b in batches([file, rollups], JANUARY)] == [([NOVEMBER], 2)]


def test_what_a_run_is_at_is_left_to_it(built: Home) -> None:
    (built.folder / CACHE.path(JANUARY)).unlink()
    run = built.defs.resolve_job_def(CACHE_JOB)
    created = built.instance.create_run_for_job(
        run, status=dg.DagsterRunStatus.NOT_STARTED, tags={"dagster/partition": JANUARY}
    )
    found = look(built)
    assert found[CACHE.asset, JANUARY].at_work == created.run_id
    assert found[CACHE.asset, DECEMBER].at_work is None
    assert to_refresh([*found.values()], force=False) == []
    assert worst_first([*found.values()]) == []


def test_a_type_or_month_that_is_not_there_is_refused_in_one_line(built: Home) -> None:
    found = [*look(built).values()]
    with pytest.raises(BadInputError, match="session_cache"):
        chosen(found, Wanted(type="sessions"))
    with pytest.raises(BadInputError, match="not a month"):
        chosen(found, Wanted(month="../x"))
    with pytest.raises(BadInputError, match="2024-01"):
        chosen(found, Wanted(month="2024-01"))
    assert {e.key for e in chosen(found, Wanted(month=JANUARY))} == {JANUARY}


def asked(home: Home, moment: datetime, name: str = "cache_refresh") -> list[dg.RunRequest]:
    """The runs that a night's schedule asks for."""
    with at(moment):
        context = dg.build_schedule_context(
            instance=home.instance,
            scheduled_execution_time=moment,
            repository_def=home.defs.get_repository_def(),
        )
        return list(home.defs.get_schedule_def(name).evaluate_tick(context).run_requests or [])


def test_a_night_makes_what_would_not_last_until_the_next_one_and_leaves_settled_months_alone(
    built: Home,
) -> None:
    night = datetime(2026, 1, 21, 10, tzinfo=UTC)  # 16 hours after: valid, but not until the next night
    assert look(built, night)[CACHE.asset, JANUARY].valid
    [request] = asked(built, night)
    assert months_of_run(request.tags) == [JANUARY]


def test_a_night_tries_halves_of_what_failed_the_night_before(built: Home) -> None:
    night = datetime(2026, 1, 21, 10, tzinfo=UTC)
    for month in (DECEMBER, JANUARY):
        (built.folder / CACHE.path(month)).unlink()
    [both] = asked(built, night)
    assert months_of_run(both.tags) == [DECEMBER, JANUARY]
    (built.folder / "chargepoint_activity" / f"{JANUARY}.json").write_text("{")
    with at(night):
        assert not built.run_request(both, CACHE_JOB).success
    halves = asked(built, night + timedelta(days=1))
    assert [months_of_run(request.tags) for request in halves] == [[DECEMBER], [JANUARY]]


def test_in_maintenance_no_night_begins_anything(built: Home) -> None:
    from cph50_pipeline.defs.maintenance.state import switch_on

    switch_on(built.settings, "a test")
    assert asked(built, datetime(2026, 1, 21, 10, tzinfo=UTC)) == []


@pytest.mark.parametrize(
    ("zone", "day", "utc_hours"),
    [
        (PACIFIC, "2026-03-08", [10]),  # 02:00 does not exist and comes at 03:00
        (PACIFIC, "2026-11-01", [10]),  # the hour before it comes twice
        (BERLIN, "2026-03-29", [1]),
        (BERLIN, "2026-10-25", [1]),  # 02:00 itself comes twice, the night once
    ],
)
def test_the_night_comes_once_on_every_day(zone: ZoneInfo, day: str, utc_hours: list[int]) -> None:
    midnight = datetime.fromisoformat(day).replace(tzinfo=zone)
    after = (datetime.fromisoformat(day) + timedelta(days=1)).replace(tzinfo=zone)
    found = []
    for moment in schedule_execution_time_iterator(
        midnight.timestamp(), REFRESH_CRON, str(zone), ascending=True
    ):
        if moment >= after:
            break
        found.append(moment.astimezone(UTC).hour)
    assert found == utc_hours
    assert latest_due(REFRESH_CRON, midnight, after, zone) is not None


def test_each_job_has_a_night(home: Home) -> None:
    assert {type_.job for type_ in TYPES.values()} == set(REFRESH_SCHEDULES)
    for job, name in REFRESH_SCHEDULES.items():
        schedule = home.defs.get_schedule_def(name)
        cron = SITE_CRON if job == SITE_JOB else REFRESH_CRON  # the site shows what the others make
        assert (schedule.job_name, schedule.cron_schedule) == (job, cron)
        assert schedule.execution_timezone == home.settings.timezone


def test_the_sensor_says_what_offends_once_and_again_when_it_changes(built: Home) -> None:
    with at(NOW + timedelta(minutes=10)):
        first = built.evaluate("cache_sensor")
        assert len(first.asset_events) == 1
        assert built.evaluate("cache_sensor", first.cursor).asset_events == []
        (built.folder / CACHE.path(JANUARY)).unlink()
        second = built.evaluate("cache_sensor", first.cursor)
    [verdict] = second.asset_events
    assert (verdict.passed, verdict.check_name) == (False, CHECK)
    assert verdict.severity is dg.AssetCheckSeverity.ERROR
    assert any(f"session_cache {JANUARY}" in line for line in verdict.metadata["offending"].value)


def test_what_heals_by_itself_within_minutes_only_warns(built: Home) -> None:
    outdated = replace(entry(built), fault=Fault.OUTDATED, why="a label")
    assert judge([outdated]).severity is dg.AssetCheckSeverity.WARN
    assert judge([outdated, replace(outdated, fault=Fault.FAILED)]).severity is dg.AssetCheckSeverity.ERROR


def metrics_of(home: Home, found: Sequence[EntryStatus], hit_rate: float | None = None) -> dict[str, object]:
    measured = measure(home.instance, found, NOW + timedelta(minutes=10), hit_rate)
    return {metric.name: (metric.value, metric.met) for metric in measured}


def test_metrics_are_of_dagsters_own_runs_and_say_which_target_is_missed(built: Home) -> None:
    found = [*look(built).values()]
    assert metrics_of(built, found)["cph50_cache_refresh_success_ratio"] == (1.0, True)
    assert metrics_of(built, found)["cph50_cache_hit_ratio"] == (None, None)
    (built.folder / "chargepoint_activity" / f"{NOVEMBER}.json").write_text("{")
    assert not built.run([NOVEMBER], job=CACHE_JOB).success
    measured = metrics_of(built, [*look(built).values()], hit_rate=0.5)
    assert measured["cph50_cache_refresh_success_ratio"] == (0.5, False)
    assert measured["cph50_cache_hit_ratio"] == (0.5, False)
    ratio, met = measured["cph50_cache_error_ratio"]  # type: ignore[misc]
    assert (ratio, met) == (4 / 12, False)


def test_metrics_of_a_household_without_runs_are_not_known_and_no_failure(home: Home) -> None:
    measured = metrics_of(home, [])
    assert measured["cph50_cache_refresh_success_ratio"] == (None, None)
    assert measured["cph50_cache_oldest_age_seconds"] == (None, None)
    assert measured["cph50_cache_entries"] == (0.0, None)


def test_prometheus_reads_what_is_known_and_nothing_else(built: Home) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    text = prometheus(measure(built.instance, [*look(built).values()], NOW, None))
    names = {family.name for family in text_string_to_metric_families(text)}
    assert "cph50_cache_refresh_success_ratio" in names
    assert "cph50_cache_hit_ratio" not in names
    assert HIT_RATIO_METRIC not in names


@pytest.mark.real_clock
def test_ten_years_are_told_without_reading_a_settled_month(
    built: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that nobody replaced since they were built are not opened: their rules were asked when they were."""
    old = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    for file in MONTH_FILES.values():
        os.utime(built.folder / file.path(NOVEMBER), (old, old))
    opened: list[str] = []
    store = type(built.store())
    real = store.read_month
    monkeypatch.setattr(
        store, "read_month", lambda self, file, month: opened.append(month) or real(self, file, month)
    )
    found = statuses(built.instance, built.settings, NOW + timedelta(minutes=10))
    assert all(e.valid for e in found if e.key == NOVEMBER and e.type in SESSION_TYPES)
    assert opened.count(NOVEMBER) <= 1  # its session ids, for the digest of its labels
