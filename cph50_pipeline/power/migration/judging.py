"""The rows of a file, value by value: which are readings of which meter, and why others are not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import isnan, nan
from zoneinfo import ZoneInfo

from cph50_pipeline.civil_time import month_of, to_epoch_ms
from cph50_pipeline.power.meters import Meter, MeterConfig
from cph50_pipeline.power.migration.columns import (
    Choices,
    equal_to_power,
    is_too_low,
    meter_of,
    misbehaves,
    number_of,
)
from cph50_pipeline.power.migration.shapes import Row, Source, Value
from cph50_pipeline.power.migration.times import Span, Stamp, Stretch, read_stamp, span_of, stretches
from cph50_pipeline.power.migration.verdicts import Reason, Refusal, Verdict


@dataclass(frozen=True, slots=True)
class Limits:
    """Which times can be taken.

    Attributes:
        earliest: Of the first month that is kept.
        now: By our clock.
        thinned: The months whose sums do not come from their readings any more.
    """

    earliest: datetime
    now: datetime
    zone: ZoneInfo
    thinned: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that can be a reading, if nothing better is known.

    Attributes:
        begin: Unix milliseconds.
        end: The same as `begin` for a reading; else of the mean's hour or day.
        number: Canonical; NaN where the meter said that it had none.
        verdict: What it will be, but for a refusal.
    """

    meter: str
    span: Span
    begin: int
    end: int
    number: float
    share: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Judged:
    """A file's values, each in one of both lists.

    Attributes:
        doubts: What a person should know of what can be taken.
    """

    source: Source
    span: Span
    candidates: Sequence[Candidate]
    refused: Sequence[Verdict]
    doubts: Sequence[str]


def judge(source: Source, config: MeterConfig, choices: Choices, limits: Limits) -> Judged:
    """Judge each value of a file by itself, and then by what its column does."""
    stamps = [read_stamp(row.timestamp) for row in source.rows]
    span = choices.span or span_of(source, stamps, limits.zone)
    wrong = {} if source.is_ours else equal_to_power(source)
    bench = _Bench(source.name, span, wrong, config, choices, limits)
    found = [
        bench.judge(row, value, stretch)
        for row, stretch in zip(source.rows, stretches(stamps, span, limits.zone), strict=True)
        for value in row.values or (_NOTHING,)
    ]
    fitting = [one for one in found if isinstance(one, Candidate)]
    kept, misbehaving = _well_behaved(fitting, config, choices)
    refused = [*(one for one in found if isinstance(one, Verdict)), *misbehaving]
    doubts = [*_doubts_of_times(stamps, kept, span, limits.zone), *_doubts_of_values(source, kept, config)]
    return Judged(source, span, kept, refused, [f"{source.name}: {doubt}" for doubt in doubts])


_NOTHING = Value("", None)


@dataclass(frozen=True, slots=True)
class _Bench:
    """What the values of one file are judged by."""

    file: str
    span: Span
    wrong_columns: Mapping[str, Refusal]
    config: MeterConfig
    choices: Choices
    limits: Limits

    def judge(self, row: Row, value: Value, stretch: Stretch | Refusal) -> Candidate | Verdict:
        meter = meter_of(value, self.choices, self.config)
        verdict = Verdict(
            file=self.file,
            row=row.number,
            timestamp="" if row.timestamp is None else str(row.timestamp),
            column=value.column,
            said="" if value.said is None else str(value.said),
            meter=meter,
            at=stretch.begin if isinstance(stretch, Stretch) else None,
            outcome="taken",
        )
        refusal = self._row_refusal(row, stretch) or self.wrong_columns.get(value.column)
        if refusal is not None or not isinstance(stretch, Stretch):
            return verdict.refused(refusal or _NO_TIME)
        if meter is None:
            return verdict.refused(_no_meter(value.column))
        number = self._number(value, meter)
        if isinstance(number, Refusal):
            return verdict.refused(number)
        begin, end = to_epoch_ms(stretch.begin), to_epoch_ms(stretch.end)
        share = value.share if self.span is not Span.READINGS else 1.0
        return Candidate(meter, self.span, begin, end, nan if number is None else number, share, verdict)

    def _row_refusal(self, row: Row, stretch: Stretch | Refusal) -> Refusal | None:
        if row.values is None:
            return Refusal(Reason.NO_ROW, "it is no object with a timestamp")
        if not row.values:
            return Refusal(Reason.NO_VALUE, "it has no value")
        return stretch if isinstance(stretch, Refusal) else self._time_refusal(stretch)

    def _time_refusal(self, stretch: Stretch) -> Refusal | None:
        limits = self.limits
        if stretch.begin > limits.now:
            return Refusal(Reason.FUTURE, "it lies in the future")
        if stretch.end > limits.now:
            return Refusal(Reason.NOT_OVER, f"the {self.span.value} are means, and this one is not over")
        month = month_of(stretch.begin, limits.zone)
        if month in limits.thinned:
            return Refusal(
                Reason.THINNED, f"the readings of {month} were thinned, and its sums stay as they are"
            )
        if stretch.begin < limits.earliest:
            return Refusal(
                Reason.BEFORE_HISTORY,
                f"it is before the first month that is kept: set CPH50_HISTORY_START={month}",
            )
        return None

    def _number(self, value: Value, meter: str) -> float | Refusal | None:
        known = self.config.meters[meter]
        if known.kind == "counter" and (self.span is not Span.READINGS or value.is_canonical):
            return Refusal(
                Reason.MEAN_OF_COUNTER, "what a counter showed cannot be told from an hour or a day"
            )
        number = number_of(value, known, self.choices)
        if number is None and self.span is not Span.READINGS:
            return Refusal(Reason.NO_NUMBER, "nothing was known")
        return number


