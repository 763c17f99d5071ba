"""Fill an empty data root from a repository: the head, a commit, or what stood there at an instant.

Only files that `layout` knows are restored, so nothing in a repository can name a place outside the data root. What is
in the files is known elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from cph50_pipeline.civil_time import day_bounds, format_local
from cph50_pipeline.errors import BadInputError, NotFoundError, PermanentError
from cph50_pipeline.storage.atomic import atomic_remove, atomic_write
from cph50_pipeline.storage.damage import is_damaged
from cph50_pipeline.storage.documents import dump_json, load_json
from cph50_pipeline.storage.failures import file_error
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.storage.layout import Cause, kind_of
from cph50_pipeline.storage.locks import REPOSITORY_TIMEOUT_SECONDS, Locks
from cph50_pipeline.storage.private import make_private_folder
from cph50_pipeline.storage.published import Blob, Commit, Published, blob_id

_BEGUN = "restore.json"
_COMMIT = re.compile(r"[0-9a-fA-F]{4,40}")
_NAMED_AT_MOST = 3
# A commit's time has no fractions: the last second of a day is the last instant of it that one can have.
_COMMIT_TIME_STEP = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore brought back.

    Attributes:
        commit: The commit whose files these are.
        files: All of them by path, with id and size, those included that an interrupted restore had brought before.
        kept: What runs had written here already: it says how things are now, and stays instead of what was published.
        left: The files of the repository that are none of the pipeline's and stay there, sorted.
        damaged: Those that are as they were committed and cannot be read, sorted.
    """

    commit: Commit
    files: Mapping[str, Blob]
    kept: tuple[str, ...]
    left: tuple[str, ...]
    damaged: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(blob.size for blob in self.files.values())


@dataclass(frozen=True, slots=True)
class BegunRestore:
    """A restore that has not ended: where it takes the files from, and which commit's they are."""

    source: str
    commit: str


