"""Households that publish to the stand-in for GitHub, by push and through its API, for tests of both ways at once."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from cph50_pipeline.simulator.github import RunningGitHub
from cph50_pipeline.storage.clone import Clone
from cph50_pipeline.storage.github_publisher import GitHubPublisher
from cph50_pipeline.storage.known import Known
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline.storage.messages import RunInfo
from cph50_pipeline.storage.presence import Presence
from cph50_pipeline.storage.publisher import Insistence, Publication, Publisher, Waiting
from cph50_pipeline.storage.push_publisher import PushPublisher
from cph50_pipeline.storage.remote import Remote
from cph50_pipeline.storage.rhythm import parse_rhythm
from cph50_pipeline.storage.selection import LARGEST_BYTES, Selection
from cph50_pipeline_tests.integration import github_branches
from cph50_pipeline_tests.integration.github_branches import AT_ONCE, TOKEN, commit_by_hand
from cph50_pipeline_tests.integration.github_branches import files_at as bytes_at
from cph50_pipeline_tests.integration.households import NOW, OvertakenPresence, write

PUSH, GITHUB = "push", "github"
ZONE = ZoneInfo("America/Los_Angeles")
VARIABLE = "CPH50_GITHUB_TOKEN"
IMMEDIATE = "sessions=0,power=0,reports=0,site=0"
ASKED = Insistence(seconds=20.0, is_asked_for=True)
REPLACING = Insistence(seconds=20.0, is_asked_for=True, may_replace=True)
COMPARING = Insistence(seconds=20.0, is_asked_for=True, compares_all=True)
IMPATIENT = Insistence(seconds=0.2)
AT_A_RUNS_END = Insistence(seconds=20.0)


@dataclass(frozen=True)
class Hub:
    """One repository of the stand-in, as publishers find it."""

    api_url: str
    git_url: str
    repository: str
    git_dir: Path

    @classmethod
    def of(cls, running: RunningGitHub, repository: str) -> Hub:
        """An empty repository of a stand-in."""
        git_dir = running.create_repository(repository)
        running.add_token(TOKEN)
        return cls(running.api_url, running.git_url(repository), repository, git_dir)

    def files(self) -> dict[str, str]:
        """What is published, by path."""
        return {path: data.decode() for path, data in bytes_at(self.git_dir).items()}

    def commits(self) -> int:
        """How many commits the branch has."""
        head = self.git("rev-parse", "--verify", "--quiet", "main", may_fail=True)
        return int(self.git("rev-list", "--count", "main")) if head else 0

    def by_hand(self, files: Mapping[str, str]) -> str:
        """A person's own commit; returns its id."""
        return commit_by_hand(self.git_dir, {path: text.encode() for path, text in files.items()})

    def git(self, *arguments: str, may_fail: bool = False) -> str:
        """What git prints in the repository."""
        return github_branches.git(self.git_dir, *arguments, may_fail=may_fail)


@dataclass
class PublishingHousehold:
    """A data root that is published.

    Attributes:
        rhythm: As it is set; at once when nothing is said.
        runs: How many runs it had.
        told: What the last upload told of others.
        overtaken_by: What another process writes into a state file as soon as that was judged; None: nothing.
    """

    data_root: Path
    hub: Hub
    mode: str
    rhythm: str = IMMEDIATE
    publish_delay_minutes: int | None = None
    largest_bytes: int = LARGEST_BYTES
    own_months: Collection[str] = ()
    runs: int = 0
    told: Sequence[str] = ()
    overtaken_by: str | None = None

    @property
    def locks(self) -> Locks:
        return Locks(self.data_root / "private")

    def publisher(self) -> Publisher:
        """The publisher as a process of its own would make it."""
        selection = Selection(
            self.data_root,
            self.locks,
            self._presence(),
            own_months=self.own_months,
            rhythm=parse_rhythm(self.rhythm),
            largest_bytes=self.largest_bytes,
        )
        if self.mode == GITHUB:
            repository = github_branches.GitHubRepository.of(
                self.hub.api_url, self.hub.repository, "main", TOKEN, AT_ONCE
            )
            return GitHubPublisher(selection, repository, ZONE)
        remote = Remote(self.hub.git_url, "main", VARIABLE)
        return PushPublisher(
            selection, Clone(self.data_root, self.locks.private_dir, remote, self.locks), ZONE
        )

    def _presence(self) -> Presence:
        if self.overtaken_by is None:
            return Presence(self.locks.private_dir, self.publish_delay_minutes)
        return OvertakenPresence(self.locks.private_dir, self.publish_delay_minutes, self.overtaken_by)

    def write(self, files: Mapping[str, str | None]) -> None:
        """Write files as a run does; None removes one."""
        for path, content in files.items():
            if content is None:
                (self.data_root / path).unlink()
            else:
                write(self.data_root, path, content=content)

    def run(self, files: Mapping[str, str | None], after: timedelta = timedelta()) -> None:
        """A run that writes files and commits them, and does not get to upload them."""
        self.write(files)
        self.runs += 1
        self.publisher().commit(self._info(), NOW + after)

    def upload(
        self, after: timedelta = timedelta(), insistence: Insistence = AT_A_RUNS_END
    ) -> Publication | None:
        """Upload what waits, as the last run does at its end."""
        publisher = self.publisher()
        try:
            return publisher.upload(self._info(), NOW + after, insistence)
        finally:
            self.told = publisher.told

    def publish(
        self,
        files: Mapping[str, str | None] | None = None,
        after: timedelta = timedelta(),
        insistence: Insistence = AT_A_RUNS_END,
    ) -> Publication | None:
        """A whole run, or its end alone."""
        self.run(files or {}, after)
        return self.upload(after, insistence)

    def waiting(self, after: timedelta = timedelta()) -> Waiting:
        """What waits."""
        return self.publisher().waiting(NOW + after)

    def known(self) -> Known:
        """What is remembered of publications."""
        return Known.model_validate_json((self.locks.private_dir / "publication.json").read_bytes())

    def here(self, path: str) -> str:
        """A file of the data root."""
        return (self.data_root / path).read_text()

    def _info(self) -> RunInfo:
        return RunInfo(f"run-{self.runs}", "charging_job")


def publish_in_a_process(data_root: str, hub: Hub, mode: str) -> None:
    """The end of a run in a process of its own."""
    os.environ[VARIABLE] = TOKEN
    PublishingHousehold(Path(data_root), hub, mode).publish()
