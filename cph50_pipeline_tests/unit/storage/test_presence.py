"""When the state files are published."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cph50_pipeline.storage.documents import dump_json
from cph50_pipeline.storage.layout import kind_of
from cph50_pipeline.storage.presence import Presence, Verdict

NOW = datetime(2026, 1, 7, 6, 0, tzinfo=UTC)
PATH = "last_session.json"


def state_file(at: datetime, *, connected: bool, power_kw: float = 0.0) -> bytes:
    return dump_json(
        {
            "timestamp": at.isoformat(),
            "connected": connected,
            "charging": False,
            "vehicle_id": None,
            "power_kw": power_kw,
        }
    )


def judge(
    private_dir: Path,
    delay_minutes: int | None,
    current: bytes | None,
    published: bytes | None,
    now: datetime = NOW,
) -> Verdict:
    kind = kind_of(PATH)
    assert kind is not None
    return Presence(private_dir, delay_minutes).judge(kind, PATH, current, published, now)


HOME = state_file(NOW, connected=True)
AWAY = state_file(NOW, connected=False)


def test_without_a_delay_set_a_state_is_never_published(tmp_path: Path) -> None:
    assert judge(tmp_path, None, AWAY, HOME) is Verdict.HOLD


def test_with_no_delay_a_new_state_causes_a_commit_at_once(tmp_path: Path) -> None:
    assert judge(tmp_path, 0, AWAY, HOME) is Verdict.CAUSE
    assert judge(tmp_path, 0, HOME, None) is Verdict.CAUSE
    assert judge(tmp_path, 0, None, HOME) is Verdict.CAUSE


def test_a_refresh_of_the_same_state_only_travels_along(tmp_path: Path) -> None:
    refreshed = state_file(NOW + timedelta(minutes=10), connected=True, power_kw=8.6)
    assert judge(tmp_path, 0, refreshed, HOME) is Verdict.TRAVEL


def test_a_young_state_is_held_back_and_published_when_it_is_old_enough(tmp_path: Path) -> None:
    verdicts = [judge(tmp_path, 30, AWAY, HOME, NOW + timedelta(minutes=minutes)) for minutes in (0, 29, 30)]
    assert verdicts == [Verdict.HOLD, Verdict.HOLD, Verdict.CAUSE]


def test_refreshes_do_not_make_a_state_young_again(tmp_path: Path) -> None:
    for minutes in (0, 10, 20):
        at = NOW + timedelta(minutes=minutes)
        assert judge(tmp_path, 30, state_file(at, connected=False), HOME, at) is Verdict.HOLD
    at = NOW + timedelta(minutes=30)
    assert judge(tmp_path, 30, state_file(at, connected=False), HOME, at) is Verdict.CAUSE


def test_a_change_of_state_begins_the_delay_anew(tmp_path: Path) -> None:
    judge(tmp_path, 30, AWAY, None, NOW)
    later = NOW + timedelta(minutes=40)
    assert judge(tmp_path, 30, state_file(later, connected=True), None, later) is Verdict.HOLD


def test_a_refresh_is_held_back_as_long_as_its_state_is_young(tmp_path: Path) -> None:
    refreshed = state_file(NOW, connected=True, power_kw=1.0)
    assert judge(tmp_path, 30, refreshed, HOME) is Verdict.HOLD


def test_a_time_in_the_future_does_not_lengthen_the_delay(tmp_path: Path) -> None:
    ahead = state_file(NOW + timedelta(days=1), connected=False)
    judge(tmp_path, 30, ahead, HOME, NOW)
    assert judge(tmp_path, 30, ahead, HOME, NOW + timedelta(minutes=30)) is Verdict.CAUSE


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"last_session.json": {"state": 1}}'])
def test_a_damaged_memory_only_begins_the_delay_anew(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "presence.json").write_bytes(damage)
    assert judge(tmp_path, 30, AWAY, HOME, NOW) is Verdict.HOLD
    assert judge(tmp_path, 30, AWAY, HOME, NOW + timedelta(minutes=30)) is Verdict.CAUSE


def test_a_damaged_state_file_is_not_published(tmp_path: Path) -> None:
    assert judge(tmp_path, 0, b"{", HOME) is Verdict.HOLD
