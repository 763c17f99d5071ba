"""Committing through GitHub's API, against the stand-in over real repositories."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cph50_pipeline.errors import Cph50Error, NotFoundError, PermanentError, TransientError
from cph50_pipeline.http.retry import RetryPolicy
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.simulator.github import RunningGitHub
from cph50_pipeline.simulator.github.state import Exchange
from cph50_pipeline.storage.github.model import Edit, Snapshot
from cph50_pipeline.storage.github.pace import WritingLimits
from cph50_pipeline_tests.integration.github_branches import (
    AT,
    AT_ONCE,
    REPOSITORY,
    TOKEN,
    begin,
    branch_of,
    commit_by_hand,
    files_at,
    git,
    publish,
    subjects,
    writes,
)
from cph50_pipeline_tests.integration.github_contract import checked_github

PARQUET = b"PAR1\x00\xff\xfe" * 9
FILES = {
    "sessions/2026/01/07/1.json": b'{"where": "caf\xc3\xa9"}\n',
    "session_samples/2026-01.parquet": PARQUET,
    "runs.json": b"{}\n",
}
BEFORE = {"runs.json": b'{"runs": []}\n', "README.md": b"A person's own\n"}
SECONDARY = "You have exceeded a secondary rate limit."


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[RunningGitHub]:
    """A stand-in whose every exchange is held against GitHub's own description."""
    with checked_github(tmp_path) as running:
        yield running


@pytest.fixture
def git_dir(hub: RunningGitHub) -> Path:
    """A repository with a commit."""
    return begin(hub, BEFORE)


def refusal(hub: RunningGitHub, **which: str) -> Cph50Error:
    """The error of a publication that fails."""
    with branch_of(hub, **which) as branch, pytest.raises(Cph50Error) as caught:
        publish(branch, FILES)
    return caught.value


def test_a_publication_is_one_commit_with_all_that_differs(hub: RunningGitHub, git_dir: Path) -> None:
    with branch_of(hub) as branch:
        made = publish(branch, FILES, message="Update 2026-01\n\nRun 8f0c")
    assert made is not None
    assert subjects(git_dir) == ["By hand", "Update 2026-01"]
    assert files_at(git_dir) == BEFORE | FILES
    assert git(git_dir, "rev-parse", "main") == made.commit
    assert git(git_dir, "log", "-1", "--format=%an <%ae> %at %ct %B") == (
        f"cph50_pipeline <cph50@localhost> {AT.timestamp():.0f} {AT.timestamp():.0f} Update 2026-01\n\nRun 8f0c"
    )
    assert {edit.path for edit in made.edits} == set(FILES)
    assert made.message == "Update 2026-01\n\nRun 8f0c"
    assert made.link.endswith(f"/{REPOSITORY}/commit/{made.commit}")
    assert made.retries == 0


def test_what_is_remembered_of_a_commit_is_what_stands_there(hub: RunningGitHub, git_dir: Path) -> None:
    with branch_of(hub) as branch:
        made = publish(branch, FILES)
        assert made is not None
        assert made.snapshot == branch.snapshot()
        removed = publish(branch, {"runs.json": None}, made.snapshot)
        assert removed is not None
        assert removed.snapshot == branch.snapshot()
    assert "runs.json" not in files_at(git_dir)


def test_what_is_so_already_is_neither_sent_nor_committed(hub: RunningGitHub, git_dir: Path) -> None:
    with branch_of(hub) as branch:
        assert publish(branch, BEFORE | {"never/was.json": None}) is None
    assert writes(hub) == []
    assert subjects(git_dir) == ["By hand"]


def test_what_is_known_of_the_branch_is_not_asked_for_again(hub: RunningGitHub, git_dir: Path) -> None:
    with branch_of(hub) as branch:
        known = branch.snapshot()
        hub.requests.clear()
        made = publish(branch, {"runs.json": b"1\n"}, known)
    assert made is not None
    assert made.requests == 4
    assert hub.requests.counts() == {"get_ref": 1, "create_tree": 1, "create_commit": 1, "update_ref": 1}


def test_only_what_is_no_text_travels_by_itself_and_once(hub: RunningGitHub, git_dir: Path) -> None:
    with branch_of(hub) as branch:
        publish(branch, {"a.parquet": PARQUET, "b.parquet": PARQUET, "c.json": b"{}\n"})
    assert writes(hub).count("create_blob") == 1
    assert writes(hub).count("create_tree") == 1


