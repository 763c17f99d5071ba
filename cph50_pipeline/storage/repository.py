"""The git repository that the data root belongs to: found or made, and fit for a commit or not.

A repository that we made may be repaired by us after a kill; a person's own is theirs, and only read and
committed to. What is committed is decided in `publisher`.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cph50_pipeline.errors import PermanentError, TransientError
from cph50_pipeline.storage.atomic import sync_tree
from cph50_pipeline.storage.failures import file_error
from cph50_pipeline.storage.git import Git
from cph50_pipeline.storage.layout import KINDS, PRIVATE

BRANCH = "main"
EXCLUDED = f"/{PRIVATE}/\n.*.tmp\n"
"""What of a data root git never sees: what is private, and unfinished writes."""
_MADE_BY_US = "cph50.initialised"
_FRESH = ".git.fresh"
# Without a list of processes to look into, a lock file this old belongs to no living git.
_STALE_AFTER_SECONDS = 600.0
CONFIGURATION = f"""\
[core]
\t# git's default leaves new objects to the disk's leisure: a power cut would empty them.
\tfsync = all
\tfsyncMethod = batch
\t# A restored file has the bytes that were committed.
\tautocrlf = false
\tattributesFile = {os.devnull}
\t# A person's global ignore list says nothing about this data.
\texcludesFile = {os.devnull}
[gc]
\t# A git left in the background would keep the publisher's lock.
\tautoDetach = false
[cph50]
\tinitialised = true
"""
OPERATIONS = {
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
}


@dataclass(frozen=True)
class Repository:
    """The repository of one data root.

    Attributes:
        git: Git in the data root, so that paths are those of the data root.
        git_dir: Where the repository keeps its own files.
        top: The repository's working folder.
        is_ours: Whether the pipeline made it.
    """

    git: Git
    git_dir: Path
    top: Path
    is_ours: bool

    def branch(self) -> str:
        """The branch that a commit would go to, which need not have commits yet.

        Raises:
            PermanentError: when there is none, or something else is going on that a commit would disturb.
        """
        for mark, operation in OPERATIONS.items():
            if (self.git_dir / mark).exists():
                raise self._not_now(f"{operation} is in progress", "Finish or abort it")
        answer = self.git.ask("symbolic-ref", "--quiet", "--short", "HEAD")
        if answer.code != 0:
            raise self._not_now("its HEAD is detached", "Check out a branch: git switch main")
        return answer.text

    def head(self) -> str | None:
        """The commit that the branch stands at, None before the first."""
        answer = self.git.ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        return answer.text if answer.code == 0 else None

    def free_index(self) -> None:
        """Make sure that no lock file of a killed git stands in the way.

        The repository lock must be held: then no git of ours runs, because ours hold that lock too.

        Raises:
            TransientError: when a git runs here, or the repository is a person's own and its index is locked.
        """
        locks = [lock for lock in lock_files(self.git_dir) if self.is_ours or lock.name == "index.lock"]
        if not locks:
            return
        if not self.is_ours or not all(_is_stale(lock, self.top) for lock in locks):
            raise TransientError(
                f"Another git is at work in {self.top}: {locks[0]} exists",
                kept="The files are written, but not committed",
                remedy="The next run commits them; if no git runs there, remove that file",
            )
        for lock in locks:
            lock.unlink(missing_ok=True)

    def _not_now(self, why: str, remedy: str) -> PermanentError:
        return PermanentError(
            f"Nothing can be committed in {self.top}: {why}",
            kept="The files are written, but not committed",
            remedy=f"{remedy}; the next run commits the files",
        )


def lock_files(git_dir: Path) -> list[Path]:
    """The lock files of gits, living or killed, in a repository."""
    names = ("index.lock", "HEAD.lock", "packed-refs.lock", "config.lock", "objects/maintenance.lock")
    named = [git_dir / name for name in names if (git_dir / name).exists()]
    return [*named, *git_dir.glob("next-index-*.lock"), *(git_dir / "refs").rglob("*.lock")]


def open_repository(data_root: Path, git: Git) -> Repository:
    """The repository that the data root belongs to; one is made in it where there is none.

    A repository around the data root that ignores all that would be published counts as none.
    The repository lock must be held.

    Args:
        git: Git in the data root.

    Raises:
        PermanentError: when there is one that cannot be used, or none can be made.
    """
    if (data_root / _FRESH).exists():  # a kill during the making of one
        shutil.rmtree(data_root / _FRESH)
    found = find_repository(git)
    is_around = found is None or found.top != data_root.resolve()
    if is_around and (data_root / ".git").exists():
        raise PermanentError(
            f"{data_root / '.git'} is not a repository that git can read",
            kept="The files are written, but not committed",
            remedy="Repair it, or move it away: the next run makes a new one",
        )
    if found is None or (is_around and _ignores_everything(git)):
        _initialise(data_root, git)
        found = find_repository(git)
    if found is None:
        raise PermanentError(
            f"The repository made in {data_root} cannot be read", remedy="Remove its .git folder"
        )
    if found.is_ours:
        return found
    # A person's repository is tidied by the person's own commands.
    own_pace = found.git.with_options("gc.auto=0", "maintenance.auto=false")
    return Repository(own_pace, found.git_dir, found.top, found.is_ours)


def find_repository(git: Git) -> Repository | None:
    """The repository that a folder belongs to; None when to none.

    Raises:
        PermanentError: when git cannot say so.
    """
    answer = git.ask("rev-parse", "--absolute-git-dir", "--show-toplevel")
    if answer.code != 0:
        if "not a git repository" in answer.complaint:
            return None
        raise git.refusal(answer, "rev-parse")
    git_dir, _, top = answer.text.partition("\n")
    is_ours = git.ask("config", "--local", "--type=bool", "--get", _MADE_BY_US).text == "true"
    return Repository(git, Path(git_dir), Path(top), is_ours)


def _ignores_everything(git: Git) -> bool:
    examples = [kind.example for kind in KINDS]
    answer = git.ask("check-ignore", "-z", "--stdin", stdin="\0".join(examples).encode())
    if answer.code > 1:
        raise git.refusal(answer, "check-ignore")
    return len(answer.paths) == len(examples)


def _initialise(data_root: Path, git: Git) -> None:
    """Make a repository beside its place and move it there whole."""
    fresh = data_root / _FRESH
    git.run("init", "--quiet", f"--initial-branch={BRANCH}", "--template=", str(fresh))
    try:
        with (fresh / ".git" / "config").open("a") as config:
            config.write(CONFIGURATION)
        (fresh / ".git" / "info").mkdir(exist_ok=True)
        (fresh / ".git" / "info" / "exclude").write_text(EXCLUDED)
        sync_tree(fresh)
        os.rename(fresh / ".git", data_root / ".git")
        fresh.rmdir()
    except OSError as error:
        raise file_error(error, "made a repository", str(data_root)) from error


def _is_stale(lock: Path, top: Path) -> bool:
    living = _living_gits()
    try:
        age_seconds = time.time() - lock.stat().st_mtime
    except FileNotFoundError:
        return True
    if living is None:
        return age_seconds > _STALE_AFTER_SECONDS
    return not any(folder is None or folder.is_relative_to(top) for folder in living)


def _living_gits() -> list[Path | None] | None:
    """Where each running git works (None: not known); None where the system does not list processes."""
    processes = Path("/proc")
    if not (processes / "self" / "comm").exists():
        return None
    return list(_working_folders(processes))


def _working_folders(processes: Path) -> Iterator[Path | None]:
    for process in processes.glob("[0-9]*"):
        try:
            if (process / "comm").read_text().strip() == "git":
                yield Path(os.readlink(process / "cwd"))
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        except PermissionError:
            yield None
