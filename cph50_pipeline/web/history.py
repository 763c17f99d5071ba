"""SQL over the stored files, by DuckDB inside this process.

It may read the folders that it is told of and nothing else, and no statement can change that. Values are bound, never
written into a statement. What is asked is known to the routes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from cph50_pipeline.errors import PermanentError, TransientError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

THREADS = 2
MEMORY_LIMIT = "1GB"
_ISO = (
    "strftime({column}, '%Y-%m-%dT%H:%M:%S') || CASE WHEN epoch_us({column}) % 1000000 = 0 THEN '' "
    "ELSE strftime({column}, '.%f') END || '+00:00'"
)


class History:
    """One connection, opened at first use; each question has a cursor of its own.

    Args:
        folders: What may be read.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [*folders]
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._lock = Lock()

    def table(self, sql: str, values: Mapping[str, Any]) -> pa.Table:
        """What a statement selects.

        Args:
            values: By the names that the statement gives them, `$name`.

        Raises:
            PermanentError: a file is damaged; names it.
            TransientError: a file was replaced or removed while it was read.
        """
        import duckdb

        with self._cursor() as cursor:
            try:
                return cursor.sql(sql, params=dict(values)).to_arrow_table()
            except duckdb.Error as error:
                raise _told(error) from error

    def json_rows(self, table: pa.Table) -> bytes:
        """A table's rows as a JSON list of objects, times as `civil_time.format_instant` writes them."""
        if table.num_rows == 0:
            return b"[]"
        with self._cursor() as cursor:
            cursor.register("answer", self._with_texts(cursor, table))
            # One text a row, joined here: one text of all would be copied by each step.
            rows = cursor.sql("SELECT CAST(to_json(answer) AS VARCHAR) AS row FROM answer").to_arrow_table()
            return b"[" + b",".join(_texts(rows.column("row"))) + b"]"

    def csv(self, table: pa.Table) -> bytes:
        """A table as CSV: text in quotes, null as nothing, a list's texts with spaces between."""
        import pyarrow as pa
        from pyarrow import csv

        if not table.column_names:
            return b""
        with self._cursor() as cursor:
            texts = self._with_texts(cursor, table, joins_lists=True)
        sink = pa.BufferOutputStream()
        csv.write_csv(texts, sink, csv.WriteOptions(include_header=False))
        return ",".join(table.column_names).encode() + b"\n" + bytes(sink.getvalue())

    def _with_texts(
        self, cursor: duckdb.DuckDBPyConnection, table: pa.Table, *, joins_lists: bool = False
    ) -> pa.Table:
        """The table with its times as text; where nothing has to become text, the same."""
        import pyarrow.types as types

        columns = []
        for one in table.schema:
            name = f'"{one.name}"'
            if types.is_timestamp(one.type):
                columns.append(f"{_ISO.format(column=name)} AS {name}")
            elif joins_lists and types.is_list(one.type):
                columns.append(f"array_to_string({name}, ' ') AS {name}")
            else:
                columns.append(name)
        cursor.register("typed", table)
        return cursor.sql(f"SELECT {', '.join(columns)} FROM typed").to_arrow_table()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._connection is None:
                self._connection = _opened(self._folders)
            return self._connection.cursor()


def _texts(column: pa.ChunkedArray) -> list[bytes]:
    import pyarrow as pa

    return [text for chunk in column.chunks for text in chunk.cast(pa.binary()).to_pylist()]


def _opened(folders: Sequence[Path]) -> duckdb.DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": THREADS,
            "memory_limit": MEMORY_LIMIT,
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    # A file is replaced under its name: what was read of the one before must not be mixed with it.
    connection.execute("SET enable_external_file_cache = false")
    allowed = ", ".join("'" + str(folder).replace("'", "''") + "/'" for folder in folders)
    connection.execute(f"SET allowed_directories = [{allowed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _told(error: Exception) -> PermanentError | TransientError:
    import duckdb

    line = str(error).partition("\n")[0]
    if isinstance(error, duckdb.IOException) and "No files found" in line:
        return TransientError("A file was replaced while it was read", remedy="Ask again")
    if isinstance(error, duckdb.OutOfMemoryException):
        return TransientError(
            "The answer needs too much memory", remedy="Ask for fewer months or a smaller limit"
        )
    return PermanentError(
        f"A stored file cannot be read: {_without_folders(line)}",
        kept="It is unchanged",
        remedy="`cph50 reconcile` names the damaged file and what mends it",
    )


def _without_folders(line: str) -> str:
    """A message without the absolute paths of this machine."""
    words = []
    for word in line.split(" "):
        with suppress(ValueError):
            if word.strip("\"'").startswith("/"):
                word = "/".join(word.strip("\"'").split("/")[-2:])
        words.append(word)
    return " ".join(words)
