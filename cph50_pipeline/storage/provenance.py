"""Whether the data root comes from a commit: then what the commit holds is nobody else's."""

from __future__ import annotations

from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.storage.git import Git


def is_checkout_of(git: Git, commit: str) -> bool:
    """Whether the data root is checked out from a commit, or from one that came after it.

    Args:
        git: Git in the data root.
        commit: The whole id.
    """
    try:
        if git.ask("rev-parse", "--show-prefix").text:  # the repository is one around the data root
            return False
        return git.ask("merge-base", "--is-ancestor", commit, "HEAD").code == 0
    except Cph50Error:  # without git there is no checkout
        return False
