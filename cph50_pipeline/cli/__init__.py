"""The `cph50` command: each command is a few lines around the same jobs and stores that Dagster uses.

Exit codes: 0 done, 1 failed, 2 wrong use. What Dagster imports is imported inside commands, so that `--help` is quick.
"""

from __future__ import annotations

import logging
import sys

from cph50_pipeline.errors import BadInputError, Cph50Error

FAILED = 1
WRONG_USE = 2


def main() -> None:
    """Run the command and exit; errors of ours are one line, not a trace."""
    from cph50_pipeline.cli.commands import app

    logging.getLogger("stamina").setLevel(logging.ERROR)  # a retry is no news; what fails in the end is said
    try:
        app()
    except BadInputError as error:
        print(f"cph50: {error}", file=sys.stderr)
        sys.exit(WRONG_USE)
    except Cph50Error as error:
        print(f"cph50: {error}", file=sys.stderr)
        sys.exit(FAILED)
