"""Retention: old readings are thinned or compressed, what they came to stays to the last byte, and once is enough."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from cph50_pipeline.defs.jobs import POWER_JOB, RETENTION_JOB
from cph50_pipeline.defs.month_files import EVENTS, ROLLUPS
from cph50_pipeline.defs.reading_files import read_readings, reading_paths
from cph50_pipeline.defs.retaining import RetentionConfig, months_to_retain, plan_retention, retain
from cph50_pipeline.defs.retention_job import build_retention_schedule, retention_run_config
from cph50_pipeline.defs.rolling_up import month_events, roll_up
from cph50_pipeline.defs.store import Store
from cph50_pipeline.settings import Settings
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline.storage.tables import is_compressed
from cph50_pipeline_tests.dagster.homes import (
    NOW,
    Home,
    at,
    copy_home,
    failure_texts,
    materializations,
    settings_for,
    with_house,
)

DECEMBER, JANUARY = "2025-12", "2026-01"
LATER = datetime(2026, 2, 10, 12, tzinfo=UTC)
THIN = {"power_retention": "thin", "power_retention_months": 1, "power_thin_seconds": 3600}
COMPRESS = {"power_retention": "compress", "power_retention_months": 1}


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, shared_simulator: RunningSimulator) -> Path:
    """The files of a household with two months of power."""
    folder = tmp_path_factory.mktemp("grown") / "data"
    with at(NOW), dg.DagsterInstance.ephemeral() as instance:
        home = Home(settings_for(folder, shared_simulator), shared_simulator, instance)
        result = with_house(home, is_there=True).run([DECEMBER, JANUARY], job=POWER_JOB)
        assert result.success, failure_texts(result)
    return folder


@pytest.fixture
def aged(tmp_path: Path, grown: Path, simulator: RunningSimulator, instance: dg.DagsterInstance) -> Home:
    """That household, with nothing wished for old readings."""
    copy_home(grown, tmp_path / "data")
    return with_house(Home(settings_for(tmp_path / "data", simulator), simulator, instance), is_there=True)


def wishing(home: Home, **changes: object) -> Settings:
    return home.settings.model_copy(update=Settings(**changes).model_dump(include=set(changes)))  # type: ignore[arg-type]


def retained(home: Home, settings: Settings) -> list[str]:
    """Run the job as the settings say; the months that it did."""
    with at(LATER):
        result = home.defs.resolve_job_def(RETENTION_JOB).execute_in_process(
            instance=home.instance, run_config=retention_run_config(settings), raise_on_error=False
        )
    assert result.success, failure_texts(result)
    return [
        str(event.partition)
        for event in result.all_events
        if event.is_step_materialization or event.event_type_value == "ASSET_MATERIALIZATION"
    ]


def derived(home: Home) -> dict[str, bytes]:
    """What the readings came to."""
    return {
        name: data
        for name, data in home.files().items()
        if name.startswith("power/") and not name.startswith(("power/readings/", "power/retention"))
    }


def test_by_default_readings_are_kept(aged: Home) -> None:
    before = aged.files()
    assert retained(aged, aged.settings) == []
    assert {name: data for name, data in aged.files().items() if name != "runs.json"} == {
        name: data for name, data in before.items() if name != "runs.json"
    }


def test_thinned_readings_are_fewer_and_what_they_came_to_stays(aged: Home) -> None:
    store, before = aged.store(), derived(aged)
    count = len(read_readings(store, DECEMBER))
    assert retained(aged, wishing(aged, **THIN)) == [DECEMBER]
    left = len(read_readings(store, DECEMBER))
    assert 0.2 * count < left < 0.5 * count  # a day at each end stays whole
    assert derived(aged) == before
    result = aged.run([DECEMBER, JANUARY], job=POWER_JOB)
    assert result.success, failure_texts(result)
    assert derived(aged) == before
    assert len(read_readings(store, DECEMBER)) == left
    [_, made] = materializations(aged.instance, "power_readings", DECEMBER)
    assert made.metadata["readings_gone"].value == count - left


def test_what_is_done_is_not_done_again(aged: Home) -> None:
    for wish in (THIN, COMPRESS):
        settings = wishing(aged, **wish)
        assert retained(aged, settings) == [DECEMBER]
        commits, files = aged.commit_count(), aged.files()
        assert retained(aged, settings) == []
        assert (aged.commit_count(), aged.files()) == (commits, files)


def test_a_compressed_month_says_the_same_in_less_room(aged: Home) -> None:
    store = aged.store()
    [path] = reading_paths(store, DECEMBER)
    plain = store.root.read(path) or b""
    readings = read_readings(store, DECEMBER)
    assert retained(aged, wishing(aged, **COMPRESS)) == [DECEMBER]
    data = store.root.read(path) or b""
    assert is_compressed(data, path)
    assert not is_compressed(plain, path)
    assert len(data) < 0.8 * len(plain)
    assert {id_: one.value.tolist() for id_, one in read_readings(store, DECEMBER).series.items()} == {
        id_: one.value.tolist() for id_, one in readings.series.items()
    }


def test_a_thinning_that_was_killed_goes_on(aged: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    store, policy = aged.store(), RetentionConfig.of(wishing(aged, **THIN))
    meters, before = store.meters(600), derived(aged)
    planned = plan_retention(store, policy, meters, LATER)
    count = len(read_readings(store, DECEMBER))

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> list[str]:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("cph50_pipeline.defs.retaining.write_readings", die)
        with store.open(), pytest.raises(Killed):
            retain(store, policy, meters, planned)
    assert len(read_readings(store, DECEMBER)) == count
    again = Store.of(aged.settings)
    with again.open():
        [done] = retain(again, policy, meters, plan_retention(again, policy, meters, LATER))
    assert done.readings == len(read_readings(again, DECEMBER)) < count
    assert derived(aged) == before


def test_rollups_of_a_thinned_month_are_told_from_its_5_minutes_alone(aged: Home) -> None:
    store, meters = aged.store(), aged.store().meters(600)
    retained(aged, wishing(aged, **THIN))
    assert roll_up(store, DECEMBER, meters).equals(store.need_month(ROLLUPS, DECEMBER))
    assert month_events(store, DECEMBER, meters) == store.need_month(EVENTS, DECEMBER)


def test_a_month_is_old_when_it_has_been_over_for_so_long(aged: Home) -> None:
    policy = RetentionConfig.of(wishing(aged, **THIN))
    store = aged.store()
    assert months_to_retain(store, policy, datetime(2026, 1, 31, tzinfo=UTC)) == []
    assert months_to_retain(store, policy, LATER) == [DECEMBER]


def test_the_schedule_skips_where_readings_are_kept_and_asks_for_what_is_wished(aged: Home) -> None:
    context = dg.build_schedule_context(instance=aged.instance, scheduled_execution_time=LATER)
    skipped = aged.defs.get_schedule_def("power_retention").evaluate_tick(context)
    assert "keep" in str(skipped.skip_message)
    settings = wishing(aged, **THIN)
    [request] = build_retention_schedule(settings).evaluate_tick(context).run_requests or []
    assert request.run_config == retention_run_config(settings)
