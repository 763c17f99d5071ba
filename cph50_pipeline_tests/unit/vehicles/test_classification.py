from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pytest

from cph50_pipeline.charging.model import Attribution, Reading, Session
from cph50_pipeline.vehicles.classification import (
    Classification,
    Household,
    SeenSession,
    case_of,
    classify_month,
    noted_confidence,
)
from cph50_pipeline.vehicles.classifier import Case, VehicleClassifier, VehicleModel, Verdict
from cph50_pipeline.vehicles.config import VehicleConfig
from cph50_pipeline.vehicles.labels import LabelMap
from cph50_pipeline.vehicles.training import train
from cph50_pipeline_tests.unit.vehicles.curves import START, curve, session, steady
from cph50_pipeline_tests.unit.vehicles.labelled import household

ZONE = ZoneInfo("America/Los_Angeles")
CONFIG = VehicleConfig.read({"vehicles": {"ember": {}, "tide": {}}}, "vehicle_config.json")
LABELLED_AT = datetime(2026, 2, 1, 12, tzinfo=UTC)
EMBER, TIDE = curve(steady(8.55)), curve(steady(9.05))
NO_PREVIOUS: dict[str, Classification] = {}


@lru_cache
def trained(label_count: int = 20) -> VehicleModel:
    return train(household(label_count)).model


def labels(**vehicle_by_session: str) -> LabelMap:
    entries = {
        id_.removeprefix("s"): {
            "vehicle_id": car,
            "labeled_by": "anna",
            "labeled_at": LABELLED_AT.isoformat(),
        }
        for id_, car in vehicle_by_session.items()
    }
    return LabelMap.read(entries, "session_vehicle_map.json", CONFIG.vehicles)


def home(said: LabelMap | None = None, config: VehicleConfig = CONFIG) -> Household:
    return Household(said or labels(), config, ZONE)


def classify(
    readings: Sequence[Reading],
    *,
    of: Session | None = None,
    said: LabelMap | None = None,
    model: VehicleClassifier | None = None,
    previous: Classification | None = None,
    config: VehicleConfig = CONFIG,
    amperage_limit: float | None = None,
    provisional: Attribution | None = None,
) -> Classification:
    before = {previous.session_id: previous} if previous else {}
    one = SeenSession(of or session("41"), readings, amperage_limit, provisional)
    [found] = classify_month([one], home(said, config), model or trained(), before)
    return found


class Broken:
    version = "broken"

    def judge(self, cases: Sequence[Case], context: Sequence[Case] = ()) -> list[Verdict]:
        raise ZeroDivisionError("no spread")


class Boastful:
    version = "boastful"

    def judge(self, cases: Sequence[Case], context: Sequence[Case] = ()) -> list[Verdict]:
        return [Verdict("ember", 1.0, "certain")] * len(cases)


def test_the_classifier_names_the_car_when_nobody_else_did() -> None:
    found = classify(TIDE)
    assert (found.vehicle_id, found.labeled_by, found.final) == ("tide", "classifier", True)
    assert found.labeled_at == max(reading.at for reading in TIDE)
    assert 0.7 < found.confidence < 1
    assert not found.needs_review


def test_a_person_goes_before_the_classifier() -> None:
    found = classify(EMBER, said=labels(s41="tide"), model=trained(2))
    assert (found.vehicle_id, found.labeled_by, found.labeled_at) == ("tide", "manual", LABELLED_AT)
    assert found.confidence == 1
    assert "anna" in found.reason
    assert not found.needs_review


def test_a_label_that_a_sure_classifier_contradicts_stands_and_is_reviewed() -> None:
    found = classify(EMBER, said=labels(s41="tide"))
    assert (found.vehicle_id, found.needs_review) == ("tide", True)
    assert "the classifier says ember" in found.reason


def test_a_label_that_a_person_stands_by_is_not_reviewed_whatever_the_classifier_says() -> None:
    entry = {"41": {"vehicle_id": "tide", "labeled_by": "anna", "confirmed": True}}
    found = classify(EMBER, said=LabelMap.read(entry, "session_vehicle_map.json", CONFIG.vehicles))
    assert (found.vehicle_id, found.confirmed, found.needs_review) == ("tide", True, False)
    assert found.reason.startswith("labelled by anna and confirmed; the classifier says ember (0.")


def test_a_confirmation_is_written_only_where_there_is_one() -> None:
    entry = {"41": {"vehicle_id": "tide", "confirmed": True}}
    confirmed = classify(TIDE, said=LabelMap.read(entry, "session_vehicle_map.json", CONFIG.vehicles))
    written = confirmed.model_dump(mode="json")
    assert written["confirmed"] is True
    assert Classification.model_validate(written) == confirmed
    for other in (classify(TIDE), classify(TIDE, said=labels(s41="tide"))):
        assert "confirmed" not in other.model_dump(mode="json")


