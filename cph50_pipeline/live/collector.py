"""One round of one feed: who is asked, what is kept of the answers, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from logging import Logger

from cph50_pipeline.errors import Cph50Error, TransientError
from cph50_pipeline.live.alarms import Alarms
from cph50_pipeline.live.backoff import Backoff
from cph50_pipeline.live.feed import Feed
from cph50_pipeline.live.model import Cycle, Device, Freshness, Heartbeat, Polled, Reading
from cph50_pipeline.live.readings import trouble_of
from cph50_pipeline.live.said import Said
from cph50_pipeline.live.store import LiveStore


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look at a feed brought.

    Attributes:
        devices: All that the feed has.
        asked: Those that were due.
        readings: Such as can be kept.
        troubles: One line a device of which something was wrong.
        failure: Why nothing could be asked at all.
    """

    devices: Sequence[Device]
    asked: Sequence[Device] = ()
    readings: Sequence[Reading] = ()
    troubles: dict[str, str] = field(default_factory=dict)
    failure: str | None = None

    @property
    def unread(self) -> set[str]:
        """The devices that were asked and could not be read: something was wrong, and they said nothing else."""
        asked = {device.device_id for device in self.asked}
        return asked & self.troubles.keys() - {reading.device_id for reading in self.readings}


class Collector:
    """Asks one feed, and remembers between rounds who failed and what was said.

    Args:
        clock: Now (UTC); durations are taken from it.
    """

    def __init__(self, feed: Feed, store: LiveStore, clock: Callable[[], datetime], log: Logger) -> None:
        self.feed = feed
        self._store = store
        self._clock = clock
        self._log = log
        self._backoff = Backoff()
        self._alarms = Alarms()
        self._said = Said(log)
        self._configured: frozenset[str] | None = None
        self._taken: dict[str, str] = {}
        self._beat: Heartbeat | None = None
        self._not_before: datetime | None = None
        self._newest_round: datetime | None = None

    def round(self, now: datetime, interval_seconds: float) -> Cycle:
        """Ask those who are due, take in what they said, and tell how it went.

        A device that fails costs no other one anything, and a feed that fails as a whole is told in its heartbeat.

        Args:
            interval_seconds: From one round to the next.

        Raises:
            TransientError, PermanentError: the live table cannot be used; what it holds stays.
        """
        began = self._clock()
        # Nobody is asked what could not be kept.
        self._store.check()
        self._forget_plans_of_a_clock_set_back(now)
        look = self._look(now, interval_seconds)
        received_at = now + (self._clock() - began)
        updated = self._store.write(look.devices, look.readings, self.feed.name, received_at)
        self._settle(look, now)
        ended_at = now + (self._clock() - began)
        cycle = self._cycle(look, updated, now, ended_at)
        self._beat = self._next_beat(look, ended_at, interval_seconds)
        self._store.end_cycle(cycle, self._beat)
        return cycle

    def _forget_plans_of_a_clock_set_back(self, now: datetime) -> None:
        """Ask everybody again: by the times that were planned nobody would be asked until the clock is there again."""
        if self._newest_round is not None and now < self._newest_round:
            self._backoff, self._not_before = Backoff(), None
        self._newest_round = now

    def _look(self, now: datetime, interval_seconds: float) -> _Look:
        # A feed is what somebody else wrote: whatever it raises is told, and costs no other feed anything.
        try:
            offered = self.feed.devices()
        except Exception as error:
            return _Look(self._known_devices(), failure=self._failure(error))
        devices = self._own(offered, now)
        due = [each for each in devices if self._backoff.is_due(each, now, interval_seconds)]
        if not due or (self._not_before is not None and now < self._not_before):
            return _Look(devices)
        try:
            polled = self.feed.poll(due, now)
        except Exception as error:
            self._not_before = now + timedelta(seconds=_retry_after_seconds(error))
            return _Look(devices, due, failure=self._failure(error))
        return _judged(devices, due, polled, now)

    def _known_devices(self) -> list[Device]:
        return [each for each in self._store.devices() if each.source == self.feed.name]

    def _own(self, offered: Sequence[Device], now: datetime) -> list[Device]:
        """The feed's devices but for ids that another feed has; those that it has no longer are retired."""
        ids = frozenset(device.device_id for device in offered)
        if ids != self._configured:
            others = {each.device_id: each.source for each in self._store.devices()}
            self._taken = {
                each: source for each, source in others.items() if each in ids and source != self.feed.name
            }
            for device_id in self._store.retire(self.feed.name, ids, now):
                self._log.info(
                    f"{device_id} is not in the configuration of {self.feed.name} any more: retired"
                )
            for device_id, source in sorted(self._taken.items()):
                self._log.warning(
                    f"{device_id} of {self.feed.name} is left out: {source} has a device of that id"
                )
            self._configured = ids
        return [device for device in offered if device.device_id not in self._taken]

    def _failure(self, error: Exception) -> str:
        if not isinstance(error, Cph50Error):
            self._log.error(f"{self.feed.name} failed in a way that nobody foresaw", exc_info=error)
            return (
                f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'}"
            )
        return str(error)

    def _settle(self, look: _Look, now: datetime) -> None:
        """Note who is asked when, and say what is new."""
        self._tell(look)
        ids = {device.device_id for device in look.devices}
        self._backoff.forget_all_but(ids)
        self._said.forget_all_but({*ids, self.feed.name, f"configuration of {self.feed.name}"})
        if look.failure is not None:
            return
        for device in look.asked:
            if device.device_id in look.unread:
                self._backoff.failed(device, now)
            else:
                self._backoff.succeeded(device, now)

    def _tell(self, look: _Look) -> None:
        self._tell_of(f"configuration of {self.feed.name}", self.feed.notice)
        if look.failure is not None:
            self._said.wrong(self.feed.name, f"{self.feed.name}: {look.failure}")
        elif look.asked:
            self._said.well(self.feed.name)
            for device_id in sorted({*look.troubles, *(device.device_id for device in look.asked)}):
                trouble = look.troubles.get(device_id)
                self._tell_of(device_id, trouble and f"{device_id}: {trouble}")

    def _tell_of(self, what: str, trouble: str | None) -> None:
        if trouble:
            self._said.wrong(what, trouble)
        else:
            self._said.well(what)

    def _cycle(self, look: _Look, updated: int, started_at: datetime, ended_at: datetime) -> Cycle:
        newest = self._store.newest_times(self.feed.name)
        for line in self._alarms.lines(look.devices, newest, ended_at):
            self._log.warning(line)
        ages = {
            device: max(0.0, (ended_at - newest[device.device_id]).total_seconds())
            for device in look.devices
            if device.device_id in newest
        }
        return Cycle(
            feed=self.feed.name,
            started_at=started_at,
            duration_seconds=max(0.0, (ended_at - started_at).total_seconds()),
            devices=len(look.devices),
            updated=updated,
            errors=len(look.devices if look.failure else self._backoff.failing),
            average_age_seconds=sum(ages.values()) / len(ages) if ages else None,
            maximum_age_seconds=max(ages.values(), default=None),
            fresh=sum(device.freshness(age) is Freshness.FRESH for device, age in ages.items()),
        )

    def _next_beat(self, look: _Look, ended_at: datetime, interval_seconds: float) -> Heartbeat:
        before = self._beat or self._stored_beat()
        failures = before.failures if before else 0
        trouble = before.trouble if before else None
        succeeded_at = before.succeeded_at if before else None
        if look.asked or look.failure:
            is_lost = look.failure is not None or len(look.unread) == len(look.asked)
            failures = failures + 1 if is_lost else 0
            trouble = look.failure or _summary(look) or self.feed.notice
            if look.failure is None and not self._backoff.failing:
                succeeded_at = ended_at
        return Heartbeat(self.feed.name, ended_at, succeeded_at, failures, trouble, interval_seconds)

    def _stored_beat(self) -> Heartbeat | None:
        return next((beat for beat in self._store.heartbeats() if beat.feed == self.feed.name), None)


def _judged(devices: Sequence[Device], asked: Sequence[Device], polled: Polled, now: datetime) -> _Look:
    """The readings that can be kept, and one line for each device of which one cannot."""
    asked_ids = {device.device_id for device in asked}
    readings: list[Reading] = []
    troubles = dict(polled.troubles)
    for reading in polled.readings:
        trouble = trouble_of(reading, now) if reading.device_id in asked_ids else "was not asked"
        if trouble is None:
            readings.append(reading)
        else:
            troubles.setdefault(reading.device_id, trouble)
    return _Look(devices, asked, readings, troubles)


def _summary(look: _Look) -> str | None:
    """What was wrong with devices, in one line."""
    if not look.troubles:
        return None
    device_id = min(look.troubles)
    others = f", and {len(look.troubles) - 1} more" if len(look.troubles) > 1 else ""
    return f"{device_id}: {look.troubles[device_id]}{others}"


def _retry_after_seconds(error: Exception) -> float:
    seconds = error.retry_after_seconds if isinstance(error, TransientError) else None
    return seconds or 0.0
