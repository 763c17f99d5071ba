"""The sensor that publishes what waits, and the check that says when nobody does."""

from __future__ import annotations

import json
from datetime import timedelta

from cph50_pipeline.defs.jobs import PUBLISH_JOB
from cph50_pipeline.defs.publication_sensor import CHECK
from cph50_pipeline.defs.store import STATE_FILE
from cph50_pipeline_tests.dagster.homes import NOW, Home, MakeHome, at

SENSOR = "publication_sensor"
CHARGER = "charger_sensor"
LOOKED = json.dumps({"looked_at": NOW.timestamp()})


def test_a_change_of_state_is_published_when_a_delay_is_set_and_a_refresh_is_not(make_home: MakeHome) -> None:
    home = make_home(publish_delay_minutes=0)
    home.simulator.plug_in("ember_hatch_2023", 300, at=NOW - timedelta(minutes=5))
    [collection] = home.evaluate(CHARGER, LOOKED).run_requests
    assert home.run_request(collection).success
    home.evaluate(CHARGER, LOOKED)
    [publication] = home.evaluate(SENSOR).run_requests
    assert home.run_request(publication, PUBLISH_JOB).success
    assert STATE_FILE in home.git("show", "--name-only", "--format=", "HEAD")
    home.simulator.clock.advance(timedelta(minutes=20))
    with at(NOW + timedelta(minutes=20)):
        home.evaluate(CHARGER, LOOKED)
        assert home.json(STATE_FILE)["timestamp"] > "2026-01-20T18:19"
        assert not home.evaluate(SENSOR).run_requests


def test_a_state_is_never_published_unless_a_delay_is_set(collected: Home) -> None:
    collected.evaluate(CHARGER)
    assert collected.json(STATE_FILE)["connected"] is False
    result = collected.evaluate(SENSOR)
    assert not result.run_requests
    assert result.skip_message == "The repository holds what the data root holds"


def test_what_a_killed_run_left_is_published(collected: Home) -> None:
    (collected.folder / "tariffs.json").write_text("{}")
    [publication] = collected.evaluate(SENSOR).run_requests
    assert collected.run_request(publication, PUBLISH_JOB).success
    assert "tariffs.json" in collected.git("show", "--name-only", "--format=", "HEAD")


def test_a_repository_at_work_elsewhere_does_not_hold_a_tick(collected: Home) -> None:
    with collected.store().locks.repository():
        assert "looks again" in collected.evaluate(SENSOR).skip_message


def test_a_failed_publication_is_a_failed_run_that_is_tried_again_later(collected: Home) -> None:
    (collected.folder / "tariffs.json").write_text("{}")
    (collected.folder / ".git" / "MERGE_HEAD").write_text(collected.git("rev-parse", "HEAD"))
    [publication] = collected.evaluate(SENSOR).run_requests
    result = collected.run_request(publication, PUBLISH_JOB)
    assert not result.success
    assert "a merge is in progress" in str(result.all_events)
    (collected.folder / ".git" / "MERGE_HEAD").unlink()
    with at(NOW + timedelta(hours=2)):
        [again] = collected.evaluate(SENSOR).run_requests
        assert collected.run_request(again, PUBLISH_JOB).success


def test_the_check_fails_when_something_waits_for_more_than_an_hour_and_heals(collected: Home) -> None:
    [first] = collected.evaluate(SENSOR).asset_events
    assert first.passed
    (collected.folder / "tariffs.json").write_text("{}")
    later = NOW + timedelta(minutes=10)
    with at(later):
        assert not collected.evaluate(SENSOR, "true").asset_events, "an hour is not over"
    with at(later + timedelta(minutes=61)):
        [failed] = collected.evaluate(SENSOR, "true").asset_events
        assert not failed.passed
        assert failed.check_name == CHECK
        assert failed.metadata["waiting_files"].value == 1
        assert failed.metadata["differs_since"].value == "2026-01-20 10:10:00 PST"
        [publication] = collected.evaluate(SENSOR, "false").run_requests
        assert collected.run_request(publication, PUBLISH_JOB).success
        [healed] = collected.evaluate(SENSOR, "false").asset_events
        assert healed.passed


def test_a_damaged_file_makes_the_check_fail_and_is_named(collected: Home) -> None:
    (collected.folder / "session_cache" / "2025-11.json").write_text("[")
    collected.evaluate(SENSOR, "true")
    with at(NOW + timedelta(minutes=61)):
        result = collected.evaluate(SENSOR, "true")
    [failed] = result.asset_events
    assert not failed.passed
    assert failed.metadata["withheld"].value == {
        "session_cache/2025-11.json": "is damaged; the repository keeps the last good version"
    }
    assert "session_cache/2025-11.json cannot be published" in result.skip_message


def test_with_publishing_off_the_sensor_is_stopped_and_the_check_passes(make_home: MakeHome) -> None:
    home = make_home(publish="off")
    assert home.defs.get_sensor_def(SENSOR).default_status.value == "STOPPED"
    assert "CPH50_PUBLISH is off" in home.evaluate(SENSOR).skip_message


def test_the_check_fails_when_nothing_can_be_published_for_more_than_an_hour_and_says_why(
    make_home: MakeHome,
) -> None:
    home = make_home(publish="github", github_repository="household/data")
    first = home.evaluate(SENSOR, "true")
    assert "CPH50_PUBLISH=github needs CPH50_GITHUB_TOKEN" in first.skip_message
    with at(NOW + timedelta(minutes=61)):
        [failed] = home.evaluate(SENSOR, "true").asset_events
    assert not failed.passed
    assert "CPH50_PUBLISH=github needs CPH50_GITHUB_TOKEN" in failed.metadata["refused"].value
