"""Settings: where they come from, what a wrong one says, and that no secret is shown."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import (
    CHARGEPOINT_DISCOVERY_URL,
    Privacy,
    PublishMode,
    Settings,
    Source,
    load_settings,
)

Setter = Callable[..., None]


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work in, and an environment without settings, before and after."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(("CPH50_", "DAGSTER_")):
            del os.environ[name]
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def given() -> Setter:
    def give(**values: str) -> None:
        os.environ.update({f"CPH50_{name.upper()}": value for name, value in values.items()})

    return give


def test_without_any_setting_the_simulated_household_is_published_locally(workplace: Path) -> None:
    settings = load_settings()
    assert settings.source is Source.SIMULATOR
    assert settings.data_root == str(workplace / ".cph50/dev/data")
    assert settings.publish_mode is PublishMode.LOCAL
    assert settings.privacy is Privacy.PUBLIC
    assert settings.discovery_url is None
    assert (settings.sample_count, settings.sample_interval_seconds, settings.poll_seconds) == (30, 10, 30)


def test_a_real_charger_writes_to_data_and_publishes_nothing_until_told(
    workplace: Path, given: Setter
) -> None:
    given(source="chargepoint")
    settings = load_settings()
    assert settings.data_root == str(workplace / "data")
    assert settings.publish_mode is PublishMode.OFF
    assert settings.discovery_url == CHARGEPOINT_DISCOVERY_URL


def test_a_discovery_address_is_used_with_either_source(given: Setter) -> None:
    address = "http://127.0.0.1:8050/discovery/v3/globalconfig"
    given(chargepoint_discovery_url=address)
    for source in Source:
        given(source=source.value)
        assert load_settings().discovery_url == address


def test_settings_are_read_from_the_env_file_and_the_environment_wins(workplace: Path, given: Setter) -> None:
    (workplace / ".env").write_text("CPH50_TIMEZONE=Europe/Berlin\nCPH50_POLL_SECONDS=60\n")
    given(poll_seconds="90")
    settings = load_settings()
    assert settings.zone == ZoneInfo("Europe/Berlin")
    assert settings.poll_seconds == 90


def test_a_secret_in_the_env_file_reaches_the_environment_where_dagster_looks_for_it(workplace: Path) -> None:
    (workplace / ".env").write_text("CPH50_CHARGEPOINT_PASSWORD=from the file\n")
    load_settings()
    assert os.environ["CPH50_CHARGEPOINT_PASSWORD"] == "from the file"


def test_an_empty_setting_is_none(given: Setter) -> None:
    given(publish="", timezone="", chargepoint_discovery_url="")
    assert load_settings() == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timezone", "Pacific"),
        ("timezone", "../etc/passwd"),
        ("history_start", "2025-13"),
        ("history_start", "January"),
        ("source", "tesla"),
        ("privacy", "secret"),
        ("publish", "everywhere"),
        ("sample_count", "0"),
        ("sample_count", "many"),
        ("sample_interval_seconds", "0"),
        ("poll_seconds", "1"),
        ("publish_delay_minutes", "-1"),
        ("chargepoint_discovery_url", "not an address"),
        ("simulator_seed", "-5"),
        ("home_assistant_url", "homeassistant.local"),
        ("power_interval_seconds", "9"),
        ("power_interval_seconds", "3601"),
        ("power_interval_seconds", "often"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_setting(given: Setter, name: str, value: str) -> None:
    given(**{name: value})
    with pytest.raises(BadInputError) as caught:
        load_settings()
    assert f"CPH50_{name.upper()}: " in str(caught.value)
    assert "cph50 settings" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_wrong_values_are_named_at_once(given: Setter) -> None:
    given(timezone="Pacific", history_start="yesterday")
    with pytest.raises(BadInputError, match=r"CPH50_TIMEZONE.*; CPH50_HISTORY_START"):
        load_settings()


def test_a_wrong_value_beside_a_secret_does_not_show_the_secret(given: Setter) -> None:
    given(chargepoint_password="canary", sample_count="0")
    with pytest.raises(BadInputError) as caught:
        load_settings()
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None, "the trace of the cause would show all values"
    assert caught.value.__suppress_context__


def test_secrets_are_masked_wherever_settings_are_shown(given: Setter) -> None:
    given(
        chargepoint_password="canary-password",
        chargepoint_token="canary-token",
        home_assistant_token="canary-home-token",
    )
    settings = load_settings()
    rows = {row["setting"]: row for row in settings.describe()}
    assert set(rows["CPH50_CHARGEPOINT_PASSWORD"]["value"]) == {"*"}
    assert set(rows["CPH50_HOME_ASSISTANT_TOKEN"]["value"]) == {"*"}
    assert "canary" not in repr(settings) + repr(rows) + settings.model_dump_json()


def test_every_setting_is_shown_with_the_value_in_force_and_what_it_means(workplace: Path) -> None:
    rows = {row["setting"]: row for row in load_settings().describe()}
    assert set(rows) == {f"CPH50_{name.upper()}" for name in Settings.model_fields}
    assert all(row["meaning"] for row in rows.values())
    assert rows["CPH50_DATA_DIR"]["value"] == str(workplace / ".cph50/dev/data")
    assert rows["CPH50_PUBLISH"]["value"] == "local"
    assert rows["CPH50_STATE_DIR"]["value"] == ""


@pytest.mark.parametrize(
    "address",
    [
        "http://me:canary@home.local:8123/",
        "http://home.local:8123/?token=canary",
        "http://home.local/#canary",
    ],
)
def test_an_address_of_home_assistant_that_carries_a_secret_is_refused_without_showing_it(
    given: Setter, address: str
) -> None:
    given(home_assistant_url=address)
    with pytest.raises(
        BadInputError, match=r"CPH50_HOME_ASSISTANT_URL: .*CPH50_HOME_ASSISTANT_TOKEN"
    ) as caught:
        load_settings()
    assert "canary" not in str(caught.value)


def test_home_assistant_is_simulated_with_the_simulator_and_not_with_an_address(given: Setter) -> None:
    assert load_settings().simulates_home
    assert load_settings().power_interval_seconds == 600
    given(home_assistant_url="http://homeassistant.local:8123")
    assert not load_settings().simulates_home
    given(home_assistant_url="", source="chargepoint")
    assert not load_settings().simulates_home


def test_the_private_folder_is_in_the_data_root(workplace: Path, given: Setter) -> None:
    given(data_dir="household")
    settings = load_settings()
    assert settings.private_dir == workplace / "household" / "private"
    assert settings.dagster_home == workplace / "household" / "private" / "dagster"


def test_an_object_stores_private_folder_is_on_this_machine(workplace: Path, given: Setter) -> None:
    given(data_dir="memory://household")
    assert load_settings().data_root == "memory://household"
    assert load_settings().private_dir == workplace / ".cph50" / "private"
    given(state_dir="elsewhere")
    assert load_settings().private_dir == workplace / "elsewhere"


def test_a_dagster_home_of_its_own_is_honoured(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(workplace / "home"))
    assert load_settings().dagster_home == workplace / "home"


def test_settings_of_other_programs_are_no_concern(given: Setter) -> None:
    given(unknown="kept by another tool")
    assert load_settings().source is Source.SIMULATOR
