"""`python -m bench [ROW …] [--quick] [--json] [--document]`: measure and print; exit code 1 when a budget is missed."""

from __future__ import annotations

import argparse
import compileall
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from bench import (
    backfill,
    growth,
    history_queries,
    idle,
    imports,
    latest_values,
    live_rounds,
    pages,
    power,
    publishing,
    sessions,
    vehicles,
)
from bench.homes import REPOSITORY
from bench.row import Effort, Measure, Row

ROWS: dict[str, Measure] = {
    "import": imports.measure_import,
    "load": imports.measure_load,
    "backfill": backfill.measure_time,
    "requests": backfill.measure_requests,
    "unchanged": backfill.measure_unchanged,
    "growth": growth.measure,
    "session": sessions.measure,
    "history": sessions.measure_history,
    "idle": idle.measure,
    "vehicles": vehicles.measure,
    "judgement": vehicles.measure_judgement,
    "rollups": power.measure,
    "rollups_minutes": power.measure_minutes,
    "rollups_memory": power.measure_memory,
    "power_day": power.measure_day,
    "publish_requests": publishing.measure_requests,
    "publish_time": publishing.measure_time,
    "publish_backlog": publishing.measure_backlog,
    "latest_value": latest_values.measure,
    "latest_value_direct": latest_values.measure_direct,
    "live_round": live_rounds.measure,
    "history_query": history_queries.measure,
    "page_history": pages.measure_history,
    "page_history_size": pages.measure_history_size,
    "page_power": pages.measure_power,
}


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every budget holds."""
    wanted = _parse(arguments)
    compileall.compile_dir(REPOSITORY / "cph50_pipeline", quiet=1)  # as a user's installation is
    rows = [_measured(name, Effort(wanted.quick, wanted.document)) for name in wanted.rows or ROWS]
    if wanted.json:
        print(json.dumps([asdict(row) | {"ok": row.ok, "share": row.share} for row in rows], indent=2))
    else:
        Console().print(_table(rows))
    return 0 if all(row.ok for row in rows) else 1


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS], metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--json", action="store_true", help="print for a program to read")
    parser.add_argument("--document", action="store_true", help="write the tables of docs/vehicles.md anew")
    return parser.parse_args(arguments)


def _measured(name: str, effort: Effort) -> Row:
    print(f"{name} …", file=sys.stderr, flush=True)
    return ROWS[name](effort)


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("row", "measured", "budget", "used", "", "against", "figures"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(
            row.name,
            f"{row.measured:.2f} {row.unit}",
            f"{row.budget:.2f}",
            f"{row.share:.0%}",
            "ok" if row.ok else "[bold red]missed[/]",
            row.alternative,
            row.detail,
        )
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
