"""The remote repository: where it is, and how git gets there without its token showing.

The token stays in its environment variable: a credential helper made of a few words of shell hands it to git. So it
is in no argument, no file, no address. What travels is decided in `clone`, what failed is told in `remote_failures`.
"""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.storage.git import Git

_USER = "x-access-token"
_LIKE_A_TOKEN = re.compile(r"gh[a-z]_[0-9A-Za-z]{10}|github_pat_")
_SCHEMES = ("", "http", "https", "ssh", "file")
_SSH_ADDRESS = re.compile(r"(?:[\w.-]+@)?[\w.-]+:(?!//)\S+")
_BRANCH = re.compile(r"(?!.*(\.\.|//|@\{|\.lock(/|$)))[0-9A-Za-z_][\w./+@-]*(?<![/.])")
_SLOWEST_BYTES_A_SECOND = 1
_SILENCE_SECONDS = 60
_ALWAYS = (
    "credential.helper=",  # a person's helpers know other accounts, and would keep our token
    "http.followRedirects=false",  # one could lead to another host, which would get the data
    f"http.lowSpeedLimit={_SLOWEST_BYTES_A_SECOND}",
    f"http.lowSpeedTime={_SILENCE_SECONDS}",
    "gc.auto=0",
    "maintenance.auto=false",
)
_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15 -o ServerAliveCountMax=4"


@dataclass(frozen=True, slots=True)
class Remote:
    """A branch of a repository somewhere else.

    Attributes:
        url: Its address for git; there are no credentials in it.
        branch: The branch.
        token_variable: The environment variable that holds the token; None: none is needed.

    Raises:
        BadInputError: when the address or the branch cannot be used.
    """

    url: str
    branch: str
    token_variable: str | None = None

    def __post_init__(self) -> None:  # noqa: D105
        _check_url(self.url)
        if not _BRANCH.fullmatch(self.branch):
            raise BadInputError(
                f"CPH50_GITHUB_BRANCH: {self.branch!r} is not the name of a branch", remedy="Set it to main"
            )

    @property
    def token(self) -> str | None:
        """The token; None when none is set."""
        return os.environ.get(self.token_variable, "") or None if self.token_variable else None

    def masked(self, text: str) -> str:
        """The text without the token, should it ever be in there."""
        if self.token is None:
            return text
        encoded = base64.b64encode(f"{_USER}:{self.token}".encode()).decode()
        return text.replace(self.token, "***").replace(encoded, "***")

    def link(self, commit: str) -> str:
        """Where a browser shows a commit; empty where that is not known."""
        parts = urlsplit(self.url)
        if parts.scheme in ("http", "https"):
            return f"{self.url.removesuffix('/').removesuffix('.git')}/commit/{commit}"
        on_github = re.fullmatch(r"(?:ssh://)?git@github\.com[:/](.+?)(?:\.git)?/?", self.url)
        return f"https://github.com/{on_github[1]}/commit/{commit}" if on_github else ""

    def git(self, git_dir: Path, keep_open: tuple[int, ...] = ()) -> Git:
        """Git in a repository, fit to talk to this remote; it never asks anybody anything.

        Args:
            git_dir: Where the repository keeps its own files.
            keep_open: Descriptors of locks that git has to hold even if this process is killed.
        """
        variables = {"GIT_DIR": str(git_dir), "GIT_ASKPASS": "", "SSH_ASKPASS": ""}
        helper = self._helper()
        git = Git(
            git_dir,
            (*_ALWAYS, *helper),
            variables,
            keep_open,
            is_secretive=True,
            secret_variable=self.token_variable if helper else None,
        )
        return git.with_variables(GIT_SSH_COMMAND=_SSH) if self._needs_ssh_command(git) else git

    def _needs_ssh_command(self, git: Git) -> bool:
        """Whether git goes by ssh, and nobody has said how."""
        if urlsplit(self.url).scheme not in ("", "ssh") or os.path.isabs(self.url):
            return False
        is_said = "GIT_SSH_COMMAND" in os.environ or "GIT_SSH" in os.environ
        return not is_said and git.ask("config", "--get", "core.sshCommand").code != 0

    def _helper(self) -> tuple[str, ...]:
        parts = urlsplit(self.url)
        if self.token_variable is None or parts.scheme not in ("http", "https"):
            return ()
        # printf is the shell's own: no process is started that would have the token as an argument.
        say = f'test "$1" = get && printf "username={_USER}\\npassword=%s\\n" "${self.token_variable}"'
        return (f"credential.{parts.scheme}://{parts.netloc}.helper=!f() {{ {say}; }}; f",)


def _check_url(url: str) -> None:
    complaint = _complaint(url)
    if complaint:
        raise BadInputError(
            f"CPH50_GIT_REMOTE {complaint}",
            remedy="Set it to an address like https://github.com/OWNER/NAME.git, and the token in CPH50_GITHUB_TOKEN",
        )


def _complaint(url: str) -> str:
    """What is wrong with an address, never quoting it: it may hold a secret."""
    if not url or url.startswith("-") or re.search(r"[\s\x00-\x1f\x7f]", url):
        return "is not the address of a repository"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - a property that raises
    except ValueError:
        return "is not the address of a repository"
    if _LIKE_A_TOKEN.search(url) or _has_credentials(parts):
        return "holds a password or a token"
    if _SSH_ADDRESS.fullmatch(url):
        return ""
    if parts.scheme not in _SCHEMES or (parts.scheme in ("http", "https", "ssh") and not parts.hostname):
        return "is not the address of a repository"
    return "" if parts.scheme or os.path.isabs(url) else "is not the whole path of a repository"


def _has_credentials(parts: SplitResult) -> bool:
    is_web = parts.scheme in ("http", "https")
    return parts.password is not None or (is_web and "@" in parts.netloc) or (is_web and bool(parts.query))
