"""Parquet files: equal rows are equal bytes, and content is told from form."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.storage.tables import (
    dump_table,
    load_table,
    logical_hash,
    prefer_stored,
    stored_logical_hash,
)

SCHEMA = pa.schema(
    [
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("at", pa.timestamp("ms", "UTC")),
        pa.field("energy_kwh", pa.float64()),
        pa.field("is_home", pa.bool_()),
        pa.field("count", pa.int16()),
    ]
)
SORT_BY = ["session_id", "at"]

instants = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)).map(
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "session_id": st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
            "at": st.none() | instants,
            "energy_kwh": st.none() | st.floats(allow_nan=False, allow_infinity=False),
            "is_home": st.none() | st.booleans(),
            "count": st.none() | st.integers(-5, 5),
        }
    ),
    max_size=12,
)


def table_of(values: list[dict[str, Any]], schema: pa.Schema = SCHEMA) -> pa.Table:
    return pa.Table.from_pylist(values, schema=schema)


def some_rows() -> pa.Table:
    at = datetime(2026, 1, 7, 6, 0, tzinfo=UTC)
    return table_of(
        [
            {"session_id": "b", "at": at, "energy_kwh": 1.5, "is_home": True, "count": 1},
            {"session_id": "a", "at": at, "energy_kwh": None, "is_home": None, "count": None},
        ]
    )


@given(rows, st.randoms(use_true_random=False))
def test_the_order_in_which_rows_come_does_not_show(values: list[dict[str, Any]], random: Any) -> None:
    shuffled = random.sample(values, len(values))
    assert dump_table(table_of(shuffled), SCHEMA, SORT_BY) == dump_table(table_of(values), SCHEMA, SORT_BY)


@given(rows)
def test_what_is_dumped_is_loaded_again(values: list[dict[str, Any]]) -> None:
    loaded = load_table(dump_table(table_of(values), SCHEMA, SORT_BY), SCHEMA, "file.parquet")
    assert loaded.schema == SCHEMA
    assert sorted(map(_as_text, loaded.to_pylist())) == sorted(map(_as_text, values))


@given(rows)
def test_texts_can_be_loaded_as_dictionaries(values: list[dict[str, Any]]) -> None:
    data = dump_table(table_of(values), SCHEMA, SORT_BY)
    loaded = load_table(data, SCHEMA, "file.parquet", few_valued=["session_id"])
    assert pa.types.is_dictionary(loaded.schema.field("session_id").type)
    assert loaded.to_pylist() == load_table(data, SCHEMA, "file.parquet").to_pylist()


def test_other_columns_are_refused_however_they_are_loaded() -> None:
    data = dump_table(some_rows(), SCHEMA, SORT_BY)
    other = pa.schema([pa.field("name", pa.string()), *SCHEMA])
    with pytest.raises(BadInputError, match="name is missing"):
        load_table(data, other, "file.parquet", few_valued=["session_id"])


def test_numbers_lie_one_after_another_for_git_to_find_again() -> None:
    energies = [number % 7 / 3 for number in range(50)]
    table = table_of(
        [{"session_id": f"{number:03d}", "energy_kwh": kwh} for number, kwh in enumerate(energies)]
    )
    assert pa.array(energies).buffers()[1].to_pybytes()[: 8 * 50] in dump_table(table, SCHEMA, SORT_BY)


def _as_text(row: dict[str, Any]) -> list[str]:
    """The row as it is stored: columns in order, no negative zero."""
    return [str(row[name] + 0.0 if isinstance(row[name], float) else row[name]) for name in SCHEMA.names]


@given(rows, st.integers(1, 5))
def test_the_logical_hash_does_not_see_chunks_or_metadata(values: list[dict[str, Any]], size: int) -> None:
    table = table_of(values)
    pieces = [table.slice(start, size).combine_chunks() for start in range(0, len(values), size)]
    cut = pa.concat_tables([table.slice(0, 0), *pieces]).replace_schema_metadata({"written": "today"})
    assert logical_hash(cut) == logical_hash(table)


@given(rows, rows)
def test_the_logical_hash_tells_different_contents_apart(
    first: list[dict[str, Any]], second: list[dict[str, Any]]
) -> None:
    one, other = table_of(first), table_of(second)
    assert (logical_hash(one) == logical_hash(other)) == (repr(one.to_pylist()) == repr(other.to_pylist()))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": pa.array(["ab", "c"])}, {"a": pa.array(["a", "bc"])}),
        ({"a": pa.array([0, 1])}, {"a": pa.array([None, 1], pa.int64())}),
        ({"a": pa.array(["", "x"])}, {"a": pa.array([None, "x"])}),
        ({"a": pa.array([1], pa.int32())}, {"a": pa.array([1], pa.int64())}),
        ({"a": pa.array([1])}, {"b": pa.array([1])}),
        ({"a": pa.array([], pa.int64())}, {"a": pa.array([], pa.int32())}),
    ],
)
def test_nulls_names_types_and_borders_between_texts_count(one: Any, other: Any) -> None:
    assert logical_hash(pa.table(one)) != logical_hash(pa.table(other))


def test_what_lies_under_a_null_does_not_count() -> None:
    values = pa.array([1.0, 2.0, 3.0])
    validity = pa.array([False, True, True]).buffers()[1]
    hidden = pa.Array.from_buffers(pa.float64(), 3, [validity, values.buffers()[1]])
    assert logical_hash(pa.table({"a": hidden})) == logical_hash(pa.table({"a": pa.array([None, 2.0, 3.0])}))


def test_the_same_texts_hash_the_same_however_their_dictionary_is_built() -> None:
    one = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["a", "b"]))
    other = pa.DictionaryArray.from_arrays(pa.array([1, 0]), pa.array(["b", "a"]))
    assert logical_hash(pa.table({"a": one})) == logical_hash(pa.table({"a": other}))


def test_a_file_carries_the_hash_of_its_content() -> None:
    data = dump_table(some_rows(), SCHEMA, SORT_BY)
    assert stored_logical_hash(data) == logical_hash(load_table(data, SCHEMA, "file.parquet"))


@pytest.mark.parametrize("data", [b"", b"PAR1", b"not a table at all"])
def test_what_is_no_parquet_file_carries_none(data: bytes) -> None:
    assert stored_logical_hash(data) is None


def by_another_writer(data: bytes) -> bytes:
    """The same content, written in another form."""
    table = pq.read_table(pa.BufferReader(data))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="snappy", use_dictionary=False)
    return bytes(sink.getvalue())


def test_a_new_writer_rewrites_nothing() -> None:
    fresh = dump_table(some_rows(), SCHEMA, SORT_BY)
    stored = by_another_writer(fresh)
    assert stored != fresh
    assert prefer_stored(stored, fresh) == stored


def test_changed_content_is_written() -> None:
    stored = dump_table(some_rows().slice(0, 1), SCHEMA, SORT_BY)
    fresh = dump_table(some_rows(), SCHEMA, SORT_BY)
    assert prefer_stored(stored, fresh) == fresh
    assert prefer_stored(None, fresh) == fresh


def test_a_damaged_file_is_kept_only_where_its_content_can_still_be_read() -> None:
    fresh = dump_table(some_rows(), SCHEMA, SORT_BY)
    replaced = 0
    for position in range(4, len(fresh), 11):
        damaged = fresh[:position] + bytes([fresh[position] ^ 0xFF]) + fresh[position + 1 :]
        kept = prefer_stored(damaged, fresh)
        replaced += kept == fresh
        assert load_table(kept, SCHEMA, "file.parquet").equals(load_table(fresh, SCHEMA, "file.parquet"))
    assert replaced > 10


@pytest.mark.parametrize("cut", [0, 1, 10, 200])
def test_a_file_cut_short_is_named_with_what_to_do(cut: int) -> None:
    data = dump_table(some_rows(), SCHEMA, SORT_BY)[:cut]
    with pytest.raises(BadInputError, match=r"session_samples/2026-01\.parquet is not a readable") as caught:
        load_table(data, SCHEMA, "session_samples/2026-01.parquet")
    assert caught.value.remedy


def test_a_flipped_bit_is_noticed_or_changes_no_row() -> None:
    data = dump_table(some_rows(), SCHEMA, SORT_BY)
    rows = load_table(data, SCHEMA, "file.parquet")
    places = range(0, len(data), 5)
    noticed = 0
    for place in places:
        damaged = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        try:
            assert load_table(damaged, SCHEMA, "file.parquet").equals(rows)
        except BadInputError:
            noticed += 1
    assert noticed > len(places) / 2


def test_a_file_of_another_schema_says_what_differs() -> None:
    other = pa.schema([("session_id", pa.int64()), ("note", pa.string())])
    data = dump_table(table_of([{"session_id": 1, "note": "x"}], other), other, ["session_id"])
    with pytest.raises(
        BadInputError, match=r"at is missing.*note is unknown.*session_id is int64, not string"
    ):
        load_table(data, SCHEMA, "file.parquet")


@pytest.mark.parametrize(
    ("column", "values", "complaint"),
    [
        ("energy_kwh", [float("nan"), 1.0], "column energy_kwh holds a number that is not finite"),
        ("energy_kwh", [float("inf"), None], "column energy_kwh holds a number that is not finite"),
        ("count", [100_000, 1], "100000"),
        ("session_id", [None, "a"], "session_id"),
    ],
)
def test_values_that_do_not_fit_are_refused(column: str, values: list[Any], complaint: str) -> None:
    index = SCHEMA.names.index(column)
    table = some_rows().set_column(index, column, pa.array(values))
    with pytest.raises(BadInputError, match=complaint):
        dump_table(table, SCHEMA, SORT_BY)


def test_a_missing_or_an_unknown_column_is_refused() -> None:
    with pytest.raises(BadInputError, match="count is missing"):
        dump_table(some_rows().drop_columns("count"), SCHEMA, SORT_BY)
    with pytest.raises(BadInputError, match="note is unknown"):
        dump_table(some_rows().append_column("note", pa.array(["x", "y"])), SCHEMA, SORT_BY)


def test_a_nested_column_is_refused_by_name() -> None:
    with pytest.raises(BadInputError, match="Column flags"):
        logical_hash(pa.table({"flags": pa.array([["tiny"]])}))
