"""Tell Dagster what the files already hold: after a fresh clone every partition shows as missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import dagster as dg

from cph50_pipeline.defs.document_files import DOCUMENT_FILES, DocumentFile
from cph50_pipeline.defs.io_manager import column_schema, files_metadata
from cph50_pipeline.defs.month_files import MONTH_FILES
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.storage.files import Written, sha256_of


@dataclass(frozen=True)
class Reconciled:
    """What was reported to Dagster, and which files could not be: both as paths, sorted."""

    reported: list[str]
    damaged: list[str]


def reconcile(instance: dg.DagsterInstance, store: Store, first_month: str) -> Reconciled:
    """Report a materialization for every file whose month Dagster does not know as made.

    Files are parsed first; a damaged one is named and not reported.
    """
    reported, damaged = [], []
    for file in MONTH_FILES.values():
        known = instance.get_materialized_partitions(dg.AssetKey(file.asset))
        for month in store.stored_months(file):
            if month in known or month < first_month:
                continue
            path = file.path(month)
            try:
                value = store.need_month(file, month)
            except BadInputError as error:
                damaged.append(str(error))
                continue
            data = store.root.read(path) or b""
            metadata = {
                "path": path,
                "sha256": sha256_of(data),
                "size_bytes": len(data),
                "dagster/row_count": file.rows(value),
                "dagster/column_schema": column_schema(file),
            }
            _report(instance, file.asset, month, metadata)
            reported.append(path)
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
    return Reconciled(sorted(reported), sorted(damaged))


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
