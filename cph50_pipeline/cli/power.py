"""`cph50 power`: the commands about the house's meters. What each does is in its own module."""

from __future__ import annotations

import typer

from cph50_pipeline.cli.power_collect import collect
from cph50_pipeline.cli.power_migrate import migrate
from cph50_pipeline.cli.power_retain import retain

app = typer.Typer(help="The house's meters.", no_args_is_help=True, rich_markup_mode=None)
app.command()(collect)
app.command()(migrate)
app.command()(retain)
