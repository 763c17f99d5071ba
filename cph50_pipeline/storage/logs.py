"""Log files of processes that go on for long: `private/logs/<name>.log`, one line a record, as text or as JSON.

Several processes may write one file. Each line is one write to the end of it. With the first line of a new day (the
household's) the file of the day before gets that day's name, whoever comes first, and the others go on to the new file.
What becomes of the files of days gone by is said by `log_rotation.py`.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.settings import LogFormat, Settings
from cph50_pipeline.storage.log_rotation import log_path, roll_if_of_another_day
from cph50_pipeline.storage.private import make_private_folder

OUR_LOGGER = "cph50_pipeline"
"""Its loggers say what happens (INFO); those of libraries what is wrong (WARNING)."""
_OWN_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_NO_IDS: Mapping[str, str] = MappingProxyType({})
_ids: ContextVar[Mapping[str, str]] = ContextVar("cph50_log_ids", default=_NO_IDS)


def configure_logging(settings: Settings, name: str, *, to_stderr: bool = True) -> None:
    """Have this process write its log to `private/logs/<name>.log`, and to its standard error.

    What it logged to by an earlier call is closed; handlers that others added stay.

    Args:
        name: Which log: letters, digits, `_` and `-`.
        to_stderr: Whether it is shown as well.

    Raises:
        BadInputError: no log can be called that.
        PermanentError, TransientError: the private folder cannot be made.
    """
    path = log_path(settings.private_dir, name)
    make_private_folder(settings.private_dir)
    formatter: logging.Formatter = (
        JsonFormatter() if settings.log_format is LogFormat.JSON else TextFormatter()
    )
    handlers: list[logging.Handler] = [DailyFileHandler(path, settings.zone)]
    if to_stderr:
        handlers.append(_StderrHandler())
    root = logging.getLogger()
    for former in [one for one in root.handlers if isinstance(one, DailyFileHandler | _StderrHandler)]:
        root.removeHandler(former)
        former.close()
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(OUR_LOGGER).setLevel(logging.INFO)


@contextmanager
def logged_with(**ids: str) -> Iterator[None]:
    """Have every record that is logged meanwhile, in this thread or task, carry ids: `request_id=…`, `run_id=…`."""
    token = _ids.set({**_ids.get(), **ids})
    try:
        yield
    finally:
        _ids.reset(token)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What a record carries besides its message: the ids in force, and what it was given as `extra`."""
    extra = {name: value for name, value in vars(record).items() if name not in _OWN_FIELDS}
    return {**_ids.get(), **extra}


class JsonFormatter(logging.Formatter):
    """A record as one JSON object on one line.

    It has `at` (UTC, milliseconds), `level`, `logger`, `message`, every field of `fields_of`, and `trace` where an
    exception was logged. A field cannot take the place of one of these.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        document = fields_of(record) | {
            "at": _instant(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            document["trace"] = self.formatException(record.exc_info)
        return json.dumps(document, default=str)


class TextFormatter(logging.Formatter):
    """A record as `<instant> <level> <message> <field>=<value> …`; an exception's trace follows, indented.

    Nothing that was logged begins a line of its own or steers a terminal.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        fields = "".join(f" {name}={_value(value)}" for name, value in sorted(fields_of(record).items()))
        line = f"{_instant(record)} {record.levelname} {_escaped(record.getMessage())}{fields}"
        if not record.exc_info:
            return line
        trace = self.formatException(record.exc_info).splitlines()
        return "\n".join((line, *(f"    {_escaped(each)}" for each in trace)))


class DailyFileHandler(logging.Handler):
    """Writes a log's file, and gives it the name of its day before a line of another day is written.

    When the file cannot be written, standard error says so once; the process goes on.

    Args:
        zone: Where a day begins.
    """

    def __init__(self, path: Path, zone: tzinfo) -> None:
        super().__init__()
        self._path = path
        self._zone = zone
        self._day: str | None = None
        self._descriptor: int | None = None
        self._is_failing = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record: one write, so that the lines of several processes do not mix."""
        try:
            line = f"{self.format(record)}\n".encode()
        except Exception:  # as every handler of logging: a bad call of a logger stops nothing
            self.handleError(record)
            return
        try:
            self._begin_the_day()
            os.write(self._current(), line)
        except (OSError, Cph50Error) as error:
            if not self._is_failing:
                print(f"cph50: {self._path} cannot be written: {error}", file=sys.stderr)
            self._is_failing = True
        else:
            self._is_failing = False

    def close(self) -> None:
        """Let go of the file."""
        with self.lock or nullcontext():
            self._let_go()
        super().close()

    def _begin_the_day(self) -> None:
        today = datetime.now(self._zone).date().isoformat()
        if today != self._day:
            roll_if_of_another_day(self._path, today, self._zone)
            self._day = today

    def _current(self) -> int:
        """The descriptor of what bears the log's name now; another process may have given it another name."""
        if self._descriptor is not None and not _is_file(self._descriptor, self._path):
            self._let_go()
        if self._descriptor is None:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)
        return self._descriptor

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class _StderrHandler(logging.StreamHandler[IO[str]]):
    """Writes to standard error; a class of its own so that it is known as ours."""


def _is_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _instant(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, tz=UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _value(value: object) -> str:
    text = _escaped(str(value))
    return json.dumps(text) if not text or " " in text or '"' in text or "=" in text else text


def _escaped(text: str) -> str:
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
