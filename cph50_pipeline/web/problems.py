"""Errors as answers: RFC 9457 problem documents, the same shape for whatever goes wrong."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from cph50_pipeline.errors import BadInputError, Cph50Error, NotFoundError, TransientError
from cph50_pipeline.pages.links import Page

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

PROBLEM_JSON = "application/problem+json"
RETRY_SECONDS = 5
_MAX_SHOWN = 200


class ProblemError(Exception):
    """An answer that says what is wrong.

    Args:
        status: HTTP's status code.
        detail: One line for a person.
        kept: What is still good.
        remedy: What to do.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        kept: str = "",
        remedy: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.detail = detail
        self.kept = kept
        self.remedy = remedy
        self.headers = dict(headers or {})
        super().__init__(detail)

    @classmethod
    def of(cls, error: Cph50Error, status: int | None = None) -> ProblemError:
        """An error of ours as an answer.

        Args:
            status: Instead of the one that its kind has: 404, 422, or 503 for what may pass or somebody has to mend.
        """
        wait = error.retry_after_seconds if isinstance(error, TransientError) else None
        code = status or _status_of(error)
        headers = {"Retry-After": str(math.ceil(wait or RETRY_SECONDS))} if code == 503 else {}
        return cls(code, error.message, kept=error.kept, remedy=error.remedy, headers=headers)

    def document(self) -> dict[str, Any]:
        """The answer's body; what is empty is left out."""
        said = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "kept": self.kept,
            "remedy": self.remedy,
        }
        return {name: value for name, value in said.items() if value != ""}

    def body(self) -> bytes:
        """The document as bytes."""
        return json.dumps(self.document(), ensure_ascii=False).encode()


class Problem(BaseModel):
    """What went wrong, by RFC 9457."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Not Found",
                "status": 404,
                "detail": "There is no session 1234567890",
            }
        }
    )

    type: str = Field(description="Always about:blank: the status says of which kind it is")
    title: str = Field(description="The status in words")
    status: int = Field(description="The HTTP status", ge=400, le=599)
    detail: str = Field(description="What happened, one line")
    kept: str | None = Field(default=None, description="What is still good")
    remedy: str | None = Field(default=None, description="What to do")


_ASK_NO_PERSON = 'Bearer realm="cph50"'
"""For a page that listens and says itself that one has to sign in: by "Basic" the browser opens its own dialog."""
_MEANINGS = {
    400: "The request cannot be read",
    401: "The token is missing or wrong",
    403: "No token is set up, or a page of another site asks",
    404: "There is no such thing",
    405: "The path knows other methods",
    406: "None of the forms asked for can be given",
    409: "It contradicts what is stored",
    413: "The request is too large",
    415: "The body is not JSON",
    422: "A parameter or the body cannot be used",
    429: "Too many requests, or too many wrong tokens",
    431: "The headers are too large",
    500: "A fault of this program",
    501: "Not possible with this set-up",
    502: "The source answered with something else",
    503: "Not possible just now",
    504: "The source did not answer in time",
}
_TITLES = {
    400: "This address is not right",
    401: "Please sign in",
    403: "This is not allowed",
    404: "There is no such page",
    405: "There is no such page",
    422: "This address is not right",
    429: "That was too often",
    503: "This cannot be shown just now",
}
_FAULT = "Something went wrong here"
_REFUSED = "This could not be done"
"""Of a form: its address was right."""
_PLAINLY = {
    "missing": "is missing",
    "extra_forbidden": "means nothing here",
    "string_pattern_mismatch": "is not written as it has to be",
}
"""By pydantic's kind of error: what is wrong with a field, for a person."""
_SECTIONS: tuple[tuple[str, Page, str], ...] = (
    ("/history", "history", "To the history"),
    ("/power", "power", "To the power page"),
    ("/management", "caches", "To the caches"),
    ("/forms/refresh", "caches", "To the caches"),
    ("/label", "label", "To the labels"),
    ("/forms/", "label", "To the labels"),
    ("/", "now", "To the dashboard"),
)
"""By how a path begins: the page that leads on."""
EVERYWHERE = (400, 401, 403, 413, 422, 429, 431, 503)
"""The statuses that any route may answer with."""


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems of a route, for its OpenAPI: these and what any route may answer."""
    return {
        status: {
            "description": _MEANINGS[status],
            "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted({*EVERYWHERE, *statuses})
    }


def answer(problem: ProblemError, request: Request | None = None) -> Response:
    """The problem as a response: a page where a person asked for one, else a document."""
    from fastapi import Response

    if request is not None and _is_for_a_person(request):
        return _told_to_a_person(problem, request)

    headers = {"Cache-Control": "no-store", **problem.headers}
    if request is not None and _is_for_a_script(request):
        headers |= dict.fromkeys(headers.keys() & {"WWW-Authenticate"}, _ASK_NO_PERSON)
    return Response(problem.body(), problem.status, headers, media_type=PROBLEM_JSON)


def answer_with_problems(app: FastAPI) -> None:
    """Let every error of an application be a problem document."""
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException

    async def of_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        return answer(error, request)

    async def of_ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, Cph50Error)
        return answer(ProblemError.of(error), request)

    async def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return answer(ProblemError(error.status_code, str(error.detail), headers=error.headers), request)

    async def of_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        explain = _explain_plainly if _is_for_a_person(request) else _explain
        said = "; ".join(explain(found) for found in error.errors()[:5])
        return answer(ProblemError(422, said), request)

    app.add_exception_handler(ProblemError, of_problem)
    app.add_exception_handler(Cph50Error, of_ours)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_validation)


def _is_for_a_person(request: Request) -> bool:
    is_for_programs = request.url.path.startswith("/api/")
    return not is_for_programs and "text/html" in request.headers.get("accept", "")


def _is_for_a_script(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("accept", "")


def _told_to_a_person(problem: ProblemError, request: Request) -> Response:
    from fastapi.responses import RedirectResponse

    from cph50_pipeline.web.html import html_page
    from cph50_pipeline.web.people import sign_in_path

    if problem.status == 401 and request.method == "GET":
        return RedirectResponse(sign_in_path(request), 303)
    path = request.url.path
    section, words = next((page, words) for begin, page, words in _SECTIONS if path.startswith(begin))
    is_form = request.method != "GET" and problem.status not in (401, 404)
    page = html_page(
        request,
        "notice",
        status=problem.status,
        title=_REFUSED if is_form else _TITLES.get(problem.status, _FAULT),
        said="" if problem.detail == HTTPStatus(problem.status).phrase else problem.detail,
        kept=problem.kept,
        remedy=problem.remedy,
        section=section,
        section_words=words,
    )
    page.headers.update({k: v for k, v in problem.headers.items() if k.lower() != "www-authenticate"})
    return page


def _status_of(error: Cph50Error) -> int:
    if isinstance(error, NotFoundError):
        return 404
    return 422 if isinstance(error, BadInputError) else 503


def _explain_plainly(found: Mapping[str, Any]) -> str:
    message = str(found["msg"]).removeprefix("Value error, ")
    it_should = re.fullmatch(r"(?:Input|String) (should .*)", message)
    said = _PLAINLY.get(found["type"]) or (it_should[1] if it_should else f"is not right: {message}")
    return _cut(f"“{found['loc'][-1]}” {said}")


def _explain(found: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in found["loc"])
    return _cut(f"{place}: {str(found['msg']).removeprefix('Value error, ')}")


def _cut(line: str) -> str:
    return line if len(line) <= _MAX_SHOWN else line[: _MAX_SHOWN - 1] + "…"