def test_many_files_travel_in_portions_and_are_one_commit(hub: RunningGitHub, git_dir: Path) -> None:
    files = {
        f"sessions/2026/01/{day:02}/{number}.json": b"%d\n" % number
        for day in (1, 2)
        for number in range(120)
    }
    with branch_of(hub) as branch:
        publish(branch, files)
    assert files_at(git_dir) == BEFORE | files
    assert len(subjects(git_dir)) == 2
    assert writes(hub).count("create_tree") == 3


def years_of(months: int) -> dict[str, bytes]:
    """Closed months, each a content that must travel by itself."""
    return {
        f"session_samples/{2020 + n // 12}-{n % 12 + 1:02}.parquet": PARQUET + b"%d" % n
        for n in range(months)
    }


def test_what_takes_longer_than_limits_let_pass_at_once_becomes_several_commits(
    hub: RunningGitHub, git_dir: Path
) -> None:
    files = years_of(150)
    with branch_of(hub) as branch:
        made = branch.commit(
            lambda _: [Edit(path, data) for path, data in files.items()],
            lambda edits: f"{len(edits)} files",
            AT,
        )
        assert made is not None
        assert made.snapshot == branch.snapshot()
    assert subjects(git_dir) == ["By hand", "69 files", "69 files", "12 files"]
    assert {edit.path for edit in made.edits} == set(files)
    assert made.retries == 0
    assert files_at(git_dir) == BEFORE | files


def test_a_first_publication_goes_on_where_time_ran_out(hub: RunningGitHub, git_dir: Path) -> None:
    files = years_of(150)
    limits = replace(AT_ONCE, writing=WritingLimits(per_minute=100))
    for _ in range(2):
        with branch_of(hub, limits=limits) as branch, pytest.raises(TransientError) as caught:
            publish(branch, files)
        assert caught.value.retry_after_seconds is not None
        assert set(files_at(git_dir)) < {*BEFORE, *files}
        limits = replace(AT_ONCE, writing=WritingLimits(per_minute=75))
    with branch_of(hub) as branch:
        publish(branch, files)
    assert files_at(git_dir) == BEFORE | files
    assert writes(hub).count("create_blob") < 2 * len(files)


def test_an_empty_repository_is_filled(hub: RunningGitHub) -> None:
    git_dir = hub.create_repository(REPOSITORY)
    hub.add_token(TOKEN)
    with branch_of(hub) as branch:
        assert branch.snapshot() == Snapshot()
        made = publish(branch, FILES)
        assert made is not None
        assert made.snapshot == branch.snapshot()
        assert publish(branch, FILES, made.snapshot) is None
    assert {edit.path for edit in made.edits} == set(FILES)
    assert files_at(git_dir) == FILES
    assert len(subjects(git_dir)) == 2


def test_a_single_file_fills_an_empty_repository_by_one_commit(hub: RunningGitHub) -> None:
    git_dir = hub.create_repository(REPOSITORY)
    hub.add_token(TOKEN)
    with branch_of(hub) as branch:
        made = publish(branch, {"a.json": b"{}\n"})
    assert made is not None
    assert git(git_dir, "rev-parse", "main") == made.commit
    assert len(subjects(git_dir)) == 1


@pytest.mark.parametrize("kind", ["unanswered", "truncated", "hang_up"])
def test_a_first_commit_whose_answer_is_lost_is_not_made_twice(hub: RunningGitHub, kind: str) -> None:
    git_dir = hub.create_repository(REPOSITORY)
    hub.add_token(TOKEN)
    hub.faults.add(Fault.model_validate({"kind": kind, "operation": "put_contents"}))
    with branch_of(hub) as branch:
        assert publish(branch, FILES) is not None
    assert files_at(git_dir) == FILES
    assert len(subjects(git_dir)) == 2


def test_a_persons_commit_in_between_stays_and_is_told(hub: RunningGitHub, git_dir: Path) -> None:
    seen: list[Snapshot] = []

    def interfere(snapshot: Snapshot) -> Sequence[Edit]:
        if not seen:
            commit_by_hand(git_dir, {"README.md": b"Changed meanwhile\n"})
        seen.append(snapshot)
        return [Edit(path, data) for path, data in FILES.items()]

    with branch_of(hub) as branch:
        made = branch.commit(interfere, lambda edits: f"{len(edits)} files", AT)
    assert made is not None
    assert made.retries == 1
    assert subjects(git_dir) == ["By hand", "By hand", "3 files"]
    assert files_at(git_dir) == BEFORE | FILES | {"README.md": b"Changed meanwhile\n"}
    assert seen[0].commit != seen[1].commit
    assert writes(hub).count("create_blob") == 1


