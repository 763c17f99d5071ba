"""The page on which people say which car a session was: what is shown of each, and what they are asked.

What is to be looked at is decided in `vehicles.review` and `vehicles.groups`; here it is laid out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from statistics import median
from zoneinfo import ZoneInfo

from cph50_pipeline.charging.model import UNKNOWN_VEHICLE, Reading
from cph50_pipeline.pages.cars import Car, by_name
from cph50_pipeline.pages.charts import Curve, curve
from cph50_pipeline.vehicles.classification import Classification
from cph50_pipeline.vehicles.classifier import KnownVehicle, VehicleModel
from cph50_pipeline.vehicles.groups import Group
from cph50_pipeline.vehicles.labels import BY_HAND, Label
from cph50_pipeline.vehicles.plateaus import NamedSession
from cph50_pipeline.vehicles.review import ReviewItem, ReviewKind

CARDS_A_PAGE = 8
NONE_OF_OURS = "None of ours"
TOO_LONG = "too long"
"""Stands for a label before that no address can carry."""
WIDTH, HEIGHT = 360.0, 96.0
_KIND_WORDS: Mapping[ReviewKind, str] = {
    ReviewKind.DOUBTED: "Label doubted",
    ReviewKind.CONTRADICTED: "Label contradicted",
    ReviewKind.DRIFT: "A car has moved",
    ReviewKind.STRANGER: "Like no car",
    ReviewKind.UNSURE: "Unsure",
}
_STEP_MINUTES = 5.0
_LONGEST_MINUTES = 24 * 60.0
# Between readings that lie further apart nothing is drawn.
_LONGEST_GAP_MINUTES = 90.0
# Below this a car does not charge: it waits for its hour.
_LEAST_KW = 0.5

Points = Sequence[tuple[float, float | None]]
"""Minutes since the charging began, with power in kW; None where it is not known."""


@dataclass(frozen=True, slots=True)
class Stay:
    """One stored session.

    Attributes:
        month: That it is stored in.
        end: None while it is open.
    """

    month: str
    named: NamedSession
    end: datetime | None
    energy_kwh: float

    @property
    def session_id(self) -> str:
        """ChargePoint's id."""
        return self.named.case.session_id


@dataclass(frozen=True, slots=True)
class Line:
    """A car's typical curve."""

    car: Car
    curve: Curve


