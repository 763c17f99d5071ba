"""History through the API: commits by branch, path and time, in pages."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response

from cph50_pipeline.simulator.github.asked import Asked
from cph50_pipeline.simulator.github.problems import not_found, unprocessable
from cph50_pipeline.simulator.github.repository import BRANCHES

_USUAL_PAGE = 30
_LARGEST_PAGE = 100


def list_commits(asked: Asked) -> Response:
    """A page of commits, newest first, with the address of the next page."""
    asked.require_commits()
    start = asked.query("sha") or asked.repository.default_branch
    commit = asked.repository.commit(BRANCHES + start) or asked.repository.commit(start)
    if commit is None:
        raise not_found()
    per_page = min(_number(asked, "per_page", _USUAL_PAGE), _LARGEST_PAGE)
    page = _number(asked, "page", 1)
    ids = asked.repository.history(
        commit[0],
        path=asked.query("path"),
        since=_instant(asked, "since"),
        until=_instant(asked, "until"),
        skip=(page - 1) * per_page,
        count=per_page + 1,
    )
    found = [asked.repository.commit(one) for one in ids[:per_page]]
    headers = {"link": f'<{_page_url(asked, page + 1)}>; rel="next"'} if len(ids) > per_page else {}
    return JSONResponse([asked.answers.commit(*one) for one in found if one], headers=headers)


def get_commit(asked: Asked) -> Response:
    """One commit, by its id, the beginning of one, or a branch."""
    asked.require_commits()
    name = asked.parameter("ref")
    found = asked.repository.commit(BRANCHES + name) or asked.repository.commit(name)
    if found is None:
        raise unprocessable(f"No commit found for SHA: {name}")
    return JSONResponse(asked.answers.commit(*found))


def _number(asked: Asked, name: str, usual: int) -> int:
    given = asked.query(name)
    return int(given) if given is not None and given.isdecimal() and int(given) > 0 else usual


def _instant(asked: Asked, name: str) -> datetime | None:
    given = asked.query(name)
    if given is None:
        return None
    try:
        instant = datetime.fromisoformat(given)
    except ValueError as error:
        raise unprocessable(f"Invalid {name}") from error
    if instant.tzinfo is None:
        raise unprocessable(f"Invalid {name}")
    return instant


def _page_url(asked: Asked, page: int) -> str:
    query = {**asked.request.query_params, "page": str(page)}
    return f"{asked.request.url.replace(query='')}?{urlencode(query)}"
