"""The publisher on real repositories: its own, and a person's."""

from __future__ import annotations

import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from cph50_pipeline.errors import PermanentError, TransientError
from cph50_pipeline.storage import repository
from cph50_pipeline.storage.documents import dump_json
from cph50_pipeline.storage.git import Git
from cph50_pipeline.storage.git_publisher import GitPublisher
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline.storage.selection import Selection
from cph50_pipeline_tests.integration.households import (
    NOW,
    RUN,
    OvertakenPresence,
    commit,
    commit_count,
    committed_files,
    git,
    persons_home,
    persons_repository,
    publisher,
    write,
)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home with a git configuration of its own."""
    return persons_home(tmp_path_factory.mktemp("home"), monkeypatch)


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    write(folder, "session_cache/2026-01.json", "sessions/2026/01/07/4751613101.json")
    return folder


# --- what is committed, and when ---


def test_everything_a_run_wrote_becomes_one_commit_that_says_so(data_root: Path) -> None:
    publication = commit(data_root)
    assert publication is not None
    assert publication.files == ("session_cache/2026-01.json", "sessions/2026/01/07/4751613101.json")
    assert (publication.bytes, publication.branch) == (6, "main")
    assert git(data_root, "rev-parse", "main").strip() == publication.commit
    assert git(data_root, "log", "-1", "--format=%B").strip() == publication.message.strip()
    assert git(data_root, "log", "-1", "--format=%(trailers:key=Run,valueonly)").strip() == RUN.run_id
    assert commit_count(data_root) == 1


def test_nothing_changed_is_no_commit(data_root: Path) -> None:
    commit(data_root)
    assert commit(data_root) is None
    assert not publisher(data_root).waiting(NOW).is_due
    assert commit_count(data_root) == 1


def test_a_file_written_again_with_other_times_is_no_change(data_root: Path) -> None:
    commit(data_root)
    path = data_root / "session_cache" / "2026-01.json"
    path.unlink()
    write(data_root, "session_cache/2026-01.json")
    assert commit(data_root) is None


def test_what_an_earlier_run_wrote_and_did_not_commit_is_picked_up(data_root: Path) -> None:
    commit(data_root)
    write(data_root, "classifications/2026-01.json")  # a run that was killed before its end
    write(data_root, "session_cache/2026-01.json", content="[1]\n")
    publication = commit(data_root)
    assert publication is not None
    assert publication.files == ("classifications/2026-01.json", "session_cache/2026-01.json")


def test_a_file_that_a_run_removed_is_removed_from_the_repository(data_root: Path) -> None:
    commit(data_root)
    (data_root / "sessions/2026/01/07/4751613101.json").unlink()
    publication = commit(data_root)
    assert publication is not None
    assert publication.message.startswith("Remove sessions: 2026-01 (1 file)")
    assert committed_files(data_root) == ["session_cache/2026-01.json"]


def test_private_temporary_and_a_persons_own_files_stay_out(data_root: Path) -> None:
    write(data_root, "private/token.json", "notes.txt", "vehicle_config.example.json")
    (data_root / "session_cache" / ".2026-01.json.1.0123456789abcd.tmp").write_text("half")
    commit(data_root)
    assert committed_files(data_root) == ["session_cache/2026-01.json", "sessions/2026/01/07/4751613101.json"]
    assert (data_root / "notes.txt").exists()


def test_the_run_log_travels_along_and_never_causes_a_commit(data_root: Path) -> None:
    commit(data_root)
    write(data_root, "runs.json")
    assert commit(data_root) is None
    write(data_root, "tariffs.json")
    publication = commit(data_root)
    assert publication is not None
    assert publication.files == ("runs.json", "tariffs.json")


def test_what_changes_with_every_reading_waits_for_the_end_of_a_day(data_root: Path) -> None:
    commit(data_root)
    write(data_root, "power/daily.json", "power/events/2026-01.json", "power/readings/2026-01-07.ndjson")
    assert commit(data_root) is None
    write(data_root, "tariffs.json")
    session = commit(data_root)
    assert session is not None
    assert session.files == ("tariffs.json",)
    write(data_root, "power/monthly.json")
    early = commit(data_root)
    assert early is not None
    assert early.files == ("power/monthly.json",)
    write(data_root, "power/yearly.json")
    night = commit(data_root)
    assert night is not None
    assert night.files == (
        "power/daily.json",
        "power/events/2026-01.json",
        "power/readings/2026-01-07.ndjson",
        "power/yearly.json",
    )
    assert night.message.splitlines()[0] == "Add power/yearly: 2026-01 (4 files)"


def test_no_repository_is_made_for_nothing(tmp_path: Path) -> None:
    write(tmp_path / "data", "README.md")
    assert commit(tmp_path / "data") is None
    assert commit(tmp_path / "absent") is None
    assert not (tmp_path / "data" / ".git").exists()
    assert not (tmp_path / "absent").exists()


# --- the state files ---


def state(minutes: int, *, connected: bool) -> str:
    """`last_session.json` as the sensor rewrites it."""
    at = NOW + timedelta(minutes=minutes)
    fields = {"timestamp": at.isoformat(), "connected": connected, "charging": connected, "vehicle_id": None}
    return dump_json(fields).decode()


def test_whether_somebody_is_home_is_not_published_unless_asked_for(data_root: Path) -> None:
    write(data_root, "last_session.json", content=state(0, connected=False))
    commit(data_root)
    assert "last_session.json" not in committed_files(data_root)


def test_a_state_is_committed_when_it_changes_and_not_when_it_is_refreshed(data_root: Path) -> None:
    write(data_root, "last_session.json", content=state(0, connected=True))
    assert commit(data_root, publish_delay_minutes=0) is not None
    write(data_root, "last_session.json", content=state(10, connected=True))
    assert commit(data_root, publish_delay_minutes=0) is None
    write(data_root, "last_session.json", content=state(20, connected=False))
    publication = commit(data_root, publish_delay_minutes=0)
    assert publication is not None
    assert publication.files == ("last_session.json",)


def test_a_young_state_stays_out_of_a_commit_that_something_else_causes(data_root: Path) -> None:
    write(data_root, "last_session.json", content=state(0, connected=False))
    first = commit(data_root, publish_delay_minutes=30)
    assert first is not None
    assert "last_session.json" not in first.files
    assert commit(data_root, NOW + timedelta(minutes=29), publish_delay_minutes=30) is None
    second = commit(data_root, NOW + timedelta(minutes=30), publish_delay_minutes=30)
    assert second is not None
    assert second.files == ("last_session.json",)


# --- the pipeline's own repository ---


def test_its_own_repository_restores_byte_for_byte_whatever_a_person_configured(
    data_root: Path, home: Path, tmp_path: Path
) -> None:
    (home / "ignored").write_text("*.json\n")
    with (home / ".gitconfig").open("a") as file:
        file.write(f"[core]\n autocrlf = true\n excludesFile = {home / 'ignored'}\n")
    write(data_root, "reports/2026-01.csv", content="a,b\r\n1,2\n")
    commit(data_root)
    git(data_root, "checkout", "--quiet", "HEAD", "--", ".")
    assert (data_root / "reports/2026-01.csv").read_bytes() == b"a,b\r\n1,2\n"
    assert commit(data_root) is None


def test_a_person_who_is_known_to_git_is_the_author(data_root: Path) -> None:
    commit(data_root)
    assert git(data_root, "log", "-1", "--format=%an <%ae>").strip() == "A Person <person@home.example>"


def test_where_git_knows_nobody_the_author_tells_nothing_of_the_machine(data_root: Path, home: Path) -> None:
    (home / ".gitconfig").unlink()
    commit(data_root)
    assert git(data_root, "log", "-1", "--format=%an %ae").strip() == "cph50_pipeline cph50@localhost"
    assert git(data_root, "log", "-1", "--format=%cn %ce").strip() == "cph50_pipeline cph50@localhost"
    assert not (home / ".gitconfig").exists()


def test_a_commits_time_is_the_runs_in_utc(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    commit(data_root)
    assert git(data_root, "log", "-1", "--format=%aI %cI").split() == [NOW.isoformat()] * 2


def test_a_persons_add_all_does_not_take_private_files_along(data_root: Path) -> None:
    commit(data_root)
    git(data_root, "add", "--all")
    assert git(data_root, "diff", "--cached", "--name-only") == ""


def test_what_git_would_inherit_from_a_hook_leads_nowhere_else(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = persons_repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    publication = commit(data_root)
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_INDEX_FILE")
    assert publication is not None
    assert git(data_root, "rev-parse", "HEAD").strip() == publication.commit
    assert commit_count(other) == 1


LEFT_BY_A_KILLED_GIT = [
    "index.lock",
    "HEAD.lock",
    "refs/heads/main.lock",
    "config.lock",
    "packed-refs.lock",
    "next-index-77.lock",
]


@pytest.mark.parametrize("name", LEFT_BY_A_KILLED_GIT)
def test_what_a_killed_git_left_locked_is_freed(data_root: Path, name: str) -> None:
    commit(data_root)
    (data_root / ".git" / name).touch()
    write(data_root, "tariffs.json")
    assert commit(data_root) is not None
    assert not (data_root / ".git" / name).exists()


def test_where_processes_cannot_be_listed_only_an_old_lock_is_taken_for_a_dead_ones(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(data_root)
    lock = data_root / ".git" / "index.lock"
    lock.touch()
    write(data_root, "tariffs.json")
    monkeypatch.setattr(repository, "_living_gits", lambda: None)
    with pytest.raises(TransientError, match="Another git is at work"):
        commit(data_root)
    os.utime(lock, (0, 0))
    assert commit(data_root) is not None


def test_a_repository_whose_making_was_interrupted_is_made_again(data_root: Path) -> None:
    (data_root / ".git.fresh" / ".git").mkdir(parents=True)
    (data_root / ".git.fresh" / ".git" / "HEAD").write_text("ref:")
    assert commit(data_root) is not None
    assert not (data_root / ".git.fresh").exists()


def test_a_folder_that_only_looks_like_a_repository_is_left_to_the_person(data_root: Path) -> None:
    (data_root / ".git" / "precious").mkdir(parents=True)
    with pytest.raises(PermanentError, match="is not a repository that git can read"):
        commit(data_root)
    assert (data_root / ".git" / "precious").is_dir()
    (data_root / "session_cache" / "2026-01.json").read_bytes()


# --- a person's repository ---


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A person's repository with the data root `data` in it."""
    folder = persons_repository(tmp_path / "house")
    write(folder / "data", "session_cache/2026-01.json")
    return folder


