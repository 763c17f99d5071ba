"""What the power page is made of: a published file and the household's meters, each as far as it can be read."""

from __future__ import annotations

from typing import Any

from cph50_pipeline.defs.store import METERS_FILE, Store
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.pages.power import FILE_OF, PowerView, Range, power_view
from cph50_pipeline.pages.troubles import Trouble
from cph50_pipeline.power.data_points import PATHS, PowerFile, read
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.storage.documents import load_json

_YEAR: PowerFile = "yearly"
"""Its events are those of a year."""


def stored_power(store: Store, wanted: Range, interval_seconds: float) -> PowerView:
    """A range of power, from what is stored; what cannot be read is told in the view.

    Args:
        interval_seconds: Between two collections, by which a meter holds that does not say how long.
    """
    troubles: list[Trouble] = []
    try:
        config = store.meters(interval_seconds)
    except Cph50Error as error:
        config = MeterConfig.read({}, METERS_FILE, interval_seconds)
        troubles.append(Trouble.of(error))
    documents: dict[PowerFile, Any] = {}
    for file in sorted({FILE_OF[wanted], _YEAR}):
        path = PATHS[file]
        try:
            documents[file] = store.read_file(path, lambda data, name: read(load_json(data, name), name))
        except Cph50Error as error:
            troubles.append(Trouble.of(error))
    return power_view(
        wanted, documents.get(FILE_OF[wanted]), config, store.zone, troubles, documents.get(_YEAR)
    )
