"""Cut the routes that the pipeline uses out of GitHub's published OpenAPI description.

The description is `generated/api.github.com.json` of the npm package `@octokit/openapi`, 13 MB; the slice is kept
beside the tests that check against it. To renew it:

    npm pack @octokit/openapi && tar xzf octokit-openapi-*.tgz
    python -m cph50_pipeline_tests.tools.slice_github_openapi package/generated/api.github.com.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "integration" / "github_openapi.json"
REPOSITORY = "/repos/{owner}/{repo}"
ROUTES = {
    "/rate_limit": ["get"],
    REPOSITORY: ["get"],
    f"{REPOSITORY}/git/ref/{{ref}}": ["get"],
    f"{REPOSITORY}/git/matching-refs/{{ref}}": ["get"],
    f"{REPOSITORY}/git/refs": ["post"],
    f"{REPOSITORY}/git/refs/{{ref}}": ["patch"],
    f"{REPOSITORY}/git/commits": ["post"],
    f"{REPOSITORY}/git/commits/{{commit_sha}}": ["get"],
    f"{REPOSITORY}/git/trees": ["post"],
    f"{REPOSITORY}/git/trees/{{tree_sha}}": ["get"],
    f"{REPOSITORY}/git/blobs": ["post"],
    f"{REPOSITORY}/git/blobs/{{file_sha}}": ["get"],
    f"{REPOSITORY}/contents/{{path}}": ["get", "put"],
    f"{REPOSITORY}/commits": ["get"],
    f"{REPOSITORY}/commits/{{ref}}": ["get"],
}
BASIC_ERROR = "#/components/schemas/basic-error"
_PROSE = frozenset({"description", "summary", "example", "examples", "externalDocs", "tags", "title"})


def slice_description(whole: dict[str, Any]) -> dict[str, Any]:
    """Our routes with the components that they need, without prose and examples."""
    paths = {
        path: {method: _bare(whole["paths"][path][method]) for method in methods}
        for path, methods in ROUTES.items()
    }
    sliced: dict[str, Any] = {"paths": paths, "components": {}}
    wanted = [BASIC_ERROR, *_references(paths)]
    while wanted:
        _, _, kind, name = wanted.pop().split("/")
        components = sliced["components"].setdefault(kind, {})
        if name not in components:
            components[name] = _bare(whole["components"][kind][name])
            wanted.extend(_references(components[name]))
    information = {key: whole["info"][key] for key in ("title", "version", "license")}
    return {"openapi": whole["openapi"], "info": information, **sliced}


def _bare(part: Any, *, names_are_free: bool = False) -> Any:
    """The part without prose; below `properties` every name is one of GitHub's fields."""
    if isinstance(part, list):
        return [_bare(item) for item in part]
    if not isinstance(part, dict):
        return part
    bare = {
        key: _bare(value, names_are_free=key == "properties" and not names_are_free)
        for key, value in part.items()
        if names_are_free or (key not in _PROSE and not key.startswith("x-"))
    }
    return bare if names_are_free else _with_plain_alternatives(bare)


def _with_plain_alternatives(schema: dict[str, Any]) -> dict[str, Any]:
    """What GitHub means by alternatives: they overlap, though it writes `oneOf`, and `nullable` beside them counts."""
    if "oneOf" not in schema:
        return schema
    null = [{"enum": [None]}] if schema.get("nullable") and "type" not in schema else []
    rest = {key: value for key, value in schema.items() if key not in ("oneOf", "discriminator")}
    return {**rest, "anyOf": [*schema["oneOf"], *null]}


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(part, list):
        for item in part:
            yield from _references(item)


def main() -> None:
    """Write the slice of the description that the first argument names."""
    whole = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    TARGET.write_text(json.dumps(slice_description(whole), indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()
