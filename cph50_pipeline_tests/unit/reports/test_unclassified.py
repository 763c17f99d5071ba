"""The report of sessions without a car: the queue, the groups with what to label first, and the months."""

from __future__ import annotations

import csv
import io
from zoneinfo import ZoneInfo

import pytest

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.reports.unclassified import (
    UnclassifiedReport,
    counts_markdown,
    groups_markdown,
    queue_markdown,
    unclassified_csv,
    unclassified_report,
)
from cph50_pipeline.storage.documents import dump_json, load_json
from cph50_pipeline.vehicles.classifier import VehicleModel
from cph50_pipeline.vehicles.plateaus import NamedSession
from cph50_pipeline.vehicles.training import fit
from cph50_pipeline_tests.unit.vehicles.labelled import EMBER, TIDE, household
from cph50_pipeline_tests.unit.vehicles.named import UNSURE, in_turns, named

PACIFIC = ZoneInfo("America/Los_Angeles")
SLIP = named(TIDE, 8.55, day=80, by="manual", needs_review=True)
DOUBTFUL = named(EMBER, 8.6, day=81, confidence=UNSURE, needs_review=True)
STRANGERS = [
    named("unknown", 7.2, day=82 + day, by=None, needs_review=True, reason="<b>like none</b>")
    for day in range(4)
]
IDLE = named("unknown", None, day=90, by=None)


@pytest.fixture(scope="module")
def model() -> VehicleModel:
    return fit(household(20))


@pytest.fixture(scope="module")
def report(model: VehicleModel) -> UnclassifiedReport:
    sessions: list[NamedSession] = [*in_turns(20), SLIP, DOUBTFUL, *STRANGERS, IDLE]
    return unclassified_report(sessions, model, PACIFIC)


def test_the_report_holds_the_queue_the_groups_and_what_is_alone(report: UnclassifiedReport) -> None:
    assert [item.kind.value for item in report.queue] == ["contradicted", *["stranger"] * 4, "unsure"]
    [group] = report.groups
    assert group.question == "4 sessions near 7.20 kW: which car?"
    assert (group.sessions, group.labels_wanted, group.guess) == (4, 4, None)
    assert [example.session_id for example in group.examples] == ["s85", "s84", "s83"]
    assert group.command == "cph50 label s85 CAR"
    assert "Label 4 of them" in group.todo
    assert report.singles == ("s81",)


def test_each_month_counts_every_session_once(report: UnclassifiedReport) -> None:
    assert [month.month for month in report.months] == ["2026-02", "2026-03", "2026-04"]
    for month in report.months:
        assert month.by_hand + month.by_classifier + month.unknown + month.nothing_seen == month.sessions
    march, april = report.months[1:]
    assert (march.by_hand, march.by_classifier, march.unknown, march.nothing_seen) == (1, 2, 4, 0)
    assert march.needs_review == 6
    assert (april.sessions, april.nothing_seen, april.needs_review) == (1, 1, 0)


def test_the_table_has_a_row_for_each_item_and_each_group(report: UnclassifiedReport) -> None:
    rows = list(csv.DictReader(io.StringIO(unclassified_csv(report))))
    assert [row["kind"] for row in rows] == [*(item.kind.value for item in report.queue), "group"]
    assert (rows[0]["vehicle_id"], rows[0]["suggestion"], rows[0]["start"]) == (
        "tide",
        "ember",
        "2026-03-22T08:00:00+00:00",
    )
    assert (rows[-1]["sessions"], rows[-1]["session_id"]) == ("4", "s85")


def test_what_stands_in_a_reason_is_text_in_the_tables(report: UnclassifiedReport) -> None:
    for table in (queue_markdown(report, PACIFIC), groups_markdown(report), counts_markdown(report)):
        assert "<" not in table
    assert "2026-03-22 01:00:00 PDT" in queue_markdown(report, PACIFIC)
    assert len(queue_markdown(report, PACIFIC, limit=2).splitlines()) == 4


def test_the_order_of_sessions_changes_nothing(model: VehicleModel, report: UnclassifiedReport) -> None:
    again = unclassified_report([IDLE, *STRANGERS[::-1], DOUBTFUL, SLIP, *in_turns(20)[::-1]], model, PACIFIC)
    assert dump_json(again.model_dump(mode="json")) == dump_json(report.model_dump(mode="json"))


def test_the_document_is_read_back_as_it_was_and_a_damaged_one_is_refused(report: UnclassifiedReport) -> None:
    data = dump_json(report.model_dump(mode="json"))
    name = "reports/unclassified.json"
    assert UnclassifiedReport.read(load_json(data, name), name) == report
    with pytest.raises(BadInputError, match=r"reports/unclassified\.json: queue"):
        UnclassifiedReport.read({}, name)


def test_a_household_without_sessions_has_an_empty_report() -> None:
    empty = unclassified_report([], VehicleModel(), PACIFIC)
    assert (empty.queue, empty.groups, empty.singles, empty.months) == ((), (), (), ())
    assert len(unclassified_csv(empty).splitlines()) == 1
