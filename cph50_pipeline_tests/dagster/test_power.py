"""Power's job: a house and its charger, a charger alone, and the same again."""

from __future__ import annotations

from cph50_pipeline.defs.jobs import POWER_JOB
from cph50_pipeline.defs.month_files import EVENTS, ROLLUPS, WINDOWS
from cph50_pipeline.defs.reading_files import reading_months
from cph50_pipeline.power.meters import CHARGER
from cph50_pipeline_tests.dagster.homes import (
    MONTHS,
    Home,
    failure_texts,
    log_lines,
    materializations,
    with_house,
)

JANUARY = "2026-01"


def meters(home: Home, month: str) -> set[str]:
    return set(home.store().need_month(ROLLUPS, month)["meter"].to_pylist())


def test_a_charger_alone_has_rollups_and_windows_of_every_month(collected: Home) -> None:
    home = with_house(collected, is_there=False)
    result = home.run(MONTHS, job=POWER_JOB)
    assert result.success, failure_texts(result)
    assert reading_months(home.store()) == []
    for month in MONTHS[1:]:
        assert meters(home, month) == {CHARGER}
        windows = home.store().need_month(WINDOWS, month).to_pylist()
        assert {row["days"] for row in windows} == {7, 30, 365}
        assert home.store().need_month(EVENTS, month) == []
    assert home.store().meters(600).main_power == "home.power"  # as the example declares it


def test_a_house_has_all_of_its_meters_and_rolling_up_again_changes_no_file(collected: Home) -> None:
    home = with_house(collected, is_there=True)
    result = home.run([JANUARY], job=POWER_JOB)
    assert result.success, failure_texts(result)
    assert {CHARGER, "home.power", "home.energy", "home.voltage"} <= meters(home, JANUARY)
    [made] = materializations(home.instance, "power_readings", JANUARY)
    assert made.metadata["dagster/row_count"].value > 5000
    before = {path: data for path, data in home.files().items() if path.startswith("power/")}
    assert home.run([JANUARY], job=POWER_JOB, only=["power_rollups", "power_events", "power_windows"]).success
    assert {path: data for path, data in home.files().items() if path.startswith("power/")} == before


def test_a_damaged_month_of_readings_stops_itself_and_no_other(collected: Home) -> None:
    home = with_house(collected, is_there=True)
    assert home.run([JANUARY], job=POWER_JOB, only=["power_readings"]).success
    damaged = "power/readings/2025-12.parquet"
    (home.folder / damaged).write_bytes(b"PAR1")
    result = home.run([JANUARY], job=POWER_JOB)
    assert result.success, failure_texts(result)
    assert any(damaged in line for line in log_lines(home, result.run_id))
    refused = home.run(["2025-12"], job=POWER_JOB)
    assert not refused.success
    assert any(damaged in text for text in failure_texts(refused))
    assert (home.folder / damaged).read_bytes() == b"PAR1"
