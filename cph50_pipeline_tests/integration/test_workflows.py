"""The scripts of the workflows, run by bash as they are written, with a pipeline that pip installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cph50_pipeline.civil_time import month_of, shift_month
from cph50_pipeline.simulator.github import RunningGitHub
from cph50_pipeline.storage.workflows import PAGES, PIPELINE, workflow_files
from cph50_pipeline_tests.integration.actions import JobRun, filled_in, load_workflow
from cph50_pipeline_tests.integration.households import git

ROOT = Path(__file__).parents[2]
REPOSITORY = "ember/data"
TOKEN, PERSONS_TOKEN = "canary-t0ken", "persons-t0ken"
CURRENT = month_of(datetime.now(UTC), ZoneInfo("America/Los_Angeles"))
LAST = shift_month(CURRENT, -1)
WORKFLOWS = {path: load_workflow(data) for path, data in workflow_files("main").items()}
PIPELINE_JOB = WORKFLOWS[PIPELINE]["jobs"]["pipeline"]
PAGES_JOB = WORKFLOWS[PAGES]["jobs"]["deploy"]
Started = Callable[..., JobRun]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A machine whose Python has what the pipeline needs, but not the pipeline; pip asks nobody."""
    folder = tmp_path_factory.mktemp("machine") / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it the wrong way round
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }


@pytest.fixture
def github(tmp_path: Path) -> Iterator[RunningGitHub]:
    """GitHub with an empty data repository."""
    with RunningGitHub(tmp_path / "github") as running:
        running.create_repository(REPOSITORY)
        running.add_token(TOKEN)
        running.add_token(PERSONS_TOKEN, {"repo", "workflow"})
        yield running


@pytest.fixture
def started(github: RunningGitHub, tmp_path: Path, machine: dict[str, str]) -> Started:
    """A job's machine, for an event and the repository's variables."""
    push(github, tmp_path, workflow_files("main"))

    def start(event: str, *, pipeline: str = str(ROOT), **changes: str) -> JobRun:
        contexts = {
            "github.event_name": event,
            "github.repository": REPOSITORY,
            "github.api_url": github.api_url.rstrip("/"),
            "github.token": TOKEN,
            "vars.CPH50_PIPELINE": pipeline,
            "vars.CPH50_SOURCE": "simulator",
            "vars.CPH50_HISTORY_START": LAST,
            "vars.CPH50_SAMPLE_COUNT": "2",
            "vars.CPH50_SAMPLE_INTERVAL_SECONDS": "0.1",
        }
        contexts |= {name.replace("__", "."): value for name, value in changes.items()}
        folder = tmp_path / f"job{len(list(tmp_path.glob('job*')))}"
        return JobRun(folder, github.git_dir(REPOSITORY).as_uri(), contexts, machine)

    return start


def push(github: RunningGitHub, tmp_path: Path, files: dict[str, bytes]) -> None:
    """Commit files to the data repository, as a person or a publication does."""
    clone = tmp_path / "persons"
    if not clone.exists():
        address = github.git_url(REPOSITORY).replace("://", f"://x-access-token:{PERSONS_TOKEN}@")
        git(tmp_path, "clone", "--quiet", address, str(clone))
    for path, data in files.items():
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        (clone / path).write_bytes(data)
    git(clone, "add", "--all")
    git(
        clone,
        "-c",
        "user.name=Ember",
        "-c",
        "user.email=ember@example.com",
        "commit",
        "--quiet",
        "-m",
        "Data",
    )
    git(clone, "push", "--quiet", "origin", "HEAD:main")


def only(job: dict[str, object], *names: str) -> dict[str, object]:
    """A job with some of its steps."""
    steps = job["steps"]
    assert isinstance(steps, list)
    kept = [step for step in steps if names and (step.get("id") in names or step.get("name") in names)]
    assert len(kept) == len(names)
    return {**job, "steps": kept}


def what_is_run(job: JobRun) -> tuple[str, str]:
    """What the first step made of the event: the mode and the month."""
    job.run(only(PIPELINE_JOB, "what"))
    outputs = "steps.what.outputs"
    return str(job.contexts.get(f"{outputs}.mode", "")), str(job.contexts.get(f"{outputs}.month", ""))


