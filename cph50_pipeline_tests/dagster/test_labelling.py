"""Labels by command: what is refused, what is written, and which month it concerns."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from cph50_pipeline.civil_time import local_date
from cph50_pipeline.defs.labelling import (
    Import,
    import_labels,
    label_session,
    put_label_back,
    unlabel_session,
)
from cph50_pipeline.defs.month_files import ACTIVITY
from cph50_pipeline.defs.store import LABELS_FILE, VEHICLES_FILE
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.vehicles.labels import Label
from cph50_pipeline_tests.dagster.homes import EMBER, MONTHS, NOW, TIDE, Home

FIRST, DECEMBER, JANUARY = MONTHS
LABEL = Label(vehicle_id=TIDE, labeled_at=NOW)


def a_session(home: Home, month: str = JANUARY) -> str:
    return min(home.store().activity(month).sessions)


def say(home: Home, session_id: str, label: Label = LABEL, first: str = FIRST, replace: bool = False) -> str:
    return label_session(home.store(), first, session_id, label, replace=replace)


def refusal(home: Home, session_id: str, label: Label = LABEL, first: str = FIRST) -> str:
    """Why a label is refused; the file is unchanged."""
    before = (home.folder / LABELS_FILE).read_bytes()
    with pytest.raises(BadInputError) as raised:
        say(home, session_id, label, first)
    assert (home.folder / LABELS_FILE).read_bytes() == before
    return str(raised.value)


@pytest.mark.parametrize("month", [DECEMBER, JANUARY])
def test_a_label_is_written_and_names_the_month_of_its_session(collected: Home, month: str) -> None:
    session_id = a_session(collected, month)
    assert say(collected, session_id) == month
    assert collected.json(LABELS_FILE)[session_id] == LABEL.model_dump(mode="json")
    assert unlabel_session(collected.store(), FIRST, session_id) == month
    assert collected.json(LABELS_FILE) == {}


def test_a_label_that_was_confirmed_is_put_back_as_it_was(collected: Home) -> None:
    session_id = a_session(collected)
    say(collected, session_id)
    before = (collected.folder / LABELS_FILE).read_bytes()
    say(collected, session_id, LABEL.model_copy(update={"confirmed": True}))
    assert collected.json(LABELS_FILE)[session_id]["confirmed"] is True
    assert put_label_back(collected.store(), FIRST, session_id, LABEL) == JANUARY
    assert (collected.folder / LABELS_FILE).read_bytes() == before


def test_a_session_that_no_stored_month_has_is_refused(collected: Home) -> None:
    said = refusal(collected, "4711")
    assert f"No stored month from {FIRST} on has a session 4711" in said
    assert "cph50 backfill" in said


def test_a_session_from_before_the_history_begins_is_refused_because_no_run_would_name_it(
    collected: Home,
) -> None:
    assert f"from {JANUARY} on" in refusal(collected, a_session(collected, DECEMBER), first=JANUARY)


def test_a_damaged_month_is_named_when_the_session_may_be_in_it_and_else_is_no_matter(
    collected: Home,
) -> None:
    (collected.folder / ACTIVITY.path(DECEMBER)).write_text("[]")
    assert say(collected, a_session(collected, JANUARY)) == JANUARY
    assert ACTIVITY.path(DECEMBER) in refusal(collected, "4711")


def test_a_car_that_does_not_exist_is_refused_with_those_that_do(collected: Home) -> None:
    said = refusal(collected, a_session(collected), LABEL.model_copy(update={"vehicle_id": "bus"}))
    assert f"There is no vehicle 'bus'. Name one of {VEHICLES_FILE} ({EMBER}, {TIDE})" in said


def test_a_car_is_judged_by_the_local_day_of_the_sessions_start(collected: Home) -> None:
    session_id = a_session(collected)
    store = collected.store()
    [start] = [s.start for s in store.sessions(JANUARY) if s.session_id == session_id]
    first_day = local_date(start, store.zone)
    document = collected.json(VEHICLES_FILE)
    for days, accepted in ((0, True), (1, False)):
        begins = (first_day + timedelta(days=days)).isoformat()
        document["vehicles"][TIDE]["valid_periods"] = [{"from": begins}]
        (collected.folder / VEHICLES_FILE).write_text(json.dumps(document))
        if accepted:
            assert say(collected, session_id) == JANUARY
        else:
            assert f"{TIDE} was not in the household on {first_day}" in refusal(collected, session_id)


@pytest.mark.parametrize(
    "broken", ['{"41": ', "[]", '{"41": {"vehicle_id": "nobodys"}}', '{"sessions": {"41": {"vehicle": "x"}}}']
)
def test_a_broken_file_is_named_and_left_to_its_owner(collected: Home, broken: str) -> None:
    (collected.folder / LABELS_FILE).write_text(broken)
    session_id = a_session(collected)
    assert LABELS_FILE in refusal(collected, session_id)
    with pytest.raises(BadInputError, match=LABELS_FILE):
        unlabel_session(collected.store(), FIRST, session_id)
    with pytest.raises(BadInputError, match=LABELS_FILE):
        import_labels(collected.store(), FIRST, {session_id: LABEL}, replace=True)
    assert (collected.folder / LABELS_FILE).read_text() == broken


def test_a_waiting_label_can_be_taken_back_and_concerns_no_month(collected: Home) -> None:
    (collected.folder / LABELS_FILE).write_text(json.dumps({"4711": TIDE}))
    assert unlabel_session(collected.store(), FIRST, "4711") is None
    assert collected.json(LABELS_FILE) == {}


def test_imported_labels_are_taken_in_with_those_that_wait_for_their_month(collected: Home) -> None:
    there, new = a_session(collected, DECEMBER), a_session(collected, JANUARY)
    say(collected, there)
    labels = {there: LABEL, new: LABEL, "4711": LABEL}
    done = import_labels(collected.store(), FIRST, labels, replace=False)
    assert done == Import((new, "4711"), (there,), ("4711",), (JANUARY,), ())
    assert collected.json(LABELS_FILE).keys() == labels.keys()


def test_an_import_of_which_anything_is_refused_takes_nothing_in_and_says_all_of_it(collected: Home) -> None:
    document = collected.json(VEHICLES_FILE)
    document["vehicles"][EMBER]["valid_periods"] = [{"from": "2026-01-01"}]
    (collected.folder / VEHICLES_FILE).write_text(json.dumps(document))
    early, late = a_session(collected, DECEMBER), a_session(collected, JANUARY)
    say(collected, late, LABEL.model_copy(update={"labeled_by": "ann"}))
    before = (collected.folder / LABELS_FILE).read_bytes()
    ember = LABEL.model_copy(update={"vehicle_id": EMBER})
    done = import_labels(collected.store(), FIRST, {early: ember, late: ember, "4711": ember}, replace=False)
    assert [line.split(":")[0] for line in done.refused] == [
        f"session {early}",
        f"Session {late} is labelled {TIDE} by ann, not {EMBER}",
    ]
    assert (collected.folder / LABELS_FILE).read_bytes() == before
    replaced = import_labels(collected.store(), FIRST, {late: ember}, replace=True)
    assert (replaced.added, replaced.refused) == ((late,), ())
