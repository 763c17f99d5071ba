"""Where the data root comes from: what is published of the commit that it was checked out from is nobody else's."""

from __future__ import annotations

from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.storage.git import Git


def checked_out(git: Git) -> str | None:
    """The commit that the data root is checked out from; None when it is no checkout.

    Args:
        git: Git in the data root.
    """
    try:
        answer = git.ask("rev-parse", "--show-prefix", "HEAD")
    except Cph50Error:  # without git there is no checkout
        return None
    prefix, _, commit = answer.text.partition("\n")
    return (
        commit if answer.code == 0 and not prefix else None
    )  # a repository around the data root is not its own