def test_each_schedule_runs_what_it_is_for(started: Started) -> None:
    schedules = [entry["cron"] for entry in WORKFLOWS[PIPELINE]["on"]["schedule"]]
    modes = {cron: what_is_run(started("schedule", github__event__schedule=cron)) for cron in schedules}
    assert modes == {
        "7,22,37,52 * * * *": ("tick", ""),
        "0 8 * * 0": ("current", ""),
        "0 10 2 * *": ("last", ""),
    }


@pytest.mark.parametrize(("mode", "month"), [("current", ""), ("last", ""), ("month", "2026-01")])
def test_a_person_may_start_each_mode(started: Started, mode: str, month: str) -> None:
    job = started("workflow_dispatch", inputs__mode=mode, inputs__month=month)
    assert what_is_run(job) == (mode, month)


@pytest.mark.parametrize(
    ("mode", "month", "said"),
    [
        ("month", "", "The mode month needs a month, written as YYYY-MM"),
        ("month", "2026-13", "The mode month needs a month, written as YYYY-MM"),
        ("month", "2026-01\n::add-mask::x", "The mode month needs a month, written as YYYY-MM"),
        ("month", "$(touch harm)", "The mode month needs a month, written as YYYY-MM"),
        ("last", "2026-01", "A month goes with the mode month alone"),
        ("; touch harm", "", "The mode is current, last or month"),
    ],
)
def test_what_a_person_mistyped_is_refused_and_run_by_nobody(
    started: Started, mode: str, month: str, said: str
) -> None:
    job = started("workflow_dispatch", inputs__mode=mode, inputs__month=month)
    job.run(PIPELINE_JOB)
    assert job.log == f"::error::{said}\n"
    assert {outcome for name, outcome in job.outcomes.items() if name != "what"} == {"skipped"}
    assert list(job.workspace.iterdir()) == []


def test_a_repository_that_does_not_say_where_the_pipeline_is_gets_a_clear_line(started: Started) -> None:
    job = started("schedule", pipeline="")
    job.run(PIPELINE_JOB)
    assert "::error::The repository variable CPH50_PIPELINE is not set" in job.log
    assert job.outcomes["install"] == "skipped"


def test_a_month_is_made_and_published_by_a_pipeline_that_pip_installed_and_then_gone_on_with(
    started: Started, github: RunningGitHub
) -> None:
    job = started("workflow_dispatch", inputs__mode="month", inputs__month=LAST)
    job.run(PIPELINE_JOB)
    assert not job.has_failed, job.log
    data = job.workspace / "data"
    cache = f"session_cache/{LAST}.json"
    assert git(github.git_dir(REPOSITORY), "show", f"main:{cache}") == (data / cache).read_text()
    assert (data / "vehicle_config.json").exists()
    assert not (data / "private").exists()
    assert (job.temporary / "cph50" / "dagster").is_dir()
    assert job.outputs(PIPELINE_JOB) == {"published": "true"}

    again = started("workflow_dispatch", inputs__mode="month", inputs__month=LAST)
    again.run(PIPELINE_JOB)
    assert not again.has_failed, again.log
    assert again.outputs(PIPELINE_JOB) == {"published": ""}, again.log
    assert TOKEN not in job.log + again.log


def test_a_look_at_the_charger_goes_on_also_beside_a_damaged_file(
    started: Started, github: RunningGitHub, tmp_path: Path
) -> None:
    push(github, tmp_path, {f"session_cache/{LAST}.json": b"{"})
    job = started("schedule", github__event__schedule="7,22,37,52 * * * *")
    job.run(PIPELINE_JOB)
    assert job.outcomes["Tell Dagster what is stored"] == "failure"
    assert f"session_cache/{LAST}.json is not a readable JSON file" in job.log
    assert "charger_sensor: " in job.log
    assert TOKEN not in job.log


@pytest.mark.parametrize("is_moved", [True, False])
def test_the_pages_follow_when_the_branch_moved_during_the_job(
    started: Started, github: RunningGitHub, tmp_path: Path, is_moved: bool
) -> None:
    job = started("schedule")
    checkout = [step for step in PIPELINE_JOB["steps"] if step.get("uses", "").startswith("actions/checkout")]
    job.run({**PIPELINE_JOB, "steps": checkout})
    if is_moved:
        push(github, tmp_path, {"session_cache/2026-01.json": b"[]\n"})
    job.contexts["steps.install.outcome"] = "success"
    job.run(only(PIPELINE_JOB, "after"))
    assert not job.has_failed, job.log
    handed_on = {f"needs.pipeline.outputs.{name}": value for name, value in job.outputs(PIPELINE_JOB).items()}
    condition = WORKFLOWS[PIPELINE]["jobs"]["pages"]["if"]
    assert filled_in(condition, handed_on) == str(is_moved).lower()
    assert TOKEN not in job.log


