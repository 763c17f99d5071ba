"""Reports over all months: the sessions without a car, and the digest of the vehicles."""

import dagster as dg

from cph50_pipeline.defs.assets.common import GROUP_REPORTS, OWNERS, Materialized
from cph50_pipeline.defs.document_files import (
    DIGEST_CSV,
    DIGEST_HTML,
    DIGEST_JSON,
    UNCLASSIFIED_CSV,
    UNCLASSIFIED_JSON,
)
from cph50_pipeline.defs.failures import as_dagster_failure
from cph50_pipeline.defs.reviewing import digest_vehicles, report_months, report_unclassified
from cph50_pipeline.defs.store import Store
from cph50_pipeline.reports.digest import digest_csv, digest_html, periods_markdown, vehicles_markdown
from cph50_pipeline.reports.unclassified import (
    counts_markdown,
    groups_markdown,
    queue_markdown,
    unclassified_csv,
)

REPORT_SOURCES = ["session_samples", "vehicle_classifications", "vehicle_classifier", "session_cache"]


def build_report_assets() -> list[dg.AssetsDefinition]:
    """The reports. They have no months of their own: each run makes them anew from all that is stored."""

    @dg.asset(
        group_name=GROUP_REPORTS,
        kinds={"json", "csv"},
        owners=OWNERS,
        code_version="1",
        deps=REPORT_SOURCES,
        description="What a person should look at, groups of sessions to label, and how many have no car, by month.",
    )
    def unclassified_sessions(
        context: dg.AssetExecutionContext, store: dg.ResourceParam[Store]
    ) -> Materialized:
        with as_dagster_failure():
            store.hold_months(report_months(store))  # no other run changes a month while it is read
            report = report_unclassified(store)
        return dg.MaterializeResult(
            value={
                UNCLASSIFIED_JSON: report.model_dump(mode="json"),
                UNCLASSIFIED_CSV: unclassified_csv(report),
            },
            metadata={
                "to_review": len(report.queue),
                "queue": dg.MetadataValue.md(queue_markdown(report, store.zone)),
                "groups": dg.MetadataValue.md(groups_markdown(report)),
                "by_month": dg.MetadataValue.md(counts_markdown(report)),
            },
        )

    @dg.asset(
        group_name=GROUP_REPORTS,
        kinds={"json", "csv", "html"},
        owners=OWNERS,
        code_version="1",
        deps=REPORT_SOURCES,
        description="Sessions, energy, cost and miles of each car, by week and by month, and where it charges now.",
    )
    def vehicle_digest(context: dg.AssetExecutionContext, store: dg.ResourceParam[Store]) -> Materialized:
        with as_dagster_failure():
            store.hold_months(report_months(store))
            found = digest_vehicles(store)
        return dg.MaterializeResult(
            value={
                DIGEST_JSON: found.model_dump(mode="json"),
                DIGEST_CSV: digest_csv(found),
                DIGEST_HTML: digest_html(found),
            },
            metadata={
                "sessions": found.total.sessions,
                "energy_kwh": found.total.energy_kwh,
                "vehicles": dg.MetadataValue.md(vehicles_markdown(found)),
                "by_week": dg.MetadataValue.md(periods_markdown(found.weeks, found.vehicles)),
                "by_month": dg.MetadataValue.md(periods_markdown(found.months, found.vehicles)),
            },
        )

    return [unclassified_sessions, vehicle_digest]
