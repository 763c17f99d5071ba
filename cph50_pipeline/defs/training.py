"""Learning the cars, with files: gathers the labelled sessions of all months. What is learned is in `vehicles`."""

from __future__ import annotations

from collections.abc import Iterator
from logging import Logger

from cph50_pipeline.charging.chains import by_session, chains
from cph50_pipeline.defs.attribution import seen_sessions
from cph50_pipeline.defs.month_files import SAMPLES
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.vehicles.classification import Household, case_of
from cph50_pipeline.vehicles.labels import LabelMap
from cph50_pipeline.vehicles.training import LabelledSession


def labelled_sessions(store: Store, labels: LabelMap, log: Logger) -> list[LabelledSession]:
    """The labelled sessions with steady charging, of every month that can be read."""
    household = Household(labels, store.vehicles(), store.zone)
    found: list[LabelledSession] = []
    for month in store.stored_months(SAMPLES) if labels.truths() else []:
        try:
            found += _of_month(store, month, household)
        except Cph50Error as error:
            log.error(f"{error} The cars are learned without {month}.")
    log.info(f"{len(found)} of {len(labels.truths())} labelled sessions have a plateau to learn from")
    return found


def _of_month(store: Store, month: str, household: Household) -> Iterator[LabelledSession]:
    events = by_session(chains(store.sessions(month)))
    for seen in seen_sessions(store, month, store.need_month(SAMPLES, month)):
        case = case_of(seen, household)
        if case.label is not None and case.fingerprint is not None:
            yield LabelledSession(
                session_id=case.session_id,
                vehicle_id=case.label,
                start=case.start,
                plug_in_id=events[case.session_id].plug_in_id,
                fingerprint=case.fingerprint,
                candidates=case.candidates,
            )