@dataclass(frozen=True, slots=True)
class Picture:
    """A session's curve, before those that are typical of the cars.

    Attributes:
        hours: The time at the right edge, since the charging began.
        top_kw: The power at the upper edge.
        said: The same in words.
    """

    own: Curve
    typical: tuple[Line, ...]
    hours: float
    top_kw: float
    said: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer that a person may give.

    Attributes:
        key: What to type for it; empty where there is no key left.
        is_suggested: Whether it is probably the right one.
        is_label: Whether somebody said so already.
        is_first: Whether it stands out: what somebody said, else what is suggested.
    """

    key: str
    car: Car
    is_suggested: bool
    is_label: bool
    is_first: bool

    @property
    def is_guess(self) -> bool:
        """Whether the program says so against what a person says."""
        return self.is_suggested and not self.is_first


@dataclass(frozen=True, slots=True)
class Card:
    """One session, and the question whose it was.

    Attributes:
        kind: Why it is asked, in a word or two.
        start: In the household's zone.
        duration_seconds: None while it is open.
        power_kw: At which it charged steadily; None when it did not.
        sentence: What is known, or what is the matter.
        todo: What to do about it; empty where that is plain.
        is_waiting: Whether what was said of it, or taken back, is not in force yet.
        dispute: Who said what, and what the program would say; empty where they do not differ.
        said_by: Who labelled it, "by hand" where no name was given; None when nobody did.
        stands_by: The car that it is labelled, for a person to confirm; None where nothing contradicts the label.
    """

    session_id: str
    kind: str
    start: datetime
    duration_seconds: float | None
    energy_kwh: float
    power_kw: float | None
    sentence: str
    todo: str
    is_waiting: bool
    dispute: str
    car: Car
    confidence: float
    said_by: str | None
    stands_by: Car | None
    note: str
    choices: tuple[Choice, ...]
    picture: Picture | None


@dataclass(frozen=True, slots=True)
class GroupCard:
    """Sessions that charged alike.

    Attributes:
        examples: Those that a click labels, as cards.
        choices: Of cars that were there on the days of all examples.
    """

    question: str
    first: datetime
    last: datetime
    count: int
    examples: tuple[Card, ...]
    choices: tuple[Choice, ...]

    @property
    def session_ids(self) -> str:
        """Of the examples, as the form carries them."""
        return " ".join(one.session_id for one in self.examples)


@dataclass(frozen=True)
class Drawing:
    """What cards are made with.

    Attributes:
        cars: By id.
        typical: By car, the curve that is typical of it.
        readings: By session, of those that are shown.
        labels: People's labels by session.
    """

    cars: Mapping[str, Car]
    zone: ZoneInfo
    typical: Mapping[str, Points]
    readings: Mapping[str, Sequence[Reading]]
    labels: Mapping[str, Label]


def card(stay: Stay, drawing: Drawing, item: ReviewItem | None = None) -> Card:
    """A session as a card.

    Args:
        item: Why a person should look at it; None when nobody named it, or somebody wants to see it.
    """
    named, case = stay.named.classification, stay.named.case
    label = drawing.labels.get(stay.session_id)
    suggestion = item.suggestion if item is not None else _guess(stay)
    sentence = item.sentence if item is not None else _told(stay, label)
    return Card(
        session_id=stay.session_id,
        kind=_kind(stay, item, label),
        start=case.start.astimezone(drawing.zone),
        duration_seconds=None if stay.end is None else (stay.end - case.start).total_seconds(),
        energy_kwh=stay.energy_kwh,
        power_kw=None if case.fingerprint is None else case.fingerprint.power_kw.value,
        sentence=by_name(sentence, drawing.cars),
        todo="" if item is None else by_name(item.todo, drawing.cars),
        is_waiting=is_waiting(stay, label),
        dispute=_dispute(label, suggestion, drawing.cars),
        car=drawing.cars[named.vehicle_id],
        confidence=named.confidence,
        said_by=None if label is None else author(label),
        stands_by=_in_question(label, item, drawing.cars),
        note="" if label is None else label.note or "",
        choices=choices(
            case.candidates, drawing.cars, suggestion, None if label is None else label.vehicle_id
        ),
        picture=picture(drawing.readings.get(stay.session_id, ()), case.candidates, drawing),
    )


def group_card(group: Group, stays: Mapping[str, Stay], drawing: Drawing) -> GroupCard:
    """A group as a card, with the examples that one click labels: as many as are wanted, the most typical first."""
    examples = examples_of(group)
    there = [set(stays[id_].named.case.candidates) for id_ in examples]
    common = sorted(set.intersection(*there)) if there else []
    return GroupCard(
        question=by_name(group.question, drawing.cars),
        first=group.first_start.astimezone(drawing.zone),
        last=group.last_start.astimezone(drawing.zone),
        count=len(group.session_ids),
        examples=tuple(card(stays[id_], drawing) for id_ in examples),
        choices=choices(common, drawing.cars, group.guess, None),
    )


def examples_of(group: Group) -> tuple[str, ...]:
    """The sessions that a click labels: the group's examples, then its newest, as many as are wanted."""
    ordered = dict.fromkeys([*group.examples, *reversed(group.session_ids)])
    return tuple(ordered)[: group.labels_wanted]


