"""What requests carry, checked as GitHub checks it."""

from __future__ import annotations

import json
from typing import Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from cph50_pipeline.simulator.github.problems import ApiProblem, unprocessable

BodyT = TypeVar("BodyT", bound="Body")


class Body(BaseModel):
    """A request's JSON object; fields that GitHub does not know are passed over, as it does."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class GivenPerson(Body):
    """Who is said to have made a commit."""

    name: str
    email: str
    date: AwareDatetime | None = None


class NewBlob(Body):
    """A file's content."""

    content: str
    encoding: Literal["utf-8", "base64"] = "utf-8"


class TreeItem(Body):
    """One change to a tree: an object by its id, a new file by its content, or, with a null id, a removal."""

    path: str
    mode: Literal["100644", "100755", "040000", "160000", "120000"]
    type: Literal["blob", "tree", "commit"] | None = None
    sha: str | None = None
    content: str | None = None


class NewTree(Body):
    """Changes to a tree."""

    tree: list[TreeItem]
    base_tree: str | None = None


class NewCommit(Body):
    """A commit to be."""

    message: str
    tree: str
    parents: list[str] = []
    author: GivenPerson | None = None
    committer: GivenPerson | None = None


class NewReference(Body):
    """A branch to be."""

    ref: str
    sha: str


class ReferenceMove(Body):
    """Where a branch shall stand."""

    sha: str
    force: bool = False


class FileWrite(Body):
    """One file, committed at once.

    Attributes:
        content: In base64.
        sha: The id of the content that is replaced.
    """

    message: str
    content: str
    sha: str | None = None
    branch: str | None = None
    author: GivenPerson | None = None
    committer: GivenPerson | None = None


def parse_body(kind: type[BodyT], data: bytes) -> BodyT:
    """The request's body.

    Raises:
        ApiProblem: 400 for what is no JSON, 422 for what lacks something or has it wrong.
    """
    try:
        json.loads(data)
    except ValueError as error:
        raise ApiProblem(400, "Problems parsing JSON") from error
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise unprocessable("Invalid request.\n\n" + "\n".join(map(_complaint, error.errors()))) from error


def _complaint(error: object) -> str:
    assert isinstance(error, dict)
    place = ".".join(str(part) for part in error["loc"])
    return f'"{place}" wasn\'t supplied.' if error["type"] == "missing" else f'"{place}": {error["msg"]}.'
