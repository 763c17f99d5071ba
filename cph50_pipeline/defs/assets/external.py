"""What Dagster should show though no run makes it: files edited by hand, state files, the published repository."""

from __future__ import annotations

import dagster as dg

from cph50_pipeline.defs.assets.common import GROUP_STATE, GROUP_VEHICLES
from cph50_pipeline.settings import Settings

VEHICLE_LABELS = dg.AssetKey("vehicle_labels")
LAST_SESSION = dg.AssetKey("last_session")
LAST_SESSION_ID = dg.AssetKey("last_session_id")
PUBLICATION = dg.AssetKey("publication")
LATEST_VALUES = dg.AssetKey("latest_values")
CACHES = dg.AssetKey("caches")


def build_external_assets(settings: Settings) -> list[dg.AssetSpec]:
    """Assets that are reported, not materialized."""
    return [
        dg.AssetSpec(
            VEHICLE_LABELS,
            group_name=GROUP_VEHICLES,
            kinds={"json"},
            description="session_vehicle_map.json: which car it was, said by a person.",
        ),
        dg.AssetSpec(
            LAST_SESSION,
            group_name=GROUP_STATE,
            kinds={"json"},
            description="last_session.json: the charger now, written by the charger sensor.",
        ),
        dg.AssetSpec(
            LAST_SESSION_ID,
            group_name=GROUP_STATE,
            kinds={"json"},
            description=".last_session_id.json: the session last seen, written by the charger sensor.",
        ),
        dg.AssetSpec(
            LATEST_VALUES,
            group_name=GROUP_STATE,
            kinds={"sql"},
            description="The latest value of every sensor of every device, in the live table; read by the API.",
            metadata={"read_api": dg.MetadataValue.url(f"{settings.api_url}")},
        ),
        dg.AssetSpec(
            PUBLICATION,
            deps=["session_cache"],
            group_name="publishing",
            kinds={"git"},
            description="The git commit that holds what the last run wrote.",
        ),
        dg.AssetSpec(
            CACHES,
            deps=["session_cache", "power_files", "vehicle_digest", "site"],
            group_name=GROUP_STATE,
            kinds={"json", "parquet"},
            description="Everything that is built of what is stored. Its check says whether all of it is valid.",
        ),
    ]