def choices(
    candidates: Sequence[str], cars: Mapping[str, Car], suggestion: str | None, label: str | None
) -> tuple[Choice, ...]:
    """An answer a car that was there, in their order everywhere, and that it was none of them."""
    ids = [*(id_ for id_ in cars if id_ in candidates), UNKNOWN_VEHICLE]
    offered = [said_car(id_, cars) for id_ in ids]
    return tuple(
        Choice(
            key=str(place) if place <= 9 else "",
            car=one,
            is_suggested=one.vehicle_id == suggestion,
            is_label=one.vehicle_id == label,
            is_first=one.vehicle_id == (label or suggestion),
        )
        for place, one in enumerate(offered, 1)
    )


def picture(readings: Sequence[Reading], candidates: Sequence[str], drawing: Drawing) -> Picture | None:
    """The session's curve before those of the cars that were there; None when it has no readings of power."""
    own = since_charging(readings)
    powers = [power for _, power in own if power is not None]
    if not powers:
        return None
    lines = [(id_, drawing.typical[id_]) for id_ in candidates if drawing.typical.get(id_)]
    top = max([*powers, *(power for _, points in lines for _, power in points if power is not None)])
    last = max([own[-1][0], *(points[-1][0] for _, points in lines)]) or _STEP_MINUTES

    def drawn(points: Points) -> Curve:
        return curve(points, width=WIDTH, height=HEIGHT, first=0.0, last=last, top=top * 1.05)

    return Picture(
        own=drawn(own),
        typical=tuple(Line(drawing.cars[id_], drawn(points)) for id_, points in lines),
        hours=last / 60,
        top_kw=top * 1.05,
        said=f"Power over {own[-1][0] / 60:.1f} hours of charging, at most {max(powers):.1f} kW",
    )


def since_charging(readings: Sequence[Reading]) -> list[tuple[float, float | None]]:
    """Power by minutes since the car began to charge; nothing for a session that never did."""
    ordered = sorted(readings, key=lambda one: one.at)
    begin = next((one.at for one in ordered if (one.power_kw or 0.0) >= _LEAST_KW), None)
    if begin is None:
        return []
    points = [((one.at - begin).total_seconds() / 60, one.power_kw) for one in ordered if one.at >= begin]
    return [(minute, power) for minute, power in points if minute <= _LONGEST_MINUTES]


def typical_power(sessions: Sequence[Points]) -> list[tuple[float, float | None]]:
    """The median of several sessions' power every five minutes, for as long as half of them charge."""
    known = [[(at, power) for at, power in points if power is not None] for points in sessions]
    known = [points for points in known if points]
    found: list[tuple[float, float | None]] = []
    minute = 0.0
    while minute <= _LONGEST_MINUTES:
        values = [value for points in known if (value := _at(points, minute)) is not None]
        if not values or 2 * len(values) < len(known):
            break
        found.append((minute, round(median(values), 3)))
        minute += _STEP_MINUTES
    return found


def car_named(vehicle_id: str, cars: Mapping[str, Car]) -> Car:
    """A car by its id; one that is not configured any more is called by it."""
    return cars.get(vehicle_id) or Car(vehicle_id, vehicle_id, cars[UNKNOWN_VEHICLE].color)


def said_car(vehicle_id: str, cars: Mapping[str, Car]) -> Car:
    """The same as a person says it: who says "unknown" says that it was none of the household's."""
    car = car_named(vehicle_id, cars)
    return replace(car, name=NONE_OF_OURS) if vehicle_id == UNKNOWN_VEHICLE else car


def author(label: Label) -> str:
    """Who said it, and whether somebody stands by it, for people."""
    who = "by hand" if label.labeled_by == BY_HAND else f"by {label.labeled_by}"
    return f"{who} and confirmed" if label.confirmed else who


