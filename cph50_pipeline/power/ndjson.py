"""Readings as lines of JSON: the form of a day while its month is open. The form of a month is in `tables.py`."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Iterator
from math import isfinite, isnan, nan
from typing import TYPE_CHECKING

from cph50_pipeline.civil_time import parse_instant, to_epoch_ms
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power.readings import Readings, State, series_of
from cph50_pipeline.power.tables import readings_of_table, readings_schema

if TYPE_CHECKING:
    import pyarrow as pa

    from cph50_pipeline.power.readings import Instants

_UTC = "+00:00"


def dump_lines(readings: Readings) -> bytes:
    """Readings as the bytes of an NDJSON file: one object a line, by instant, so that new ones come at the end."""
    import numpy as np

    lines = [line for meter in readings.series for line in _lines(readings, meter)]
    at = np.concatenate([np.empty(0, np.int64), *(series.at for series in readings.series.values())])
    return "".join(lines[number] for number in np.argsort(at, kind="stable")).encode()


def _lines(readings: Readings, meter: str) -> Iterator[str]:
    series, name = readings[meter], json.dumps(meter)
    states = [state.name.lower() for state in State]
    rows = zip(_texts(series.at), series.value.tolist(), series.state.tolist(), strict=True)
    for at, value, state in rows:
        number = "null" if isnan(value) else repr(value)
        yield f'{{"at":"{at}","meter":{name},"state":"{states[state]}","value":{number}}}\n'


def _texts(at: Instants) -> list[str]:
    """Instants as `civil_time.format_instant` writes them, many at once."""
    import numpy as np

    seconds = np.datetime_as_string((at // 1000).astype("datetime64[s]")).tolist()
    parts = (at % 1000).tolist()
    return [
        f"{second}.{part:03d}000{_UTC}" if part else f"{second}{_UTC}"
        for second, part in zip(seconds, parts, strict=True)
    ]


def load_lines(data: bytes, name: str) -> Readings:
    """The readings in an NDJSON file, the lines in any order; the reverse of `dump_lines`.

    Raises:
        BadInputError: naming the file and the line that is no reading.
    """
    table = _table(data)
    return _one_by_one(data, name) if table is None else readings_of_table(table)


def _table(data: bytes) -> pa.Table | None:
    """The lines as Arrow reads them, some times as fast as one by one; None when they may not be as we write them."""
    import pyarrow as pa
    from pyarrow import json as arrow_json

    schema = readings_schema()
    place = schema.get_field_index("at")
    as_text = schema.set(place, pa.field("at", pa.string()))
    options = arrow_json.ParseOptions(explicit_schema=as_text, unexpected_field_behavior="error")
    try:
        table = arrow_json.read_json(io.BytesIO(data), parse_options=options)
        at = table["at"].cast(pa.timestamp("us", "UTC")).cast(schema.field(place).type)
    except pa.ArrowInvalid:
        return None
    return table.set_column(place, schema.field(place), at) if _is_as_written(table) else None


def _is_as_written(table: pa.Table) -> bool:
    """Arrow takes a time without an offset for UTC, knows numbers that JSON does not, and null for what is left out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    states = pa.array([state.name.lower() for state in State])
    holds = [
        pc.ends_with(table["at"], _UTC),
        pc.is_finite(table["value"]).fill_null(True),
        pc.is_in(table["state"], states),
        pc.is_valid(table["meter"]),
    ]
    return all(pc.all(column, skip_nulls=False).as_py() for column in holds)


def _one_by_one(data: bytes, name: str) -> Readings:
    rows: dict[str, list[tuple[int, float, State]]] = defaultdict(list)
    for number, line in enumerate(data.splitlines(), start=1):
        if line.strip():
            meter, reading = _reading(line, f"{name}, line {number}")
            rows[meter].append(reading)
    return Readings.of({meter: series_of(*zip(*found, strict=True)) for meter, found in rows.items()})


def _reading(line: bytes, place: str) -> tuple[str, tuple[int, float, State]]:
    try:
        fields = json.loads(line)
        value = fields.get("value")
        if value is not None and not isfinite(value):
            raise ValueError(f"{value} is no number")
        at = to_epoch_ms(parse_instant(fields["at"]))
        return str(fields["meter"]), (at, nan if value is None else value, State[fields["state"].upper()])
    except (ValueError, KeyError, TypeError, AttributeError, BadInputError) as error:
        raise BadInputError(
            f"{place} is no reading: {type(error).__name__}: {error}",
            kept="Nothing was overwritten",
            remedy="Restore the file with `git checkout -- FILE` in the data root, or remove the line",
        ) from error
