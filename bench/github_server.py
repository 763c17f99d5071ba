"""`python -m bench.github_server FOLDER TOKEN REPOSITORY …`: the simulated GitHub as a process of its own.

So that of its work only the answers count with what asks it. Says where it is on one line. Each line of its input says
how many seconds every answer takes from then on, and is said back; with its input it ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.homes import outer_environment
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.simulator.github import RunningGitHub

_REQUESTS_AN_HOUR = 1_000_000


@dataclass(frozen=True, slots=True)
class GitHubServer:
    """A running one.

    Attributes:
        root: Holds the bare repositories.
        url: Its address, ending in "/".
        api_url: Of its REST API, ending in "/".
        process: It.
    """

    root: Path
    url: str
    api_url: str
    process: subprocess.Popen[str]

    @contextmanager
    def far_away(self, seconds: float) -> Iterator[None]:
        """Let every answer take so long, for as long as the block lasts."""
        self._delay(seconds)
        try:
            yield
        finally:
            self._delay(0.0)

    def _delay(self, seconds: float) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(seconds, file=self.process.stdin, flush=True)
        self.process.stdout.readline()

    def git_url(self, repository: str) -> str:
        """Where git finds a repository, given as `owner/name`."""
        return f"{self.url}{repository}.git"

    def git_dir(self, repository: str) -> Path:
        """The bare repository's folder."""
        return self.root / f"{repository}.git"


@contextmanager
def github_server(root: Path, tokens: Sequence[str], repositories: Sequence[str]) -> Iterator[GitHubServer]:
    """The server with empty repositories, which each token may write, for as long as the block lasts.

    Raises:
        RuntimeError: it did not come up.
    """
    command = [sys.executable, "-m", "bench.github_server", str(root), ",".join(tokens), *repositories]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=outer_environment()
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = process.stdout.readline()
        if not said:
            raise RuntimeError("The simulated GitHub did not start")
        try:
            yield GitHubServer(root, **json.loads(said), process=process)
        finally:
            process.stdin.close()


def main(root: str, tokens: str, *repositories: str) -> None:
    """Serve until the input ends."""
    with RunningGitHub(Path(root)) as github:
        for name in repositories:
            github.create_repository(name)
        for token in tokens.split(","):
            github.add_token(token)
        github.rate_limit(_REQUESTS_AN_HOUR)
        print(
            json.dumps({"url": github.git_url("").removesuffix(".git"), "api_url": github.api_url}),
            flush=True,
        )
        for line in sys.stdin:
            github.faults.clear()
            if (seconds := float(line)) > 0:
                github.faults.add(Fault(kind="delay", times=None, delay_seconds=seconds))
            print(seconds, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
