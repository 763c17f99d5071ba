"""The long answer about a repository itself."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from cph50_pipeline.simulator.github.asked import Asked


def repository_answer(asked: Asked) -> Response:
    """What the repository is, and what the token may do with it."""
    repository = asked.repository
    writes = asked.access.may_write(repository.name, private=repository.private)
    return JSONResponse(
        {
            "full_name": repository.name,
            "private": repository.private,
            "default_branch": repository.default_branch,
            "permissions": {"admin": False, "push": writes, "pull": True},
        }
    )
