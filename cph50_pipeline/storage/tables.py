"""Parquet files: one schema, one order of rows, one writer configuration, and a hash of the content itself.

A Parquet file's bytes name the library that wrote them. Whether two files say the same is decided by a
logical hash, kept in the file's own metadata. Which tables there are and what they mean is known elsewhere.

pyarrow is imported at first use, because the import of the code location is budgeted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from cph50_pipeline.errors import BadInputError

if TYPE_CHECKING:
    import pyarrow as pa

LOGICAL_HASH_KEY = b"cph50_logical_sha256"
_ROWS_PER_GROUP = 1 << 22  # a month by the second: a column in one piece needs no copying
_TIME_ENCODING = "DELTA_BINARY_PACKED"


def dump_table(
    table: pa.Table, schema: pa.Schema, sort_by: Sequence[str], *, compressed: bool = False
) -> bytes:
    """A table as the bytes of a Parquet file; the same rows in any order give the same bytes.

    Args:
        schema: The file's columns, in order; the table is cast to it.
        sort_by: Columns that order the rows; equal ones are ordered by the remaining columns.
        compressed: For what is hardly ever written again.

    Raises:
        BadInputError: when columns are missing or too many, values do not fit the schema, or a number is not
            finite.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    ordered = _sorted(_with_plain_numbers(_cast(table, schema)), sort_by)
    digest = logical_hash(ordered).encode()
    sink = pa.BufferOutputStream()
    pq.write_table(
        ordered.replace_schema_metadata({LOGICAL_HASH_KEY: digest}),
        sink,
        row_group_size=_ROWS_PER_GROUP,
        # Git compresses, and keeps of the next version only the difference, which it cannot find in what is
        # compressed already: a month rewritten sixty times takes a tenth of the room, one file half as much again.
        compression="zstd" if compressed else "none",
        # Nor does it find it in numbers that are written as entries of a growing dictionary: two thirds more room.
        use_dictionary=[field.name for field in schema if _is_text_or_binary(field.type)],
        # Times that follow each other: an eighth of the room, with git's compression still less than half.
        column_encoding={field.name: _TIME_ENCODING for field in schema if pa.types.is_timestamp(field.type)},
        version="2.6",
        write_page_checksum=True,
    )
    return bytes(sink.getvalue())


def load_table(data: bytes, schema: pa.Schema, name: str, few_valued: Sequence[str] = ()) -> pa.Table:
    """The table in a Parquet file.

    Args:
        schema: What the file must hold: columns in order, with their types.
        name: The file, as the error should name it.
        few_valued: Text columns to be returned as dictionaries, in a fifth of the time where many rows share few texts.

    Raises:
        BadInputError: when the file is damaged or holds other columns.
    """
    table, expected = _read_rows(data, name, few_valued), _with_dictionaries(schema, few_valued)
    if not table.schema.equals(expected, check_metadata=False):
        raise _unreadable(name, f"holds other columns than expected: {_difference(table.schema, expected)}")
    return table.replace_schema_metadata(None)


def _with_dictionaries(schema: pa.Schema, columns: Sequence[str]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        field.with_type(pa.dictionary(pa.int32(), field.type)) if field.name in columns else field
        for field in schema
    )


def check_readable(data: bytes, name: str) -> None:
    """Read a Parquet file of any schema to its end.

    Raises:
        BadInputError: when it is damaged.
    """
    _read_rows(data, name)


def row_count(data: bytes, name: str) -> int:
    """How many rows a Parquet file has; they are not read.

    Args:
        name: The file, as the error should name it.

    Raises:
        BadInputError: when it is not a readable Parquet file.
    """
    import pyarrow.parquet as pq

    return int(_read(lambda source: pq.read_metadata(source).num_rows, data, name))


def logical_hash(table: pa.Table) -> str:
    """SHA-256, in hexadecimal, of what a table says: column names and types, values and nulls, in order.

    It does not depend on how the table is cut into chunks, on metadata, or on what wrote it.

    Raises:
        BadInputError: for a column of nested type.
    """
    total = hashlib.sha256(str(table.num_rows).encode())
    for field, column in zip(table.schema, table.columns, strict=True):
        total.update(f"\n{field.name}\0{field.type}\0".encode())
        for stream in _column_streams(field.name, column):
            total.update(stream)
    return total.hexdigest()


def stored_logical_hash(data: bytes) -> str | None:
    """The logical hash that a Parquet file says it has; None when it is no Parquet file or says none."""
    import pyarrow.parquet as pq

    try:
        footer = _read(pq.read_metadata, data, "the stored file")
    except BadInputError:
        return None
    digest: bytes | None = (footer.metadata or {}).get(LOGICAL_HASH_KEY)
    return None if digest is None else digest.decode("ascii", "replace")


def is_compressed(data: bytes, name: str) -> bool:
    """Whether a Parquet file that has rows was written compressed.

    Raises:
        BadInputError: when the file is damaged.
    """
    import pyarrow.parquet as pq

    footer = _read(pq.read_metadata, data, name)
    return bool(footer.num_row_groups and footer.row_group(0).column(0).compression != "UNCOMPRESSED")


def prefer_stored(stored: bytes | None, fresh: bytes) -> bytes:
    """Which of two Parquet files to keep: the stored one when it is whole and says the same, else the fresh.

    So a new version of the writing library rewrites nothing, and a damaged file is replaced even though its
    metadata promises the right content.
    """
    if stored is None or stored == fresh:
        return fresh
    expected = stored_logical_hash(fresh)
    is_same = expected is not None and stored_logical_hash(stored) == expected == _actual_hash(stored)
    return stored if is_same else fresh


