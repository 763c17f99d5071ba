"""The sensors: the charger, the files edited by hand. Both compare what is with what is stored, on every tick.

The charger sensor writes the two state files and the charger's latest values; everything else happens in the runs it
asks for. What follows from a look at the charger is decided in `charging.watching`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from logging import Logger

import dagster as dg

from cph50_pipeline.charging.activity import is_news, open_sessions
from cph50_pipeline.charging.answers import ChargerStatus, ChargingStatus
from cph50_pipeline.charging.collection import collection_path, is_complete
from cph50_pipeline.charging.watching import (
    LastSession,
    Observation,
    Purpose,
    is_worth_writing,
    last_session,
    may_start,
    state_differs,
)
from cph50_pipeline.civil_time import format_instant, from_epoch_ms, month_of, shift_month
from cph50_pipeline.defs.assets.external import LAST_SESSION, LAST_SESSION_ID
from cph50_pipeline.defs.attempts import attempts
from cph50_pipeline.defs.charger_looks import ChargerLooks
from cph50_pipeline.defs.dead_runs import sweep_dead_runs
from cph50_pipeline.defs.jobs import SESSION_JOB, Job, update_run_config
from cph50_pipeline.defs.maintenance.pausing import pauses
from cph50_pipeline.defs.month_files import CLASSIFICATIONS
from cph50_pipeline.defs.resources import ChargePoint
from cph50_pipeline.defs.store import STATE_FILE, Store
from cph50_pipeline.defs.updating import UpdateConfig
from cph50_pipeline.errors import BadInputError, Cph50Error, NotFoundError, TransientError
from cph50_pipeline.settings import Settings
from cph50_pipeline.sources.charger_source import ChargerSource
from cph50_pipeline.sources.fetching import charger_of_session

SESSION_ID_FILE = ".last_session_id.json"
TICK_SECONDS = 20.0  # Dagster ends a tick after 60
LOOK_BACK = timedelta(days=3)
LOOK_EVERY = timedelta(hours=1)
SUBJECT_TAG = "cph50/subject"
PURPOSE_TAG = "cph50/purpose"
SESSION_TAG = "cph50/session"


@dataclass(frozen=True)
class Wish:
    """A run that should happen because the store lacks what it would bring."""

    purpose: Purpose
    subject: str
    month: str
    config: UpdateConfig

    @property
    def tags(self) -> dict[str, str]:
        """The tags by which earlier runs for the same wish are found."""
        return {PURPOSE_TAG: self.purpose, SUBJECT_TAG: self.subject}

    def request(self) -> dg.RunRequest:
        """The run request. It has no run key: whether it is due is decided by run records and by the store."""
        tags = self.tags
        if self.config.session_id is not None:
            tags[SESSION_TAG] = self.config.session_id
        return dg.RunRequest(
            job_name=SESSION_JOB,
            partition_key=self.month,
            run_config=update_run_config(self.config),
            tags=tags,
        )


@dataclass(frozen=True)
class Tick:
    """What a tick of the charger sensor found and wants."""

    state: LastSession
    seen: Observation
    changed: bool
    wishes: list[Wish]
    looked_at: datetime | None


def watch_charger(
    source: ChargerSource,
    store: Store,
    settings: Settings,
    now: datetime,
    last_look: datetime | None,
    log: Logger,
) -> Tick:
    """One look at the charger, compared with the store. Writes the state files; starts nothing.

    Raises:
        TransientError: ChargePoint did not answer in time; nothing was changed.
        PermanentError: ChargePoint refuses; says what to do.
    """
    active = source.user_status()
    session = None if active is None else _details(source, active.session_id)
    charger = _charger(source, session)
    wishes = list(_session_wishes(session, store, settings, now))
    looked_at = None
    if last_look is None or now - last_look >= LOOK_EVERY:
        try:
            wishes += _missed_months(source, store, now, covered={wish.month for wish in wishes})
            looked_at = now
            store.root.remove_stale_temporaries()
        except (TransientError, BadInputError) as error:  # the live session must not wait for the list
            log.warning(f"{error} The list of sessions is asked for again by the next tick.")
    seen = Observation(now, charger, session, *_attribution(session, store))
    state, changed = _write_state(seen, store)
    return Tick(state, seen, changed, [w for w in wishes if w.month >= settings.history_start], looked_at)


def _charger(source: ChargerSource, session: ChargingStatus | None) -> ChargerStatus | None:
    """The charger to show: the one that the session in progress runs on, else the household's first."""
    chargers = source.chargers()
    if not chargers:
        return None
    at_session = charger_of_session(chargers, session) if session is not None else None
    return source.charger_status(at_session or chargers[0])


def _details(source: ChargerSource, session_id: str) -> ChargingStatus:
    """A session in progress. ChargePoint lists one before it knows anything of it: that is no end, and passes."""
    try:
        return source.session(session_id)
    except NotFoundError as error:
        raise TransientError(
            f"Session {session_id} is in progress, and ChargePoint has no details yet"
        ) from error


