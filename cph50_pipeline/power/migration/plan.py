"""A migration as planned: what would be taken of some files, what would not, and why. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.power.migration.judging import Candidate, Judged
from cph50_pipeline.power.migration.settling import settle
from cph50_pipeline.power.migration.times import Span
from cph50_pipeline.power.migration.verdicts import Reason, Verdict
from cph50_pipeline.power.readings import Readings


@dataclass(frozen=True, slots=True)
class FileRead:
    """A file, and as what it was read.

    Attributes:
        span: None for a file that could not be read.
        error: Why not, in one line.
    """

    name: str
    row_count: int = 0
    span: Span | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a migration does.

    Attributes:
        verdicts: One for each value, in the order of files, rows and columns.
        readings: The new ones.
        doubts: What a person should know before it is applied.
    """

    files: Sequence[FileRead]
    verdicts: Sequence[Verdict]
    readings: Readings
    doubts: Sequence[str]

    @property
    def taken_count(self) -> int:
        """How many values are taken."""
        return sum(verdict.outcome == "taken" for verdict in self.verdicts)

    @property
    def is_in_vain(self) -> bool:
        """Whether nothing can be taken, and nothing was before."""
        return all(verdict.outcome == "refused" for verdict in self.verdicts)


def plan(
    judged: Sequence[Judged],
    unread: Iterable[FileRead],
    stored: Readings,
    config: MeterConfig,
    interval_seconds: float,
) -> Plan:
    """Hold the judged files against each other and against what is stored.

    Args:
        unread: The files that could not be read.
        stored: All readings of the months in which the candidates lie, and the nearest beside them.
        interval_seconds: Between two collections.
    """
    candidates, refused = _without_means_of_counters(judged)
    settled = settle(candidates, stored, config, interval_seconds)
    verdicts = [*settled.verdicts, *refused, *(verdict for file in judged for verdict in file.refused)]
    read = [FileRead(file.source.name, len(file.source.rows), file.span) for file in judged]
    return Plan(
        files=sorted([*read, *unread], key=lambda file: file.name),
        verdicts=sorted(verdicts, key=lambda verdict: (verdict.file, verdict.row, verdict.column)),
        readings=settled.readings,
        doubts=[*(doubt for file in judged for doubt in file.doubts), *settled.doubts],
    )


def _without_means_of_counters(judged: Sequence[Judged]) -> tuple[list[Candidate], list[Verdict]]:
    """What a column is shows in its readings; then its means in the files beside are of the same."""
    counters = {
        verdict.column: verdict.refusal
        for file in judged
        for verdict in file.refused
        if verdict.refusal is not None and verdict.refusal.reason is Reason.A_COUNTER
    }
    kept: list[Candidate] = []
    refused: list[Verdict] = []
    for one in (one for file in judged for one in file.candidates):
        refusal = counters.get(one.verdict.column) if one.span is not Span.READINGS else None
        if refusal is None:
            kept.append(one)
        else:
            refused.append(one.verdict.refused(refusal))
    return kept, refused
