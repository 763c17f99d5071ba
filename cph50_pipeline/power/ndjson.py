"""Readings as lines of JSON: the form of a day while its month is open. The form of a month is in `tables.py`."""

from __future__ import annotations

import json
from collections import defaultdict
from math import isfinite, isnan, nan

from cph50_pipeline.civil_time import format_instant, from_epoch_ms, parse_instant, to_epoch_ms
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power.readings import Readings, State, series_of


def dump_lines(readings: Readings) -> bytes:
    """Readings as the bytes of an NDJSON file: one object a line, by instant, so that new ones come at the end."""
    rows = sorted(
        (at, id_, value, state)
        for id_, series in readings.series.items()
        for at, value, state in zip(
            series.at.tolist(), series.value.tolist(), series.state.tolist(), strict=True
        )
    )
    return "".join(_line(*row) for row in rows).encode()


def _line(at: int, meter: str, value: float, state: int) -> str:
    fields = {
        "at": format_instant(from_epoch_ms(at)),
        "meter": meter,
        "state": State(state).name.lower(),
        "value": None if isnan(value) else value,
    }
    return json.dumps(fields, separators=(",", ":"), allow_nan=False) + "\n"


def load_lines(data: bytes, name: str) -> Readings:
    """The readings in an NDJSON file, the lines in any order; the reverse of `dump_lines`.

    Raises:
        BadInputError: naming the file and the line that is no reading.
    """
    rows: dict[str, list[tuple[int, float, State]]] = defaultdict(list)
    for number, line in enumerate(data.splitlines(), start=1):
        meter, reading = _reading(line, f"{name}, line {number}")
        rows[meter].append(reading)
    return Readings.of({meter: series_of(*zip(*found, strict=True)) for meter, found in rows.items()})


def _reading(line: bytes, place: str) -> tuple[str, tuple[int, float, State]]:
    try:
        fields = json.loads(line)
        value = nan if fields["value"] is None else float(fields["value"])
        if not isfinite(value) and fields["value"] is not None:
            raise ValueError(f"{value} is no number")
        at = to_epoch_ms(parse_instant(fields["at"]))
        return str(fields["meter"]), (at, value, State[fields["state"].upper()])
    except (ValueError, KeyError, TypeError, AttributeError, BadInputError) as error:
        raise BadInputError(
            f"{place} is no reading: {type(error).__name__}: {error}",
            kept="Nothing was overwritten",
            remedy="Restore the file with `git checkout -- FILE` in the data root, or remove the line",
        ) from error
