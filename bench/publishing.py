"""Publishing a month that changed after years of others, and many runs at once.

A month is published to repositories of ten years and of one in turns, with answers that take as long as those of a
GitHub that is near, and with answers at once. Each household has a data root of its own, and a token, by which GitHub
counts requests. Many runs are pushed in turns with git by hand, the same commits each time:
before each turn the remote branch is set back, and what the pipeline's clone knows of it.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from bench.github_server import GitHubServer, github_server
from bench.homes import ended_months, git
from bench.published import PATIENT, PublishedHousehold, charging_history, copy_recent
from bench.row import Effort, Row
from bench.timing import Compared, cpu_seconds, take_turns
from cph50_pipeline.defs.publishing import publisher_of
from cph50_pipeline.defs.store import Store
from cph50_pipeline.settings import PublishMode
from cph50_pipeline.storage.messages import RunInfo

BUDGET_AGAINST_YEAR = 1.2
BUDGET_AGAINST_GIT = 1.5
MONTHS, MONTHS_OF_YEAR = 120, 12
ANSWER_SECONDS = 0.1
"""How long GitHub takes for an answer, the way there and back included; hardly ever less."""
WAITING_RUNS = 300
BRANCH = "refs/heads/main"
TRACKED = "refs/remotes/origin/main"


def measure_requests(effort: Effort) -> Row:
    """Requests to GitHub's API for a month that changed, in ten years against in one."""
    found = _measured(effort)
    return Row(
        "publish_requests", found.long_requests / found.short_requests, BUDGET_AGAINST_YEAR, "x",
        "a repository with a year",
        f"{found.long_requests} requests with {found.long_files} files there, {found.short_requests} with "
        f"{found.short_files}; all five files of the month changed",
    )  # fmt: skip


def measure_time(effort: Effort) -> Row:
    """Time of the same."""
    found = _measured(effort)
    return Row(
        "publish_time", found.far_github.ratio, BUDGET_AGAINST_YEAR, "x", "a repository with a year",
        f"{found.far_github.describe()} where an answer takes {ANSWER_SECONDS} s, by push {found.far_push.ratio:.2f} x "
        f"({found.far_push.describe()}); with answers at once {_described(found.github, found.github_cpu)}, "
        f"by push {_described(found.push, found.push_cpu)}",
    )  # fmt: skip


def _described(times: Compared, cpu: Compared) -> str:
    return f"{times.ratio:.2f} x ({times.describe()}), CPU {cpu.ratio:.2f} x ({cpu.describe()})"


