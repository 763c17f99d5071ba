"""What is remembered of a branch on GitHub and of the files here, so that neither is read anew for each publication.

Private, and replaceable: without it one more request is made, and every file is read once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from cph50_pipeline.storage.atomic import atomic_write
from cph50_pipeline.storage.github.model import Snapshot
from cph50_pipeline.storage.local_files import LocalFile, Look
from cph50_pipeline.storage.private import make_private_folder
from cph50_pipeline.storage.published import Blob

_FILE = "publication_github.json"


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is remembered.

    Attributes:
        snapshot: The branch when it was last seen.
        here: The published files of the data root when they were last looked at.
        states: Of the files that tell whether somebody is home: the id of what is published, and its text.
    """

    snapshot: Snapshot = field(default_factory=Snapshot)
    here: Look = field(default_factory=Look)
    states: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def state(self, path: str) -> bytes | None:
        """A state file as it is published; None when it is not, or not known."""
        known = self.states.get(path)
        return None if known is None else known[1].encode()


def read_memory(private_dir: Path, repository: str | None) -> Remembered:
    """What is remembered of a repository; nothing when it was lost, is damaged, or is about another one.

    Args:
        repository: Which one; None: whichever it is.
    """
    path = private_dir / _FILE
    try:
        status = path.stat()
    except FileNotFoundError:
        return Remembered()
    return _read(path, repository, (status.st_ino, status.st_mtime_ns, status.st_size))


# A run asks several times, and of years there is a lot to read.
@lru_cache(maxsize=1)
def _read(path: Path, repository: str | None, version: tuple[int, ...]) -> Remembered:
    try:
        document = json.loads(path.read_bytes())
        if repository not in (None, document["repository"]):
            return Remembered()
        looks = map(LocalFile._make, zip(*(document[column] for column in LocalFile._fields), strict=True))
        here = dict(zip(document["paths"], looks, strict=True))
        files = {path: Blob(file.id, file.size) for path, file in here.items()}
        for name in document["unpublished"]:
            del files[name]
        files.update((name, Blob(*blob)) for name, blob in document["otherwise"].items())
        snapshot = Snapshot(document["commit"], document["tree"], files)
        states = {name: (str(id_), str(text)) for name, (id_, text) in document["states"].items()}
        look = Look(here, dict(document["days"]["folders"]), int(document["days"]["listed"]))
        return Remembered(snapshot, look, states)
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return Remembered()


def write_memory(private_dir: Path, repository: str, remembered: Remembered) -> None:
    """Remember this instead."""
    snapshot, here = remembered.snapshot, remembered.here.files
    # Nearly all files are published as they are here, and are named once; columns are quicker to read than rows.
    document = {
        "repository": repository,
        "commit": snapshot.commit,
        "tree": snapshot.tree,
        "paths": list(here),
        **{name: [file[column] for file in here.values()] for column, name in enumerate(LocalFile._fields)},
        "unpublished": [path for path in here if path not in snapshot.files],
        "otherwise": {
            path: (blob.id, blob.size)
            for path, blob in snapshot.files.items()
            if (file := here.get(path)) is None or (file.id, file.size) != (blob.id, blob.size)
        },
        "days": {"folders": remembered.here.folders, "listed": remembered.here.all_listed_at_ns},
        "states": remembered.states,
    }
    data = json.dumps(document, separators=(",", ":")).encode()
    atomic_write(make_private_folder(private_dir) / _FILE, data, mode=0o600)
