"""The poller with real locks and a real SQLite; only the clock and the feeds are the test's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from cph50_pipeline.errors import PermanentError, TransientError
from cph50_pipeline.live.model import Device, DeviceKind, Heartbeat, Polled, Reading, Value
from cph50_pipeline.live.poller import Poller, seconds_to_next
from cph50_pipeline.live.store import LiveStore
from cph50_pipeline.storage.locks import Locks

START = datetime(2026, 1, 7, 6, 0, tzinfo=UTC)
LOG = logging.getLogger("cph50_pipeline_tests.poller")


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


@dataclass
class FakeFeed:
    """A feed whose devices say their number of rounds, unless told otherwise."""

    clock: Clock
    name: str = "telemetry"
    notice: str | None = None
    ids: list[str] = field(default_factory=lambda: ["truck-7", "truck-8"])
    troubles: dict[str, str] = field(default_factory=dict)
    says: dict[str, Value] = field(default_factory=dict)
    configuration_error: Exception | None = None
    error: Exception | None = None
    takes_seconds: float = 0.0
    asked: list[list[str]] = field(default_factory=list)

    def devices(self) -> Sequence[Device]:
        if self.configuration_error is not None:
            raise self.configuration_error
        return [Device(each, DeviceKind.TELEMETRY, each, self.name) for each in self.ids]

    def poll(self, devices: Sequence[Device], now: datetime) -> Polled:
        self.asked.append([device.device_id for device in devices])
        self.clock.go_on(self.takes_seconds)
        if self.error is not None:
            raise self.error
        readings = [
            Reading(each.device_id, "fuel", self.says.get(each.device_id, 1.0), "l", now)
            for each in devices
            if each.device_id not in self.troubles
        ]
        asked = {device.device_id for device in devices}
        return Polled(readings, {each: line for each, line in self.troubles.items() if each in asked})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LiveStore]:
    store = LiveStore.of(f"sqlite:///{tmp_path / 'private' / 'live.sqlite'}")
    yield store
    store.close()


@pytest.fixture
def locks(tmp_path: Path) -> Locks:
    return Locks(tmp_path / "private")


@pytest.fixture
def feed(clock: Clock) -> FakeFeed:
    return FakeFeed(clock)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Gives what was logged since it was last asked."""
    caplog.set_level(logging.INFO, LOG.name)

    def taken() -> list[str]:
        found = [record.getMessage() for record in caplog.records if record.name == LOG.name]
        caplog.clear()
        return found

    return taken


@pytest.fixture
def poller(feed: FakeFeed, store: LiveStore, locks: Locks, clock: Clock) -> Poller:
    return Poller([feed], store, locks, clock, LOG)


def beat_of(store: LiveStore, feed: str = "telemetry") -> Heartbeat:
    [beat] = [each for each in store.heartbeats() if each.feed == feed]
    return beat


def test_a_round_takes_in_what_the_devices_say_and_tells_how_it_went(
    poller: Poller, feed: FakeFeed, store: LiveStore, clock: Clock
) -> None:
    feed.takes_seconds = 2.0
    [cycle] = poller.one_round(clock.now)
    assert (cycle.feed, cycle.devices, cycle.updated, cycle.errors, cycle.fresh) == ("telemetry", 2, 2, 0, 2)
    assert (cycle.duration_seconds, cycle.average_age_seconds, cycle.maximum_age_seconds) == (2.0, 2.0, 2.0)
    assert store.cycles("telemetry", START) == [cycle]
    [value] = store.latest("truck-7")
    assert (value.value, value.at, value.received_at) == (1.0, START, START + timedelta(seconds=2))
    beat = beat_of(store)
    assert (beat.beaten_at, beat.succeeded_at) == (START + timedelta(seconds=2),) * 2
    assert (beat.failures, beat.trouble) == (0, None)


def test_a_device_that_fails_costs_no_other_one_and_is_asked_less_often(
    poller: Poller, feed: FakeFeed, clock: Clock, store: LiveStore, lines: Callable[[], list[str]]
) -> None:
    feed.troubles = {"truck-7": "unit 4711 is unknown"}
    [cycle] = poller.one_round(clock.now)
    assert (cycle.updated, cycle.errors, cycle.fresh) == (1, 1, 1)
    assert lines() == ["truck-7: unit 4711 is unknown"]
    beat = beat_of(store)
    assert (beat.failures, beat.succeeded_at, beat.trouble) == (0, None, "truck-7: unit 4711 is unknown")
    [cycle] = poller.one_round(clock.go_on(30))
    assert (cycle.updated, cycle.errors) == (1, 1)
    poller.one_round(clock.go_on(30))
    assert feed.asked == [["truck-7", "truck-8"], ["truck-8"], ["truck-7", "truck-8"]]
    assert lines() == []
    feed.troubles = {}
    for _ in range(4):
        [cycle] = poller.one_round(clock.go_on(30))
    assert cycle.errors == 0
    assert lines() == ["truck-7: all is well again"]
    assert beat_of(store).succeeded_at == clock.now


