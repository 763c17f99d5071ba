"""The resource of the house's meters: whose Home Assistant it is, and that its token stays out of Dagster."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from cph50_pipeline.defs.resources import HomeAssistant
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings, Source
from cph50_pipeline.simulator.server import RunningSimulator


def settings(folder: Path, source: Source = Source.SIMULATOR, **changes: object) -> Settings:
    return Settings(source=source, data_dir=str(folder), **changes)  # type: ignore[arg-type]


def test_with_the_simulator_its_own_home_assistant_answers(tmp_path: Path) -> None:
    client = HomeAssistant.of(settings(tmp_path)).client()
    assert client is not None
    assert abs(client.clock_offset().total_seconds()) < 60
    assert HomeAssistant.of(settings(tmp_path)).client() is client


def test_a_household_with_a_charger_alone_has_none(tmp_path: Path) -> None:
    assert HomeAssistant.of(settings(tmp_path, Source.CHARGEPOINT)).client() is None


def test_an_address_without_a_token_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CPH50_HOME_ASSISTANT_TOKEN", raising=False)
    resource = HomeAssistant.of(settings(tmp_path, home_assistant_url="http://127.0.0.1:9/"))
    with pytest.raises(BadInputError, match="CPH50_HOME_ASSISTANT_TOKEN is not set"):
        resource.client()


def test_the_token_comes_from_the_environment_and_stands_in_no_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunningSimulator() as simulator:
        monkeypatch.setenv("CPH50_HOME_ASSISTANT_TOKEN", simulator.home_assistant_token)
        resource = HomeAssistant.of(settings(tmp_path, home_assistant_url=simulator.home_assistant_url))

        @dg.asset
        def offset(home: HomeAssistant) -> float:
            client = home.client()
            assert client is not None
            return client.clock_offset().total_seconds()

        defs = dg.Definitions(assets=[offset], resources={"home": resource})
        result = dg.materialize([offset], resources={"home": resource})
    assert result.success
    assert abs(result.output_for_node("offset")) < 60
    repository = defs.get_repository_def()
    snapshot = dg.serialize_value(repository.get_implicit_global_asset_job_def().get_job_snapshot())
    assert simulator.home_assistant_token not in snapshot
    assert simulator.home_assistant_token not in repr(resource)