def _actual_hash(data: bytes) -> str | None:
    try:
        return logical_hash(_read_rows(data, "the stored file"))
    except BadInputError:
        return None


def _read_rows(data: bytes, name: str, few_valued: Sequence[str] = ()) -> pa.Table:
    import pyarrow.parquet as pq

    def read(buffer: Any) -> pa.Table:
        # Not `read_table`, which takes longer and cuts each column into many pieces. Without threads of its own, by
        # which pyarrow now and then ends a process that ends soon after: github.com/apache/arrow/issues/34314
        options = {"page_checksum_verification": True, "read_dictionary": list(few_valued)}
        return pq.ParquetFile(buffer, **options).read(use_threads=False)

    return _read(read, data, name)


def _read(read: Callable[[Any], Any], data: bytes, name: str) -> Any:
    """What pyarrow reads from a file; a damaged one makes it raise more kinds of errors than its own."""
    import pyarrow as pa

    try:
        return read(pa.BufferReader(data))
    except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError) as error:
        why = str(error).partition("\n")[0]
        raise _unreadable(name, f"is not a readable Parquet file: {why}") from error


def _cast(table: pa.Table, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    if sorted(table.column_names) != sorted(schema.names):
        raise _unwritable(_difference(table.schema, schema))
    try:
        return table.select(schema.names).cast(schema).replace_schema_metadata(None)
    except (pa.ArrowException, ValueError) as error:
        raise _unwritable(str(error).partition("\n")[0]) from error


def _sorted(table: pa.Table, sort_by: Sequence[str]) -> pa.Table:
    rest = [name for name in table.column_names if name not in sort_by]
    return table.sort_by([(name, "ascending") for name in (*sort_by, *rest)])


def _with_plain_numbers(table: pa.Table) -> pa.Table:
    """The table without negative zeros, which compare equal to zero and so would leave the order open.

    Raises:
        BadInputError: when a number is not finite.
    """
    import pyarrow.compute as pc
    import pyarrow.types as types

    for index, field in enumerate(table.schema):
        if not types.is_floating(field.type):
            continue
        column = table.column(index)
        if pc.all(pc.is_finite(column)).as_py() is False:
            raise _unwritable(f"column {field.name} holds a number that is not finite; null says unknown")
        table = table.set_column(index, field, pc.add(column, 0.0).cast(field.type))
    return table


def _column_streams(name: str, column: pa.ChunkedArray) -> Iterable[bytes]:
    """The digests of a column's parts: which values are null, how long they are, what they are.

    Each part is one stream over all chunks, so that their borders do not show.
    """
    import pyarrow.types as types

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    nulls, lengths, values = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
    for chunk in column.chunks:
        if column.null_count:
            nulls.update(_bytes_of(chunk.is_null().cast("uint8")))
        if types.is_primitive(column.type):
            values.update(_bytes_of(_without_nulls(chunk)))
        elif _is_text_or_binary(column.type):
            _hash_variable(chunk, lengths, values)
        else:
            raise BadInputError(f"Column {name}: a table of {column.type} has no logical hash")
    return nulls.digest(), lengths.digest(), values.digest()


def _is_text_or_binary(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
    )


def _without_nulls(chunk: pa.Array) -> pa.Array:
    """A fixed-width array as plain bits, in which null slots, which may hold anything, hold zero."""
    import pyarrow as pa
    import pyarrow.types as types

    bits = chunk.cast(pa.uint8()) if types.is_boolean(chunk.type) else chunk
    unsigned = {8: pa.uint8(), 16: pa.uint16(), 32: pa.uint32(), 64: pa.uint64()}[bits.type.bit_width]
    return bits.view(unsigned).fill_null(0) if bits.null_count else bits


def _bytes_of(chunk: pa.Array) -> memoryview:
    """The values of a fixed-width array without nulls, as they lie in memory."""
    width = chunk.type.bit_width // 8
    buffer: Any = chunk.buffers()[1]
    start = chunk.offset * width
    return memoryview(buffer)[start : start + len(chunk) * width] if buffer is not None else memoryview(b"")


def _hash_variable(chunk: pa.Array, lengths: Any, values: Any) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = chunk.cast(pa.large_binary())
    filled = plain.fill_null(b"") if plain.null_count else plain
    lengths.update(_bytes_of(pc.binary_length(filled).cast(pa.int64())))
    _, offsets, text = filled.buffers()
    bounds = memoryview(offsets).cast("q")[filled.offset : filled.offset + len(filled) + 1]
    if text is not None and len(filled):
        values.update(memoryview(text)[bounds[0] : bounds[-1]])


def _difference(found: pa.Schema, expected: pa.Schema) -> str:
    have = {field.name: str(field.type) for field in found}
    want = {field.name: str(field.type) for field in expected}
    words = [f"{name} is missing" for name in want if name not in have]
    words += [f"{name} is unknown" for name in have if name not in want]
    words += [
        f"{name} is {have[name]}, not {want[name]}"
        for name in want
        if have.get(name, want[name]) != want[name]
    ]
    return ", ".join(words) or "their order or nullability differs"


def _unreadable(name: str, why: str) -> BadInputError:
    return BadInputError(
        f"{name} {why}",
        kept="Nothing was overwritten",
        remedy="Restore it with `git checkout -- FILE` in the data root, or materialize it again",
    )


def _unwritable(why: str) -> BadInputError:
    return BadInputError(f"A table cannot be written: {why}", kept="The file that was there is unchanged")
