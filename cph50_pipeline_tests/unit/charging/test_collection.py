from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cph50_pipeline.charging.answers import ChargingStatus
from cph50_pipeline.charging.collection import (
    CollectionRecord,
    add_missed_sample,
    add_sample,
    collection_path,
    is_complete,
    joined,
    new_record,
    with_amperage_limit,
    with_vehicle,
)
from cph50_pipeline.civil_time import to_epoch_ms
from cph50_pipeline.errors import BadInputError
from cph50_pipeline_tests.unit.charging.builders import PACIFIC, START, open_answer, status

BEGIN = START + timedelta(seconds=20)
SEED_FIELDS = {
    "session_id",
    "collection_start",
    "collection_end",
    "duration_seconds",
    "sample_count",
    "valid_sample_count",
    "interval_seconds",
    "vehicle_id",
    "vehicle_confidence",
    "labeled_by",
    "labeled_at",
    "samples",
}
ADDED_FIELDS = {
    "distinct_sample_count",
    "collection_delay_seconds",
    "amperage_limit",
    "provisional_vehicle_id",
    "provisional_vehicle_confidence",
}
SEED_SAMPLE_FIELDS = {
    "sample_number",
    "timestamp",
    "timestamp_pt",
    "session_id",
    "power_kw",
    "energy_kwh",
    "duration_minutes",
    "status",
}


def look(
    second: float, energy_kwh: float, power_kw: float = 8.6, updated_at: float | None = 0
) -> ChargingStatus:
    reported = None if updated_at is None else to_epoch_ms(START + timedelta(seconds=updated_at))
    return ChargingStatus.model_validate(
        open_answer(
            energy_kwh=energy_kwh,
            power_kw=power_kw,
            last_update_data_timestamp=reported,
            session_time=round(second * 1000),
        )
    )


def sampled(count: int, charger_updates_every: float = 60) -> CollectionRecord:
    """Looks ten seconds apart at a charger that updates more slowly."""
    record = new_record("501", START, BEGIN, 10)
    for number in range(count):
        second = 20 + 10 * number
        updated_at = second // charger_updates_every * charger_updates_every
        record = add_sample(
            record,
            look(second, updated_at / 400, updated_at=updated_at),
            START + timedelta(seconds=second),
            PACIFIC,
        )
    return record


def test_a_record_has_every_field_of_the_published_form() -> None:
    document = sampled(3).document()

    assert document.keys() == SEED_FIELDS | ADDED_FIELDS
    assert all(sample.keys() == SEED_SAMPLE_FIELDS | {"reading_at"} for sample in document["samples"])


def test_times_are_written_with_their_offset() -> None:
    document = sampled(2).document()

    assert document["collection_start"] == "2025-11-04T08:00:21+00:00"
    assert document["samples"][1]["timestamp"] == "2025-11-04T08:00:31+00:00"
    assert document["samples"][1]["timestamp_pt"] == "2025-11-04 00:00:31 PST"
    assert document["samples"][1]["reading_at"] == "2025-11-04T08:00:01+00:00"


def test_thirty_looks_are_counted_as_the_few_readings_that_they_are() -> None:
    record = sampled(30)

    assert (record.sample_count, record.valid_sample_count) == (30, 30)
    assert record.distinct_sample_count == 6
    assert record.duration_seconds == 290
    assert record.collection_delay_seconds == 20


def test_a_missed_look_counts_as_one_and_says_why() -> None:
    record = add_missed_sample(
        sampled(2), BEGIN + timedelta(seconds=20), "ChargePoint did not answer", PACIFIC
    )

    assert (record.sample_count, record.valid_sample_count, record.distinct_sample_count) == (3, 2, 1)
    assert record.samples[-1].status == "missed: ChargePoint did not answer"
    assert record.samples[-1].power_kw is None


def test_a_record_continues_from_its_file_as_if_nothing_had_happened() -> None:
    resumed = CollectionRecord.read(json.loads(json.dumps(sampled(5).document())), "501.json")
    for number in range(5, 12):
        second = 20 + 10 * number
        updated_at = second // 60 * 60
        answered = look(second, updated_at / 400, updated_at=updated_at)
        resumed = add_sample(resumed, answered, START + timedelta(seconds=second), PACIFIC)

    assert resumed.document() == sampled(12).document()


def test_a_record_is_complete_with_its_samples_or_with_its_session() -> None:
    assert not is_complete(new_record("501", START, BEGIN, 10), 30)
    assert not is_complete(sampled(29), 30)
    assert is_complete(sampled(30), 30)
    assert is_complete(add_sample(sampled(2), status(), BEGIN + timedelta(hours=1), PACIFIC), 30)


def test_an_answer_of_another_session_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"501.*777"):
        add_sample(sampled(1), status(session_id="777"), BEGIN, PACIFIC)


def test_the_time_plugged_in_is_counted_when_it_is_not_answered() -> None:
    silent = status(session_time=None)
    record = add_sample(
        new_record("501", START, BEGIN, 10), silent, START + timedelta(minutes=7, seconds=59), PACIFIC
    )

    assert record.samples[0].duration_minutes == 7


