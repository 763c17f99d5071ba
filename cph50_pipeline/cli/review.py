"""`cph50 vehicles review`: what a person should look at now, made from what is stored; nothing is written."""

from __future__ import annotations

from typing import Annotated

import typer

from cph50_pipeline.cli import output
from cph50_pipeline.cli.options import AsJson
from cph50_pipeline.settings import load_settings


def review(
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="Show so many sessions and groups; `--json` shows all.")
    ] = 20,
    as_json: AsJson = False,
) -> None:
    """List what to look at, what helps most first: labels that may be slips, cars that moved, sessions like no car."""
    from cph50_pipeline.defs.reviewing import report_unclassified
    from cph50_pipeline.defs.store import Store

    settings = load_settings()
    output.show_review(report_unclassified(Store.of(settings)), settings.zone, limit, as_json)
