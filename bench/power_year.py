"""Readings of one meter in monthly files, and ways of making rollups of them, each in a process of its own.

`python -m bench.power_year WAY FOLDER SECONDS` prints the seconds that a way takes, imports aside, and its memory's
peak in MB; SECONDS is the time between two readings. What is made of the figures stands in `power.py`.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.homes import ZONE
from bench.house_power import MAIN, ONE_METER
from cph50_pipeline.civil_time import from_epoch_ms, month_bounds, to_epoch_ms
from cph50_pipeline.defs.rolling_up import roll_up_months
from cph50_pipeline.defs.store import Store
from cph50_pipeline.power import tables
from cph50_pipeline.power.buckets import Resolution, edges
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.power.readings import Readings, Series, series_of
from cph50_pipeline.power.rollups import Rollup, coarsen, rollup
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.tables import dump_table, load_table

READINGS = Path("power/readings")
WIDER: tuple[Resolution, ...] = ("hour", "day")
SAMPLE_ROWS = 200_000
SAMPLE_FILE = "sample.json"

Way = Callable[[Sequence[Path], MeterConfig], None]


def write_files(folder: Path, months: Sequence[str], interval_seconds: int) -> int:
    """Write the months' files into a data root, and a sample of them as JSON; returns how many readings they hold."""
    (folder / READINGS).mkdir(parents=True)
    count = 0
    for month in months:
        series = _house(*month_bounds(month, ZONE), interval_seconds * 1000)
        table = tables.readings_table(Readings.of({MAIN: series}))
        data = dump_table(table, tables.readings_schema(), tables.READINGS_SORT_KEYS)
        (folder / READINGS / f"{month}.parquet").write_bytes(data)
        count += len(series)
    (folder / SAMPLE_FILE).write_text(json.dumps({"data_points": _points(series), "last_update": None}))
    return count


