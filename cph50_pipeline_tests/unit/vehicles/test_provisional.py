from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.charging.answers import ChargingStatus
from cph50_pipeline.charging.collection import (
    CollectionRecord,
    add_missed_sample,
    add_sample,
    new_record,
    with_amperage_limit,
    with_vehicle,
)
from cph50_pipeline.civil_time import to_epoch_ms
from cph50_pipeline.vehicles.classification import Household, SeenSession
from cph50_pipeline.vehicles.classifier import KnownVehicle, TrackRecord, VehicleModel, Verdict
from cph50_pipeline.vehicles.config import VehicleConfig
from cph50_pipeline.vehicles.labels import LabelMap
from cph50_pipeline.vehicles.levels import Regime
from cph50_pipeline.vehicles.provisional import (
    CONTEXT_SESSIONS,
    ProvisionalJudge,
    nearest_before,
    with_provisional_vehicle,
)
from cph50_pipeline.vehicles.supply import Anchor, SupplyPath
from cph50_pipeline_tests.unit.charging.builders import PACIFIC, open_answer, reading, session

EMBER, TIDE = "ember", "tide"
RUNNING = session(seconds=None)
START = RUNNING.start
BEGIN = START + timedelta(seconds=20)


def known(*powers_at_limits: tuple[float, float]) -> KnownVehicle:
    """A car that charged at these powers (kW) under these limits (A), well labelled."""
    regimes = tuple(
        Regime(power_kw=power_kw, label_count=20, amperage_limits=(limit,))
        for power_kw, limit in powers_at_limits
    )
    return KnownVehicle(
        label_count=20, spread=0.006, degrees_of_freedom=23, rejection_distance=3.5, regimes=regimes
    )


MODEL = VehicleModel(
    vehicles={EMBER: known((8.55, 40), (6.84, 32)), TIDE: known((9.05, 40))},
    record=TrackRecord(judged=60, right=60),
    supply=SupplyPath(anchors=(Anchor(day=START.date() - timedelta(days=1), offset=0.0, sigma=0.003),)),
)


def household(**gone_by: str) -> Household:
    """Two cars, of which some may have left by a day."""
    vehicles = {
        car: {"valid_periods": [{"to": gone_by[car]}] if car in gone_by else []} for car in (EMBER, TIDE)
    }
    return Household(LabelMap({}), VehicleConfig.model_validate({"vehicles": vehicles}), PACIFIC)


def judge(**changes: object) -> ProvisionalJudge:
    return replace(ProvisionalJudge(RUNNING, household(), MODEL), **changes)  # type: ignore[arg-type]


def look(second: float, power_kw: float, updated_at: float) -> ChargingStatus:
    return ChargingStatus.model_validate(
        open_answer(
            energy_kwh=round(power_kw * updated_at / 3600, 4),
            power_kw=power_kw,
            last_update_data_timestamp=to_epoch_ms(START + timedelta(seconds=updated_at)),
            session_time=round(second * 1000),
        )
    )


def window(
    *powers_kw: float, every: float = 60, limit: float | None = 40, looks: int = 1
) -> CollectionRecord:
    """A window in which the charger took a reading `every` so many seconds, each looked at some times."""
    record = with_amperage_limit(new_record("501", START, BEGIN, 10), limit)
    for number, power_kw in enumerate(powers_kw, 1):
        for again in range(looks):
            second = number * every + 5 + again
            answered = look(second, power_kw, number * every)
            record = add_sample(record, answered, START + timedelta(seconds=second), PACIFIC)
    return record


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def test_the_car_is_named_by_the_first_readings_on_its_plateau() -> None:
    rising, steady = window(3.1, 8.5), window(3.1, 8.54, 8.56)

    assert judge().judged(rising) == rising
    named = judge().judged(steady)
    assert (named.vehicle_id, named.labeled_by, named.labeled_at) == (EMBER, "classifier", at(180))
    assert 0.9 < (named.vehicle_confidence or 0) < 1
    assert named.provisional_vehicle_id == EMBER
    assert named.provisional_vehicle_confidence == named.vehicle_confidence
    assert named.samples == steady.samples


def test_looking_again_at_the_same_reading_says_nothing_more() -> None:
    assert judge().judged(window(8.55, looks=30)).vehicle_id == "unknown"
    once, often = window(8.54, 8.56, 8.55), window(8.54, 8.56, 8.55, looks=10)
    assert judge().judged(once).vehicle_confidence == judge().judged(often).vehicle_confidence


def test_a_window_that_begins_late_names_the_car_at_its_first_look_by_the_curve_until_then() -> None:
    curve = tuple(reading(second, second * 9.05 / 3600, 9.05 + second / 1e5) for second in (60, 120, 180))
    late = judge(session=replace(RUNNING, curve=curve))

    assert late.judged(window(9.06, every=240)).vehicle_id == TIDE
    assert judge().judged(window(9.06, every=240)).vehicle_id == "unknown"


