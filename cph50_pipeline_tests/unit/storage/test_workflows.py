"""The workflows of a data repository as files: what GitHub takes, what they may do, and whose edits stay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from pydantic import ValidationError

from cph50_pipeline.settings import PREFIX, Settings
from cph50_pipeline.storage.workflows import PAGES, PIPELINE, workflow_edits, workflow_files

WORKFLOWS = workflow_files("main")
# Of a machine of one's own: `github` publishes without git, and the private folder is said in a step. The machine of a
# run is gone before it could serve anybody, keep latest values, look into a database of telemetry, or forget old runs.
NOT_OF_A_WORKFLOW = re.compile(
    "CPH50_(GIT_REMOTE|API_.*|LIVE_.*|TELEMETRY_URL|DEVICES_FILE|DAGSTER_URL|LOG_FORMAT|RUN_RETENTION_DAYS)"
)
PERSONAL = {
    "CPH50_CHARGEPOINT_USERNAME",
    "CPH50_CHARGEPOINT_PASSWORD",
    "CPH50_CHARGEPOINT_TOKEN",
    "CPH50_HOME_ASSISTANT_URL",
    "CPH50_HOME_ASSISTANT_TOKEN",
}
SECRET = re.compile(r"\$\{\{ (?:secrets\.\w+|github\.token) \}\}")


def document(path: str, branch: str = "main") -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(workflow_files(branch)[path], yaml.BaseLoader)  # `on` is no boolean
    return loaded


def jobs(path: str) -> dict[str, Any]:
    found: dict[str, Any] = document(path)["jobs"]
    return found


def steps() -> Iterator[dict[str, Any]]:
    for path in WORKFLOWS:
        for job in jobs(path).values():
            yield from job.get("steps", [])


def scripts() -> list[str]:
    return [step["run"] for step in steps() if "run" in step]


@pytest.mark.parametrize("path", WORKFLOWS)
def test_a_workflow_is_what_githubs_schema_describes(path: str) -> None:
    validator = Draft7Validator(get_builtin_schema("vendor.github-workflows"))
    as_loaded = yaml.safe_load(WORKFLOWS[path])
    as_loaded["on"] = as_loaded.pop(True)  # YAML 1.1 reads the key `on` as a boolean, GitHub does not
    assert [error.message for error in validator.iter_errors(as_loaded)] == []


def test_the_pipeline_calls_the_workflow_of_the_pages_by_the_name_of_its_file() -> None:
    assert jobs(PIPELINE)["pages"]["uses"] == f"./{PAGES}"
    assert "workflow_call" in document(PAGES)["on"]


def test_no_expression_stands_in_a_script_where_it_would_be_run_as_code() -> None:
    assert [script for script in scripts() if "${{" in script] == []


def test_every_script_ends_at_its_first_failure() -> None:
    assert all(script.startswith("set -euo pipefail\n") for script in scripts())


def test_a_secret_is_given_to_a_single_step_and_only_in_its_environment() -> None:
    for path in WORKFLOWS:
        document_of = document(path)
        assert SECRET.search(str(document_of.get("env", ""))) is None
        assert all(SECRET.search(str(job.get("env", ""))) is None for job in jobs(path).values())
    for step in steps():
        besides = {name: value for name, value in step.items() if name != "env"}
        assert SECRET.search(str(besides)) is None


def test_no_script_prints_what_it_is_given_as_a_token() -> None:
    for script in scripts():
        assert re.search(r"(?:echo|printf)[^\n|]*\$\{?(?:TOKEN|CPH50_\w*(?:TOKEN|PASSWORD))", script) is None
        assert "set -x" not in script


def test_every_setting_is_taken_from_the_repository_and_what_is_personal_from_its_secrets() -> None:
    job = jobs(PIPELINE)["pipeline"]
    given: dict[str, str] = dict(job["env"])
    for step in job["steps"]:
        given |= step.get("env", {})
        given |= dict.fromkeys(re.findall(r'echo "(\w+)=', step.get("run", "")), "private")
    settings = {PREFIX + name.upper() for name in Settings.model_fields}
    of_a_workflow = {name for name in settings if not NOT_OF_A_WORKFLOW.fullmatch(name)}
    assert of_a_workflow == {name for name in given if name.startswith(PREFIX)}
    for name, value in given.items():
        if name in PERSONAL:
            assert value == f"${{{{ secrets.{name} }}}}"
        elif "vars." in value and name.startswith(PREFIX):
            assert value.startswith(f"${{{{ vars.{name} ")


def test_actions_are_githubs_own_and_of_one_major_version() -> None:
    used = [step["uses"] for step in steps() if "uses" in step]
    assert used
    assert [use for use in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", use)] == []


def test_a_checkout_leaves_no_token_in_the_configuration_of_git() -> None:
    checkouts = [step for step in steps() if step.get("uses", "").startswith("actions/checkout")]
    assert [step["with"]["persist-credentials"] for step in checkouts] == ["false", "false"]


def test_a_job_may_do_only_what_it_needs_and_not_for_ever() -> None:
    assert document(PAGES)["permissions"] == document(PIPELINE)["permissions"] == {}
    deploying = {"contents": "read", "pages": "write", "id-token": "write"}
    assert jobs(PAGES)["deploy"]["permissions"] == jobs(PIPELINE)["pages"]["permissions"] == deploying
    assert jobs(PIPELINE)["pipeline"]["permissions"] == {"contents": "write"}
    assert int(jobs(PAGES)["deploy"]["timeout-minutes"]) == 10
    assert int(jobs(PIPELINE)["pipeline"]["timeout-minutes"]) == 45


def test_no_run_is_ended_by_another_and_no_two_publish_at_once() -> None:
    groups = [jobs(PAGES)["deploy"]["concurrency"], jobs(PIPELINE)["pipeline"]["concurrency"]]
    assert [group["cancel-in-progress"] for group in groups] == ["false", "false"]
    assert groups[0]["group"] != groups[1]["group"]  # the pipeline's run waits for the pages' job


def test_nothing_private_is_put_into_a_cache() -> None:
    assert not any("actions/cache" in step.get("uses", "") for step in steps())
    assert "private" not in str([step.get("with") for step in steps()])


@given(st.text(st.sampled_from("aZ09_./@{}+-"), min_size=1, max_size=20))
def test_any_name_that_a_branch_may_have_is_put_where_it_belongs(branch: str) -> None:
    try:
        Settings(github_branch=branch)
    except ValidationError:
        return
    pages, pipeline = document(PAGES, branch), document(PIPELINE, branch)
    assert pages["on"]["push"]["branches"] == [branch.replace("+", r"\+")]
    assert pages["jobs"]["deploy"]["steps"][0]["with"]["ref"] == branch
    assert pipeline["jobs"]["pipeline"]["env"]["CPH50_GITHUB_BRANCH"] == branch
    assert "DATA_BRANCH" not in str([pages, pipeline]).replace(branch, "")


def test_a_repository_without_workflows_gets_both() -> None:
    changes = workflow_edits("main", {})
    assert changes.edits == WORKFLOWS
    assert changes.kept == ()


def test_a_repository_that_has_them_gets_nothing() -> None:
    assert workflow_edits("main", WORKFLOWS).edits == {}


def test_what_the_command_wrote_for_another_branch_or_in_another_version_is_replaced() -> None:
    changes = workflow_edits("main", workflow_files("data"))
    assert changes.edits == WORKFLOWS
    assert changes.kept == ()


@pytest.mark.parametrize(
    "edited",
    [
        WORKFLOWS[PIPELINE].replace(b"7,22,37,52", b"0,30"),
        WORKFLOWS[PIPELINE].partition(b"\n")[2],
        b"name: A person's own\n",
        b"\xff\xfe",
    ],
    ids=["another time", "without the first line", "of a person", "no text"],
)
def test_what_a_person_edited_stays_unless_it_is_to_be_replaced(edited: bytes) -> None:
    present = {**WORKFLOWS, PIPELINE: edited}
    kept = workflow_edits("main", present)
    assert (kept.edits, kept.kept) == ({}, (PIPELINE,))
    replaced = workflow_edits("main", present, replace_edited=True)
    assert (replaced.edits, replaced.kept) == ({PIPELINE: WORKFLOWS[PIPELINE]}, ())
