from __future__ import annotations

from pathlib import Path

import pytest

from bench.vehicles import BEGIN, DOCUMENT, END, write_tables


def test_new_tables_take_the_place_of_the_old_and_leave_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"above\n{BEGIN}\nold\n\n{END}\nbelow\n")
    write_tables("first", page)
    write_tables("second", page)
    assert page.read_text() == f"above\n{BEGIN}\nsecond\n\n{END}\nbelow\n"


def test_a_page_without_a_place_for_tables_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("text\n")
    with pytest.raises(ValueError, match="no place for the tables"):
        write_tables("tables", page)
    assert page.read_text() == "text\n"


def test_the_page_has_its_place_for_the_tables() -> None:
    text = DOCUMENT.read_text()
    assert text.index(BEGIN) < text.index(END)
