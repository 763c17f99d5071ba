"""One admitted request to the API, with all that its handler needs. Imported only when a server starts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from cph50_pipeline.simulator.github.access import Access
from cph50_pipeline.simulator.github.answers import Answers
from cph50_pipeline.simulator.github.bodies import GivenPerson
from cph50_pipeline.simulator.github.commits import Person
from cph50_pipeline.simulator.github.problems import EMPTY_REPOSITORY, ApiProblem
from cph50_pipeline.simulator.github.repository import BareRepository
from cph50_pipeline.simulator.github.state import Limits

LOGIN = "simulated-user"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to a repository that its token may see, and write if it wants to.

    Attributes:
        now: When it came.
    """

    repository: BareRepository
    access: Access
    limits: Limits
    answers: Answers
    now: datetime
    request: Request
    body: bytes

    def parameter(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def query(self, name: str) -> str | None:
        """A parameter of the query."""
        return self.request.query_params.get(name)

    def require_commits(self) -> None:
        """Raises ApiProblem as long as nothing was ever committed."""
        if self.repository.is_empty:
            raise ApiProblem(409, EMPTY_REPOSITORY)

    def person(self, given: GivenPerson | None) -> Person:
        """Who made a commit: the token's owner unless somebody else is named."""
        if given is None:
            return Person(LOGIN, f"{LOGIN}@users.noreply.github.com", self.now)
        return Person(given.name, given.email, given.date or self.now)
