"""From a view to HTML: one environment for all pages. What people named is inert, because everything is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from cph50_pipeline.pages.links import Links, Page
from cph50_pipeline.reports.pages import environment

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

NOTHING = "\N{EN DASH}"
"""Shown where a value is not known; never zero."""
_DECIMALS: Mapping[str, int] = {"kW": 2, "kWh": 2, "V": 1, "": 2}


def decimals_of(unit: str) -> int:
    """With how many decimals a meter's values are shown."""
    return _DECIMALS.get(unit, 1)


def render(template: str, *, links: Links, zone: str, page: Page | None = None, **values: object) -> str:
    """A page, or a part of one.

    Args:
        template: Its name, without the endings.
        links: Where other pages are.
        zone: The household's zone, in which all times are shown.
        page: Which of the pages it is, for the menu.
        values: What the template names; one that is not given is an error.
    """
    chosen = _environment().get_template(f"{template}.html.j2")
    return chosen.render({"links": links, "zone": zone, "page": page, **values})


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = environment("cph50_pipeline.pages")
    made.filters |= {"amount": amount, "clock": clock, "duration": duration}
    return made


def amount(value: float | None, unit: str = "", decimals: int = 1) -> Markup:
    """A number with its unit; a script writes it in the reader's locale, by the value as it stands in the element."""
    from markupsafe import Markup

    if value is None:
        return Markup('<span class="none" title="not known">{}</span>').format(NOTHING)
    shown = f"{value:,.{decimals}f}"
    if float(shown.replace(",", "")) == 0:
        shown = shown.replace("-", "")  # no "-0.0"
    text = f"{shown} {unit}" if unit else shown
    return Markup('<data value="{}" data-decimals="{}" data-unit="{}">{}</data>').format(
        round(value, 6), decimals, unit, text
    )


def clock(instant: datetime | date | None, form: str = "datetime") -> Markup:
    """A time; a script writes it in the reader's locale, in the household's zone.

    Args:
        instant: Already in the household's zone; None where it is not known.
        form: `datetime`, `time`, `day`, `weekday`, `month` or `year`.
    """
    from markupsafe import Markup

    if instant is None:
        return Markup('<span class="none" title="not known">{}</span>').format(NOTHING)
    text = {
        "datetime": "%Y-%m-%d %H:%M",
        "time": "%H:%M",
        "day": "%Y-%m-%d",
        "weekday": "%a %Y-%m-%d",
        "month": "%B %Y",
        "year": "%Y",
    }[form]
    return Markup('<time datetime="{}" data-form="{}">{}</time>').format(
        instant.isoformat(), form, instant.strftime(text)
    )


def duration(seconds: float | None) -> str:
    """A length of time as people say it: "3 h 05 min"."""
    if seconds is None:
        return NOTHING
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest:02d} min" if hours else f"{rest} min"
