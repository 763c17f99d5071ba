from __future__ import annotations

from datetime import timedelta

from cph50_pipeline.charging.answers import ChargingStatus
from cph50_pipeline.charging.collection import CollectionRecord, add_missed_sample, add_sample, new_record
from cph50_pipeline.charging.samples import distinct_readings
from cph50_pipeline.civil_time import to_epoch_ms
from cph50_pipeline_tests.unit.charging.builders import PACIFIC, START, open_answer, reading, session


def window(*looks: tuple[float, float, float]) -> CollectionRecord:
    """A record of looks, each with the second of the charger's own reading, its energy and power."""
    record = new_record("501", START, START, 10)
    for number, (second, energy_kwh, power_kw) in enumerate(looks):
        reported = to_epoch_ms(START + timedelta(seconds=second))
        answered = ChargingStatus.model_validate(
            open_answer(energy_kwh=energy_kwh, power_kw=power_kw, last_update_data_timestamp=reported)
        )
        record = add_sample(record, answered, START + timedelta(seconds=10 * number), PACIFIC)
    return record


def test_repeated_samples_are_one_reading() -> None:
    record = window((30, 0.1, 8.6), (30, 0.1, 8.6), (30, 0.1, 8.6), (90, 0.2, 8.6))

    readings = distinct_readings(session(), record)
    assert [(r.at - START).total_seconds() for r in readings] == [30, 90]
    assert {r.origin for r in readings} == {"window"}


def test_the_window_wins_for_the_same_time_of_reading() -> None:
    curve = (reading(30, 0.11, 8.5), reading(300, 0.7, 8.6))

    readings = distinct_readings(session(curve=curve), window((30, 0.1, 8.6)))
    assert [(r.origin, r.energy_kwh) for r in readings] == [("window", 0.1), ("curve", 0.7)]


def test_doubled_points_of_the_curve_are_one_reading() -> None:
    curve = (reading(30, 0.1, 8.5), reading(30, 0.1, 8.5), reading(30, 0.2, 8.5))

    assert len(distinct_readings(session(curve=curve), None)) == 2


def test_readings_come_in_order_of_time() -> None:
    curve = (reading(300, 0.7, 8.6), reading(0, 0.0, 0.0))

    times = [r.at for r in distinct_readings(session(curve=curve), window((30, 0.1, 8.6)))]
    assert times == sorted(times)


def test_missed_looks_are_no_readings() -> None:
    record = add_missed_sample(new_record("501", START, START, 10), START, "no answer", PACIFIC)

    assert distinct_readings(session(), record) == []


def test_without_the_chargers_own_time_the_look_is_the_time() -> None:
    silent = ChargingStatus.model_validate(
        open_answer(energy_kwh=0.1, power_kw=8.6, last_update_data_timestamp=None)
    )
    record = add_sample(
        new_record("501", START, START, 10), silent, START + timedelta(seconds=7, microseconds=1234), PACIFIC
    )

    assert distinct_readings(session(), record)[0].at == START + timedelta(seconds=7, milliseconds=1)


def test_a_sample_above_the_final_energy_of_an_ended_session_is_left_out() -> None:
    record = window((30, 8.02, 8.6), (60, 8.005, 8.6))

    assert [r.energy_kwh for r in distinct_readings(session(energy_kwh=8.0), record)] == [8.005]
    assert len(distinct_readings(session(energy_kwh=8.0, seconds=None), record)) == 2
