"""Households with a history on a simulated GitHub, and the publication of a month that changed there."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.github_server import GitHubServer
from bench.history import add_session_files
from bench.homes import current_month, ended_months, git, scratch_home
from cph50_pipeline.civil_time import shift_month
from cph50_pipeline.defs.month_files import ACTIVITY, CACHE, CLASSIFICATIONS, SAMPLES, SLOTS, MonthFile
from cph50_pipeline.defs.publishing import TOKEN_VARIABLE, publisher_of
from cph50_pipeline.defs.store import Store
from cph50_pipeline.settings import PublishMode, Settings
from cph50_pipeline.storage.atomic import atomic_write
from cph50_pipeline.storage.layout import kind_of
from cph50_pipeline.storage.messages import RunInfo
from cph50_pipeline.storage.publisher import Insistence, Publication

PATIENT = Insistence(seconds=600.0, is_asked_for=True)
BY_ITSELF = Insistence(seconds=600.0)
MONTH_FILES = (ACTIVITY, SAMPLES, SLOTS, CACHE, CLASSIFICATIONS)
_FIGURE = re.compile(rb'("(?:energy_kwh|confidence)": )(\d+\.\d+)')
_STEP = 0.0001


@contextmanager
def charging_history(months: int) -> Iterator[Path]:
    """A data root with so many months of sessions, each sampled, and the current month's beginning."""
    with scratch_home(months) as home:
        home.cph50(*home.backfill(months))
        add_session_files(home)
        shutil.rmtree(home.data / ".git")
        shutil.rmtree(home.data / "private")
        yield home.data


def copy_recent(data: Path, target: Path, months: int) -> None:
    """Copy a data root without what belongs to a month longer ago."""
    first = shift_month(current_month(), -months)
    for path in data.rglob("*"):
        kind = kind_of(name := str(path.relative_to(data)))
        if kind is not None and path.is_file() and ((month := kind.month_of(name)) is None or month >= first):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target / name)


@dataclass
class PublishedHousehold:
    """A data root and its repository on the simulated GitHub.

    Attributes:
        token: Only this household's: GitHub counts requests by token.
        changes: How often its month was changed.
    """

    data: Path
    mode: PublishMode
    server: GitHubServer
    repository: str
    token: str
    changes: int = 0

    @property
    def settings(self) -> Settings:
        """As the household would set them."""
        return Settings(
            data_dir=str(self.data),
            publish=self.mode,
            publish_delay_minutes=0,
            github_repository=self.repository,
            github_api_url=self.server.api_url,
            git_remote=self.server.git_url(self.repository),
            github_token=self.token,
        )

    def publish(self, what: str, insistence: Insistence) -> Publication | None:
        """Do what the end of a run does: look whether anything waits, commit it, upload it."""
        run, now, settings = RunInfo(what, "bench"), datetime.now(UTC), self.settings
        os.environ[TOKEN_VARIABLE] = self.token  # git gets it from there
        store = Store.of(settings)
        publisher = publisher_of(settings, store)
        publisher.waiting(now)
        publisher.commit(run, now)
        return publisher_of(settings, store).upload(run, now, insistence)

    def seconds_of_a_month(self, clock: Callable[[], float] = time.perf_counter) -> float:
        """How long the publication of a month takes whose five files have changed.

        Args:
            clock: Tells seconds, of time or of CPU.

        Raises:
            RuntimeError: something else was published.
        """
        paths = self.change_month()
        started = clock()
        published = self.publish(f"change-{self.changes}", BY_ITSELF)
        seconds = clock() - started
        if published is None or published.files != paths:
            raise RuntimeError(f"Not the month was published, but {published}")
        return seconds

    def change_month(self) -> tuple[str, ...]:
        """Let every figure of the last month that is over be another one; returns the files."""
        self.changes += 1
        month, store = ended_months(1)[1], Store.of(self.settings)
        for file in MONTH_FILES:
            data = _changed(store, file, month)
            atomic_write(self.data / file.path(month), data)
        return tuple(sorted(file.path(month) for file in MONTH_FILES))

    def requests(self) -> int:
        """How many requests to the API GitHub has counted."""
        request = urllib.request.Request(
            f"{self.server.api_url}rate_limit",
            headers={"Authorization": f"Bearer {self.token}", "User-Agent": "bench"},
        )
        with urllib.request.urlopen(request) as answer:
            used: int = json.load(answer)["resources"]["core"]["used"]
        return used

    def take_repository(self, other: PublishedHousehold) -> None:
        """Begin with what another household with the same files has published."""
        here, there = (self.server.git_dir(name) for name in (self.repository, other.repository))
        git(here, "fetch", "--quiet", str(there), "main:main")


def _changed(store: Store, file: MonthFile, month: str) -> bytes:
    value = store.need_month(file, month)
    change = _TABLES.get(file.asset)
    if change is not None:
        return file.dump(change(value))
    return _FIGURE.sub(lambda found: b"%s%.4f" % (found[1], float(found[2]) + _STEP), file.dump(value))


_TABLES: Mapping[str, Callable[[Any], Any]] = {
    SAMPLES.asset: lambda samples: {
        session_id: [replace(one, power_kw=round((one.power_kw or 0.0) + _STEP, 4)) for one in readings]
        for session_id, readings in samples.items()
    },
    SLOTS.asset: lambda slots: [
        replace(slot, energy_kwh=round(slot.energy_kwh + _STEP, 4)) for slot in slots
    ],
}
