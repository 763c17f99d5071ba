"""The IO manager: one for all assets, JSON or Parquet as the asset's file says, one month or many at a time.

It validates before it swaps, writes atomically and deterministically, and says what it wrote. A missing upstream
file is one permanent failure that names the month and the command that heals it. Which files an asset has is in
`month_files` and `document_files`; reading and writing is in `store`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from cph50_pipeline.defs.document_files import DOCUMENT_FILES, FOLDERS, dump_documents
from cph50_pipeline.defs.failures import as_dagster_failure
from cph50_pipeline.defs.month_files import MONTH_FILES, POWER_FILES, MonthFile
from cph50_pipeline.defs.store import Store
from cph50_pipeline.storage.files import Written

_FILES = {**MONTH_FILES, **POWER_FILES}


class HouseholdFiles(dg.IOManager):
    """Writes `{month: value}` to a file a month, and `{path: document}` of an asset without months to its files."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Validate and write what an asset returned: `{month: value}`, or `{path: document}`."""
        asset = context.asset_key.path[-1]
        with as_dagster_failure():
            if asset in DOCUMENT_FILES:
                files = self.store.write_files(dump_documents(asset, obj))
                if asset in FOLDERS:
                    self.store.remove_others(FOLDERS[asset], {written.path for written in files})
                context.add_output_metadata(files_metadata(files))
                return
            file = _FILES[asset]
            values = _by_month(obj, context)
            for month, written in self.store.write_months(file, values).items():
                context.step_context.add_asset_metadata(
                    {**_file_metadata(written), "dagster/row_count": file.rows(values[month])},
                    partition_key=month,
                )
            context.add_output_metadata({"dagster/column_schema": column_schema(file)})

    def load_input(self, context: dg.InputContext) -> Any:
        """What an asset asked for: `{month: value}`, `{path: document}`, or one pandas frame when annotated so."""
        asset = context.asset_key.path[-1]
        with as_dagster_failure():
            if asset in DOCUMENT_FILES:
                return {
                    file.path: file.parse(data, file.path)
                    for file in DOCUMENT_FILES[asset]
                    if (data := self.store.root.read(file.path)) is not None
                }
            file = _FILES[asset]
            months = sorted(context.asset_partition_keys)
            self.store.hold(file, months)
            if _wants_frame(context):
                return self.store.read_frame(file, months)
            return {month: self.store.need_month(file, month) for month in months}


def build_io_manager() -> dg.IOManagerDefinition:
    """The IO manager on the run's own store."""

    @dg.io_manager(
        required_resource_keys={"store"}, description="JSON and Parquet files, validated and atomic."
    )
    def household_files(context: dg.InitResourceContext) -> HouseholdFiles:
        return HouseholdFiles(context.resources.store)

    return household_files


def column_schema(file: MonthFile) -> dg.TableSchema:
    """The columns of a month's file, as the Dagster UI shows them."""
    return dg.TableSchema(columns=[dg.TableColumn(name, kind) for name, kind in file.columns().items()])


def files_metadata(files: Iterable[Written]) -> dict[str, Any]:
    """The files of an asset without months, as the Dagster UI shows them; there may be none."""
    records = [dg.TableRecord(_file_metadata(written)) for written in files]
    changed = any(record.data["changed"] for record in records)
    return {"changed": changed, **({"files": dg.MetadataValue.table(records)} if records else {})}


def _by_month(obj: Any, context: dg.OutputContext) -> Mapping[str, Any]:
    months = set(context.asset_partition_keys)
    if not isinstance(obj, Mapping) or set(obj) != months:
        raise dg.DagsterInvariantViolationError(
            f"{context.asset_key.to_user_string()} must return a value for each of {sorted(months)}"
        )
    return obj


def _file_metadata(written: Written) -> dict[str, Any]:
    return {
        "path": written.path,
        "sha256": written.sha256,
        "size_bytes": written.size_bytes,
        "changed": written.changed,
    }


def _wants_frame(context: dg.InputContext) -> bool:
    wanted = context.dagster_type.typing_type
    return (
        getattr(wanted, "__module__", "").startswith("pandas")
        and getattr(wanted, "__name__", "") == "DataFrame"
    )
