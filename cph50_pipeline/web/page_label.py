"""Routes of the label page: what to say of which session, saying it, undoing it, and learning the cars from it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from cph50_pipeline.civil_time import local_date
from cph50_pipeline.defs.due_months import without_gaps
from cph50_pipeline.defs.labelling import (
    car_now,
    find_sessions,
    import_labels,
    put_label_back,
    unlabel_session,
)
from cph50_pipeline.defs.page_label import LabelHistory, LabelMemory, Standing, training_standing
from cph50_pipeline.defs.store import LABELS_FILE, VEHICLES_FILE, Store
from cph50_pipeline.defs.training_record import Noted
from cph50_pipeline.errors import BadInputError, Cph50Error, NotFoundError
from cph50_pipeline.pages.cars import Car, by_name, cars_of
from cph50_pipeline.pages.labels import (
    CARDS_A_PAGE,
    TOO_LONG,
    Card,
    Counts,
    Drawing,
    LabelOutcome,
    RunShown,
    Said,
    Stay,
    Word,
    car_named,
    card,
    counts,
    examples_of,
    group_card,
    is_nameless,
    is_waiting,
    learned,
    objection,
    said_car,
)
from cph50_pipeline.pages.links import ServedLinks
from cph50_pipeline.pages.troubles import Trouble
from cph50_pipeline.vehicles.config import VehicleConfig, explain
from cph50_pipeline.vehicles.labels import BY_HAND, Label, new_label, read_label
from cph50_pipeline.vehicles.release import Gate
from cph50_pipeline.vehicles.review import ReviewItem
from cph50_pipeline.web.context import Context, Household
from cph50_pipeline.web.dagster_pages import run_address
from cph50_pipeline.web.html import html_page
from cph50_pipeline.web.own_runs import OwnRuns
from cph50_pipeline.web.page_cars import car_form
from cph50_pipeline.web.people import SignedForm
from cph50_pipeline.web.vehicles import NewLabel, write_down

router = APIRouter(include_in_schema=False)
changes = APIRouter(prefix="/forms", include_in_schema=False)

TABS = ("review", "nameless", "labelled")
OUTCOME = "/label/outcome"
TRAINING = "/label/training"
_LOOK_SECONDS = 2.0
_MOST_CARRIED = 4000
"""Characters of an address in which the label before travels: a server takes no address without an end."""
_MOST_AT_ONCE = 50
_SESSION = re.compile(r"[0-9A-Za-z_-]{1,64}")
_RUN = re.compile(r"[0-9a-f-]{36}")

ValueT = TypeVar("ValueT")
ShortText = Annotated[str, Query(max_length=200)]
LongText = Annotated[str, Query(max_length=_MOST_CARRIED)]


@router.get("/label")
def label_page(
    request: Request,
    context: Household,
    show: ShortText = "",
    session: ShortText = "",
    nr: Annotated[int, Query(ge=1, le=10_000)] = 1,
    done: LongText = "",
    run: LongText = "",
    was: LongText = "",
    undone: ShortText = "",
    trained: ShortText = "",
    added: ShortText = "",
    removed: ShortText = "",
) -> Response:
    """The sessions that want a word, with what is known of them."""
    memory: LabelMemory = request.app.state.label_memory
    look, troubles = memory.look(_LOOK_SECONDS), list[Trouble]()
    cars = _cars(context, look.history, troubles)
    labels = _tried(lambda: Store.of(context.settings).labels().truths(), dict[str, Label](), troubles)
    clicked = _tried(lambda: _outcome(request, context, cars, done, run, was, undone), None, troubles)
    shown: dict[str, Any] = {
        "tab": show,
        "cards": (),
        "groups": (),
        "asked": None,
        "counts": None,
        "pages": 1,
    }
    if look.history is not None:
        shown = _shown(context, memory, look.history, labels, cars, show, session, nr)
        troubles += look.history.troubles
    return html_page(
        request,
        "label",
        "label",
        look=look,
        troubles=list({one.said: one for one in reversed(troubles)}.values())[::-1],
        session=session,
        page_number=nr,
        outcome=clicked,
        training=_training(request, context, look.history, cars, trained),
        added=cars.get(added),
        removed=removed,
        car_form=car_form(request, context),
        today=local_date(context.clock(), context.settings.zone),
        minimum_labels=Gate().minimum_labels,
        **shown,
    )


@router.get(OUTCOME)
def outcome(
    request: Request,
    context: Household,
    done: LongText,
    run: LongText = "",
    was: LongText = "",
    undone: ShortText = "",
) -> Response:
    """What came of a click, as a part of the page, and how many sessions there are of each kind since."""
    found = _outcome(request, context, _cars(context, None, []), done, run, was, undone)
    if found is None:
        raise NotFoundError("No stored month has that session")
    memory: LabelMemory = request.app.state.label_memory
    history = memory.look(0).history
    labels = Store.of(context.settings).labels().truths()
    counted = None if history is None else _standing(history, labels)[2]
    return html_page(request, "label_outcome", outcome=found, counts=counted)


@router.get(TRAINING)
def training(request: Request, context: Household, trained: ShortText) -> Response:
    """How it stands with a training that somebody asked for, as a part of the page."""
    found = _training(request, context, None, _cars(context, None, []), trained)
    if found["run"] is None:
        raise NotFoundError("That is not the id of a run")
    return html_page(request, "label_training", training=found)


@changes.post("/label")
def label(request: Request, context: Household, form: SignedForm) -> Response:
    """Say which car a session was, take that back, or put the label before in its place."""
    said = _read(form)
    store = Store.of(context.settings)
    before = _label_of(store, said.session_id)
    again = form.get("undo", "")
    if again:
        earlier = read_label(_parsed(again), "The label before", store.vehicles().vehicles)
        first = context.settings.history_start
        month = put_label_back(store, first, said.session_id, earlier)
    else:
        month = write_down(context, said)
    runs = [_runs(request).begin_naming([month])]
    return _to_outcome(
        form, [said.session_id], runs, "" if before is None else _carried(before), "undo" in form
    )


@changes.post("/group")
def group(request: Request, context: Household, form: SignedForm) -> Response:
    """Say of several sessions that they were one car, or take that back: of all of them or of none."""
    session_ids = _ids(form.get("session_ids", ""))
    vehicle_id = form.get("vehicle_id", "")
    if not session_ids:
        raise BadInputError("No session is named", kept="Nothing was labelled")
    store = Store.of(context.settings)
    if vehicle_id:
        word = new_label(vehicle_id, BY_HAND, None, context.clock())
        taken_in = import_labels(
            store, context.settings.history_start, dict.fromkeys(session_ids, word), replace=False
        )
        if taken_in.refused:
            raise BadInputError("; ".join(taken_in.refused), kept="Nothing was labelled")
        if not taken_in.added:
            raise BadInputError("All of these sessions are so labelled already", kept="Nothing was changed")
        session_ids = [*taken_in.added]  # undoing it takes nobody else's labels back
        months: Collection[str] = taken_in.months
    else:
        first = context.settings.history_start
        labelled = [id_ for id_ in session_ids if _label_of(store, id_) is not None]
        months = {unlabel_session(store, first, id_) or "" for id_ in labelled} - {""}
    runs = [_runs(request).begin_naming(span) for span in without_gaps(sorted(months))]
    return _to_outcome(form, session_ids, runs, "", is_undone=not vehicle_id)


@changes.post("/train")
def train(request: Request, context: Household, form: SignedForm) -> Response:
    """Learn the cars from the labels as they are."""
    run_id = _runs(request).begin_training(release=form.get("release") == "yes")
    return RedirectResponse(f"{ServedLinks().page('label', trained=run_id)}#training", 303)


def _shown(
    context: Context,
    memory: LabelMemory,
    history: LabelHistory,
    labels: Mapping[str, Label],
    cars: Mapping[str, Car],
    show: str,
    session: str,
    page: int,
) -> dict[str, Any]:
    """What the page lists: a tab's cards and, among sessions without a car, the groups."""
    stays = history.stays
    waiting, queue, found = _standing(history, labels)
    tab = show if show in TABS else "nameless" if not queue and found.without_car else "review"
    items = {item.session_id: item for item in reversed(queue)}
    groups = [one for one in history.proposal.groups if not waiting & {*examples_of(one)}]
    listed = _listed(tab, queue, stays, labels, waiting)
    pages = max(1, -(-len(listed) // CARDS_A_PAGE))
    here = listed[(page - 1) * CARDS_A_PAGE : page * CARDS_A_PAGE]
    grouped = groups if tab == "nameless" and page == 1 else []
    examples = [stays[id_] for one in grouped for id_ in examples_of(one)]
    asked = [stays[session]] if session in stays else []
    drawing = Drawing(
        cars, context.settings.zone, history.typical, memory.readings([*here, *examples, *asked]), labels
    )

    def made(stay: Stay) -> Card:
        return card(stay, drawing, items.get(stay.session_id))

    return {
        "tab": tab,
        "counts": found,
        "cards": [made(stay) for stay in here if stay not in asked],
        "groups": [group_card(one, stays, drawing) for one in grouped],
        "asked": made(asked[0]) if asked else None,
        "pages": pages,
    }


def _standing(
    history: LabelHistory, labels: Mapping[str, Label]
) -> tuple[set[str], list[ReviewItem], Counts]:
    """What waits to be named again, what is to be looked at besides, and how many there are of each kind."""
    waiting = {id_ for id_, stay in history.stays.items() if is_waiting(stay, labels.get(id_))}
    queue = [item for item in history.queue if item.session_id not in waiting]
    return waiting, queue, counts(history.stays, waiting, len(queue), len(labels))


def _listed(
    tab: str,
    queue: Sequence[ReviewItem],
    stays: Mapping[str, Stay],
    labels: Mapping[str, Label],
    waiting: Collection[str],
) -> list[Stay]:
    """The sessions of a tab: the queue in its order, else what can be told before what cannot, the newest first."""
    if tab == "review":
        return [stays[id_] for id_ in dict.fromkeys(item.session_id for item in queue)]
    newest_first = [*reversed([*stays.values()])]
    if tab == "labelled":
        return [one for one in newest_first if one.session_id in labels]
    nameless = [one for one in newest_first if is_nameless(one) and one.session_id not in waiting]
    return sorted(nameless, key=lambda one: one.named.case.fingerprint is None)


def _outcome(
    request: Request, context: Context, cars: Mapping[str, Car], done: str, run: str, was: str, undone: str
) -> LabelOutcome | None:
    """None: no stored month has one of the sessions."""
    store = Store.of(context.settings)
    session_ids = _ids(done)
    if not session_ids:
        return None
    # Before what is in force is read: should a run end meanwhile, that is what it made.
    runs = tuple(_run_shown(request, context, run_id) for run_id in run.split() if _RUN.fullmatch(run_id))
    found = find_sessions(store, context.settings.history_start, session_ids)
    words = []
    for session_id, stored in found.items():
        label, named = _label_of(store, session_id), car_now(store, stored.month, session_id)
        words.append(
            Word(
                session_id=session_id,
                start=stored.start.astimezone(context.settings.zone),
                month=date.fromisoformat(f"{stored.month}-01"),
                said=None if label is None else Said(said_car(label.vehicle_id, cars), label.confirmed),
                in_force=None if named is None else car_named(named.vehicle_id, cars),
                remark="" if named is None else by_name(objection(named), cars),
            )
        )
    if not words:
        return None
    query = _query(session_ids, [one.run_id for one in runs], was, is_undone=bool(undone))
    is_back = bool(undone) or all(word.said is None for word in words)
    return LabelOutcome(
        words=tuple(sorted(words, key=lambda one: one.start)),
        runs=runs,
        was=was,
        back_to=_said_before(was, cars) if is_back else None,
        again=f"{OUTCOME}?{query}",
        page=f"{ServedLinks().page('label')}?{query}",
    )


def _said_before(was: str, cars: Mapping[str, Car]) -> Said | None:
    """What the label before says, where an address carries one."""
    label = _parsed(was) if was and was != TOO_LONG else None
    if not isinstance(label, Mapping) or not isinstance(label.get("vehicle_id"), str):
        return None
    return Said(said_car(label["vehicle_id"], cars), label.get("confirmed") is True)


def _training(
    request: Request, context: Context, history: LabelHistory | None, cars: Mapping[str, Car], trained: str
) -> dict[str, Any]:
    asked = trained if _RUN.fullmatch(trained) else None
    # Before what it led to is read: should it end meanwhile, that is told with it.
    run = None if asked is None else _run_shown(request, context, asked)
    try:
        standing, trouble = _by_names(training_standing(context.settings, asked), cars), None
    except Cph50Error as error:
        standing, trouble = None, Trouble.of(error)
    return {
        "standing": standing,
        "trouble": trouble,
        "run": run,
        "learned": None if history is None else learned(history.model, cars),
        "again": f"{TRAINING}?{urlencode({'trained': trained})}",
        "page": f"{ServedLinks().page('label', trained=trained)}#training",
    }


def _by_names(standing: Standing, cars: Mapping[str, Car]) -> Standing:
    """The same with cars called by their names."""

    def told(noted: Noted) -> Noted:
        reasons = tuple(by_name(reason, cars) for reason in noted.reasons)
        return replace(noted, said=by_name(noted.said, cars), reasons=reasons)

    asked = None if standing.asked is None else told(standing.asked)
    return replace(standing, last=told(standing.last), asked=asked)


def _run_shown(request: Request, context: Context, run_id: str) -> RunShown:
    state = _runs(request).state(run_id)
    return RunShown(run_id, state.state, state.failures, run_address(request, context.settings, run_id))


def _cars(context: Context, history: LabelHistory | None, troubles: list[Trouble]) -> dict[str, Car]:
    """All cars that the page may name. One that is not configured any more is called by its id.

    Args:
        troubles: Takes what is wrong with the cars' file, without which all are.
    """
    stays = () if history is None else history.stays.values()
    kept = f"Without {VEHICLES_FILE} cars are called by their ids"
    config = _tried(Store.of(context.settings).vehicles, VehicleConfig(), troubles, kept)
    return cars_of(config, (one.named.classification.vehicle_id for one in stays))


def _tried(read: Callable[[], ValueT], otherwise: ValueT, troubles: list[Trouble], kept: str = "") -> ValueT:
    """What is read, or something else where that fails, which is told."""
    try:
        return read()
    except Cph50Error as error:
        told = Trouble.of(error)
        troubles.append(replace(told, kept=told.kept or kept))
        return otherwise


def _read(form: Mapping[str, str]) -> NewLabel:
    confirmed = form.get("confirm", "")
    try:
        return NewLabel(
            session_id=form.get("session_id", ""),
            vehicle_id=confirmed or form.get("vehicle_id") or None,
            note=form.get("note") or None,
            confirmed=bool(confirmed),
            replace=form.get("replace") == "yes",
        )
    except ValidationError as error:
        raise BadInputError(explain(error), kept="Nothing was labelled") from None


def _label_of(store: Store, session_id: str) -> Label | None:
    """What a person says of a session, by the file."""
    entry = (store.read_document(LABELS_FILE) or {}).get(session_id)
    if entry is None:
        return None
    found = read_label(entry, f"{LABELS_FILE}: session {session_id}", store.vehicles().vehicles)
    return found if found.is_truth else None


def _carried(before: Label) -> str:
    """A label as an address carries it, where one can."""
    text = json.dumps(before.model_dump(mode="json", exclude_none=True), ensure_ascii=False)
    return text if len(quote(text)) <= _MOST_CARRIED else TOO_LONG


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        raise BadInputError("The label before cannot be read", kept="Nothing was changed") from None


def _to_outcome(
    form: Mapping[str, str],
    session_ids: Sequence[str],
    runs: Sequence[str],
    was: str,
    is_undone: bool,
) -> Response:
    """To the page that says what came of it; to the part of it alone where a script asks."""
    query = _query(session_ids, runs, was, is_undone=is_undone)
    if form.get("part"):
        return RedirectResponse(f"{OUTCOME}?{query}", 303)
    show = form.get("show", "")
    tab = f"&show={show}" if show in TABS else ""
    return RedirectResponse(f"{ServedLinks().page('label')}?{query}{tab}", 303)


def _query(session_ids: Sequence[str], runs: Sequence[str], was: str, *, is_undone: bool) -> str:
    undone = "yes" if is_undone else ""
    full = ServedLinks().page("label", done=" ".join(session_ids), run=" ".join(runs), was=was, undone=undone)
    return full.partition("?")[2]


def _ids(text: str) -> list[str]:
    found = [one for one in dict.fromkeys(text.split()) if _SESSION.fullmatch(one)]
    return found[:_MOST_AT_ONCE]


def _runs(request: Request) -> OwnRuns:
    runs: OwnRuns = request.app.state.own_runs
    return runs
