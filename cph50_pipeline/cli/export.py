"""`cph50 export`: rows for other programs, in the forms that the read API gives."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cph50_pipeline.cli import output
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import load_settings
from cph50_pipeline.web.forms import Form


class Exported(StrEnum):
    """What can be exported."""

    SESSIONS = "sessions"
    ENERGY = "energy"
    POWER = "power"


def export(
    what: Annotated[Exported, typer.Argument(help="sessions, energy or power")],
    first_day: Annotated[str | None, typer.Option("--from", help="The first day, YYYY-MM-DD.")] = None,
    last_day: Annotated[str | None, typer.Option("--to", help="The last day, YYYY-MM-DD, included.")] = None,
    vehicle: Annotated[str | None, typer.Option(help="One car alone, or `unknown`.")] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Of energy slot, day (unless said), month or year; of power 5min, hour (unless said) or day."
        ),
    ] = None,
    form: Annotated[
        Form | None, typer.Option("--format", help="Unless said what the file is called, else csv.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--output", help="A file, written whole or not at all.")
    ] = None,
) -> None:
    """Write sessions, what each car charged, or what the house's meters said; to the terminal or into a file."""
    from cph50_pipeline.storage.atomic import atomic_write
    from cph50_pipeline.web.exporting import exported

    chosen = form or _form_of(file)
    if chosen is Form.PARQUET and file is None and sys.stdout.isatty():
        raise BadInputError("Parquet is nothing to read", remedy="Say where it goes: --output FILE")
    options = {"from": first_day, "to": last_day, "vehicle": vehicle, "by": by}
    wanted = {option: text for option, text in options.items() if text is not None}
    data = exported(load_settings(), what, wanted, chosen)
    if chosen is Form.JSON:
        data += b"\n"
    if file is None:
        sys.stdout.buffer.write(data)
        return
    atomic_write(file, data)
    output.progress(f"{file}: {len(data)} bytes")


def _form_of(file: Path | None) -> Form:
    """The form that a file's name says.

    Raises:
        BadInputError: it says none that there is.
    """
    if file is None:
        return Form.CSV
    suffix = file.suffix.removeprefix(".").lower()
    if suffix not in set(Form):
        raise BadInputError(
            f"'{file.name}' does not say its form", remedy=f"Say --format {', '.join(Form)}, or name it so"
        )
    return Form(suffix)
