"""The steps of git that need the network: what the remote branch holds comes here, a commit goes there.

No branch moves here: the lock of a reference would be in the way of a run that commits meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cph50_pipeline.errors import PermanentError, TransientError
from cph50_pipeline.http.deadline import Deadline
from cph50_pipeline.storage.git import Git, GitAnswer, GitTimeoutError
from cph50_pipeline.storage.remote import Remote
from cph50_pipeline.storage.remote_failures import KEPT, failure

_FETCH = ("--quiet", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance", "--no-prune")
_PUSH = ("--porcelain", "--no-follow-tags", "--no-signed", "--recurse-submodules=no", "--no-verify")
_NO_BRANCH = "couldn't find remote ref"
# What is said when somebody moved the branch after we looked.
_LOST_RACE = (
    "[rejected]",
    "failed to update ref",
    "cannot lock ref",
    "incorrect old value",
    "failed to lock",
    "reference already exists",
    "non-fast-forward",
)


class OvertakenError(TransientError):
    """Somebody else moved the remote branch first."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What git does with a remote.

    Attributes:
        remote: The remote branch.
        git: Git in the repository, as `Remote.git` gives it.
        deadline: When it is given up.
    """

    remote: Remote
    git: Git
    deadline: Deadline

    def fetch(self) -> str | None:
        """The commit that the remote branch stands at, when all that is below it has come here.

        Returns:
            None when the remote repository is empty.

        Raises:
            PermanentError: when it may not be read, or has other branches, but not this one.
            TransientError: when it does not answer.
        """
        answer = self._ask("fetch", *_FETCH, self.remote.url, f"refs/heads/{self.remote.branch}")
        if answer.code == 0:
            return self.git.run("rev-parse", "--verify", "FETCH_HEAD^{commit}").text
        if _NO_BRANCH not in answer.complaint:
            raise failure(answer, self.remote)
        self._check_empty()
        return None

    def push(self, commit: str) -> None:
        """Make the remote branch stand at a commit that its present one is below of.

        Raises:
            OvertakenError: when its present one is not: somebody else moved it.
            PermanentError: when that is refused.
            TransientError: when there was no answer; the branch may have moved or not.
        """
        answer = self._ask("push", *_PUSH, self.remote.url, f"{commit}:refs/heads/{self.remote.branch}")
        if answer.code == 0:
            return
        status = next((line for line in answer.text.splitlines() if line.startswith("!")), "")
        if any(words in status for words in _LOST_RACE):
            raise OvertakenError(
                f"Others pushed to the branch {self.remote.branch} of {self.remote.url} at the same time",
                kept=KEPT,
                remedy="It is tried again later",
            )
        raise failure(answer, self.remote)

    def _check_empty(self) -> None:
        answer = self._ask("ls-remote", "--heads", self.remote.url)
        if answer.code != 0:
            raise failure(answer, self.remote)
        branches = [line.rpartition("refs/heads/")[2] for line in answer.text.splitlines()]
        if self.remote.branch in branches:
            raise OvertakenError(
                f"The branch {self.remote.branch} of {self.remote.url} was made just now", kept=KEPT
            )
        if branches:
            raise PermanentError(
                f"{self.remote.url} has no branch {self.remote.branch}; it has {', '.join(sorted(branches))}",
                kept=KEPT,
                remedy=f"Was it renamed? Then set CPH50_GITHUB_BRANCH={sorted(branches)[0]}",
            )

    def _ask(self, *arguments: str) -> GitAnswer:
        git = replace(self.git, timeout_seconds=max(1.0, self.deadline.remaining_seconds))
        try:
            return git.ask(*arguments)
        except GitTimeoutError as error:
            raise TransientError(
                f"{self.remote.url} took too long to answer (git {arguments[0]})",
                kept=KEPT,
                remedy="It is tried again later",
            ) from error
