"""The tables of power: what is written is read again, through Parquet as well."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.civil_time import from_epoch_ms
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power import tables
from cph50_pipeline.power.buckets import edges
from cph50_pipeline.power.meters import Meter
from cph50_pipeline.power.readings import Readings, Series
from cph50_pipeline.power.rollups import COLUMNS, Rollup, coarsen, rollup
from cph50_pipeline.power.windows import windows
from cph50_pipeline.storage.tables import dump_table, load_table
from cph50_pipeline_tests.unit.power.builders import (
    PACIFIC,
    as_dict,
    at,
    counted_series,
    counter,
    every,
    gauge,
    series_with_gaps,
)

some_readings = st.dictionaries(
    st.sampled_from(["home.power", "home.voltage", "solar.power"]), series_with_gaps(least=0)
).map(Readings.of)


@given(some_readings)
def test_readings_survive_parquet_however_their_texts_are_read(taken: Readings) -> None:
    schema, keys = tables.readings_schema(), tables.READINGS_SORT_KEYS
    data = dump_table(tables.readings_table(taken), schema, keys)
    for few_valued in ((), tables.READINGS_FEW_VALUED):
        table = load_table(data, schema, "2026-01.parquet", few_valued)
        assert as_dict(tables.readings_of_table(table)) == as_dict(taken)


@given(some_readings, st.randoms(use_true_random=False), st.integers(1, 5))
def test_rows_may_come_in_any_order_and_in_pieces(taken: Readings, random: object, size: int) -> None:
    table = tables.readings_table(taken)
    order = list(range(len(table)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = table.take(pa.array(order, pa.int64()))
    pieces = [shuffled.slice(start, size).combine_chunks() for start in range(0, len(table), size)]

    assert as_dict(tables.readings_of_table(pa.concat_tables([shuffled.slice(0, 0), *pieces]))) == as_dict(
        taken
    )


def test_the_readings_table_is_written_in_its_order() -> None:
    table = tables.readings_table(Readings.of({"b.x": every(60, [1, None]), "a.x": every(60, [2])}))

    assert table.schema == tables.readings_schema()
    assert [(row["meter"], row["value"], row["state"]) for row in table.to_pylist()] == [
        ("a.x", 2.0, "ok"),
        ("b.x", 1.0, "ok"),
        ("b.x", None, "missing"),
    ]


def test_a_state_that_is_none_of_ours_is_refused() -> None:
    table = tables.readings_table(Readings.of({"a.x": every(60, [1])}))
    with pytest.raises(BadInputError, match="'fine' is no state"):
        tables.readings_of_table(table.set_column(3, "state", pa.array(["fine"])))


def rollups_of(taken: Series, meter: Meter, zone: ZoneInfo = PACIFIC) -> dict[tuple[str, str], Rollup]:
    days = edges("day", from_epoch_ms(int(taken.at[0])), from_epoch_ms(int(taken.at[-1]) + 1), zone)
    whole = from_epoch_ms(days[0]), from_epoch_ms(days[-1])
    base = rollup(taken, meter, edges("5min", *whole, zone))
    return {
        ("home.power", "5min"): base,
        ("home.power", "hour"): coarsen(base, edges("hour", *whole, zone)),
        ("home.power", "day"): coarsen(base, days),
    }


@given(st.one_of(series_with_gaps(), counted_series()), st.sampled_from([gauge(), counter()]))
def test_rollups_survive_parquet_to_the_last_bit(taken: Series, meter: Meter) -> None:
    made = rollups_of(taken, meter)
    schema, keys = tables.rollups_schema(), tables.ROLLUPS_SORT_KEYS
    data = dump_table(tables.rollups_table(made), schema, keys)  # type: ignore[arg-type]
    table = load_table(data, schema, "2026-01.parquet")
    for (meter_id, resolution), one in made.items():
        found = tables.rollup_of_table(table, meter_id, resolution, one.edges)  # type: ignore[arg-type]
        for name in COLUMNS:
            left, right = getattr(found, name), getattr(one, name)
            assert left.dtype == right.dtype
            assert np.array_equal(left, right, equal_nan=left.dtype.kind == "f")


def test_buckets_of_which_nothing_is_known_are_not_written() -> None:
    made = rollups_of(every(3600, [1.0, None, None, 2.0]), gauge(hold_seconds=600))
    table = tables.rollups_table(made)  # type: ignore[arg-type]

    assert len(table.filter(pa.compute.field("resolution") == "hour")) == 4
    assert len(table.filter(pa.compute.field("resolution") == "5min")) == 5
    assert table.schema == tables.rollups_schema()


def test_buckets_outside_the_edges_are_left_out() -> None:
    made = rollups_of(every(60, [1.0] * 30), gauge())
    base = made["home.power", "5min"]
    found = tables.rollup_of_table(tables.rollups_table(made), "home.power", "5min", base.edges[3:6])  # type: ignore[arg-type]

    assert found.energy_kwh.tolist() == base.energy_kwh[3:5].tolist()


def test_the_days_of_another_zone_are_refused() -> None:
    made = rollups_of(every(3600, [1.0] * 72), gauge())
    there = edges("day", at(0), at(86_400), ZoneInfo("Europe/Berlin"))
    with pytest.raises(BadInputError, match=r"home\.power by day were made for other buckets"):
        tables.rollup_of_table(tables.rollups_table(made), "home.power", "day", there)  # type: ignore[arg-type]


def test_windows_are_written_by_meter_length_and_day() -> None:
    days = rollups_of(every(3600, [1.0] * 100), gauge())["home.power", "day"]
    table = tables.windows_table({("b.x", 2): windows(days, 2, 2), ("a.x", 2): windows(days, 2, 1)})

    assert table.schema == tables.windows_schema()
    assert [(row["meter"], row["end"]) for row in table.to_pylist()] == [
        ("a.x", from_epoch_ms(days.edges[-1])),
        ("b.x", from_epoch_ms(days.edges[-2])),
        ("b.x", from_epoch_ms(days.edges[-1])),
    ]
    assert load_table(dump_table(table, table.schema, tables.WINDOWS_SORT_KEYS), table.schema, "x") == table


def test_nothing_is_an_empty_table() -> None:
    assert len(tables.readings_table(Readings.of({}))) == 0
    assert len(tables.readings_of_table(tables.readings_schema().empty_table())) == 0
    assert len(tables.rollups_table({})) == len(tables.windows_table({})) == 0
