"""Where pages and what they load are: behind a server, or as files that work from any subpath."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol
from urllib.parse import urlencode

from cph50_pipeline.pages.static_files import static_file, static_names

Page = Literal["now", "history", "session", "power", "label", "caches"]
_SERVED: Mapping[Page, str] = {
    "now": "/",
    "history": "/history",
    "session": "/history/session",
    "power": "/power",
    "label": "/label",
    "caches": "/management/cache/status",
}
ASSETS = "assets"


class Links(Protocol):
    """What a template asks for addresses."""

    @property
    def is_static(self) -> bool:
        """Whether pages are files, which nobody can change by them."""

    def asset(self, name: str) -> str:
        """A style, script or picture."""

    def page(self, page: Page, **query: str) -> str:
        """A page as its query wants it."""


@dataclass(frozen=True, slots=True)
class ServedLinks:
    """Addresses behind `cph50 serve`."""

    @property
    def is_static(self) -> bool:
        """Never."""
        return False

    def asset(self, name: str) -> str:
        """In a folder of their version, so that browsers may keep them for ever, and scripts find each other in it."""
        return f"/{ASSETS}/{assets_version()}/{name}"

    def page(self, page: Page, **query: str) -> str:
        """The page's route."""
        given = {name: value for name, value in query.items() if value}
        return f"{_SERVED[page]}?{urlencode(given)}" if given else _SERVED[page]


@dataclass(frozen=True, slots=True)
class StaticLinks:
    """Addresses among the files of the static site, relative to the page that has them.

    Attributes:
        depth: How many folders below the site's root the page is.
    """

    depth: int = 0

    @property
    def is_static(self) -> bool:
        """Always."""
        return True

    def asset(self, name: str) -> str:
        """A file beside the pages."""
        return f"{self._root}{ASSETS}/{name}"

    def page(self, page: Page, **query: str) -> str:
        """The file that shows it.

        Raises:
            KeyError: the static site has no such page.
        """
        if page == "now":
            return f"{self._root}index.html"
        if page == "power":
            return f"{self._root}power/{query.get('range', 'weekly')}.html"
        if page == "session":
            return f"{self._root}history/{query['month']}.html#session-{query['id']}"
        if page == "history":
            return f"{self._root}history/{self._history(query)}"
        raise KeyError(page)

    @property
    def _root(self) -> str:
        return "../" * self.depth

    @staticmethod
    def _history(query: Mapping[str, str]) -> str:
        at = query.get("at", "")
        if not at:
            return "index.html"
        is_day = len(at) == len("2026-01-07")
        return f"{at[:7]}.html#day-{at}" if is_day else f"{at}.html"


@lru_cache(maxsize=1)
def assets_version() -> str:
    """What tells these files that pages load from others."""
    digest = hashlib.sha256()
    for name in static_names():
        digest.update(static_file(name))
    return digest.hexdigest()[:12]
