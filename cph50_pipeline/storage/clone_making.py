"""The pipeline's clone as a folder: made, and mended after kills, people and broken disks, without any network.

It holds history alone. The files are in the data root, which is its work tree, and are never touched here. What is
committed and uploaded is decided elsewhere.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cph50_pipeline.storage.atomic import sync_tree
from cph50_pipeline.storage.failures import file_error
from cph50_pipeline.storage.git import DamagedRepositoryError, Git, is_damage
from cph50_pipeline.storage.private import make_private_folder
from cph50_pipeline.storage.remote import Remote
from cph50_pipeline.storage.repository import (
    CONFIGURATION,
    EXCLUDED,
    OPERATIONS,
    Repository,
    find_repository,
    lock_files,
)

CLONE = "publication.git"
"""The clone, in the private folder."""
DAMAGED = "publication.git.damaged"
"""A clone that could not be read, until what can be is taken over from it."""
SET_ASIDE = "publication.git.set-aside"
"""The same afterwards: kept for a person to look at until the next one takes its place."""
_FRESH = "publication.git.fresh"
_WORK_TREE = "core.worktree"
_URL = "remote.origin.url"
_LEFT_OVER = (*OPERATIONS, "MERGE_MSG", "MERGE_MODE", "MERGE_RR", "AUTO_MERGE", "SQUASH_MSG", "sequencer")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CloneFolder:
    """The clone of one data root.

    The repository lock must be held for whatever changes it.

    Attributes:
        data_root: The data root, an absolute path: the clone's work tree.
        private_dir: The private folder, an absolute path: it is in there.
        remote: The remote branch that it is a clone of.
    """

    data_root: Path
    private_dir: Path
    remote: Remote

    @property
    def git_dir(self) -> Path:
        """Where it keeps its own files."""
        return self.private_dir / CLONE

    @property
    def branch_ref(self) -> str:
        """The branch that runs commit to."""
        return f"refs/heads/{self.remote.branch}"

    @property
    def known_ref(self) -> str:
        """Where the remote branch was known to stand."""
        return f"refs/remotes/origin/{self.remote.branch}"

    def inside(self, git: Git) -> Git:
        """Git in the data root, at work in the clone."""
        return git.with_variables(GIT_DIR=str(self.git_dir), GIT_WORK_TREE=str(self.data_root))

    def standing(self, git: Git) -> tuple[str | None, str | None]:
        """The commits that our branch and, as far as known, the remote one stand at; None before the first.

        Args:
            git: Git in the clone.

        Raises:
            DamagedRepositoryError: when git cannot read them.
        """
        form = "--format=%(refname) %(objecttype) %(objectname)"
        answer = git.run("for-each-ref", form, self.branch_ref, self.known_ref)
        found = dict(line.split(" commit ") for line in answer.text.splitlines())
        return found.get(self.branch_ref), found.get(self.known_ref)

    def open(self, git: Git) -> Repository:
        """The clone, fit for a commit; made, or made anew, when it cannot be read.

        Args:
            git: Git in the data root.

        Raises:
            PermanentError: when it can be neither read nor made: a full disk, a folder of somebody else.
        """
        make_private_folder(self.private_dir)
        try:
            if self._exists():
                return self._mended(git)
        except DamagedRepositoryError as error:
            self.set_aside(error.message)
        self._make(git)
        return self._mended(git)

    def set_aside(self, why: str) -> None:
        """Move a clone that cannot be read out of the way; the next `open` takes from it what can be."""
        _logger.warning(
            "The pipeline's clone is made anew, because it could not be read (%s). The files are safe in the data "
            "root; the old clone is kept as %s",
            why,
            self.private_dir / SET_ASIDE,
        )
        with _typed("moved", self.git_dir):
            _remove(self.private_dir / DAMAGED)
            os.rename(self.git_dir, self.private_dir / DAMAGED)

    def _exists(self) -> bool:
        with _typed("read", self.git_dir):
            if not os.path.lexists(self.git_dir):
                return False
            if not self.git_dir.is_dir():
                raise DamagedRepositoryError(f"{self.git_dir} is not a folder")
            os.listdir(self.git_dir)
            return True

    # --- made ---

    def _make(self, git: Git) -> None:
        """Make a clone beside its place, with all history that is on this machine, and move it there whole."""
        fresh = self.private_dir / _FRESH
        with _typed("made", self.git_dir):
            _remove(fresh)
            inside = git.with_variables(GIT_DIR=str(fresh))
            inside.run("init", "--quiet", "--bare", "--template=", f"--initial-branch={self.remote.branch}")
            with (fresh / "config").open("a") as config:
                config.write(CONFIGURATION)
            (fresh / "info").mkdir(exist_ok=True)
            (fresh / "info" / "exclude").write_text(EXCLUDED)
            inside.run("config", _URL, self.remote.url)
            self._take_over(git, inside)
            inside.run("config", _WORK_TREE, str(self.data_root))
            inside.run("config", "core.bare", "false")
            sync_tree(fresh)
            os.rename(fresh, self.git_dir)
            if (self.private_dir / DAMAGED).exists():
                _remove(self.private_dir / SET_ASIDE)
                os.rename(self.private_dir / DAMAGED, self.private_dir / SET_ASIDE)

    def _take_over(self, git: Git, fresh: Git) -> None:
        """Bring along the history of a damaged clone, as far as it can be read, else that of the data root."""
        damaged = self.private_dir / DAMAGED
        if damaged.is_dir():
            self._make_recognisable(damaged)
            _copy(fresh, damaged, self.known_ref, self.known_ref)
            if _copy(fresh, damaged, self.branch_ref, self.branch_ref):
                return
            if fresh.ask("update-ref", self.branch_ref, self.known_ref).code == 0:
                return
        own = find_repository(git)
        if own is not None and own.is_ours and own.head() is not None:
            _copy(fresh, own.git_dir, "HEAD", self.branch_ref)

    def _make_recognisable(self, damaged: Path) -> None:
        """Put in place the few files without which git sees no repository, however sound its objects are."""
        for name in ("objects", "refs"):
            (damaged / name).mkdir(exist_ok=True)
        (damaged / "HEAD").write_text(f"ref: {self.branch_ref}\n")
        (damaged / "config").write_text(CONFIGURATION)

    # --- mended ---

    def _mended(self, git: Git) -> Repository:
        inside = self.inside(git)
        with _typed("mended", self.git_dir):
            for lock in lock_files(self.git_dir):  # whoever holds the repository's lock is alone in here
                lock.unlink(missing_ok=True)
            for name in _LEFT_OVER:
                _remove(self.git_dir / name)
        self._mend_configuration(inside)
        self._mend_head(inside)
        self._mend_index(inside)
        return Repository(inside, self.git_dir, self.data_root, is_ours=True)

    def _mend_configuration(self, git: Git) -> None:
        """Follow a data root that was moved, and forget what was known of another remote repository."""
        answer = git.ask("config", "--local", "--null", "--list")
        if answer.code != 0:
            raise DamagedRepositoryError(f"git cannot read its configuration: {answer.complaint}")
        pairs = (entry.partition("\n") for entry in answer.paths)
        found = {name: value for name, _, value in pairs}
        if found.get("cph50.initialised") != "true":
            raise DamagedRepositoryError("its configuration is not ours")
        if found.get(_WORK_TREE) != str(self.data_root):
            git.run("config", "--local", _WORK_TREE, str(self.data_root))
        if found.get(_URL) != self.remote.url:
            for ref in git.run(
                "for-each-ref", "--format=%(refname)", "refs/remotes/origin/"
            ).text.splitlines():
                git.run("update-ref", "-d", ref)
            git.run("config", "--local", _URL, self.remote.url)

    def _mend_head(self, git: Git) -> None:
        """Stand on the branch that is published; one that was renamed is followed with its commits."""
        with _typed("read", self.git_dir / "HEAD"):
            if (self.git_dir / "HEAD").read_bytes() != f"ref: {self.branch_ref}\n".encode():
                self._stand_on_branch(git)

    def _stand_on_branch(self, git: Git) -> None:
        head = commit_at(git, "HEAD")
        if head is not None and commit_at(git, self.branch_ref) is None:
            git.run("update-ref", self.branch_ref, head)
        git.run("symbolic-ref", "HEAD", self.branch_ref)

    def _names_something(self, git: Git) -> bool:
        """Whether a branch without a commit is a broken one, not one before its first commit."""
        if (self.git_dir / self.branch_ref).exists():
            return True
        answer = git.ask("for-each-ref", "--format=%(refname)", self.branch_ref)
        return answer.code != 0 or bool(answer.text or answer.complaint)

    def _mend_index(self, git: Git) -> None:
        """Make git's index that of the last commit: nothing is staged here but by a commit under way."""
        if commit_at(git, "HEAD") is None:
            if self._names_something(git):
                raise DamagedRepositoryError(f"git cannot read the branch {self.remote.branch}")
            with _typed("removed", self.git_dir / "index"):
                (self.git_dir / "index").unlink(missing_ok=True)
            return
        compared = git.ask("diff-index", "--cached", "--quiet", "HEAD", "--")
        if compared.code == 0:
            return
        if compared.code > 1:
            with _typed("removed", self.git_dir / "index"):
                (self.git_dir / "index").unlink(missing_ok=True)
        forget_staged(git)


def forget_staged(git: Git) -> None:
    """Make git's index that of the last commit; the files stay as they are.

    Raises:
        DamagedRepositoryError: when the last commit cannot be read.
    """
    git.run("reset", "--quiet", "--mixed", "HEAD", "--")


def commit_at(git: Git, name: str) -> str | None:
    """The commit that a name stands for; None when for none.

    Raises:
        DamagedRepositoryError: when git cannot read it.
    """
    answer = git.ask("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    if answer.code != 0 and is_damage(answer.complaint):
        raise git.refusal(answer, "rev-parse")
    return answer.text if answer.code == 0 else None


def _copy(into: Git, source: Path, from_ref: str, to_ref: str) -> bool:
    """Copy a branch with its history from another repository on this machine; False when that cannot be read."""
    quiet = ("--quiet", "--no-tags", "--no-auto-maintenance", "--no-write-fetch-head", "--update-head-ok")
    return into.ask("fetch", *quiet, str(source), f"+{from_ref}:{to_ref}").code == 0


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _typed(action: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise file_error(error, action, str(path)) from error
