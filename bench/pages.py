"""Pages in Debian's Chromium: when a person sees something, how much was sent for it, how smoothly a year moves.

Each visit is a new browser profile, so that nothing is kept from before. Times are the browser's own.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.api_server import HOST, serving
from bench.history_queries import MONTHS, History
from bench.homes import ended_months, outer_environment
from bench.house_power import ONE_METER, make
from bench.power_year import write_files
from bench.row import Effort, Row
from cph50_pipeline.civil_time import month_range, shift_month
from cph50_pipeline.defs.store import METERS_FILE, Store
from cph50_pipeline.settings import PublishMode, Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAINT_SECONDS = 1.0
SENT_KB = 400.0
SMOOTH_FRAMES = 2.0
"""A picture moves smoothly while a frame takes no longer than two of an idle page's."""
READ_SECONDS = 300
_AS_IT_OPENS = "the newest month"
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
_SENT = (
    "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
    ".reduce((sum, one) => sum + one.transferSize, 0)"
)
_FRAMES = """
(seconds) => new Promise((done) => {
  const at = [];
  const frame = (now) => {
    at.push(now);
    if (now - at[0] < seconds * 1000) requestAnimationFrame(frame);
    else done(at.slice(1).map((one, i) => one - at[i]));
  };
  requestAnimationFrame(frame);
})
"""


@dataclass(frozen=True, slots=True)
class _Visit:
    """One look at a page.

    Attributes:
        painted_seconds: Until its first content was to be seen.
        sent_kb: All that was transferred for it.
    """

    painted_seconds: float
    sent_kb: float


def measure_history(effort: Effort) -> Row:
    """The first paint of the history page with ten years of sessions."""
    with _pages_of_ten_years() as (browser, url):
        visits = {name: _visits(browser, url + path, effort) for name, path in _history_pages().items()}
    painted = {name: median(one.painted_seconds for one in seen) for name, seen in visits.items()}
    return Row(
        "page_history", painted[_AS_IT_OPENS], PAINT_SECONDS, "s", "one second, on a cold browser",
        "; ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in painted.items()),
    )  # fmt: skip


def measure_history_size(effort: Effort) -> Row:
    """What is sent for the history page with ten years of sessions."""
    with _pages_of_ten_years() as (browser, url):
        sent = {
            name: _visits(browser, url + path, effort)[0].sent_kb for name, path in _history_pages().items()
        }
    return Row(
        "page_history_size", max(sent.values()), SENT_KB, "kB", "400 kB, nothing kept from before",
        "; ".join(f"{name} {size:.0f} kB" for name, size in sent.items()),
    )  # fmt: skip


def measure_power(effort: Effort) -> Row:
    """A year of power by five minutes that is zoomed and moved, against an idle page's frames."""
    with tempfile.TemporaryDirectory(prefix="cph50-bench-") as name:
        folder = Path(name)
        last = ended_months(1)[0]
        months = month_range(shift_month(last, -11), last)
        write_files(folder / "data", months, READ_SECONDS)
        _roll_up(folder / "data", months)
        with _served(folder / "data", folder) as url, _browser() as browser:
            page = _opened(browser)
            fetched: list[str] = []
            page.on("requestfinished", lambda one: fetched.append(one.url) if "/fine/" in one.url else None)
            page.goto(f"{url}power?range=fine", wait_until="networkidle")
            page.get_by_role("button", name="All").click(timeout=60_000)
            page.locator(".u-over").first.click()  # from here on the wheel is the picture's
            while len(fetched) < len(months):
                page.wait_for_event("requestfinished", timeout=60_000)
            page.wait_for_load_state("networkidle")
            page.evaluate(_FRAMES, 2)  # until what was fetched is drawn
            idle = _longest_usual(page.evaluate(_FRAMES, 2))
            moved = _longest_usual(_moved(page, effort.times(6, 2)))
    return Row(
        "page_power", moved / idle, SMOOTH_FRAMES, "x", "the frames of the same page at rest",
        f"19 of 20 frames within {moved:.0f} ms while a year is moved and zoomed, {idle:.0f} ms at rest",
    )  # fmt: skip


def _history_pages() -> dict[str, str]:
    """The page as it opens, and its heaviest views."""
    year = date.fromisoformat(f"{ended_months(MONTHS)[1]}-01").year
    return {
        _AS_IT_OPENS: "history",
        "a year": f"history?view=year&at={year}",
        "ten years": f"history?view=range&from={year - 9}-01-01&to={year}-12-31",
    }


def _roll_up(data: Path, months: Sequence[str]) -> None:
    """Make of the readings what a run would."""
    store = Store.of(Settings(data_dir=str(data), publish=PublishMode.OFF))
    with store.open():
        store.write_document(METERS_FILE, {"meters": ONE_METER})
        make(store, months, store.meters(READ_SECONDS))


def _moved(page: Page, times: int) -> Sequence[float]:
    """The frames while the picture is zoomed and moved by the wheel."""
    box = page.locator(".u-over").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    frames: list[float] = []
    before = page.locator("#shown").inner_text()
    for _ in range(times):
        page.evaluate(f"window.measured = ({_FRAMES})(1)")
        for step in (-200, -200, -200, 200, 200, 150):
            page.mouse.wheel(0, step)
        frames += page.evaluate("window.measured")
    page.wait_for_timeout(500)  # the words follow a moment later
    if page.locator("#shown").inner_text() == before:
        raise RuntimeError("the picture did not move")
    return frames


def _longest_usual(frames: Sequence[float]) -> float:
    """The time within which 19 of 20 frames were drawn, in ms."""
    return sorted(frames)[int(len(frames) * 0.95)]


def _visits(browser: Browser, url: str, effort: Effort) -> list[_Visit]:
    return [_visit(browser, url) for _ in range(effort.times(9, 3))]


def _visit(browser: Browser, url: str) -> _Visit:
    page = _opened(browser)
    page.goto(url, wait_until="networkidle")
    seen = _Visit(page.evaluate(_PAINTED) / 1000, page.evaluate(_SENT) / 1000)
    page.context.close()
    if seen.painted_seconds <= 0:
        raise RuntimeError(f"{url} showed nothing")
    return seen


def _opened(browser: Browser) -> Page:
    return browser.new_context(viewport={"width": 1280, "height": 900}).new_page()


@contextmanager
def _pages_of_ten_years() -> Iterator[tuple[Browser, str]]:
    with tempfile.TemporaryDirectory(prefix="cph50-bench-") as name:
        folder = Path(name)
        data = History.of(folder / "data").data
        with _served(data, folder) as url, _browser() as browser:
            yield browser, url


@contextmanager
def _served(data: Path, folder: Path) -> Iterator[str]:
    with serving(data, {**outer_environment(), "CPH50_PUBLISH": "off"}, folder) as server:
        yield f"http://{HOST}:{server.port}/"


@contextmanager
def _browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    executable = shutil.which("chromium")
    if executable is None:
        raise RuntimeError("Chromium is not installed (on Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
