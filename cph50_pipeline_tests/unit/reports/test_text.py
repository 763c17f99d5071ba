from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.reports.text import csv_text, markdown_table

TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=20)


@given(st.lists(st.tuples(TEXTS, st.integers() | st.none()), max_size=5))
def test_a_spreadsheet_reads_back_what_was_written_but_no_formula(rows: list[tuple[str, int | None]]) -> None:
    written = csv_text(("text", "number"), rows)
    header, *read = csv.reader(io.StringIO(written, newline=""))
    assert header == ["text", "number"]
    assert [row[0].removeprefix("'") for row in read] == [text.removeprefix("'") for text, _ in rows]
    assert [row[1] for row in read] == ["" if number is None else str(number) for _, number in rows]
    assert not any(row[0].startswith(("=", "+", "-", "@", "\t", "\r")) for row in read)


def test_negative_numbers_stay_numbers() -> None:
    assert csv_text(("shift",), [(-0.5,)]) == "shift\n-0.5\n"


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "a | b",
        "[click](javascript:alert(1))",
        "![](http://example.com/x.png)",
        "two\nlines",
        "`code` **bold** # title",
    ],
)
def test_what_people_named_is_text_in_a_table_of_markdown(hostile: str) -> None:
    header, _, row = markdown_table((hostile,), [(hostile,)]).splitlines()
    for line in (header, row):
        cell = line.removeprefix("| ").removesuffix(" |")
        assert "<" not in cell
        for mark in "|[]()`*#!":
            assert mark not in cell.replace(f"\\{mark}", "")


def test_numbers_and_nothing_are_shown_plainly() -> None:
    table = markdown_table(("a", "b", "c"), [(1234.5, 7, None)])
    assert table.splitlines()[-1] == "| 1,234.50 | 7 |  |"