def _house(start: datetime, end: datetime, step_ms: int) -> Series:
    """A house's power in whole watts: a course over the day, appliances, noise; a minute of nothing each night."""
    at = np.arange(to_epoch_ms(start), to_epoch_ms(end), step_ms, dtype=np.int64)
    chance = np.random.default_rng(int(at[0]) // 1000)
    ten_minutes = 600_000 // step_ms
    appliances = np.repeat(chance.exponential(0.6, len(at) // ten_minutes + 1), ten_minutes)[: len(at)]
    course = 0.5 + 0.3 * np.sin(at / 86_400_000 * 2 * np.pi)
    power_kw = np.round(course + appliances + chance.normal(0, 0.02, len(at)), 3)
    is_restart = (at // 60_000) % 1440 == 1397
    power_kw[is_restart] = np.nan
    return series_of(at, power_kw)


def _points(series: Series) -> list[dict[str, object]]:
    """The first readings in the form of the programs before this one."""
    sample = series.take(slice(0, SAMPLE_ROWS))
    return [
        {"timestamp": from_epoch_ms(at).astimezone(ZONE).replace(tzinfo=None).isoformat(), "value": value}
        for at, value in zip(sample.at.tolist(), np.nan_to_num(sample.value).tolist(), strict=True)
    ]


def decode(files: Sequence[Path], _: MeterConfig) -> None:
    """Only decode the files, as a run does before it begins."""
    for path in files:
        _decoded(path)


def _decoded(path: Path) -> pa.Table:
    schema, few_valued = tables.readings_schema(), tables.READINGS_FEW_VALUED
    return load_table(path.read_bytes(), schema, path.name, few_valued)


def decode_barely(files: Sequence[Path], _: MeterConfig) -> None:
    """Only decode the files, looking at no checksum, with texts as dictionaries."""
    for path in files:
        pq.ParquetFile(path, read_dictionary=list(tables.READINGS_FEW_VALUED)).read()


def decode_plainly(files: Sequence[Path], _: MeterConfig) -> None:
    """Only decode the files as pyarrow does when it is asked for nothing else."""
    for path in files:
        pq.read_table(path)


def engine(files: Sequence[Path], config: MeterConfig) -> None:
    """The table of rollups of each month, beside which only a reading of either neighbour is in memory."""
    meter, before = config.meters[MAIN], series_of([], [])
    followings: list[Path | None] = [*files[1:], None]
    for path, following in zip(files, followings, strict=True):
        here = tables.readings_of_table(_decoded(path))[MAIN]
        after = series_of([], []) if following is None else _first_of(following)
        start, end = month_bounds(path.stem, ZONE)
        base = rollup([before, here, after], meter, edges("5min", start, end, ZONE))
        made: dict[tuple[str, Resolution], Rollup] = {(MAIN, "5min"): base}
        for resolution in WIDER:
            made[MAIN, resolution] = coarsen(base, edges(resolution, start, end, ZONE))
        tables.rollups_table(made)
        before = here.take(np.array([-1]))


def _first_of(path: Path) -> Series:
    batch = next(pq.ParquetFile(path).iter_batches(1))
    return tables.readings_of_table(pa.Table.from_batches([batch]))[MAIN]


def run(files: Sequence[Path], config: MeterConfig) -> None:
    """The rollups of all months as a run of the pipeline makes them, several months at a time."""
    store = Store.of(Settings(data_dir=str(_root(files))))
    roll_up_months(store, [path.stem for path in files], config)


def group_by(files: Sequence[Path], _: MeterConfig) -> None:
    """DuckDB: plain means of readings, whatever time they stand for, by 5 minutes, hour and local day."""
    _ask(files, "SELECT {bucket}, avg(value), min(value), max(value), count(*) FROM {files} GROUP BY ALL")


def group_by_time(files: Sequence[Path], config: MeterConfig) -> None:
    """DuckDB: means weighted by time, as a run but for the readings that stand over an edge."""
    until_next = 'epoch_ms(lead("at") OVER (PARTITION BY meter ORDER BY "at")) - epoch_ms("at")'
    _ask(
        files,
        "SELECT {bucket}, sum(value * ms) / sum(ms), min(value), max(value), count(*) FROM ("
        f"SELECT *, least({until_next}, {config.meters[MAIN].hold_ms}) AS ms FROM {{files}}) GROUP BY ALL",
    )


def _ask(files: Sequence[Path], question: str) -> None:
    connection = duckdb.connect()
    connection.sql(f"SET TimeZone = '{ZONE.key}'")
    names = ", ".join(f"'{path}'" for path in files)
    for bucket in (
        "time_bucket(INTERVAL '5 minutes', \"at\")",
        "date_trunc('hour', \"at\")",
        "date_trunc('day', \"at\")",
    ):
        connection.sql(question.format(bucket=bucket, files=f"read_parquet([{names}])")).to_arrow_table()


def loop(files: Sequence[Path], _: MeterConfig) -> None:
    """The former way, on the sample: a loop over the points of a JSON file, by their local time."""
    points = json.loads((_root(files) / SAMPLE_FILE).read_text())["data_points"]
    for length in (300, 3600, 86_400):
        buckets: dict[int, list[float]] = defaultdict(list)
        for point in points:
            second = int(datetime.fromisoformat(point["timestamp"]).timestamp())
            buckets[second // length].append(point["value"])
        for values in buckets.values():
            (sum(values) / len(values), min(values), max(values))


def _root(files: Sequence[Path]) -> Path:
    return files[0].parents[len(READINGS.parts)]


WAYS: dict[str, Way] = {
    way.__name__: way
    for way in (decode, decode_barely, decode_plainly, engine, run, group_by, group_by_time, loop)
}


def main(way: str, folder: str, interval_seconds: str) -> None:
    """Go a way once over all files, after the first of them, for which memory is claimed; print what it took."""
    config = MeterConfig.read({"meters": ONE_METER}, "meters.json", float(interval_seconds))
    files = sorted((Path(folder) / READINGS).glob("*.parquet"))
    WAYS[way](files[:4], config)
    started = time.perf_counter()
    WAYS[way](files, config)
    print(time.perf_counter() - started, _peak_mb())


def _peak_mb() -> float:
    """The most memory that was resident in this process."""
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1000


if __name__ == "__main__":
    main(*sys.argv[1:])
