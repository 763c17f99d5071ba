"""The files people edit, made from the shipped examples where there are none yet."""

from __future__ import annotations

from pathlib import Path

from cph50_pipeline.defs.store import LABELS_FILE, VEHICLES_FILE, Store
from cph50_pipeline.storage.documents import load_json

EXAMPLES = Path(__file__).parents[2] / "data"


def ensure_reference_files(store: Store) -> None:
    """Write each hand-edited file that does not exist from its example; what exists is never touched."""
    if not _missing(store):
        return
    with store.locks.hand_edited():  # a command may be writing the first label
        for name in _missing(store):
            example = EXAMPLES / name.replace(".json", ".example.json")
            if example.exists():
                store.write_document(name, load_json(example.read_bytes(), example.name))


def _missing(store: Store) -> list[str]:
    return [name for name in (VEHICLES_FILE, LABELS_FILE) if store.root.read(name) is None]
