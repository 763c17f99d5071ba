"""What a failure of GitHub means, and what a person can do about it.

Of a reply only GitHub's own short message is quoted, with the token masked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cph50_pipeline.errors import BadInputError, Cph50Error, NotFoundError, PermanentError, TransientError
from cph50_pipeline.http.exchange import UNTRUSTED
from cph50_pipeline.http.reply import FORBIDDEN, NOT_FOUND, UNAUTHORIZED, Reply, parse_json
from cph50_pipeline.storage.github.model import Place

TOO_MANY_REQUESTS = 429
_CONFLICT_STATUSES = (409, 422)
_KEPT = "The files are safe in the data root; what is not published yet, the next publication takes along"
_LONGEST_QUOTE = 200
_LIMIT_WORDS = ("rate limit", "abuse detection")
_EMPTY_WORDS = ("repository is empty",)
_PROTECTED_WORDS = (
    "protected branch",
    "protected ref",
    "rule violation",
    "must be made through a pull request",
    "required status check",
)
_NO_COMMIT_WORDS = ("no commit found",)
_MISSING_WORDS = ("does not exist", "not a valid", "could not find", "not found", "badobjectstate")
_TOO_LARGE_WORDS = ("too large", "too_large", "exceeds", "too big")
_RACED_WORDS = (
    "not a fast forward",
    "does not match",
    "but expected",
    "already exists",
    "wasn't supplied",
    "reference does not exist",
    "reference cannot be updated",
    "cannot lock ref",
)
_WORKFLOW_WORDS = ("workflow",)
_NEW_TOKEN = (
    "make one for this repository with Contents: read and write (a classic one: the repo scope), "
    "and set CPH50_GITHUB_TOKEN to it"
)

_WORKFLOWS = (
    "Give the token Workflows: read and write (a classic one: the workflow scope), or commit the files in "
    ".github/workflows by hand"
)


class RedoError(TransientError):
    """The branch is to be read again and the work begun anew."""


class ConflictError(RedoError):
    """The branch has moved: somebody else committed."""


class MissingObjectError(RedoError):
    """GitHub does not have an object that was named to it: it was never stored, or has been tidied away."""


class UnclearError(TransientError):
    """Whether the request was carried out is not known: the answer was lost."""


class EmptyRepositoryError(PermanentError):
    """The repository has no commit yet."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """An unsuccessful reply, ready to be told apart."""

    reply: Reply
    asked: str
    place: Place
    said: str

    @property
    def what(self) -> str:
        quote = f": {self.said}" if self.said else ""
        return f"GitHub answered {self.reply.status} for {self.asked} in {self.place.repository}{quote}"

    def says(self, words: tuple[str, ...]) -> bool:
        said = self.said.lower()
        return any(word in said for word in words)


def failure(reply: Reply, asked: str, place: Place, token: str) -> Cph50Error:
    """The error that an unsuccessful reply means; limits and redirects are dealt with before.

    Args:
        asked: What was asked for, as a person would say it.
        token: It is masked wherever the reply should quote it.
    """
    refusal = _Refusal(reply, asked, place, said_in(reply, token))
    if reply.is_passing_failure:
        return _passing(refusal)
    by_status: dict[int, Callable[[_Refusal], Cph50Error]] = {
        UNAUTHORIZED: _refused_token,
        FORBIDDEN: _forbidden,
        NOT_FOUND: _not_found,
        413: _too_large,
        **dict.fromkeys(_CONFLICT_STATUSES, _conflicting),
    }
    return by_status.get(reply.status, _unexpected)(refusal)


def is_limit(reply: Reply) -> bool:
    """Whether a reply says "not so fast" rather than "not you"."""
    if reply.status == TOO_MANY_REQUESTS:
        return True
    if reply.status != FORBIDDEN:
        return False
    said = said_in(reply, "").lower()
    is_spent = reply.headers.get("x-ratelimit-remaining") == "0"
    return is_spent or reply.retry_after_seconds is not None or any(word in said for word in _LIMIT_WORDS)


def limited(place: Place, wait_seconds: float) -> TransientError:
    """GitHub asks to be left alone for a while."""
    return TransientError(
        f"GitHub limits how often {place.repository} may be asked, for another {wait_seconds:.0f} s",
        kept=_KEPT,
        remedy="Nothing is to be done: it is tried again after that",
        retry_after_seconds=wait_seconds,
    )


def no_answer(asked: str, how: str, place: Place, *, is_unreachable: bool) -> Cph50Error:
    """No whole reply came; `how` as `NoReplyError` says it."""
    what = f"GitHub did not answer for {asked} in {place.repository} {how}"
    if how == UNTRUSTED:
        return PermanentError(
            what, kept=_KEPT, remedy="Set SSL_CERT_FILE to the certificate of your own authority"
        )
    kind = TransientError if is_unreachable else UnclearError
    return kind(what, kept=_KEPT, remedy="It is tried again; if it persists, check CPH50_GITHUB_API_URL")


def broken_answer(asked: str, place: Place) -> UnclearError:
    """A reply came, and is not whole."""
    return UnclearError(
        f"GitHub's answer for {asked} in {place.repository} is broken or cut short",
        kept=_KEPT,
        remedy="It is tried again",
    )


def unusable_answer(asked: str, place: Place) -> BadInputError:
    """A reply came whole, and is not what GitHub answers."""
    return BadInputError(
        f"GitHub's answer for {asked} in {place.repository} cannot be used: it is not what GitHub's API says",
        kept=_KEPT,
        remedy="Check CPH50_GITHUB_API_URL: it is https://api.github.com/, or https://HOST/api/v3/ of a server "
        "of your own",
    )


def moved(place: Place, new_name: str | None) -> PermanentError:
    """The repository answers elsewhere; nothing is sent there with the token."""
    where = f"It is called {new_name} now" if new_name else "It was renamed or moved"
    setting = f"CPH50_GITHUB_REPOSITORY={new_name}" if new_name else "CPH50_GITHUB_REPOSITORY to its new name"
    return PermanentError(
        f"GitHub sends us on from {place.repository}, which is not followed with the token. {where}",
        kept=_KEPT,
        remedy=f"Set {setting}",
    )


def missing_branch(place: Place, default_branch: str) -> PermanentError:
    """The repository is there and has commits, but not on this branch."""
    return PermanentError(
        f"{place.repository} has no branch {place.branch}; its default branch is {default_branch}",
        kept=_KEPT,
        remedy=f"If it was renamed, set CPH50_GITHUB_BRANCH={default_branch}; else make the branch on GitHub",
    )


def unlistable_folder(place: Place, tree: str) -> PermanentError:
    """Even one folder by itself is more than GitHub lists."""
    return PermanentError(
        f"A folder of {place.repository} (tree {tree}) has more entries than GitHub lists",
        kept=_KEPT,
        remedy="Publish with CPH50_PUBLISH=push instead, which needs no such list",
    )


def oversized_file(path: str, size: int, limit: int, place: Place) -> PermanentError:
    """A file is larger than GitHub takes."""
    return PermanentError(
        f"{path} has {size / 1e6:.0f} MB: GitHub takes no file over {limit / 1e6:.0f} MB, so nothing was "
        f"published to {place.repository}",
        kept=_KEPT,
        remedy="Make the file smaller or move it out of the data root",
    )


def withheld_workflows(path: str, place: Place) -> PermanentError:
    """GitHub lets nobody write its workflows who may only write files."""
    return PermanentError(
        f"GitHub does not let this token write {path} in {place.repository}", kept=_KEPT, remedy=_WORKFLOWS
    )


def damaged_content(blob_id: str, place: Place) -> PermanentError:
    """A content is not the one that its id stands for."""
    return PermanentError(
        f"What GitHub answers for the content {blob_id} of {place.repository} is another content",
        kept="Nothing was taken over",
        remedy="Try again; if it persists, look at the repository with git fsck",
    )


def unknown_commit(name: str, place: Place) -> NotFoundError:
    """An id that no commit of the branch has."""
    return NotFoundError(
        f"{place.repository} has no commit {name} on its branch {place.branch}",
        kept="Nothing was changed",
        remedy="cph50 restore --list shows those that there are",
    )


def said_in(reply: Reply, token: str) -> str:
    """What GitHub says in a reply, in one short line, the token masked; empty when it says nothing."""
    try:
        answer = parse_json(reply.body)
    except ValueError:
        return ""
    line = " ".join(" ".join(_messages(answer)).split())
    return (line.replace(token, "***") if token else line)[:_LONGEST_QUOTE].rstrip(".")


def _messages(answer: Any) -> Iterator[str]:
    if not isinstance(answer, dict):
        return
    if isinstance(answer.get("message"), str):
        yield answer["message"]
    errors = answer.get("errors")
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, dict):
            yield from (error[key] for key in ("message", "code") if isinstance(error.get(key), str))


def _passing(refusal: _Refusal) -> TransientError:
    return UnclearError(
        refusal.what,
        kept=_KEPT,
        remedy="It is tried again; https://www.githubstatus.com tells of outages",
        retry_after_seconds=refusal.reply.retry_after_seconds,
    )


def _refused_token(refusal: _Refusal) -> PermanentError:
    return PermanentError(
        f"GitHub refused the token for {refusal.place.repository}: it is wrong, expired or revoked",
        kept=_KEPT,
        remedy=_NEW_TOKEN[0].upper() + _NEW_TOKEN[1:],
    )


def _forbidden(refusal: _Refusal) -> PermanentError:
    if refusal.says(_WORKFLOW_WORDS):
        return _needs_workflows(refusal)
    if "x-github-sso" in refusal.reply.headers or refusal.says(("saml", "sso")):
        remedy = "Authorize the token for the organisation's single sign-on on GitHub, under Configure SSO"
    elif refusal.says(("archived",)):
        remedy = "The repository is archived: unarchive it in its settings, or publish to another one"
    elif refusal.says(_PROTECTED_WORDS):
        return _protected(refusal)
    else:
        remedy = f"The token lacks a permission: {_NEW_TOKEN}"
    return PermanentError(refusal.what, kept=_KEPT, remedy=remedy)


def _not_found(refusal: _Refusal) -> NotFoundError:
    return NotFoundError(
        f"GitHub does not find {refusal.asked} in {refusal.place.repository}: it is missing, or the token has "
        "no access",
        kept=_KEPT,
        remedy="Check CPH50_GITHUB_REPOSITORY, and that the token has Contents: read and write there",
    )


def _conflicting(refusal: _Refusal) -> Cph50Error:
    by_words: tuple[tuple[tuple[str, ...], Callable[[_Refusal], Cph50Error]], ...] = (
        (_EMPTY_WORDS, _empty),
        (_NO_COMMIT_WORDS, _not_found),
        (_PROTECTED_WORDS, _protected),
        (_WORKFLOW_WORDS, _needs_workflows),
        (_TOO_LARGE_WORDS, _too_large),
        (_RACED_WORDS, _raced),
        (_MISSING_WORDS, _missing_object),
    )
    for words, error in by_words:
        if refusal.says(words):
            return error(refusal)
    # A 409 means "not as things are now" whatever its words; a 422 means that the request itself is wrong.
    return _raced(refusal) if refusal.reply.status == 409 else _unexpected(refusal)


def _empty(refusal: _Refusal) -> EmptyRepositoryError:
    return EmptyRepositoryError(
        f"{refusal.place.repository} is empty", kept=_KEPT, remedy="The first publication fills it"
    )


def _protected(refusal: _Refusal) -> PermanentError:
    return PermanentError(
        f"The branch {refusal.place.branch} of {refusal.place.repository} is protected{_quoted(refusal)}",
        kept=_KEPT,
        remedy="Let this token's owner bypass the rule in the repository's settings, or set CPH50_GITHUB_BRANCH "
        "to a branch without one",
    )


def _needs_workflows(refusal: _Refusal) -> PermanentError:
    return PermanentError(refusal.what, kept=_KEPT, remedy=_WORKFLOWS)


def _too_large(refusal: _Refusal) -> PermanentError:
    return PermanentError(
        refusal.what, kept=_KEPT, remedy="Make the file smaller or move it out of the data root"
    )


def _raced(refusal: _Refusal) -> ConflictError:
    return ConflictError(
        f"The branch {refusal.place.branch} of {refusal.place.repository} moved while {refusal.asked} was "
        f"asked for{_quoted(refusal)}",
        kept=_KEPT,
        remedy="It is begun anew; if it persists, see who else commits there",
        retry_after_seconds=refusal.reply.retry_after_seconds,
    )


def _missing_object(refusal: _Refusal) -> MissingObjectError:
    return MissingObjectError(refusal.what, kept=_KEPT, remedy="It is begun anew")


def _unexpected(refusal: _Refusal) -> PermanentError:
    return PermanentError(
        refusal.what,
        kept=_KEPT,
        remedy="Check CPH50_GITHUB_REPOSITORY, CPH50_GITHUB_BRANCH and the permissions of the token",
    )


def _quoted(refusal: _Refusal) -> str:
    return f" ({refusal.said})" if refusal.said else ""
