"""What `cph50 publish --init` writes into the data root, and what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cph50_pipeline.cli.publish_init import Became, show_workflows, write_workflows
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.workflows import PAGES, PIPELINE, workflow_files


@pytest.fixture
def household(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path), github_repository="ember/data", github_branch="home")


def test_both_workflows_are_written_for_the_branch_of_the_data(household: Settings, tmp_path: Path) -> None:
    assert [file.became for file in write_workflows(household)] == [Became.WRITTEN, Became.WRITTEN]
    written = {path: (tmp_path / path).read_bytes() for path in (PAGES, PIPELINE)}
    assert written == workflow_files("home")


def test_a_second_time_nothing_is_written(household: Settings, tmp_path: Path) -> None:
    write_workflows(household)
    before = (tmp_path / PAGES).stat()
    assert {file.became for file in write_workflows(household)} == {Became.UNCHANGED}
    assert (tmp_path / PAGES).stat().st_mtime_ns == before.st_mtime_ns


def test_an_edited_workflow_is_left_alone_until_it_is_to_be_replaced(
    household: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_workflows(household)
    edited = (tmp_path / PAGES).read_text().replace("10", "20")
    (tmp_path / PAGES).write_text(edited)
    found = write_workflows(household)
    assert [file.became for file in found] == [Became.KEPT, Became.UNCHANGED]
    assert (tmp_path / PAGES).read_text() == edited
    show_workflows(household, found, None, as_json=False)
    assert (
        f"{PAGES}: was edited by somebody and is left alone; --force replaces it" in capsys.readouterr().out
    )
    assert write_workflows(household, replace_edited=True)[0].became is Became.WRITTEN
    assert (tmp_path / PAGES).read_bytes() == workflow_files("home")[PAGES]


def test_it_says_what_to_set_in_the_repository(
    household: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    show_workflows(household, write_workflows(household), None, as_json=False)
    said = capsys.readouterr().out
    assert "the settings of ember/data" in said
    assert "home is the default branch" in said
    assert "CPH50_PIPELINE" in said
    assert "scope `workflow`" in said


def test_a_program_is_told_what_became_of_each_file(
    household: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    show_workflows(household, write_workflows(household), None, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said == {
        "files": [{"path": PAGES, "became": "written"}, {"path": PIPELINE, "became": "written"}],
        "commit": None,
    }


def test_an_object_store_has_no_repository_for_them() -> None:
    with pytest.raises(BadInputError, match="CPH50_DATA_DIR=memory://household is an object store"):
        write_workflows(Settings(data_dir="memory://household"))
