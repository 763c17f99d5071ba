"""Recorded answers served again, from a folder with `activity/YYYY-MM.json` and `status/ID.json`.

A session without a recorded status answers 404. Nothing is charging, whatever the clock says.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.simulator import identity
from cph50_pipeline.simulator.answers import LARGEST_PAGE, LAST_PAGE, JsonObject, charger_status

_AMPERAGE_LIMIT = 40


class ReplayAnswers:
    """Answers as they were recorded.

    Raises:
        BadInputError: when the folder holds no activity, or a file in it is not a recorded answer.
    """

    def __init__(self, folder: Path) -> None:
        self._status_folder = folder / "status"
        files = sorted((folder / "activity").glob("*.json"))
        if not files:
            raise BadInputError(
                f"Nothing to replay: no activity/YYYY-MM.json in the folder '{folder.name}'",
                remedy="Name a folder with recorded answers",
            )
        recorded = [_read(file, "charging_activity_monthly") for file in files]
        self._charger_id = int(recorded[0].get("home_charger_id", identity.CHARGER_ID))
        rows = [
            (info["year"], info["month"], row)
            for answer in recorded
            for info in answer["month_info"]
            for row in info["sessions"]
        ]
        self._newest_first = sorted(rows, key=lambda row: row[2]["start_time"], reverse=True)

    def user_status(self, now: datetime) -> JsonObject:
        """Always empty."""
        return {}

    def charging_status(self, session_id: int, now: datetime) -> JsonObject | None:
        """The recorded status of a session; None when none was recorded."""
        file = self._status_folder / f"{session_id}.json"
        return _read(file, "charging_status") if file.exists() else None

    def activity(self, page_size: int, page_offset: int | None, now: datetime) -> JsonObject:
        """A page of the recorded rows of all months, newest first; the offset is a position."""
        begin = page_offset or 0
        end = begin + min(page_size, LARGEST_PAGE)
        months: dict[tuple[int, int], list[Any]] = {}
        for year, month, row in self._newest_first[begin:end]:
            months.setdefault((year, month), []).append(row)
        return {
            "home_charger_id": self._charger_id,
            "month_info": [
                {"year": year, "month": month, "sessions": rows} for (year, month), rows in months.items()
            ],
            "page_offset": str(end) if end < len(self._newest_first) else LAST_PAGE,
        }

    def charger_id(self) -> int:
        """The recorded home charger."""
        return self._charger_id

    def charger_status(self, now: datetime) -> JsonObject:
        """An idle charger."""
        return charger_status("AVAILABLE", _AMPERAGE_LIMIT)


def _read(file: Path, key: str) -> JsonObject:
    try:
        answer = json.loads(file.read_text(encoding="utf-8"))[key]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInputError(f"{file.name} is not a recorded '{key}' answer: {error}") from error
    if not isinstance(answer, dict):
        raise BadInputError(f"{file.name} is not a recorded '{key}' answer: it holds no object")
    return answer
