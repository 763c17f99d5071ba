from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.simulator.answers import LAST_PAGE
from cph50_pipeline.simulator.replay import ReplayAnswers

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def record(folder: Path, month: int, ids: list[int]) -> None:
    """An activity answer of 2025 with sessions that start when their ids say."""
    sessions = [{"session_id": number, "start_time": number} for number in ids]
    answer = {"home_charger_id": 5, "month_info": [{"year": 2025, "month": month, "sessions": sessions}]}
    (folder / "activity").mkdir(parents=True, exist_ok=True)
    (folder / "activity" / f"2025-{month:02d}.json").write_text(
        json.dumps({"charging_activity_monthly": answer})
    )


def turn(replay: ReplayAnswers, page_size: int) -> list[tuple[int, int, list[int]]]:
    pages: list[dict[str, Any]] = [replay.activity(page_size, None, NOW)]
    while pages[-1]["page_offset"] != LAST_PAGE:
        pages.append(replay.activity(page_size, int(pages[-1]["page_offset"]), NOW))
    return [
        (info["year"], info["month"], [row["session_id"] for row in info["sessions"]])
        for page in pages
        for info in page["month_info"]
    ]


def test_months_are_served_newest_first_and_may_span_pages(tmp_path: Path) -> None:
    record(tmp_path, 10, [13, 12, 11])
    record(tmp_path, 12, [32, 31])
    replay = ReplayAnswers(tmp_path)
    assert turn(replay, 2) == [(2025, 12, [32, 31]), (2025, 10, [13, 12]), (2025, 10, [11])]
    assert turn(replay, 50) == [(2025, 12, [32, 31]), (2025, 10, [13, 12, 11])]


def test_a_status_is_served_as_recorded_and_only_then(tmp_path: Path) -> None:
    record(tmp_path, 10, [11, 12])
    (tmp_path / "status").mkdir()
    (tmp_path / "status" / "11.json").write_text('{"charging_status": {"session_id": 11, "odd": [1]}}')
    replay = ReplayAnswers(tmp_path)
    assert replay.charging_status(11, NOW) == {"session_id": 11, "odd": [1]}
    assert replay.charging_status(12, NOW) is None


def test_nothing_charges_in_a_replay(tmp_path: Path) -> None:
    record(tmp_path, 10, [11])
    assert ReplayAnswers(tmp_path).user_status(NOW) == {}
    assert ReplayAnswers(tmp_path).charger_status(NOW)["isPluggedIn"] is False
    assert ReplayAnswers(tmp_path).charger_id() == 5


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="activity"):
        ReplayAnswers(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"charging_activity_monthly": 3}'])
def test_a_file_that_is_no_answer_is_named(tmp_path: Path, text: str) -> None:
    record(tmp_path, 10, [11])
    (tmp_path / "activity" / "2025-10.json").write_text(text)
    with pytest.raises(BadInputError, match=r"2025-10\.json"):
        ReplayAnswers(tmp_path)


def test_the_recorded_household_is_served_whole(real_answers: Path) -> None:
    replay = ReplayAnswers(real_answers)
    listed = turn(replay, 20)
    ids = [number for _, _, sessions in listed for number in sessions]
    assert len(ids) == len(set(ids)) == 68
    assert sum(len(sessions) for _, month, sessions in listed if month == 10) == 45
    assert sum(replay.charging_status(number, NOW) is not None for number in ids) == 24
