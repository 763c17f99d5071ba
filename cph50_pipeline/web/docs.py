"""The API described, made by the server from its OpenAPI: no script, no network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from cph50_pipeline.web.context import Household
from cph50_pipeline.web.html import html_page

router = APIRouter(include_in_schema=False)
_STARTS = (
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


@router.get("/docs")
def docs(request: Request, context: Household) -> Response:
    """The API, route by route, from its OpenAPI."""
    return html_page(
        request,
        "docs",
        title="The API",
        routes=_routes(request.app.openapi()),
        starts=_STARTS,
        dagster_url=str(context.settings.dagster_url),
    )


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
