from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from cph50_pipeline.charging.answers import ActivityRow
from cph50_pipeline.charging.cache import CacheRecord, cache_record
from cph50_pipeline.charging.chains import PlugIn
from cph50_pipeline.charging.model import Attribution, VehicleCard
from cph50_pipeline.charging.sessions import read_sessions
from cph50_pipeline.charging.slots import charging_slots
from cph50_pipeline.errors import BadInputError
from cph50_pipeline_tests.unit.charging.builders import (
    START,
    month_of_answers,
    open_answer,
    reading,
    row,
    status,
)

VEHICLES = {"ember": VehicleCard(name="Ember", make="Invented", model="Hatch")}
UTILITY = {"name": "Example Energy", "plans": [{"code": "EV-1", "name": "Electric vehicles"}]}
CURVE = [(0, 0.0, 0.0), (1800, 4.0, 8.25), (3600, 8.0, 8.1)]


def record(attribution: Attribution | None = None, **fields: Any) -> CacheRecord:
    month = month_of_answers([row(utility=UTILITY, **fields)], [status(CURVE, **fields)])
    return _record(month.sessions["501"], read_sessions(month)[0], attribution)


def _record(stored: Any, session: Any, attribution: Attribution | None = None) -> CacheRecord:
    attribution = attribution or Attribution("ember", 0.93)
    slots = charging_slots(session, session.curve, attribution.vehicle_id)
    return cache_record(session, stored, attribution, slots, VEHICLES)


def test_the_minimal_reader_finds_its_fields() -> None:
    document = record().document()

    assert isinstance(document["session_id"], str)
    assert document["session_start_time"] == "2025-11-04T08:00:01+00:00"
    assert document["session_end_time"] == "2025-11-04T09:00:01+00:00"
    assert document["energy_kwh"] == 8.0
    assert document["vehicle"]["id"] == "ember"
    assert document["vehicle"]["confidence"] == 0.93


def test_the_full_reader_finds_its_fields() -> None:
    document = record(port_level=2).document()

    assert (document["vehicle_id"], document["vehicle_confidence"]) == ("ember", 0.93)
    assert document["vehicle"].keys() >= {"vehicle_id", "vehicle_name", "make", "model", "vin"}
    assert document["location"].keys() == {"location_id", "name", "address", "city", "state", "zip_code"}
    assert document["charger"].keys() >= {"charger_id", "connector_type", "charger_model", "level"}
    assert document["session"] == {
        "energy_kwh": 8.0,
        "duration_seconds": 3600,
        "charging_seconds": 3600,
        "cost": 0.8,
        "peak_power_kw": 8.25,
        "status": "completed",
    }
    assert document["utility"] == {
        "utility_name": "Example Energy",
        "utility_company": "Example Energy",
        "plan": "EV-1",
    }
    assert document["charger"]["level"] == 2
    assert document["flags"] == []


def test_an_unknown_vehicle_has_no_name_make_or_model() -> None:
    vehicle = record(Attribution()).document()["vehicle"]

    assert (vehicle["id"], vehicle["vehicle_id"], vehicle["confidence"]) == ("unknown", "unknown", None)
    assert (vehicle["vehicle_name"], vehicle["make"], vehicle["model"]) == (None, None, None)


def test_a_vehicle_that_is_no_longer_configured_keeps_its_id() -> None:
    vehicle = record(Attribution("sold", 0.8)).document()["vehicle"]

    assert (vehicle["id"], vehicle["vehicle_name"]) == ("sold", None)


def test_what_was_scrubbed_stays_null_under_its_key() -> None:
    document = record(address1=None, zipcode=None, device_id=None).document()

    assert document["location"] == {
        "location_id": None,
        "name": "Home",
        "address": None,
        "city": None,
        "state": None,
        "zip_code": None,
    }
    assert document["charger"]["charger_id"] is None


def test_what_was_kept_in_private_is_shown() -> None:
    location = record(address1="1 Example Street", zipcode="00000", city="Springfield").location

    assert (location.address, location.zip_code, location.city) == (
        "1 Example Street",
        "00000",
        "Springfield",
    )


def test_a_public_station_is_not_called_home() -> None:
    document = record(is_home_charger=False).document()

    assert document["location"]["name"] is None
    assert document["charger"]["charger_model"] is None


def test_an_open_session_is_charging_and_has_no_end() -> None:
    running = ActivityRow.model_validate(open_answer(minutes=30, energy_kwh=4.0, session_time=None))
    month = month_of_answers([running])
    document = _record(month.sessions["501"], read_sessions(month)[0]).document()

    assert document["session_end_time"] is None
    assert document["session"]["status"] == "charging"
    assert document["session"]["duration_seconds"] == 1800


def test_the_peak_power_is_that_of_all_readings() -> None:
    month = month_of_answers([], [status(CURVE)])
    session = read_sessions(month)[0]
    stored = month.sessions["501"]
    slots = charging_slots(session, session.curve, "ember")
    readings = [*session.curve, reading(900, 2.0, 8.6)]

    assert cache_record(session, stored, Attribution(), slots, {}, readings).session.peak_power_kw == 8.6
    assert cache_record(session, stored, Attribution(), slots, {}).session.peak_power_kw == 8.25


def test_without_any_power_the_peak_is_unknown_and_not_zero() -> None:
    month = month_of_answers([row()])

    assert _record(month.sessions["501"], read_sessions(month)[0]).session.peak_power_kw is None


def test_a_session_without_cost_has_none() -> None:
    assert record(total_amount=None).session.cost is None


def test_the_duration_is_that_of_the_corrected_times() -> None:
    late = int((START + timedelta(hours=26)).timestamp() * 1000)

    corrected = record(end_time=late)
    assert corrected.session.duration_seconds == 3600
    assert corrected.flags == ("end_corrected",)


@pytest.mark.parametrize(
    ("plug_in", "plug_in_id", "flags"),
    [
        (None, "501", ("no_curve", "tiny")),
        (PlugIn(("500", "501")), "500", ("no_curve", "tiny")),
        (PlugIn(("500", "501"), is_swap=True), "500", ("no_curve", "tiny")),
        (PlugIn(("501", "502"), is_swap=True), "501", ("no_curve", "swap", "tiny")),
    ],
    ids=["alone", "continued", "continued after a swap", "begun by a swap"],
)
def test_a_record_names_its_plug_in_event_and_the_first_of_it_a_swap(
    plug_in: PlugIn | None, plug_in_id: str, flags: tuple[str, ...]
) -> None:
    month = month_of_answers([row(energy_kwh=0.4)])
    session = read_sessions(month)[0]

    found = cache_record(session, month.sessions["501"], Attribution(), [], {}, plug_in=plug_in)
    assert (found.plug_in_id, found.flags) == (plug_in_id, flags)


def test_a_record_from_before_there_were_plug_in_events_is_read() -> None:
    document = record().document()
    del document["plug_in_id"]

    assert CacheRecord.read(document, "session_cache/2025-11.json").plug_in_id is None


def test_a_record_reads_back_as_it_was() -> None:
    document = json.loads(json.dumps(record().document()))

    assert CacheRecord.read(document, "session_cache/2025-11.json") == record()


def test_a_damaged_record_names_file_and_field() -> None:
    document = {**record().document(), "energy_kwh": None}

    with pytest.raises(BadInputError, match=r"session_cache/2025-11\.json: energy_kwh"):
        CacheRecord.read(document, "session_cache/2025-11.json")
