"""The end of a run: one commit with everything, also after a failure, and never a failure of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from cph50_pipeline.defs.month_files import ACTIVITY, CACHE, MONTH_FILES
from cph50_pipeline_tests.dagster.homes import MONTHS, Home, MakeHome, log_lines, materializations

JANUARY = "2026-01"


def committed(home: Home) -> list[str]:
    """The files of the newest commit."""
    return home.git("show", "--name-only", "--format=", "HEAD").split()


def lose(home: Home, *paths: str) -> None:
    """Take files away and commit that, so that making them again is a change."""
    for path in paths:
        (home.folder / path).unlink()
    home.git("commit", "--quiet", "--all", "--message=Lost")


def test_everything_that_a_run_wrote_is_one_commit_that_names_the_run(home: Home) -> None:
    result = home.run([JANUARY])
    assert result.success
    assert home.commit_count() == 1
    assert sorted(committed(home)) == sorted(home.files())
    message = home.git("show", "--no-patch", "--format=%B", "HEAD")
    assert result.run_id in message
    assert JANUARY in message
    assert home.git("status", "--porcelain") == ""


def test_the_commit_is_shown_as_the_asset_publication(collected: Home) -> None:
    lose(collected, CACHE.path(JANUARY))
    result = collected.run([JANUARY], only=["session_cache"])
    [shown] = materializations(collected.instance, "publication")
    assert shown.metadata["commit"].value == collected.git("rev-parse", "HEAD").strip()
    assert CACHE.path(JANUARY) in shown.metadata["files"].value
    assert shown.metadata["branch"].value == collected.git("branch", "--show-current").strip()
    assert shown.metadata["size_bytes"].value >= (collected.folder / CACHE.path(JANUARY)).stat().st_size
    assert any(line.startswith("Committed ") for line in log_lines(collected, result.run_id))


def test_what_was_written_before_a_step_failed_is_committed(home: Home) -> None:
    home.simulator.faults.fail(503, operation="charging_status", after=5, times=None)
    assert not home.run([JANUARY]).success
    assert home.commit_count() == 1
    assert ACTIVITY.path(JANUARY) in committed(home)
    assert CACHE.path(JANUARY) not in committed(home)


def test_where_nothing_changed_there_is_no_commit_and_nothing_is_shown(collected: Home) -> None:
    before = collected.commit_count()
    assert collected.run([JANUARY], only=["session_cache"]).success
    assert collected.commit_count() == before
    assert materializations(collected.instance, "publication") == []


def test_the_run_log_travels_and_causes_no_commit(collected: Home) -> None:
    runs = [collected.run([JANUARY], only=["session_cache"]).run_id for _ in range(2)]
    before = collected.commit_count()
    assert all(collected.run([JANUARY], only=["session_cache"]).success for _ in range(2))
    assert collected.commit_count() == before
    lose(collected, CACHE.path(JANUARY))
    assert collected.run([JANUARY], only=["session_cache"]).success
    assert sorted(committed(collected)) == ["runs.json", CACHE.path(JANUARY)]
    assert set(runs) <= {entry["run_id"] for entry in collected.json("runs.json")["runs"]}


@pytest.mark.parametrize("trouble", ["merge", "detached", "locked"])
def test_a_git_that_refuses_fails_no_run_and_the_next_one_makes_up_for_it(
    collected: Home, trouble: str
) -> None:
    lose(collected, CACHE.path(JANUARY), CACHE.path("2025-12"))
    branch = collected.git("branch", "--show-current").strip()
    mark = collected.folder / ".git" / "MERGE_HEAD"
    if trouble == "merge":
        mark.write_text(collected.git("rev-parse", "HEAD"))
    elif trouble == "detached":
        collected.git("checkout", "--quiet", "--detach")
    else:
        (collected.folder / ".git" / "objects").chmod(0o555)
        collected.git("config", "core.bare", "true")
    before = collected.commit_count()

    result = collected.run([JANUARY], only=["session_cache"])
    assert result.success
    assert any("Nothing was published" in line for line in log_lines(collected, result.run_id))
    assert collected.commit_count() == before

    mark.unlink(missing_ok=True)
    collected.git("config", "core.bare", "false")
    (collected.folder / ".git" / "objects").chmod(0o755)
    collected.git("symbolic-ref", "HEAD", f"refs/heads/{branch}")
    assert collected.run(["2025-12"], only=["session_cache"]).success
    assert {CACHE.path(JANUARY), CACHE.path("2025-12")} <= set(committed(collected))


def test_a_damaged_file_is_named_and_kept_out_of_the_commit(collected: Home) -> None:
    lose(collected, CACHE.path(JANUARY))
    (collected.folder / ACTIVITY.path("2025-11")).write_text('{"month": ')
    result = collected.run([JANUARY], only=["session_cache"])
    assert result.success
    assert ACTIVITY.path("2025-11") not in committed(collected)
    assert any(
        f"{ACTIVITY.path('2025-11')} is not published: it is damaged" in line
        for line in log_lines(collected, result.run_id)
    )


def test_with_publishing_off_no_repository_is_made(make_home: MakeHome) -> None:
    home = make_home(publish="off")
    assert home.run([JANUARY], only=["chargepoint_activity"]).success
    assert not (home.folder / ".git").exists()


def test_an_object_store_cannot_be_committed_and_the_run_says_so(make_home: MakeHome, tmp_path: Path) -> None:
    home = make_home(data_dir=f"memory://{tmp_path.name}", state_dir=tmp_path / "state")
    result = home.run([JANUARY], only=["chargepoint_activity"])
    assert result.success
    assert any("object store" in line for line in log_lines(home, result.run_id))


def test_nothing_private_is_ever_committed(home: Home) -> None:
    assert home.run(MONTHS).success
    tracked = home.git("ls-files").split()
    assert not [path for path in tracked if path.startswith("private")]
    assert {file.path(JANUARY) for file in MONTH_FILES.values()} <= set(tracked)
