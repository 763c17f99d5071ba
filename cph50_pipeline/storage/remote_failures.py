"""What git says when it could not talk to a remote repository, and what it means to the person who reads it.

Text in, error out: nothing is asked here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from cph50_pipeline.errors import Cph50Error, NotFoundError, PermanentError, TransientError
from cph50_pipeline.storage.git import DamagedRepositoryError, GitAnswer, is_damage
from cph50_pipeline.storage.remote import Remote

KEPT = "The files are safe and committed in the pipeline's clone; the next publication takes them along"
_SCOPE = "Give the token the permission Contents: read and write (classic: scope repo) for that repository"
_LONGEST_QUOTE = 300
_NOISE = re.compile(r"^(To \S+|hint:.*|Done)$|^remote:\s*$", re.MULTILINE)
# What the other side says of its own disk is not about ours.
_HERE = r"(?m:^(?!remote:).*)"


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What some words of git mean.

    Attributes:
        words: By which it is recognised.
        kind: The error that it is.
        message: What happened; `{remote}`, `{branch}` and the named groups of the words stand for what varies.
        remedy: What to do, with the same.
    """

    words: str
    kind: Callable[..., Cph50Error]
    message: str
    remedy: str = ""


_MEANINGS = (
    _Meaning(
        r"File (?P<file>\S.*?) is (?P<size>[\d.]+ \wB)[;,]? .*exceeds|GH001|exceeds GitHub's file size limit",
        PermanentError,
        "{remote} takes no file as large as {file} ({size})",
        "Move that file out of the data root, and run cph50 publish",
    ),
    _Meaning(
        r"(without|lacks|lacking) .?workflow.? scope|refusing to allow .* workflow",
        PermanentError,
        "The token may not change the workflows in {remote}",
        "Give the token the permission Workflows: read and write (classic: scope workflow)",
    ),
    _Meaning(
        r"GH006|GH013|protected branch|rule violations|push declined due to",
        PermanentError,
        "The branch {branch} of {remote} is protected against this push",
        "Allow the token's owner to push to it in the repository's settings, or set CPH50_GITHUB_BRANCH to another",
    ),
    _Meaning(
        r"was archived|archived so it is read-only",
        PermanentError,
        "{remote} is archived: nothing can be pushed to it",
        "Unarchive it, or set CPH50_GITHUB_REPOSITORY to another",
    ),
    _Meaning(
        r"error: 30[12378]",
        PermanentError,
        "{remote} sends us on to another address, which is not followed with the token and the data",
        "Set CPH50_GITHUB_REPOSITORY to its new name, or CPH50_GIT_REMOTE to its new address",
    ),
    _Meaning(
        r"rate limit|abuse detection|error: 429|Too Many Requests",
        TransientError,
        "{remote} is asked too often",
        "It is tried again later",
    ),
    _Meaning(
        r"Authentication failed|could not read (Username|Password)|error: 401|Bad credentials",
        PermanentError,
        "{remote} does not accept {token}",
        "Set CPH50_GITHUB_TOKEN to a valid token with the permission Contents: read and write",
    ),
    _Meaning(
        r"SAML (SSO|enforcement)|single sign-on",
        PermanentError,
        "The token is not authorized for the organisation that owns {remote}",
        "Authorize it for the organisation's single sign-on on GitHub, under Configure SSO",
    ),
    _Meaning(
        r"marked as read.only|denied to deploy key",
        PermanentError,
        "This machine's SSH key may not push to {remote}",
        "Add the key to the repository as a deploy key with write access",
    ),
    _Meaning(
        r"error: 403|Permission to .* denied|access .* not granted|not accessible by personal access token",
        PermanentError,
        "The token may not push to {remote}",
        _SCOPE,
    ),
    _Meaning(
        r"repository .*not found|error: 404|does not appear to be a git repository|does not exist",
        NotFoundError,
        "{remote} is missing, or the token has no access to it",
        f"Check CPH50_GITHUB_REPOSITORY (or CPH50_GIT_REMOTE). {_SCOPE}",
    ),
    _Meaning(
        r"Permission denied \(.*(publickey|password|keyboard)",
        PermanentError,
        "{remote} does not accept this machine's SSH key",
        "Add the key of this user to the repository as a deploy key with write access, without a passphrase",
    ),
    _Meaning(
        r"Host key verification failed",
        PermanentError,
        "The host key of {remote} is not known here, or has changed",
        "Connect once by hand with ssh and confirm the key",
    ),
    _Meaning(
        r"(SSL|server) certificate|certificate (problem|verif|has expired)|CAfile",
        PermanentError,
        "The certificate of {remote} cannot be trusted",
        "Check the clock of this machine, its certificates and the address in CPH50_GIT_REMOTE",
    ),
    _Meaning(
        r"resolve (host|proxy)|Name or service not known|connect to|Connection (refused|reset|timed out|closed)"
        r"|Network is unreachable|No route to host|timed out|too slow|Empty reply",
        TransientError,
        "{remote} cannot be reached",
        "It is tried again later; check the network, and the address in CPH50_GIT_REMOTE",
    ),
    _Meaning(
        rf"{_HERE}(No space left on device|Disk quota exceeded)",
        PermanentError,
        "There is no room on the disk for what {remote} has",
        "Make room on the disk",
    ),
    _Meaning(
        rf"{_HERE}(Read-only file system|insufficient permission"
        r"|unable to (create|write)(?! (request )?to remote))",
        PermanentError,
        "The pipeline's clone of {remote} cannot be written",
        "Give this user the right to write in the private folder",
    ),
    _Meaning(
        r"error: \d\d\d|early EOF|hung up|RPC failed|unexpected disconnect|transfer closed|curl \d+|expected flush"
        r"|protocol error|bad line length|index-pack|unpack-objects|unpacker error|handshake"
        r"|Internal Server Error|Service Unavailable|error in commit_refs|unable to access 'https?://",
        TransientError,
        "The exchange with {remote} broke off",
        "It is tried again later",
    ),
)


