"""Whether everything that the household lives on is there, one line each: what `cph50 cache health` says.

Nothing outside is asked unless somebody wants that: what is said of a source is when it last answered.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from cph50_pipeline.civil_time import format_local
from cph50_pipeline.defs.caches.status import statuses, worst_first
from cph50_pipeline.defs.instance import has_live_daemon
from cph50_pipeline.defs.live import live_store
from cph50_pipeline.defs.maintenance.state import paused
from cph50_pipeline.defs.power_due import rhythm_seconds
from cph50_pipeline.defs.publication_sensor import judge
from cph50_pipeline.defs.publishing import publisher_of
from cph50_pipeline.defs.resources import ChargePoint, HomeAssistant
from cph50_pipeline.defs.store import Store
from cph50_pipeline.defs.taking_in import SEEN_FILE, Seen
from cph50_pipeline.defs.tick import MEMORY_FILE
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.live.model import Heartbeat
from cph50_pipeline.settings import PublishMode, Settings
from cph50_pipeline.sources.state_file import StateFile

SILENT_AFTER = timedelta(hours=1)
"""A charger that nobody looked at for so long is not watched; cron may look every quarter of an hour."""
TICKED_WITHIN = timedelta(hours=2)
"""Without a daemon `cph50 tick` starts what is due; GitHub Actions runs it hourly, and late."""
LEAST_FREE_BYTES = 500_000_000
_LOOK_SECONDS = 20.0
_REPOSITORY_SECONDS = 2.0


@dataclass(frozen=True)
class Finding:
    """What was found of one thing.

    Attributes:
        said: One line.
    """

    name: str
    is_ok: bool
    said: str


@dataclass(frozen=True)
class _Looking:
    """What the questions are asked of."""

    instance: dg.DagsterInstance
    settings: Settings
    store: Store
    now: datetime

    def local(self, at: datetime) -> str:
        return format_local(at, self.settings.zone)


def health(
    instance: dg.DagsterInstance, settings: Settings, now: datetime, *, ask: bool = False
) -> list[Finding]:
    """What is there and what is not. A question that cannot be answered is a finding, too.

    Args:
        ask: Whether ChargePoint and Home Assistant are asked for a sign of life.
    """
    looking = _Looking(instance, settings, Store.of(settings), now)
    questions: Sequence[tuple[str, Callable[[_Looking], tuple[bool, str]]]] = (
        ("chargepoint", _charger),
        ("home assistant", _home_assistant),
        *((("chargepoint answers", _ask_chargepoint), ("home assistant answers", _ask_home)) if ask else ()),
        ("data", _data),
        ("disk", _disk),
        ("publisher", _publisher),
        ("dagster", _dagster),
    )
    found = [Finding(name, *_answer(question, looking)) for name, question in questions]
    return [*found, *_latest_values(looking), _maintenance(settings)]


def _answer(question: Callable[[_Looking], tuple[bool, str]], looking: _Looking) -> tuple[bool, str]:
    try:
        return question(looking)
    except Cph50Error as error:
        return False, str(error)


def _charger(looking: _Looking) -> tuple[bool, str]:
    failure = _failed_tick(looking.instance, "charger_sensor")
    state = looking.store.last_session()
    if state is None or state.looked_at is None:
        return False, "nobody has looked at the charger yet"
    said = f"last looked at {looking.local(state.looked_at)}"
    is_silent = looking.now - state.looked_at > SILENT_AFTER
    if is_silent and failure:
        said += f"; {failure}"
    return not is_silent, said


def _failed_tick(instance: dg.DagsterInstance, sensor: str) -> str | None:
    """What the last tick of a sensor said, when it did no more than that."""
    for state in instance.all_instigator_state():
        if state.instigator_name != sensor:
            continue
        for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1):
            said = tick.skip_reason or (tick.error.message if tick.error else None)
            return None if said is None else " ".join(said.split())
    return None


def _home_assistant(looking: _Looking) -> tuple[bool, str]:
    settings = looking.settings
    if settings.home_assistant_url is None and not settings.simulates_home:
        return True, "none is set up"
    seen = StateFile(settings.private_dir / SEEN_FILE, Seen).read()
    if seen is None or not seen.meters:
        return False, "no meter was ever read"
    until = min(seen.meters.values())
    patience = timedelta(seconds=3 * rhythm_seconds(settings.power_interval_seconds)) + SILENT_AFTER
    return looking.now - until <= patience, f"its meters are known up to {looking.local(until)}"


def _ask_chargepoint(looking: _Looking) -> tuple[bool, str]:
    client = ChargePoint.of(looking.settings).process_config_and_initialize().client()
    with client.within(_LOOK_SECONDS):
        client.user_status()
    return True, "yes"


def _ask_home(looking: _Looking) -> tuple[bool, str]:
    source = HomeAssistant.of(looking.settings).process_config_and_initialize().client()
    if source is None:
        return True, "none is set up"
    with source.within(_LOOK_SECONDS):
        source.clock_offset()
    return True, "yes"


def _data(looking: _Looking) -> tuple[bool, str]:
    found = statuses(looking.instance, looking.settings, looking.now)
    if not found:
        return False, "nothing is built yet"
    offending = worst_first(found)
    oldest = max((e.age_seconds or 0.0 for e in found if e.valid_until is not None), default=0.0)
    said = f"{len(found)} entries, what still changes at most {oldest / 3600:.1f} h old"
    if not offending:
        return True, f"{said}, all valid"
    worst = offending[0]
    return (
        False,
        f"{said}; {len(offending)} not valid, as {worst.type} {worst.key}: {worst.error or worst.why}",
    )


def _disk(looking: _Looking) -> tuple[bool, str]:
    folder = _existing(looking.settings.private_dir)
    free_bytes = shutil.disk_usage(folder).free
    return free_bytes >= LEAST_FREE_BYTES, f"{free_bytes / 1e9:.1f} GB free"


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _publisher(looking: _Looking) -> tuple[bool, str]:
    settings = looking.settings
    if settings.publish_mode is PublishMode.OFF:
        return True, "publishing is off"
    waiting = publisher_of(settings, looking.store).waiting(looking.now, _REPOSITORY_SECONDS)
    verdict = judge(settings, looking.store, waiting, looking.now)
    since = verdict.metadata.get("differs_since")
    late = "" if since is None else f" since {since.value}"
    return verdict.passed, f"{waiting.changes} file(s) wait{late}"


def _dagster(looking: _Looking) -> tuple[bool, str]:
    """A daemon that is not running is no failure where `cph50 tick` does its work."""
    if has_live_daemon(looking.instance):
        return _daemons(looking)
    ticked_at = _ticked_at(looking.settings)
    if ticked_at is not None and looking.now - ticked_at <= TICKED_WITHIN:
        return True, f"no daemon runs; `cph50 tick` did its work at {looking.local(ticked_at)}"
    return False, "neither Dagster's daemon nor `cph50 tick` is at work: nothing starts by itself"


def _daemons(looking: _Looking) -> tuple[bool, str]:
    said = [
        f"{name}: {status.last_heartbeat.errors[0].message.strip().splitlines()[0]}"
        for name, status in sorted(looking.instance.get_daemon_statuses().items())
        if status.last_heartbeat is not None and status.last_heartbeat.errors
    ]
    return not said, "; ".join(said) or "its daemon is at work"


def _ticked_at(settings: Settings) -> datetime | None:
    try:
        kept = json.loads((settings.private_dir / MEMORY_FILE).read_bytes())
        return datetime.fromtimestamp(kept["at"], tz=UTC)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _latest_values(looking: _Looking) -> Iterator[Finding]:
    """The database of the latest values, and whether each feed's collector is at work."""
    try:
        store = live_store(looking.settings)
        store.check()
        beats = store.heartbeats()
    except Cph50Error as error:
        yield Finding("database", False, str(error))
        return
    yield Finding("database", True, "it answers")
    for beat in beats:
        yield Finding(f"latest values: {beat.feed}", *_beats(beat, looking))


def _beats(beat: Heartbeat, looking: _Looking) -> tuple[bool, str]:
    said = f"last at work at {looking.local(beat.beaten_at)}"
    if beat.trouble is not None:
        said += f"; {beat.trouble}"
    return beat.is_alive(looking.now) and beat.failures == 0, said


def _maintenance(settings: Settings) -> Finding:
    said = paused(settings)
    return Finding("maintenance", said is None, said or "is off")
