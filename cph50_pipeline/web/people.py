"""People who signed in: a session in a cookie that no script can read, and what shows that a form is one of ours.

A session is the API token's holder's, on one browser. Nothing of it is stored: it is signed with the token's hash, so
that another token ends all sessions.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from cph50_pipeline.web.access import Access, client_of
from cph50_pipeline.web.context import Household
from cph50_pipeline.web.problems import ProblemError

if TYPE_CHECKING:
    from itsdangerous import URLSafeTimedSerializer

COOKIE = "cph50_session"
SESSION_DAYS = 30
_SESSION_SECONDS = SESSION_DAYS * 86400
_FORM = "application/x-www-form-urlencoded"
_MAX_FIELDS = 100

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signed in.

    Attributes:
        csrf: What each of this session's forms carries; no other site can know it.
    """

    csrf: str


def person_of(request: Request) -> Person | None:
    """Who asks; None for somebody who did not sign in, or whose session ended."""
    from itsdangerous import BadData

    access: Access = request.app.state.access
    key, value = access.signing_key, request.cookies.get(COOKIE)
    if key is None or value is None:
        return None
    try:
        session_id = _serializer(key).loads(value, max_age=_SESSION_SECONDS)
    except BadData:
        return None
    return Person(_csrf(key, str(session_id)))


async def signed_form(request: Request) -> dict[str, str]:
    """A route's dependency: the fields of a form of ours that somebody sent who signed in.

    Raises:
        ProblemError: 401 for somebody who did not sign in, 403 for a form that is not ours, 415 for none.
    """
    person = person_of(request)
    if person is None:
        raise ProblemError(401, "You are not signed in", kept="Nothing was changed", remedy="Sign in first")
    fields = await _fields(request)
    if not compare_digest(fields.pop("csrf", "").encode(), person.csrf.encode()):
        raise ProblemError(
            403, "The form is of another session", kept="Nothing was changed", remedy="Load the page again"
        )
    return fields


SignedForm = Annotated[dict[str, str], Depends(signed_form)]


@router.get("/sign-in")
def sign_in_page(request: Request, next: str = "/") -> Response:
    """Where a person gives the token."""
    return _sign_in_page(request, _own_path(next))


@router.post("/sign-in")
async def sign_in(request: Request, context: Household) -> Response:
    """Begin a session, with the token."""
    fields, access = await _fields(request), request.app.state.access
    target = _own_path(fields.get("next", "/"))
    try:
        access.check(fields.get("token", "").strip() or None, client_of(request))
    except ProblemError as problem:
        said = f"{problem.detail}. {problem.remedy or ''}".strip()
        return _sign_in_page(request, target, said, problem.status)
    answer = RedirectResponse(target, 303)
    answer.set_cookie(
        COOKIE,
        _serializer(access.signing_key).dumps(secrets.token_urlsafe(16)),
        max_age=_SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure="https" in (request.url.scheme, context.settings.api_url.scheme),
    )
    return answer


@router.post("/sign-out")
async def sign_out(form: SignedForm) -> Response:
    """End this browser's session."""
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def sign_in_path(request: Request) -> str:
    """Where to sign in, to come back to this page."""
    query = f"?{request.url.query}" if request.url.query else ""
    return f"/sign-in?{urlencode({'next': request.url.path + query})}"


def _sign_in_page(request: Request, target: str, wrong: str | None = None, status: int = 200) -> Response:
    from cph50_pipeline.web.html import html_page

    access: Access = request.app.state.access
    return html_page(
        request,
        "sign_in",
        status=status,
        next=target,
        wrong=wrong,
        days=SESSION_DAYS,
        reads_need_it=access.guards_reads,
    )


def _serializer(key: str) -> URLSafeTimedSerializer:
    from itsdangerous import URLSafeTimedSerializer

    return URLSafeTimedSerializer(key, salt="cph50 session")


def _csrf(key: str, session_id: str) -> str:
    from itsdangerous import Signer

    return Signer(key, salt="cph50 form").get_signature(session_id).decode()


async def _fields(request: Request) -> dict[str, str]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise ProblemError(415, "The body is not a form")
    try:
        text = (await request.body()).decode()
        fields: Mapping[str, str] = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    except ValueError as error:
        raise ProblemError(400, "The form cannot be read") from error
    return dict(fields)


def _own_path(target: str) -> str:
    """A path of this server; what would lead elsewhere becomes the dashboard."""
    leads_away = not target.startswith("/") or target.startswith(("//", "/\\"))
    return "/" if leads_away or any(char < " " or char == "\\" for char in target) else target
