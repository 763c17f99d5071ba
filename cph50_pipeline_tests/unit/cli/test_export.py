"""`cph50 export`: where the rows go, in which form, and how it ends."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from cph50_pipeline import cli
from cph50_pipeline_tests.unit.web.household import STAYS, settings_in, store_stays


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a household's data, of which the environment tells."""
    store_stays(settings_in(tmp_path))
    monkeypatch.setenv("CPH50_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def export(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["cph50", "export", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_rows_go_to_the_terminal_as_csv_and_into_a_file_in_the_form_that_it_is_called(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert export(monkeypatch, "sessions") == 0
    shown = capsysbinary.readouterr().out
    assert shown.startswith(b"session_id,")
    assert export(monkeypatch, "sessions", "--output", "mine/all.json") == 0
    assert capsysbinary.readouterr().out == b""
    written = json.loads((folder / "mine" / "all.json").read_bytes())
    assert {row["session_id"] for row in written} == {stay.session_id for stay in STAYS}
    assert export(monkeypatch, "energy", "--format", "parquet", "--output", "energy") == 0
    assert (folder / "energy").read_bytes()[:4] == b"PAR1"


def test_a_wrong_use_is_one_line_and_leaves_the_file_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    kept = folder / "kept.csv"
    kept.write_text("what was there")
    for wrong in (
        ["sessions", "--from", "2026-13-01", "--output", "kept.csv"],
        ["power", "--vehicle", "tide", "--output", "kept.csv"],
        ["sessions", "--output", "kept.xlsx"],
        ["houses"],
    ):
        assert export(monkeypatch, *wrong) == 2
    said = capsysbinary.readouterr()
    assert said.out == b""
    assert b"kept.xlsx" in said.err
    assert kept.read_text() == "what was there"


def test_a_damaged_month_fails_and_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    (folder / "data" / "session_cache" / "2026-01.json").write_text("{")
    assert export(monkeypatch, "sessions", "--output", "all.csv") == 1
    assert b"2026-01.json" in capsysbinary.readouterr().err
    assert not (folder / "all.csv").exists()