def test_a_data_root_in_a_persons_repository_is_committed_there(house: Path) -> None:
    publication = commit(house / "data")
    assert publication is not None
    assert publication.branch == "home"
    assert publication.files == ("session_cache/2026-01.json",)
    assert committed_files(house) == ["data/session_cache/2026-01.json", "notes.txt"]
    assert not (house / "data" / ".git").exists()


def test_staged_work_is_neither_swept_along_nor_undone(house: Path) -> None:
    commit(house / "data")
    (house / "notes.txt").write_text("staged\n")
    (house / "data" / "mine.txt").write_text("staged too\n")
    git(house, "add", "notes.txt", "data/mine.txt")
    (house / "notes.txt").write_text("and edited since\n")
    (house / "loose.txt").write_text("untracked\n")
    write(house / "data", "session_cache/2026-01.json", content="[1]\n")
    write(house / "data", "session_cache/2026-02.json")
    staged_before = git(house, "diff", "--cached", "notes.txt", "data/mine.txt")

    publication = commit(house / "data")

    assert publication is not None
    assert publication.files == ("session_cache/2026-01.json", "session_cache/2026-02.json")
    assert git(house, "diff", "--cached") == staged_before
    assert git(house, "status", "--porcelain").splitlines() == [
        "A  data/mine.txt",
        "MM notes.txt",
        "?? loose.txt",
    ]


