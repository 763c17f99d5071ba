"""Which repository is read: the one that the settings publish to, or one that a person names.

How it is read is in `git_reading` and `github.committing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from cph50_pipeline.errors import BadInputError, NotFoundError
from cph50_pipeline.settings import PREFIX, PublishMode, Settings, is_object_store, is_owner_and_name
from cph50_pipeline.storage.clone_making import CLONE
from cph50_pipeline.storage.git import Git
from cph50_pipeline.storage.git_reading import GitReading, fetch_copy
from cph50_pipeline.storage.published import Published
from cph50_pipeline.storage.remote import Remote
from cph50_pipeline.storage.repository import find_repository

_TOKEN_VARIABLE = f"{PREFIX}GITHUB_TOKEN"
_GITHUB = "github.com"


@contextmanager
def published_of(
    settings: Settings, source: str | None = None, *, fresh: bool = False
) -> Iterator[Published]:
    """The repository that holds what was published, to be read.

    Args:
        source: A folder, an address for git, or owner/name on GitHub. None: what the settings publish to.
        fresh: Whether what `push` publishes to is asked, and not the pipeline's own clone of it.

    Raises:
        BadInputError: nothing is published and no source is named, or a setting is missing; names it.
        NotFoundError: there is no such repository.
        PermanentError, TransientError: it cannot be read, or does not answer.
    """
    if source is not None:
        with _named(settings, source) as published:
            yield published
    elif settings.publish_mode is PublishMode.LOCAL:
        yield _of_data_root(settings)
    elif settings.publish_mode is PublishMode.PUSH:
        with _pushed(settings, fresh=fresh) as published:
            yield published
    elif settings.publish_mode is PublishMode.GITHUB:
        if not settings.github_repository:
            raise BadInputError(
                "CPH50_GITHUB_REPOSITORY is not set",
                remedy="Set it to owner/name, or name a repository with --from",
            )
        with _on_github(settings, settings.github_repository) as published:
            yield published
    else:
        raise BadInputError(
            "CPH50_PUBLISH is off: there is no repository to look into",
            remedy="Name one with --from: a folder, an address for git, or owner/name on GitHub",
        )


@contextmanager
def _named(settings: Settings, source: str) -> Iterator[Published]:
    folder = Path(source).expanduser()
    if folder.is_dir():
        yield _in_folder(folder.absolute(), settings.github_branch)
    elif is_owner_and_name(source):
        with _on_github(settings, source) as published:
            yield published
    else:
        with _fetched(_remote_of_person(settings, source)) as published:
            yield published


def _of_data_root(settings: Settings) -> Published:
    root = settings.data_root
    is_there = not is_object_store(root) and Path(root).is_dir()
    repository = find_repository(Git(Path(root))) if is_there else None
    if repository is None:
        raise NotFoundError(
            f"{root} belongs to no git repository",
            remedy="Name one with --from: a folder, an address for git, or owner/name on GitHub",
        )
    return GitReading(repository.git, "HEAD", root)


@contextmanager
def _pushed(settings: Settings, *, fresh: bool) -> Iterator[Published]:
    if not settings.remote_url:
        raise BadInputError(
            "CPH50_PUBLISH=push names no repository",
            remedy="Set CPH50_GITHUB_REPOSITORY to owner/name, or CPH50_GIT_REMOTE to an address",
        )
    data_root, git_dir = Path(settings.data_root), settings.private_dir / CLONE
    if not fresh and data_root.is_dir() and git_dir.is_dir():
        variables = {"GIT_DIR": str(git_dir), "GIT_WORK_TREE": str(data_root)}
        yield GitReading(Git(data_root, environment=variables), "HEAD", settings.remote_url)
        return
    with _fetched(_remote(settings, settings.remote_url)) as published:
        yield published


@contextmanager
def _fetched(remote: Remote) -> Iterator[Published]:
    with TemporaryDirectory(prefix="cph50-") as folder:
        yield fetch_copy(remote, Path(folder))


@contextmanager
def _on_github(settings: Settings, repository: str) -> Iterator[Published]:
    from cph50_pipeline.storage.github.committing import GitHubRepository

    if settings.github_token is None:
        raise BadInputError(
            f"CPH50_GITHUB_TOKEN is not set, and {repository} is read through GitHub's API",
            remedy="Set it to a token with Contents read on the repository",
        )
    token = settings.github_token.get_secret_value()
    with GitHubRepository.of(
        str(settings.github_api_url), repository, settings.github_branch, token
    ) as found:
        yield found


def _in_folder(folder: Path, branch: str) -> Published:
    """A repository on this machine: its branch of that name, else the one that is checked out."""
    git = Git(folder)
    if git.ask("rev-parse", "--git-dir").code != 0:
        raise NotFoundError(f"{folder} is no git repository", remedy="Name another one with --from")
    named = f"refs/heads/{branch}"
    has_branch = git.ask("rev-parse", "--verify", "--quiet", named).code == 0
    return GitReading(git, named if has_branch else "HEAD", str(folder))


def _remote_of_person(settings: Settings, source: str) -> Remote:
    try:
        return _remote(settings, source)
    except (ValueError, BadInputError):
        raise BadInputError(
            "--from names no folder, no address that git can use, and no owner/name",
            kept="Nothing was changed",
            remedy="A token belongs into CPH50_GITHUB_TOKEN, never into an address",
        ) from None


def _remote(settings: Settings, url: str) -> Remote:
    """A branch elsewhere; the token goes to the host that it was given for, and to no other."""
    own_hosts = {_GITHUB, urlsplit(settings.remote_url).netloc}
    has_token = settings.github_token is not None and urlsplit(url).netloc in own_hosts
    return Remote(url, settings.github_branch, _TOKEN_VARIABLE if has_token else None)
