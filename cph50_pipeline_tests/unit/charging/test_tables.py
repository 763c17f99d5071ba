from __future__ import annotations

from random import Random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.charging.model import Reading, Session
from cph50_pipeline.charging.samples import distinct_readings
from cph50_pipeline.charging.slots import charging_slots
from cph50_pipeline.charging.tables import (
    readings_by_session,
    samples_schema,
    samples_table,
    slots_by_session,
    slots_schema,
    slots_table,
)
from cph50_pipeline.errors import BadInputError
from cph50_pipeline_tests.unit.charging.builders import START, reading, session, sessions_with_readings


@given(sessions_with_readings(), st.randoms())
def test_readings_survive_the_table_in_any_order(made: tuple[Session, list[Reading]], random: Random) -> None:
    distinct = distinct_readings(session(curve=tuple(made[1])), None)
    rows = [("501", one) for one in distinct] + [("502", one) for one in distinct]
    shuffled = list(rows)
    random.shuffle(shuffled)

    assert samples_table(shuffled).equals(samples_table(rows))
    assert readings_by_session(samples_table(rows)) == (
        {"501": distinct, "502": distinct} if distinct else {}
    )


@given(sessions_with_readings())
def test_slots_survive_the_table(made: tuple[Session, list[Reading]]) -> None:
    slots = charging_slots(*made, "ember")

    assert slots_by_session(slots_table(slots[::-1])) == {"501": slots}


def test_empty_tables_keep_their_schema() -> None:
    assert samples_table([]).schema == samples_schema()
    assert slots_table([]).schema == slots_schema()
    assert readings_by_session(samples_table([])) == {}
    assert slots_by_session(slots_table([])) == {}


def test_slots_are_sorted_by_time_and_then_session() -> None:
    slots = [
        slot
        for session_id in ("9", "10")
        for slot in charging_slots(session(session_id=session_id), [], "ember")
    ]
    table = slots_table(slots)
    order = list(zip(table["slot_start"].to_pylist(), table["session_id"].to_pylist(), strict=True))

    assert order == sorted(order)


def test_an_unknown_origin_is_refused_by_its_session() -> None:
    table = samples_table([("501", reading(0, 0.0))])
    damaged = table.set_column(table.schema.get_field_index("origin"), "origin", pa.array(["guess"]))

    with pytest.raises(BadInputError, match=r"501.*guess"):
        readings_by_session(damaged)


def test_times_are_utc_in_milliseconds() -> None:
    table = samples_table([("501", reading(0.001, 0.0))])

    assert table.schema.field("at").type == pa.timestamp("ms", tz="UTC")
    assert readings_by_session(table)["501"][0].at > START
