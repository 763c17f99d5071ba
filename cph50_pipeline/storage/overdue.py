"""Since when something could have been published and was not: remembered over processes, forgotten when it was."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cph50_pipeline.civil_time import format_instant, parse_instant
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.storage.atomic import atomic_write
from cph50_pipeline.storage.documents import dump_json, load_json
from cph50_pipeline.storage.private import make_private_folder

_MEMORY = "publication_overdue.json"


def overdue_since(private_dir: Path, due_at: datetime | None) -> datetime | None:
    """Since when something is due.

    Args:
        due_at: From when on it is due as far as is known now; None when nothing is, which forgets what was.

    Returns:
        What was remembered, when that is earlier.
    """
    path = private_dir / _MEMORY
    if due_at is None:
        path.unlink(missing_ok=True)
        return None
    known = _remembered(path)
    if known is not None and known <= due_at:
        return known
    document = {"since": format_instant(due_at)}
    atomic_write(make_private_folder(private_dir) / _MEMORY, dump_json(document), mode=0o600)
    return due_at


def _remembered(path: Path) -> datetime | None:
    """None also when it is damaged, which only makes the time begin again."""
    try:
        return parse_instant(load_json(path.read_bytes(), path.name)["since"])
    except (FileNotFoundError, BadInputError, KeyError, TypeError):
        return None
