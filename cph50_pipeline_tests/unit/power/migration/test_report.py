from __future__ import annotations

import csv
import io
import json

from cph50_pipeline.power.migration.plan import FileRead, plan
from cph50_pipeline.power.migration.report import (
    COLUMNS,
    as_document,
    file_rows,
    meter_rows,
    reading_rows,
    refusal_rows,
    verdict_lines,
    verdict_rows,
    verdicts_csv,
)
from cph50_pipeline_tests.unit.power.builders import PACIFIC
from cph50_pipeline_tests.unit.power.migration.old_files import METERS, NOTHING, of_list, point

FOUND = of_list(
    [
        point(0, power=400, voltage=231, humidity=40),
        point(1, power=500, voltage=999, humidity=41),
        point(1, power=500, voltage=999),
        {"timestamp": "2026-01-31T23:59:00", "power": "=1+1"},
        {"timestamp": "2026-02-01T00:00:00", "power": 600},
    ]
)


def test_rows_and_values_add_up() -> None:
    [file] = file_rows(FOUND)
    assert file == {
        "file": "old.json",
        "read_as": "readings",
        "rows": 5,
        "taken": 3,
        "refused": 2,
        "error": None,
    }
    assert sum(row["values"] for row in refusal_rows(FOUND)) + FOUND.taken_count == len(FOUND.verdicts)


def test_meters_are_counted_by_the_households_months() -> None:
    assert meter_rows(FOUND, PACIFIC) == [
        {"meter": "home.power", "month": "2026-01", "taken": 2, "already_stored": 0, "refused": 2},
        {"meter": "home.power", "month": "2026-02", "taken": 1, "already_stored": 0, "refused": 0},
        {"meter": "home.voltage", "month": "2026-01", "taken": 1, "already_stored": 0, "refused": 2},
    ]


def test_refusals_are_told_by_reason_with_the_first_in_words() -> None:
    assert [(row["reason"], row["columns"], row["values"]) for row in refusal_rows(FOUND)] == [
        ("duplicate", "power", 1),
        ("no_meter", "humidity", 2),
        ("no_number", "power", 1),
        ("not_possible", "voltage", 2),
    ]
    assert refusal_rows(FOUND)[0]["first"] == "row 3 of old.json: row 2 of old.json says the same"


def test_columns_that_are_refused_alike_stand_in_one_line() -> None:
    rows = refusal_rows(
        of_list([point(0, power=1, voltage=230), {"timestamp": "soon", "power": 1, "voltage": 230}])
    )
    assert [(row["reason"], row["columns"], row["values"]) for row in rows] == [
        ("no_time", "power, voltage", 2)
    ]


def test_new_readings_are_told_with_what_they_lie_between() -> None:
    assert reading_rows(FOUND)[0] == {
        "meter": "home.power",
        "readings": 3,
        "first": "2026-01-07T16:00:00+00:00",
        "last": "2026-02-01T08:00:00+00:00",
        "least": 0.4,
        "most": 0.6,
    }
    [nothing] = reading_rows(of_list([point(0, power=None)]))
    assert (nothing["least"], nothing["most"]) == (None, None)


def test_each_value_can_be_read_in_a_line() -> None:
    found = of_list([point(0, power=400), point(0, power=400), None])
    assert verdict_lines(found) == [
        "old.json row 1, 2026-01-07T08:00:00 power 400: taken for home.power",
        "old.json row 2, 2026-01-07T08:00:00 power 400: refused for home.power: row 1 of old.json says the same",
        "old.json row 3: refused: it is no object with a timestamp",
    ]


def test_the_csv_has_every_value_and_nothing_that_a_spreadsheet_runs() -> None:
    rows = list(csv.DictReader(io.StringIO(verdicts_csv(FOUND).decode())))
    assert tuple(rows[0]) == COLUMNS
    assert [row["outcome"] for row in rows] == [row["outcome"] for row in verdict_rows(FOUND)]
    assert [row["said"] for row in rows if "1+1" in row["said"]] == ["'=1+1"]


def test_for_programs_all_of_it_is_json() -> None:
    document = json.loads(json.dumps(as_document(FOUND, PACIFIC)))
    assert len(document["rows"]) == len(FOUND.verdicts)
    assert document["doubts"] == list(FOUND.doubts)


def test_a_file_that_could_not_be_read_stands_among_the_others() -> None:
    found = plan([], [FileRead("old.json", error="it was cut short")], NOTHING, METERS, 600.0)
    [row] = file_rows(found)
    assert (row["rows"], row["error"]) == (0, "it was cut short")
