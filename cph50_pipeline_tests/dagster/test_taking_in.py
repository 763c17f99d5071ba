"""Taking in what the simulated Home Assistant said: once, in pieces, twice, and after it failed in between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from logging import getLogger
from pathlib import Path

import pytest

from cph50_pipeline.defs.reading_files import read_readings
from cph50_pipeline.defs.store import Store
from cph50_pipeline.defs.taking_in import SEEN_FILE, Span, take_in_from
from cph50_pipeline.errors import TransientError
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.settings import Settings
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline.sources.home_assistant import HomeAssistantClient
from cph50_pipeline.sources.home_source import Heard
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline_tests.dagster.homes import NOW

HOUR = timedelta(hours=1)
MIDNIGHT = datetime(2026, 1, 20, 8, tzinfo=UTC)
METERS = MeterConfig.model_validate(
    {
        "meters": {
            name: {
                "source": "home_assistant", "entity": "sensor.home_power", "quantity": "power", "kind": "gauge",
                "unit": "W",
            }
            for name in ("home.power", "home.twin")
        }
    }
)  # fmt: skip


class FailsLater(HomeAssistantClient):
    """Home Assistant that goes away after some pages of history."""

    pages = 2

    def history(self, entities: object, start: datetime, end: datetime) -> Heard:
        self.pages -= 1
        if self.pages < 0:
            raise TransientError("Home Assistant does not answer")
        return super().history(entities, start, end)  # type: ignore[arg-type]


@pytest.fixture
def client(simulator: RunningSimulator) -> Iterator[HomeAssistantClient]:
    with HomeAssistantClient(
        url=simulator.home_assistant_url, token=simulator.home_assistant_token
    ) as running:
        yield running


def home_at(folder: Path) -> Store:
    return Store(DataRoot(str(folder)), Locks(folder / "private"), Settings().zone)


def collect_once(
    store: Store, client: HomeAssistantClient, now: datetime, since: datetime = MIDNIGHT - 10 * HOUR
) -> list[str]:
    with store.open():
        taken = take_in_from(lambda: client, store, METERS, Span(now, since, 600.0), getLogger("test"))
    if taken.failure is not None:
        raise taken.failure
    return taken.months


def files(store: Store) -> dict[str, bytes | None]:
    return {path: store.root.read(path) for path in store.root.list("power/")}


def test_an_undisturbed_night_is_stored_by_civil_day_and_for_every_meter_of_an_entity(
    tmp_path: Path, client: HomeAssistantClient
) -> None:
    store = home_at(tmp_path)
    assert collect_once(store, client, NOW) == ["2026-01"]
    assert [*files(store)] == ["power/readings/2026-01-19.ndjson", "power/readings/2026-01-20.ndjson"]
    stored = read_readings(store, "2026-01")
    assert len(stored["home.power"]) > 100
    assert stored["home.power"].value.tolist() == stored["home.twin"].value.tolist()
    assert 0 < stored["home.power"].value.mean() < 20  # kW, though the source says W


def test_in_pieces_and_twice_it_is_the_same_and_what_is_known_changes_nothing(
    tmp_path: Path, client: HomeAssistantClient, simulator: RunningSimulator
) -> None:
    whole, pieces = home_at(tmp_path / "whole"), home_at(tmp_path / "pieces")
    collect_once(whole, client, NOW)
    assert collect_once(pieces, client, MIDNIGHT - 3 * HOUR) == ["2026-01"]
    assert collect_once(pieces, client, NOW) == ["2026-01"]
    (tmp_path / "pieces" / "private" / SEEN_FILE).unlink()  # the newest stored reading tells
    assert collect_once(pieces, client, NOW) == []
    assert files(pieces) == files(whole)


def test_what_came_before_the_source_failed_is_stored_and_the_next_time_heals(
    tmp_path: Path, simulator: RunningSimulator, client: HomeAssistantClient
) -> None:
    since = MIDNIGHT - 80 * HOUR
    whole, broken = home_at(tmp_path / "whole"), home_at(tmp_path / "broken")
    collect_once(whole, client, NOW, since)
    failing = FailsLater(url=simulator.home_assistant_url, token=simulator.home_assistant_token)
    with failing, pytest.raises(TransientError):
        collect_once(broken, failing, NOW, since)
    assert 0 < len(files(broken)) < len(files(whole))
    collect_once(broken, client, NOW, since)
    assert files(broken) == files(whole)


def test_a_month_that_is_over_is_folded_when_the_next_is_taken_in(
    tmp_path: Path, client: HomeAssistantClient
) -> None:
    store = home_at(tmp_path)
    begins = datetime(2026, 1, 1, 8, tzinfo=UTC)
    changed = collect_once(store, client, begins + 2 * HOUR, begins - 5 * HOUR)
    assert changed == ["2025-12", "2026-01"]
    assert [*files(store)] == ["power/readings/2025-12.parquet", "power/readings/2026-01-01.ndjson"]
    assert len(read_readings(store, "2025-12")["home.power"]) >= 29


def test_what_a_restored_file_has_lost_is_asked_for_again(
    tmp_path: Path, client: HomeAssistantClient
) -> None:
    store = home_at(tmp_path)
    collect_once(store, client, MIDNIGHT)
    [*_, newest] = files(store)
    before = store.root.read(newest)
    collect_once(store, client, NOW)
    whole = files(store)
    for path in whole:
        if path not in {newest} and whole[path] is not None and path > newest:
            store.root.remove(path)
    store.root.write(newest, before or b"")  # as `git checkout` brings back the last commit's
    collect_once(store, client, NOW)
    assert files(store) == whole


def test_months_are_folded_without_home_assistant_too(tmp_path: Path, client: HomeAssistantClient) -> None:
    store = home_at(tmp_path)
    begins = datetime(2026, 1, 1, 8, tzinfo=UTC)
    collect_once(store, client, begins - HOUR, begins - 5 * HOUR)
    assert "power/readings/2025-12-31.ndjson" in files(store)
    with store.open():
        taken = take_in_from(
            lambda: None, store, METERS, Span(begins + HOUR, begins, 600.0), getLogger("test")
        )
    assert taken.months == ["2025-12"]
    assert [*files(store)] == ["power/readings/2025-12.parquet"]
