"""The runs that the server starts: what is known of them, and what is done when one ends."""

from __future__ import annotations

import logging
from pathlib import Path
from uuid import uuid4

import pytest

from cph50_pipeline.web.own_runs import OwnRuns
from cph50_pipeline_tests.unit.web.household import settings_in


def test_a_run_that_nobody_has_a_record_of_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    runs = OwnRuns(settings_in(tmp_path), lambda: None)
    assert runs.state(str(uuid4())).state == "unknown"
    runs.close()


def test_a_run_that_is_not_taken_is_told_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    ends: list[str] = []
    runs = OwnRuns(settings_in(tmp_path), lambda: ends.append("ended"))
    run_id = runs.begin_naming(["1999-01"])
    runs.close()
    assert ends == ["ended"]
    found = runs.state(run_id)
    assert found.state == "failed"
    assert "1999-01" in found.failures[0]


def test_a_fault_that_nobody_foresaw_is_logged_with_its_trace_and_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("nothing: that Dagster knows")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    ends: list[str] = []
    runs = OwnRuns(settings_in(tmp_path), lambda: ends.append("ended"))
    with caplog.at_level(logging.ERROR, "cph50_pipeline.web.own_runs"):
        run_id = runs.begin_naming(["2026-01"])
        runs.close()
    assert ends == ["ended"]
    [record] = caplog.records
    assert record.exc_info is not None
    found = runs.state(run_id)
    assert found.state == "failed"
    assert found.failures[0].startswith("A fault of this program")
