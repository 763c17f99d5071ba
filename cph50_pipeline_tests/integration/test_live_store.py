"""The live table on both of its databases: every test runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import multiprocessing
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from cph50_pipeline.errors import BadInputError, PermanentError, TransientError
from cph50_pipeline.live.model import Cycle, DeviceKind, Heartbeat, Reading, Value
from cph50_pipeline.live.revisions import bring_up_to_date
from cph50_pipeline.live.store import LiveStore
from cph50_pipeline.live.tables import METADATA, REVISION_TABLE
from cph50_pipeline.live.upkeep import Removed
from cph50_pipeline_tests.integration.live_tables import FEED, NOW, device, reading
from cph50_pipeline_tests.integration.postgres_server import LOOPBACK, free_port, postgres

PASSWORD = secrets.token_hex(8)
SLOT = timedelta(minutes=5)


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    pytest.importorskip("psycopg2", reason="the extra 'postgres' is not installed")
    with postgres(PASSWORD) as port:
        yield f"postgresql+psycopg2://cph50:{PASSWORD}@{LOOPBACK}:{port}/cph50"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database that may hold tables of the test before."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path_factory.mktemp('live') / 'live.sqlite'}"


@pytest.fixture
def empty_url(url: str) -> str:
    """A database without tables."""
    engine = create_engine(url)
    with engine.begin() as connection:
        METADATA.drop_all(connection)
        connection.execute(text(f"DROP TABLE IF EXISTS {REVISION_TABLE}"))
    engine.dispose()
    return url


@pytest.fixture
def store(empty_url: str) -> Iterator[LiveStore]:
    store = LiveStore.of(empty_url)
    yield store
    store.close()


def write(store: LiveStore, *readings: Reading, now: datetime = NOW + timedelta(days=1)) -> int:
    devices = [device(device_id) for device_id in sorted({each.device_id for each in readings})]
    return store.write(devices, readings, FEED, now)


def stands(store: LiveStore, device_id: str = "truck-7") -> dict[str, Value]:
    return {each.sensor: each.value for each in store.latest(device_id)}


def test_what_is_written_is_read_as_it_was(store: LiveStore) -> None:
    said = reading(52.123456789, seconds=0.000001)
    received_at = NOW + timedelta(microseconds=999_999)
    assert write(store, said, now=received_at) == 1
    [latest] = store.latest("truck-7")
    assert (latest.device_id, latest.sensor, latest.value) == ("truck-7", "fuel", 52.123456789)
    assert (latest.unit, latest.at, latest.source) == ("l", said.at, FEED)
    assert latest.received_at == received_at
    assert store.all_latest() == {"truck-7": [latest]}
    assert store.device("truck-7") == device()
    assert store.newest_times(FEED) == {"truck-7": said.at}


def test_devices_are_asked_by_kind_with_all_that_they_said(store: LiveStore) -> None:
    write(store, reading(1.0, "b"), reading(2.0, "a"))
    charger = replace(device("charger-1"), kind=DeviceKind.CHARGER)
    mute = replace(device("charger-0"), kind=DeviceKind.CHARGER)
    gone = replace(device("charger-2", "another"), kind=DeviceKind.CHARGER)
    store.write([charger, mute], [reading(3.0, device_id="charger-1")], FEED, NOW)
    store.write([gone], [reading(4.0, device_id="charger-2")], "another", NOW)
    store.retire("another", [], NOW)
    assert store.known_of({DeviceKind.CHARGER}) == [(mute, []), (charger, store.latest("charger-1"))]
    trucks = store.known_of({DeviceKind.TELEMETRY, DeviceKind.METER})
    assert trucks == [(device(), store.latest("truck-7"))]
    assert [value.sensor for value in trucks[0][1]] == ["a", "b"]


@pytest.mark.parametrize("value", [0.0, False, True, 5e-324, 1.7e308, "0", "Wörter 🚚 'x\" --"])
def test_a_value_keeps_its_kind_and_nothing_is_taken_for_missing(store: LiveStore, value: Value) -> None:
    write(store, reading("something else", seconds=-1))
    write(store, reading(value))
    assert repr(stands(store)["fuel"]) == repr(value)


def test_a_sensor_may_change_its_kind(store: LiveStore) -> None:
    for number, value in enumerate([12.5, "empty", False, 0.0]):
        write(store, reading(value, seconds=number))
        assert repr(stands(store)["fuel"]) == repr(value)


def test_what_is_older_or_as_old_replaces_nothing(store: LiveStore) -> None:
    assert write(store, reading(1.0)) == 1
    assert write(store, reading(2.0)) == 0
    assert write(store, reading(3.0, seconds=-0.000001)) == 0
    assert stands(store) == {"fuel": 1.0}
    assert write(store, reading(4.0, seconds=0.000001)) == 1
    assert stands(store) == {"fuel": 4.0}


def test_a_device_that_said_nothing_keeps_what_it_said(store: LiveStore) -> None:
    write(store, reading(1.0), reading("driving", "state"))
    assert store.write([device()], [], FEED, NOW) == 0
    write(store, reading(2.0, seconds=1))
    assert stands(store) == {"fuel": 2.0, "state": "driving"}


@pytest.mark.parametrize(
    "bad",
    [
        reading(float("nan"), seconds=9),
        reading(float("inf"), seconds=9),
        reading(10**400, seconds=9),
        reading("", seconds=9),
        reading("a\0b", seconds=9),
        reading("\ud800", seconds=9),
        reading(1.0, seconds=2 * 86400),
        replace(reading(1.0), at=datetime(2026, 1, 7)),
        replace(reading(1.0), value=None),
        replace(reading(1.0), sensor="\0"),
        reading(1.0, device_id="truck-8"),
    ],
    ids=lambda each: f"{each.value!r:.12} {each.at:%d} {each.device_id}",
)
def test_what_cannot_be_kept_is_refused_and_nothing_of_it_is_written(store: LiveStore, bad: Reading) -> None:
    write(store, reading(1.0))
    with pytest.raises(BadInputError, match=bad.device_id):
        store.write([device()], [reading(2.0, seconds=9), bad], FEED, NOW + timedelta(days=1))
    assert stands(store) == {"fuel": 1.0}


fresh_ids = count()
values = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.sampled_from(["idle", "driving"])
)
said = st.tuples(st.sampled_from(["fuel", "speed", "state"]), st.integers(-1200, 1200), values)


@settings(max_examples=25)
@given(batches=st.lists(st.lists(said, max_size=8), max_size=6))
def test_whatever_the_order_that_of_the_newest_time_stands(
    url: str, batches: list[list[tuple[str, int, Value]]]
) -> None:
    store = LiveStore.of(url)
    device_id = f"truck-{next(fresh_ids)}"
    newest: dict[str, Reading] = {}
    slots: dict[tuple[str, int], Reading] = {}
    for batch in batches:
        readings = [reading(value, sensor, seconds, device_id) for sensor, seconds, value in batch]
        write(store, *readings)
        for each in readings:
            newest.setdefault(each.sensor, each)
            newest[each.sensor] = max(newest[each.sensor], each, key=lambda one: one.at)
            slot = each.sensor, int(each.at.timestamp()) // 300
            slots.setdefault(slot, each)
            slots[slot] = max(slots[slot], each, key=lambda one: one.at)
    assert stands(store, device_id) == {sensor: each.value for sensor, each in newest.items()}
    for sensor in newest:
        history = store.history(device_id, sensor, NOW - timedelta(hours=1), NOW + timedelta(hours=1))
        expected = [slots[key] for key in sorted(slots) if key[0] == sensor]
        assert [(each.at, each.value) for each in history] == [(each.at, each.value) for each in expected]
    store.close()


def test_history_gives_what_was_from_start_up_to_end(store: LiveStore) -> None:
    for minutes in (0, 4, 5, 9, 10):
        write(store, reading(float(minutes), seconds=60 * minutes))
    write(store, reading(7.0, "speed"))

    def history(start: timedelta, end: timedelta) -> list[Value]:
        return [each.value for each in store.history("truck-7", "fuel", NOW + start, NOW + end)]

    assert history(timedelta(0), 4 * SLOT) == [4.0, 9.0, 10.0]
    assert history(timedelta(minutes=4), timedelta(minutes=9)) == [4.0]
    assert history(timedelta(minutes=5), timedelta(minutes=10)) == [9.0]
    assert store.history("truck-8", "fuel", NOW, NOW + SLOT) == []


def test_without_history_only_what_stands_is_kept(empty_url: str) -> None:
    store = LiveStore.of(empty_url, keeps_history=False)
    write(store, reading(1.0))
    assert stands(store) == {"fuel": 1.0}
    assert store.history("truck-7", "fuel", NOW - SLOT, NOW + SLOT) == []
    store.close()


def test_a_device_that_is_gone_is_retired_keeps_its_values_and_comes_back(store: LiveStore) -> None:
    write(store, reading(1.0), reading(2.0, device_id="truck-8"))
    other = device("charger", source="charger")
    store.write([other], [], "charger", NOW)
    assert store.retire(FEED, ["truck-8"], NOW) == ["truck-7"]
    assert store.retire(FEED, ["truck-8"], NOW + SLOT) == []
    assert [each.device_id for each in store.devices()] == ["charger", "truck-8"]
    assert store.device("truck-7") == replace(device(), retired_at=NOW)
    assert len(store.devices(include_retired=True)) == 3
    assert stands(store) == {"fuel": 1.0}
    store.write([device()], [], FEED, NOW)
    assert store.device("truck-7") == device()


def test_what_no_feed_reads_any_more_is_retired_and_its_heartbeat_forgotten(store: LiveStore) -> None:
    write(store, reading(1.0))
    store.write([device("home", "home_assistant")], [], "home_assistant", NOW)
    store.end_cycle(cycle(30), beat(31, NOW))
    assert store.forget_feeds([FEED, "home_assistant"], NOW) == []
    assert len(store.heartbeats()) == 1
    assert store.forget_feeds(["home_assistant"], NOW) == ["truck-7"]
    assert [each.device_id for each in store.devices()] == ["home"]
    assert store.heartbeats() == []
    assert stands(store) == {"fuel": 1.0}


def test_a_device_is_known_with_its_values_also_without_any_and_when_it_is_retired(store: LiveStore) -> None:
    write(store, reading(1.0), reading(True, "brake"), reading(2.0, device_id="truck-8"))
    store.write([device("truck-9")], [], FEED, NOW)
    assert store.known("truck-7") == (device(), store.latest("truck-7"))
    assert [each.sensor for each in store.latest("truck-7")] == ["brake", "fuel"]
    assert store.known("truck-9") == (device("truck-9"), [])
    assert store.known("truck-10") is None
    store.retire(FEED, ["truck-8", "truck-9"], NOW)
    assert store.known("truck-7") == (replace(device(), retired_at=NOW), store.latest("truck-7"))


def test_a_changed_device_is_written_anew(store: LiveStore) -> None:
    store.write([device()], [], FEED, NOW)
    changed = replace(device(), name="The old one", poll_seconds=60.0)
    store.write([changed, changed], [], FEED, NOW)
    assert store.devices() == [changed]


def beat(seconds: float, succeeded_at: datetime | None, failures: int = 0) -> Heartbeat:
    return Heartbeat(FEED, NOW + timedelta(seconds=seconds), succeeded_at, failures, None, 30.0)


def cycle(seconds: float) -> Cycle:
    return Cycle(FEED, NOW + timedelta(seconds=seconds), 0.5, 3, 2, 1, 12.5, None, 2)


def test_rounds_and_heartbeats_are_told_as_they_were(store: LiveStore) -> None:
    store.end_cycle(cycle(0), beat(1, NOW))
    store.end_cycle(cycle(30), beat(31, None, failures=1))
    assert store.cycles(FEED, NOW) == [cycle(0), cycle(30)]
    assert store.cycles(FEED, NOW + timedelta(seconds=1)) == [cycle(30)]
    assert store.cycles("charger", NOW) == []
    assert store.heartbeats() == [beat(31, NOW, failures=1)]


def test_an_older_heartbeat_replaces_no_newer_one(store: LiveStore) -> None:
    store.end_cycle(cycle(30), beat(31, NOW))
    store.end_cycle(cycle(0), beat(1, None))
    assert store.heartbeats() == [beat(31, NOW)]


def test_maintenance_removes_what_is_over_and_nothing_else(store: LiveStore) -> None:
    old = -9 * 86400.0
    write(store, reading(1.0, seconds=old), reading(2.0))
    write(store, reading(1.0, seconds=old, device_id="gone"), reading(2.0, device_id="gone"))
    write(store, reading(3.0, device_id="just-gone"))
    store.retire(FEED, ["truck-7", "just-gone"], NOW - timedelta(days=8))
    store.retire(FEED, ["truck-7"], NOW - timedelta(days=6))
    store.end_cycle(cycle(old), beat(old, None))
    store.end_cycle(cycle(0), beat(0, None))
    assert store.maintain(NOW, history_days=7) == Removed(devices=1, values=1, slots=3, cycles=1)
    assert sorted(store.all_latest()) == ["just-gone", "truck-7"]
    everything = NOW - timedelta(days=30), NOW + timedelta(days=1)
    assert [each.value for each in store.history("truck-7", "fuel", *everything)] == [2.0]
    assert store.history("gone", "fuel", *everything) == []
    assert store.cycles(FEED, NOW - timedelta(days=30)) == [cycle(0)]
    assert store.heartbeats() == [beat(0, None)]
    assert store.maintain(NOW, history_days=7) == Removed()


def test_a_thousand_devices_with_ten_sensors_are_taken_in_at_once(store: LiveStore) -> None:
    devices = [device(f"truck-{number:04d}") for number in range(1000)]
    for seconds in (0, 30):
        readings = [
            reading(float(number), f"sensor-{number}", seconds, each.device_id)
            for each in devices
            for number in range(10)
        ]
        assert store.write(devices, readings, FEED, NOW + timedelta(minutes=1)) == 10_000
    latest = store.all_latest()
    assert list(latest) == [each.device_id for each in devices]
    assert {len(its) for its in latest.values()} == {10}
    assert {each.at for its in latest.values() for each in its} == {NOW + timedelta(seconds=30)}


WRITERS = 3
ROUNDS = 10


def write_a_share(url: str, share: int) -> None:
    """What one of some processes writes: other devices, and the same sensor as all others at other times."""
    store = LiveStore.of(url)
    for number in range(ROUNDS):
        at_seconds = (number * WRITERS + share) * 300
        own = reading(float(number), seconds=at_seconds, device_id=f"own-{share}")
        write(store, own, reading(float(at_seconds), seconds=at_seconds, device_id="shared"))


def test_processes_that_write_at_once_into_a_new_database_lose_nothing(empty_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=write_a_share, args=(empty_url, share)) for share in range(WRITERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0] * WRITERS
    store = LiveStore.of(empty_url)
    newest_seconds = (ROUNDS * WRITERS - 1) * 300.0
    assert stands(store, "shared") == {"fuel": newest_seconds}
    assert {stands(store, f"own-{share}")["fuel"] for share in range(WRITERS)} == {ROUNDS - 1.0}
    history = store.history("shared", "fuel", NOW, NOW + timedelta(days=2))
    assert [each.value for each in history] == [300.0 * number for number in range(ROUNDS * WRITERS)]
    store.close()


SENSORS = [f"sensor-{number}" for number in range(200)]


def write_for_ever(url: str, written: Connection) -> None:
    """What a poller does that is going to be killed: it says which round is written."""
    store = LiveStore.of(url)
    for number in count():
        write(store, *(reading(float(number), sensor, seconds=number) for sensor in SENSORS))
        written.send(number)


def test_a_round_that_is_killed_is_there_as_a_whole_or_not_at_all(empty_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    told, written = context.Pipe(duplex=False)
    process = context.Process(target=write_for_ever, args=(empty_url, written))
    process.start()
    while told.recv() < 5:
        pass
    process.kill()
    process.join(timeout=60)
    store = LiveStore.of(empty_url)
    latest = store.latest("truck-7")
    [number] = {each.value for each in latest}
    assert number >= 5
    assert len(latest) == len(SENSORS)
    after = int(number) + 1
    assert write(store, *(reading(0.0, sensor, seconds=after) for sensor in SENSORS)) == len(SENSORS)
    store.close()


ROWS_OF_REVISION_1 = [
    "INSERT INTO live_devices VALUES ('truck-7', 'telemetry', 'Truck 7', 'telemetry', 30.0, NULL)",
    "INSERT INTO live_devices VALUES ('truck-8', 'telemetry', 'Truck 8', 'telemetry', 60.0, 1767000000000000)",
    "INSERT INTO live_values VALUES"
    " ('truck-7', 'fuel', 0.0, NULL, NULL, 'l', 1767765600000000, 'telemetry', 1767765601000000)",
    "INSERT INTO live_values VALUES"
    " ('truck-7', 'state', NULL, 'idle', NULL, NULL, 1767765600000001, 'telemetry', 1767765601000000)",
    "INSERT INTO live_values VALUES"
    " ('truck-8', 'lock', NULL, NULL, false, NULL, 1767765599999999, 'telemetry', 1767765601000000)",
    "INSERT INTO live_cycles VALUES ('telemetry', 1767765600000000, 0.5, 3, 2, 1, 12.5, NULL, 2)",
    "INSERT INTO live_heartbeats VALUES ('telemetry', 1767765601000000, NULL, 2, 'no answer', 30.0)",
]


def at_revision_1(url: str, rows: Sequence[str] = ()) -> None:
    engine = create_engine(url)
    with engine.connect() as connection:
        bring_up_to_date(connection, "the test's database", "0001")
    with engine.begin() as connection:
        for row in rows:
            connection.exec_driver_sql(row)
    engine.dispose()


def test_a_database_of_the_first_revision_is_brought_up_to_date_and_loses_nothing(empty_url: str) -> None:
    at_revision_1(empty_url, ROWS_OF_REVISION_1)
    store = LiveStore.of(empty_url)
    assert [each.device_id for each in store.devices(include_retired=True)] == ["truck-7", "truck-8"]
    assert store.device("truck-8").retired_at == datetime.fromtimestamp(1767000000, UTC)
    fuel, state = store.latest("truck-7")
    [lock] = store.latest("truck-8")
    assert [repr(each.value) for each in (fuel, state, lock)] == ["0.0", "'idle'", "False"]
    assert (fuel.at, state.at) == (NOW, NOW + timedelta(microseconds=1))
    assert store.cycles(FEED, NOW) == [cycle(0)]
    assert store.heartbeats() == [Heartbeat(FEED, NOW + timedelta(seconds=1), None, 2, "no answer", 30.0)]
    assert store.history("truck-7", "fuel", NOW, NOW + SLOT) == [fuel]
    assert store.history("truck-8", "lock", NOW - SLOT, NOW) == [lock]
    store.close()


def test_several_databases_are_brought_up_to_date_at_once(tmp_path: Path) -> None:
    stores = [LiveStore.of(f"sqlite:///{tmp_path / str(number)}.sqlite") for number in range(12)]
    with ThreadPoolExecutor(len(stores)) as threads:
        written = list(threads.map(lambda store: write(store, reading(1.0)), stores))
    assert written == [1] * len(stores)
    for store in stores:
        store.close()


def test_it_is_brought_up_to_date_while_dagster_does_the_same_with_its_own_tables(tmp_path: Path) -> None:
    from dagster import DagsterInstance

    def begin_dagster(number: int) -> None:
        (tmp_path / f"dagster-{number}").mkdir()
        with DagsterInstance.local_temp(str(tmp_path / f"dagster-{number}")) as instance:
            assert instance.get_runs() == []

    def begin_table(number: int) -> int:
        return write(LiveStore.of(f"sqlite:///{tmp_path / str(number)}.sqlite"), reading(1.0))

    with ThreadPoolExecutor(2) as threads:
        dagster = threads.submit(lambda: [begin_dagster(number) for number in range(3)])
        tables = threads.submit(lambda: [begin_table(number) for number in range(30)])
        assert tables.result() == [1] * 30
        dagster.result()


def test_all_revisions_make_the_tables_that_the_program_expects(store: LiveStore, empty_url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    store.check()
    engine = create_engine(empty_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": REVISION_TABLE})
        differences = compare_metadata(context, METADATA)
    engine.dispose()
    assert differences == []


def test_a_database_of_a_newer_program_is_refused_in_one_line_and_not_changed(empty_url: str) -> None:
    at_revision_1(empty_url, [*ROWS_OF_REVISION_1, f"UPDATE {REVISION_TABLE} SET version_num = '9999'"])
    store = LiveStore.of(empty_url)
    with pytest.raises(PermanentError, match="newer program: its revision is 9999") as refused:
        store.check()
    assert "\n" not in str(refused.value)
    assert PASSWORD not in str(refused.value)
    engine = create_engine(empty_url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM live_values").scalar() == 3
    engine.dispose()


def test_tables_that_vanish_while_it_is_used_are_made_anew(store: LiveStore, empty_url: str) -> None:
    write(store, reading(1.0))
    engine = create_engine(empty_url)
    with engine.begin() as connection:
        METADATA.drop_all(connection)
        connection.exec_driver_sql(f"DROP TABLE {REVISION_TABLE}")
    engine.dispose()
    with pytest.raises((TransientError, PermanentError), match="live table"):
        store.check()
    assert write(store, reading(1.0)) == 1


def test_a_server_that_is_gone_is_told_in_one_line_without_the_password() -> None:
    pytest.importorskip("psycopg2", reason="the extra 'postgres' is not installed")
    store = LiveStore.of(f"postgresql://cph50:{PASSWORD}@{LOOPBACK}:{free_port()}/cph50")
    with pytest.raises(TransientError, match="does not answer") as gone:
        store.check()
    assert "\n" not in str(gone.value)
    assert PASSWORD not in str(gone.value)


def test_a_wrong_password_is_told_in_one_line_that_does_not_hold_it(postgres_url: str) -> None:
    store = LiveStore.of(postgres_url.replace(PASSWORD, "canary-of-a-password"))
    with pytest.raises(PermanentError, match="authentication failed") as refused:
        store.check()
    assert "\n" not in str(refused.value)
    assert "canary-of-a-password" not in str(refused.value) + store.where


def test_connections_that_the_server_cut_are_made_anew(postgres_url: str) -> None:
    store = LiveStore.of(postgres_url)
    store.check()
    engine = create_engine(postgres_url)
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
    engine.dispose()
    store.check()
    store.close()
