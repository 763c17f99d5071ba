"""The lines of an open month's days."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power.ndjson import dump_lines, load_lines
from cph50_pipeline.power.readings import Readings, merge, series_of
from cph50_pipeline_tests.unit.power.builders import START, as_dict, series, series_with_gaps

some_readings = st.dictionaries(
    st.sampled_from(["home.power", "home.voltage"]), series_with_gaps(least=0)
).map(Readings.of)

GOOD = '{"at":"2026-01-07T08:00:00+00:00","meter":"a.b","state":"ok","value":1.5}'


@given(some_readings)
def test_what_is_written_is_read_again(taken: Readings) -> None:
    assert as_dict(load_lines(dump_lines(taken), "day.ndjson")) == as_dict(taken)


@given(some_readings, st.randoms(use_true_random=False))
def test_the_order_of_lines_does_not_matter(taken: Readings, random: object) -> None:
    lines = dump_lines(taken).splitlines(keepends=True)
    random.shuffle(lines)  # type: ignore[attr-defined]

    assert dump_lines(load_lines(b"".join(lines), "day.ndjson")) == dump_lines(taken)


def test_a_line_is_one_reading() -> None:
    taken = Readings.of({"home.power": series([(0.25, 1.5), (60, None)])})

    assert dump_lines(taken).decode().splitlines() == [
        '{"at":"2026-01-07T08:00:00.250000+00:00","meter":"home.power","state":"ok","value":1.5}',
        '{"at":"2026-01-07T08:01:00+00:00","meter":"home.power","state":"missing","value":null}',
    ]


def test_new_readings_come_at_the_end() -> None:
    old = Readings.of({"home.voltage": series([(0, 240.0)]), "home.power": series([(0, 1.0)])})
    new = Readings.of({"home.voltage": series([(60, 241.0)]), "home.power": series([(60, 1.1)])})

    assert dump_lines(merge(old, new)).startswith(dump_lines(old))


def test_an_impossible_number_is_kept_with_its_state() -> None:
    taken = Readings.of({"home.power": series_of([0], [1e9], [1])})

    assert load_lines(dump_lines(taken), "day.ndjson")["home.power"].value.tolist() == [1e9]


@pytest.mark.parametrize("line", [GOOD.replace("1.5", "null"), GOOD.replace(',"value":1.5', "")])
def test_a_reading_without_a_number_is_missing_whatever_else_is_said(line: str) -> None:
    assert as_dict(load_lines(line.encode(), "day.ndjson")) == {"a.b": [(0, None, "MISSING")]}


@pytest.mark.parametrize(
    "at", ["2026-01-07T00:00:00-08:00", "2026-01-07T08:00:00Z", "2026-01-07T08:00:00.000+00:00"]
)
def test_a_time_that_another_hand_wrote_is_read_as_well(at: str) -> None:
    assert as_dict(load_lines(GOOD.replace("2026-01-07T08:00:00+00:00", at).encode(), "day.ndjson")) == {
        "a.b": [(0, 1.5, "OK")]
    }


def test_an_empty_line_is_no_reading_and_no_fault() -> None:
    assert len(load_lines(f"\n{GOOD}\n\n".encode(), "day.ndjson")) == 1


def test_no_readings_are_an_empty_file() -> None:
    assert dump_lines(Readings.of({})) == b""
    assert len(load_lines(b"", "day.ndjson")) == 0


@pytest.mark.parametrize(
    "line",
    [
        GOOD[:-1],
        "1",
        "[]",
        GOOD.replace("+00:00", ""),
        GOOD.replace('"ok"', '"fine"'),
        GOOD.replace('"ok"', "null"),
        GOOD.replace("1.5", "Infinity"),
        GOOD.replace("1.5", "NaN"),
        GOOD.replace("1.5", '"high"'),
        GOOD.replace("1.5", "[]"),
        "\udcff",
    ],
)
def test_a_line_that_is_no_reading_is_named(line: str) -> None:
    data = f"{GOOD}\n{line}\n{GOOD}\n".encode(errors="surrogateescape")
    with pytest.raises(BadInputError, match=r"^day\.ndjson, line 2 is no reading"):
        load_lines(data, "day.ndjson")


def test_a_day_keeps_its_milliseconds() -> None:
    taken = Readings.of({"a.b": series([(0.001, 1.0)], START + timedelta(days=1))})

    assert as_dict(load_lines(dump_lines(taken), "day.ndjson")) == as_dict(taken)