def test_a_label_that_the_classifier_wrote_is_not_a_persons_word() -> None:
    entry = {"41": {"vehicle_id": "tide", "labeled_by": "classifier"}}
    said = LabelMap.read(entry, "session_vehicle_map.json", CONFIG.vehicles)
    assert classify(EMBER, said=said).vehicle_id == "ember"


def test_without_labels_and_model_every_session_is_unknown_and_nothing_calls_for_review() -> None:
    found = classify(EMBER, model=VehicleModel())
    assert (found.vehicle_id, found.confidence) == ("unknown", 0)
    assert (found.labeled_by, found.labeled_at) == (None, None)
    assert not found.needs_review


def test_a_car_that_resembles_none_is_unknown_and_reviewed() -> None:
    found = classify(curve(steady(7.2)))
    assert (found.vehicle_id, found.needs_review) == ("unknown", True)


def test_a_car_known_from_one_label_only_is_reviewed() -> None:
    found = classify(EMBER, model=trained(1))
    assert (found.vehicle_id, found.needs_review) == ("ember", True)


def test_an_idle_session_is_unknown_and_not_reviewed() -> None:
    found = classify(curve([0.0] * 20))
    assert (found.vehicle_id, found.needs_review) == ("unknown", False)


def test_a_session_without_any_reading_is_unknown() -> None:
    assert classify([]).vehicle_id == "unknown"


def test_a_public_station_tells_nothing_of_the_car() -> None:
    away = session("41", is_home=False)
    assert classify(TIDE, of=away).vehicle_id == "unknown"
    assert classify(TIDE, of=away, said=labels(s41="tide")).vehicle_id == "tide"


def test_while_a_session_is_open_its_car_is_provisional() -> None:
    provisional = classify(TIDE[:3], of=session("41", is_open=True))
    assert (provisional.vehicle_id, provisional.final) == ("tide", False)
    final = classify(TIDE, previous=provisional)
    assert final.final
    assert final.labeled_at == provisional.labeled_at == TIDE[2].at


def test_a_provisional_car_is_revised_when_more_was_read() -> None:
    provisional = classify(EMBER[:3], of=session("41", is_open=True))
    final = classify(TIDE, previous=provisional)
    assert final.vehicle_id == "tide"
    assert final.labeled_at == TIDE[-1].at


def test_the_time_of_a_label_changes_only_with_the_label() -> None:
    first = classify(TIDE[:8])
    more = classify(TIDE, model=trained(5), previous=first)
    assert more.confidence != first.confidence
    assert more.labeled_at == first.labeled_at
    by_hand = classify(TIDE, said=labels(s41="tide"), previous=more)
    assert by_hand.labeled_at == LABELLED_AT
    taken_back = classify(TIDE, previous=by_hand)
    assert (taken_back.labeled_by, taken_back.labeled_at) == ("classifier", TIDE[-1].at)


def test_only_cars_of_the_household_on_the_local_day_are_candidates() -> None:
    sold = {"vehicles": {"ember": {}, "tide": {"valid_periods": [{"to": "2026-01-06"}]}}}
    config = VehicleConfig.read(sold, "vehicle_config.json")
    assert START.date().isoformat() == "2026-01-07"  # in UTC; at home it is still the day before
    assert classify(TIDE, config=config).vehicle_id == "tide"
    assert (
        classify(TIDE, of=session("41", start=START + timedelta(hours=2)), config=config).vehicle_id
        == "unknown"
    )


@pytest.mark.parametrize("model", [Broken(), Boastful()], ids=["raises", "claims certainty"])
def test_a_classifier_that_fails_leaves_the_last_label_standing(model: VehicleClassifier) -> None:
    before = classify(TIDE[:3], of=session("41", is_open=True))
    after = classify(TIDE, model=model, previous=before)
    assert (after.vehicle_id, after.confidence, after.labeled_at) == (
        "tide",
        before.confidence,
        before.labeled_at,
    )
    assert (after.final, after.needs_review) == (True, True)
    assert "the classifier failed" in after.reason


def test_a_classifier_that_fails_without_a_label_before_leaves_unknown() -> None:
    found = classify(TIDE, model=Broken())
    assert (found.vehicle_id, found.labeled_by, found.needs_review) == ("unknown", None, True)
    assert "ZeroDivisionError: no spread" in found.reason


