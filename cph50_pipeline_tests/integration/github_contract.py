"""Holds what goes to and from the stand-in for GitHub against GitHub's own description of its API.

`github_openapi.json` is a slice of that description; `tools/slice_github_openapi.py` makes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from openapi_schema_validator import OAS30Validator

from cph50_pipeline.simulator.clock import SimulatedClock
from cph50_pipeline.simulator.github import RunningGitHub
from cph50_pipeline.simulator.github.state import Exchange

DESCRIPTION = json.loads(Path(__file__).with_name("github_openapi.json").read_text("utf-8"))
_BASIC_ERROR = {"$ref": "#/components/schemas/basic-error"}
_REFUSED = (400, 422)
_SEGMENTS = {"path": ".*", "ref": ".+"}

Part = Mapping[str, Any]


class Contract:
    """Collects what contradicts the description."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.checked = 0

    def check(self, exchange: Exchange) -> None:
        """Hold one request, if it was accepted, and its answer against the description."""
        operation = _operation(exchange.method, exchange.path)
        if operation is None:
            if exchange.status not in (404, None):
                self._object(exchange, "GitHub has no such route")
            return
        self.checked += 1
        if exchange.status not in _REFUSED:
            for error in _request_errors(operation, exchange):
                self._object(exchange, f"request: {error}")
        for error in _answer_errors(operation, exchange):
            self._object(exchange, f"answer: {error}")

    def _object(self, exchange: Exchange, complaint: str) -> None:
        self.violations.append(f"{exchange.method} {exchange.path} -> {exchange.status}: {complaint}")


@contextmanager
def checked_github(root: Path, clock: SimulatedClock | None = None) -> Iterator[RunningGitHub]:
    """A stand-in whose every exchange is checked; at the end, what contradicts the description is raised."""
    contract = Contract()
    with RunningGitHub(root, clock=clock) as hub:
        hub.on_exchange = contract.check
        yield hub
    if contract.violations:
        raise AssertionError("\n".join(contract.violations))


def _request_errors(operation: Part, exchange: Exchange) -> Iterator[str]:
    known = {one["name"]: one for one in map(_resolved, operation.get("parameters", []))}
    for name, value in parse_qsl(exchange.query, keep_blank_values=True):
        if known.get(name, {}).get("in") != "query":
            yield f"no parameter {name}"
        else:
            yield from _complaints(known[name]["schema"], _typed(known[name]["schema"], value))
    described = operation.get("requestBody")
    if described is not None:
        schema = described["content"]["application/json"]["schema"]
        yield from _complaints(schema, json.loads(exchange.request_body))


def _answer_errors(operation: Part, exchange: Exchange) -> Iterator[str]:
    is_json = exchange.content_type.startswith("application/json")
    if exchange.status is None or not is_json:
        return
    try:
        answer = json.loads(exchange.answer_body)
    except ValueError:
        return  # damaged on demand
    schema = _answer_schema(operation, exchange.status)
    if schema is None:
        yield "undescribed status"
    else:
        yield from _complaints(schema, answer)
    if exchange.status >= 400 and "message" not in answer:
        yield "an error without a message"


def _answer_schema(operation: Part, status: int) -> Part | None:
    """What an answer of this status looks like; refusals may come to any request."""
    if str(status) not in operation["responses"]:
        return _BASIC_ERROR if status >= 400 else None
    content = _resolved(operation["responses"][str(status)]).get("content", {})
    schema: Part = content.get("application/json", {}).get("schema", _BASIC_ERROR)
    return schema


def _complaints(schema: Part, value: object) -> list[str]:
    errors = _validator(json.dumps(schema, sort_keys=True)).iter_errors(value)
    return [f"{error.json_path}: {error.message[:200]}" for error in errors]


@cache
def _validator(schema: str) -> OAS30Validator:
    whole = {**json.loads(schema), "components": DESCRIPTION["components"]}
    return OAS30Validator(whole, format_checker=OAS30Validator.FORMAT_CHECKER)


def _operation(method: str, path: str) -> Part | None:
    """The described operation; the route with the fewest variables wins, as `git/refs` does over `{path}`."""
    for pattern, methods in _routes():
        if method.lower() in methods and pattern.fullmatch(path):
            found: Part = methods[method.lower()]
            return found
    return None


@cache
def _routes() -> list[tuple[re.Pattern[str], Part]]:
    by_variables = sorted(DESCRIPTION["paths"].items(), key=lambda item: item[0].count("{"))
    return [(re.compile(_pattern(path)), methods) for path, methods in by_variables]


def _pattern(path: str) -> str:
    """Paths and references hold slashes, and the path of the uppermost folder is empty."""
    return re.sub(r"\{(\w+)\}", lambda found: _SEGMENTS.get(found[1], "[^/]+"), path)


def _resolved(part: Part) -> Part:
    reference = part.get("$ref")
    if reference is None:
        return part
    _, _, kind, name = reference.split("/")
    found: Part = DESCRIPTION["components"][kind][name]
    return found


def _typed(schema: Part, text: str) -> object:
    return int(text) if schema.get("type") == "integer" and text.isdecimal() else text