def test_the_limit_decides_what_a_power_means() -> None:
    powers = (7.24, 7.25, 7.235)  # tide at 32 A, where nobody has seen it; at 40 A no car draws so little
    assert judge().judged(window(*powers, limit=32)).vehicle_id == TIDE
    assert judge().judged(window(*powers, limit=40)).vehicle_id == "unknown"


def test_more_readings_keep_the_time_of_the_label_and_a_change_of_mind_does_not() -> None:
    named = judge().judged(window(8.54, 8.56))
    again = judge().judged(add_sample(named, look(200, 8.55, 195), at(200), PACIFIC))
    changed = with_provisional_vehicle(again, Verdict(TIDE, 0.7, "nearer now"), at(260))

    assert again.labeled_at == named.labeled_at == at(120)
    assert (changed.vehicle_id, changed.labeled_at, changed.provisional_vehicle_id) == (TIDE, at(260), TIDE)


def test_a_car_that_no_longer_fits_is_taken_back() -> None:
    named = judge().judged(window(8.54, 8.56))
    taken_back = with_provisional_vehicle(named, Verdict("unknown", 0.0, "too far away", True), at(260))

    assert taken_back == window(8.54, 8.56)


def test_a_persons_word_stays_and_the_classifiers_stands_beside_it() -> None:
    said = with_vehicle(
        window(8.54, 8.56), vehicle_id=TIDE, vehicle_confidence=1.0, labeled_by="manual", labeled_at=BEGIN
    )
    judged = judge().judged(said)

    assert (judged.vehicle_id, judged.vehicle_confidence, judged.labeled_at) == (TIDE, 1.0, BEGIN)
    assert judged.provisional_vehicle_id == EMBER


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"session": session(seconds=None, is_home=False)}, "another charger's power says nothing"),
        ({"household": household(ember="2025-11-03")}, "the car was not in the household on that day"),
        ({"model": VehicleModel()}, "no car is known"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_car_is_named_when(changes: dict[str, object], why: str) -> None:
    record = window(8.54, 8.56, 8.55)
    assert judge(**changes).judged(record) == record, why


def test_a_window_without_a_reading_is_left_as_it_is() -> None:
    missed = add_missed_sample(new_record("501", START, BEGIN, 10), BEGIN, "no answer", PACIFIC)
    assert judge().judged(missed) == missed


def steady_session(days_before: float, power_kw: float = 8.55) -> SeenSession:
    start = START - timedelta(days=days_before)
    readings = [reading(60.0 * n, n * power_kw / 60, power_kw + n / 1e4) for n in range(1, 10)]
    seen = [replace(one, at=one.at - timedelta(days=days_before)) for one in readings]
    return SeenSession(session(session_id=f"{days_before:g}", start=start), seen, 40.0)


def test_the_context_is_the_last_sessions_before_that_charged_steadily_in_order_of_time() -> None:
    idle = replace(steady_session(0.5), readings=())
    later, itself = steady_session(-1), steady_session(0)
    seen = [idle, later, itself, *(steady_session(days) for days in range(1, 2 * CONTEXT_SESSIONS))]
    context = nearest_before(RUNNING, seen, household())

    assert [case.session_id for case in context] == [str(days) for days in range(CONTEXT_SESSIONS, 0, -1)]


def test_sessions_before_show_where_the_supply_stands() -> None:
    """Both cars draw 4 % less than they used to: alone, tide's power lies between the two."""
    unsettled = MODEL.model_copy(update={"supply": SupplyPath()})
    weak = [steady_session(days, power_kw * 0.96) for days in range(1, 9) for power_kw in (8.55, 9.05)]
    record = window(9.05 * 0.96, 9.06 * 0.96, 9.04 * 0.96)
    alone = judge(model=unsettled).judged(record)
    informed = judge(model=unsettled, context=nearest_before(RUNNING, weak, household())).judged(record)

    assert informed.vehicle_id == TIDE
    assert (informed.vehicle_confidence or 0) > (alone.vehicle_confidence or 0)


@given(
    verdicts=st.lists(
        st.tuples(st.sampled_from(("unknown", EMBER, TIDE)), st.floats(0.01, 0.99)), min_size=1, max_size=8
    )
)
def test_the_last_verdict_is_what_the_record_says(verdicts: list[tuple[str, float]]) -> None:
    record = window(8.54, 8.56)
    for minute, (vehicle_id, confidence) in enumerate(verdicts):
        record = with_provisional_vehicle(record, Verdict(vehicle_id, confidence, ""), at(60 * minute))
    last_id, last_confidence = verdicts[-1]
    is_named = last_id != "unknown"

    assert record.vehicle_id == last_id
    assert record.vehicle_confidence == (round(last_confidence, 2) if is_named else None)
    assert record.labeled_by == ("classifier" if is_named else None)
    assert (record.provisional_vehicle_id or "unknown") == last_id
    assert record.provisional_vehicle_confidence == record.vehicle_confidence
    same = len(verdicts)
    while is_named and same and verdicts[same - 1][0] == last_id:
        same -= 1
    assert record.labeled_at == (at(60 * same) if is_named else None)
    assert record.samples == window(8.54, 8.56).samples