def test_a_reading_that_cannot_be_kept_costs_that_sensor_alone(
    poller: Poller, feed: FakeFeed, clock: Clock, store: LiveStore, lines: Callable[[], list[str]]
) -> None:
    poller.one_round(clock.now)
    feed.says = {"truck-7": float("nan"), "truck-8": 0.0}
    [cycle] = poller.one_round(clock.go_on(30))
    assert (cycle.updated, cycle.errors) == (1, 1)
    assert {each: [value.value for value in its] for each, its in store.all_latest().items()} == {
        "truck-7": [1.0],
        "truck-8": [0.0],
    }
    assert lines() == ["truck-7: 'fuel' says nan, which is no number that can be kept"]


@pytest.mark.parametrize("error", [TransientError("The database is gone"), ZeroDivisionError("unforeseen")])
def test_a_feed_that_fails_beats_its_heart_with_the_trouble_and_costs_no_other_feed(
    feed: FakeFeed, store: LiveStore, locks: Locks, clock: Clock, error: Exception
) -> None:
    other = FakeFeed(clock, name="charger", ids=["charger-1"])
    poller = Poller([feed, other], store, locks, clock, LOG)
    poller.one_round(clock.now)
    feed.error = error
    for _ in range(3):
        failed, fine = poller.one_round(clock.go_on(30))
    assert (failed.updated, failed.errors, fine.updated, fine.errors) == (0, 2, 1, 0)
    beat = beat_of(store)
    assert (beat.failures, beat.succeeded_at, beat.beaten_at) == (3, START, clock.now)
    assert str(error.args[0]) in str(beat.trouble)
    assert failed.maximum_age_seconds == 90
    feed.error = None
    poller.one_round(clock.go_on(30))
    beat = beat_of(store)
    assert (beat.failures, beat.trouble, beat.succeeded_at) == (0, None, clock.now)


def test_the_trouble_of_a_feed_is_said_once(
    poller: Poller, feed: FakeFeed, clock: Clock, lines: Callable[[], list[str]]
) -> None:
    for number in range(3):
        feed.error = TransientError(f"No answer after {number} s")
        poller.one_round(clock.go_on(30))
    assert lines() == ["telemetry: No answer after 0 s."]
    feed.error = None
    poller.one_round(clock.go_on(30))
    assert lines() == ["telemetry: all is well again"]


def test_a_feed_that_asks_for_patience_is_given_it(poller: Poller, feed: FakeFeed, clock: Clock) -> None:
    feed.error = TransientError("Too many requests", retry_after_seconds=100)
    poller.one_round(clock.now)
    for _ in range(3):
        poller.one_round(clock.go_on(30))
    assert len(feed.asked) == 1
    poller.one_round(clock.go_on(30))
    assert len(feed.asked) == 2


def test_a_configuration_that_cannot_be_read_retires_nobody(
    poller: Poller, feed: FakeFeed, clock: Clock, store: LiveStore
) -> None:
    poller.one_round(clock.now)
    feed.configuration_error = PermanentError("devices.yaml is broken")
    [cycle] = poller.one_round(clock.go_on(30))
    assert (cycle.devices, cycle.errors) == (2, 2)
    assert "devices.yaml is broken" in str(beat_of(store).trouble)
    assert [each.device_id for each in store.devices()] == ["truck-7", "truck-8"]


def test_a_device_that_is_not_in_the_configuration_any_more_is_retired_and_comes_back(
    poller: Poller, feed: FakeFeed, clock: Clock, store: LiveStore, lines: Callable[[], list[str]]
) -> None:
    poller.one_round(clock.now)
    feed.ids = ["truck-8"]
    [cycle] = poller.one_round(clock.go_on(30))
    assert cycle.devices == 1
    assert [each.device_id for each in store.devices()] == ["truck-8"]
    assert lines() == ["truck-7 is not in the configuration of telemetry any more: retired"]
    feed.ids = ["truck-7", "truck-8"]
    poller.one_round(clock.go_on(30))
    assert [each.device_id for each in store.devices()] == ["truck-7", "truck-8"]


