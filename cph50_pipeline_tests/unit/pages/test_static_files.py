"""What pages load: all of it is in the package or brought by one, and none of it reaches out."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest

from cph50_pipeline.pages.static_files import MEDIA_TYPES, static_file, static_names

OURS = [name for name in static_names() if not name.startswith("uplot")]


def test_every_file_has_a_type_and_content() -> None:
    assert static_names() == sorted(static_names())
    for name in static_names():
        assert PurePosixPath(name).suffix in MEDIA_TYPES
        assert static_file(name)


def test_the_chart_library_comes_from_its_package() -> None:
    assert b"uPlot" in static_file("uplot.js")
    assert b".uplot" in static_file("uplot.css")


@pytest.mark.parametrize("name", ["", "nothing.css", "../links.py", "/etc/passwd", "static"])
def test_there_is_no_other_file(name: str) -> None:
    with pytest.raises(KeyError):
        static_file(name)


@pytest.mark.parametrize("name", OURS)
def test_no_file_of_ours_names_another_host(name: str) -> None:
    found = re.findall(rb"https?://[^\s\"')]+", static_file(name))
    assert set(found) <= {b"http://www.w3.org/2000/svg"}  # a name, which nobody asks for


@pytest.mark.parametrize("name", [name for name in OURS if name.endswith(".js")])
def test_no_script_of_ours_makes_code_or_markup_of_text(name: str) -> None:
    text = static_file(name).decode()
    assert not re.findall(
        r"\b(eval|Function)\(|innerHTML\s*=|outerHTML\s*=|document\.write|insertAdjacentHTML", text
    )
