"""Labels by hand, as `session_vehicle_map.json` holds them: which car a person says a session was.

What the classifier wrote into such a file is carried along but is not truth. Reading, and edits of the parsed file that
leave every other entry as it was. Nothing is classified here; maps of other programs are read in `label_import`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from operator import not_
from typing import Annotated, Any, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from cph50_pipeline.charging.fields import Instant
from cph50_pipeline.charging.model import UNKNOWN_VEHICLE
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.vehicles.config import VehicleConfig, candidates, explain

BY_CLASSIFIER = "classifier"
BY_HAND = "manual"
# The names under which a label's fields may stand in the file; all others are a person's own.
_DECLARED = frozenset({"vehicle_id", "vehicle", "labeled_by", "source", "labeled_at", "note", "confirmed"})

Confirmed = Annotated[bool, Field(strict=True, exclude_if=not_)]
"""Whether a person stands by a label, whatever the classifier says. It is written only where somebody does."""


def _aware(value: object) -> object:
    # A number would pass as a Unix time, and nobody writes one here on purpose.
    if value is not None and not isinstance(value, str | datetime):
        raise ValueError("write it as 2026-01-07T06:00:01+00:00")
    return value


class Label(BaseModel):
    """A person's word on one session.

    Attributes:
        vehicle_id: A car of the household, or "unknown": none of its cars.
        labeled_by: Who said so.
        labeled_at: When, as an aware time; None when it was not written down.
        confirmed: Whether somebody stands by it, so that it is not asked about when the classifier contradicts it.
    """

    # defer_build: schemas are built where they are used, because import is budgeted.
    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    vehicle_id: str = Field(min_length=1, validation_alias=AliasChoices("vehicle_id", "vehicle"))
    labeled_by: str = Field(
        default=BY_HAND, min_length=1, validation_alias=AliasChoices("labeled_by", "source")
    )
    labeled_at: Annotated[Instant | None, BeforeValidator(_aware)] = None
    note: str | None = None
    confirmed: Confirmed = False

    @property
    def is_truth(self) -> bool:
        """Whether a person made it; training and precedence look at no other."""
        return self.labeled_by != BY_CLASSIFIER


class LabelMap:
    """All labels by session id."""

    def __init__(self, labels: Mapping[str, Label]) -> None:
        self._labels = dict(sorted(labels.items()))

    @classmethod
    def read(cls, document: object, name: str, vehicle_ids: Collection[str]) -> Self:
        """Read the parsed file: an object of entries, or of bare vehicle ids, by session id.

        Args:
            document: The parsed JSON.
            name: The file, for the error.
            vehicle_ids: The cars that may be named, from the vehicle configuration.

        Raises:
            BadInputError: naming the file, the session and what is wrong with its entry.
        """
        if not isinstance(document, Mapping):
            raise BadInputError(f"{name} is not an object of labels by session id")
        if isinstance(document.get("sessions"), Mapping):
            raise BadInputError(
                f"{name} is another program's map, not an object of labels by session id",
                remedy="Move it away and run `cph50 import FILE`, which takes its labels in",
            )
        return cls(
            {id_: read_label(entry, f"{name}: session {id_}", vehicle_ids) for id_, entry in document.items()}
        )

    def document(self) -> dict[str, Any]:
        """The labels in the one shape in which they are written, sorted by session id."""
        return {id_: label.model_dump(mode="json") for id_, label in self._labels.items()}

    def truth(self, session_id: str) -> Label | None:
        """What a person said of this session, if anybody did."""
        label = self._labels.get(session_id)
        return label if label is not None and label.is_truth else None

    def truths(self) -> dict[str, Label]:
        """All labels that people made, by session id."""
        return {id_: label for id_, label in self._labels.items() if label.is_truth}


def read_label(entry: object, place: str, vehicle_ids: Collection[str]) -> Label:
    """One entry: an object, or a bare vehicle id.

    Args:
        place: Where the entry stands, for the error.

    Raises:
        BadInputError: naming the place and what is wrong; of a person's label also when there is no such vehicle.
    """
    try:
        label = _parse(entry)
    except ValidationError as error:
        remedy = 'Write it as {"vehicle_id": "...", "labeled_by": "...", "labeled_at": "..."}'
        raise BadInputError(f"{place}: {explain(error)}", remedy=remedy) from None
    if label.is_truth and label.vehicle_id not in vehicle_ids and label.vehicle_id != UNKNOWN_VEHICLE:
        raise _no_vehicle(label.vehicle_id, vehicle_ids, place)
    return label


def new_label(
    vehicle_id: str, author: str, note: str | None, at: datetime, *, confirmed: bool = False
) -> Label:
    """The label that a person makes at an instant; an empty note is none.

    Raises:
        BadInputError: nobody labels by that name, or a text cannot be one.
    """
    fields = {
        "vehicle_id": vehicle_id,
        "labeled_by": person(author),
        "labeled_at": at.replace(microsecond=0),
        "note": (note or "").strip() or None,
        "confirmed": confirmed,
    }
    try:
        return Label.model_validate(fields)
    except ValidationError as error:
        raise BadInputError(explain(error), kept="Nothing was labelled") from None


def person(name: str) -> str:
    """A name to label under.

    Raises:
        BadInputError: it is empty, or the classifier's, whose labels are not truth.
    """
    trimmed = name.strip()
    if not trimmed or trimmed.casefold() == BY_CLASSIFIER:
        raise BadInputError(
            f"'{name}' is not somebody who can label", remedy=f"Leave it out to label as '{BY_HAND}'"
        )
    return trimmed


def check_car(vehicle_id: str, config: VehicleConfig, day: date) -> None:
    """Refuse a car that cannot have charged on that civil day; "unknown", none of the cars, always can.

    Raises:
        BadInputError: no such car, or not in the household on that day; says which were.
    """
    if vehicle_id == UNKNOWN_VEHICLE:
        return
    vehicle = config.vehicles.get(vehicle_id)
    if vehicle is None:
        raise _no_vehicle(vehicle_id, config.vehicles)
    if not vehicle.belongs_on(day):
        there = ", ".join(candidates(config, day)) or "none"
        raise BadInputError(
            f"{vehicle_id} was not in the household on {day} (it was {vehicle.days()})",
            remedy=f"There on that day: {there}. `cph50 vehicles edit {vehicle_id}` corrects its days",
        )


def labelled(
    document: Mapping[str, Any],
    session_id: str,
    label: Label,
    *,
    replace: bool = False,
    is_second_thought: bool = True,
) -> dict[str, Any]:
    """The parsed file with a session labelled, every other entry as it was.

    A label that names the same car stays, with who and when; only a new note and a confirmation are taken in. What the
    classifier wrote is replaced. Fields of a person's entry that are not declared are kept.

    Args:
        document: As `LabelMap.read` accepts it.
        replace: Also replace what another person said.
        is_second_thought: Whether a person labels now, and so may replace what the same person said before.

    Raises:
        BadInputError: there is a label that names another car and may not be replaced.
    """
    before = _parse(document[session_id]) if session_id in document else None
    if before is None or not before.is_truth:
        return {**document, session_id: label.model_dump(mode="json")}
    if before.vehicle_id == label.vehicle_id:
        label = _said_again(before, label)
        if label == before:
            return dict(document)
    elif not (replace or (is_second_thought and before.labeled_by == label.labeled_by)):
        raise BadInputError(
            f"Session {session_id} is labelled {before.vehicle_id} by {before.labeled_by}, "
            f"not {label.vehicle_id}",
            kept="That label stands",
            remedy="`--replace` puts yours in its place",
        )
    return with_label(document, session_id, label)


def with_label(document: Mapping[str, Any], session_id: str, label: Label) -> dict[str, Any]:
    """The parsed file with a session labelled so, whatever was said of it; every other entry as it was.

    Fields of its entry that are not declared are kept.
    """
    own = _own_fields(document.get(session_id))
    return {**document, session_id: {**own, **label.model_dump(mode="json")}}


def unlabelled(document: Mapping[str, Any], session_id: str) -> dict[str, Any]:
    """The parsed file without a session's entry, whoever made it; every other entry as it was.

    Raises:
        BadInputError: the session has none.
    """
    if session_id not in document:
        raise BadInputError(f"Session {session_id} has no label", kept="Nothing was changed")
    return {id_: entry for id_, entry in document.items() if id_ != session_id}


def _said_again(before: Label, now: Label) -> Label:
    """A label whose car somebody named again: what they had to add is taken in."""
    note = before.note if now.note is None else now.note
    return before.model_copy(update={"note": note, "confirmed": before.confirmed or now.confirmed})


def _own_fields(entry: object) -> dict[str, Any]:
    fields = entry if isinstance(entry, Mapping) else {}
    return {name: value for name, value in fields.items() if name not in _DECLARED}


def _parse(entry: object) -> Label:
    return Label.model_validate({"vehicle_id": entry} if isinstance(entry, str) else entry)


def _no_vehicle(vehicle_id: str, known: Collection[str], place: str = "") -> BadInputError:
    names = ", ".join(sorted(known)) or "none"
    return BadInputError(
        f"{place}: there is no vehicle '{vehicle_id}'" if place else f"There is no vehicle '{vehicle_id}'",
        remedy=f"Name one of vehicle_config.json ({names}), or add it there",
    )
