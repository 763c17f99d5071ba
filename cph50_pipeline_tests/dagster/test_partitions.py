"""The months that exist: by the household's zone, from its history's start to the current one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cph50_pipeline.civil_time import month_bounds
from cph50_pipeline.defs.partitions import check_known_months, monthly_partitions
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings
from cph50_pipeline_tests.dagster.homes import at

ZONES = ["America/Los_Angeles", "Europe/Berlin", "Australia/Lord_Howe", "UTC"]


@pytest.mark.parametrize("zone", ZONES)
def test_a_partition_begins_and_ends_with_the_civil_month_also_when_clocks_change(zone: str) -> None:
    settings = Settings(timezone=zone, history_start="2025-01")
    partitions = monthly_partitions(settings)
    for month in ("2025-02", "2025-03", "2025-04", "2025-10", "2025-11", "2025-12"):
        window = partitions.time_window_for_partition_key(month)
        assert (window.start, window.end) == month_bounds(month, settings.zone)


@pytest.mark.parametrize(
    ("zone", "last"),
    [("America/Los_Angeles", "2025-12"), ("Europe/Berlin", "2026-01"), ("UTC", "2026-01")],
)
def test_the_last_partition_is_the_current_local_month(zone: str, last: str) -> None:
    with at(datetime(2026, 1, 1, 3, 0, tzinfo=UTC)):
        keys = monthly_partitions(Settings(timezone=zone, history_start="2025-11")).get_partition_keys()
    assert keys[0] == "2025-11"
    assert keys[-1] == last


def test_months_outside_the_history_are_refused_with_the_range_that_exists() -> None:
    partitions = monthly_partitions(Settings(history_start="2025-11"))
    check_known_months(["2025-11", "2026-01"], partitions)
    with pytest.raises(BadInputError, match=r"2025-10.*2025-11 to 2026-01.*CPH50_HISTORY_START"):
        check_known_months(["2025-10", "2025-12"], partitions)
    with pytest.raises(BadInputError, match="2026-02"):
        check_known_months(["2026-02"], partitions)
    with pytest.raises(BadInputError, match="'2026-13' is not a month"):
        check_known_months(["2026-13"], partitions)
