"""The log of requests: one line each, with an id that the answer carries, and nothing secret in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cph50_pipeline.storage.logs import configure_logging
from cph50_pipeline.web.logs import shown_query
from cph50_pipeline_tests.unit.web.household import served, settings_in


def test_a_request_is_one_line_with_its_id_and_no_token(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, log_format="json")
    configure_logging(settings, "api", to_stderr=False)
    with served(settings) as client:
        answer = client.get(
            "/api/v1/sessions?limit=5&api_token=right-token",
            headers={"X-Request-ID": "from-the-client.1", "Authorization": "Bearer right-token"},
        )
        other = client.get("/healthz", headers={"X-Request-ID": "not an id"})
    text = (settings.private_dir / "logs" / "api.log").read_text()
    lines = [line for line in map(json.loads, text.splitlines()) if "ms" in line]

    assert answer.headers["X-Request-ID"] == "from-the-client.1"
    assert len(other.headers["X-Request-ID"]) == 32
    assert [line["request_id"] for line in lines] == ["from-the-client.1", other.headers["X-Request-ID"]]
    assert lines[0]["message"] == "GET /api/v1/sessions 422"
    assert {"path", "ms", "bytes", "client", "query"} <= lines[0].keys()
    assert "right-token" not in text


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        (b"limit=5&from=2026-01-01", "limit=5&from=2026-01-01"),
        (b"token=abc&limit=5", "token=***&limit=5"),
        (b"API_KEY=abc", "API_KEY=***"),
        (b"a=%0d%0aforged", "a=%0D%0Aforged"),
        (b"", ""),
    ],
)
def test_what_could_be_a_secret_is_hidden(query: bytes, shown: str) -> None:
    assert shown_query(query) == shown
