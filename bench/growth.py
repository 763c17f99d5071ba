"""How much a year adds to the data repository: a session a day, and the house's power once a minute.

Each session is collected and completed, and each time committed. Power is made anew by the hour; of that, what changes
by the day causes commits, in the night, as the pages of the site do, and the rest travels with these and with those of
sessions. A year of power lies before the one that is measured, so that the rolling files are full. Published through
GitHub's API, the same is measured in the repository there.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from random import Random
from uuid import UUID

from bench.charging_year import ChargingYear, Moment, moments
from bench.github_server import GitHubServer, github_server
from bench.homes import REPOSITORY, ZONE, current_month, git
from bench.house_power import INTERVAL_SECONDS, ONE_METER, HousePower
from bench.published import BY_ITSELF, PublishedHousehold
from bench.row import Effort, Row
from cph50_pipeline.civil_time import day_start, local_date, month_bounds, month_of, shift_month
from cph50_pipeline.defs.document_files import SITE_FOLDER, dump_documents
from cph50_pipeline.defs.publishing import publisher_of
from cph50_pipeline.defs.reference_files import ensure_reference_files
from cph50_pipeline.defs.run_log import KEPT_RUNS, RUNS_FILE
from cph50_pipeline.defs.site_files import site_files
from cph50_pipeline.defs.store import METERS_FILE, Store
from cph50_pipeline.power.data_points import FILES
from cph50_pipeline.settings import PublishMode, Settings
from cph50_pipeline.simulator.answers import HouseholdAnswers
from cph50_pipeline.simulator.house.house import House
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.plug_ins import LiveHousehold, PlugInBook
from cph50_pipeline.storage.messages import RunInfo

BUDGET_MB = 15.0
DAYS_A_YEAR = SESSIONS_A_YEAR = 365
MONTHS, QUICK_MONTHS = 12, 2
MONTHS_BEFORE = 13
REPOSITORY_NAME, TOKEN = "household/year", "growth"
HOUR = timedelta(hours=1)
NIGHTLY: Mapping[timedelta, tuple[str, ...]] = {
    timedelta(minutes=2): ("daily", "weekly"),
    timedelta(minutes=5): ("daily", "weekly", "monthly"),
    timedelta(minutes=15): FILES,
}
"""What the schedules make of power, by how long after midnight."""
SITE_AFTER = timedelta(hours=2, minutes=30)

PARTS: Mapping[tuple[str, str], str] = {
    ("power/readings/", ".ndjson"): "readings by day",
    ("power/readings/", ".parquet"): "readings by month",
    ("power/rollups/", ""): "rollups",
    ("power/windows/", ""): "windows",
    ("power/events/", ""): "events",
    ("power/daily", ""): "daily",
    ("power/", ".json"): "weekly, monthly, yearly",
    (RUNS_FILE, ""): "list of runs",
    (SITE_FOLDER, ""): "site",
}
CHARGING, GIT = "charging", "git's own"


def measure(effort: Effort) -> Row:
    """The repository after a year, after git's own tidying."""
    months = QUICK_MONTHS if effort.quick else MONTHS
    grown = _grown(months, ONE_METER)
    more = _grown(QUICK_MONTHS, _five_meters())
    with (
        tempfile.TemporaryDirectory(prefix="cph50-bench-") as folder,
        github_server(Path(folder), [TOKEN], [REPOSITORY_NAME]) as server,
    ):
        on_github = _grown(QUICK_MONTHS, ONE_METER, server)
    return Row(
        "growth", grown.mb, BUDGET_MB, "MB a year", "the whole budget",
        f"{grown.describe()}; through GitHub's API {on_github.mb:.2f} ({on_github.describe()}); "
        f"with five meters {more.mb:.2f} ({more.describe()})",
    )  # fmt: skip


def _five_meters() -> Mapping[str, object]:
    example = json.loads((REPOSITORY / "data" / "meters.example.json").read_text())
    meters: dict[str, object] = example["meters"]
    return meters


