"""The workflows that a data repository on GitHub can have: their texts, and which of them a person has edited.

What they do is in the package's folder `workflows`; when they are written, and where to, is decided by commands.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

FOLDER = ".github/workflows"
PAGES = f"{FOLDER}/cph50-pages.yml"
PIPELINE = f"{FOLDER}/cph50-pipeline.yml"
_FILTER_PLACE, _BRANCH_PLACE = "DATA_BRANCH_FILTER", "DATA_BRANCH"
_FIRST_LINE = "# Written by `cph50 publish --init`, content {}; once edited, it is left alone.\n"
_WRITTEN = re.compile(re.escape(_FIRST_LINE).replace(re.escape("{}"), "(?P<digest>[0-9a-f]{16})"))


@dataclass(frozen=True)
class WorkflowEdits:
    """What is to be changed in a repository.

    Attributes:
        edits: The files to write, by path from the top of the repository.
        kept: The paths of those that a person has edited, and that stay as they are.
    """

    edits: Mapping[str, bytes]
    kept: tuple[str, ...]


def workflow_files(branch: str) -> dict[str, bytes]:
    """The workflows for a data repository, by path from its top.

    Args:
        branch: Of the data; GitHub runs schedules only where it is the repository's default branch.
    """
    return {path: _signed(_template(path), branch) for path in (PAGES, PIPELINE)}


def workflow_edits(
    branch: str, present: Mapping[str, bytes], *, replace_edited: bool = False
) -> WorkflowEdits:
    """What to write so that a repository has these workflows as they are now.

    Args:
        present: The files that are there, by path from the top.
        replace_edited: Also those that a person has edited.
    """
    wanted = {path: text for path, text in workflow_files(branch).items() if present.get(path) != text}
    kept = {path for path in wanted if path in present and _is_edited(present[path])}
    if replace_edited:
        kept = set()
    return WorkflowEdits(
        {path: text for path, text in wanted.items() if path not in kept}, tuple(sorted(kept))
    )


def _template(path: str) -> str:
    resource = files("cph50_pipeline") / "workflows" / path.rpartition("/")[2]
    return resource.read_text(encoding="utf-8")


def _signed(template: str, branch: str) -> bytes:
    as_filter = branch.replace("+", r"\+")  # in a filter of branches it would stand for repetition
    text = template.replace(_FILTER_PLACE, f"'{as_filter}'").replace(_BRANCH_PLACE, f"'{branch}'")
    return f"{_FIRST_LINE.format(_digest(text))}{text}".encode()


def _is_edited(data: bytes) -> bool:
    """Whether a file is not as some version of the command wrote it."""
    text = data.decode("utf-8", errors="replace")
    written = _WRITTEN.match(text)
    return written is None or written["digest"] != _digest(text[written.end() :])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