PUBLISHED = {
    "session_cache/2026-01.json": b"[]\n",
    "session_cache/2025-12.json": b"[]\n",
    "classifications/2026-01.json": b"[]\n",
    "power/daily.json": b"{}\n",
    "reports/vehicles.html": b"<!doctype html>\n",
    "reports/2026-01.csv": b"month\n",
    "vehicle_config.json": b"{}\n",
}
NOT_SHOWN = {
    "private/chargepoint_token": b"secret\n",
    "session_vehicle_map.json": b"{}\n",
    "chargepoint_activity/2026-01.json": b"{}\n",
    "charging_energy/2026-01.parquet": b"PAR1",
    "power/readings/2026-01-07.ndjson": b"{}\n",
    "reports/notes.txt": b"mine\n",
    "reports/<script>.html": b"harm\n",
    "notes.txt": b"mine\n",
}


def shown(job: JobRun) -> dict[str, bytes]:
    """The files of the site that a job made."""
    site = job.workspace / "_site"
    return {
        str(path.relative_to(site)): path.read_bytes() for path in sorted(site.rglob("*")) if path.is_file()
    }


def deployed(started: Started) -> dict[str, bytes]:
    """The site that the pages' job makes of the repository as it is."""
    job = started("push")
    job.run(PAGES_JOB)
    assert not job.has_failed, job.log
    assert set(job.outcomes.values()) == {"success"}
    return shown(job)


def test_the_pages_hold_what_readers_fetch_and_nothing_else_of_the_branch(
    started: Started, github: RunningGitHub, tmp_path: Path
) -> None:
    push(github, tmp_path, PUBLISHED | NOT_SHOWN)
    site = deployed(started)
    assert site.keys() - {"index.html"} == PUBLISHED.keys()
    assert {path: site[path] for path in PUBLISHED} == PUBLISHED


def test_where_the_charger_stands_is_shown_only_when_it_was_published(
    started: Started, github: RunningGitHub, tmp_path: Path
) -> None:
    push(github, tmp_path, {"last_session.json": b"{}\n"})
    assert "last_session.json" in deployed(started)


def test_a_link_is_not_followed_out_of_what_was_committed(
    started: Started, github: RunningGitHub, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere.json").write_text("private\n")
    (tmp_path / "persons" / "session_cache").mkdir()
    (tmp_path / "persons" / "session_cache" / "2026-01.json").symlink_to(tmp_path / "elsewhere.json")
    push(github, tmp_path, {})
    assert deployed(started).keys() == {"index.html"}


def test_without_a_site_an_index_links_to_every_file_the_newest_month_first(
    started: Started, github: RunningGitHub, tmp_path: Path
) -> None:
    push(github, tmp_path, PUBLISHED)
    index = deployed(started)["index.html"].decode()
    assert set(re.findall(r'href="([^"]+)"', index)) == PUBLISHED.keys()
    assert index.index("2026-01.json") < index.index("2025-12.json")
    assert "<script" not in index
    assert re.search(r"As of \d{4}-\d\d-\d\d \d\d:\d\d UTC", index)


def test_an_empty_repository_has_an_index_that_says_so(started: Started) -> None:
    index = deployed(started)["index.html"].decode()
    assert "Nothing has been published yet" in index


def test_a_site_that_is_there_is_the_site(started: Started, github: RunningGitHub, tmp_path: Path) -> None:
    site = {"site/index.html": b"<!doctype html>the site\n", "site/assets/page.css": b"body {}\n"}
    push(github, tmp_path, PUBLISHED | site)
    found = deployed(started)
    assert found["index.html"] == site["site/index.html"]
    assert found["assets/page.css"] == site["site/assets/page.css"]
    assert found.keys() - {"index.html", "assets/page.css"} == PUBLISHED.keys()
