"""Options that many commands share."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print for a program to read.")]
Source = Annotated[
    str | None,
    typer.Option("--from", help="Another repository: a folder, an address for git, or owner/name on GitHub."),
]