def test_an_id_that_another_feed_has_is_left_out(
    feed: FakeFeed, store: LiveStore, locks: Locks, clock: Clock, lines: Callable[[], list[str]]
) -> None:
    other = FakeFeed(clock, name="charger", ids=["truck-7"])
    poller = Poller([other, feed], store, locks, clock, LOG)
    poller.one_round(clock.now)
    poller.one_round(clock.go_on(30))
    assert lines() == ["truck-7 of telemetry is left out: charger has a device of that id"]
    assert feed.asked == [["truck-8"], ["truck-8"]]
    assert {each.device_id: each.source for each in store.devices()} == {
        "truck-7": "charger",
        "truck-8": "telemetry",
    }


def test_a_notice_of_the_configuration_is_said_once_and_stands_in_the_heartbeat(
    poller: Poller, feed: FakeFeed, clock: Clock, store: LiveStore, lines: Callable[[], list[str]]
) -> None:
    feed.notice = "devices.yaml cannot be read; the last good one stands"
    poller.one_round(clock.now)
    poller.one_round(clock.go_on(30))
    assert lines() == [feed.notice]
    assert beat_of(store).trouble == feed.notice


def test_silence_is_an_alarm_once_and_its_end_too(
    poller: Poller, feed: FakeFeed, clock: Clock, lines: Callable[[], list[str]]
) -> None:
    poller.one_round(clock.now)
    feed.error = TransientError("No answer")
    fresh = []
    for _ in range(14):
        [cycle] = poller.one_round(clock.go_on(30))
        fresh.append(cycle.fresh)
    assert fresh == [2, 2, *[0] * 12]
    said = lines()
    assert len(said) == 3
    assert [line for line in said if "is silent" in line] == said[1:]
    feed.error = None
    poller.one_round(clock.go_on(30))
    assert [line for line in lines() if "is back after 450 s" in line] == [
        "truck-7 (truck-7) is back after 450 s of silence",
        "truck-8 (truck-8) is back after 450 s of silence",
    ]


def test_a_poller_that_is_dead_does_not_look_like_freshness(
    poller: Poller, store: LiveStore, clock: Clock
) -> None:
    poller.one_round(clock.now)
    now = clock.go_on(400)
    assert not beat_of(store).is_alive(now)
    [value] = store.latest("truck-7")
    device = store.device("truck-7")
    assert device is not None
    assert device.freshness(value.age_seconds(now)).value == "silent"


def test_a_clock_that_is_set_back_keeps_no_old_value_fresh_and_nobody_from_being_asked(
    poller: Poller, feed: FakeFeed, store: LiveStore, clock: Clock
) -> None:
    two_days = timedelta(days=2).total_seconds()
    clock.go_on(two_days)
    feed.error = TransientError("busy", retry_after_seconds=600)
    poller.one_round(clock.now)
    feed.error = None
    poller.one_round(clock.go_on(600))
    clock.go_on(-two_days)
    feed.says = {"truck-7": 5.0}
    [cycle] = poller.one_round(clock.now)
    assert (cycle.updated, cycle.maximum_age_seconds) == (2, 0.0)
    assert store.latest("truck-7")[0].value == 5.0
    assert beat_of(store).beaten_at == clock.now
    assert not beat_of(store).is_alive(clock.now + timedelta(minutes=10))


def test_a_feed_that_another_poller_has_is_skipped_and_the_others_are_not(
    poller: Poller,
    feed: FakeFeed,
    store: LiveStore,
    locks: Locks,
    clock: Clock,
    lines: Callable[[], list[str]],
) -> None:
    other = FakeFeed(clock, name="charger", ids=["charger-1"])
    second = Poller([feed, other], store, locks, clock, LOG)
    with locks.feed("telemetry"):
        assert [cycle.feed for cycle in second.one_round(clock.now)] == ["charger"]
        second.one_round(clock.go_on(30))
    assert feed.asked == []
    assert lines() == ["telemetry is skipped: another process polls it"]
    assert len(second.one_round(clock.go_on(30))) == 2
    assert lines() == ["the polling of telemetry: all is well again"]


def test_when_the_live_table_cannot_be_used_nobody_is_asked(
    poller: Poller, feed: FakeFeed, clock: Clock, tmp_path: Path
) -> None:
    (tmp_path / "private" / "live.sqlite").mkdir(parents=True)
    with pytest.raises(PermanentError, match="could not be opened"):
        poller.one_round(clock.now)
    assert feed.asked == []