def objection(named: Classification) -> str:
    """What the classifier says against a label; of what it named itself, why. Nothing where it agrees."""
    if named.labeled_by != "manual":
        return named.reason
    return named.reason.partition("; ")[2]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many sessions there are of each kind.

    Attributes:
        without_car: That nobody named.
        tellable: Of these, those that charged steadily, so that the car can be told.
        labelled: By people.
    """

    to_review: int
    without_car: int
    tellable: int
    labelled: int


@dataclass(frozen=True, slots=True)
class KnownCar:
    """What is known of a car.

    Attributes:
        levels: At which powers it charges (kW).
    """

    car: Car
    label_count: int
    levels: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned of the cars, and how well it does.

    Attributes:
        version: Of the model in force; empty while none is.
        cars: All of the household, also those of which nothing is known.
        confusion: Sessions by true car (down) and given car (across), the unknown car last; None where nothing was
            judged.
        across: The cars of its columns.
    """

    version: str
    cars: tuple[KnownCar, ...]
    judged: int
    coverage: float | None
    accuracy: float | None
    across: tuple[Car, ...]
    confusion: tuple[tuple[Car, tuple[int, ...]], ...]


def counts(stays: Mapping[str, Stay], waiting: Collection[str], to_review: int, labelled: int) -> Counts:
    """How many sessions there are of each kind.

    Args:
        waiting: Sessions of which somebody said something that is not in force yet.
    """
    nameless = [one for one in stays.values() if is_nameless(one) and one.session_id not in waiting]
    tellable = sum(one.named.case.fingerprint is not None for one in nameless)
    return Counts(to_review, len(nameless), tellable, labelled)


def is_nameless(stay: Stay) -> bool:
    """Whether it has ended and nobody named it."""
    named = stay.named.classification
    return named.final and named.labeled_by is None


def is_waiting(stay: Stay, label: Label | None) -> bool:
    """Whether what a person says of it, or took back, is not in force yet."""
    named = stay.named.classification
    in_force = (named.vehicle_id, named.confirmed) if named.labeled_by == "manual" else None
    return in_force != (None if label is None else (label.vehicle_id, label.confirmed))


def learned(model: VehicleModel, cars: Mapping[str, Car]) -> Learned:
    """The model in force, for people."""
    scores = model.training.validated
    found = {} if scores is None else scores.confusion
    given = {*found, *(id_ for row in found.values() for id_ in row)}
    across = [*(id_ for id_ in cars if id_ in given), *sorted(given - cars.keys())]
    shown = {id_: cars.get(id_) or Car(id_, id_, "none") for id_ in across}
    return Learned(
        version=model.version if model.vehicles else "",
        cars=tuple(
            _known_car(car, model.vehicles.get(id_)) for id_, car in cars.items() if id_ != UNKNOWN_VEHICLE
        ),
        judged=0 if scores is None else scores.sessions,
        coverage=None if scores is None else scores.coverage,
        accuracy=None if scores is None else scores.accuracy,
        across=tuple(shown.values()),
        confusion=tuple(
            (shown[truth], tuple(found[truth].get(id_, 0) for id_ in across))
            for truth in across
            if truth in found
        ),
    )


def _at(points: Sequence[tuple[float, float]], minute: float) -> float | None:
    """Power at a minute, between the readings around it."""
    after = bisect_left(points, (minute, float("-inf")))
    if after == len(points):
        return None
    if points[after][0] == minute:
        return points[after][1]
    if after == 0:
        return None
    (at, power), (later, then) = points[after - 1], points[after]
    if later - at > _LONGEST_GAP_MINUTES:
        return None
    return power + (then - power) * (minute - at) / (later - at)


def _guess(stay: Stay) -> str | None:
    named = stay.named.classification
    return None if named.vehicle_id == UNKNOWN_VEHICLE else named.vehicle_id


def _kind(stay: Stay, item: ReviewItem | None, label: Label | None) -> str:
    if item is not None:
        return _KIND_WORDS[item.kind]
    if label is not None:
        return "Labelled"
    if stay.named.classification.labeled_by is not None:
        return "Named by itself"
    return "Without a car" if stay.named.case.fingerprint is not None else "Too little to tell"


