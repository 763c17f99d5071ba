"""Ten years of sessions and energy asked of the read API with a filter, against the same by SQL in bare DuckDB.

Each turn asks for other days, so that no answer is kept ready; what is kept is asked for afterwards. DuckDB is open
already and reads the same files in this process; the API is another process, and its answer counts until it was read.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import duckdb

from bench.api_server import ApiClient, ApiServer, serving
from bench.charging_year import ChargingYear
from bench.homes import ZONE, ended_months, outer_environment
from bench.row import Effort, Row
from bench.timing import Compared, take_turns
from cph50_pipeline.civil_time import day_start, month_bounds, month_range, shift_month
from cph50_pipeline.defs.reference_files import ensure_reference_files
from cph50_pipeline.defs.store import Store
from cph50_pipeline.settings import PublishMode, Settings
from cph50_pipeline.simulator.answers import HouseholdAnswers
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.plug_ins import LiveHousehold, PlugInBook

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BUDGET = 3.0
MONTHS = 120
LIMIT = 100
_SESSIONS = f"""
    SELECT session_id, session_start_time, session_end_time, energy_kwh, vehicle_id, vehicle_confidence,
        vehicle.vehicle_name, charger.charger_label, session.duration_seconds, session.charging_seconds,
        session.cost, session.peak_power_kw, session.status, plug_in_id, flags
    FROM read_json('session_cache/*.json')
    WHERE vehicle_id = $vehicle AND session_start_time >= $first AND session_start_time < $end
    ORDER BY session_start_time DESC, session_id DESC LIMIT {LIMIT}
"""
_ENERGY = f"""
    SELECT strftime(timezone('{ZONE.key}', slot_start), '%Y-%m') AS period, vehicle_id,
        sum(energy_kwh) AS energy_kwh, sum(cost) AS cost, count(DISTINCT session_id) AS sessions
    FROM read_parquet('charging_energy/*.parquet')
    WHERE vehicle_id = $vehicle AND slot_start >= $first AND slot_start < $end
    GROUP BY period, vehicle_id ORDER BY period, vehicle_id LIMIT {LIMIT}
