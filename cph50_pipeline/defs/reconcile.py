"""Tell Dagster what the files already hold: after a fresh clone every partition shows as missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dagster as dg

from cph50_pipeline.defs.io_manager import DOCUMENT_FILES, column_schema
from cph50_pipeline.defs.month_files import MONTH_FILES
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.storage.files import sha256_of


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
            metadata = {"dagster/row_count": file.rows(value), "dagster/column_schema": column_schema(file)}
            _report(instance, store, file.asset, path, month, metadata)
            reported.append(path)
    for asset, path in DOCUMENT_FILES.items():
        if instance.get_latest_materialization_event(dg.AssetKey(asset)) is not None:
            continue
        try:
            document = store.read_document(path)
        except BadInputError as error:
            damaged.append(str(error))
            continue
        if document is not None:
            _report(instance, store, asset, path, None, {})
            reported.append(path)
    return Reconciled(sorted(reported), sorted(damaged))


def _report(
    instance: dg.DagsterInstance,
    store: Store,
    asset: str,
    path: str,
    month: str | None,
    metadata: dict[str, Any],
) -> None:
    data = store.root.read(path) or b""
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset,
            partition=month,
            description="Found on disk",
            metadata={"path": path, "sha256": sha256_of(data), "size_bytes": len(data), **metadata},
        )
    )
