"""The pages as files: what GitHub Pages shows of the household, and any web server from any subpath."""

import dagster as dg

from cph50_pipeline.defs.assets.common import GROUP_SITE, OWNERS, Materialized
from cph50_pipeline.defs.failures import as_dagster_failure
from cph50_pipeline.defs.reviewing import report_months
from cph50_pipeline.defs.store import Store
from cph50_pipeline.settings import Settings


def build_site_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """The site. It has no months of its own: each run makes it anew from all that is stored."""

    @dg.asset(
        group_name=GROUP_SITE,
        kinds={"html"},
        owners=OWNERS,
        code_version="1",
        deps=["session_cache", "charging_energy", "vehicle_classifications", "power_files"],
        description="The pages as files under site/: the dashboard, the history by month and year, the power.",
    )
    def site(context: dg.AssetExecutionContext, store: dg.ResourceParam[Store]) -> Materialized:
        from cph50_pipeline.defs.site_files import site_files

        with as_dagster_failure():
            store.hold_months(report_months(store))  # no other run changes a month while it is read
            files = site_files(store, settings.power_interval_seconds)
        size_bytes = sum(len(data) for data in files.values())
        return dg.MaterializeResult(value=files, metadata={"files": len(files), "size_bytes": size_bytes})

    return [site]
