"""The tables of power as Arrow: readings, rollups, windows, with their fixed schemas and orders.

Only the shape lives here; Parquet, hashes and files are storage's. Numbers of rollups are not rounded, so that hours
and days are the sums of their 5 minutes to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import nan
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power.buckets import Resolution
from cph50_pipeline.power.events import EVENT_KINDS
from cph50_pipeline.power.readings import Readings, State, series_of
from cph50_pipeline.power.rollups import NUMBERS, STATE_COUNTS, Rollup
from cph50_pipeline.power.windows import Windows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from cph50_pipeline.power.readings import Instants, States

    Codes = npt.NDArray[np.int32]

READINGS_SORT_KEYS = ("meter", "at")
READINGS_FEW_VALUED = ("meter", "state")
"""Text columns that hold few different values: reading them as dictionaries takes a fifth of the time."""
ROLLUPS_SORT_KEYS = ("meter", "resolution", "start")
WINDOWS_SORT_KEYS = ("meter", "days", "end")


def readings_schema() -> pa.Schema:
    """Columns of `power/readings`: one row per meter and instant."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("meter", pa.string(), nullable=False),
            pa.field("at", pa.timestamp("ms", tz="UTC"), nullable=False),
            pa.field("value", pa.float64()),
            pa.field("state", pa.string(), nullable=False),
        ]
    )


def rollups_schema() -> pa.Schema:
    """Columns of `power/rollups`: one row per meter, resolution and bucket of which anything is known."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("meter", pa.string(), nullable=False),
            pa.field("resolution", pa.string(), nullable=False),
            pa.field("start", pa.timestamp("ms", tz="UTC"), nullable=False),
            *(pa.field(name, pa.float64()) for name in NUMBERS),
            pa.field("coverage", pa.float64(), nullable=False),
            *(pa.field(name, pa.int32(), nullable=False) for name in STATE_COUNTS),
        ]
    )


def windows_schema() -> pa.Schema:
    """Columns of `power/windows`: one row per meter, length in days and last day."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("meter", pa.string(), nullable=False),
            pa.field("days", pa.int32(), nullable=False),
            pa.field("start", pa.timestamp("ms", tz="UTC"), nullable=False),
            pa.field("end", pa.timestamp("ms", tz="UTC"), nullable=False),
            *(pa.field(name, pa.float64()) for name in NUMBERS),
            pa.field("coverage", pa.float64(), nullable=False),
            *(pa.field(f"{kind}_count", pa.int32(), nullable=False) for kind in EVENT_KINDS),
            *(pa.field(f"{kind}_seconds", pa.float64(), nullable=False) for kind in EVENT_KINDS),
        ]
    )


def readings_table(readings: Readings) -> pa.Table:
    """The table of readings, sorted by `READINGS_SORT_KEYS`."""
    import numpy as np
    import pyarrow as pa

    schema, names = readings_schema(), pa.array([state.name.lower() for state in State])
    parts = [
        pa.table(
            {
                "meter": pa.repeat(meter, len(series)),
                "at": _timestamps(series.at),
                "value": _numbers(series.value),
                "state": names.take(pa.array(series.state.astype(np.int32))),
            },
            schema=schema,
        )
        for meter, series in readings.series.items()
    ]
    return pa.concat_tables(parts) if parts else schema.empty_table()


def readings_of_table(table: pa.Table) -> Readings:
    """The readings in a table, whose text columns may be dictionaries; the reverse of `readings_table`.

    Raises:
        BadInputError: when a reading's state is not one that we write.
    """
    import numpy as np

    meters, meter = _encoded(table["meter"])
    at, value = _milliseconds(table["at"]), _whole(table["value"].fill_null(nan)).to_numpy()
    state = _states(*_encoded(table["state"]))
    stretches: dict[str, list[slice]] = {}
    bounds = [0, *(np.flatnonzero(meter[1:] != meter[:-1]) + 1).tolist(), len(meter)]
    for first, end in pairwise(bounds):
        if first < end:
            stretches.setdefault(meters[meter[first]], []).append(slice(first, end))
    return Readings.of(
        {
            id_: series_of(*(_together(column, parts) for column in (at, value, state)))
            for id_, parts in stretches.items()
        }
    )


def rollups_table(rollups: Mapping[tuple[str, Resolution], Rollup]) -> pa.Table:
    """The table of the buckets of which anything is known, sorted by `ROLLUPS_SORT_KEYS`."""
    import pyarrow as pa

    schema = rollups_schema()
    parts = [
        _bucket_rows(rollup, {"meter": meter, "resolution": resolution}, schema)
        for (meter, resolution), rollup in sorted(rollups.items(), key=itemgetter(0))
    ]
    return pa.concat_tables(parts) if parts else schema.empty_table()