def measure_backlog(effort: Effort) -> Row:
    """Uploading many runs at once, against `git push` of the same commits."""
    with _households(MONTHS_OF_YEAR) as (data, server):
        backlog = _Backlog.commit_runs(_begun(data, PublishMode.PUSH, server, "runs"))
        compared = take_turns(effort.times(9, 3), backlog.seconds_of_upload, backlog.seconds_of_git)
    return Row(
        "publish_backlog", compared.ratio, BUDGET_AGAINST_GIT, "x", "git push of the same commits by hand",
        f"{compared.describe()}; {WAITING_RUNS} runs, a commit each",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Measured:
    """A month published in ten years ("long") and in one ("short").

    Attributes:
        long_requests: To GitHub's API.
        long_files: How many published files there are.
        github: Seconds through GitHub's API.
        push: Seconds by `git push`, the commit included.
        far_github: Seconds through GitHub's API where an answer takes its time.
        far_push: Seconds by `git push` there.
        github_cpu: CPU seconds through GitHub's API, its own left out.
        push_cpu: CPU seconds by `git push`, the remote's left out.
    """

    long_requests: int
    short_requests: int
    long_files: int
    short_files: int
    github: Compared
    push: Compared
    far_github: Compared
    far_push: Compared
    github_cpu: Compared
    push_cpu: Compared


@cache
def _measured(effort: Effort) -> _Measured:
    with _households(MONTHS) as (data, server):
        long, short = (
            _both_ways(data, server, name, months)
            for name, months in (("long", MONTHS), ("short", MONTHS_OF_YEAR))
        )
        for household in (*long, *short):
            household.seconds_of_a_month()  # what is read once is read now
        times = effort.times(15, 5)
        (github, push), (short_github, short_push) = long, short
        with server.far_away(ANSWER_SECONDS):
            far_github = _compared(times, github, short_github, time.perf_counter)
            far_push = _compared(times, push, short_push, time.perf_counter)
        return _Measured(
            _requests_of_a_month(github),
            _requests_of_a_month(short_github),
            _files(github.data),
            _files(short_github.data),
            _compared(times, github, short_github, time.perf_counter),
            _compared(times, push, short_push, time.perf_counter),
            far_github,
            far_push,
            _compared(times, github, short_github, cpu_seconds),
            _compared(times, push, short_push, cpu_seconds),
        )


def _compared(
    times: int, ours: PublishedHousehold, theirs: PublishedHousehold, clock: Callable[[], float]
) -> Compared:
    return take_turns(times, lambda: ours.seconds_of_a_month(clock), lambda: theirs.seconds_of_a_month(clock))


@contextmanager
def _households(months: int) -> Iterator[tuple[Path, GitHubServer]]:
    """A data root with so many months, and a server with a repository and a token for each household to come."""
    names = ("long-github", "long-push", "short-github", "short-push", "runs")
    with (
        charging_history(months) as data,
        tempfile.TemporaryDirectory(prefix="cph50-bench-") as folder,
        github_server(Path(folder), names, [_repository(name) for name in names]) as server,
    ):
        yield data, server


def _both_ways(
    data: Path, server: GitHubServer, name: str, months: int
) -> tuple[PublishedHousehold, PublishedHousehold]:
    """The last months of a history, published: one household by GitHub's API, one by `git push`."""
    roots = [data.parent / f"{name}-{mode}" for mode in (PublishMode.GITHUB, PublishMode.PUSH)]
    for root in roots:
        copy_recent(data, root, months)
    by_push = _begun(roots[1], PublishMode.PUSH, server, f"{name}-push")
    by_api = _household(roots[0], PublishMode.GITHUB, server, f"{name}-github")
    by_api.take_repository(by_push)  # the API's limits would make the first publication of years last
    by_api.publish("begin", PATIENT)
    return by_api, by_push


def _begun(data: Path, mode: PublishMode, server: GitHubServer, name: str) -> PublishedHousehold:
    household = _household(data, mode, server, name)
    household.publish("begin", PATIENT)
    return household


def _household(data: Path, mode: PublishMode, server: GitHubServer, name: str) -> PublishedHousehold:
    return PublishedHousehold(data, mode, server, _repository(name), token=name)


def _repository(name: str) -> str:
    return f"household/{name}"


def _requests_of_a_month(household: PublishedHousehold) -> int:
    before = household.requests()
    household.seconds_of_a_month()
    return household.requests() - before


def _files(data: Path) -> int:
    return sum(path.is_file() for path in data.rglob("*") if "private" not in path.relative_to(data).parts)


@dataclass(frozen=True, slots=True)
class _Backlog:
    """Commits that wait in the pipeline's clone.

    Attributes:
        pushed: Where the remote branch stands before they are uploaded.
        waiting: The last of them.
    """

    household: PublishedHousehold
    pushed: str
    waiting: str

    @classmethod
    def commit_runs(cls, household: PublishedHousehold) -> _Backlog:
        """Let many runs each leave a session of their own."""
        store = Store.of(household.settings)
        pushed = git(_clone(household), "rev-parse", BRANCH)
        sessions = sorted((household.data / "sessions").rglob("*.json"))
        month = ended_months(1)[1]
        publisher = publisher_of(household.settings, store)
        for number in range(WAITING_RUNS):
            copied = json.loads(sessions[number % len(sessions)].read_bytes())
            day = number % 28 + 1
            path = f"sessions/{month.replace('-', '/')}/{day:02d}/9{number:06d}.json"
            store.write_document(path, copied | {"session_id": f"9{number:06d}"})
            publisher.commit(RunInfo(f"run-{number}", "session_job"), datetime.now(UTC))
        return cls(household, pushed, git(_clone(household), "rev-parse", BRANCH))

    def seconds_of_upload(self) -> float:
        """As the pipeline does it.

        Raises:
            RuntimeError: something else was uploaded.
        """
        self._set_back()
        started = time.perf_counter()
        uploaded = publisher_of(self.household.settings, Store.of(self.household.settings)).upload(
            RunInfo("upload", "bench"), datetime.now(UTC), PATIENT
        )
        seconds = time.perf_counter() - started
        if uploaded is None or uploaded.commits != WAITING_RUNS:
            raise RuntimeError(f"Not what waited was uploaded, but {uploaded}")
        return seconds

    def seconds_of_git(self) -> float:
        """As a person would do it."""
        self._set_back()
        server, name = self.household.server, self.household.repository
        url = server.git_url(name).replace("://", f"://person:{self.household.token}@", 1)
        started = time.perf_counter()
        git(_clone(self.household), "push", "--quiet", url, f"{self.waiting}:{BRANCH}")
        return time.perf_counter() - started

    def _set_back(self) -> None:
        remote = self.household.server.git_dir(self.household.repository)
        git(remote, "update-ref", BRANCH, self.pushed)
        git(_clone(self.household), "update-ref", TRACKED, self.pushed)


def _clone(household: PublishedHousehold) -> Path:
    return household.data / "private" / "publication.git"
