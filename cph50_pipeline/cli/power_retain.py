"""`cph50 power retain`: what the household's wish for old readings comes to, and doing it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from cph50_pipeline.cli import FAILED, output
from cph50_pipeline.cli.options import AsJson
from cph50_pipeline.settings import load_settings


def retain(
    apply: Annotated[bool, typer.Option("--apply", help="Do it; without it nothing is changed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compress or thin old readings as CPH50_POWER_RETENTION says; what they came to stays."""
    from cph50_pipeline.defs.instance import open_instance
    from cph50_pipeline.defs.jobs import RETENTION_JOB
    from cph50_pipeline.defs.launch import Launch, launch
    from cph50_pipeline.defs.retaining import RetentionConfig, plan_retention
    from cph50_pipeline.defs.retention_job import retention_run_config
    from cph50_pipeline.defs.store import Store

    settings = load_settings()
    store, policy = Store.of(settings), RetentionConfig.of(settings)
    planned = plan_retention(store, policy, store.meters(settings.power_interval_seconds), datetime.now(UTC))
    rows = [
        {"month": one.month, "readings": one.readings, "gone": one.gone, "bytes": one.bytes_before}
        for one in planned
    ]
    output.show_table(rows, as_json)
    if not planned:
        output.progress(
            f"Nothing to do: CPH50_POWER_RETENTION is {policy.policy}, after {policy.months} months"
        )
    elif not apply:
        output.progress(f"Nothing was changed. `--apply` does it: {policy.policy}")
    else:
        with open_instance(settings) as instance:
            wanted = Launch(RETENTION_JOB, run_config=retention_run_config(settings))
            outcome = launch(instance, settings, wanted, output.progress)
        for failure in outcome.failures:
            output.progress(failure)
        if not outcome.succeeded:
            raise typer.Exit(FAILED)
