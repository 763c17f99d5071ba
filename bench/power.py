"""Rollups, against decoding alone; and a day more, after one year and after ten.

The ways that the first are made are in `power_year.py`, what a day more is in `power_archive.py`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import median

from bench.homes import outer_environment
from bench.power_archive import Archive
from bench.power_year import SAMPLE_ROWS, write_files
from bench.row import Effort, Row
from bench.timing import run_command, spread
from cph50_pipeline.civil_time import month_range

LIMIT = 2.5
LIMIT_MB = 2048.0
LIMIT_OF_GROWTH = 1.2
YEARS = (1, 5, 10)
QUICK_YEARS = (1, 2)
TURNS = ("decode", "run")
OTHERS = {
    "engine": "the engine alone, on one core",
    "decode_barely": "decoding without checksums",
    "decode_plainly": "pyarrow's plain decoding",
    "group_by": "DuckDB's GROUP BY",
    "group_by_time": "DuckDB weighted by time",
}


@dataclass
class _Taken:
    """What a way took, time after time."""

    seconds: list[float] = field(default_factory=list)
    peaks_mb: list[float] = field(default_factory=list)

    @property
    def usual_seconds(self) -> float:
        return median(self.seconds)


def measure(effort: Effort) -> Row:
    """From the stored files to the tables of rollups, against only decoding the files: a year by the second."""
    return _row("rollups", *_year(effort))


def measure_minutes(effort: Effort) -> Row:
    """The same for ten years by the minute."""
    months = month_range("2016-01", "2016-12" if effort.quick else "2025-12")
    return _row("rollups_minutes", *_taken(months, 60, effort))


def _row(name: str, readings: int, taken: dict[str, _Taken]) -> Row:
    decoding = taken["decode"]
    figures = {told: taken[way].usual_seconds for way, told in OTHERS.items()}
    sample = min(SAMPLE_ROWS, readings)
    figures[f"a loop over JSON (from {sample:,})"] = taken["loop"].usual_seconds * readings / sample
    others = ", ".join(f"{told} {s / decoding.usual_seconds:.1f} x" for told, s in figures.items())
    return Row(
        name, taken["run"].usual_seconds / decoding.usual_seconds, LIMIT, "x",
        f"only decoding {readings:,} readings",
        f"{spread(taken['run'].seconds)} against {spread(decoding.seconds)}; {others}",
    )  # fmt: skip


def measure_memory(effort: Effort) -> Row:
    """The most memory that is resident while the rollups of a year by the second are made."""
    readings, taken = _year(effort)
    return Row(
        "rollups_memory", max(max(taken[way].peaks_mb) for way in ("engine", "run")), LIMIT_MB, "MB",
        f"2 GiB for {readings:,} readings",
        ", ".join(f"{way} {max(one.peaks_mb):.0f} MB" for way, one in taken.items() if way != "loop"),
    )  # fmt: skip


@cache
def _year(effort: Effort) -> tuple[int, dict[str, _Taken]]:
    return _taken(month_range("2025-01", "2025-02" if effort.quick else "2025-12"), 1, effort)


def _taken(months: Sequence[str], interval_seconds: int, effort: Effort) -> tuple[int, dict[str, _Taken]]:
    """How many readings there are, and what each way took of them; a run and decoding take turns."""
    taken = {way: _Taken() for way in (*TURNS, *OTHERS, "loop")}
    with tempfile.TemporaryDirectory(prefix="cph50-bench-") as name:
        folder = Path(name)
        readings = write_files(folder, months, interval_seconds)
        for number in range(effort.times(11, 3)):
            for way, one in taken.items():
                if way in TURNS or number == 0:  # the others are not what is judged
                    _run(way, folder, interval_seconds, one)
    return readings, taken


def _run(way: str, folder: Path, interval_seconds: int, taken: _Taken) -> None:
    command = [sys.executable, "-m", "bench.power_year", way, str(folder), str(interval_seconds)]
    seconds, peak_mb = run_command(command, outer_environment(), folder).stdout.split()
    taken.seconds.append(float(seconds))
    taken.peaks_mb.append(float(peak_mb))


def measure_day(effort: Effort) -> Row:
    """A run that takes in a day, and makes what it reaches and the four files anew; by years of history."""
    years = QUICK_YEARS if effort.quick else YEARS
    seconds: dict[int, list[float]] = {count: [] for count in years}
    with tempfile.TemporaryDirectory(prefix="cph50-bench-") as name:
        whole = Archive.of(Path(name) / "whole", max(years))
        archives = {count: whole.recent(Path(name) / str(count), count) for count in years}
        for _ in range(effort.times(21, 5)):
            for count, archive in archives.items():
                seconds[count].append(archive.seconds_of_a_day())
    shortest, *longer = years
    growth = max(median(seconds[count]) for count in longer) / median(seconds[shortest])
    figures = ", ".join(f"{count} years {spread(taken)}" for count, taken in seconds.items())
    return Row("power_day", growth, LIMIT_OF_GROWTH, "x", f"the same after {shortest} year", figures)
