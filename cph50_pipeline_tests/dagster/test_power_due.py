"""Which months of power are due: all that come out differently, whatever lay over their ends, and none for nothing."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from logging import getLogger
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cph50_pipeline.civil_time import month_bounds
from cph50_pipeline.defs.due_months import spans
from cph50_pipeline.defs.jobs import POWER_JOB
from cph50_pipeline.defs.month_files import EVENTS, ROLLUPS
from cph50_pipeline.defs.power_due import months_due
from cph50_pipeline.defs.power_inputs import Digests, PowerInputs
from cph50_pipeline.defs.reading_files import read_readings, write_readings
from cph50_pipeline.defs.rolling_up import month_events, roll_up
from cph50_pipeline.defs.store import METERS_FILE, Store
from cph50_pipeline.defs.taking_in import by_month, mark_months
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.power.readings import collect, merge
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline_tests.dagster.homes import Home, MakeHome, failure_texts, with_house

Row = tuple[str, datetime, float | None]

METERS = {
    "meters": {
        "home.energy": {
            "source": "home_assistant", "entity": "sensor.e", "quantity": "energy", "kind": "counter", "unit": "kWh",
        },
        "home.power": {
            "source": "home_assistant", "entity": "sensor.p", "quantity": "power", "kind": "gauge", "unit": "kW",
            "frozen_after_seconds": 86400, "band": [0, 5],
        },
    }
}  # fmt: skip
CONFIG = MeterConfig.read(METERS, "meters.json")
OCTOBER, NOVEMBER, DECEMBER, JANUARY = "2025-10", "2025-11", "2025-12", "2026-01"
BEGIN = datetime(2025, 11, 20, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def home(make_home: MakeHome) -> Home:
    """A household that has a gauge and a counter and no charging; nothing is taken in by runs."""
    home = with_house(make_home(history_start=OCTOBER, timezone="UTC"), is_there=False)
    home.folder.mkdir()
    (home.folder / METERS_FILE).write_text(json.dumps(METERS))
    return home


def rows(start: datetime, end: datetime, *, counted: bool = True, power_kw: float | None = None) -> list[Row]:
    """A house that draws 1 kWh an hour, as the counter says; `counted`: whether the counter says anything."""
    found: list[Row] = []
    for number in range((end - start) // HALF_AN_HOUR):
        at = start + number * HALF_AN_HOUR
        hours = (at - BEGIN) / timedelta(hours=1)
        found.append(("home.energy", at, 1000 + hours if counted else None))
        found.append(("home.power", at, 1.0 + number % 7 / 100 if power_kw is None else power_kw))
    return found


def take(store: Store, new: Sequence[Row], current: str) -> None:
    """What taking readings in leaves: put with what is stored, folded where a month is over, with their states."""
    with store.open():
        changed = set()
        for month, readings in by_month(store, collect(new)):
            together = merge(read_readings(store, month), readings)
            write_readings(store, month, together, is_over=month < current)
            changed.add(month)
        mark_months(store, changed, CONFIG, getLogger("test"))


def due(home: Home, now: datetime, digests: Digests | None = None) -> list[str]:
    store = home.store()
    inputs = PowerInputs(store, store.meters(600.0), digests or Digests())
    found, at_work = months_due(home.instance, inputs, now, OCTOBER)
    assert not at_work
    return [month for month, _ in found]


def make(home: Home, now: datetime) -> list[list[str]]:
    """Make what is due until nothing is; which months each round made."""
    rounds: list[list[str]] = []
    while months := due(home, now):
        assert len(rounds) < 3, f"{months} are due again and again"
        for span in spans([(month, "") for month in months]):
            ends = sorted({span[0][0], span[-1][0]})
            result = home.run(ends, job=POWER_JOB, only=["power_rollups", "power_events", "power_windows"])
            assert result.success, failure_texts(result)
        rounds.append(months)
    return rounds


def assert_is_as_made_anew(home: Home, months: Sequence[str]) -> None:
    store = home.store()
    for month in months:
        assert ROLLUPS.dump(store.need_month(ROLLUPS, month)) == ROLLUPS.dump(roll_up(store, month, CONFIG))
        assert store.need_month(EVENTS, month) == month_events(store, month, CONFIG)


def counted_kwh(home: Home, month: str, meter: str = "home.energy", resolution: str = "day") -> float:
    return energy_kwh(home.store().need_month(ROLLUPS, month), meter, resolution)


def energy_kwh(table: pa.Table, meter: str, resolution: str) -> float:
    chosen = (pc.field("meter") == meter) & (pc.field("resolution") == resolution)
    return pc.sum(table.filter(chosen)["energy_kwh"]).as_py() or 0.0


def test_readings_that_end_a_counters_gap_over_a_months_end_make_the_month_before_due(home: Home) -> None:
    dead, back, now = datetime(2025, 11, 28, tzinfo=UTC), datetime(2025, 12, 5, tzinfo=UTC), BEGIN + 15 * DAY
    take(home.store(), [*rows(BEGIN, dead), *rows(dead, back, counted=False)], DECEMBER)
    assert make(home, now) == [[NOVEMBER, DECEMBER]]
    assert counted_kwh(home, NOVEMBER) == pytest.approx(8 * 24 - 0.5)
    take(home.store(), rows(back, back + DAY), DECEMBER)
    assert make(home, now + 2 * DAY)[0] == [NOVEMBER, DECEMBER]
    assert counted_kwh(home, NOVEMBER) == pytest.approx(11 * 24)
    assert counted_kwh(home, DECEMBER) == pytest.approx(5 * 24 - 0.5)
    [gap] = [event for event in home.store().need_month(EVENTS, NOVEMBER) if event.kind == "gap"]
    assert (gap.start, gap.end) == (dead - HALF_AN_HOUR, back)
    assert_is_as_made_anew(home, [NOVEMBER, DECEMBER])


@pytest.mark.parametrize("are_others_read", [True, False])
def test_readings_that_end_a_gap_over_two_months_ends_make_all_months_due_that_it_spans(
    home: Home, are_others_read: bool
) -> None:
    dead, back, now = datetime(2025, 11, 28, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC), BEGIN + 50 * DAY
    between = rows(dead, back, counted=False) if are_others_read else []
    take(home.store(), [*rows(BEGIN, dead), *between], JANUARY)
    make(home, now)
    take(home.store(), rows(back, back + DAY), JANUARY)
    assert make(home, now)[0] == [NOVEMBER, DECEMBER, JANUARY]
    assert counted_kwh(home, NOVEMBER) == pytest.approx(11 * 24)
    assert counted_kwh(home, DECEMBER) == pytest.approx(31 * 24)
    assert counted_kwh(home, JANUARY) == pytest.approx(5 * 24 - 0.5)
    assert_is_as_made_anew(home, [NOVEMBER, DECEMBER, JANUARY])


def test_a_freeze_that_becomes_one_in_the_next_month_makes_the_month_due_in_which_it_began(
    home: Home,
) -> None:
    frozen, ends = datetime(2025, 11, 30, 12, tzinfo=UTC), datetime(2025, 12, 1, 6, tzinfo=UTC)
    now = datetime(2025, 12, 9, tzinfo=UTC)
    take(home.store(), [*rows(BEGIN, frozen), *rows(frozen, ends, power_kw=1.5)], DECEMBER)
    make(home, now)
    assert home.store().need_month(EVENTS, NOVEMBER) == []
    take(home.store(), rows(ends, ends + 3 * DAY, power_kw=1.5), DECEMBER)
    make(home, now)
    take(home.store(), rows(ends + 3 * DAY, ends + 4 * DAY), DECEMBER)
    assert make(home, now)[0] == [NOVEMBER, DECEMBER], "until when it lasted is only known now"
    [event] = home.store().need_month(EVENTS, NOVEMBER)
    assert (event.kind, event.start, event.end) == ("frozen", frozen, ends + 3 * DAY)
    assert_is_as_made_anew(home, [NOVEMBER, DECEMBER])


def test_what_lasts_over_a_months_end_makes_the_month_due_in_which_it_began_until_it_ends(home: Home) -> None:
    high, ends, now = (datetime(2025, 11, 30, 22, tzinfo=UTC) + hours * HOUR for hours in (0, 6, 100))
    take(home.store(), [*rows(BEGIN, high), *rows(high, ends, power_kw=7.0)], DECEMBER)
    make(home, now)
    take(home.store(), rows(ends, ends + 4 * HOUR, power_kw=7.0), DECEMBER)
    assert make(home, now)[0] == [NOVEMBER, DECEMBER]
    take(home.store(), rows(ends + 4 * HOUR, ends + DAY), DECEMBER)
    assert make(home, now)[0] == [NOVEMBER, DECEMBER]
    [event] = home.store().need_month(EVENTS, NOVEMBER)
    assert (event.kind, event.start, event.end) == ("out_of_band", high, ends + 4 * HOUR)
    assert_is_as_made_anew(home, [NOVEMBER, DECEMBER])


def test_readings_in_the_middle_of_a_month_concern_no_month_beside(home: Home) -> None:
    first, now = datetime(2025, 12, 1, tzinfo=UTC), datetime(2025, 12, 20, tzinfo=UTC)
    take(home.store(), rows(BEGIN, first + 2 * DAY), DECEMBER)
    make(home, now)
    digests = Digests()
    for number in range(2, 5):
        take(home.store(), rows(first + number * DAY, first + (number + 1) * DAY), DECEMBER)
        assert due(home, now, digests) == [DECEMBER]
    assert_is_as_made_anew(home, [NOVEMBER])


def test_a_month_beside_that_is_damaged_is_left_out_and_one_that_is_mended_counts(home: Home) -> None:
    first, now = datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    take(home.store(), rows(BEGIN, first + DAY), JANUARY)
    make(home, now)
    path = home.folder / "power" / "readings" / f"{DECEMBER}.parquet"
    whole = path.read_bytes()
    path.write_bytes(b"PAR1")
    digests = Digests()
    assert due(home, now, digests) == [NOVEMBER, DECEMBER]
    path.write_bytes(whole)
    assert due(home, now, digests) == []


FROM = datetime(2025, 11, 28, tzinfo=UTC)
UNTIL = datetime(2026, 1, 4, tzinfo=UTC)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Row], list[list[Row]]]:
    """Readings with gaps over the ends of months, and the same in shuffled batches, some of them twice."""
    instants = [FROM + number * 3 * HOUR for number in range((UNTIL - FROM) // (3 * HOUR))]
    kept: list[Row] = []
    for meter in ("home.energy", "home.power"):
        gaps = [
            (end - draw(st.integers(0, 3)) * DAY, end + draw(st.integers(0, 40)) * DAY / 4)
            for end in (month_bounds(month, ZoneInfo("UTC"))[1] for month in (NOVEMBER, DECEMBER))
        ]
        for number, at in enumerate(instants):
            if not any(start <= at < end for start, end in gaps):
                kept.append((meter, at, 100.0 + number if meter == "home.energy" else 1.0 + number % 3))
    batches: dict[int, list[Row]] = defaultdict(list)
    of_rows = draw(st.lists(st.integers(0, 4), min_size=40, max_size=40))
    for number, row in enumerate(kept):
        batches[of_rows[number * len(of_rows) // len(kept)]].append(row)
    order = draw(st.permutations(sorted(batches)))
    again = draw(st.lists(st.sampled_from(order), max_size=2))
    return kept, [batches[number] for number in (*order, *again)]


def make_by_batches(store: Store, batches: Sequence[Sequence[Row]]) -> None:
    """Roll up, after each batch, the months of which the digest is another."""
    noted: dict[str, str] = {}
    for batch in batches:
        take(store, batch, JANUARY)
        inputs = PowerInputs(store, CONFIG)
        now = {month: inputs.digest(month) for month in inputs.months()}
        changed = [month for month, digest in now.items() if noted.get(month) != digest]
        with store.open():
            store.write_months(ROLLUPS, {month: roll_up(store, month, CONFIG) for month in changed})
            store.write_months(EVENTS, {month: month_events(store, month, CONFIG) for month in changed})
        noted = now


def told_kwh(meter: str, rows: Sequence[Row]) -> float:
    """What the counter's readings are apart; what the gauge's come to while each stands, its newest for no time yet."""
    told = [(at, value) for of, at, value in rows if of == meter and value is not None]
    if meter == "home.energy":
        return told[-1][1] - told[0][1] if told else 0.0
    hold = timedelta(seconds=CONFIG.meters[meter].hold_seconds)
    return sum(value * (min(after - at, hold) / HOUR) for (at, value), (after, _) in pairwise(told))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories())
def test_whatever_the_order_of_readings_their_rollups_are_those_of_all_at_once_and_no_energy_is_lost(
    history: tuple[list[Row], list[list[Row]]],
) -> None:
    kept, batches = history
    with TemporaryDirectory() as folder:
        piecemeal, at_once = (
            Store(DataRoot(f"{folder}/{name}"), Locks(Path(folder) / f"private_{name}"), ZoneInfo("UTC"))
            for name in ("piecemeal", "at_once")
        )
        make_by_batches(piecemeal, batches)
        make_by_batches(at_once, [kept])
        months = at_once.stored_months(ROLLUPS)
        assert piecemeal.stored_months(ROLLUPS) == months
        for month in months:
            for file in (ROLLUPS, EVENTS):
                assert piecemeal.root.read(file.path(month)) == at_once.root.read(file.path(month))
        tables = [piecemeal.need_month(ROLLUPS, month) for month in months]
        for meter, resolution in product(("home.energy", "home.power"), ("5min", "hour", "day")):
            rolled_up = sum(energy_kwh(table, meter, resolution) for table in tables)
            assert rolled_up == pytest.approx(told_kwh(meter, kept), abs=1e-6)
