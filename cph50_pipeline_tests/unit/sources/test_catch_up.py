"""What Home Assistant is asked for, and how little: on a source with a script."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from cph50_pipeline.errors import Cph50Error, PermanentError, TransientError
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.sources.catch_up import Batch, catch_up
from cph50_pipeline.sources.home_readings import WITNESS
from cph50_pipeline.sources.home_source import Heard, Notice, StateRow, StatisticsRow

NOW = datetime(2026, 1, 20, 12, 0, 30, tzinfo=UTC)
NOON = datetime(2026, 1, 20, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
POWER, ENERGY = "sensor.home_power", "sensor.home_energy"
METERS = MeterConfig.read(
    {
        "meters": {
            "home.power": {
                "source": "home_assistant",
                "entity": POWER,
                "quantity": "power",
                "kind": "gauge",
                "unit": "W",
            },
            "home.energy": {
                "source": "home_assistant",
                "entity": ENERGY,
                "quantity": "energy",
                "kind": "counter",
                "unit": "kWh",
            },
        }
    },
    "meters.json",
).meters
Span = tuple[datetime, datetime]


@dataclass
class ScriptedHome:
    """A Home Assistant that holds rows, and answers as the real one does.

    Attributes:
        rows: All that its history holds, in order.
        present: What entities say now that the history does not hold.
        present_since: Since when they say so.
        remembers_since: What is older is forgotten; statistics stay.
        failures: What is raised in the place of answers, by what is asked.
        asked: What was asked, in order.
    """

    rows: list[StateRow] = field(default_factory=list)
    hours: list[StatisticsRow] = field(default_factory=list)
    present: dict[str, str] = field(default_factory=dict)
    present_since: datetime = NOW
    remembers_since: datetime = NOON - 400 * DAY
    offset: timedelta = timedelta(0)
    failures: dict[str, Cph50Error] = field(default_factory=dict)
    asked: list[tuple[str, tuple[str, ...], Span | None]] = field(default_factory=list)

    def clock_offset(self) -> timedelta:
        self._note("clock", [], None)
        return self.offset

    def states(self, entities: Sequence[str]) -> Heard:
        self._note("states", entities, None)
        last = {row.entity: row for row in self.rows}
        last |= {one: StateRow(one, self.present_since, state, "W") for one, state in self.present.items()}
        rows = [last[one] for one in entities if one in last and last[one].state]
        known = {row.entity for row in rows}
        return Heard(rows, [Notice("unknown_entity", one, one) for one in entities if one not in known])

    def history(self, entities: Sequence[str], start: datetime, end: datetime) -> Heard:
        self._note("history", entities, (start, end))
        rows = []
        for entity in entities:
            known = [row for row in self.rows if row.entity == entity and row.at >= self.remembers_since]
            rows += [row._replace(at=start) for row in known if row.at <= start][-1:]
            rows += [row for row in known if start < row.at <= end]
        return Heard(sorted(rows))

    def statistics(self, entities: Sequence[str], start: datetime, end: datetime) -> list[StatisticsRow]:
        self._note("statistics", entities, (start, end))
        return [row for row in self.hours if row.entity in entities and start <= row.start < end]

    def within(self, seconds: float) -> AbstractContextManager[None]:
        return nullcontext()

    def _note(self, what: str, entities: Sequence[str], span: Span | None) -> None:
        self.asked.append((what, tuple(entities), span))
        if what in self.failures:
            raise self.failures[what]

    def spans(self, what: str) -> list[Span]:
        return [span for kind, _, span in self.asked if kind == what and span is not None]


def every_minute(start: datetime, end: datetime, unit: str = "W") -> list[StateRow]:
    """What a meter and its counter say from `start` to before `end`."""
    rows = []
    for minute in range(int((end - start) / MINUTE)):
        at = start + minute * MINUTE + timedelta(seconds=2)
        seconds = at.timestamp()
        rows.append(StateRow(POWER, at, f"{seconds % 900 + 100:.1f}", unit))
        rows.append(StateRow(ENERGY, at, f"{(seconds - 1.76e9) / 3600:.3f}", "kWh"))
    return rows


def collect(source: ScriptedHome, since: datetime, now: datetime = NOW, **changes: object) -> list[Batch]:
    arguments: dict[str, object] = {"interval_seconds": 600, "earliest": since, **changes}
    return list(catch_up(source, METERS, {}, now, **arguments))  # type: ignore[arg-type]


def rows_of(batches: Sequence[Batch]) -> list[StateRow]:
    return [row for batch in batches for row in batch.rows]


def notices_of(batches: Sequence[Batch]) -> list[Notice]:
    return [notice for batch in batches for notice in batch.notices]


def test_readings_stand_on_the_grid_up_to_what_has_settled() -> None:
    source = ScriptedHome(every_minute(NOON - 2 * HOUR, NOW))
    batches = collect(source, NOON - HOUR)
    power = [row for row in rows_of(batches) if row.entity == POWER]
    assert [row.at for row in power] == [NOON - HOUR + number * 10 * MINUTE for number in range(1, 7)]
    assert collect(source, NOON - HOUR, now=NOON + timedelta(seconds=9))[-1].through == NOON - 10 * MINUTE
    assert notices_of(batches) == []


def test_with_nothing_missed_one_interval_is_asked_for() -> None:
    source = ScriptedHome(every_minute(NOON - 2 * HOUR, NOW))
    [batch] = collect(source, NOON - 10 * MINUTE)
    assert [(what, span) for what, _, span in source.asked] == [
        ("clock", None),
        (
            "history",
            (NOON - 20 * MINUTE, NOW),
        ),  # what it says after the last reading tells whether it was there
    ]
    assert len(batch.rows) == 2
    assert batch.last_seen == {"home.power": NOON, "home.energy": NOON}


def test_a_start_that_is_not_in_the_history_yet_leaves_the_silence_before_it_open() -> None:
    silent_since = NOON - 40 * MINUTE
    source = ScriptedHome(every_minute(NOON - 2 * HOUR, silent_since))
    quiet = ScriptedHome([*source.rows])
    source.present = {POWER: "unavailable", ENERGY: "unavailable"}  # said at `NOW`
    [started], [stood] = collect(source, NOON - HOUR), collect(quiet, NOON - HOUR)
    assert started.through == max(row.at for row in started.rows) == silent_since - 10 * MINUTE
    assert stood.through == NOON


def test_meters_that_are_silent_while_home_assistant_is_there_are_read_on() -> None:
    source = ScriptedHome(every_minute(NOON - 9 * HOUR, NOON - 8 * HOUR))
    batches = collect(source, NOON - 9 * HOUR)
    last = source.rows[-2].state
    assert batches[-1].through == NOON
    assert [row.state for row in rows_of(batches) if row.entity == POWER][-48:] == [last] * 48
    assert notices_of(batches) == []


@pytest.mark.parametrize("dead", [(), (ENERGY,)])
def test_a_recorder_that_writes_nothing_is_named_and_what_is_said_now_is_kept(dead: tuple[str, ...]) -> None:
    stuck_since = NOON - 6 * HOUR
    source = ScriptedHome(every_minute(NOON - 8 * HOUR, stuck_since))
    source.present = {one: "731" for one in (POWER, ENERGY) if one not in dead}
    *_, last = batches = collect(source, NOON - 7 * HOUR)
    power = [row for row in rows_of(batches) if row.entity == POWER]
    assert power[-1] == StateRow(POWER, NOW, "731", "W")
    assert all(row.at < stuck_since for row in power[:-1])
    assert len(power) == 6
    assert last.last_seen == {"home.power": NOON, "home.energy": NOON}
    assert [(notice.kind, notice.start) for notice in notices_of(batches)] == [
        ("not_recorded", stuck_since - 10 * MINUTE)
    ]


def test_a_recorder_that_still_writes_nothing_is_not_taken_for_silent_meters() -> None:
    source = ScriptedHome(every_minute(NOON - 8 * HOUR, NOON - 6 * HOUR))
    source.present, source.present_since = {POWER: "0", ENERGY: "5"}, NOON - 3 * HOUR
    [batch] = collect(source, NOON - HOUR)
    assert batch.rows == [StateRow(ENERGY, NOON, "5", "W"), StateRow(POWER, NOON, "0", "W")]
    assert [notice.kind for notice in batch.notices] == ["not_recorded"]


def test_what_a_clock_that_is_ahead_says_now_is_not_of_the_future() -> None:
    source = ScriptedHome(every_minute(NOON - 8 * HOUR, NOON - 6 * HOUR), offset=HOUR)
    source.present, source.present_since = {POWER: "0", ENERGY: "5"}, NOW + HOUR
    assert {row.at for row in collect(source, NOON - HOUR)[-1].rows} == {NOON}


def test_a_meter_whose_last_word_is_about_to_be_written_is_waited_for() -> None:
    source = ScriptedHome(every_minute(NOON - 2 * HOUR, NOON - 2 * MINUTE))
    source.present = {POWER: "731", ENERGY: "5"}
    batches = collect(source, NOON - HOUR)
    assert batches[-1].through == NOON - 10 * MINUTE
    assert notices_of(batches) == []


def sun(start: datetime, end: datetime) -> list[StateRow]:
    """What the witness says at night."""
    count = int((end - start) / (20 * MINUTE))
    return [StateRow(WITNESS, start + number * 20 * MINUTE, "below_horizon", None) for number in range(count)]


def an_inverter_asleep(*witnessed: StateRow) -> ScriptedHome:
    """Panels that say 0 at sunset and are unavailable from the middle of the night to sunrise."""
    states = ((-14, "5"), (-12, "0"), (-6, "unavailable"), (-1, "7"))
    said = [StateRow(POWER, NOON + hour * HOUR + 7 * MINUTE, state, "W") for hour, state in states]
    return ScriptedHome(sorted([*said, *witnessed], key=lambda row: row.at))


def test_a_single_meter_that_falls_asleep_is_no_restart_where_home_assistant_was_seen_there() -> None:
    only = {"home.power": METERS["home.power"]}
    source = an_inverter_asleep(*sun(NOON - 14 * HOUR, NOW))
    batches = list(catch_up(source, only, {}, NOW, interval_seconds=600, earliest=NOON - 13 * HOUR))
    states = [row.state for row in rows_of(batches)]
    assert {row.entity for row in rows_of(batches)} == {POWER}
    assert states.count("0") == 36
    assert states.count("unavailable") == 30
    assert batches[-1].through == NOON


def test_a_restart_is_one_for_a_single_meter_as_well() -> None:
    only = {"home.power": METERS["home.power"]}
    down = (NOON - 9 * HOUR, NOON - 6 * HOUR)
    witnessed = [row for row in sun(NOON - 14 * HOUR, NOW) if not down[0] < row.at < down[1]]
    started = StateRow(WITNESS, down[1] + 6 * MINUTE, "below_horizon", None)
    source = an_inverter_asleep(*[row for row in witnessed if row.at != down[1]], started)
    batches = list(catch_up(source, only, {}, NOW, interval_seconds=600, earliest=NOON - 13 * HOUR))
    assert [row for row in rows_of(batches) if down[0] < row.at <= down[1]] == []
    assert len([row for row in rows_of(batches) if row.state == "0"]) == 18


def test_with_nothing_new_nothing_is_read() -> None:
    source = ScriptedHome(every_minute(NOON - 2 * HOUR, NOW))
    assert collect(source, NOON) == []
    assert source.spans("history") == []


def test_without_a_meter_at_home_assistant_nothing_is_asked() -> None:
    source = ScriptedHome()
    charger = MeterConfig.read({"meters": {}}, "meters.json").meters
    assert list(catch_up(source, charger, {}, NOW, interval_seconds=600, earliest=NOON - DAY)) == []
    assert source.asked == []


def test_days_are_read_one_by_one_and_each_can_be_gone_on_from() -> None:
    source = ScriptedHome(every_minute(NOON - 4 * DAY, NOW))
    whole = collect(source, NOON - 3 * DAY)
    midnights = [datetime(2026, 1, day, tzinfo=UTC) for day in (18, 19, 20)]
    assert [batch.through for batch in whole] == [*midnights, NOON]
    rest = list(
        catch_up(source, METERS, whole[1].last_seen, NOW, interval_seconds=600, earliest=NOON - 3 * DAY)
    )
    assert rest == whole[2:]


def test_it_does_not_matter_how_often_or_when_it_was_collected() -> None:
    source = ScriptedHome(every_minute(NOON - 2 * DAY, NOW))
    whole = rows_of(collect(source, NOON - DAY))
    pieces: list[StateRow] = []
    last_seen: dict[str, datetime] = {}
    for minutes in (7, 8, 30, 31, 300, 301, 900, 1441):
        now = NOON - DAY + minutes * MINUTE
        for batch in catch_up(source, METERS, last_seen, now, interval_seconds=600, earliest=NOON - DAY):
            pieces += batch.rows
            last_seen = dict(batch.last_seen)
    assert sorted(pieces) == sorted(whole)


def test_a_meter_that_is_new_is_read_from_the_earliest_on_and_the_others_are_not_again() -> None:
    source = ScriptedHome(every_minute(NOON - 4 * DAY, NOW))
    batches = list(
        catch_up(
            source,
            METERS,
            {"home.power": NOON - 10 * MINUTE},
            NOW,
            interval_seconds=600,
            earliest=NOON - 2 * DAY,
        )
    )
    rows = rows_of(batches)
    assert len([row for row in rows if row.entity == POWER]) == 1
    assert len([row for row in rows if row.entity == ENERGY]) == 288
    assert next(entities for what, entities, _ in source.asked if what == "history") == (ENERGY, WITNESS)
    assert batches[0].last_seen["home.power"] == NOON - 10 * MINUTE


def test_what_failed_under_way_leaves_the_batches_before_it() -> None:
    source = ScriptedHome(every_minute(NOON - 4 * DAY, NOW))
    batches = catch_up(source, METERS, {}, NOW, interval_seconds=600, earliest=NOON - 3 * DAY)
    first = next(batches)
    source.failures["history"] = TransientError("Home Assistant did not answer")
    with pytest.raises(TransientError):
        next(batches)
    assert first.through == datetime(2026, 1, 18, tzinfo=UTC)
    assert first.rows


def outage(start: datetime, end: datetime) -> ScriptedHome:
    """A house whose Home Assistant was down."""
    started = [StateRow(entity, end, "unavailable", None) for entity in (ENERGY, POWER)]
    said = [row for row in every_minute(NOON - 3 * DAY, NOW) if not start <= row.at <= end + MINUTE]
    return ScriptedHome(sorted([*said, *started], key=lambda row: row.at))


def test_there_is_no_reading_of_the_time_in_which_home_assistant_was_down() -> None:
    down = (NOON - 3 * HOUR, NOON - 2 * HOUR + MINUTE)
    rows = rows_of(collect(outage(*down), NOON - 6 * HOUR))
    assert [row for row in rows if down[0] < row.at < down[1]] == []
    read = {row.at for row in rows if row.entity == POWER}
    missing = {NOON - number * 10 * MINUTE for number in range(36)} - read
    assert missing == {NOON - number * 10 * MINUTE for number in range(12, 19)}


@pytest.mark.parametrize("hours", [1, 20, 30, 60])
def test_an_outage_over_midnight_is_seen_as_one(hours: int) -> None:
    end = NOON - 30 * MINUTE
    start = end - hours * HOUR
    rows = rows_of(collect(outage(start, end), NOON - 3 * DAY + 10 * MINUTE))
    assert [row for row in rows if start < row.at < end] == []
    assert [row for row in rows if row.at >= end]


def test_after_a_start_nothing_is_decided_before_every_entity_was_heard() -> None:
    down = (NOON - 2 * HOUR, NOON)
    source = outage(*down)
    late = [row for row in source.rows if row.at >= NOON and row.entity == POWER]
    source.rows = [row for row in source.rows if row not in late]
    early = collect(source, NOON - 3 * HOUR, now=NOON + 2 * MINUTE)
    assert early[-1].through == NOON - 2 * HOUR - 10 * MINUTE
    assert collect(source, early[-1].through, now=NOON + 2 * MINUTE) == []
    source.rows += [row._replace(at=row.at + 3 * MINUTE) for row in late]
    [batch] = collect(source, early[-1].through, now=NOON + 20 * MINUTE)
    assert [row.at for row in batch.rows if row.entity == POWER] == [NOON + 10 * MINUTE]
    assert [row for row in batch.rows if down[0] <= row.at < down[1]] == []


def hours_of(entity: str, start: datetime, end: datetime, unit: str) -> list[StatisticsRow]:
    count = int((end - start) / HOUR)
    is_gauge = entity == POWER
    return [
        StatisticsRow(
            entity,
            start + number * HOUR,
            start + (number + 1) * HOUR,
            mean=1.5 if is_gauge else None,
            state=None if is_gauge else 5.0 + number,
            change=None if is_gauge else 1.0,
            unit=unit,
        )
        for number in range(count)
    ]


def test_where_the_history_is_forgotten_statistics_stand_in() -> None:
    begin, remembered = NOON - 2 * DAY, NOON - DAY
    source = ScriptedHome(every_minute(remembered, NOW), remembers_since=remembered)
    source.hours = hours_of(POWER, begin - HOUR, NOON, "kW") + hours_of(ENERGY, begin - HOUR, NOON, "kWh")
    batches = collect(source, begin)
    power = [row for row in rows_of(batches) if row.entity == POWER]
    assert [row.at for row in power] == [begin + number * 10 * MINUTE for number in range(1, 289)]
    told = [row for row in power if row.at < remembered]
    assert {(row.state, row.unit) for row in told} == {("1.500001", "kW"), ("1.499999", "kW")}
    assert {row.unit for row in power if row.at > remembered} == {"W"}
    energy = [row for row in rows_of(batches) if row.entity == ENERGY and row.at < remembered]
    assert [row.at for row in energy] == [begin + number * HOUR for number in range(1, 24)]
    assert notices_of(batches) == []


def test_statistics_are_asked_for_only_where_the_history_is_forgotten() -> None:
    remembered = NOON - DAY
    source = ScriptedHome(every_minute(remembered, NOW), remembers_since=remembered)
    collect(source, NOON - 2 * DAY)
    spans = source.spans("statistics")
    assert spans[0][0] == NOON - 2 * DAY - HOUR
    assert max(end for _, end in spans) <= remembered + MINUTE
    assert len(spans) == 2


def test_what_nobody_remembers_is_said_once_and_with_its_ends() -> None:
    remembered = NOON - 12 * HOUR
    source = ScriptedHome(every_minute(remembered, NOW), remembers_since=remembered)
    batches = collect(source, NOON - 5 * DAY)
    notices = notices_of(batches)
    assert {notice.entity for notice in notices} == {POWER, ENERGY}
    assert len(notices) == 2
    assert all(notice.kind == "forgotten" and notice.start == NOON - 5 * DAY for notice in notices)
    assert all(notice.end is not None and notice.end <= remembered + 10 * MINUTE for notice in notices)
    assert rows_of(batches)


def test_without_a_websocket_the_history_goes_on() -> None:
    remembered = NOON - 12 * HOUR
    source = ScriptedHome(every_minute(remembered, NOW), remembers_since=remembered)
    source.failures["statistics"] = PermanentError("Home Assistant answered 400 for the statistics")
    batches = collect(source, NOON - DAY)
    assert batches[-1].through == NOON
    assert "400" in notices_of(batches)[0].message


def test_statistics_that_may_come_later_are_waited_for() -> None:
    remembered = NOON - 12 * HOUR
    source = ScriptedHome(every_minute(remembered, NOW), remembers_since=remembered)
    source.failures["statistics"] = TransientError("Home Assistant did not answer")
    with pytest.raises(TransientError):
        collect(source, NOON - DAY)


def test_an_entity_that_does_not_exist_is_named_and_the_rest_goes_on() -> None:
    rows = [row for row in every_minute(NOON - 2 * HOUR, NOW) if row.entity == POWER]
    batches = collect(ScriptedHome(rows), NOON - HOUR)
    assert len(rows_of(batches)) == 6
    assert [(notice.kind, notice.entity) for notice in notices_of(batches)] == [("unknown_entity", ENERGY)]


def test_an_entity_that_was_removed_is_named_and_missing_from_then_on() -> None:
    removed = NOON - 30 * MINUTE
    rows = [row for row in every_minute(NOON - 2 * HOUR, NOW) if row.entity == POWER or row.at < removed]
    source = ScriptedHome(sorted([*rows, StateRow(ENERGY, removed, "", "kWh")], key=lambda row: row.at))
    batches = collect(source, NOON - HOUR)
    assert [row.state for row in rows_of(batches) if row.entity == ENERGY and row.at > removed] == [""] * 3
    assert [(notice.kind, notice.entity) for notice in notices_of(batches)] == [("unknown_entity", ENERGY)]


def test_what_is_not_recorded_is_read_as_it_is_now() -> None:
    rows = [row for row in every_minute(NOON - 2 * HOUR, NOW) if row.entity == ENERGY]
    batches = collect(ScriptedHome(rows, present={POWER: "412"}), NOON - HOUR)
    assert [row for row in rows_of(batches) if row.entity == POWER] == [StateRow(POWER, NOW, "412", "W")]
    assert [(notice.kind, notice.entity) for notice in notices_of(batches)] == [("not_recorded", POWER)]


def test_a_unit_that_changes_is_said_and_each_reading_keeps_its_own() -> None:
    changed = NOON - 30 * MINUTE
    source = ScriptedHome(every_minute(NOON - 2 * HOUR, changed) + every_minute(changed, NOW, "kW"))
    batches = collect(source, NOON - HOUR)
    units = {row.at: row.unit for row in rows_of(batches) if row.entity == POWER}
    assert [units[NOON - number * 10 * MINUTE] for number in (5, 4, 3, 2)] == ["W", "W", "W", "kW"]
    [notice] = notices_of(batches)
    assert (notice.kind, notice.start) == ("unit_changed", changed + timedelta(seconds=2))


def test_a_unit_that_does_not_measure_the_quantity_is_said() -> None:
    source = ScriptedHome(every_minute(NOON - 2 * HOUR, NOW, "°C"))
    [notice] = notices_of(collect(source, NOON - HOUR))
    assert (notice.kind, notice.entity) == ("wrong_unit", POWER)
    assert "power" in notice.message


@pytest.mark.parametrize(("seconds", "word"), [(3600, "ahead of"), (-3600, "behind")])
def test_a_clock_that_is_wrong_is_said(seconds: int, word: str) -> None:
    source = ScriptedHome(every_minute(NOON - 3 * HOUR, NOW), offset=timedelta(seconds=seconds))
    batches = collect(source, NOON - 2 * HOUR)
    [notice] = notices_of(batches)
    assert notice.kind == "clock"
    assert f"3600 s {word}" in notice.message
    assert batches[-1].through == NOON + min(0, seconds) * timedelta(seconds=1)


def test_our_clock_that_went_back_asks_for_nothing_until_it_has_caught_up() -> None:
    source = ScriptedHome(every_minute(NOON - 3 * HOUR, NOW))
    known = dict.fromkeys(METERS, NOW + timedelta(seconds=30))
    assert list(catch_up(source, METERS, known, NOW, interval_seconds=600, earliest=NOON - DAY)) == []


def test_a_meter_last_seen_in_the_future_is_read_again_for_a_day() -> None:
    source = ScriptedHome(every_minute(NOON - 3 * DAY, NOW))
    known = dict.fromkeys(METERS, NOW + 900 * DAY)
    batches = list(catch_up(source, METERS, known, NOW, interval_seconds=600, earliest=NOON - 90 * DAY))
    assert batches[-1].last_seen == {"home.power": NOON, "home.energy": NOON}
    assert [notice.kind for notice in notices_of(batches)] == ["clock", "clock"]
    assert len([row for row in rows_of(batches) if row.entity == POWER]) == 144


def test_two_meters_may_share_an_entity() -> None:
    document = {"meters": {name: METERS["home.power"].model_dump() for name in ("home.power", "home.mains")}}
    shared = MeterConfig.read(document, "meters.json").meters
    source = ScriptedHome(every_minute(NOON - 2 * HOUR, NOW))
    [batch] = catch_up(source, shared, {}, NOW, interval_seconds=600, earliest=NOON - HOUR)
    assert len(batch.rows) == 6
    assert batch.last_seen == {"home.mains": NOON, "home.power": NOON}
