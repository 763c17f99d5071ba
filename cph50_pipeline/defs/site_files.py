"""The files of the static site, from what is stored: the same pages as are served, as far as they only show.

The site is complete in its folder and names everything relative to it. Nothing in it depends on when it is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from cph50_pipeline.civil_time import month_range
from cph50_pipeline.defs.document_files import SITE_FOLDER, SITE_INDEX
from cph50_pipeline.defs.page_history import history_inputs
from cph50_pipeline.defs.page_power import stored_power
from cph50_pipeline.defs.reviewing import report_months
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import PermanentError
from cph50_pipeline.pages.history import HistoryView, history_view
from cph50_pipeline.pages.links import ASSETS, StaticLinks
from cph50_pipeline.pages.periods import Period, containing, month_period
from cph50_pipeline.pages.power import RANGES, Range, chart_json
from cph50_pipeline.pages.rendering import render
from cph50_pipeline.pages.static_files import static_file
from cph50_pipeline.pages.troubles import Trouble

HISTORY, POWER, DATA = (f"{SITE_FOLDER}{folder}/" for folder in ("history", "power", "data"))
LOADED = ("history.js", "icon.svg", "power.js", "shell.js", "style.css", "uplot.css", "uplot.js")
"""What its pages load."""
_INDEX, _BELOW = StaticLinks(0), StaticLinks(1)
_SHOWN_MONTHS = 2
_POWER: Mapping[Range, str] = {one: RANGES[one] for one in ("weekly", "monthly", "yearly")}
"""Today is over when somebody looks."""


def site_files(store: Store, interval_seconds: float) -> dict[str, str | bytes]:
    """All files of the site: pages as text, all else as bytes; by path in the data root, sorted.

    Args:
        interval_seconds: Between two collections of power.

    Raises:
        PermanentError: something that is stored cannot be read.
    """
    months = report_months(store)
    files: dict[str, str | bytes] = {
        SITE_INDEX: _index(store, months),
        **{f"{SITE_FOLDER}{ASSETS}/{name}": static_file(name) for name in LOADED},
        **dict(_history(store, months)),
        **dict(_power(store, interval_seconds)),
    }
    return dict(sorted(files.items()))


def _index(store: Store, months: list[str]) -> str:
    newest = [month_period(month) for month in reversed(months[-_SHOWN_MONTHS:])]
    views = [_view(store, period, _INDEX, _last_day(months)) for period in newest]
    return render("site_index", links=_INDEX, zone=store.zone.key, page="now", views=views)


def _history(store: Store, months: list[str]) -> Iterator[tuple[str, str]]:
    if not months:
        yield (
            f"{HISTORY}index.html",
            render("site_index", links=_BELOW, zone=store.zone.key, page="history", views=[]),
        )
        return
    last_day = _last_day(months)
    for month in month_range(months[0], months[-1]):
        page = _page(store, month_period(month), last_day)
        yield f"{HISTORY}{month}.html", page
    yield f"{HISTORY}index.html", page
    for year in range(int(months[0][:4]), int(months[-1][:4]) + 1):
        yield f"{HISTORY}{year}.html", _page(store, containing("year", date(year, 1, 1)), last_day)


def _page(store: Store, period: Period, last_day: date) -> str:
    view = _view(store, period, _BELOW, last_day, with_curves=period.view == "month")
    return render("history", links=_BELOW, zone=store.zone.key, page="history", view=view, csv="")


def _power(store: Store, interval_seconds: float) -> Iterator[tuple[str, str | bytes]]:
    for name in _POWER:
        view = stored_power(store, name, interval_seconds)
        _refuse(view.troubles)
        page = render(
            "power",
            links=_BELOW,
            zone=store.zone.key,
            page="power",
            view=view,
            ranges=_POWER,
            data_address=f"../{DATA.removeprefix(SITE_FOLDER)}power-{name}.json",
        )
        yield f"{POWER}{name}.html", page
        yield f"{DATA}power-{name}.json", chart_json(view).encode()


def _refuse(troubles: Iterable[Trouble]) -> None:
    """A page that lacks something would replace one that does not."""
    for trouble in troubles:
        raise PermanentError(trouble.said, kept="The pages of before stay as they are", remedy=trouble.remedy)


def _view(
    store: Store, period: Period, links: StaticLinks, last_day: date, *, with_curves: bool = False
) -> HistoryView:
    inputs = history_inputs(store, period, with_curves=with_curves)
    _refuse(inputs.troubles)
    return history_view(inputs, period, links, store.zone, last_day, page_size=None)


def _last_day(months: list[str]) -> date:
    """The last day of which the site may tell; the present it does not know."""
    return month_period(months[-1]).last
