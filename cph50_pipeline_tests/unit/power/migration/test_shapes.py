from __future__ import annotations

import json
from typing import Any

import pytest

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power.migration.shapes import Value, read_source
from cph50_pipeline_tests.unit.power.migration.old_files import point

SINGLE = point(value=412.5, unit="W")
FLAT = point(power=412.5, voltage=231)
NESTED = point(power={"value": 412.5, "unit": "W"}, voltage={"value": 231, "unit": "V"})


def read(document: Any) -> list[tuple[Value, ...] | None]:
    return [row.values for row in read_source(json.dumps(document).encode(), "old.json").rows]


def test_a_point_has_one_value_with_its_unit_or_one_for_each_column_with_units_or_without() -> None:
    assert read([SINGLE, FLAT, NESTED]) == [
        (Value("value", 412.5, "W"),),
        (Value("power", 412.5), Value("voltage", 231)),
        (Value("power", 412.5, "W"), Value("voltage", 231, "V")),
    ]


@pytest.mark.parametrize("around", [{}, {"last_update": None}, {"last_update": "x", "date": "2026-01-07"}])
def test_points_stand_in_a_list_or_in_an_object_beside_whatever_else(around: dict[str, Any]) -> None:
    assert read({"data_points": [SINGLE], **around}) == read([SINGLE])
    assert read({"data_points": [], **around}) == []


def test_our_own_files_are_read_in_our_own_units_and_without_what_is_made_of_them() -> None:
    own = {
        **point(power=0.41, energy_kwh=0.4, min=0.3, max=0.5, coverage=0.5),
        "home.energy": {"energy_kwh": 0.4, "coverage": 1.0},
        "home.voltage": {"mean": 231.0, "min": 230.0, "max": 232.0, "coverage": 0.25},
    }
    assert read({"data_points": [own], "events": [], "last_update": None}) == [
        (
            Value("power", 0.41, is_canonical=True, share=0.5),
            Value("home.energy", None, is_canonical=True),
            Value("home.voltage", 231.0, is_canonical=True, share=0.25),
        )
    ]


def test_what_is_no_object_is_a_row_all_the_same() -> None:
    assert read([None, 3, [], SINGLE])[:3] == [None, None, None]


WHOLE = json.dumps([SINGLE, FLAT]).encode()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (WHOLE[:-1], "it was cut short"),
        (WHOLE[:60], "it was cut short"),
        (WHOLE[:12], "it was cut short"),
        (b"", "it is empty"),
        (b'[{"timestamp": }]', r"Expecting value in line 1, column 16"),
        (b"\xff\xfe[\x00", "it is not UTF-8 text"),
        (b"[" * 100_000, "recursion"),
        (b'{"token": "x"}', "old.json has no list of points"),
        (b'{"data_points": {}}', "old.json has no list of points"),
        (b"3", "old.json has no list of points"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else None,
)
def test_a_file_that_is_not_whole_is_refused_and_nothing_of_it_is_guessed(data: bytes, why: str) -> None:
    with pytest.raises(BadInputError, match=why):
        read_source(data, "old.json")


def test_a_number_that_json_does_not_know_is_kept_as_text_for_its_row_to_be_refused() -> None:
    [row] = read_source(b'[{"timestamp": "2026-01-07", "value": NaN}]', "old.json").rows
    assert row.values == (Value("value", "NaN"),)