"""


def measure(effort: Effort) -> Row:
    """The largest ratio of some queries."""
    with tempfile.TemporaryDirectory(prefix="cph50-bench-") as name:
        folder = Path(name)
        history = History.of(folder / "data")
        with _served(history.data, folder) as (server, connection), server.connected() as client:
            asked = [_Asked.of(one, client, connection, effort) for one in history.questions()]
    worst = max(asked, key=lambda one: one.compared.ratio)
    return Row(
        "history_query", worst.compared.ratio, BUDGET, "x", "the same SQL in bare DuckDB on the same files",
        f"{history.sessions} sessions of {MONTHS} months; " + "; ".join(one.described for one in asked),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """Something asked of both.

    Attributes:
        path: Of the API.
        listed: What its answer calls the rows.
        sql: For DuckDB.
        vehicle: Whose.
        parameters: Of the API alone.
    """

    name: str
    path: str
    listed: str
    sql: str
    vehicle: str
    first: date
    last: date
    parameters: tuple[tuple[str, str], ...] = ()

    def target(self, turn: int) -> str:
        """What is asked of the API; other days in each turn."""
        days = {"from": self.first, "to": self.last - timedelta(days=turn)}
        return f"{self.path}?{urlencode({'vehicle': self.vehicle, **days, 'limit': LIMIT, **dict(self.parameters)})}"

    def values(self, turn: int) -> dict[str, object]:
        """What is bound in SQL, for the same days."""
        first, end = self.first, self.last - timedelta(days=turn - 1)
        return {"vehicle": self.vehicle, "first": day_start(first, ZONE), "end": day_start(end, ZONE)}


@dataclass(frozen=True)
class History:
    """A data root with ten years of sessions, each named.

    Attributes:
        vehicle: The car with the most sessions.
    """

    data: Path
    sessions: int
    vehicle: str

    @classmethod
    def of(cls, data: Path) -> History:
        """Make one."""
        first, last = ended_months(MONTHS)
        begins, ends = month_bounds(first, ZONE)[0], month_bounds(last, ZONE)[1]
        plan = Household(Settings().simulator_seed, ZONE, history_start=begins.astimezone(ZONE).date())
        store = Store.of(Settings(data_dir=str(data), publish=PublishMode.OFF))
        charging = ChargingYear(store, HouseholdAnswers(LiveHousehold(plan, PlugInBook())))
        cars: list[str] = []
        with store.open():
            ensure_reference_files(store)
            for month in month_range(first, last):
                sessions = plan.sessions_between(*month_bounds(month, ZONE))
                charging.write_named(month, sessions, ends + timedelta(days=1))
                cars += (session.car.vehicle_id for session in sessions)
        return cls(data, len(cars), max(sorted(set(cars)), key=cars.count))

    def questions(self) -> Sequence[Question]:
        """All of it, and a quarter in its middle."""
        first, last = (date.fromisoformat(f"{month}-01") for month in ended_months(MONTHS))
        middle = date.fromisoformat(f"{shift_month(ended_months(MONTHS)[0], MONTHS // 2)}-01")
        sessions, energy = ("/api/v1/sessions", "sessions", _SESSIONS), ("/api/v1/energy", "energy", _ENERGY)
        by_month = (("by", "month"),)
        quarter = middle + timedelta(days=90)
        return [
            Question("sessions of ten years", *sessions, self.vehicle, first, last),
            Question("sessions of a quarter", *sessions, self.vehicle, middle, quarter),
            Question("energy of ten years by month", *energy, self.vehicle, first, last, by_month),
            Question("energy of a quarter by month", *energy, self.vehicle, middle, quarter, by_month),
        ]


@dataclass(frozen=True, slots=True)
class _Asked:
    """How long a question took.

    Attributes:
        compared: The API that has to make its answer, against DuckDB.
        kept_seconds: Of the API where the answer is kept.
        unchanged_seconds: The same where the client has it, too.
    """

    question: Question
    compared: Compared
    kept_seconds: float
    unchanged_seconds: float

    @classmethod
    def of(
        cls, question: Question, client: ApiClient, connection: DuckDBPyConnection, effort: Effort
    ) -> _Asked:
        """Ask it in turns."""
        _compare(question, client, connection)
        turns = iter(range(1, 1000))

        def theirs() -> float:
            return _seconds_of_sql(question, connection, next(turns))

        again = iter(range(1, 1000))
        compared = take_turns(
            effort.times(21, 7), lambda: client.get(question.target(next(again))).seconds, theirs
        )
        kept = [client.get(question.target(1)) for _ in range(21)]
        unchanged = [client.get(question.target(1), kept[0].etag) for _ in range(21)]
        if {one.status for one in unchanged} != {304}:
            raise RuntimeError(f"{question.name}: what has not changed was sent again")
        return cls(
            question,
            compared,
            median(one.seconds for one in kept),
            median(one.seconds for one in unchanged),
        )

    @property
    def described(self) -> str:
        """The figures."""
        theirs = self.compared.their_median
        return (
            f"{self.question.name} {self.compared.ratio:.2f} x ({1000 * self.compared.our_median:.0f} ms against "
            f"{1000 * theirs:.0f}), kept {self.kept_seconds / theirs:.3f} x, "
            f"unchanged {self.unchanged_seconds / theirs:.3f} x"
        )


@contextmanager
def _served(data: Path, folder: Path) -> Iterator[tuple[ApiServer, DuckDBPyConnection]]:
    environment = {**outer_environment(), "CPH50_PUBLISH": "off"}
    with (
        serving(data, environment, folder) as server,
        duckdb.connect(config={"file_search_path": str(data)}) as connection,
    ):
        connection.execute("SET TimeZone = 'UTC'")
        yield server, connection


def _seconds_of_sql(question: Question, connection: DuckDBPyConnection, turn: int) -> float:
    started = time.perf_counter()
    connection.execute(question.sql, question.values(turn)).fetchall()
    return time.perf_counter() - started


def _compare(question: Question, client: ApiClient, connection: DuckDBPyConnection) -> None:
    """Ask both once.

    Raises:
        RuntimeError: they do not say the same, or nothing.
    """
    rows: list[dict[str, Any]] = json.loads(client.get(question.target(0)).data)[question.listed]
    found = connection.execute(question.sql, question.values(0)).fetchall()
    energy = [name for name, *_ in connection.description or ()].index("energy_kwh")
    sums = [sum(row["energy_kwh"] for row in rows), sum(row[energy] for row in found)]
    if not rows or len(rows) != len(found) or not math.isclose(*sums, rel_tol=1e-6):
        raise RuntimeError(
            f"{question.name}: {len(rows)} rows with {sums[0]} kWh, not {len(found)} with {sums[1]}"
        )
