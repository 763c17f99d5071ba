"""The files people edit, made from the shipped examples where there are none yet."""

from __future__ import annotations

from pathlib import Path

from cph50_pipeline.defs.store import LABELS_FILE, METERS_FILE, VEHICLES_FILE, Store
from cph50_pipeline.storage.documents import dump_json, load_json

EXAMPLES = Path(__file__).parents[1] / "shipped"


def ensure_reference_files(store: Store) -> None:
    """Write each hand-edited file that does not exist from its example; what exists is never touched."""
    _ensure(store, (VEHICLES_FILE, LABELS_FILE))


def ensure_meters(store: Store) -> None:
    """The same for the meters, when a household first asks for them."""
    _ensure(store, (METERS_FILE,))


def unedited_files() -> dict[str, bytes]:
    """These files as they are while nobody has edited them, by path."""
    made = {name: _example(name) for name in (VEHICLES_FILE, LABELS_FILE, METERS_FILE)}
    return {name: dump_json(document) for name, document in made.items() if document is not None}


def _ensure(store: Store, names: tuple[str, ...]) -> None:
    if not _missing(store, names):
        return
    with store.locks.hand_edited():  # a command may be writing the first label
        for name in _missing(store, names):
            if (document := _example(name)) is not None:
                store.write_document(name, document)


def _example(name: str) -> object | None:
    example = EXAMPLES / name.replace(".json", ".example.json")
    return load_json(example.read_bytes(), example.name) if example.exists() else None


def _missing(store: Store, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if store.root.read(name) is None]