def _bucket_rows(rollup: Rollup, names: Mapping[str, str], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    known = rollup.is_known
    columns = {
        **{column: pa.repeat(name, int(known.sum())) for column, name in names.items()},
        "start": _timestamps(rollup.edges[:-1][known]),
        **{name: _numbers(getattr(rollup, name)[known]) for name in NUMBERS},
        "coverage": rollup.coverage[known],
        **{name: getattr(rollup, name)[known] for name in STATE_COUNTS},
    }
    return pa.table(columns).cast(schema)


def rollup_of_table(table: pa.Table, meter: str, resolution: Resolution, bucket_edges: Instants) -> Rollup:
    """The buckets of a meter between edges, from a table of rollups.

    Raises:
        BadInputError: when its buckets begin elsewhere, as those of another time zone do.
    """
    import numpy as np
    import pyarrow.compute as pc

    rows = table.filter((pc.field("meter") == meter) & (pc.field("resolution") == resolution))
    start = _milliseconds(rows["start"])
    inside = (start >= bucket_edges[0]) & (start < bucket_edges[-1])
    here = np.searchsorted(bucket_edges, start[inside])
    if not np.array_equal(bucket_edges[here], start[inside]):
        raise BadInputError(
            f"The rollups of {meter} by {resolution} were made for other buckets",
            kept="Nothing was overwritten",
            remedy="Make the month's rollups again from its readings",
        )
    columns = {name: rows[name].to_numpy()[inside] for name in (*NUMBERS, *STATE_COUNTS)}
    covered_ms = np.rint(rows["coverage"].to_numpy()[inside] * np.diff(bucket_edges)[here])
    return Rollup.empty(bucket_edges).with_columns(here, {**columns, "covered_ms": covered_ms})


def windows_table(windows: Mapping[tuple[str, int], Windows]) -> pa.Table:
    """The table of windows by meter and length in days, sorted by `WINDOWS_SORT_KEYS`."""
    import pyarrow as pa

    schema = windows_schema()
    parts = [
        _window_rows(one, meter, days, schema)
        for (meter, days), one in sorted(windows.items(), key=itemgetter(0))
    ]
    return pa.concat_tables(parts) if parts else schema.empty_table()


def _window_rows(windows: Windows, meter: str, days: int, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    size = len(windows.end)
    columns = {
        "meter": pa.repeat(meter, size),
        "days": pa.repeat(days, size),
        "start": _timestamps(windows.start),
        "end": _timestamps(windows.end),
        **{name: _numbers(getattr(windows, name)) for name in NUMBERS},
        "coverage": windows.coverage,
        **{f"{kind}_count": windows.event_count[kind] for kind in EVENT_KINDS},
        **{f"{kind}_seconds": windows.event_seconds[kind] for kind in EVENT_KINDS},
    }
    return pa.table(columns).cast(schema)


def _states(names: Sequence[str], told: Codes) -> States:
    """The state of each row, from the number of its name. Most are alike: the others are set one name at a time."""
    import numpy as np

    codes = [_state(name) for name in names]
    states = np.full(len(told), codes[0] if codes else State.OK, np.uint8)
    for number, code in enumerate(codes[1:], start=1):
        states[told == number] = code
    return states


def _encoded(column: pa.ChunkedArray) -> tuple[list[str], Codes]:
    """A text column as its different values and, of each row, the number of its value."""
    import pyarrow.types as types

    encoded = column if types.is_dictionary(column.type) else column.dictionary_encode()
    whole = _whole(encoded.unify_dictionaries())
    return whole.dictionary.to_pylist(), whole.indices.to_numpy()


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array, without a copy where it is in one piece."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _state(name: str) -> State:
    try:
        return State[name.upper()]
    except KeyError:
        raise BadInputError(
            f"'{name}' is no state of a reading", remedy="Restore the month's readings from the last commit"
        ) from None


def _together(column: np.ndarray[Any, Any], parts: list[slice]) -> np.ndarray[Any, Any]:
    import numpy as np

    return column[parts[0]] if len(parts) == 1 else np.concatenate([column[part] for part in parts])


def _milliseconds(column: pa.ChunkedArray) -> Instants:
    instants: Instants = _whole(column).cast("int64").to_numpy()
    return instants


def _timestamps(instants: Instants) -> pa.Array:
    import pyarrow as pa

    return pa.array(instants).cast(pa.timestamp("ms", tz="UTC"))


def _numbers(values: np.ndarray[Any, Any]) -> pa.Array:
    """Null for NaN."""
    import numpy as np
    import pyarrow as pa

    return pa.array(values, mask=np.isnan(values))
