"""A tab of a real browser, with what a person would not see: errors of scripts, requests to other hosts, barriers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Widths = Literal["phone", "desktop"]
_SIZES: dict[Widths, tuple[int, int]] = {"phone": (390, 844), "desktop": (1280, 900)}
BOTH_WIDTHS = ("phone", "desktop")
SCREENSHOTS = Path(os.environ.get("CPH50_SCREENSHOTS", ".cph50/screenshots"))
"""Where pictures of the pages go, which are output of the tests."""
LOCALE = "en-US"
_PATIENCE_MS = 20_000
_SERIOUS = ("serious", "critical")


@contextmanager
def launched(executable: str) -> Iterator[Browser]:
    """A browser; without its sandbox, which containers and root do not allow."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Tab:
    """One tab.

    Attributes:
        page: Playwright's.
        errors: What scripts and the browser complained of.
        foreign: Requests to hosts other than the one that was opened.
    """

    page: Page
    width: Widths
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def opened(cls, browser: Browser, width: Widths = "desktop", **options: Any) -> Iterator[Tab]:
        """A tab of a browser that knows nothing from before."""
        across, down = _SIZES[width]
        context = browser.new_context(
            viewport={"width": across, "height": down}, locale=LOCALE, is_mobile=width == "phone", **options
        )
        try:
            context.set_default_timeout(_PATIENCE_MS)
            tab = cls(context.new_page(), width)
            tab._watch()
            yield tab
        finally:
            context.close()

    def _watch(self) -> None:
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "console",
            lambda said: self.errors.append(f"{said.text} {said.location}") if said.type == "error" else None,
        )
        self.page.on("request", lambda asked: self._note(asked.url))

    def _note(self, url: str) -> None:
        own = urlsplit(self.page.url).netloc
        asked = urlsplit(url)
        if asked.scheme in ("http", "https") and own and asked.netloc != own:
            self.foreign.append(url)

    def open(self, url: str) -> None:
        """Go to a page, and wait until it and what it loads are there."""
        self.page.goto(url, wait_until="load")

    def text(self, selector: str = "main") -> str:
        """What a person reads there."""
        return self.page.locator(selector).first.inner_text()

    def barriers(self) -> list[str]:
        """What axe finds that keeps people out: serious and critical violations."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return [
            f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes'][:3]]}"
            for one in found
            if one["impact"] in _SERIOUS
        ]

    def overflows(self) -> bool:
        """Whether the page is wider than the screen."""
        return bool(
            self.page.evaluate(
                "document.documentElement.scrollWidth > document.documentElement.clientWidth + 1"
            )
        )

    def picture(self, name: str) -> Path:
        """A screenshot of the whole page."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}-{self.width}.png"
        self.page.screenshot(path=str(path), full_page=True)
        return path

    def check(self) -> None:
        """Fail when anything went wrong that nobody would have seen."""
        assert self.errors == []
        assert self.foreign == []
