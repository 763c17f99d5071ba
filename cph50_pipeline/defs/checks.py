"""Asset checks: the rules that every file obeyed when it was written, asked again of what is on disk now.

A check covers the months of its run and those that offended when it was last asked, so that no failure is forgotten
before it is healed; started by itself from the UI, it covers every stored month. It lists the months that offend. The
rules are in `charging.rules` and `power.rules`; here they are only grouped into the questions that people ask.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from cph50_pipeline.charging.rules import Violation
from cph50_pipeline.civil_time import month_bounds, shift_month
from cph50_pipeline.defs.jobs import REBUILD_TAG, RETENTION_TAG
from cph50_pipeline.defs.month_files import EVENTS, MONTH_FILES, ROLLUPS, WINDOWS, MonthFile
from cph50_pipeline.defs.partitions import months_of_run
from cph50_pipeline.defs.reading_files import read_file, reading_months, reading_paths
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError, Cph50Error
from cph50_pipeline.power.rules import window_sum_violations

Questions = Mapping[str, tuple[str, frozenset[str]]]
"""By the name of the check: what it says, and the rules that it groups."""

SCHEMA_VALID = "schema_valid"
SESSION_QUESTIONS: Questions = {
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
    "no_session_lost": (
        "No session is missing against the answers, or against the materialization before.",
        frozenset({"none_lost"}),
    ),
}
_POWER_QUESTIONS: Questions = {
    SCHEMA_VALID: ("The month's file exists, parses and has its schema.", frozenset({SCHEMA_VALID})),
    "files_readable": ("Every file of the month's readings can be read.", frozenset({SCHEMA_VALID})),
    "rows_unique": ("No bucket, window or event stands twice.", frozenset({"unique_buckets"})),
    "rows_in_their_month": (
        "What stands in the month's file belongs to this local month, and its times are in order.",
        frozenset({"inside_month", "in_order"}),
    ),
    "coverage_is_a_share": ("Coverage lies between 0 and 1.", frozenset({"coverage_is_a_share"})),
    "energy_conserved": (
        "Each meter's energy is the same by 5 minutes, hour and day.",
        frozenset({"energy_conserved"}),
    ),
    "windows_add_up": (
        "The energy of each 30 days is that of their days, as they are rolled up now.",
        frozenset({"windows_add_up"}),
    ),
    "no_reading_lost": (
        "No month holds fewer readings than at the materialization before, unless they were thinned.",
        frozenset({"none_lost"}),
    ),
}
_MONTHS_OF_30_DAYS = 3


@dataclass(frozen=True)
class Inspection:
    """How the months of one asset are inspected.

    Attributes:
        asset: Its key.
        questions: That are asked of it, each of them one check.
        stored_months: The months that have a file of it, sorted.
        violations: What is wrong with a month as it lies on disk; a file that cannot be read is raised as an error.
        counted: What its materializations count, by the name of the metadata; None where fewer are no loss.
    """

    asset: str
    questions: Questions
    stored_months: Callable[[Store], list[str]]
    violations: Callable[[Store, str], list[Violation]]
    counted: str | None = None


def build_checks() -> list[dg.AssetChecksDefinition]:
    """The questions that are asked of each monthly asset."""
    return [_checks_of(inspection) for inspection in INSPECTIONS.values()]


def _checks_of(inspection: Inspection) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=f"{inspection.asset}_checks",
        specs=[
            dg.AssetCheckSpec(name, asset=inspection.asset, description=description)
            for name, (description, _) in inspection.questions.items()
        ],
    )
    def checks(
        context: dg.AssetCheckExecutionContext, store: dg.ResourceParam[Store]
    ) -> Iterator[dg.AssetCheckResult]:
        months = _months_to_ask(inspection, context, store)
        found = [*inspect_months(inspection, months, store), *_shrunk(inspection, months, context.instance)]
        for name, (_, rules) in inspection.questions.items():
            yield _result(
                name, inspection.asset, [violation for violation in found if violation.rule in rules]
            )

    return checks


def _months_to_ask(inspection: Inspection, context: dg.AssetCheckExecutionContext, store: Store) -> list[str]:
    of_run = months_of_run(context.run.tags)
    if not of_run:
        return inspection.stored_months(store)
    return sorted({*of_run, *_offenders(inspection, context.instance)})


def _offenders(inspection: Inspection, instance: dg.DagsterInstance) -> set[str]:
    """The months that any of the asset's checks named when it was last asked."""
    months: set[str] = set()
    for name in inspection.questions:
        key = dg.AssetCheckKey(dg.AssetKey(inspection.asset), name)
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


