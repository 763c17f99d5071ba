"""Learning the cars, with files: gathers the labelled sessions of all months, trains, asks the gate, or goes back.

What is learned is in `vehicles.training`, what is good enough in `vehicles.release`; when to train is the sensor's
business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from logging import Logger
from typing import Any

from cph50_pipeline.charging.chains import PlugIn, by_session, chains
from cph50_pipeline.charging.model import Session
from cph50_pipeline.defs.attribution import released_model, seen_sessions
from cph50_pipeline.defs.document_files import CLASSIFIER_HTML
from cph50_pipeline.defs.month_files import SAMPLES
from cph50_pipeline.defs.store import CLASSIFIER_FILE, PREVIOUS_CLASSIFIER_FILE, Store
from cph50_pipeline.defs.training_inputs import TrainingConfig, TrainingInputs
from cph50_pipeline.errors import BadInputError, Cph50Error
from cph50_pipeline.reports.classifier import TrainingReport, page
from cph50_pipeline.vehicles.classification import Household, case_of
from cph50_pipeline.vehicles.classifier import VehicleModel
from cph50_pipeline.vehicles.release import Decision, Outcome, decide, released, rolled_back
from cph50_pipeline.vehicles.training import LabelledSession, train


@dataclass(frozen=True)
class Gathered:
    """What there is to learn from.

    Attributes:
        sessions: The labelled ones with steady charging.
        waiting: Labelled sessions that are not stored yet, still open, or in a month that cannot be read.
        unread: What cannot be read, each naming its file, which may be that of the month after.
    """

    sessions: tuple[LabelledSession, ...] = ()
    waiting: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class Training:
    """What a run did to the model.

    Attributes:
        report: What was found; None when labels or cars cannot be read, and nothing was trained.
        in_force: The model afterwards.
        files: What is to be written, by path and in this order; what is left out stays as it is.
        inputs: What people had said, as a digest; None when it cannot be read.
        problem: Why nothing was trained.
    """

    report: TrainingReport | None
    in_force: VehicleModel
    files: Mapping[str, Any] = field(default_factory=dict)
    inputs: str | None = None
    gathered: Gathered = Gathered()
    problem: str = ""

    @property
    def outcome(self) -> str:
        """What became of the candidate: one of `Outcome`, "rolled back" or "not trained"."""
        if self.report is None:
            return "not trained"
        return "rolled back" if self.report.decision is None else self.report.decision.outcome.value


def run_training(store: Store, config: TrainingConfig, log: Logger) -> Training:
    """Train and let the gate decide, or put the previous model back.

    Until the run ends, no other run can put a model in force.

    Raises:
        BadInputError: both are asked for, or there is no model to go back to.
    """
    if config.release and config.rollback:
        raise BadInputError("A model is either released or put back, not both", kept="Nothing was changed")
    store.hold_model()
    training = _put_back(store, log) if config.rollback else _train(store, log, by_hand=config.release)
    _say(training, log)
    return training


def previous_model(store: Store) -> VehicleModel:
    """The model that was in force before.

    Raises:
        BadInputError: there is none, or its file cannot be used.
    """
    document = store.read_document(PREVIOUS_CLASSIFIER_FILE)
    if document is None:
        raise BadInputError(
            f"There is no model to go back to: {PREVIOUS_CLASSIFIER_FILE} does not exist",
            kept="The model in force stays in force",
            remedy="Mend the labels; `cph50 train` learns from them anew",
        )
    return VehicleModel.read(document, PREVIOUS_CLASSIFIER_FILE)


def gather(store: Store, inputs: TrainingInputs, log: Logger) -> Gathered:
    """The labelled sessions of every month that can be read, each with the plug-in event to which it belongs."""
    wanted = set(inputs.labels.truths())
    by_month = _sessions_by_month(store, log) if wanted else {}
    readable = {month: found for month, found in by_month.items() if not isinstance(found, Cph50Error)}
    events = by_session(chains(session for sessions in readable.values() for session in sessions))
    unread = {found.message for found in by_month.values() if isinstance(found, Cph50Error)}
    household = Household(inputs.labels, inputs.vehicles, store.zone)
    found: list[LabelledSession] = []
    for month, sessions in readable.items():
        ended = {one.session_id for one in sessions if not one.is_open} & wanted
        if not ended:
            continue
        try:
            found += _labelled_of_month(store, month, household, ended, events)
        except Cph50Error as error:
            log.error(f"{error} The cars are learned without {month}.")
            unread.add(error.message)
        else:
            wanted -= ended
    return Gathered(tuple(found), tuple(sorted(wanted)), tuple(sorted(unread)))


def _train(store: Store, log: Logger, *, by_hand: bool) -> Training:
    before = _model_in_force(store, log)
    try:
        inputs = TrainingInputs.of(store)
    except BadInputError as error:
        return Training(None, before or VehicleModel(), problem=str(error))
    gathered = gather(store, inputs, log)
    in_force = before or VehicleModel()
    trained = train(gathered.sessions)
    # Labels that nobody can find are no loss while every month was looked through.
    unread = gathered.unread if gathered.waiting else ()
    decision = decide(trained, in_force, by_hand=by_hand, unread=unread)
    beside = in_force if decision.outcome is Outcome.REFUSED else _one_before(store, trained.model, in_force)
    report = TrainingReport(trained.model, beside, decision, gathered.sessions, trained.doubted)
    is_wanting = store.root.read(CLASSIFIER_FILE) is None or (before is None and by_hand)
    files = _files(decision, trained.model, in_force, is_wanting=is_wanting)
    after = released(trained.model, in_force) if decision.outcome is Outcome.RELEASED else in_force
    return Training(report, after, {**files, CLASSIFIER_HTML: page(report)}, inputs.digest, gathered)


def _files(
    decision: Decision, candidate: VehicleModel, in_force: VehicleModel, *, is_wanting: bool
) -> dict[str, Any]:
    """The model's files. The one before is kept first: a kill in between must not cost it.

    Args:
        is_wanting: Whether there is no file of the model in force, or a damaged one that a person wants replaced.
    """
    if decision.outcome is Outcome.RELEASED:
        kept = {PREVIOUS_CLASSIFIER_FILE: in_force.document()} if in_force.vehicles else {}
        return {**kept, CLASSIFIER_FILE: released(candidate, in_force).document()}
    return {CLASSIFIER_FILE: in_force.document()} if is_wanting else {}


def _one_before(store: Store, model: VehicleModel, in_force: VehicleModel) -> VehicleModel:
    """The model before the given one: what `classifier_previous.json` holds once that is in force."""
    if in_force.vehicles and in_force.version != model.version:
        return in_force
    try:
        return previous_model(store)
    except BadInputError:
        return VehicleModel()


def _put_back(store: Store, log: Logger) -> Training:
    previous, current = previous_model(store), _model_in_force(store, log)
    if current is not None and current.version == previous.version:
        raise BadInputError(
            f"{previous.version} is in force already", kept="Nothing was changed", remedy="Go back in git"
        )
    after = previous if current is None else rolled_back(current, previous)
    inputs, gathered = _as_far_as_readable(store, log)
    report = TrainingReport(after, current or VehicleModel(), None, gathered.sessions)
    files = {CLASSIFIER_FILE: after.document(), CLASSIFIER_HTML: page(report)}
    if (
        current is not None
    ):  # in force first: until then the file of the previous one is the only one that has it
        files[PREVIOUS_CLASSIFIER_FILE] = current.document()
    return Training(report, after, files, None if inputs is None else inputs.digest, gathered)


def _as_far_as_readable(store: Store, log: Logger) -> tuple[TrainingInputs | None, Gathered]:
    try:
        inputs = TrainingInputs.of(store)
    except BadInputError:
        return None, Gathered()
    return inputs, gather(store, inputs, log)


def _model_in_force(store: Store, log: Logger) -> VehicleModel | None:
    """None when its file is damaged."""
    try:
        return released_model(store)
    except BadInputError as error:
        log.error(f"{error} Whatever passes the gate replaces it.")
        return None


def _sessions_by_month(store: Store, log: Logger) -> dict[str, list[Session] | Cph50Error]:
    """The sessions of every month; of one that cannot be read, the error."""
    found: dict[str, list[Session] | Cph50Error] = {}
    for month in store.stored_months(SAMPLES):
        try:
            found[month] = store.sessions(month)
        except Cph50Error as error:
            log.error(f"{error} The cars are learned without {month}.")
            found[month] = error
    return found


def _labelled_of_month(
    store: Store, month: str, household: Household, wanted: set[str], events: Mapping[str, PlugIn]
) -> list[LabelledSession]:
    found = []
    for seen in seen_sessions(store, month, store.need_month(SAMPLES, month)):
        case = case_of(seen, household)
        if case.session_id in wanted and case.label is not None and case.fingerprint is not None:
            found.append(
                LabelledSession(
                    session_id=case.session_id,
                    vehicle_id=case.label,
                    start=case.start,
                    plug_in_id=events[case.session_id].plug_in_id,
                    fingerprint=case.fingerprint,
                    candidates=case.candidates,
                )
            )
    return found


def _say(training: Training, log: Logger) -> None:
    if training.report is None:
        log.error(f"{training.problem} The model in force stays in force.")
        return
    log.info(f"{len(training.gathered.sessions)} labelled sessions have a plateau to learn from")
    say = log.warning if training.outcome == Outcome.REFUSED else log.info
    say(" ".join([training.report.headline, "; ".join(training.report.reasons)]).strip())
