"""The files of the old power monitor, and this program's own four, as rows of values. What they mean is judged later.

The old ones are a list of points, or an object with such a list in `data_points`. A point has a timestamp and one
value with its unit, or a value for each of several columns, plain or each with its unit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cph50_pipeline.errors import BadInputError

TIMESTAMP = "timestamp"
SINGLE = "value"
POWER = "power"

_OF_OUR_POWER = frozenset({"energy_kwh", "min", "max", "coverage"})


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a row.

    Attributes:
        said: As the JSON has it.
        unit: What the file says it is in; None where it does not say.
        is_canonical: Whether it is in the units in which this program keeps readings, scaled already.
        share: Of how much of its hour or day it is the mean.
    """

    column: str
    said: object
    unit: str | None = None
    is_canonical: bool = False
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """One element of a file's list.

    Attributes:
        number: Its place, from 1.
        values: None when the element is no object.
    """

    number: int
    timestamp: object
    values: tuple[Value, ...] | None


@dataclass(frozen=True, slots=True)
class Source:
    """A file that could be read.

    Attributes:
        is_ours: Whether this program wrote it.
    """

    name: str
    rows: tuple[Row, ...]
    is_ours: bool

    @property
    def columns(self) -> set[str]:
        """The columns of which a row has a value."""
        return {value.column for row in self.rows for value in row.values or ()}


def read_source(data: bytes, name: str) -> Source:
    """The rows of a file, whatever shape it has.

    Raises:
        BadInputError: it is no JSON, was cut short, or has no list of points; nothing of it is guessed.
    """
    document = _parsed(data, name)
    points = document.get("data_points") if isinstance(document, dict) else document
    if not isinstance(points, list):
        raise BadInputError(
            f"{name} has no list of points", kept="Nothing of it was taken", remedy="Give a file of readings"
        )
    is_ours = isinstance(document, dict) and "events" in document
    read = _our_values if is_ours else _values
    rows = (
        Row(number, point.get(TIMESTAMP), tuple(read(point)))
        if isinstance(point, dict)
        else Row(number, None, None)
        for number, point in enumerate(points, start=1)
    )
    return Source(name, tuple(rows), is_ours)


def _parsed(data: bytes, name: str) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=str)
    except UnicodeDecodeError:
        why = "it is not UTF-8 text"
    except json.JSONDecodeError as error:
        place = f"{error.msg} in line {error.lineno}, column {error.colno}"
        why = "it is empty" if not data.strip() else "it was cut short" if _is_cut(error) else place
    except (ValueError, RecursionError) as error:
        why = str(error)
    raise BadInputError(
        f"{name} is not a readable JSON file: {why}",
        kept="Nothing of it was taken",
        remedy="Give a whole copy of it",
    )


def _is_cut(error: json.JSONDecodeError) -> bool:
    return error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string")


def _values(point: Mapping[str, Any]) -> Iterator[Value]:
    for column in sorted(point.keys() - {TIMESTAMP, "unit"}):
        said = point[column]
        if column == SINGLE:
            yield Value(column, said, _unit(point))
        elif isinstance(said, dict):
            yield Value(column, said.get(SINGLE), _unit(said))
        else:
            yield Value(column, said)


def _our_values(point: Mapping[str, Any]) -> Iterator[Value]:
    """What one of our own files says: of the house's power a number, of each other meter a cell."""
    yield Value(POWER, point.get(POWER), is_canonical=True, share=_share(point))
    for column in sorted(point.keys() - _OF_OUR_POWER - {TIMESTAMP, POWER}):
        cell = point[column]
        is_cell = isinstance(cell, dict)
        said = cell.get("mean") if is_cell else cell
        yield Value(column, said, is_canonical=True, share=_share(cell) if is_cell else 1.0)


def _share(cell: Mapping[str, Any]) -> float:
    coverage = cell.get("coverage")
    return min(1.0, max(0.0, float(coverage))) if isinstance(coverage, int | float) else 1.0


def _unit(cell: Mapping[str, Any]) -> str | None:
    unit = cell.get("unit")
    return None if unit is None else str(unit)
