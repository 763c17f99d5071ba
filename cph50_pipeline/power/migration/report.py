"""What a migration did or would do, as tables for people and programs."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from cph50_pipeline.civil_time import format_instant, from_epoch_ms, month_of
from cph50_pipeline.power.migration.plan import Plan
from cph50_pipeline.power.migration.verdicts import Verdict

Row = Mapping[str, Any]

COLUMNS = ("file", "row", "timestamp", "column", "said", "meter", "at", "outcome", "reason", "why")


def verdict_rows(plan: Plan) -> list[dict[str, Any]]:
    """Every value with its verdict."""
    return [_verdict_row(verdict) for verdict in plan.verdicts]


def verdict_lines(plan: Plan) -> list[str]:
    """The same, a line for each."""
    return [_line(verdict) for verdict in plan.verdicts]


def _line(verdict: Verdict) -> str:
    said = " ".join(part for part in (verdict.timestamp, verdict.column, verdict.said) if part)
    outcome = verdict.outcome.replace("_", " ")
    meter = f" for {verdict.meter}" if verdict.meter is not None else ""
    why = f": {verdict.refusal.why}" if verdict.refusal is not None else ""
    return f"{verdict.file} row {verdict.row}{said and ', '}{said}: {outcome}{meter}{why}"


def verdicts_csv(plan: Plan) -> bytes:
    """The same as CSV."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in verdict_rows(plan))
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: what files say is not ours."""
    is_formula = isinstance(value, str) and value[:1] in {"=", "+", "@", "\t", "\r"}
    return f"'{value}" if is_formula else value


def file_rows(plan: Plan) -> list[Row]:
    """Each file: its rows, and of how many a value is taken or stored already."""
    useful = Counter(file for file, _ in {(v.file, v.row) for v in plan.verdicts if v.outcome != "refused"})
    return [
        {
            "file": file.name,
            "read_as": file.span and file.span.value,
            "rows": file.row_count,
            "taken": useful[file.name],
            "refused": file.row_count - useful[file.name],
            "error": file.error,
        }
        for file in plan.files
    ]


def meter_rows(plan: Plan, zone: ZoneInfo) -> list[Row]:
    """Each meter and civil month: how many values are taken, stored already or refused."""
    values: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for verdict in plan.verdicts:
        if verdict.meter is not None and verdict.at is not None:
            values[verdict.meter, month_of(verdict.at, zone)][verdict.outcome] += 1
    return [
        {"meter": meter, "month": month}
        | {outcome: counts[outcome] for outcome in ("taken", "already_stored", "refused")}
        for (meter, month), counts in sorted(values.items())
    ]


def reading_rows(plan: Plan) -> list[Row]:
    """The new readings of each meter: from when to when, and between what, in its canonical unit."""
    import numpy as np

    return [
        {
            "meter": meter,
            "readings": len(series),
            "first": _second(int(series.at[0])),
            "last": _second(int(series.at[-1])),
            "least": _number(np.nanmin(series.value)) if has_number else None,
            "most": _number(np.nanmax(series.value)) if has_number else None,
        }
        for meter, series in plan.readings.series.items()
        for has_number in [not np.isnan(series.value).all()]
    ]


def _second(at: int) -> str:
    return format_instant(from_epoch_ms(at).replace(microsecond=0))


def _number(value: Any) -> float:
    return float(round(float(value), 4))


def refusal_rows(plan: Plan) -> list[Row]:
    """Each reason with how many values of which columns were refused for it, and the first in words."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for verdict in plan.verdicts:
        if verdict.refusal is not None:
            words = f"row {verdict.row} of {verdict.file}: {verdict.refusal.why}"
            found[verdict.refusal.reason.value, verdict.column].append(words)
    alike: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    for (reason, column), ours in sorted(found.items()):
        alike[reason, ours[0]].append((column, len(ours)))
    return [
        {
            "reason": reason,
            "columns": ", ".join(column for column, _ in columns),
            "values": sum(count for _, count in columns),
            "first": first,
        }
        for (reason, first), columns in alike.items()
    ]


def as_document(plan: Plan, zone: ZoneInfo) -> dict[str, Any]:
    """All of it, for programs."""
    return {
        "files": file_rows(plan),
        "meters": meter_rows(plan, zone),
        "readings": reading_rows(plan),
        "refused": refusal_rows(plan),
        "doubts": list(plan.doubts),
        "rows": verdict_rows(plan),
    }


def _verdict_row(verdict: Verdict) -> dict[str, Any]:
    refusal = verdict.refusal
    return {
        "file": verdict.file,
        "row": verdict.row,
        "timestamp": verdict.timestamp,
        "column": verdict.column,
        "said": verdict.said,
        "meter": verdict.meter,
        "at": None if verdict.at is None else format_instant(verdict.at),
        "outcome": verdict.outcome,
        "reason": None if refusal is None else refusal.reason.value,
        "why": None if refusal is None else refusal.why,
    }
