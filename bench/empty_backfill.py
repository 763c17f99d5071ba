"""`python -m bench.empty_backfill FIRST LAST`: what `cph50 backfill` does, with assets that do nothing."""

from __future__ import annotations

import sys

from bench.empty_location import MONTHLY_JOB, build_empty_months
from cph50_pipeline.defs.instance import has_live_daemon, open_instance
from cph50_pipeline.settings import load_settings

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def main(first: str, last: str) -> None:
    """Run the empty assets for a range of months, in one run, on the household's instance."""
    settings = load_settings()
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    with open_instance(settings) as instance:
        assert not has_live_daemon(instance)
        job = build_empty_months(settings.history_start, settings.timezone).resolve_job_def(MONTHLY_JOB)
        job.execute_in_process(instance=instance, run_config=_QUIET, tags=tags)


if __name__ == "__main__":
    main(*sys.argv[1:])
