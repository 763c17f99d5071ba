"""Tables as text: CSV for spreadsheets, Markdown for Dagster's pages. What people named is inert in both."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

Cell: TypeAlias = str | int | float | None

# What a spreadsheet would take for a formula when a cell begins with it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~])")


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table as CSV (RFC 4180 with plain newlines), the names of its columns first; an empty cell is null."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table as Markdown; numbers with fractions are shown with two decimals."""
    lines = [
        "| " + " | ".join(_markdown_cell(column) for column in columns) + " |",
        "|" + "---|" * len(columns),
        *("| " + " | ".join(_markdown_cell(cell) for cell in row) + " |" for row in rows),
    ]
    return "\n".join(lines)


def _csv_cell(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _markdown_cell(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:,.2f}"
    one_line = " ".join(str(cell).split())
    return _MARKDOWN.sub(r"\\\1", html.escape(one_line, quote=False))