@dataclass(frozen=True, slots=True)
class _Grown:
    """What was added in some months.

    Attributes:
        parts: MB a year by what they are of.
        figures: What was measured, in words.
    """

    parts: Mapping[str, float]
    figures: str

    @property
    def mb(self) -> float:
        return sum(self.parts.values())

    def describe(self) -> str:
        told = ", ".join(
            f"{name} {mb:.2f}" for name, mb in sorted(self.parts.items(), key=lambda one: -one[1])
        )
        return f"{told}; {self.figures}"


def _grown(months: int, meters: Mapping[str, object], server: GitHubServer | None = None) -> _Grown:
    with tempfile.TemporaryDirectory(prefix="cph50-bench-") as folder:
        data = Path(folder) / "data"
        year = _Year(data, shift_month(current_month(), -months), meters, server)
        git_dir = data / ".git" if server is None else server.git_dir(REPOSITORY_NAME)
        year.begin()
        before = _Repository.of(git_dir)
        year.live(months)
        after = _Repository.of(git_dir)
    sizes = after.grown(before)
    of_day, of_session = DAYS_A_YEAR / year.days, SESSIONS_A_YEAR / year.sessions
    return _Grown(
        {part: size / 1e6 * (of_session if part == CHARGING else of_day) for part, size in sizes.items()},
        f"{sum(sizes.values()) / 1e6:.2f} MB in {year.days} days with {year.sessions} sessions and "
        f"{after.commits - before.commits} commits",
    )


@dataclass(frozen=True, slots=True)
class _Repository:
    """A repository after git's own tidying.

    Attributes:
        parts: Its bytes by what they are of.
    """

    parts: Counter[str]
    commits: int

    @classmethod
    def of(cls, git_dir: Path) -> _Repository:
        """Tidy and look."""
        git(git_dir, "gc", "--quiet")
        paths = dict(
            line.partition(" ")[::2] for line in git(git_dir, "rev-list", "--objects", "--all").splitlines()
        )
        told = git(
            git_dir, "cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objectsize:disk)"
        )
        parts: Counter[str] = Counter()
        for line in told.splitlines():
            id_, size = line.split()
            parts[part_of(paths.get(id_, ""))] += int(size)
        whole = sum(path.stat().st_size for path in git_dir.rglob("*") if path.is_file())
        parts[GIT] += whole - parts.total()  # above all the index of what is in it
        return cls(parts, int(git(git_dir, "rev-list", "--count", "HEAD")))

    def grown(self, before: _Repository) -> dict[str, int]:
        """The bytes that came since, by what they are of: as differences, because git may turn round which version
        it keeps whole and of which it keeps the difference.
        """
        return {part: size - before.parts[part] for part, size in self.parts.items()}


def part_of(path: str) -> str:
    """What a file of the repository is of; folders and commits are git's own."""
    if "." not in path:
        return GIT
    found = (part for (start, end), part in PARTS.items() if path.startswith(start) and path.endswith(end))
    return next(found, CHARGING)


