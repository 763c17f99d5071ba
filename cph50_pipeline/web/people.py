"""People who signed in: a session in a cookie that no script can read, and what shows that a form is one of ours.

A session is the API token's holder's, on one browser: an id in a cookie, signed; see `browser_sessions`.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.pages.links import ServedLinks
from cph50_pipeline.web.access import Access, client_of
from cph50_pipeline.web.browser_sessions import SESSION_DAYS, SESSION_SECONDS
from cph50_pipeline.web.context import Household
from cph50_pipeline.web.problems import ProblemError

if TYPE_CHECKING:
    from itsdangerous import URLSafeTimedSerializer

_FORM = "application/x-www-form-urlencoded"
_MAX_FIELDS = 100
_SIGN_IN = "/sign-in"
_FORMS = "/forms/"
_CACHE_FORMS = "/forms/refresh"
_log = logging.getLogger(__name__)

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signed in.

    Attributes:
        session_id: Of the session.
        csrf: What each of this session's forms carries; no other site can know it.
    """

    session_id: str
    csrf: str


def person_of(request: Request) -> Person | None:
    """Who asks; None for somebody who did not sign in, or whose session ended."""
    from itsdangerous import BadData

    access: Access = request.app.state.access
    value = request.cookies.get(access.sessions.cookie)
    if value is None:
        return None
    try:
        digest = access.token_digest
        key = None if digest is None else access.sessions.key(digest)
        if key is None:
            return None
        session_id = str(_serializer(key).loads(value, max_age=SESSION_SECONDS))
        return None if access.sessions.has_ended(session_id) else Person(session_id, _csrf(key, session_id))
    except BadData:
        return None
    except Cph50Error as error:
        _log.warning("Nobody is signed in: %s", error)
        return None


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


@router.get(_SIGN_IN)
def sign_in_page(request: Request, next: str = "/") -> Response:
    """Where a person gives the token."""
    return _sign_in_page(request, _own_path(next))


@router.post(_SIGN_IN)
async def sign_in(request: Request, context: Household) -> Response:
    """Begin a session, with the token."""
    fields, access = await _fields(request), request.app.state.access
    target = _own_path(fields.get("next", "/"))
    try:
        access.check(fields.get("token", "").strip() or None, client_of(request))
    except ProblemError as problem:
        said = f"{problem.detail}. {problem.remedy or ''}".strip()
        return _sign_in_page(request, target, said, problem.status)
    key = await run_in_threadpool(access.sessions.begin, access.token_digest)
    answer = RedirectResponse(target, 303)
    answer.set_cookie(
        access.sessions.cookie,
        _serializer(key).dumps(secrets.token_urlsafe(16)),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure="https" in (request.url.scheme, context.settings.api_url.scheme),
    )
    return answer


@router.get("/sign-out")
def sign_out_address() -> Response:
    """Who comes by the address alone, which changes nothing, is led home."""
    return RedirectResponse("/", 303)


@router.post("/sign-out")
def sign_out(request: Request, form: SignedForm) -> Response:
    """End this browser's session."""
    access: Access = request.app.state.access
    person = person_of(request)
    if person is not None:
        access.sessions.end(person.session_id, time.time())
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(access.sessions.cookie, httponly=True, samesite="strict")
    return answer


def sign_in_path(request: Request) -> str:
    """Where to sign in, to come back to this page, or to the one that a form stands on."""
    path = request.url.path
    if path == _SIGN_IN:
        target = _own_path(request.query_params.get("next", "/"))
    elif path.startswith(_FORMS):
        target = ServedLinks().page("caches" if path == _CACHE_FORMS else "label")
    elif request.method == "GET":
        target = f"{path}?{request.url.query}" if request.url.query else path
    else:
        target = "/"
    return f"{_SIGN_IN}?{urlencode({'next': target})}"


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
