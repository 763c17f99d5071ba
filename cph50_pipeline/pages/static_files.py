"""What pages load: our styles and scripts, and the chart library that the package uplot-python brings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path

from cph50_pipeline.errors import PermanentError

MEDIA_TYPES: Mapping[str, str] = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
# Served as they are; nothing of the package is imported, which would want IPython.
_CHARTS: Mapping[str, str] = {
    "uplot.js": "uplot/static/uPlot.iife.js",
    "uplot.css": "uplot/static/uPlot.min.css",
}


def static_names() -> list[str]:
    """The names of all files that pages load, sorted."""
    own = (one.name for one in files("cph50_pipeline.pages").joinpath("static").iterdir() if one.is_file())
    return sorted([*own, *_CHARTS])


@lru_cache(maxsize=64)
def static_file(name: str) -> bytes:
    """What a file holds.

    Raises:
        KeyError: there is no such file.
        PermanentError: the chart library is not installed.
    """
    if name in _CHARTS:
        path = Path(str(distribution("uplot-python").locate_file(_CHARTS[name])))
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            raise PermanentError(
                f"{name} is not where uplot-python has it", remedy="Install the versions of requirements.lock"
            ) from error
    if name not in static_names():
        raise KeyError(name)
    return files("cph50_pipeline.pages").joinpath("static", name).read_bytes()
