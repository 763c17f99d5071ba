"""Private files that processes share."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from pydantic import BaseModel

from cph50_pipeline.errors import PermanentError, TransientError
from cph50_pipeline.http.deadline import Deadline
from cph50_pipeline.sources.state_file import StateFile


class Count(BaseModel):
    value: int


@pytest.fixture
def file(tmp_path: Path) -> StateFile[Count]:
    return StateFile(tmp_path / "private" / "count.json", Count)


def test_what_was_written_is_read_again_by_others(file: StateFile[Count]) -> None:
    file.write(Count(value=3))
    assert StateFile(file.path, Count).read() == Count(value=3)


def test_a_secret_file_that_lay_open_is_closed_by_the_next_write(file: StateFile[Count]) -> None:
    file.write(Count(value=1))
    file.path.chmod(0o644)
    file.write(Count(value=2))
    assert file.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]", '{"value": "x"}', '{"other": 1}'])
def test_what_cannot_be_read_counts_as_absent(file: StateFile[Count], content: str) -> None:
    file.write(Count(value=1))
    file.path.write_text(content)
    assert file.read() is None


def test_an_absent_file_reads_as_nothing_and_may_be_removed(file: StateFile[Count]) -> None:
    file.remove()
    assert file.read() is None


def test_a_folder_in_its_place_is_an_error_that_names_the_file(file: StateFile[Count]) -> None:
    file.path.mkdir(parents=True)
    with pytest.raises(PermanentError, match=r"count\.json"):
        file.read()


def test_who_waits_too_long_for_the_lock_is_told_so(file: StateFile[Count]) -> None:
    with (
        file.locked(Deadline(5)),
        pytest.raises(TransientError, match=r"count\.json"),
        StateFile(file.path, Count).locked(Deadline(0)),
    ):
        pass


def test_the_lock_keeps_threads_from_losing_each_others_changes(file: StateFile[Count]) -> None:
    file.write(Count(value=0))

    def add_ten() -> None:
        for _ in range(10):
            with StateFile(file.path, Count).locked(Deadline(30)):
                known = file.read()
                file.write(Count(value=(known.value if known else 0) + 1))

    threads = [threading.Thread(target=add_ten) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.read() == Count(value=40)
