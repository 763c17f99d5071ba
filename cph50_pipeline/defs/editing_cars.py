"""Changes of `vehicle_config.json` by command and by page, under the lock of the files that people edit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from cph50_pipeline.defs.store import VEHICLES_FILE, Store
from cph50_pipeline.vehicles.config import VehicleConfig


def edit_cars(store: Store, change: Callable[[Mapping[str, Any], datetime], object], now: datetime) -> bool:
    """Change the parsed file; gives whether that changed anything.

    Args:
        change: From the document and the time to the new document; see `vehicles.config`.

    Raises:
        BadInputError: anything in the file is wrong, or what `change` says; the file is unchanged.
        LockedError: another command edits for too long.
    """

    def change_whole(document: Any) -> object:
        VehicleConfig.read(document, VEHICLES_FILE)  # nothing is touched while anything in it is wrong
        return change(document, now)

    return store.edit_document(VEHICLES_FILE, change_whole)
