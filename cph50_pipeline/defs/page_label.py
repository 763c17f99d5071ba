"""What the label page is made of, with files: all named sessions, what a person should look at, the classifier.

All months are read; of those whose files stay the same, once. That is done aside, so that a page need not wait for ten
years of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotDoneError
from dataclasses import dataclass
from threading import Lock

from cph50_pipeline.charging.model import Reading
from cph50_pipeline.civil_time import shift_month
from cph50_pipeline.defs.attribution import released_model
from cph50_pipeline.defs.instance import open_instance
from cph50_pipeline.defs.month_files import ACTIVITY, CLASSIFICATIONS, SAMPLES
from cph50_pipeline.defs.reviewing import named_in_month, naming_household
from cph50_pipeline.defs.store import CLASSIFIER_FILE, VEHICLES_FILE, Store
from cph50_pipeline.defs.training_inputs import TrainingInputs
from cph50_pipeline.defs.training_record import Noted, last_training, training_of_run
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.pages.labels import Points, Stay, since_charging, typical_power
from cph50_pipeline.pages.troubles import Trouble
from cph50_pipeline.settings import Settings
from cph50_pipeline.vehicles.classification import Household
from cph50_pipeline.vehicles.classifier import VehicleModel
from cph50_pipeline.vehicles.config import VehicleConfig
from cph50_pipeline.vehicles.groups import Proposal
from cph50_pipeline.vehicles.labels import LabelMap
from cph50_pipeline.vehicles.review import ReviewItem, review, unnamed_groups

TYPICAL_SESSIONS = 8
"""From so many of its newest sessions a car's typical curve is made."""
_KEPT_MONTHS = 24
_MONTHS_A_STORE = 12  # a store keeps what it has read; ten years of it would be too much


@dataclass(frozen=True)
class LabelHistory:
    """All named sessions, and what is to be asked about them.

    Attributes:
        stays: By session id, in order of their start.
        queue: What helps most first.
        typical: By car, the curve that is typical of it.
        troubles: What could not be read.
    """

    stays: Mapping[str, Stay]
    queue: Sequence[ReviewItem]
    proposal: Proposal
    model: VehicleModel
    typical: Mapping[str, Points]
    troubles: Sequence[Trouble]


@dataclass(frozen=True, slots=True)
class Look:
    """What is there for a page now.

    Attributes:
        history: None: nothing is, the months are being read.
        is_current: Whether it is made of the files as they are; else that is being done.
        done: How many months have been read for that, of how many.
    """

    history: LabelHistory | None
    is_current: bool
    done: int
    total: int


@dataclass(frozen=True)
class Standing:
    """How it stands with what was learned.

    Attributes:
        last: What the newest training noted.
        asked: What became of the run that somebody asked for; None when none was, or it came to nothing yet.
        is_learned: Whether the labels are those that were learned from; None when they cannot be read.
    """

    last: Noted
    asked: Noted | None
    is_learned: bool | None


