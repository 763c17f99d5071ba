"""Pages that the server makes, without scripts and without a network: where things are, and the API described."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse

from cph50_pipeline.web.access import require_reader
from cph50_pipeline.web.context import Household

if TYPE_CHECKING:
    from jinja2 import Environment

router = APIRouter(include_in_schema=False)
_TITLE = "cph50_pipeline"
_LINKS = (
    ("/docs", "the API, route by route"),
    ("/api/v1/chargers", "the chargers now"),
    ("/api/v1/devices", "all devices and how old what they said is"),
    ("/api/v1/sessions", "sessions"),
    ("/api/v1/energy?by=month", "energy by month and car"),
    ("/api/v1/power/daily", "the house's power today"),
    ("/api/v1/vehicles", "cars"),
    ("/management/cache/status", "what is built, and whether it is valid"),
    ("/readyz", "whether all of this is fresh"),
    ("/metrics", "for Prometheus"),
)
_METHODS = ("get", "post", "put", "patch", "delete")


@router.get("/", dependencies=[Depends(require_reader)])
async def index(context: Household) -> Response:
    """Where things are."""
    return _page("index.html.j2", title=_TITLE, links=_LINKS, dagster_url=str(context.settings.dagster_url))


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The API, route by route, from its OpenAPI."""
    state = request.app.state
    if not hasattr(state, "docs"):
        routes = [*_routes(request.app.openapi())]
        state.docs = _page("docs.html.j2", title=f"{_TITLE}: the API", routes=routes).body
    return HTMLResponse(state.docs)


@router.get("/assets/style.css")
async def style() -> Response:
    """How pages look."""
    return Response(_style(), headers={"Cache-Control": "max-age=3600"}, media_type="text/css")


def _page(template: str, **values: object) -> HTMLResponse:
    return HTMLResponse(
        _templates().get_template(template).render(values), headers={"Cache-Control": "no-store"}
    )


@lru_cache(maxsize=1)
def _templates() -> Environment:
    """What people named is inert: everything is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("cph50_pipeline.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@lru_cache(maxsize=1)
def _style() -> bytes:
    return resources.files("cph50_pipeline.web").joinpath("templates", "style.css").read_bytes()


def _routes(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path, methods in document["paths"].items():
        for method in (name for name in _METHODS if name in methods):
            route = methods[method]
            yield {
                "anchor": route["operationId"],
                "method": method.upper(),
                "path": path,
                "summary": route.get("description", route.get("summary", "")),
                "needs_token": bool(route.get("security")),
                "parameters": [_parameter(one) for one in route.get("parameters", ())],
                "body": _example(document, route),
                "answers": [_answer(status, one) for status, one in sorted(route["responses"].items())],
            }


def _parameter(given: Mapping[str, Any]) -> dict[str, Any]:
    schema = given["schema"]
    kinds = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    form = kinds[0].get("enum") or kinds[0].get("format") or kinds[0].get("type", "")
    return {
        "name": given["name"],
        "place": given["in"],
        "required": given.get("required", False),
        "form": ", ".join(form) if isinstance(form, list) else form,
        "meaning": given.get("description", schema.get("description", "")),
    }


def _example(document: Mapping[str, Any], route: Mapping[str, Any]) -> str:
    """An example of the body that a route takes; empty where it takes none or shows none."""
    schema = route.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    example = document["components"]["schemas"].get(name, {}).get("example")
    return "" if example is None else json.dumps(example, indent=2)


def _answer(status: str, given: Mapping[str, Any]) -> dict[str, Any]:
    types = ", ".join(sorted(given.get("content", {})))
    return {"status": status, "meaning": given["description"], "types": types}
