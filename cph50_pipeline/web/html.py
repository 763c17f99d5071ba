"""From a template to what a browser is sent: pages that are never kept, and what they load, which is kept for ever."""

from __future__ import annotations

import gzip
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi import Path as FromPath

from cph50_pipeline.errors import NotFoundError
from cph50_pipeline.pages.links import ASSETS, Page, ServedLinks, assets_version
from cph50_pipeline.pages.rendering import render
from cph50_pipeline.pages.static_files import MEDIA_TYPES, static_file, static_names
from cph50_pipeline.web.context import Context
from cph50_pipeline.web.people import person_of, sign_in_path

router = APIRouter(include_in_schema=False)

_LEAST_PACKED_BYTES = 1000
_QUICK = 5
_KEPT = "public, max-age=31536000, immutable"


def html_page(
    request: Request, template: str, page: Page | None = None, *, status: int = 200, **values: object
) -> Response:
    """A page as the person who asks for it sees it.

    Args:
        template: Its name, without the endings.
        page: Which of the pages it is, for the menu.
        values: What the template names, besides `links`, `zone`, `person`, `sign_in` and `served_at`.
    """
    context: Context = request.app.state.context
    text = render(
        template,
        links=ServedLinks(),
        zone=context.settings.timezone,
        page=page,
        person=person_of(request),
        sign_in=sign_in_path(request),
        served_at=context.clock(),
        **values,
    )
    return of_the_moment(request, text, "text/html", status)


def of_the_moment(request: Request, text: str, media_type: str, status: int = 200) -> Response:
    """What is never kept, and may be another for who signed in; packed for those who take that."""
    data, headers = text.encode(), {"Cache-Control": "no-store", "Vary": "Accept-Encoding, Cookie"}
    if _takes_packed(request) and len(data) >= _LEAST_PACKED_BYTES:
        data, headers["Content-Encoding"] = gzip.compress(data, _QUICK), "gzip"
    return Response(data, status, headers, media_type=media_type)


@router.get("/favicon.ico")
async def icon() -> Response:
    """What browsers ask for by themselves, for what is no page of ours."""
    return Response(
        static_file("icon.svg"), headers={"Cache-Control": "no-cache"}, media_type=MEDIA_TYPES[".svg"]
    )


@router.get(f"/{ASSETS}/{{version}}/{{name}}")
async def asset(
    request: Request,
    version: str,
    name: Annotated[str, FromPath(pattern=r"^[a-z0-9_-]+\.(css|js|svg)$")],
) -> Response:
    """A style, script or picture; in the folder that pages name it is always the same."""
    if name not in static_names():
        raise NotFoundError(f"There is no {ASSETS}/{name}")
    headers = {
        "Cache-Control": _KEPT if version == assets_version() else "no-cache",
        "Vary": "Accept-Encoding",
    }
    data = static_file(name)
    if _takes_packed(request):
        data, headers["Content-Encoding"] = _packed(name), "gzip"
    return Response(data, headers=headers, media_type=MEDIA_TYPES[PurePosixPath(name).suffix])


@lru_cache(maxsize=64)
def _packed(name: str) -> bytes:
    return gzip.compress(static_file(name), mtime=0)


def _takes_packed(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")