_NO_TIME = Refusal(Reason.NO_TIME, "it has no time that can be read")


def _no_meter(column: str) -> Refusal:
    return Refusal(
        Reason.NO_METER, f"no meter in meters.json is its: say --meter {column}=METER, or leave it out"
    )


def _well_behaved(
    candidates: Sequence[Candidate], config: MeterConfig, choices: Choices
) -> tuple[list[Candidate], list[Verdict]]:
    """The candidates of columns that behave as their meter does, and the verdicts on the others."""
    kept: list[Candidate] = []
    refused: list[Verdict] = []
    for (column, meter), ours in _columns(candidates).items():
        refusal = _column_refusal(column, ours, config.meters[meter], choices)
        if refusal is None:
            kept += ours
        else:
            refused += [one.verdict.refused(refusal) for one in ours]
    return kept, refused


def _columns(candidates: Sequence[Candidate]) -> dict[tuple[str, str], list[Candidate]]:
    """By column and meter, in order of time."""
    columns: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
    for one in sorted(candidates, key=lambda one: one.begin):
        columns[one.verdict.column, one.meter].append(one)
    return columns


def _column_refusal(
    column: str, candidates: Sequence[Candidate], meter: Meter, choices: Choices
) -> Refusal | None:
    """Why a column is not of its meter; what a person says of it is not doubted."""
    said = sorted((one.begin, one.number) for one in candidates if not isnan(one.number))
    numbers = [number for _, number in said]
    if column not in choices.meters and candidates[0].span is Span.READINGS:
        refusal = misbehaves(column, numbers, meter)
        if refusal is not None:
            return refusal
    is_told = column in choices.units or column in choices.scales
    return None if is_told else is_too_low(column, numbers, meter)


def _doubts_of_times(
    stamps: Sequence[Stamp], kept: Sequence[Candidate], span: Span, zone: ZoneInfo
) -> Iterator[str]:
    if any(isinstance(stamp, datetime) and stamp.tzinfo is None for stamp in stamps):
        yield f"times without an offset are taken for those of {zone.key}"
    if kept and span is not Span.READINGS:
        yield f"its rows are taken for means over {span.value}: least and most within them are not known"


def _doubts_of_values(source: Source, kept: Sequence[Candidate], config: MeterConfig) -> Iterator[str]:
    for (column, id_), ours in sorted(_columns(kept).items()):
        meter, numbers = config.meters[id_], [one.number for one in ours]
        zeros = sum(number == 0 for number in numbers)
        if zeros and meter.mains and not source.is_ours:
            yield (
                f"{column} is 0 in {zeros} of {len(numbers)} rows: "
                "an outage, or a state that could not be read, which the old monitor wrote as 0"
            )
        begun = sum(later < earlier for earlier, later in pairwise(numbers))
        if meter.kind == "counter" and begun:
            yield f"{column} began anew {begun} times; what it counted is kept, whatever the hour"
