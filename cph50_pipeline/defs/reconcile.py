"""Tell Dagster what the files already hold: after a fresh clone every partition shows as missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import dagster as dg

from cph50_pipeline.defs.assets.external import LAST_SESSION, LAST_SESSION_ID
from cph50_pipeline.defs.document_files import DOCUMENT_FILES, DocumentFile
from cph50_pipeline.defs.hand_edited import label_events
from cph50_pipeline.defs.io_manager import column_schema, files_metadata
from cph50_pipeline.defs.month_files import MONTH_FILES, POWER_FILES, MonthFile
from cph50_pipeline.defs.power_summaries import readings_metadata
from cph50_pipeline.defs.reading_files import read_readings, reading_months, reading_paths
from cph50_pipeline.defs.store import LABELS_FILE, Store
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.storage.files import Written, sha256_of


@dataclass(frozen=True)
class Reconciled:
    """What was reported to Dagster, and which files could not be: both as paths, sorted."""

    reported: list[str]
    damaged: list[str]


@dataclass(frozen=True)
class _MonthAsset:
    """An asset with months.

    Attributes:
        months: That are stored.
        paths: The files of a month.
        metadata: Of a month; raises BadInputError when a file is damaged.
    """

    asset: str
    months: Callable[[Store], list[str]]
    paths: Callable[[Store, str], list[str]]
    metadata: Callable[[Store, str], dict[str, Any]]


def _of_file(file: MonthFile) -> _MonthAsset:
    return _MonthAsset(
        file.asset,
        lambda store: store.stored_months(file),
        lambda store, month: [file.path(month)],
        lambda store, month: _file_metadata(file, store, month),
    )


_MONTH_ASSETS = (
    *map(_of_file, (*MONTH_FILES.values(), *POWER_FILES.values())),
    _MonthAsset(
        "power_readings",
        reading_months,
        reading_paths,
        lambda store, month: readings_metadata(read_readings(store, month)),
    ),
)


def reconcile(instance: dg.DagsterInstance, store: Store, first_month: str) -> Reconciled:
    """Report a materialization for every file whose month Dagster does not know as made.

    Files are parsed first; a damaged one is named and not reported.
    """
    reported, damaged = [], []
    for one in _MONTH_ASSETS:
        known = instance.get_materialized_partitions(dg.AssetKey(one.asset))
        for month in one.months(store):
            if month in known or month < first_month:
                continue
            try:
                metadata = one.metadata(store, month)
            except BadInputError as error:
                damaged.append(str(error))
                continue
            _report(instance, one.asset, month, metadata)
            reported += one.paths(store, month)
    for asset, files in DOCUMENT_FILES.items():
        if instance.get_latest_materialization_event(dg.AssetKey(asset)) is not None:
            continue
        try:
            found = _found(store, files)
        except BadInputError as error:
            damaged.append(str(error))
            continue
        if found:
            _report(instance, asset, None, files_metadata(found))
            reported += [written.path for written in found]
    _report_external(instance, store)
    return Reconciled(sorted(reported), sorted(damaged))


def _report_external(instance: dg.DagsterInstance, store: Store) -> None:
    """Show what sensors report of files that no run makes, where it is not known: labels, and the charger's state."""
    for event in label_events(instance, store) if store.root.read(LABELS_FILE) is not None else ():
        instance.report_runless_asset_event(event)
    state = store.last_session()
    if state is None:
        return
    for key in (LAST_SESSION, LAST_SESSION_ID):
        if instance.get_latest_materialization_event(key) is None:
            metadata = {"connected": state.connected, "charging": state.charging}
            instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata=metadata))


def _file_metadata(file: MonthFile, store: Store, month: str) -> dict[str, Any]:
    path, value = file.path(month), store.need_month(file, month)
    data = store.root.read(path) or b""
    return {
        "path": path,
        "sha256": sha256_of(data),
        "size_bytes": len(data),
        "dagster/row_count": file.rows(value),
        "dagster/column_schema": column_schema(file),
    }


def _found(store: Store, files: Iterable[DocumentFile]) -> list[Written]:
    """The asset's files that are there.

    Raises:
        BadInputError: one of them cannot be read.
    """
    found = []
    for file in files:
        data = store.root.read(file.path)
        if data is not None:
            file.parse(data, file.path)
            found.append(Written(file.path, sha256_of(data), len(data), changed=False))
    return found


def _report(instance: dg.DagsterInstance, asset: str, month: str | None, metadata: dict[str, Any]) -> None:
    instance.report_runless_asset_event(
        dg.AssetMaterialization(asset, partition=month, description="Found on disk", metadata=metadata)
    )
