"""Maintenance mode: what is remembered of it, and that nothing begins by itself while it is on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tuned
from hypothesis import strategies as st

from cph50_pipeline.defs.maintenance import Mode, mode
from cph50_pipeline.defs.maintenance.state import MODE_FILE, paused, switch_off, switch_on
from cph50_pipeline.defs.tick import tick
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings
from cph50_pipeline_tests.dagster.homes import NOW, Home

GOES_ON = {"maintenance"}
SAID = "maintenance since 2026-01-20 10:00:00 PST: new router"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path / "data"))


def test_there_is_none_until_somebody_switches_it_on(settings: Settings) -> None:
    assert mode(settings) is None
    assert paused(settings) is None


def test_what_was_switched_on_is_known_to_every_process_until_it_is_switched_off(settings: Settings) -> None:
    on = switch_on(settings, "new router", now=NOW)
    assert mode(settings) == on == Mode(NOW, "new router")
    assert paused(settings) == SAID
    assert switch_off(settings) == on
    assert mode(settings) is None
    assert switch_off(settings) is None


def test_it_ends_by_itself_when_its_time_is_over(settings: Settings) -> None:
    switch_on(settings, lasts=timedelta(minutes=30), now=NOW)
    assert mode(settings, NOW + timedelta(minutes=29)) is not None
    assert mode(settings, NOW + timedelta(minutes=30)) is None


def test_its_end_is_said(settings: Settings) -> None:
    on = switch_on(settings, "new router", timedelta(minutes=30), NOW)
    assert on.sentence(settings.zone) == (
        "maintenance since 2026-01-20 10:00:00 PST, until 2026-01-20 10:30:00 PST: new router"
    )


def test_switched_on_again_it_keeps_its_beginning_unless_it_was_over(settings: Settings) -> None:
    switch_on(settings, "one", timedelta(minutes=30), NOW)
    later = NOW + timedelta(minutes=10)
    assert switch_on(settings, "two", now=later) == Mode(NOW, "two")
    switch_on(settings, "three", timedelta(minutes=1), later)
    much_later = NOW + timedelta(days=1)
    assert switch_on(settings, now=much_later).since == much_later


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\x00",
        b"{}",
        b'{"since": 5, "reason": "", "until": null}',
        b'{"since": "2026-01-20", "reason": "", "until": null}',
        b'{"since": "2026-01-20T18:00:00+00:00", "reason": null, "until": null}',
        b'{"since": "2026-01-20T18:00:00+00:00", "reason": "\\u001b[2J", "until": null}',
        b'{"since": "2026-01-20T18:00:00+00:00", "reason": "", "until": "soon"}',
    ],
)
def test_a_file_that_cannot_be_read_counts_as_on_and_says_how_to_end_it(
    settings: Settings, content: bytes
) -> None:
    settings.private_dir.mkdir(parents=True)
    (settings.private_dir / MODE_FILE).write_bytes(content)
    said = paused(settings)
    assert said is not None
    assert said.endswith("private/maintenance.json cannot be read; `cph50 maintenance off` ends it")
    switch_off(settings)
    assert paused(settings) is None


@tuned(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(content=st.binary(max_size=80))
def test_no_bytes_in_its_file_are_an_error_or_switch_it_off(settings: Settings, content: bytes) -> None:
    settings.private_dir.mkdir(parents=True, exist_ok=True)
    (settings.private_dir / MODE_FILE).write_bytes(content)
    assert mode(settings) is not None


@pytest.mark.parametrize(
    ("reason", "lasts"),
    [
        ("two\nlines", None),
        ("x" * 201, None),
        ("", timedelta()),
        ("", timedelta(minutes=-1)),
        ("", timedelta(days=366)),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    settings: Settings, reason: str, lasts: timedelta | None
) -> None:
    with pytest.raises(BadInputError):
        switch_on(settings, reason, lasts)
    assert mode(settings) is None


def test_every_sensor_skips_its_tick_and_says_why_and_asks_nobody(home: Home) -> None:
    switch_on(home.settings, "new router", now=NOW)
    for sensor in home.defs.sensors or []:
        result = home.evaluate(sensor.name)
        assert result.run_requests == [], sensor.name
        assert result.skip_message == SAID, sensor.name
    assert home.simulator.requests.counts() == {}


def test_every_schedule_but_that_of_maintenance_skips_and_says_why(home: Home) -> None:
    switch_on(home.settings, "new router", now=NOW)
    repository = home.defs.get_repository_def()
    for schedule in home.defs.schedules or []:
        assert isinstance(schedule, dg.ScheduleDefinition)
        context = dg.build_schedule_context(
            instance=home.instance, scheduled_execution_time=NOW, repository_def=repository
        )
        result = schedule.evaluate_tick(context)
        said = None if schedule.name in GOES_ON else SAID
        assert result.skip_message == said, schedule.name
        assert bool(result.run_requests) == (schedule.name in GOES_ON), schedule.name


def test_what_is_on_again_goes_on(home: Home) -> None:
    switch_on(home.settings, now=NOW)
    switch_off(home.settings)
    assert "maintenance" not in str(home.evaluate("charger_sensor").skip_message)


def test_a_tick_of_cron_runs_nothing_and_says_why(lasting: Home) -> None:
    switch_on(lasting.settings, "new router", now=NOW)
    done = tick(lasting.instance, lasting.settings, datetime.now(UTC), lambda line: None)
    assert [ticked.outcomes for ticked in done] == [[]] * len(done)
    assert {ticked.said for ticked in done} == {SAID}
