"""How a run brings months up to date: sample, ask, merge, close. The body of `chargepoint_activity`.

Talks to the charger through `ChargePoint` and to files through `Store`; the rules are in `charging` and
`sources.fetching`, how a session is sampled in `defs.sampling`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from logging import Logger

import dagster as dg
from pydantic import Field

from cph50_pipeline.charging.activity import ActivityMonth, given_up, merge, open_sessions
from cph50_pipeline.civil_time import from_epoch_ms, month_bounds, month_of
from cph50_pipeline.defs.month_files import ACTIVITY
from cph50_pipeline.defs.resources import ChargePoint
from cph50_pipeline.defs.sampling import sample_live
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError, NotFoundError
from cph50_pipeline.sources.fetching import Answers, fetch_months, fetch_session


class UpdateConfig(dg.Config):
    """What a run asks ChargePoint for. With nothing set: all sessions of the months that are not closed."""

    session_id: str | None = Field(default=None, description="Only this session, instead of whole months")
    sample: bool = Field(default=False, description="Sample the session's power first (needs session_id)")
    refresh_closed: bool = Field(default=False, description="Ask again for months that are closed")
    close: bool = Field(default=False, description="Mark the months final once they are over and complete")


def update_months(
    config: UpdateConfig, months: Sequence[str], store: Store, chargepoint: ChargePoint, log: Logger
) -> dict[str, ActivityMonth]:
    """The months with what ChargePoint answers now merged into what is stored.

    Network first and locks after: the months are locked only to merge and write.

    Raises:
        Cph50Error: ChargePoint could not be asked; what it answered before is kept.
    """
    if config.session_id is not None:
        try:
            answers = _update_session(config.session_id, config.sample, months, store, chargepoint, log)
        except NotFoundError:
            if not any(config.session_id in open_sessions(store.activity(month)) for month in months):
                raise
            return _give_up(config.session_id, months, store, log)
    else:
        stored = {month: store.activity(month) for month in months}
        wanted = {m: a for m, a in stored.items() if config.refresh_closed or not a.closed}
        _log_closed(sorted(set(months) - set(wanted)), log)
        with chargepoint.client().unmetered():
            answers = fetch_months(chargepoint.client(), wanted, store.zone)
    _log_gaps(answers, log)
    store.hold_months(months)
    merged = {m: merge(store.activity(m), answers.rows, answers.statuses, store.zone) for m in months}
    if answers.interrupted is not None:
        store.write_months(ACTIVITY, merged)
        raise answers.interrupted
    return {m: _closed(a, store, log) for m, a in merged.items()} if config.close else merged


def _update_session(
    session_id: str, sample: bool, months: Sequence[str], store: Store, chargepoint: ChargePoint, log: Logger
) -> Answers:
    client = chargepoint.client()
    answers = fetch_session(client, session_id)
    status = answers.statuses[0]
    start = from_epoch_ms(status.start_time)
    if list(months) != [month_of(start, store.zone)]:
        raise BadInputError(
            f"Session {session_id} belongs to {month_of(start, store.zone)}, not to {', '.join(months)}",
            kept="Nothing was changed",
            remedy=f"Run the partition {month_of(start, store.zone)}",
        )
    if not sample or status.has_ended:
        return answers
    sample_live(status, store, chargepoint, log)
    return fetch_session(client, session_id)


def _give_up(session_id: str, months: Sequence[str], store: Store, log: Logger) -> dict[str, ActivityMonth]:
    log.warning(
        f"ChargePoint no longer knows session {session_id}: it is taken to have ended with its last reading"
    )
    store.hold_months(months)
    stored = {month: store.activity(month) for month in months}
    return {m: given_up(a, session_id) if session_id in a.sessions else a for m, a in stored.items()}


def _closed(activity: ActivityMonth, store: Store, log: Logger) -> ActivityMonth:
    _, end = month_bounds(activity.month, store.zone)
    waiting = open_sessions(activity)
    if waiting:
        log.warning(f"{activity.month} stays open: session {', '.join(waiting)} has not ended")
        return activity
    if datetime.now(UTC) < end:
        log.warning(f"{activity.month} stays open: it is not over yet")
        return activity
    return activity.model_copy(update={"closed": True})


def _log_closed(months: Sequence[str], log: Logger) -> None:
    if months:
        log.info(f"Closed, not asked for again: {', '.join(months)}. Set refresh_closed to ask all the same")


def _log_gaps(answers: Answers, log: Logger) -> None:
    for error in answers.unusable:
        log.error(f"{error} The session goes on without a curve.")
    if answers.without_curve:
        log.warning(
            f"ChargePoint has no curve of {len(answers.without_curve)} session(s), first "
            f"{answers.without_curve[0]}: their energy is split by an estimate, marked coverage 0"
        )
