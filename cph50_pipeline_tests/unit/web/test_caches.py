"""Cache management over HTTP: what is shown, what is refused, and who may make something again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from cph50_pipeline.defs.caches.status import EntryStatus
from cph50_pipeline.web import caches
from cph50_pipeline_tests.unit.web.household import served, settings_in, store_stays

BEARER = {"Authorization": "Bearer right-token"}
REFRESH = "/management/cache/refresh"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The API of a household whose files Dagster does not know, with a Dagster of its own."""
    folder: Path = tmp_path_factory.mktemp("caches")
    settings = settings_in(folder)
    store_stays(settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(folder / "dagster"))
        with served(settings) as served_client:
            yield served_client


def test_entries_say_what_is_valid_and_why_the_others_are_not(client: httpx.Client) -> None:
    entries = client.get("/management/cache/api/entries", params={"type": "session_cache"}).json()["entries"]
    assert {entry["type"] for entry in entries} == {"session_cache"}
    assert all(not entry["valid"] and entry["why"] for entry in entries)
    assert (
        entries
        == client.get("/management/cache/api/entries", params={"type": "session_cache"}).json()["entries"]
    )


@pytest.mark.parametrize(
    "query",
    [{"type": "../etc"}, {"type": "<b>"}, {"month": "2026-13"}, {"month": "%00"}, {"month": "1999-01"}],
)
def test_a_type_or_month_that_is_not_there_is_refused(client: httpx.Client, query: dict[str, str]) -> None:
    answer = client.get("/management/cache/api/entries", params=query)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_status_is_a_page_for_browsers_and_json_for_programs(client: httpx.Client) -> None:
    page = client.get("/management/cache/status", headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert 'data-type="session_cache"' in page.text
    part = client.get("/management/cache/status", params={"part": "1"}, headers={"Accept": "text/html"})
    assert part.text.lstrip().startswith('<div id="entries"')
    assert 'id="verdict"' in page.text
    assert "need attention" in part.text
    assert "`" not in page.text
    assert client.get("/management/cache/status").json()["entries"]


def test_what_was_up_to_date_already_is_told_beside_it_with_a_way_to_make_it_anyway(
    client: httpx.Client,
) -> None:
    asked = {"began": "0", "asked": "session_cache"}
    page = client.get("/management/cache/status", params=asked, headers={"Accept": "text/html"}).text
    assert "Sessions: up to date already; nothing to do." in page
    assert "Everything is up to date already" not in page


def test_the_form_that_makes_again_is_for_those_who_signed_in(client: httpx.Client) -> None:
    assert client.post("/forms/refresh", data={"type": "session_cache"}).status_code == 401
    assert client.post("/forms/refresh", data={"type": "session_cache"}, headers=BEARER).status_code == 401
    with httpx.Client(base_url=client.base_url, trust_env=False) as person:
        person.post("/sign-in", data={"token": "right-token"})
        assert person.post("/forms/refresh", data={"type": "session_cache"}).status_code == 403
        shown = person.get("/management/cache/status", headers={"Accept": "text/html"}).text
        csrf = re.search(r'name="csrf" value="([^"]+)"', shown)
        assert csrf is not None
        for fields in ({"type": "../etc"}, {"month": "2026-13"}, {"month": "1999-01"}):
            refused = person.post("/forms/refresh", data={"csrf": csrf[1], **fields})
            assert refused.status_code == 422


def test_making_again_needs_the_token(client: httpx.Client) -> None:
    assert client.post(REFRESH, json={}).status_code == 401
    assert client.post(REFRESH, json={"all": True}, headers=BEARER).status_code == 422
    assert client.post(REFRESH, json={"type": "nothing"}, headers=BEARER).status_code == 422
    nothing = client.post(REFRESH, json={"month": "1999-01"}, headers=BEARER)
    assert nothing.status_code == 422
    assert "1999-01" in nothing.json()["detail"]


def test_metrics_come_as_json_and_as_prometheus_reads_them(client: httpx.Client) -> None:
    metrics = client.get("/management/cache/api/metrics").json()["metrics"]
    assert "cph50_cache_refresh_success_ratio" in {metric["name"] for metric in metrics}
    text = client.get("/management/cache/api/metrics.prom")
    assert text.headers["content-type"].startswith("text/plain")
    assert "cph50_cache_entries " in text.text


def test_health_names_what_is_down_and_answers_all_the_same(client: httpx.Client) -> None:
    said = client.get("/management/cache/api/health").json()
    assert said["healthy"] is False
    found = {check["name"]: check["ok"] for check in said["checks"]}
    assert found["chargepoint"] is False
    assert found["dagster"] is False
    assert found["disk"] is True


def test_entries_that_took_long_are_kept_three_times_as_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    seconds = iter(range(0, 300, 3))  # three pass whenever somebody looks at the clock
    monkeypatch.setattr(caches, "monotonic", lambda: next(seconds))
    managed = caches.Caches(settings_in(tmp_path))
    looks = [managed.entries(datetime(2026, 3, 1, tzinfo=UTC)) for _ in range(5)]
    managed.close()
    # The first look lasted from 0 to 3, and so holds until 12.
    assert [one is looks[0] for one in looks] == [True, True, True, False, False]


def test_what_is_at_work_is_told_while_the_entries_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    managed = caches.Caches(settings_in(tmp_path))
    with ThreadPoolExecutor(1) as another:

        def clock() -> float:
            assert another.submit(lambda: managed.order_at_work).result(20) is None
            return 0.0

        monkeypatch.setattr(caches, "monotonic", clock)
        managed.entries(datetime(2026, 3, 1, tzinfo=UTC))
    managed.close()


def test_a_refresh_that_ends_while_the_entries_are_looked_at_is_looked_at_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    settings = settings_in(tmp_path)
    store_stays(settings)
    monkeypatch.setattr(caches, "Caches", EndingRefresh)
    with served(settings) as client:
        part = [
            client.get("/management/cache/status?part=1", headers={"Accept": "text/html"}) for _ in range(2)
        ]
    assert ['data-busy="yes"' in answer.text for answer in part] == [True, False]


class EndingRefresh(caches.Caches):
    """A refresh that ends just when the entries were looked at."""

    order: caches.Order | None = caches.Order(
        (("session_cache", "2026-01"),), datetime(2026, 3, 1, tzinfo=UTC)
    )

    @property
    def order_at_work(self) -> caches.Order | None:
        return self.order

    def entries(self, now: datetime, *, fresh: bool = False) -> list[EntryStatus]:
        found = super().entries(now, fresh=fresh)
        self.order = None
        return found
