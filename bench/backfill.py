"""A backfill of a year: its time, the requests it makes, and what a second one changes."""

from __future__ import annotations

import sys

from bench.homes import ended_months, scratch_home, sessions_of
from bench.row import Effort, Row
from bench.timing import seconds_of, take_turns

MONTHS = 12
ALLOWED_SECONDS = 5.0
ALLOWED_FACTOR = 2.0
REQUESTS_PER_SESSION = 1.1


def measure_time(effort: Effort) -> Row:
    """Every charging asset of 12 months in one run, on a fresh data root each time."""
    compared = take_turns(effort.times(5, 3), _seconds_of_ours, _seconds_of_empty)
    return Row(
        "backfill",
        compared.our_median,
        ALLOWED_FACTOR * compared.their_median + ALLOWED_SECONDS,
        "s",
        "2 x an empty run of as many assets, and 5 s",
        f"{compared.describe()}; {compared.ratio:.2f} x the empty run",
    )


def measure_requests(effort: Effort) -> Row:
    """Requests to ChargePoint for each session of 12 months, login and discovery included."""
    with scratch_home(MONTHS) as home:
        home.cph50(*home.backfill(MONTHS))
        counts = home.simulator.requests.counts()
        sessions = sessions_of(home, MONTHS)
    asked = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    per_session = counts.total() / sessions
    return Row(
        "requests", per_session, REQUESTS_PER_SESSION, "per session", "one a session",
        f"{counts.total()} requests for {sessions} sessions: {asked}",
    )  # fmt: skip


def measure_unchanged(effort: Effort) -> Row:
    """Files and commits that a second backfill of the same months makes."""
    with scratch_home(MONTHS) as home:
        home.cph50(*home.backfill(MONTHS))
        files, commits = home.contents(), home.commits()
        home.cph50(*home.backfill(MONTHS), "--refresh-closed")
        files_after, commits_after = home.contents(), home.commits()
    changed = [path for path, _ in set(files.items()) ^ set(files_after.items())]
    made = commits_after - commits
    detail = f"{made} commits and {len(changed)} changed of {len(files)} files"
    return Row("unchanged", made + len(changed), 0, "changes", "nothing", detail)


def _seconds_of_ours() -> float:
    with scratch_home(MONTHS) as home:
        return home.seconds_of_cph50(*home.backfill(MONTHS))


def _seconds_of_empty() -> float:
    with scratch_home(MONTHS) as home:
        return seconds_of(_empty_command(), home.environment, home.folder)


def _empty_command() -> list[str]:
    return [sys.executable, "-m", "bench.empty_backfill", *ended_months(MONTHS)]
