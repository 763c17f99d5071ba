"""The Home Assistant client: what can be asked, and how an answer becomes rows.

The protocol is stated in docs/home-assistant.md. How a request gets there and back is `home_connection.py`; what to
ask for, `catch_up.py` decides. Import this module inside functions: it brings the HTTP and websocket libraries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from cph50_pipeline.civil_time import format_instant
from cph50_pipeline.errors import NotFoundError
from cph50_pipeline.http.client import Client
from cph50_pipeline.sources.home_answers import REQUESTED_UNITS, read_history, read_state, read_statistics
from cph50_pipeline.sources.home_connection import HomeConnection, HomeLimits
from cph50_pipeline.sources.home_source import Heard, Notice, StatisticsRow

_PAGE = timedelta(hours=25)  # the longest day
_MARGIN = timedelta(milliseconds=1)


class HomeAssistantClient(Client[HomeConnection]):
    """Home Assistant of one household: a `HomeSource`. One instance may be shared by threads.

    Args:
        url: Its address.
        token: A long-lived access token.
        limits: Timeouts and retries.

    Raises:
        BadInputError: when the token cannot be one.
    """

    def __init__(self, *, url: str, token: str, limits: HomeLimits | None = None) -> None:
        super().__init__(HomeConnection(url, token, limits or HomeLimits()))

    def clock_offset(self) -> timedelta:
        """How far Home Assistant's clock is ahead of ours, to a second or two.

        Raises:
            TransientError, PermanentError, BadInputError: see `HomeSource`.
        """
        self._connection.get("api/", "a sign of life")
        return self._connection.clock_offset

    def states(self, entities: Sequence[str]) -> Heard:
        """What entities say now, and since when by Home Assistant's clock.

        Of an entity that does not exist there is a notice.

        Raises:
            TransientError, PermanentError, BadInputError: see `HomeSource`.
        """
        heard = Heard()
        for entity in sorted(set(entities)):
            try:
                answer = self._connection.get(f"api/states/{entity}", f"the state of {entity}")
            except NotFoundError:
                heard.notices.append(_unknown(entity))
            else:
                heard.rows.append(read_state(answer, entity))
        return heard

    def history(self, entities: Sequence[str], start: datetime, end: datetime) -> Heard:
        """What entities said from `start` to `end`, both included; asked for day by day.

        Raises:
            TransientError, PermanentError, BadInputError: see `HomeSource`.
        """
        wanted = sorted(set(entities))
        heard = Heard()
        for begin, until in _pages(start, end):
            page = self._history_page(wanted, begin, until)
            known = {row.entity for row in heard.rows}
            # The page before has said already what stands where this one begins.
            heard.rows.extend(row for row in page.rows if row.at > begin or row.entity not in known)
            heard.notices.extend(page.notices)
        return Heard(sorted(heard.rows), heard.notices)

    def _history_page(self, entities: Sequence[str], start: datetime, end: datetime) -> Heard:
        query = {
            "filter_entity_id": ",".join(entities),
            # Home Assistant leaves out both ends, and what came about exactly then.
            "end_time": format_instant(end + _MARGIN),
            "significant_changes_only": "0",
        }
        path = f"api/history/period/{format_instant(start - _MARGIN)}"
        answer = self._connection.get(path, f"the history of {format_instant(start)}", query)
        return read_history(answer, entities, start, end)

    def statistics(self, entities: Sequence[str], start: datetime, end: datetime) -> list[StatisticsRow]:
        """The hours that begin in the half-open interval, in kW, kWh and V where Home Assistant can convert.

        Raises:
            TransientError, PermanentError, BadInputError: see `HomeSource`.
        """
        wanted = sorted(set(entities))
        asked = f"the statistics of {format_instant(start)}"
        described, answer = self._connection.command(
            [
                {"type": "recorder/list_statistic_ids"},
                {
                    "type": "recorder/statistics_during_period",
                    "start_time": format_instant(start),
                    "end_time": format_instant(end),
                    "statistic_ids": wanted,
                    "period": "hour",
                    "units": REQUESTED_UNITS,
                    "types": ["mean", "state", "change"],
                },
            ],
            asked,
        )
        return read_statistics(answer, described, wanted)


def _pages(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The interval in pieces that a small computer answers at once."""
    begin = start
    while begin < end:
        yield begin, min(begin + _PAGE, end)
        begin += _PAGE


def _unknown(entity: str) -> Notice:
    message = (
        f"Home Assistant does not know {entity}. Its other entities are read. Correct the name in meters.json, or "
        "wait if Home Assistant has just started"
    )
    return Notice("unknown_entity", message, entity)
