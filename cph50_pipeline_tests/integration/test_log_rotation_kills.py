"""A rotation of logs that is killed at each of its steps: no line is lost, and the next one completes it."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from cph50_pipeline.storage.log_rotation import rotate_logs
from cph50_pipeline_tests.integration.kill_points import is_killed_at

NOW = datetime(2026, 1, 20, 18, 0, tzinfo=UTC)
ZONE = ZoneInfo("America/Los_Angeles")
LINES = {"api": "of the API\n", "live": "of the poller\n"}


def rotate(private_dir: str) -> None:
    rotate_logs(Path(private_dir), NOW, ZONE)


def logged(private_dir: Path) -> dict[str, str]:
    """What each log holds; of a day that is there as it was and compressed, what it was counts once."""
    files = {path.name: path.read_bytes() for path in (private_dir / "logs").glob("[!.]*")}
    found: dict[str, str] = {}
    for name, data in sorted(files.items()):
        is_packed = name.endswith(".gz")
        if not (is_packed and name.removesuffix(".gz") in files):
            log = name.split(".")[0]
            found[log] = found.get(log, "") + (gzip.decompress(data) if is_packed else data).decode()
    return found


def test_a_rotation_killed_at_any_step_loses_no_line_and_the_next_one_completes_it(tmp_path: Path) -> None:
    step, has_more = 1, True
    while has_more:
        private = tmp_path / str(step)
        (private / "logs").mkdir(parents=True)
        for name, line in LINES.items():
            path = private / "logs" / f"{name}.log"
            path.write_text(line)
            os.utime(path, ((NOW - timedelta(days=1)).timestamp(),) * 2)
        has_more = is_killed_at(step, rotate, str(private))
        assert logged(private) == LINES, step
        rotate(str(private))
        assert logged(private) == LINES, step
        whole = sorted(path.name for path in (private / "logs").glob("[!.]*"))
        assert whole == ["api.2026-01-19.log.gz", "live.2026-01-19.log.gz"], step
        step += 1
    assert step > 10