def _session_wishes(
    session: ChargingStatus | None, store: Store, settings: Settings, now: datetime
) -> Iterator[Wish]:
    active_id = None
    if session is not None and not session.has_ended:
        active_id = session.session_id
        start = from_epoch_ms(session.start_time)
        month = month_of(start, store.zone)
        record = store.collection_at(collection_path(active_id, start, store.zone))
        stored = active_id in store.activity(month).sessions
        if not stored or record is None or not is_complete(record, settings.sample_count):
            config = UpdateConfig(session_id=active_id, sample=True)
            yield Wish("collection", f"session:{active_id}", month, config)
    current = month_of(now, store.zone)
    for month in (shift_month(current, -1), current):
        for session_id in open_sessions(store.activity(month)):
            if session_id != active_id:
                config = UpdateConfig(session_id=session_id)
                yield Wish("completion", f"session:{session_id}", month, config)


def _missed_months(source: ChargerSource, store: Store, now: datetime, covered: set[str]) -> list[Wish]:
    """Months in which ChargePoint lists a session that the store does not have, or has less of."""
    months = set()
    for row in source.activity(now - LOOK_BACK):
        month = month_of(from_epoch_ms(row.start_time), store.zone)
        if row.has_ended and is_news(store.activity(month).sessions.get(row.session_id), row):
            months.add(month)
    return [
        Wish("refresh", f"month:{month}", month, UpdateConfig(refresh_closed=True))
        for month in sorted(months - covered)
    ]


def _attribution(session: ChargingStatus | None, store: Store) -> tuple[str | None, float | None]:
    """The car of the session in progress: as classified, or as its own file says while it is sampled."""
    if session is None:
        return None, None
    start = from_epoch_ms(session.start_time)
    for classification in store.read_month_if_whole(CLASSIFICATIONS, month_of(start, store.zone)) or []:
        if classification.session_id == session.session_id:
            return classification.vehicle_id, classification.confidence
    record = store.collection_if_whole(collection_path(session.session_id, start, store.zone))
    if record is None or record.labeled_by is None:
        return None, None
    return record.vehicle_id, record.vehicle_confidence


def _write_state(seen: Observation, store: Store) -> tuple[LastSession, bool]:
    before = store.last_session()
    state = last_session(seen, before, store.zone)
    changed = state_differs(before, state)
    if is_worth_writing(before, state):
        store.write_document(STATE_FILE, state.model_dump(mode="json"))
    if seen.session is not None:
        changed = _write_session_id(seen.session.session_id, seen.at, store) or changed
    return state, changed


def _write_session_id(session_id: str, at: datetime, store: Store) -> bool:
    """Note the session last seen; whether it is another one than before."""
    try:
        known = store.read_document(SESSION_ID_FILE)
    except BadInputError:
        known = None  # damaged: this writing replaces it
    if isinstance(known, dict) and known.get("session_id") == session_id:
        return False
    stamp = format_instant(at.replace(microsecond=0))
    store.write_document(SESSION_ID_FILE, {"session_id": session_id, "timestamp": stamp})
    return True


def build_charger_sensor(settings: Settings, jobs: Mapping[str, Job]) -> dg.SensorDefinition:
    """The charger sensor, running by default."""
    store = Store.of(settings)  # one for all ticks, so that a month that did not change is parsed once
    looks = ChargerLooks(settings)

    @dg.sensor(
        name="charger_sensor",
        job=jobs[SESSION_JOB],
        minimum_interval_seconds=settings.poll_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Looks at the charger; collects a session that is not stored, completes one that has ended.",
    )
    @pauses(settings)
    def charger_sensor(
        context: dg.SensorEvaluationContext, chargepoint: ChargePoint
    ) -> dg.SensorResult | dg.SkipReason:
        now = datetime.now(UTC)
        sweep_dead_runs(context.instance, store.locks, context.log)
        client = chargepoint.client()
        try:
            with client.within(TICK_SECONDS):
                tick = watch_charger(client, store, settings, now, _last_look(context.cursor), context.log)
                looks.seen(client, tick.seen, tick.state, context.log)
        except TransientError as error:
            looks.failed(error, now, context.log)
            return dg.SkipReason(f"{error} What is stored stays; the next tick tries again.")
        except Cph50Error as error:
            looks.failed(error, now, context.log)
            raise
        requests = [w.request() for w in tick.wishes if may_start(attempts(context.instance, w.tags), now)]
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else dg.SkipReason(_sentence(tick)),
            cursor=_cursor(tick.looked_at) or context.cursor,
            asset_events=_state_events(tick) if tick.changed else [],
        )

    return charger_sensor


def _sentence(tick: Tick) -> str:
    doing = "charging" if tick.state.charging else "connected" if tick.state.connected else "not connected"
    waiting = f"; waiting for {', '.join(w.subject for w in tick.wishes)}" if tick.wishes else ""
    return f"The car is {doing}; nothing to collect{waiting}"


def _state_events(tick: Tick) -> list[dg.AssetMaterialization]:
    metadata = {"connected": tick.state.connected, "charging": tick.state.charging}
    return [dg.AssetMaterialization(key, metadata=metadata) for key in (LAST_SESSION, LAST_SESSION_ID)]


def _last_look(cursor: str | None) -> datetime | None:
    try:
        return None if not cursor else datetime.fromtimestamp(json.loads(cursor)["looked_at"], tz=UTC)
    except (ValueError, KeyError, TypeError):
        return None  # edited or from another version: only a look more


def _cursor(looked_at: datetime | None) -> str | None:
    return None if looked_at is None else json.dumps({"looked_at": looked_at.timestamp()})