def test_what_somebody_else_committed_meanwhile_is_not_committed_again(
    hub: RunningGitHub, git_dir: Path
) -> None:
    hub.faults.fail(422, operation="update_ref")

    def race(snapshot: Snapshot) -> Sequence[Edit]:
        if "sessions/2026/01/07/1.json" not in snapshot.files and len(subjects(git_dir)) == 1:
            commit_by_hand(git_dir, FILES)
        return [Edit(path, data) for path, data in FILES.items()]

    with branch_of(hub) as branch:
        assert branch.commit(race, lambda _: "Update", AT) is None
    assert subjects(git_dir) == ["By hand", "By hand"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="unanswered", operation="update_ref"),
        Fault(kind="truncated", operation="update_ref"),
        Fault(kind="hang_up", operation="update_ref"),
        Fault(kind="status", status_code=502, operation="update_ref"),
        Fault(kind="status", status_code=422, operation="update_ref"),
        Fault(kind="status", status_code=409, operation="update_ref"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status_code}",
)
@pytest.mark.parametrize("times", [1, 3])
def test_a_move_whose_answer_is_lost_or_bad_ends_in_one_commit(
    hub: RunningGitHub, git_dir: Path, fault: Fault, times: int
) -> None:
    hub.faults.add(fault.model_copy(update={"times": times}))
    with branch_of(hub) as branch:
        made = publish(branch, FILES)
        assert made is not None
        assert made.snapshot == branch.snapshot()
    assert git(git_dir, "rev-parse", "main") == made.commit
    assert subjects(git_dir) == ["By hand", "Update"]
    assert files_at(git_dir) == BEFORE | FILES


def test_a_commit_whose_answer_was_lost_is_found_below_a_persons_next_one(
    hub: RunningGitHub, git_dir: Path
) -> None:
    hub.faults.add(Fault(kind="unanswered", operation="update_ref"))
    moved: list[str] = []

    def go_on(_: int) -> None:
        if len(subjects(git_dir)) == 2 and not moved:
            moved.append(git(git_dir, "rev-parse", "main"))
            commit_by_hand(git_dir, {"README.md": b"On top\n"})

    hub.on_request = go_on
    asked: list[Snapshot] = []

    def decide(snapshot: Snapshot) -> Sequence[Edit]:
        asked.append(snapshot)
        return [Edit(path, data) for path, data in FILES.items()]

    with branch_of(hub) as branch:
        made = branch.commit(decide, lambda _: "Update", AT)
        assert made is not None
        assert made.commit == made.snapshot.commit == moved[0], "what the person did is not yet seen"
        assert made.snapshot != branch.snapshot()
    assert subjects(git_dir) == ["By hand", "Update", "By hand"]
    assert len(asked) == 1


@pytest.mark.parametrize(
    "operation", ["get_ref", "get_git_commit", "get_tree", "create_blob", "create_tree", "create_commit"]
)
@pytest.mark.parametrize("kind", ["unanswered", "truncated", "hang_up", "status", "broken_json"])
def test_a_fault_anywhere_before_leaves_one_complete_commit(
    hub: RunningGitHub, git_dir: Path, operation: str, kind: str
) -> None:
    hub.faults.add(Fault.model_validate({"kind": kind, "operation": operation, "times": 2}))
    with branch_of(hub) as branch:
        assert publish(branch, FILES) is not None
    assert subjects(git_dir) == ["By hand", "Update"]
    assert files_at(git_dir) == BEFORE | FILES


def test_contents_that_github_has_tidied_away_are_stored_anew(hub: RunningGitHub, git_dir: Path) -> None:
    with branch_of(hub) as branch:
        hub.faults.fail(401, operation="create_commit")
        with pytest.raises(PermanentError):
            publish(branch, FILES)
        git(git_dir, "prune", "--expire=now")
        hub.requests.clear()
        publish(branch, FILES)
    assert files_at(git_dir) == BEFORE | FILES
    assert writes(hub).count("create_blob") == 1