class LabelMemory:
    """One server's memory of the months, for several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="label-page")
        self._lock = Lock()
        self._months: dict[str, tuple[Hashable, list[Stay]]] = {}
        self._samples: dict[str, tuple[object, Mapping[str, list[Reading]]]] = {}
        self._built: tuple[Hashable, LabelHistory] | None = None
        self._building: tuple[Hashable, Future[LabelHistory]] | None = None
        self._done = self._total = 0

    def look(self, wait_seconds: float) -> Look:
        """The sessions as the files have them, or as they were when that takes longer than one would wait.

        Raises:
            Cph50Error: the files cannot be listed.
        """
        store = Store.of(self._settings)
        months = store.stored_months(CLASSIFICATIONS)
        fingerprint = (*((month, self._stamp(store, month)) for month in months), _stamps_of_all(store))
        with self._lock:
            if self._built is not None and self._built[0] == fingerprint:
                return Look(self._built[1], True, len(months), len(months))
            if self._building is None or self._building[0] != fingerprint or self._building[1].done():
                self._building = (fingerprint, self._pool.submit(self._build, months, fingerprint))
            future = self._building[1]
        try:
            return Look(future.result(wait_seconds), True, len(months), len(months))
        except NotDoneError:
            with self._lock:
                former = None if self._built is None else self._built[1]
                return Look(former, False, self._done, self._total)

    def readings(self, stays: Iterable[Stay]) -> dict[str, Sequence[Reading]]:
        """The readings of sessions; of a month that cannot be read none, since pictures only help."""
        store = Store.of(self._settings)
        wanted: dict[str, list[str]] = defaultdict(list)
        for stay in stays:
            wanted[stay.month].append(stay.session_id)
        found: dict[str, Sequence[Reading]] = {}
        for month, session_ids in wanted.items():
            its = self._samples_of(store, month)
            found |= {id_: its.get(id_, ()) for id_ in session_ids}
        return found

    def close(self) -> None:
        """Stop reading."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _build(self, months: Sequence[str], fingerprint: Hashable) -> LabelHistory:
        store = Store.of(self._settings)
        self._done, self._total = 0, len(months)
        household, model, troubles = _naming(store)
        stays: list[Stay] = []
        for place, month in enumerate(reversed(months)):
            if place % _MONTHS_A_STORE == 0:
                store = Store.of(self._settings)
            try:
                stays += self._stays(store, month, household)
            except Cph50Error as error:
                troubles.append(Trouble.of(error))
            self._done = place + 1
        stays.sort(key=lambda one: (one.named.case.start, one.session_id))
        named = [stay.named for stay in stays]
        history = LabelHistory(
            stays={stay.session_id: stay for stay in stays},
            queue=review(named, model),
            proposal=unnamed_groups(named, model),
            model=model,
            typical=self._typical(stays),
            troubles=troubles,
        )
        with self._lock:
            self._built = (fingerprint, history)
            for gone in self._months.keys() - set(months):
                del self._months[gone]
        return history

    def _stays(self, store: Store, month: str, household: Household) -> list[Stay]:
        stamp = (self._stamp(store, month), store.root.stamp(VEHICLES_FILE))
        known = self._months.get(month)
        if known is None or known[0] != stamp:
            stays = [
                Stay(month, named, seen.session.end, seen.session.energy_kwh)
                for seen, named in named_in_month(store, month, household)
            ]
            known = self._months[month] = (stamp, stays)
        return known[1]

    def _stamp(self, store: Store, month: str) -> Hashable:
        """What becomes another when a file does that the month's sessions are made of."""
        paths = [file.path(month) for file in (CLASSIFICATIONS, SAMPLES, ACTIVITY)]
        after = ACTIVITY.path(shift_month(month, 1))  # an end may be set right by what follows
        return tuple(store.root.stamp(path) for path in (*paths, after))

    def _typical(self, stays: Sequence[Stay]) -> dict[str, Points]:
        newest: dict[str, list[Stay]] = defaultdict(list)
        for stay in reversed(stays):
            own = newest[stay.named.classification.vehicle_id]
            if stay.named.is_sure and stay.named.case.fingerprint and len(own) < TYPICAL_SESSIONS:
                own.append(stay)
        readings = self.readings(stay for own in newest.values() for stay in own)
        return {
            vehicle_id: typical_power([since_charging(readings[stay.session_id]) for stay in own])
            for vehicle_id, own in sorted(newest.items())
        }

    def _samples_of(self, store: Store, month: str) -> Mapping[str, list[Reading]]:
        stamp = store.root.stamp(SAMPLES.path(month))
        with self._lock:
            known = self._samples.pop(month, None)
        if known is None or known[0] != stamp:
            known = (stamp, store.read_month_if_whole(SAMPLES, month) or {})
        with self._lock:
            self._samples[month] = known
            while len(self._samples) > _KEPT_MONTHS:
                del self._samples[next(iter(self._samples))]
        return known[1]


def training_standing(settings: Settings, run_id: str | None) -> Standing:
    """How it stands with what was learned, by Dagster's records and the labels.

    Args:
        run_id: A training that somebody asked for and wants to hear of.
    """
    with open_instance(settings) as instance:
        last = last_training(instance)
        asked = None if run_id is None else training_of_run(instance, run_id)
    try:
        inputs = TrainingInputs.of(Store.of(settings))
    except Cph50Error:
        return Standing(last, asked, None)
    return Standing(last, asked, inputs.digest == last.inputs)


def _naming(store: Store) -> tuple[Household, VehicleModel, list[Trouble]]:
    """What sessions are named with; nothing of what cannot be read: that is told, and the sessions are shown."""
    household, model, troubles = Household(LabelMap({}), VehicleConfig(), store.zone), VehicleModel(), []
    try:
        household = naming_household(store)
    except Cph50Error as error:
        troubles.append(Trouble.of(error))
    try:
        model = released_model(store)
    except Cph50Error as error:
        troubles.append(Trouble.of(error))
    return household, model, troubles


def _stamps_of_all(store: Store) -> Hashable:
    return tuple(store.root.stamp(path) for path in (VEHICLES_FILE, CLASSIFIER_FILE))