def test_a_vehicle_is_noted_without_touching_the_samples() -> None:
    before = sampled(2).model_copy(update={"provisional_vehicle_id": "tide"})
    labelled = with_vehicle(
        before, vehicle_id="ember", vehicle_confidence=0.9, labeled_by="classifier", labeled_at=BEGIN
    )

    assert labelled.samples == before.samples
    assert labelled.provisional_vehicle_id == "tide"
    assert labelled.document()["vehicle_id"] == "ember"
    assert labelled.document()["labeled_at"] == "2025-11-04T08:00:21+00:00"
    assert sampled(2).vehicle_id == "unknown"


def test_a_field_added_by_a_later_version_survives() -> None:
    document = {**sampled(1).document(), "ambient_celsius": 21}

    assert CollectionRecord.read(document, "501.json").document()["ambient_celsius"] == 21


def test_a_record_from_before_a_field_was_added_reads_as_null() -> None:
    document = {name: value for name, value in sampled(1).document().items() if name in SEED_FIELDS}
    old = CollectionRecord.read(document, "501.json")

    assert old.amperage_limit is None
    assert (old.provisional_vehicle_id, old.provisional_vehicle_confidence) == (None, None)


def test_a_window_keeps_the_limit_it_began_with() -> None:
    begun = with_amperage_limit(new_record("501", START, BEGIN, 10), 40)
    going_on = add_sample(begun, look(20, 0.1), BEGIN, PACIFIC)

    assert begun.amperage_limit == 40
    assert with_amperage_limit(going_on, 40) == going_on


def test_a_limit_changed_under_way_is_unknown_and_stays_so() -> None:
    going_on = with_amperage_limit(sampled(3).model_copy(update={"amperage_limit": 40.0}), 32)

    assert going_on.amperage_limit is None
    assert with_amperage_limit(going_on, 32).amperage_limit is None


def test_no_answer_takes_no_limit_away_and_a_late_answer_vouches_for_no_earlier_sample() -> None:
    known, unknown = sampled(3).model_copy(update={"amperage_limit": 40.0}), sampled(3)

    assert with_amperage_limit(known, None).amperage_limit == 40
    assert with_amperage_limit(unknown, 40).amperage_limit is None


@pytest.mark.parametrize(
    "damage", [{"samples": 3}, {"collection_start": "2025-11-04T08:00:21"}, {"session_id": None}]
)
def test_a_damaged_record_names_file_and_field(damage: dict[str, object]) -> None:
    with pytest.raises(BadInputError) as caught:
        CollectionRecord.read({**sampled(1).document(), **damage}, "sessions/2025/11/04/501.json")

    assert "sessions/2025/11/04/501.json" in str(caught.value)
    assert next(iter(damage)) in str(caught.value)


def test_a_record_lies_under_the_local_date_of_its_start() -> None:
    start = datetime(2025, 11, 1, 6, 30, tzinfo=UTC)

    assert collection_path("501", start, PACIFIC) == "sessions/2025/10/31/501.json"
    assert collection_path("501", start, ZoneInfo("Europe/Berlin")) == "sessions/2025/11/01/501.json"


@pytest.mark.parametrize("session_id", ["../501", "", "a/b", "5 1", "501\n"])
def test_an_id_that_is_no_file_name_is_refused(session_id: str) -> None:
    with pytest.raises(BadInputError, match="is not one"):
        collection_path(session_id, START, PACIFIC)


def looked(*seconds: float) -> CollectionRecord:
    """A record whose window began with its first look."""
    record = new_record("501", START, START + timedelta(seconds=seconds[0]), 10)
    for second in seconds:
        at = START + timedelta(seconds=second)
        record = add_sample(record, look(second, second / 100, updated_at=second), at, PACIFIC)
    return record


def test_two_records_of_a_session_join_into_every_look_once_in_order() -> None:
    whole = looked(20, 30, 40, 50, 60)

    assert joined(looked(20, 30, 40), looked(40, 50, 60)) == whole
    assert joined(looked(40, 50, 60), looked(20, 30, 40)) == whole
    assert joined(whole, whole) == whole


def test_of_two_records_the_label_given_last_stands() -> None:
    labelled = with_vehicle(
        looked(50), vehicle_id="ember", vehicle_confidence=0.9, labeled_by="classifier", labeled_at=BEGIN
    )
    for both in (joined(looked(20), labelled), joined(labelled, looked(20))):
        assert (both.vehicle_id, both.vehicle_confidence, both.labeled_at) == ("ember", 0.9, BEGIN)
        assert both.sample_count == 2


def test_two_records_join_under_the_limit_that_both_had_and_with_the_later_provisional_car() -> None:
    early = looked(20).model_copy(update={"amperage_limit": 40.0, "provisional_vehicle_id": "tide"})
    late = looked(50).model_copy(
        update={
            "amperage_limit": 40.0,
            "provisional_vehicle_id": "ember",
            "provisional_vehicle_confidence": 0.8,
        }
    )
    other_limit = late.model_copy(update={"amperage_limit": 32.0})

    for both in (joined(early, late), joined(late, early)):
        assert both.amperage_limit == 40
        assert (both.provisional_vehicle_id, both.provisional_vehicle_confidence) == ("ember", 0.8)
    assert joined(early, other_limit).amperage_limit is None


def test_records_without_a_look_join_into_the_one_that_began_first() -> None:
    first, second = (
        new_record("501", START, BEGIN, 10),
        new_record("501", START, BEGIN + timedelta(hours=1), 10),
    )

    assert joined(second, first) == first


def test_a_record_tells_when_its_session_began() -> None:
    assert looked(20).session_start == START
    assert looked(20).model_copy(update={"collection_delay_seconds": None}).session_start is None