@dataclass
class _Year:
    """A household whose sessions and power are collected as they happen.

    Attributes:
        data: The data root.
        first_month: From which sessions are collected; the power of the time before is there.
        meters: As `meters.json` declares them.
        server: The GitHub that is published to; None: commits stay in the data root.
        days: How many were lived.
    """

    data: Path
    first_month: str
    meters: Mapping[str, object]
    server: GitHubServer | None = None
    days: int = 0
    sessions: int = 0
    runs: deque[dict[str, str]] = field(default_factory=lambda: deque(maxlen=KEPT_RUNS))

    def __post_init__(self) -> None:
        self.start = month_bounds(self.first_month, ZONE)[0]
        begins = month_bounds(shift_month(self.first_month, -MONTHS_BEFORE), ZONE)[0]
        plan = Household(Settings().simulator_seed, ZONE, history_start=local_date(begins, ZONE))
        household = LiveHousehold(plan, PlugInBook())
        self.plan = plan
        self.settings = _settings(self.data, self.server)
        self.store = Store.of(self.settings)
        self.store.write_document(METERS_FILE, {"meters": self.meters})
        ensure_reference_files(self.store)
        config = self.store.meters(INTERVAL_SECONDS)
        self.power = HousePower(self.store, House(household), config, begins)
        self.charging = ChargingYear(self.store, HouseholdAnswers(household))
        self.ids = Random(0)

    def begin(self) -> None:
        """Commit the power of the months before."""
        self.power.run(self.start)
        self._commit("power_job", self.start)

    def live(self, months: int) -> None:
        """Let so many months happen."""
        end = month_bounds(shift_month(self.first_month, months), ZONE)[0]
        sessions = moments(self.plan.sessions_between(self.start, end))
        midnights = [day_start(day, ZONE) for day in _days(self.start, end)]
        self.days, self.sessions = len(midnights), len(sessions) // 2
        runs = {midnight + after: files for midnight in midnights for after, files in NIGHTLY.items()}
        for moment in sessions:  # of the runs by the hour only those before and after a session leave a trace
            hour = moment.at.replace(minute=0, second=0, microsecond=0)
            runs |= {at: FILES for at in (hour, hour + HOUR) if at not in midnights}
        happens: list[tuple[datetime, Moment | Iterable[str] | None]] = [*runs.items()]
        happens += [(moment.at, moment) for moment in sessions]
        happens += [(midnight + SITE_AFTER, None) for midnight in midnights]
        for at, what in sorted(happens, key=itemgetter(0)):
            if isinstance(what, Moment):
                self._session(what)
            elif what is None:
                self._site(at)
            else:
                self._power(at, what)

    def _session(self, moment: Moment) -> None:
        self.charging.write(moment)
        self._commit("session_job", moment.at, f"session {moment.session.session_id}")

    def _power(self, at: datetime, files: Iterable[str]) -> None:
        self.power.run(at, files)
        self._commit("power_job", at)

    def _site(self, at: datetime) -> None:
        self.store.write_files(dump_documents("site", site_files(self.store, INTERVAL_SECONDS)))
        self._commit("site_job", at)

    def _commit(self, job: str, at: datetime, what: str = "") -> None:
        """Commit what causes a commit, as a run does at its end; the list of runs names those before it."""
        self.store.write_document(RUNS_FILE, {"runs": list(self.runs)})
        reason = " ".join(part for part in (job, month_of(at, ZONE), what) if part)
        run = RunInfo(str(UUID(int=self.ids.getrandbits(128), version=4)), job, reason)
        publisher = publisher_of(self.settings, self.store)
        publisher.commit(run, at)
        publisher.upload(run, at, BY_ITSELF)
        if what or at.minute:  # the list leaves out the runs for power by the hour
            self._note(run, at)

    def _note(self, run: RunInfo, at: datetime) -> None:
        utc, local = at.astimezone(UTC), at.astimezone(ZONE)
        self.runs.appendleft(
            {
                "run_id": run.run_id,
                "date": f"{utc:%Y-%m-%d}",
                "time_utc": f"{utc:%H:%M:%S}",
                "time_pt": f"{local:%H:%M:%S}",
                "result": "success",
                "reason": run.reason,
                "run_type": "sensor",
            }
        )


def _settings(data: Path, server: GitHubServer | None) -> Settings:
    if server is None:
        return Settings(data_dir=str(data), publish=PublishMode.LOCAL, publish_delay_minutes=0)
    household = PublishedHousehold(data, PublishMode.GITHUB, server, REPOSITORY_NAME, TOKEN)
    return household.settings


def _days(start: datetime, end: datetime) -> Iterator[date]:
    """The civil days between two midnights."""
    day, last = local_date(start, ZONE), local_date(end, ZONE)
    while day < last:
        yield day
        day += timedelta(days=1)
