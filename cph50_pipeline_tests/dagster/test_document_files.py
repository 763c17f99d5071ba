"""The files of assets without months: all are valid before the first is put in place, or none is."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cph50_pipeline.defs.document_files import (
    DOCUMENT_FILES,
    UNCLASSIFIED_CSV,
    UNCLASSIFIED_JSON,
    DocumentFile,
    dump_documents,
    json_file,
    text_file,
)
from cph50_pipeline.errors import BadInputError, PermanentError
from cph50_pipeline.reports.unclassified import unclassified_csv, unclassified_report
from cph50_pipeline.storage.layout import kind_of
from cph50_pipeline.vehicles.classifier import VehicleModel

REPORT = unclassified_report([], VehicleModel(), ZoneInfo("UTC"))
GOOD: dict[str, Any] = {
    UNCLASSIFIED_JSON: REPORT.model_dump(mode="json"),
    UNCLASSIFIED_CSV: unclassified_csv(REPORT),
}


def test_every_file_is_published_and_has_one_asset() -> None:
    paths = [file.path for files in DOCUMENT_FILES.values() for file in files]
    assert len(paths) == len(set(paths))
    assert all(kind_of(path) is not None for path in paths)


def test_the_files_are_written_in_the_order_in_which_they_are_returned_and_can_be_read_back() -> None:
    assert list(dump_documents("unclassified_sessions", dict(reversed(GOOD.items())))) == list(reversed(GOOD))
    dumped = dump_documents("unclassified_sessions", GOOD)
    read = {
        file.path: file.parse(dumped[file.path], file.path)
        for file in DOCUMENT_FILES["unclassified_sessions"]
    }
    assert read == {UNCLASSIFIED_JSON: REPORT, UNCLASSIFIED_CSV: unclassified_csv(REPORT)}


@pytest.mark.parametrize(
    "value",
    [
        None,
        GOOD[UNCLASSIFIED_JSON],
        {UNCLASSIFIED_JSON: GOOD[UNCLASSIFIED_JSON]},
        {**GOOD, "reports/other.json": {}},
    ],
    ids=["nothing", "a bare document", "one missing", "one of another"],
)
def test_an_asset_returns_all_of_its_files_and_no_other(value: object) -> None:
    with pytest.raises(PermanentError, match=r"reports/unclassified\.csv, reports/unclassified\.json"):
        dump_documents("unclassified_sessions", value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (UNCLASSIFIED_JSON, {}),
        (UNCLASSIFIED_JSON, {**GOOD[UNCLASSIFIED_JSON], "singles": [float("nan")]}),
        (UNCLASSIFIED_CSV, ""),
        (UNCLASSIFIED_CSV, "kind,session_id"),
    ],
    ids=["no field", "not a number", "nothing", "cut short"],
)
def test_a_file_that_could_not_be_read_is_refused_with_its_reason(path: str, value: object) -> None:
    with pytest.raises(PermanentError, match="last good file stays"):
        dump_documents("unclassified_sessions", {**GOOD, path: value})


def test_text_that_is_no_text_is_named() -> None:
    with pytest.raises(BadInputError, match=r"page\.html is not UTF-8"):
        text_file("page.html").parse(b"\xff\xfe\n", "page.html")


@pytest.mark.parametrize("file", [text_file("a.csv", is_optional=True), json_file("a.json", lambda v, _: v)])
def test_what_is_written_is_what_was_returned(file: DocumentFile) -> None:
    assert file.parse(file.dump("words\n"), file.path) == "words\n"
