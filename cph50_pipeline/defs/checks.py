"""Asset checks: the rules that every file obeyed when it was written, asked again of what is on disk now.

A check covers the months of its run and lists those that offend. The rules are in `charging.rules`.
"""

from collections.abc import Sequence

import dagster as dg

from cph50_pipeline.charging.rules import Violation
from cph50_pipeline.defs.month_files import MONTH_FILES, MonthFile
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import Cph50Error

_SHOWN = 20


def build_checks(partitions: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """For each monthly asset: the file is whole, and it obeys the rules."""
    return [_check(file, partitions) for file in MONTH_FILES.values()]


def _check(file: MonthFile, partitions: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=f"{file.asset}_checks",
        specs=[
            dg.AssetCheckSpec(name, asset=file.asset, description=description, partitions_def=partitions)
            for name, description in _NAMES.items()
        ],
    )
    def check(context: dg.AssetCheckExecutionContext, store: dg.ResourceParam[Store]):  # type: ignore[no-untyped-def]
        damaged, broken = inspect_months(file, context.partition_keys, store)
        yield _result("readable", file, damaged)
        yield _result("rules", file, broken)

    return check


_NAMES = {
    "readable": "The month's file exists, parses and has the right schema.",
    "rules": "Energy conserved, ids unique, sessions inside their month.",
}


def inspect_months(
    file: MonthFile, months: Sequence[str], store: Store
) -> tuple[list[Violation], list[Violation]]:
    """What cannot be read, and which rules are broken, in the files of these months."""
    damaged: list[Violation] = []
    broken: list[Violation] = []
    for month in months:
        try:
            value = store.need_month(file, month)
            broken += file.violations(month, value, None, store)
        except Cph50Error as error:
            damaged.append(Violation("readable", month, file.path(month), str(error)))
    return damaged, broken


def _result(name: str, file: MonthFile, violations: Sequence[Violation]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=file.asset,
        passed=not violations,
        description="; ".join(v.message for v in violations[:3]) or None,
        metadata={
            "months": sorted({v.month for v in violations}),
            "violations": [f"{v.month} {v.subject}: {v.message}" for v in violations[:_SHOWN]],
        },
    )
