"""Numbers, times and names as pages show them: inert, in the household's zone, and never a made-up zero."""

from __future__ import annotations

import re
from datetime import date, datetime
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from cph50_pipeline.pages.links import ServedLinks, StaticLinks
from cph50_pipeline.pages.rendering import NOTHING, amount, clock, duration, render

ZONE = ZoneInfo("America/Los_Angeles")
WORDS = {"title": "Gone", "said": "", "kept": "", "remedy": "", "section": "now", "section_words": "Now"}


def notice(**words: str) -> str:
    values: dict[str, Any] = {**WORDS, **words}
    return render("notice", links=StaticLinks(), zone="UTC", **values)


def test_a_number_is_shown_with_its_unit_and_stands_there_for_scripts() -> None:
    assert amount(1234.5678, "kWh", 2) == (
        '<data value="1234.5678" data-decimals="2" data-unit="kWh">1,234.57 kWh</data>'
    )


def test_what_is_not_known_is_a_dash_and_never_zero() -> None:
    for shown in (amount(None, "kWh"), clock(None)):
        assert NOTHING in shown
        assert "0" not in shown
    assert duration(None) == NOTHING
    assert ">0.0 kWh<" in amount(0.0, "kWh")


@given(st.floats(-1e9, 1e9), st.integers(0, 3))
def test_a_number_is_never_shown_as_minus_nothing(value: float, decimals: int) -> None:
    text = re.sub("<[^>]+>", "", amount(value, "", decimals)).replace(",", "")
    assert float(text) == pytest.approx(value, abs=0.51 * 10**-decimals)
    assert not re.fullmatch(r"-0\.?0*", text)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("datetime", "2026-03-08 03:00"),
        ("time", "03:00"),
        ("day", "2026-03-08"),
        ("weekday", "Sun 2026-03-08"),
        ("month", "March 2026"),
        ("year", "2026"),
    ],
)
def test_a_time_is_shown_as_the_household_has_it_with_its_offset_for_scripts(form: str, text: str) -> None:
    after_the_gap = datetime(2026, 3, 8, 10, tzinfo=ZoneInfo("UTC")).astimezone(ZONE)
    shown = clock(after_the_gap, form)
    assert shown == f'<time datetime="2026-03-08T03:00:00-07:00" data-form="{form}">{text}</time>'


def test_a_civil_day_has_no_time() -> None:
    assert clock(date(2026, 1, 7), "day") == '<time datetime="2026-01-07" data-form="day">2026-01-07</time>'


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 min"),
        (29, "0 min"),
        (59 * 60 + 31, "1 h 00 min"),
        (11_100, "3 h 05 min"),
        (90_000, "25 h 00 min"),
    ],
)
def test_a_length_of_time_is_told_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@given(st.text())
def test_whatever_somebody_wrote_is_shown_inert(text: str) -> None:
    page = notice(title="Gone", said=f"[{text}]")
    [shown] = re.findall(r"<p>\[(.*?)\]</p>", page, re.DOTALL)
    assert "<" not in shown
    assert unescape(shown) == text


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}"]
)
def test_markup_in_a_name_and_unit_is_text(hostile: str) -> None:
    for page in (notice(title=hostile), notice(remedy=hostile), amount(1.0, hostile)):
        assert "<script>alert" not in page
        assert "<img" not in page
        assert hostile in unescape(page)


def test_a_page_without_what_its_template_names_is_an_error_and_not_a_hole() -> None:
    with pytest.raises(UndefinedError):
        render("notice", links=ServedLinks(), zone="UTC", title="x")


def test_a_page_of_the_site_carries_its_policy_itself_and_offers_no_change() -> None:
    page = notice()
    assert "script-src 'self'" in unescape(page)
    assert "Sign in" not in page
    assert "<form" not in page
