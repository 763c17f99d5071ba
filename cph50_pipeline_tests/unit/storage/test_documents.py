"""JSON files: one form, and errors that say where."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.storage.documents import dump_json, load_json

text = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_what_is_dumped_is_loaded_again(value: Any) -> None:
    assert load_json(dump_json(value), "file.json") == value


@given(st.dictionaries(text, st.integers()))
def test_the_order_of_keys_does_not_show(value: dict[str, int]) -> None:
    assert dump_json(dict(reversed(value.items()))) == dump_json(value)


def test_the_form_is_fixed() -> None:
    assert dump_json({"b": [1, 2.5], "a": "Zoë"}) == '{\n "a": "Zoë",\n "b": [\n  1,\n  2.5\n ]\n}\n'.encode()


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({"sessions": [{"energy_kwh": math.nan}]}, r"nan is not a JSON number at sessions\[0\]\.energy_kwh"),
        ([math.inf], r"inf is not a JSON number at \[0\]"),
        ({"at": datetime(2026, 1, 7, tzinfo=UTC)}, "a datetime is not a JSON value at at"),
        ({"sessions": {4751613101: {}}}, "the key 4751613101 is not text at sessions"),
        ({"name": "\ud800"}, "UTF-8 cannot hold"),
        ({1, 2}, "a set is not a JSON value"),
    ],
)
def test_what_json_cannot_hold_is_refused_with_its_place(value: Any, complaint: str) -> None:
    with pytest.raises(BadInputError, match=complaint):
        dump_json(value)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b'{"a": 1,}', "line 1, column"),
        (b"", "line 1, column 1"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"4751613101": "a", "4751613101": "b"}', "the key '4751613101' is there twice"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"<<<<<<< HEAD\n{}\n", "line 1"),
    ],
)
def test_a_damaged_file_is_named_with_what_to_do(data: bytes, complaint: str) -> None:
    with pytest.raises(BadInputError, match=complaint) as caught:
        load_json(data, "session_vehicle_map.json")
    assert str(caught.value).startswith("session_vehicle_map.json is not a readable JSON file")
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["session_vehicle_map.json", "vehicle_config.json", "meters.json"])
def test_a_file_that_people_write_is_mended_by_them_because_no_run_makes_it_again(name: str) -> None:
    with pytest.raises(BadInputError) as caught:
        load_json(b"{", name)
    assert caught.value.remedy.startswith("Mend it by hand or restore it from git")
    assert f"git checkout -- {name}" in caught.value.remedy
    assert "materialize" not in caught.value.remedy


def test_a_file_that_a_run_makes_may_be_materialized_again() -> None:
    with pytest.raises(BadInputError, match="materialize it again"):
        load_json(b"{", "chargepoint_activity/2026-01.json")


def test_a_byte_order_mark_left_by_an_editor_is_read_over() -> None:
    assert load_json(b'\xef\xbb\xbf{"a": 1}', "vehicle_config.json") == {"a": 1}
