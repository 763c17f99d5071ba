"""`cph50 restore`: the files come back from what was published, and Dagster is told of them.

How files are brought back is in `storage.restoring`, which repository they come from in `storage.published_source`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg

from cph50_pipeline.defs.assets.external import PUBLICATION
from cph50_pipeline.defs.instance import open_instance
from cph50_pipeline.defs.reconcile import Reconciled, reconcile
from cph50_pipeline.defs.reference_files import unedited_files
from cph50_pipeline.defs.store import Store
from cph50_pipeline.settings import PublishMode, Settings
from cph50_pipeline.storage.known import Memory
from cph50_pipeline.storage.published_source import published_of
from cph50_pipeline.storage.restoring import (
    Restored,
    begun_restore,
    commit_at,
    end_restore,
    read_moment,
    restore,
)

_SAID_EVERY = 100


@dataclass(frozen=True)
class RestoredHousehold:
    """What a restore brought back.

    Attributes:
        source: Where from.
        is_newest: Whether it is what the repository holds now.
        is_published_to: Whether that is where runs publish to: to them these files are their own.
        restored: The files.
        reconciled: What Dagster was told of them.
    """

    source: str
    is_newest: bool
    is_published_to: bool
    restored: Restored
    reconciled: Reconciled


def restore_household(
    settings: Settings, source: str | None, at: str | None, say: Callable[[str], None]
) -> RestoredHousehold:
    """Fill the empty data root and tell Dagster; what was interrupted is completed.

    Args:
        source: As `published_of` takes it.
        at: A commit or a time; None: what was begun, else the newest commit.

    Raises:
        BadInputError: the data root is not empty, or an argument or setting cannot be used; nothing was changed.
        NotFoundError: there is no such repository or commit.
        PermanentError, TransientError: something could not be read or written; the next restore goes on.
    """
    store = Store.of(settings)
    moment = read_moment(at, settings.zone) if at is not None else _begun_commit(settings)
    with published_of(settings, source, fresh=True) as published:
        commit = commit_at(published, moment, settings.zone)
        is_newest = commit.id == published.head()
        restored = restore(
            published, store.root, store.locks, commit, unedited_files(), lambda done, of: _say(say, done, of)
        )
        name = published.name
    is_published_to = _is_published_to(settings, source)
    if is_published_to:
        _remember(settings, store, restored)
    with open_instance(settings) as instance:
        reconciled = reconcile(instance, store, settings.history_start)
        _report(instance, restored, settings.github_branch)
    end_restore(store.locks.private_dir)
    return RestoredHousehold(name, is_newest, is_published_to, restored, reconciled)


def _is_published_to(settings: Settings, source: str | None) -> bool:
    is_elsewhere = settings.publish_mode in (PublishMode.PUSH, PublishMode.GITHUB)
    return source is None or (is_elsewhere and source in (settings.github_repository, settings.remote_url))


def _begun_commit(settings: Settings) -> str | None:
    begun = begun_restore(settings.private_dir)
    return None if begun is None else begun.commit


def _say(say: Callable[[str], None], done: int, of: int) -> None:
    if done % _SAID_EVERY == 0 or done == of:
        say(f"{done} of {of} files")


def _remember(settings: Settings, store: Store, restored: Restored) -> None:
    """Let the publisher know that these files are this data root's: it may change and remove them there."""
    if settings.publish_mode is PublishMode.PUSH:
        repository = f"{settings.remote_url}#{settings.github_branch}"
    elif settings.publish_mode is PublishMode.GITHUB:
        repository = f"{settings.github_repository}#{settings.github_branch}"
    else:
        return
    Memory(store.locks, repository).remember_seen(restored.files)


def _report(instance: dg.DagsterInstance, restored: Restored, branch: str) -> None:
    """Show the commit as the publication in force, unless Dagster knows a later one."""
    if instance.get_latest_materialization_event(PUBLICATION) is not None:
        return
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            PUBLICATION,
            description="Restored",
            metadata={
                "commit": restored.commit.id,
                "file_count": len(restored.files),
                "size_bytes": restored.bytes,
                "branch": branch,
                "message": restored.commit.message,
            },
        )
    )
