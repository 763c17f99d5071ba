"""Restoring files into a data root: what comes back, what is refused, and what a kill leaves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cph50_pipeline.errors import BadInputError, NotFoundError
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline.storage.restoring import begun_restore, commit_at, read_moment, restore
from cph50_pipeline_tests.integration.kill_points import is_killed_at
from cph50_pipeline_tests.integration.restores import (
    ZONE,
    commit_files,
    make_repository,
    reading_of,
    restore_from,
)

NOW = datetime(2026, 1, 7, 20, 0, tzinfo=UTC)
DAY = timedelta(days=1)
CACHE, OTHER, CSV = "session_cache/2026-01.json", "session_cache/2025-12.json", "reports/2026-01.csv"
FILES = {
    CACHE: b"[1]\n",
    OTHER: b"[1]\n",
    CSV: b"a,b\n",
    "site/pages/index.html": b"<p>",
    "README.md": b"Mine\n",
    "private/token": b"secret\n",
}
PUBLISHED = {path: data for path, data in FILES.items() if path not in ("README.md", "private/token")}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    made = make_repository(tmp_path / "repository")
    commit_files(made, {CACHE: b"[]\n"}, NOW - DAY)
    commit_files(made, FILES, NOW)
    return made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def files_in(data: Path) -> dict[str, bytes]:
    root = DataRoot(str(data))
    return {path: root.read(path) or b"" for path in root.list()}


def test_every_published_file_comes_back_and_nothing_else(repository: Path, data: Path) -> None:
    restored = restore_from(str(repository), str(data))
    assert files_in(data) == PUBLISHED
    assert [*restored.files] == sorted(PUBLISHED)
    assert restored.left == ("README.md", "private/token")
    assert restored.bytes == sum(map(len, PUBLISHED.values()))
    assert not (data / "private" / "token").exists()


def test_a_commit_or_a_moment_brings_back_what_was_there_then(repository: Path, tmp_path: Path) -> None:
    published = reading_of(repository)
    first, second = list(published.commits())[::-1]
    day_before = read_moment("2026-01-06", ZONE)
    assert commit_at(published, first.id[:10], ZONE) == first
    assert commit_at(published, day_before, ZONE) == first
    assert commit_at(published, NOW, ZONE) == commit_at(published, None, ZONE) == second
    assert commit_at(published, NOW - timedelta(seconds=1), ZONE) == first
    restore_from(str(repository), str(tmp_path / "then"), first.id[:7])
    assert files_in(tmp_path / "then") == {CACHE: b"[]\n"}


def test_what_does_not_exist_is_said(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="2026-01-05"):
        commit_at(reading_of(repository), read_moment("2026-01-05", ZONE), ZONE)
    with pytest.raises(NotFoundError, match="abcdef12"):
        commit_at(reading_of(repository), "abcdef12", ZONE)
    with pytest.raises(NotFoundError, match="no commit"):
        commit_at(reading_of(make_repository(tmp_path / "empty")), None, ZONE)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-07", datetime(2026, 1, 8, 7, 59, 59, tzinfo=UTC)),
        ("2026-03-08", datetime(2026, 3, 9, 6, 59, 59, tzinfo=UTC)),
        ("2026-01-07T18:00", datetime(2026, 1, 8, 2, 0, tzinfo=UTC)),
        ("2026-01-07T18:00:00+00:00", datetime(2026, 1, 7, 18, 0, tzinfo=UTC)),
        ("ABCDEF12", "abcdef12"),
        ("20260107", "20260107"),
    ],
)
def test_a_moment_is_a_commit_the_end_of_a_day_or_a_time(text: str, moment: str | datetime) -> None:
    assert read_moment(text, ZONE) == moment


@pytest.mark.parametrize("text", ["", "HEAD", "yesterday", "2026-02-30", "9999-12-31", "--all"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="neither a commit nor a time"):
        read_moment(text, ZONE)


@pytest.mark.parametrize("there", [CACHE, "tariffs.json", "sessions/2026/01/07/1.json"])
def test_a_data_root_that_holds_a_published_file_is_left_alone(
    repository: Path, data: Path, there: str
) -> None:
    DataRoot(str(data)).write(there, b"{}\n")
    with pytest.raises(BadInputError, match=rf"not empty.*{there}.*CPH50_DATA_DIR"):
        restore_from(str(repository), str(data))
    assert files_in(data) == {there: b"{}\n"}
    assert begun_restore(data / "private") is None


BY_RUNS = ("last_session.json", ".last_session_id.json", "runs.json")


def test_what_a_running_daemon_writes_beside_a_restore_is_in_nobodys_way_and_kept(
    repository: Path, data: Path
) -> None:
    commit_files(repository, dict.fromkeys(BY_RUNS, b"[]\n"), NOW + DAY)
    root = DataRoot(str(data))
    root.write("last_session.json", b"{}\n")
    begin(repository, data)
    for path in BY_RUNS[1:]:
        root.write(path, b"{}\n")
    restored = restore_from(str(repository), str(data))
    assert restored.kept == tuple(sorted(BY_RUNS))
    assert [*restored.files] == sorted(PUBLISHED)
    assert files_in(data) == PUBLISHED | dict.fromkeys(BY_RUNS, b"{}\n")


def test_what_nobody_made_or_edited_does_not_count(repository: Path, data: Path) -> None:
    root = DataRoot(str(data))
    for path in ("README.md", "vehicle_config.example.json", "vehicle_config.json"):
        root.write(path, b"{}\n")
    restore_from(str(repository), str(data), unedited={"vehicle_config.json": b"{}\n"})
    assert files_in(data).items() >= PUBLISHED.items()
    assert files_in(data)["README.md"] == b"{}\n"


def test_a_repository_without_a_file_of_the_pipeline_is_said_to_have_none(tmp_path: Path, data: Path) -> None:
    repository = make_repository(tmp_path / "other")
    commit_files(repository, {"notes.txt": b"Mine\n"}, NOW)
    with pytest.raises(NotFoundError, match="no file of the pipeline's"):
        restore_from(str(repository), str(data))
    assert not data.exists()


def test_a_file_that_is_damaged_in_the_repository_comes_back_as_it_is_and_is_named(
    repository: Path, data: Path
) -> None:
    commit_files(repository, {CACHE: b"<<<<<<< HEAD\n"}, NOW + DAY)
    assert restore_from(str(repository), str(data)).damaged == (CACHE,)
    assert files_in(data)[CACHE] == b"<<<<<<< HEAD\n"


def test_killed_at_any_step_a_restore_is_completed_by_the_next(repository: Path, tmp_path: Path) -> None:
    step, killed = 0, True
    while killed:
        step += 1
        data = tmp_path / f"data-{step}"
        killed = is_killed_at(step, restore_from, str(repository), str(data))
        whole = files_in(data) == PUBLISHED
        ended = begun_restore(data / "private") is None
        if not (whole and ended):
            restore_from(str(repository), str(data))
        assert files_in(data) == PUBLISHED, step
        assert begun_restore(data / "private") is None
    assert step > 20


def begin(repository: Path, data: Path) -> None:
    """A restore that was killed when its first file was in place."""

    class Killed(BaseException):
        pass

    def die(done: int, of: int) -> None:
        raise Killed

    published = reading_of(repository)
    with pytest.raises(Killed):
        restore(
            published, DataRoot(str(data)), Locks(data / "private"), commit_at(published, None, ZONE), {}, die
        )


def test_what_was_begun_is_completed_before_another_commit_is_taken(repository: Path, data: Path) -> None:
    begin(repository, data)
    begun = begun_restore(data / "private")
    assert begun is not None
    commit_files(repository, {CACHE: b"[2]\n"}, NOW + DAY)
    with pytest.raises(BadInputError, match=begun.commit[:10]):
        restore_from(str(repository), str(data))
    restore_from(str(repository), str(data), begun.commit)
    assert files_in(data) == PUBLISHED


def test_what_others_wrote_meanwhile_is_not_overwritten(repository: Path, data: Path) -> None:
    begin(repository, data)
    DataRoot(str(data)).write(CACHE, b"[3]\n")
    with pytest.raises(BadInputError, match=CACHE):
        restore_from(str(repository), str(data))
    assert files_in(data)[CACHE] == b"[3]\n"