def test_staged_work_survives_before_the_first_commit_of_a_repository(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch=home")
    (tmp_path / "notes.txt").write_text("staged\n")
    git(tmp_path, "add", "notes.txt")
    write(tmp_path / "data", "session_cache/2026-01.json")
    assert commit(tmp_path / "data") is not None
    assert committed_files(tmp_path) == ["data/session_cache/2026-01.json"]
    assert git(tmp_path, "diff", "--cached", "--name-only").split() == ["notes.txt"]


def test_a_state_that_changes_after_it_was_judged_is_committed_as_it_was_judged_and_nothing_else(
    house: Path,
) -> None:
    data_root = house / "data"
    home, away = (dump_json({"connected": connected}).decode() for connected in (True, False))
    write(data_root, "last_session.json", ".last_session_id.json", content=home)
    (house / "notes.txt").write_text("staged\n")
    git(house, "add", "notes.txt")
    locks = Locks(data_root / "private")
    presence = OvertakenPresence(locks.private_dir, 0, away)
    written = GitPublisher(Selection(data_root, locks, presence)).commit(RUN, NOW)
    assert written is not None
    assert written.commit == git(house, "rev-parse", "home").strip()
    assert "data/last_session.json" in git(house, "ls-tree", "-r", "--name-only", "HEAD").splitlines()
    assert git(house, "show", "HEAD:data/last_session.json") == home
    assert git(house, "show", "HEAD:data/.last_session_id.json") == home
    assert git(house, "show", "HEAD:notes.txt") == "first\n"
    assert git(house, "diff", "--cached", "--name-only").split() == ["notes.txt"]
    assert (data_root / "last_session.json").read_text() == away
    assert git(house, "log", "-1", "--format=%B").strip() == written.message.strip()
    (data_root / "last_session.json").unlink()
    assert commit(data_root, publish_delay_minutes=0) is not None
    assert "data/last_session.json" not in git(house, "ls-files").splitlines()


def test_a_file_that_a_person_took_out_of_git_stays_out(house: Path) -> None:
    commit(house / "data")
    git(house, "rm", "--quiet", "--cached", "data/session_cache/2026-01.json")
    assert commit(house / "data") is None
    assert git(house, "diff", "--cached", "--name-status").split() == ["D", "data/session_cache/2026-01.json"]


def test_hooks_and_signatures_of_a_person_do_not_stand_in_the_way(house: Path) -> None:
    git(house, "config", "commit.gpgSign", "true")
    git(house, "config", "gpg.program", "false")
    (house / ".git" / "hooks").mkdir(exist_ok=True)
    for name in ("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "reference-transaction"):
        hook = house / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {house}/hook-ran\nexit 1\n")
        hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    assert commit(house / "data") is not None
    assert not (house / "hook-ran").exists()


def test_a_repository_that_ignores_the_data_root_is_not_touched(house: Path) -> None:
    """As this project's own checkout does: examples are tracked, what runs write is ignored."""
    write(house / "data", "README.md", "vehicle_config.example.json")
    (house / ".gitignore").write_text("/data/*\n!/data/README.md\n!/data/*.example.json\n")
    git(house, "add", ".gitignore", "data")
    git(house, "commit", "--quiet", "--message=Ignore data")
    head = git(house, "rev-parse", "HEAD")

    publication = commit(house / "data")

    assert publication is not None
    assert publication.branch == "main"
    assert committed_files(house / "data") == ["session_cache/2026-01.json"]
    assert git(house, "rev-parse", "HEAD") == head
    assert git(house, "status", "--porcelain") == ""


def test_files_that_a_person_ignores_among_others_are_theirs_to_ignore(house: Path) -> None:
    (house / ".gitignore").write_text("*.parquet\n")
    write(house / "data", "charging_energy/2026-01.parquet")
    publication = commit(house / "data")
    assert publication is not None
    assert publication.files == ("session_cache/2026-01.json",)
    assert commit(house / "data") is None


def test_a_locked_index_of_a_person_is_left_locked_and_explained(house: Path) -> None:
    lock = house / ".git" / "index.lock"
    lock.touch()
    with pytest.raises(TransientError, match=r"index\.lock exists.*The next run commits them"):
        commit(house / "data")
    assert lock.exists()
    lock.unlink()
    assert commit(house / "data") is not None


def test_a_detached_head_is_explained(house: Path) -> None:
    git(house, "checkout", "--quiet", "--detach")
    with pytest.raises(PermanentError, match=r"HEAD is detached.*git switch"):
        commit(house / "data")
    git(house, "switch", "--quiet", "home")
    assert commit(house / "data") is not None


def test_a_merge_in_progress_is_explained_and_not_disturbed(house: Path) -> None:
    git(house, "switch", "--quiet", "--create", "other")
    (house / "notes.txt").write_text("theirs\n")
    git(house, "commit", "--quiet", "--all", "--message=Theirs")
    git(house, "switch", "--quiet", "home")
    (house / "notes.txt").write_text("mine\n")
    git(house, "commit", "--quiet", "--all", "--message=Mine too")
    with pytest.raises(Exception, match="merge"):
        git(house, "merge", "other")
    before = git(house, "status", "--porcelain")
    with pytest.raises(PermanentError, match=r"a merge is in progress.*Finish or abort it"):
        commit(house / "data")
    assert git(house, "status", "--porcelain") == before


def test_a_repository_of_somebody_else_is_explained(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(PermanentError, match=r"safe\.directory"):
        commit(house / "data")
    assert not (house / "data" / ".git").exists()


def test_a_machine_without_git_is_told_what_to_do(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PermanentError, match="Install git, or set CPH50_PUBLISH=off"):
        commit(data_root)


def test_a_git_that_hangs_is_stopped_and_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=os.pathsep)
    with pytest.raises(TransientError, match=r"git status in .* took longer than 0\.2 s"):
        Git(tmp_path, timeout_seconds=0.2).run("status")


def test_a_damaged_file_is_withheld_and_named_while_the_others_are_committed(tmp_path: Path) -> None:
    root = tmp_path / "data"
    write(root, "session_cache/2026-01.json", "session_cache/2026-02.json")
    commit(root)
    write(root, "session_cache/2026-01.json", content='[{"torn')
    write(root, "session_cache/2026-02.json", content="[1]\n")
    (root / "charging_energy").mkdir()
    (root / "charging_energy" / "2026-01.parquet").write_bytes(b"PAR1")
    ours = publisher(root)
    publication = ours.commit(RUN, NOW)
    assert publication is not None
    assert publication.files == ("session_cache/2026-02.json",)
    assert tuple(ours.withheld) == ("charging_energy/2026-01.parquet", "session_cache/2026-01.json")
    assert git(root, "show", "HEAD:session_cache/2026-01.json") == "[]\n"


def test_files_of_a_month_that_another_run_holds_are_left_for_that_run(tmp_path: Path) -> None:
    root = tmp_path / "data"
    write(root, "session_cache/2026-01.json", "session_cache/2026-02.json")
    locks = Locks(root / "private")
    ours = publisher(root, own_months={"2026-01"})
    with locks.month(["2026-01", "2026-02"]):
        publication = ours.commit(RUN, NOW)
    assert publication is not None
    assert publication.files == ("session_cache/2026-01.json",)
    later = ours.commit(RUN, NOW)
    assert later is not None
    assert later.files == ("session_cache/2026-02.json",)


def test_files_of_power_are_left_for_the_run_that_holds_its_lock(tmp_path: Path) -> None:
    root = tmp_path / "data"
    write(root, "power/monthly.json", "power/yearly.json", "session_cache/2026-01.json")
    locks = Locks(root / "private")
    with locks.power():
        publication = publisher(root).commit(RUN, NOW)
        assert publication is not None
        assert publication.files == ("session_cache/2026-01.json",)
        own = publisher(root, owns_power=True).commit(RUN, NOW)
    assert own is not None
    assert "power/yearly.json" in own.files


def test_a_session_that_is_being_sampled_is_left_for_the_run_that_samples_it(data_root: Path) -> None:
    locks = Locks(data_root / "private")
    with locks.session("4751613101"):
        publication = publisher(data_root).commit(RUN, NOW)
    assert publication is not None
    assert publication.files == ("session_cache/2026-01.json",)
    later = publisher(data_root).commit(RUN, NOW)
    assert later is not None
    assert later.files == ("sessions/2026/01/07/4751613101.json",)