def test_a_wrong_token_is_refused_with_a_clear_line(hub: RunningGitHub, git_dir: Path) -> None:
    error = refusal(hub, token="ghp_wrong")
    assert isinstance(error, PermanentError)
    assert "CPH50_GITHUB_TOKEN" in str(error)
    assert "ghp_wrong" not in str(error)


def test_a_token_that_may_only_read_names_the_permission(hub: RunningGitHub, git_dir: Path) -> None:
    hub.add_token("ghp_reader", {"contents:read"})
    error = refusal(hub, token="ghp_reader")
    assert isinstance(error, PermanentError)
    assert "Contents: read and write" in str(error)
    assert subjects(git_dir) == ["By hand"]


@pytest.mark.parametrize("repository", ["household/other", "nobody/data"])
def test_a_missing_repository_is_missing_or_without_access(
    hub: RunningGitHub, git_dir: Path, repository: str
) -> None:
    error = refusal(hub, repository=repository)
    assert isinstance(error, NotFoundError)
    assert repository in str(error)
    assert "missing, or the token has no access" in str(error)
    assert "CPH50_GITHUB_REPOSITORY" in str(error)


def test_a_renamed_branch_is_named(hub: RunningGitHub, git_dir: Path) -> None:
    hub.rename_branch(REPOSITORY, "main", "trunk")
    error = refusal(hub)
    assert isinstance(error, PermanentError)
    assert "CPH50_GITHUB_BRANCH=trunk" in str(error)
    assert subjects(git_dir, "trunk") == ["By hand"]


def test_a_protected_branch_is_left_alone(hub: RunningGitHub, git_dir: Path) -> None:
    hub.protect(REPOSITORY, "main")
    error = refusal(hub)
    assert isinstance(error, PermanentError)
    assert "The branch main of household/data is protected" in str(error)
    assert subjects(git_dir) == ["By hand"]