def test_a_classifier_that_fails_does_not_bring_back_a_label_that_a_person_took_away() -> None:
    by_hand = classify(TIDE, said=labels(s41="ember"))
    assert classify(TIDE, model=Broken(), previous=by_hand).vehicle_id == "unknown"


def test_a_classifier_that_fails_does_not_touch_a_persons_label() -> None:
    found = classify(TIDE, said=labels(s41="ember"), model=Broken())
    assert (found.vehicle_id, found.needs_review) == ("ember", False)


def test_a_month_is_sorted_by_session_and_the_same_when_done_again() -> None:
    month = [
        SeenSession(session("43"), EMBER),
        SeenSession(session("41", is_open=True), TIDE),
        SeenSession(session("42"), ()),
    ]
    family = home(labels(s42="ember"))
    once = classify_month(month, family, trained(), NO_PREVIOUS)
    assert [found.session_id for found in once] == ["41", "42", "43"]
    previous = {found.session_id: found for found in once}
    assert classify_month(month[::-1], family, trained(), previous) == once


def test_a_car_taken_for_another_in_the_first_minutes_is_revised_and_the_reason_says_so() -> None:
    revised = classify(TIDE, provisional=Attribution("ember", 0.81))
    assert revised.vehicle_id == "tide"
    assert revised.reason.endswith("; revised, in the first minutes it was taken for ember (0.81)")
    assert "revised" not in classify(TIDE, provisional=Attribution("tide", 0.9)).reason
    assert "revised" not in classify(TIDE).reason


def test_what_was_provisional_is_no_revision_while_the_session_runs() -> None:
    running = classify(TIDE, of=session("41", is_open=True), provisional=Attribution("ember", 0.81))
    assert "revised" not in running.reason


def test_the_limit_that_was_seen_is_part_of_what_is_judged() -> None:
    at_40 = train(household(20, amperage_limit=40)).model
    power_at_32 = curve(steady(9.05 * 32 / 40))
    assert classify(power_at_32, model=at_40).vehicle_id == "unknown"
    assert classify(power_at_32, model=at_40, amperage_limit=32).vehicle_id == "tide"


def test_sessions_of_the_month_before_show_how_the_supply_stands() -> None:
    before = [
        SeenSession(session(str(day), start=START - timedelta(days=day)), curve(steady(power * 1.03)))
        for day in range(1, 20)
        for power in [(8.55, 9.05)[day % 2]]
    ]
    asked = [SeenSession(session("41"), curve(steady(9.05 * 1.03)))]
    model = trained()
    late = model.model_copy(update={"supply": model.supply.model_copy(update={"anchors": ()})})
    [alone] = classify_month(asked, home(), late, NO_PREVIOUS)
    [shown] = classify_month(asked, home(), late, NO_PREVIOUS, before)
    assert shown.vehicle_id == "tide"
    assert shown.confidence > alone.confidence


def test_a_classification_is_written_with_offsets_and_fields_in_their_order() -> None:
    found = classify(TIDE)
    written = json.loads(json.dumps(found.model_dump(mode="json")))
    assert written["labeled_at"].endswith("+00:00")
    assert list(written) == [
        "session_id", "vehicle_id", "confidence", "labeled_by", "labeled_at", "final", "needs_review",
        "reason",
    ]  # fmt: skip
    assert Classification.model_validate(written) == found


def test_the_classifier_sees_a_persons_label_and_the_cars_of_the_local_day() -> None:
    sold = {"vehicles": {"ember": {}, "tide": {"valid_periods": [{"to": "2026-01-05"}]}}}
    config = VehicleConfig.read(sold, "vehicle_config.json")
    case = case_of(SeenSession(session("41"), TIDE, 40.0), home(labels(s41="ember"), config))
    assert (case.label, case.candidates) == ("ember", ("ember",))
    assert case.fingerprint is not None
    assert case.fingerprint.amperage_limit == 40


def test_what_is_charged_elsewhere_has_no_fingerprint() -> None:
    away = SeenSession(session("41", is_home=False), TIDE)
    assert case_of(away, home()).fingerprint is None


def test_a_confidence_is_written_in_hundredths_and_never_as_certainty() -> None:
    found = classify(TIDE)
    assert found.confidence == round(found.confidence, 2) < 1
    assert noted_confidence(Verdict("ember", 0.9999, "")) == 0.99
    assert noted_confidence(Verdict("ember", 0.8449, "")) == 0.84


def test_a_model_that_learned_from_one_label_more_writes_the_same() -> None:
    before, after = classify(TIDE, model=trained(40)), classify(TIDE, model=trained(41))
    assert after == before
