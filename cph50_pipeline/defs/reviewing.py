"""What the reports are made of, with files: every stored session with its fingerprint and the car in force, the model.

Which sessions need a person is in `vehicles.review`, what the reports hold in `reports`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from cph50_pipeline.charging.cache import CacheRecord
from cph50_pipeline.defs.attribution import released_model, seen_sessions
from cph50_pipeline.defs.month_files import CACHE, CLASSIFICATIONS, SAMPLES
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import PermanentError
from cph50_pipeline.reports.digest import Digest, digest
from cph50_pipeline.reports.unclassified import UnclassifiedReport, unclassified_report
from cph50_pipeline.vehicles.classification import Household, SeenSession, case_of
from cph50_pipeline.vehicles.classifier import VehicleModel
from cph50_pipeline.vehicles.labels import LabelMap
from cph50_pipeline.vehicles.plateaus import NamedSession, plateaus_now


@dataclass(frozen=True)
class StoredHistory:
    """All named sessions as they are stored, in order of month, and the model in force."""

    sessions: list[NamedSession]
    model: VehicleModel

    @classmethod
    def read(cls, store: Store) -> StoredHistory:
        """Read every month.

        Raises:
            PermanentError: nothing is stored yet, or a month lacks its samples.
            BadInputError: a month, the cars or the model cannot be read; names the file.
        """
        months = store.stored_months(CLASSIFICATIONS)
        if not months:
            raise PermanentError(
                "No session is stored yet, so there is nothing to report",
                remedy="Fetch the months: `cph50 backfill --from YYYY-MM --to YYYY-MM`",
            )
        return cls(list(_named_sessions(store, months)), released_model(store))


def report_months(store: Store) -> list[str]:
    """The months that a report is made of."""
    return sorted({*store.stored_months(CLASSIFICATIONS), *store.stored_months(CACHE)})


def report_unclassified(store: Store) -> UnclassifiedReport:
    """The report of sessions without a car, of all that is stored; raises as `StoredHistory.read`."""
    history = StoredHistory.read(store)
    return unclassified_report(history.sessions, history.model, store.zone)


def digest_vehicles(store: Store) -> Digest:
    """The digest of the vehicles, of all that is stored; raises as `StoredHistory.read`."""
    history = StoredHistory.read(store)
    records: list[CacheRecord] = [
        record for month in store.stored_months(CACHE) for record in store.need_month(CACHE, month)
    ]
    return digest(
        records,
        {one.case.session_id: one.classification for one in history.sessions},
        store.vehicles(),
        plateaus_now(history.sessions, history.model),
        store.zone,
    )


def _named_sessions(store: Store, months: Iterable[str]) -> Iterator[NamedSession]:
    household = naming_household(store)
    return (one for month in months for _, one in named_in_month(store, month, household))


def naming_household(store: Store) -> Household:
    """The cars, without labels: what counts is the label in force, which the classifications carry.

    Raises:
        BadInputError: the cars cannot be read.
    """
    return Household(LabelMap({}), store.vehicles(), store.zone)


def named_in_month(
    store: Store, month: str, household: Household
) -> Iterator[tuple[SeenSession, NamedSession]]:
    """A month's sessions as they are named; one that came since waits for its month to be named, and is left out.

    Args:
        household: As `naming_household` reads it.

    Raises:
        PermanentError: the month lacks its samples or classifications.
        BadInputError: one of its files cannot be read.
    """
    classified = {c.session_id: c for c in store.need_month(CLASSIFICATIONS, month)}
    for seen in seen_sessions(store, month, store.need_month(SAMPLES, month)):
        named = classified.get(seen.session.session_id)
        if named is not None:
            case = case_of(seen, household)
            label = named.vehicle_id if named.labeled_by == "manual" else None
            yield seen, NamedSession(replace(case, label=label), named)
