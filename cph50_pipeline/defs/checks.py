"""Asset checks: the rules that every file obeyed when it was written, asked again of what is on disk now.

A check covers the months of its run and those that offended when it was last asked, so that no failure is forgotten
before it is healed; started by itself from the UI, it covers every stored month. It lists the months that offend. The
rules are in `charging.rules`; here they are only grouped into the questions that people ask.
"""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from cph50_pipeline.charging.rules import Violation
from cph50_pipeline.defs.jobs import REBUILD_TAG
from cph50_pipeline.defs.month_files import MONTH_FILES, MonthFile
from cph50_pipeline.defs.partitions import months_of_run
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import Cph50Error

SCHEMA_VALID = "schema_valid"
NO_SESSION_LOST = "no_session_lost"
CHECKS: Mapping[str, tuple[str, frozenset[str]]] = {
    SCHEMA_VALID: ("The month's file exists, parses and has its schema.", frozenset({SCHEMA_VALID})),
    "ids_unique": (
        "No session, reading or slot stands twice.",
        frozenset({"unique_ids", "unique_readings", "unique_slots"}),
    ),
    "sessions_in_their_month": (
        "Every session starts in this local month, and its times are in order.",
        frozenset({"inside_month", "known_session", "in_order", "on_the_quarter_hour"}),
    ),
    "energy_conserved": (
        "Answers, samples, slots and cache agree on each session's energy and cost.",
        frozenset({"energy_conserved", "cost_conserved", "no_negative_energy", "coverage_is_a_share"}),
    ),
    NO_SESSION_LOST: (
        "No session is missing against the answers, or against the materialization before.",
        frozenset({"none_lost"}),
    ),
}


def build_checks() -> list[dg.AssetChecksDefinition]:
    """The same five questions of each monthly asset."""
    return [_checks_of(file) for file in MONTH_FILES.values()]


def _checks_of(file: MonthFile) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=f"{file.asset}_checks",
        specs=[
            dg.AssetCheckSpec(name, asset=file.asset, description=description)
            for name, (description, _) in CHECKS.items()
        ],
    )
    def checks(
        context: dg.AssetCheckExecutionContext, store: dg.ResourceParam[Store]
    ) -> Iterator[dg.AssetCheckResult]:
        months = _months_to_ask(file, context, store)
        found = [*inspect_months(file, months, store), *_shrunk(file, months, context.instance)]
        for name, (_, rules) in CHECKS.items():
            yield _result(name, file, [violation for violation in found if violation.rule in rules])

    return checks


def _months_to_ask(file: MonthFile, context: dg.AssetCheckExecutionContext, store: Store) -> list[str]:
    of_run = months_of_run(context.run.tags)
    if not of_run:
        return store.stored_months(file)
    return sorted({*of_run, *_offenders(file, context.instance)})


def _offenders(file: MonthFile, instance: dg.DagsterInstance) -> set[str]:
    """The months that any of the file's checks named when it was last asked."""
    months: set[str] = set()
    for name in CHECKS:
        key = dg.AssetCheckKey(dg.AssetKey(file.asset), name)
        evaluated = (
            record.event.dagster_event.asset_check_evaluation_data
            # The newest record is what this run plans, the one before is what was found last.
            for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=3)
            if record.event
            and record.event.dagster_event
            and record.event.dagster_event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
        )
        newest = next(evaluated, None)
        named = newest.metadata.get("months") if newest else None
        if named is not None and isinstance(named.value, list):
            months.update(str(month) for month in named.value)
    return months


def inspect_months(file: MonthFile, months: Sequence[str], store: Store) -> list[Violation]:
    """What is wrong with the files of these months as they lie on disk."""
    found: list[Violation] = []
    for month in months:
        try:
            found += file.violations(month, store.need_month(file, month), None, store)
        except Cph50Error as error:
            found.append(Violation(SCHEMA_VALID, month, file.path(month), str(error)))
    return found


def _shrunk(file: MonthFile, months: Sequence[str], instance: dg.DagsterInstance) -> list[Violation]:
    """Months whose newest materialization counts fewer sessions than the one before.

    `cph50 rebuild` moves sessions to other months on purpose: its runs may count fewer.
    """
    found = []
    for month in months:
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(file.asset), asset_partitions=[month]), limit=2
        ).records
        counts = [_sessions(record) for record in records]
        if len(counts) != 2 or counts[0] is None or counts[1] is None:
            continue
        if counts[0] < counts[1] and not _is_of_a_rebuild(records[0], instance):
            what = f"{month}: {file.asset} counts {counts[0]} sessions, {counts[1]} the time before"
            found.append(Violation("none_lost", month, file.path(month), what))
    return found


def _is_of_a_rebuild(record: dg.EventLogRecord, instance: dg.DagsterInstance) -> bool:
    run = instance.get_run_by_id(record.run_id)
    return run is not None and REBUILD_TAG in run.tags


def _sessions(record: dg.EventLogRecord) -> int | None:
    materialization = record.asset_materialization
    value = materialization.metadata.get("sessions") if materialization else None
    return value.value if isinstance(value, dg.IntMetadataValue) else None


def _result(name: str, file: MonthFile, violations: Sequence[Violation]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=file.asset,
        passed=not violations,
        description="; ".join(violation.message for violation in violations[:3]) or None,
        metadata={
            "months": sorted({violation.month for violation in violations}),
            "violations": [violation.message for violation in violations[:20]],
        }
        if violations
        else {},
    )
