"""Commit messages."""

from __future__ import annotations

import pytest

from cph50_pipeline.storage.layout import kind_of
from cph50_pipeline.storage.messages import Change, RunInfo, Told, commit_message, read_message, subject

RUN = RunInfo("8f0c", "charging_job", "the charger\nsays a car left")


def changes(*entries: str) -> list[Change]:
    """Changes from lines such as "A runs.json"."""
    found = []
    for entry in entries:
        status, _, path = entry.partition(" ")
        kind = kind_of(path)
        assert kind is not None, path
        found.append(Change(path, status, kind))
    return found


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (["A session_cache/2026-01.json"], "Add session_cache: 2026-01 (1 file)"),
        (
            ["M session_cache/2025-11.json", "M session_cache/2025-12.json", "A sessions/2026/01/07/1.json"],
            "Update session_cache, sessions: 2025-11..2026-01 (3 files)",
        ),
        (["D tariffs.json"], "Remove tariffs (1 file)"),
        (["M session_cache/2025-10.json", "M session_cache/2025-12.json"],
         "Update session_cache: 2025-10, 2025-12 (2 files)"),
        ([f"A session_cache/2025-{month:02d}.json" for month in (1, 3, 5, 7)],
         "Add session_cache: 4 months from 2025-01 to 2025-07 (4 files)"),
        (
            ["M chargepoint_activity/2026-01.json", "M session_samples/2026-01.parquet",
             "M classifications/2026-01.json", "M charging_energy/2026-01.parquet"],
            "Update sessions, vehicles: 2026-01 (4 files)",
        ),
        (["M session_cache/2026-01.json", "M runs.json"], "Update session_cache: 2026-01 (2 files)"),
        (["M runs.json"], "Update runs (1 file)"),
    ],
)  # fmt: skip
def test_the_first_line_says_what_changed(entries: list[str], expected: str) -> None:
    assert subject(changes(*entries)) == expected


def test_the_body_names_reason_files_months_run_and_job() -> None:
    message = commit_message(changes("A session_cache/2026-01.json", "M runs.json"), RUN)
    assert message == (
        "Update session_cache: 2026-01 (2 files)\n\n"
        "the charger says a car left\n\n"
        "A session_cache/2026-01.json\nM runs.json\n\n"
        "Months: 2026-01\nRun: 8f0c\nJob: charging_job\n"
    )


def test_ten_years_of_files_do_not_make_an_endless_message() -> None:
    entries = [f"A sessions/2026/01/07/{number}.json" for number in range(4000)]
    message = commit_message(changes(*entries), RUN)
    assert "and 3900 more" in message
    assert len(message) < 10_000


def test_a_job_name_cannot_forge_a_line_of_the_message() -> None:
    message = commit_message(changes("M tariffs.json"), RunInfo("1", "job\nRun: 2"))
    assert message.count("\nRun: ") == 1


def test_what_a_message_says_can_be_read_again() -> None:
    several = changes("A session_cache/2026-01.json", "M session_cache/2026-02.json")
    assert read_message(commit_message(several, RUN)) == Told(
        subject=subject(several),
        file_count=2,
        months="2026-01..2026-02",
        run_id="8f0c",
        job_name="charging_job",
    )


@pytest.mark.parametrize("message", ["", "Mend the tariff (2 files)\n", "Mend it\n\nBecause.\nRun away\n"])
def test_a_persons_message_has_a_subject_alone(message: str) -> None:
    assert read_message(message) == Told(message.partition("\n")[0])