def test_failures_are_counted_on_by_the_next_process(
    poller: Poller, feed: FakeFeed, store: LiveStore, locks: Locks, clock: Clock
) -> None:
    poller.one_round(clock.now)
    feed.error = TransientError("No answer")
    poller.one_round(clock.go_on(30))
    Poller([feed], store, locks, clock, LOG).one_round(clock.go_on(30))
    beat = beat_of(store)
    assert (beat.failures, beat.succeeded_at) == (2, START)


class Rounds(Event):
    """Ends after some rounds; each wait for the next moves the clock instead of waiting."""

    def __init__(self, clock: Clock, rounds: int) -> None:
        super().__init__()
        self._clock = clock
        self._rounds = rounds
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is None:
            return super().wait()
        self.waits.append(timeout)
        self._clock.go_on(timeout)
        if len(self.waits) == self._rounds:
            self.set()
        return self.is_set()


def test_it_runs_at_each_interval_and_a_round_that_takes_too_long_is_not_made_up_for(
    poller: Poller, feed: FakeFeed, store: LiveStore, clock: Clock
) -> None:
    feed.takes_seconds = 70
    stop = Rounds(clock, rounds=3)
    poller.run(stop, 30)
    assert stop.waits == [20, 20, 20]
    began = [(cycle.started_at - START).total_seconds() for cycle in store.cycles("telemetry", START)]
    assert began == [0, 90, 180]


def test_while_it_runs_no_other_one_polls_and_afterwards_it_may(
    poller: Poller, feed: FakeFeed, store: LiveStore, locks: Locks, clock: Clock
) -> None:
    during: list[bool] = []
    stop = Rounds(clock, rounds=2)
    wait = stop.wait

    def looking(timeout: float | None = None) -> bool:
        if timeout is not None:
            during.append(locks.is_held("feed-telemetry"))
        return wait(timeout)

    stop.wait = looking  # type: ignore[method-assign]
    poller.run(stop, 30)
    assert during == [True, True]
    assert not locks.is_held("feed-telemetry")


def test_a_live_table_that_fails_while_it_runs_is_said_once_and_heals(
    poller: Poller, clock: Clock, store: LiveStore, tmp_path: Path, lines: Callable[[], list[str]]
) -> None:
    file = tmp_path / "private" / "live.sqlite"
    file.mkdir(parents=True)
    stop = Rounds(clock, rounds=4)
    wait = stop.wait

    def healing(timeout: float | None = None) -> bool:
        if timeout is not None and len(stop.waits) == 2:
            file.rmdir()
        return wait(timeout)

    stop.wait = healing  # type: ignore[method-assign]
    poller.run(stop, 30)
    first, second = lines()
    assert "live.sqlite could not be opened" in first
    assert second == "the live table of telemetry: all is well again"
    assert len(store.cycles("telemetry", START)) == 1


def test_what_nobody_foresaw_in_it_ends_it_and_is_raised(
    feed: FakeFeed, store: LiveStore, locks: Locks, clock: Clock
) -> None:
    class Broken(LiveStore):
        def check(self) -> None:
            raise ZeroDivisionError

    broken = Broken.of("sqlite:////nowhere/live.sqlite")
    with pytest.raises(ZeroDivisionError):
        Poller([feed], broken, locks, clock, LOG).run(Event(), 30)


def test_told_to_stop_it_does_not_wait_for_its_next_round(poller: Poller, feed: FakeFeed) -> None:
    stop = Event()
    polled = feed.poll

    def stopping(devices: Sequence[Device], now: datetime) -> Polled:
        stop.set()
        return polled(devices, now)

    feed.poll = stopping  # type: ignore[method-assign]
    poller.run(stop, 3600)
    assert len(feed.asked) == 1


@pytest.mark.parametrize(
    ("elapsed", "wait"), [(0, 30), (1, 29), (29.5, 0.5), (30, 30), (31, 29), (95, 25), (-5, 30)]
)
def test_the_next_round_is_at_the_next_interval(elapsed: float, wait: float) -> None:
    assert seconds_to_next(30, elapsed) == wait


def test_a_device_that_is_asked_less_often_is_not_asked_in_each_round(
    poller: Poller, feed: FakeFeed, clock: Clock
) -> None:
    offered = feed.devices
    feed.devices = lambda: [replace(each, poll_seconds=90) for each in offered()]  # type: ignore[method-assign]
    for _ in range(7):
        poller.one_round(clock.go_on(30))
    assert len(feed.asked) == 3
