"""The live table as entries, one a feed. How they stand its collectors note in it themselves, a round at a time.

Dagster's records know nothing of those rounds: sensors and `cph50 serve --poll` begin no run for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg

from cph50_pipeline.defs.caches.records import Records
from cph50_pipeline.defs.caches.registry import LIVE
from cph50_pipeline.defs.caches.status import EntryStatus, Fault, statuses
from cph50_pipeline.defs.live import device_snapshots, live_store
from cph50_pipeline.defs.live_feeds import configured_feeds
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.live.model import Cycle, Heartbeat
from cph50_pipeline.live.snapshot import DeviceSnapshot
from cph50_pipeline.settings import Settings

PATH = "live table"
_LONGEST_ROUND = timedelta(minutes=15)


@dataclass(frozen=True)
class _Collected:
    """What the live table says of a feed.

    Attributes:
        beat: None: nobody ever polled it.
        devices: Those that it has now.
        last_round: None: none is known any more.
    """

    interval_seconds: float
    beat: Heartbeat | None = None
    devices: Sequence[DeviceSnapshot] = ()
    last_round: Cycle | None = None

    @property
    def built_at(self) -> datetime | None:
        """When something was read the last time."""
        if self.beat is None:
            return None
        return self.beat.beaten_at if self.beat.failures == 0 else self.beat.succeeded_at

    @property
    def valid_until(self) -> datetime | None:
        """When its collector counts as gone, or the first of its devices as stale, unless they are heard of again."""
        if self.beat is None:
            return None
        stale_at = (
            one.newest_at + timedelta(seconds=one.device.stale_after_seconds)
            for one in self.devices
            if one.newest_at is not None
        )
        return min([self.beat.alive_until, *stale_at])

    def next_round(self, now: datetime) -> datetime:
        """When it is polled next, if somebody does."""
        if self.beat is None:
            return now
        return max(now, self.beat.beaten_at + timedelta(seconds=self.interval_seconds))

    def fault(self, now: datetime) -> tuple[Fault | None, str | None]:
        """Why it is not valid, and in a sentence; None: it is."""
        if self.beat is None:
            return Fault.MISSING, "nobody has polled it yet"
        if self.beat.trouble is not None:
            return Fault.FAILED, "its last round did not read everything"
        if not self.beat.is_alive(now):
            minutes = (now - self.beat.beaten_at).total_seconds() / 60
            return Fault.TOO_OLD, f"nobody has polled it for {minutes:.0f} minutes"
        stale = [one.device.device_id for one in self.devices if one.is_stale]
        if stale:
            more = f" and {len(stale) - 1} more" if len(stale) > 1 else ""
            return Fault.TOO_OLD, f"{stale[0]}{more} did not say anything new in time"
        return None, None


def all_statuses(instance: dg.DagsterInstance, settings: Settings, now: datetime) -> list[EntryStatus]:
    """Every entry: what is built as files, and the feeds of the live table."""
    return [*statuses(instance, settings, now), *live_statuses(instance, settings, now)]


def live_statuses(instance: dg.DagsterInstance, settings: Settings, now: datetime) -> list[EntryStatus]:
    """The feeds of the live table, by name; where that cannot be read, those of the settings with what is wrong."""
    attempts = (one for one in Records(instance).unfinished if one.covers(LIVE, None))
    at_work = next((one.run.run_id for one in attempts), None)
    try:
        found = _collected(settings, now)
    except Cph50Error as error:
        unread = {feed: _Collected(seconds) for feed, seconds in configured_feeds(settings).items()}
        return [_status(feed, one, now, at_work, str(error)) for feed, one in sorted(unread.items())]
    return [_status(feed, one, now, at_work, None) for feed, one in sorted(found.items())]


def _collected(settings: Settings, now: datetime) -> Mapping[str, _Collected]:
    """The feeds that the settings name, and others of which there are devices still."""
    table = live_store(settings)
    beats = {beat.feed: beat for beat in table.heartbeats()}
    devices: dict[str, list[DeviceSnapshot]] = {}
    for one in device_snapshots(settings, now):
        devices.setdefault(one.device.source, []).append(one)
    seconds = configured_feeds(settings)
    found = {}
    for feed in {*seconds, *(beats.keys() & devices.keys())}:
        beat = beats.get(feed)
        rounds = [] if beat is None else table.cycles(feed, beat.beaten_at - _LONGEST_ROUND)
        interval_seconds = settings.live_seconds if beat is None else beat.interval_seconds
        found[feed] = _Collected(
            seconds.get(feed, interval_seconds), beat, devices.get(feed, ()), rounds[-1] if rounds else None
        )
    return found


def _status(
    feed: str, found: _Collected, now: datetime, at_work: str | None, failure: str | None
) -> EntryStatus:
    fault, why = found.fault(now)
    if failure is not None:
        fault, why = Fault.FAILED, "the live table cannot be read"
    built_at = found.built_at
    return EntryStatus(
        type=LIVE.asset,
        key=feed,
        path=PATH,
        built_at=built_at,
        age_seconds=None if built_at is None else max(0.0, (now - built_at).total_seconds()),
        valid_until=found.valid_until,
        fault=fault,
        why=why,
        error=failure or (None if found.beat is None else found.beat.trouble),
        duration_seconds=None if found.last_round is None else found.last_round.duration_seconds,
        size_bytes=None,
        next_refresh=found.next_round(now),
        at_work=at_work,
        is_there=any(one.newest_at is not None for one in found.devices),
    )
