"""Whether a file that is about to be published is whole. What it says is not judged here."""

from __future__ import annotations

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.storage.documents import load_json
from cph50_pipeline.storage.tables import check_readable


def is_damaged(path: str, data: bytes) -> bool:
    """Whether a JSON or Parquet file cannot be read; a file of another form is taken as it is."""
    try:
        if path.endswith(".json"):
            load_json(data, path)
        elif path.endswith(".parquet"):
            check_readable(data, path)
    except BadInputError:
        return True
    return False
