"""Running the stand-in for GitHub on loopback, inside this process.

HTTP libraries are imported when a server starts, not when this module is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from cph50_pipeline.simulator.clock import SimulatedClock
from cph50_pipeline.simulator.faults import FaultQueue
from cph50_pipeline.simulator.github.access import Access
from cph50_pipeline.simulator.github.hook import install_hook
from cph50_pipeline.simulator.github.random_faults import RandomFaults
from cph50_pipeline.simulator.github.rate import RateLimits
from cph50_pipeline.simulator.github.repository import BareRepository
from cph50_pipeline.simulator.github.state import AnsweredRequest, Exchange, HubState, Limits
from cph50_pipeline.simulator.serving import LOOPBACK, LoopbackServer, Running
from cph50_pipeline.simulator.state import RequestLog

if TYPE_CHECKING:
    from starlette.types import ASGIApp


class RunningGitHub(Running):
    """A simulated GitHub on loopback, while the `with` block or until `stop()` lasts.

    Its REST API and git over HTTP work on the same bare repositories, `root/OWNER/NAME.git`.

    Args:
        root: The folder of the repositories; what is in it from before is served once it is created again.
        clock: What dates commits that carry none, and counts hours for the rate limit; the wall clock when None.
        port: 0 picks a free one.
    """

    def __init__(
        self, root: Path, *, clock: SimulatedClock | None = None, host: str = LOOPBACK, port: int = 0
    ) -> None:
        own_clock = clock or SimulatedClock()
        self._state = HubState(root=root, clock=own_clock, rates=RateLimits(own_clock))
        self._server = LoopbackServer(self._build_app, "simulated GitHub", host, port)

    @property
    def api_url(self) -> str:
        """The REST API's root, ending in "/": for `CPH50_GITHUB_API_URL`."""
        return f"{self._server.base_url}api/v3/"

    def git_url(self, repository: str) -> str:
        """Where git finds a repository, given as `owner/name`: for `CPH50_GIT_REMOTE`."""
        return f"{self._server.base_url}{repository}.git"

    def git_dir(self, repository: str) -> Path:
        """The bare repository's folder.

        Raises:
            BadInputError: when there is none of this name.
        """
        return self._state.repository(repository).git_dir

    @property
    def faults(self) -> FaultQueue:
        """What goes wrong next."""
        return self._state.faults

    @property
    def requests(self) -> RequestLog[AnsweredRequest]:
        """What was asked and answered so far."""
        return self._state.requests

    @property
    def limits(self) -> Limits:
        """What is taken and given at most; tests make it less."""
        return self._state.limits

    @property
    def on_request(self) -> Callable[[int], None] | None:
        """Called after the n-th request was carried out and before its answer is sent; the first is 1."""
        return self._state.on_request

    @on_request.setter
    def on_request(self, hook: Callable[[int], None] | None) -> None:
        self._state.on_request = hook

    @property
    def on_exchange(self) -> Callable[[Exchange], None] | None:
        """Called with each request to the API and its answer, before that is sent."""
        return self._state.on_exchange

    @on_exchange.setter
    def on_exchange(self, observer: Callable[[Exchange], None] | None) -> None:
        self._state.on_exchange = observer

    def create_repository(self, name: str, branch: str = "main", *, private: bool = True) -> Path:
        """Serve `owner/name`, empty unless its folder was there before, and return its folder."""
        git_dir = self._state.root / f"{name}.git"
        if name in self._state.repositories:
            self._state.repositories[name].close()
        self._state.repositories[name] = BareRepository(name, git_dir, default_branch=branch, private=private)
        install_hook(git_dir)
        return git_dir

    def add_token(
        self, token: str, scopes: Collection[str] = ("repo",), repositories: Collection[str] | None = None
    ) -> None:
        """Let a token in.

        Args:
            scopes: As `Access` names them.
            repositories: As `owner/name`; None for all.
        """
        seen = None if repositories is None else frozenset(repositories)
        self._state.tokens[token] = Access(frozenset(scopes), seen)

    def revoke_token(self, token: str) -> None:
        """Refuse a token from now on."""
        self._state.tokens.pop(token, None)

    def protect(self, repository: str, branch: str) -> None:
        """Refuse every change of a branch, over both ways.

        Raises:
            BadInputError: for an unknown repository.
        """
        found = self._state.repository(repository)
        found.protected |= {branch}

    def rename_branch(self, repository: str, old: str, new: str) -> None:
        """Call a branch otherwise.

        Raises:
            BadInputError: for an unknown repository.
            PermanentError: when the repository has no such branch.
        """
        self._state.repository(repository).rename_branch(old, new)

    def rate_limit(self, requests_per_hour: int) -> None:
        """Let each token have so many requests to the API an hour."""
        self._state.rates.limit = requests_per_hour

    def fault_rate(self, share: float, seed: int = 0, *, retry_after_seconds: int = 1) -> None:
        """Let a share of all requests meet a fault of a random kind; 0 ends it.

        Args:
            share: From 0 to 1.
            retry_after_seconds: How long limits ask to wait.
        """
        faults = RandomFaults(share, seed, retry_after_seconds) if share else None
        self._state.random_faults = faults

    def stop(self) -> None:
        """Cut what is running and free the port."""
        super().stop()
        for repository in self._state.repositories.values():
            repository.close()

    def _build_app(self) -> ASGIApp:
        from cph50_pipeline.simulator.github.app import build_app

        return build_app(self._state)
