"""The words of a commit: what changed, in which months, by which run. Values in, text out, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cph50_pipeline.civil_time import shift_month
from cph50_pipeline.storage.layout import Cause, FileKind, Group

_KINDS_NAMED = 3
_SPANS_NAMED = 3
_FILES_NAMED = 100
_VERBS = {"A": "Add", "D": "Remove"}
_FILE_COUNT = re.compile(r" \((\d+) files?\)$")
_TRAILER = re.compile(r"(Months|Run|Job): (.+)")


@dataclass(frozen=True, slots=True)
class Change:
    """One published file that differs from the last commit.

    Attributes:
        path: Relative to the data root.
        status: "A" added, "M" modified, "D" deleted.
        kind: What kind of file it is.
    """

    path: str
    status: str
    kind: FileKind

    @property
    def month(self) -> str | None:
        """The month the file belongs to, None when to none."""
        return self.kind.month_of(self.path)


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Which run a commit belongs to.

    Attributes:
        run_id: Dagster's id of the run, or of the command that wrote the files.
        job_name: What ran.
        reason: Why it ran, in words; empty when there is nothing to say.
        earlier: The runs before it whose files are in the commit as well.
    """

    run_id: str
    job_name: str
    reason: str = ""
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """What a commit's message says; a person's own has a subject alone.

    Attributes:
        subject: What changed, in one line.
        file_count: How many files; None where it does not say so.
        months: Of which months, in words.
        run_id: By which run.
        job_name: What ran.
    """

    subject: str
    file_count: int | None = None
    months: str = ""
    run_id: str = ""
    job_name: str = ""


def read_message(message: str) -> Told:
    """What a message says that `commit_message` made, or a person wrote."""
    lines = message.strip().splitlines() or [""]
    trailers = filter(None, map(_TRAILER.fullmatch, _last_paragraph(lines)))
    told = {match[1]: match[2] for match in trailers}
    counted = _FILE_COUNT.search(lines[0])
    return Told(
        subject=lines[0],
        file_count=int(counted[1]) if counted and "Run" in told else None,
        months=told.get("Months", ""),
        run_id=told.get("Run", ""),
        job_name=told.get("Job", ""),
    )


def commit_message(changes: Sequence[Change], run: RunInfo) -> str:
    """The whole message: what changed in one line, why, the files, then months, run and job as trailers."""
    paragraphs = [subject(changes), _one_line(run.reason), _file_list(changes), _trailers(changes, run)]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def subject(changes: Sequence[Change]) -> str:
    """What changed, in one line: "Add session_cache, charging_energy: 2025-10..2025-12 (6 files)"."""
    statuses = {change.status for change in changes}
    verb = _VERBS.get(statuses.pop(), "Update") if len(statuses) == 1 else "Update"
    months = _months_in_words(_months(changes))
    count = f"{len(changes)} file{'s' if len(changes) != 1 else ''}"
    return f"{verb} {_subjects(changes)}{': ' if months else ''}{months} ({count})"


def _subjects(changes: Sequence[Change]) -> str:
    order = list(Group)
    telling = [change for change in changes if change.kind.cause in (Cause.CHANGE, Cause.STATE)] or changes
    kinds = sorted({(order.index(change.kind.group), change.kind.name) for change in telling})
    if len(kinds) <= _KINDS_NAMED:
        return ", ".join(name for _, name in kinds)
    return ", ".join(order[index] for index in sorted({index for index, _ in kinds}))


def _months(changes: Iterable[Change]) -> list[str]:
    return sorted({month for change in changes if (month := change.month) is not None})


def _months_in_words(months: Sequence[str]) -> str:
    spans: list[list[str]] = []
    for month in months:
        if spans and shift_month(spans[-1][-1], 1) == month:
            spans[-1].append(month)
        else:
            spans.append([month])
    if len(spans) > _SPANS_NAMED:
        return f"{len(months)} months from {months[0]} to {months[-1]}"
    return ", ".join(span[0] if len(span) == 1 else f"{span[0]}..{span[-1]}" for span in spans)


def _file_list(changes: Sequence[Change]) -> str:
    lines = [f"{change.status} {change.path}" for change in changes[:_FILES_NAMED]]
    if len(changes) > _FILES_NAMED:
        lines.append(f"and {len(changes) - _FILES_NAMED} more")
    return "\n".join(lines)


def _trailers(changes: Sequence[Change], run: RunInfo) -> str:
    months = _months_in_words(_months(changes))
    runs = [("Run", _one_line(run_id)) for run_id in (*run.earlier, run.run_id)]
    trailers = [("Months", months), *runs, ("Job", _one_line(run.job_name))]
    return "\n".join(f"{name}: {value}" for name, value in trailers if value)


def _last_paragraph(lines: Sequence[str]) -> Sequence[str]:
    blanks = [number for number, line in enumerate(lines) if not line.strip()]
    return lines[blanks[-1] + 1 :] if blanks else ()


def _one_line(text: str) -> str:
    return " ".join(text.split())
