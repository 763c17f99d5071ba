"""The git command, typed: time limits, an environment of its own, errors that say what to do.

What is committed and where is decided elsewhere.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from cph50_pipeline.errors import PermanentError, TransientError

TIMEOUT_SECONDS = 300.0
_STOP_SECONDS = 10.0
# A person's hooks, signatures and watchers serve their own commits: they may ask, fail, or keep our lock.
_ALWAYS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "commit.gpgSign=false",
    "i18n.commitEncoding=utf-8",
)
# What git sets for its own children; inherited from a hook, it would lead us into another repository.
_INHERITED = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_AUTHOR_DATE",
    "GIT_COMMITTER_DATE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
)
_OURS = {"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "false", "LC_ALL": "C"}
_TRACES = ("GIT_TRACE", "GIT_CURL_VERBOSE")
# There are secrets among our settings, and a git hands all it has to hooks and helpers: it gets none but what it needs.
_SETTINGS = "CPH50_"
# A person's configuration may switch these on, too.
_NO_TRACE = {"GIT_TRACE2": "0", "GIT_TRACE2_EVENT": "0", "GIT_TRACE2_PERF": "0"}
_DAMAGE = re.compile(
    r"^(?!remote:).*("
    r"object file|is corrupt|inflate: |hash mismatch|file too short|broken ref|bad config line"
    r"|bad (object|tree)|invalid object|missing (blob|tree|commit)|not a valid object|failed to read object"
    r"|(unable to|could not) (read|find|parse) (tree|commit|blob|object|[0-9a-f]{40})"
    r"|not a git repository|packfile .* cannot be accessed)",
    re.IGNORECASE | re.MULTILINE,
)
_REMEDIES = {
    "No space left on device": "Make room on the disk; the next run commits the files",
    "Disk quota exceeded": "Make room in this user's quota; the next run commits the files",
    "Read-only file system": "Mount the file system writable; the next run commits the files",
    "Permission denied": "Give this user the right to write there; the next run commits the files",
}


class DamagedRepositoryError(PermanentError):
    """What git keeps of a repository cannot be read."""


class GitTimeoutError(TransientError):
    """A git command took too long and was ended."""


@dataclass(frozen=True, slots=True)
class GitAnswer:
    """What git answered.

    Attributes:
        code: Its exit code.
        out: What it printed.
        complaint: What it printed as an error, without surrounding space.
    """

    code: int
    out: bytes
    complaint: str

    @property
    def text(self) -> str:
        """What it printed, without the newline at the end."""
        return os.fsdecode(self.out).removesuffix("\n")

    @property
    def paths(self) -> list[str]:
        """What it printed as paths ended by NUL."""
        return [path for path in os.fsdecode(self.out).split("\0") if path]


@dataclass(frozen=True)
class Git:
    """Git in one folder.

    Attributes:
        folder: Where git runs; paths are relative to it.
        options: Configuration for these calls only, as "name=value".
        environment: Variables for these calls only.
        keep_open: Descriptors that git inherits: a lock that it has to hold even if this process is killed.
        timeout_seconds: How long a call may take.
        is_secretive: Whether the call talks to a remote: a person's tracing, which would show a token, is off, and
            nothing can ask for another one at the terminal.
        secret_variable: The one variable of our settings that git sees; None: it sees none.
    """

    folder: Path
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None
    keep_open: tuple[int, ...] = ()
    timeout_seconds: float = TIMEOUT_SECONDS
    is_secretive: bool = False
    secret_variable: str | None = None

    def with_options(self, *options: str) -> Git:
        """The same with more configuration."""
        return replace(self, options=(*self.options, *options))

    def with_variables(self, **variables: str) -> Git:
        """The same with more variables."""
        return replace(self, environment={**(self.environment or {}), **variables})

    def run(self, *arguments: str, stdin: bytes = b"") -> GitAnswer:
        """Run a git command that has to succeed.

        Raises:
            PermanentError: when git is missing, or refuses; its own words are in the message.
            DamagedRepositoryError: when it cannot read what it keeps.
            GitTimeoutError: when it took too long.
        """
        answer = self.ask(*arguments, stdin=stdin)
        if answer.code != 0:
            raise self.refusal(answer, arguments[0])
        return answer

    def ask(self, *arguments: str, stdin: bytes = b"") -> GitAnswer:
        """Run a git command whose exit code is an answer.

        Raises:
            PermanentError: when git is missing.
            GitTimeoutError: when it took too long.
        """
        configured = [part for option in (*_ALWAYS, *self.options) for part in ("-c", option)]
        with TemporaryFile() as given:  # not a pipe: a git that outlives us must not act on half of its input
            given.write(stdin)
            given.seek(0)
            process = self._start(["git", "--no-pager", *configured, *arguments], given)
        try:
            out, err = process.communicate(timeout=self.timeout_seconds)
        except subprocess.TimeoutExpired as error:
            raise GitTimeoutError(
                f"git {arguments[0]} in {self.folder} took longer than {self.timeout_seconds:g} s",
                kept="The files are written, but not committed",
                remedy="The next run commits them",
            ) from error
        finally:
            _stop(process)
        return GitAnswer(process.returncode, out, os.fsdecode(err).strip())

    def refusal(self, answer: GitAnswer, command: str) -> PermanentError:
        """The error for a command that git refused."""
        said = " ".join((answer.complaint or answer.text).split()) or f"exit code {answer.code}"
        kind = DamagedRepositoryError if is_damage(answer.complaint) else PermanentError
        return kind(
            f"git {command} in {self.folder} failed: {said}",
            kept="The files are written, but not committed",
            remedy=self._remedy(said),
        )

    def _remedy(self, said: str) -> str:
        if "dubious ownership" in said:
            allow = f"git config --global --add safe.directory {self.folder}"
            return f"Run as the folder's owner, or allow it: {allow}"
        known = (remedy for words, remedy in _REMEDIES.items() if words in said)
        return next(known, "Correct what git says; the next run commits the files")

    def _start(self, command: Sequence[str], stdin: IO[bytes]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._variables(),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=self.keep_open,
                start_new_session=self.is_secretive,
            )
        except FileNotFoundError as error:
            if not self.folder.is_dir():
                raise PermanentError(f"The folder {self.folder} does not exist") from error
            raise PermanentError(
                "The git command was not found",
                kept="The files are written, but not committed",
                remedy="Install git, or set CPH50_PUBLISH=off",
            ) from error

    def _variables(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if self._inherits(name)}
        silence = _NO_TRACE if self.is_secretive else {}
        return {**inherited, **_OURS, **silence, **(self.environment or {})}

    def _inherits(self, name: str) -> bool:
        if name.startswith(_SETTINGS):
            return name == self.secret_variable
        return name not in _INHERITED and not (self.is_secretive and name.startswith(_TRACES))


def is_damage(complaint: str) -> bool:
    """Whether git complains that it cannot read its own files; what the other side says of its own does not count."""
    return _DAMAGE.search(complaint) is not None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a git that still runs: asked first, because then it takes its lock files with it."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.communicate(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
