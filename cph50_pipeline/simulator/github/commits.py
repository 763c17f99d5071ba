"""Git commits as values: parsed from and written as commit objects."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

_PERSON = re.compile(r"(?P<name>.*?) ?<(?P<email>[^>]*)> (?P<seconds>-?\d+) (?P<offset>[+-]\d{4})")


@dataclass(frozen=True, slots=True)
class Person:
    """Who made a commit, and when.

    Attributes:
        at: Aware, to the second.
    """

    name: str
    email: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CommitContent:
    """What a commit object holds; `tree` and `parents` are ids."""

    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str


def parse_commit(data: bytes) -> CommitContent:
    """What a commit object says. Signatures and other headers are passed over."""
    head, _, message = data.decode(errors="replace").partition("\n\n")
    headers = [line.partition(" ")[::2] for line in head.splitlines() if not line.startswith(" ")]
    by_name = dict(headers)
    return CommitContent(
        tree=by_name["tree"],
        parents=tuple(value for name, value in headers if name == "parent"),
        author=_parse_person(by_name["author"]),
        committer=_parse_person(by_name["committer"]),
        message=message,
    )


def commit_bytes(commit: CommitContent) -> bytes:
    """The commit object."""
    lines = [
        f"tree {commit.tree}",
        *(f"parent {parent}" for parent in commit.parents),
        f"author {_person_line(commit.author)}",
        f"committer {_person_line(commit.committer)}",
    ]
    return ("\n".join(lines) + "\n\n" + commit.message).encode()


def _parse_person(line: str) -> Person:
    found = _PERSON.fullmatch(line)
    if found is None:
        return Person(line, "", datetime.fromtimestamp(0, UTC))
    offset = int(found["offset"])
    minutes = (abs(offset) // 100 * 60 + abs(offset) % 100) * (1 if offset >= 0 else -1)
    zone = timezone(timedelta(minutes=minutes))
    return Person(found["name"], found["email"], datetime.fromtimestamp(int(found["seconds"]), zone))


def _person_line(person: Person) -> str:
    return f"{person.name} <{person.email}> {int(person.at.timestamp())} {person.at:%z}"
