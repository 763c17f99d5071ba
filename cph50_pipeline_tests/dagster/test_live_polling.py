"""Polling without Dagster's daemon: what nobody foresaw ends a turn, and never the turns to come."""

from __future__ import annotations

import logging
from pathlib import Path
from threading import Event, Thread

import pytest

from cph50_pipeline.defs.instance import open_instance
from cph50_pipeline.defs.live_polling import run_polling
from cph50_pipeline.defs.maintenance.state import switch_on
from cph50_pipeline.defs.tick import MEMORY_FILE
from cph50_pipeline_tests.dagster.homes import MakeHome
from cph50_pipeline_tests.integration.postgres_server import eventually


@pytest.mark.real_clock
def test_records_that_cannot_be_read_for_a_while_cost_no_later_tick(
    make_home: MakeHome, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "cph50_pipeline")
    settings = make_home().settings.model_copy(update={"poll_seconds": 1})
    monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
    switch_on(settings)  # so that a tick has nothing to run
    with open_instance(settings) as instance:
        instance.get_daemon_statuses()
        [records] = Path(instance.root_directory).rglob("runs.db")
    good = records.read_bytes()
    records.write_bytes(b"no database " * 1000)
    stop = Event()
    polling = Thread(target=run_polling, args=(settings, stop))
    polling.start()
    try:
        eventually(lambda: "It is tried again" in caplog.text, lambda: caplog.text)
        records.write_bytes(good)
        eventually((settings.private_dir / MEMORY_FILE).exists, lambda: caplog.text)
    finally:
        stop.set()
        polling.join()
    assert caplog.text.count("It is tried again") == 1
