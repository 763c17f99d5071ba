"""The private folder: tokens, locks, logs. Readable by its owner alone, and never in git."""

from __future__ import annotations

from pathlib import Path

from cph50_pipeline.storage.atomic import atomic_write
from cph50_pipeline.storage.failures import file_error

_IGNORE_EVERYTHING = b"*\n"


def make_private_folder(folder: Path) -> Path:
    """Make the private folder; nobody's `git add` takes it along, in whatever repository it stands.

    Raises:
        PermanentError, TransientError: when it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise file_error(error, "made", str(folder)) from error
    if not (folder / ".gitignore").exists():
        atomic_write(folder / ".gitignore", _IGNORE_EVERYTHING)
    return folder