def test_a_file_over_the_limit_is_refused_before_anything_is_sent(
    hub: RunningGitHub, git_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cph50_pipeline.storage.github.attempts.LARGEST_FILE_BYTES", 10)
    error = refusal(hub)
    assert isinstance(error, PermanentError)
    assert "session_samples/2026-01.parquet" in str(error)
    assert writes(hub) == []


def test_a_file_that_only_github_finds_too_large_needs_a_person(hub: RunningGitHub, git_dir: Path) -> None:
    hub.limits.file_bytes = 10
    with branch_of(hub) as branch, pytest.raises(PermanentError, match="smaller"):
        publish(branch, {"runs.json": b"longer than ten bytes\n"})
    assert subjects(git_dir) == ["By hand"]


def test_a_workflow_needs_a_permission_of_its_own(hub: RunningGitHub, git_dir: Path) -> None:
    with branch_of(hub) as branch, pytest.raises(PermanentError, match="Workflows: read and write"):
        publish(branch, {".github/workflows/pages.yml": b"on: push\n"})
    hub.add_token(TOKEN, {"repo", "workflow"})
    with branch_of(hub) as branch:
        assert publish(branch, {".github/workflows/pages.yml": b"on: push\n"}) is not None


@pytest.mark.parametrize(
    ("status_code", "headers"),
    [(403, {"Retry-After": "0"}), (429, {"Retry-After": "0"}), (403, {}), (429, {})],
)
@pytest.mark.parametrize("operation", ["get_ref", "create_tree", "update_ref"])
def test_a_secondary_limit_is_waited_out(
    hub: RunningGitHub,
    git_dir: Path,
    operation: str,
    status_code: int,
    headers: dict[str, str],
) -> None:
    body = json.dumps({"message": SECONDARY, "documentation_url": "https://docs.github.com"})
    hub.faults.fail(status_code, operation=operation, headers=headers, body=body)
    with branch_of(hub) as branch:
        assert publish(branch, FILES) is not None
    assert subjects(git_dir) == ["By hand", "Update"]


@pytest.mark.parametrize(
    ("status_code", "headers", "wait_seconds"),
    [
        (403, {"Retry-After": "90"}, 90),
        (429, {"Retry-After": "90"}, 90),
        (403, {}, 60),
        (429, {}, 60),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{AT.timestamp() + 99:.0f}"}, 100),
    ],
)
def test_a_limit_that_lasts_longer_than_there_is_time_says_when_to_come_again_and_nothing_is_asked_before(
    hub: RunningGitHub, git_dir: Path, status_code: int, headers: dict[str, str], wait_seconds: float
) -> None:
    body = json.dumps({"message": SECONDARY, "documentation_url": "https://docs.github.com"})
    dated = {**headers, "date": "Wed, 07 Jan 2026 06:00:00 GMT"}
    hub.faults.fail(status_code, operation="create_commit", headers=dated, body=body)
    limits = replace(AT_ONCE, writing=WritingLimits())
    with branch_of(hub, limits=limits) as branch:
        with pytest.raises(TransientError) as caught:
            publish(branch, FILES)
        assert caught.value.retry_after_seconds == wait_seconds
        asked = len(hub.requests)
        with pytest.raises(TransientError) as again:
            publish(branch, FILES)
        assert len(hub.requests) == asked
        assert again.value.retry_after_seconds is not None
        assert again.value.retry_after_seconds <= wait_seconds
    assert subjects(git_dir) == ["By hand"]


def test_the_hourly_limit_is_told_with_its_end(hub: RunningGitHub, git_dir: Path) -> None:
    hub.rate_limit(3)
    error = refusal(hub)
    assert isinstance(error, TransientError)
    assert error.retry_after_seconds is not None
    assert 0 < error.retry_after_seconds <= 3602  # whole seconds, and one to be sure
    hub.rate_limit(5000)
    with branch_of(hub) as branch:
        assert publish(branch, FILES) is not None


def test_a_server_that_is_gone_is_a_passing_failure(tmp_path: Path) -> None:
    with RunningGitHub(tmp_path) as hub:
        begin(hub, BEFORE)
        branch = branch_of(hub)
    with branch, pytest.raises(TransientError, match="did not answer"):
        publish(branch, FILES)


def test_others_who_are_always_quicker_end_at_the_deadline(hub: RunningGitHub, git_dir: Path) -> None:
    hub.faults.fail(422, operation="update_ref", times=None)
    limits = replace(AT_ONCE, conflict=RetryPolicy(attempts=4, first_wait_seconds=0.001))
    with branch_of(hub, limits=limits) as branch, pytest.raises(TransientError, match="moved while"):
        publish(branch, FILES)
    assert subjects(git_dir) == ["By hand"]


def test_nothing_is_begun_after_the_deadline(hub: RunningGitHub, git_dir: Path) -> None:
    with branch_of(hub) as branch, branch.within(0), pytest.raises(TransientError):
        publish(branch, FILES)
    assert len(hub.requests) == 0


def test_the_branch_is_never_moved_by_force(hub: RunningGitHub, git_dir: Path) -> None:
    moves: list[object] = []

    def look(exchange: Exchange) -> None:
        if exchange.method == "PATCH":
            moves.append(json.loads(exchange.request_body)["force"])

    hub.on_exchange = look
    hub.faults.fail(422, operation="update_ref", times=2)
    with branch_of(hub) as branch:
        publish(branch, FILES)
    assert moves == [False, False, False]


Trouble = Callable[[RunningGitHub], None]


@pytest.mark.parametrize(
    "trouble",
    [
        lambda hub: hub.revoke_token(TOKEN),
        lambda hub: hub.protect(REPOSITORY, "main"),
        lambda hub: hub.rename_branch(REPOSITORY, "main", "trunk"),
        lambda hub: hub.faults.fail(500, times=None, body=json.dumps({"message": TOKEN})),
        lambda hub: hub.faults.fail(403, times=None, body=json.dumps({"message": TOKEN})),
        lambda hub: hub.faults.fail(422, times=None, body=json.dumps({"message": TOKEN})),
        lambda hub: hub.faults.add(Fault(kind="hang_up", times=None)),
        lambda hub: hub.faults.add(Fault(kind="broken_json", times=None)),
        lambda hub: hub.rate_limit(1),
    ],
)
def test_the_token_stands_in_no_error_and_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, trouble: Trouble
) -> None:
    caplog.set_level(logging.DEBUG)
    with RunningGitHub(tmp_path) as hub:
        git_dir = begin(hub, BEFORE)
        trouble(hub)
        with branch_of(hub) as branch, pytest.raises(Cph50Error) as caught:
            publish(branch, FILES)
        said = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(branch)
    assert TOKEN not in said
    assert TOKEN not in caplog.text
    assert all(TOKEN.encode() not in path.read_bytes() for path in git_dir.rglob("*") if path.is_file())