def failure(answer: GitAnswer, remote: Remote) -> Cph50Error:
    """The error for an exchange with a remote that git gave up.

    Returns:
        A `TransientError` when trying again may help, a `DamagedRepositoryError` when git cannot read what lies here,
        else a `PermanentError`.
    """
    said = remote.masked(f"{answer.complaint}\n{answer.text}")
    for meaning in _MEANINGS:
        match = re.search(meaning.words, said, re.IGNORECASE)
        if match:
            return _error(meaning, match, said, remote)
    if is_damage(answer.complaint):
        return DamagedRepositoryError(f"The pipeline's clone cannot be read: {_quote(said)}", kept=KEPT)
    return PermanentError(
        f"git could not exchange anything with {remote.url}: {_quote(said)}",
        kept=KEPT,
        remedy="Correct what git says",
    )


def _error(meaning: _Meaning, match: re.Match[str], said: str, remote: Remote) -> Cph50Error:
    found = {name: value for name, value in match.groupdict().items() if value}
    token = f"the token in {remote.token_variable}" if remote.token else "a request without a token"
    names = {"remote": remote.url, "branch": remote.branch, "token": token, **_large_file(said), **found}
    message = meaning.message.format_map(names)
    return meaning.kind(message, kept=KEPT, remedy=meaning.remedy.format_map(names))


def _large_file(said: str) -> dict[str, str]:
    match = re.search(r"File (?P<file>\S.*?) is (?P<size>[\d.]+ \wB)", said)
    return match.groupdict() if match else {"file": "one that was committed", "size": "over 100 MB"}


def _quote(said: str) -> str:
    words = " ".join(_NOISE.sub("", said).split())
    return f"{words[:_LONGEST_QUOTE]}…" if len(words) > _LONGEST_QUOTE else words