def read_moment(text: str, zone: ZoneInfo) -> str | datetime:
    """What a person names: a commit's id, whole or abbreviated, or a time.

    Args:
        text: A bare date means the end of that civil day; a time without an offset is the household's.

    Raises:
        BadInputError: it is neither.
    """
    if _COMMIT.fullmatch(text):
        return text.lower()
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return day_bounds(date.fromisoformat(text), zone)[1] - _COMMIT_TIME_STEP
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise BadInputError(
            f"'{text}' is neither a commit nor a time",
            remedy="Write a commit's id, 2026-01-07, or 2026-01-07T18:00",
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return moment.astimezone(UTC)


def commit_at(published: Published, moment: str | datetime | None, zone: ZoneInfo) -> Commit:
    """The commit that a moment stands for: the head's (None), a commit's id, or the last one not after an instant.

    Raises:
        NotFoundError: the repository has no such commit, or none at all.
    """
    head = published.head()
    if head is None:
        raise NotFoundError(
            f"{published.name} has no commit: there is nothing to restore",
            remedy="Check the repository and its branch, CPH50_GITHUB_BRANCH",
        )
    if not isinstance(moment, datetime):
        return published.resolve(head if moment is None else moment)
    found = next(published.commits(until=moment), None)
    if found is None:
        raise NotFoundError(
            f"{published.name} has no commit from {format_local(moment, zone)} or before",
            remedy="`cph50 restore --list` shows what changed when",
        )
    return found


def begun_restore(private_dir: Path) -> BegunRestore | None:
    """The restore that was begun and has not ended: until then files are missing that nobody removed.

    Raises:
        PermanentError, TransientError: when it could not be told.
    """
    try:
        document = load_json((private_dir / _BEGUN).read_bytes(), _BEGUN)
        return BegunRestore(str(document["source"]), str(document["commit"]))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise file_error(error, "read", _BEGUN) from error
    except (BadInputError, KeyError, TypeError):
        raise PermanentError(
            f"{private_dir / _BEGUN} cannot be read, so which restore was begun is not known",
            kept="Nothing was changed",
            remedy="Move the data root away and restore again",
        ) from None


def end_restore(private_dir: Path) -> None:
    """Note that a restore is complete, with all that follows from it.

    Raises:
        PermanentError, TransientError: when it could not be noted.
    """
    atomic_remove(private_dir / _BEGUN)


def restore(
    published: Published,
    root: DataRoot,
    locks: Locks,
    commit: Commit,
    unedited: Mapping[str, bytes],
    on_file: Callable[[int, int], None],
) -> Restored:
    """Fill the data root with the files of a commit; what was interrupted is completed. `end_restore` ends it.

    Nothing is published meanwhile.

    Args:
        commit: As `commit_at` gave it. What was begun is completed before another one is taken.
        unedited: Files by path that count as absent while they hold just this: nobody has edited them.
        on_file: Told after each file how many are in place, and how many there are.

    Raises:
        BadInputError: the data root holds published files, or another restore was begun; nothing was changed.
        LockedError: a run commits for too long.
        PermanentError, TransientError: a file could not be read there or written here; the next restore goes on.
    """
    wanted, left = _sorted_out(published.files(commit.id))
    if not wanted:
        raise NotFoundError(
            f"{commit.id[:10]} of {published.name} holds no file of the pipeline's",
            kept="Nothing was changed",
            remedy="Check the repository and its branch, CPH50_GITHUB_BRANCH",
        )
    wish = BegunRestore(published.name, commit.id)
    with locks.repository(REPOSITORY_TIMEOUT_SECONDS):
        begun = begun_restore(locks.private_dir)
        _check_same(begun, wish)
        there = _present(root, unedited)
        kept = tuple(path for path in _others(there, wanted) if path in wanted and _says_how_things_are(path))
        wanted = {path: blob for path, blob in wanted.items() if path not in kept}
        _check_empty(root, there if begun is None else _others(there, wanted))
        _note_begun(locks.private_dir, wish)
        missing = {path: blob for path, blob in wanted.items() if there.get(path) != blob.id}
        _fill(published, root, missing, lambda done: on_file(len(wanted) - len(missing) + done, len(wanted)))
        damaged = tuple(path for path in wanted if is_damaged(path, root.read(path) or b""))
    return Restored(commit, wanted, kept, left, damaged)


def _sorted_out(files: Mapping[str, Blob]) -> tuple[dict[str, Blob], tuple[str, ...]]:
    """The pipeline's files in order, and the paths of all others."""
    wanted = {path: files[path] for path in sorted(files) if kind_of(path) is not None}
    return wanted, tuple(sorted(files.keys() - wanted.keys()))


def _check_same(begun: BegunRestore | None, wish: BegunRestore) -> None:
    if begun is not None and begun != wish:
        raise BadInputError(
            f"A restore of {begun.commit[:10]} from {begun.source} was begun and has not ended",
            kept="Nothing was changed",
            remedy=f"Complete it with `cph50 restore --at {begun.commit[:10]}`, from the same place, "
            "or move the data root away",
        )


def _present(root: DataRoot, unedited: Mapping[str, bytes]) -> dict[str, str]:
    """The ids of the published files in the data root, by path, without those that nobody has edited."""
    found: dict[str, str] = {}
    for path in root.list():
        if kind_of(path) is None:
            continue
        data = root.read(path)
        if data is not None and data != unedited.get(path):
            found[path] = blob_id(data)
    return found


def _others(there: Mapping[str, str], wanted: Mapping[str, Blob]) -> list[str]:
    """What stands in the data root that the interrupted restore did not bring."""
    return [path for path, id_ in there.items() if path not in wanted or wanted[path].id != id_]


def _says_how_things_are(path: str) -> bool:
    """Whether a file is written anew every few minutes wherever the pipeline runs, also beside a restore."""
    kind = kind_of(path)
    return kind is not None and kind.cause in (Cause.STATE, Cause.NEVER)


def _check_empty(root: DataRoot, there: Collection[str]) -> None:
    paths = [path for path in there if not _says_how_things_are(path)]
    if not paths:
        return
    named = ", ".join(sorted(paths)[:_NAMED_AT_MOST])
    more = f" and {len(paths) - _NAMED_AT_MOST} more" if len(paths) > _NAMED_AT_MOST else ""
    where = root.folder if root.is_local else "The object store"
    raise BadInputError(
        f"{where} is not empty, it holds {named}{more}",
        kept="Nothing was changed",
        remedy="Move it away, or name another CPH50_DATA_DIR",
    )


def _note_begun(private_dir: Path, wish: BegunRestore) -> None:
    make_private_folder(private_dir)
    document = dump_json({"source": wish.source, "commit": wish.commit})
    atomic_write(private_dir / _BEGUN, document, mode=0o600)


def _fill(
    published: Published, root: DataRoot, missing: Mapping[str, Blob], on_file: Callable[[int], None]
) -> None:
    paths_by_id: dict[str, list[str]] = {}
    for path, blob in missing.items():
        paths_by_id.setdefault(blob.id, []).append(path)
    done = 0
    for paths, data in zip(paths_by_id.values(), published.read([*paths_by_id]), strict=True):
        for path in paths:
            _check_size(path, missing[path], data)
            root.write(path, data)
            done += 1
            on_file(done)


def _check_size(path: str, blob: Blob, data: bytes) -> None:
    if len(data) != blob.size:
        raise PermanentError(
            f"{path} came with {len(data)} bytes instead of {blob.size}",
            kept="It was not written",
            remedy="Restore again, or from another copy of the repository with --from",
        )
