"""The pages for people: their links, and every command, target and setting that they name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

from cph50_pipeline.cli.commands import app
from cph50_pipeline.settings import PREFIX, Settings
from cph50_pipeline.storage.workflows import workflow_files

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "data" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
EVERYWHERE = "\n".join(page.read_text() for page in PAGES)


def code_in(text: str) -> Iterator[str]:
    """The lines of code in a page: of its blocks, and what stands in back-ticks."""
    for block in FENCE.findall(text):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


def headings(page: Path) -> set[str]:
    """The anchors that a page's headings have."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def links() -> list[tuple[Path, str]]:
    found = [
        (page, target)
        for page in PAGES
        for target in re.findall(
            r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text()))
        )
    ]
    return [(page, target) for page, target in found if not re.match(r"[a-z]+:", target)]


def commands() -> list[str]:
    """What stands after `cph50` wherever the pages show it with something after it."""
    found = {
        match[1].strip()
        for line in code_in(EVERYWHERE)
        for match in re.finditer(r"(?:^|[\s(]|\.venv/bin/)cph50 ([a-z][^>|&;`]*)", line)
    }
    return sorted(found)


@pytest.mark.parametrize(("page", "target"), links(), ids=str)
def test_every_link_leads_to_a_file_and_a_heading(page: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    assert file.is_relative_to(ROOT)
    assert file.exists()
    if anchor:
        assert anchor in headings(file)


@pytest.mark.parametrize("line", commands())
def test_every_command_shown_can_be_typed_so(line: str) -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    name, *arguments = shlex.split(line)
    command = group.commands.get(name)
    assert command is not None, f"there is no cph50 {name}"
    if arguments:  # a bare name may just be spoken of
        command.make_context(name, arguments)


def test_every_command_is_documented() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    shown = {line.split()[0] for line in commands()}
    assert set(group.commands) <= shown


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name for line in code_in(EVERYWHERE) for name in re.findall(r"(?:^|[\s$])make ([a-z][a-z-]*)", line)
    }
    assert named
    assert named <= targets


def test_every_setting_named_exists() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    of_repositories = set(
        re.findall(rf"vars\.({PREFIX}\w+)", b"".join(workflow_files("main").values()).decode())
    )
    assert set(re.findall(rf"{PREFIX}[A-Z_]+[A-Z]", EVERYWHERE)) <= known | of_repositories


def test_every_setting_is_in_the_table_of_settings_with_its_default() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    rows = re.findall(rf"^\| `{PREFIX}([A-Z_]+)` \| (.+?) \|", page, re.MULTILINE)
    documented = {name.lower(): default for name, default in rows}
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert documented.keys() == defaults.keys()
    for name, default in defaults.items():
        if default in (None, ""):
            assert "`" not in documented[name], name
        else:
            assert documented[name] == f"`{default}`", name


def test_the_pages_name_no_folder_of_the_machine_they_were_written_on() -> None:
    assert re.findall(r"(?<![\w.])/(?:home|root|work|tmp)/\S*", EVERYWHERE) == []


def test_the_pictures_load_quickly() -> None:
    large = [
        picture.name for picture in (ROOT / "docs" / "images").iterdir() if picture.stat().st_size > 300_000
    ]
    assert large == []