def inspect_months(inspection: Inspection, months: Sequence[str], store: Store) -> list[Violation]:
    """What is wrong with the files of these months as they lie on disk."""
    found: list[Violation] = []
    for month in months:
        try:
            found += inspection.violations(store, month)
        except Cph50Error as error:
            found.append(Violation(SCHEMA_VALID, month, inspection.asset, str(error)))
    return found


def _of_file(
    file: MonthFile, questions: Questions, further: Callable[[Store, str], list[Violation]] | None = None
) -> Inspection:
    """An asset with a file a month, whose own rules are asked, and what concerns other files besides."""

    def violations(store: Store, month: str) -> list[Violation]:
        broken = file.violations(month, store.need_month(file, month), None, store)
        return broken if further is None else [*broken, *further(store, month)]

    counted = "sessions" if file.asset in MONTH_FILES else None
    return Inspection(file.asset, questions, lambda store: store.stored_months(file), violations, counted)


def _reading_violations(store: Store, month: str) -> list[Violation]:
    """Each file that cannot be read, and the readings of other months."""
    bounds, found = month_bounds(month, store.zone), []
    for path in reading_paths(store, month):
        try:
            readings = read_file(store, path)
        except BadInputError as error:
            found.append(Violation(SCHEMA_VALID, month, path, str(error)))
            continue
        if outside := len(readings) - len(readings.between(*bounds)):
            what = f"{path}: {outside} reading(s) of another month"
            found.append(Violation("inside_month", month, path, what))
    return found


def _window_sums(store: Store, month: str) -> list[Violation]:
    months = [shift_month(month, -back) for back in range(_MONTHS_OF_30_DAYS)]
    rollups = [table for of in months if (table := store.read_month(ROLLUPS, of)) is not None]
    return window_sum_violations(month, store.need_month(WINDOWS, month), rollups)


def _power(*names: str) -> Questions:
    return {name: _POWER_QUESTIONS[name] for name in names}


INSPECTIONS: Mapping[str, Inspection] = {
    inspection.asset: inspection
    for inspection in (
        *(_of_file(file, SESSION_QUESTIONS) for file in MONTH_FILES.values()),
        Inspection(
            "power_readings",
            _power("files_readable", "rows_in_their_month", "no_reading_lost"),
            reading_months,
            _reading_violations,
            "readings",
        ),
        _of_file(
            ROLLUPS,
            _power(
                SCHEMA_VALID,
                "rows_unique",
                "rows_in_their_month",
                "coverage_is_a_share",
                "energy_conserved",
            ),
        ),
        _of_file(EVENTS, _power(SCHEMA_VALID, "rows_unique", "rows_in_their_month")),
        _of_file(
            WINDOWS,
            _power(
                SCHEMA_VALID,
                "rows_unique",
                "rows_in_their_month",
                "coverage_is_a_share",
                "windows_add_up",
            ),
            _window_sums,
        ),
    )
}
"""By asset."""


def _shrunk(inspection: Inspection, months: Sequence[str], instance: dg.DagsterInstance) -> list[Violation]:
    """Months whose newest materialization counts less than the one before.

    `cph50 rebuild` moves sessions and readings to other months on purpose, and readings of long ago may be thinned:
    such runs may count fewer.
    """
    found = []
    for month in months if inspection.counted else ():
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(inspection.asset), asset_partitions=[month]), limit=2
        ).records
        counts = [_count(record, inspection.counted) for record in records]
        if len(counts) != 2 or counts[0] is None or counts[1] is None:
            continue
        if counts[0] < counts[1] and not _may_shrink(records[0], instance):
            counted = f"counts {counts[0]} {inspection.counted}, {counts[1]} the time before"
            what = f"{month}: {inspection.asset} {counted}"
            found.append(Violation("none_lost", month, inspection.asset, what))
    return found


def _may_shrink(record: dg.EventLogRecord, instance: dg.DagsterInstance) -> bool:
    run = instance.get_run_by_id(record.run_id)
    return run is not None and not run.tags.keys().isdisjoint((REBUILD_TAG, RETENTION_TAG))


def _count(record: dg.EventLogRecord, counted: str | None) -> int | None:
    materialization = record.asset_materialization
    value = materialization.metadata.get(counted or "") if materialization else None
    return value.value if isinstance(value, dg.IntMetadataValue) else None


def _result(name: str, asset: str, violations: Sequence[Violation]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=asset,
        passed=not violations,
        description="; ".join(violation.message for violation in violations[:3]) or None,
        metadata={
            "months": sorted({violation.month for violation in violations}),
            "violations": [violation.message for violation in violations[:20]],
        }
        if violations
        else {},
    )
