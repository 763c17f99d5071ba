"""What a process logs: lines as text or JSON, their fields, and the file of each day."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import LogFormat, Settings
from cph50_pipeline.storage.log_rotation import log_path
from cph50_pipeline.storage.logs import configure_logging, logged_with

OURS = logging.getLogger("cph50_pipeline.tests")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path / "data"), log_format=LogFormat.JSON)


@pytest.fixture(autouse=True)
def _give_logging_back() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("cph50_pipeline")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield
    for handler in [one for one in root.handlers if one not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def lines(settings: Settings, name: str = "api") -> list[str]:
    return log_path(settings.private_dir, name).read_text().splitlines()


def documents(settings: Settings) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(settings)]


def test_a_json_line_has_the_message_the_extra_fields_and_the_ids_in_force(settings: Settings) -> None:
    configure_logging(settings, "api")
    with logged_with(request_id="r-1"), logged_with(run_id="run-2"):
        OURS.info("answered %d", 200, extra={"route": "/health", "milliseconds": 1.5})
    OURS.info("after")
    first, second = documents(settings)
    at = datetime.fromisoformat(first.pop("at"))
    assert at.utcoffset() == timedelta(0)
    assert first == {
        "level": "INFO",
        "logger": "cph50_pipeline.tests",
        "message": "answered 200",
        "route": "/health",
        "milliseconds": 1.5,
        "request_id": "r-1",
        "run_id": "run-2",
    }
    assert "request_id" not in second


def test_a_field_cannot_take_the_place_of_the_level(settings: Settings) -> None:
    configure_logging(settings, "api")
    OURS.warning("low", extra={"level": "INFO", "at": "never"})
    (line,) = documents(settings)
    assert line["level"] == "WARNING"
    assert line["at"] != "never"


def test_an_exception_is_part_of_its_line(settings: Settings) -> None:
    configure_logging(settings, "api")
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        OURS.exception("went wrong")
    (line,) = documents(settings)
    assert "ZeroDivisionError: division by zero" in line["trace"]


def test_a_text_line_shows_its_fields_and_nothing_logged_begins_a_line(settings: Settings) -> None:
    configure_logging(settings.model_copy(update={"log_format": LogFormat.TEXT}), "api")
    OURS.info("GET /x\n2026-01-01 INFO forged \x1b[31m", extra={"client": "a b", "status": 404})
    (line,) = lines(settings)
    assert line.endswith(r'INFO GET /x\n2026-01-01 INFO forged \x1b[31m client="a b" status=404')


def test_a_trace_in_text_is_indented(settings: Settings) -> None:
    configure_logging(settings.model_copy(update={"log_format": LogFormat.TEXT}), "api")
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        OURS.exception("went wrong")
    assert all(line.startswith("    ") for line in lines(settings)[1:])


def test_libraries_are_heard_from_a_warning_on(settings: Settings) -> None:
    configure_logging(settings, "api")
    logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").warning("trouble")
    assert [line["message"] for line in documents(settings)] == ["trouble"]


def test_standard_error_shows_the_same_unless_told_not_to(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(settings, "api")
    OURS.info("seen")
    assert capsys.readouterr().err.splitlines() == lines(settings)
    configure_logging(settings, "api", to_stderr=False)
    OURS.info("unseen")
    assert capsys.readouterr().err == ""
    assert len(lines(settings)) == 2


def test_a_second_call_replaces_the_first(settings: Settings) -> None:
    configure_logging(settings, "api")
    configure_logging(settings, "live")
    OURS.info("once")
    assert not log_path(settings.private_dir, "api").exists()
    assert len(lines(settings, "live")) == 1


def test_only_its_owner_may_read_a_log(settings: Settings) -> None:
    configure_logging(settings, "api")
    OURS.info("x")
    path = log_path(settings.private_dir, "api")
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_file_that_another_process_renamed_is_left_and_a_new_one_is_begun(settings: Settings) -> None:
    configure_logging(settings, "api")
    OURS.info("before")
    path = log_path(settings.private_dir, "api")
    path.rename(path.with_name("elsewhere"))
    OURS.info("after")
    assert [line["message"] for line in documents(settings)] == ["after"]


def test_the_first_line_of_a_day_gives_the_file_of_the_last_one_its_day(settings: Settings) -> None:
    configure_logging(settings, "api")
    OURS.info("yesterday")
    path = log_path(settings.private_dir, "api")
    then = datetime.now(settings.zone) - timedelta(days=1)
    os.utime(path, (then.timestamp(), then.timestamp()))
    configure_logging(settings, "api")  # a process that starts on the next day
    OURS.info("today")
    assert [line["message"] for line in documents(settings)] == ["today"]
    assert "yesterday" in path.with_name(f"api.{then:%Y-%m-%d}.log").read_text()


def test_a_log_that_cannot_be_written_is_said_once_and_stops_nothing(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(settings, "api", to_stderr=False)
    path = log_path(settings.private_dir, "api")
    path.parent.write_text("in the way")
    OURS.info("one")
    OURS.info("two")
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert f"{path} cannot be written" in said[0]
    path.parent.unlink()
    OURS.info("three")
    assert [line["message"] for line in documents(settings)] == ["three"]


@pytest.mark.parametrize("name", ["", "../api", "a/b", "api.log", "-x"])
def test_a_name_that_is_no_logs_is_refused(settings: Settings, name: str) -> None:
    with pytest.raises(BadInputError, match="is not the name of a log"):
        configure_logging(settings, name)