def _dispute(label: Label | None, suggestion: str | None, cars: Mapping[str, Car]) -> str:
    if label is None or suggestion in (None, label.vehicle_id):
        return ""
    who = "You" if label.labeled_by == BY_HAND else label.labeled_by
    said, guess = said_car(label.vehicle_id, cars).name, said_car(suggestion or "", cars).name
    return f"{who} said {said}; the program would say {guess}. If {said} is right, confirm it"


def _in_question(label: Label | None, item: ReviewItem | None, cars: Mapping[str, Car]) -> Car | None:
    """The car that a label names which is to be corrected or confirmed; None where there is no such label."""
    if label is None or item is None or item.confirm_command is None:
        return None
    return said_car(label.vehicle_id, cars)


def _told(stay: Stay, label: Label | None) -> str:
    named = stay.named.classification
    if label is not None and named.labeled_by == "manual":
        return objection(named)
    if named.vehicle_id == UNKNOWN_VEHICLE:
        return f"Nobody can tell which car it was: {named.reason}"
    return f"Taken for {named.vehicle_id} with a confidence of {named.confidence:.2f}: {named.reason}"


@dataclass(frozen=True, slots=True)
class RunShown:
    """A run that somebody waits for.

    Attributes:
        state: `waiting`, `running`, `succeeded`, `failed`, or `unknown` where nobody has a record of it.
        failures: What it said when it failed.
        link: Where Dagster shows it; None where the browser that asks could not open that.
    """

    run_id: str
    state: str
    failures: tuple[str, ...]
    link: str | None

    @property
    def short(self) -> str:
        """How it is called."""
        return self.run_id[:8]

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is to be heard of it."""
        return self.state in ("succeeded", "failed", "unknown")


@dataclass(frozen=True, slots=True)
class Said:
    """What a person says of a session: which car it was, and whether they stand by it whatever the program says."""

    car: Car
    is_confirmed: bool


@dataclass(frozen=True, slots=True)
class Word:
    """What somebody said of a session, and what is in force.

    Attributes:
        said: None: the label was taken back.
        in_force: None while it is not named at all.
        remark: What the classifier says to it.
    """

    session_id: str
    start: datetime
    month: date
    said: Said | None
    in_force: Car | None
    remark: str


@dataclass(frozen=True, slots=True)
class LabelOutcome:
    """What came of a click.

    Attributes:
        was: The label before, as the form that undoes it carries it, or `TOO_LONG`; empty where there was none.
        back_to: What that label says, where it was taken back or undone; then it can be said again.
        again: The address of the same as a part of a page, to look how it goes on.
        page: The address of the whole page with it.
    """

    words: tuple[Word, ...]
    runs: tuple[RunShown, ...]
    was: str
    back_to: Said | None
    again: str
    page: str

    @property
    def is_done(self) -> bool:
        """Whether nothing more is to be heard of its runs."""
        return all(run.has_ended for run in self.runs)

    @property
    def can_undo(self) -> bool:
        """Whether a form can undo it: what takes several labels back knows none of them any more."""
        is_one = len(self.words) == 1
        return not self.is_too_long and (is_one or any(word.said is not None for word in self.words))

    @property
    def is_too_long(self) -> bool:
        """Whether no form can carry the label before."""
        return self.was == TOO_LONG

    @property
    def has_failed(self) -> bool:
        """Whether one of them failed."""
        return any(run.state == "failed" for run in self.runs)

    @property
    def is_in_force(self) -> bool:
        """Whether all of its runs did what they should."""
        return bool(self.runs) and all(run.state == "succeeded" for run in self.runs)

    @property
    def months(self) -> list[date]:
        """The first days of the months that are named again."""
        return sorted({word.month for word in self.words})

    @property
    def session_ids(self) -> str:
        """As a form carries them."""
        return " ".join(word.session_id for word in self.words)


def _known_car(car: Car, known: KnownVehicle | None) -> KnownCar:
    if known is None:
        return KnownCar(car, 0, ())
    return KnownCar(car, known.label_count, tuple(sorted(one.power_kw for one in known.regimes)))
