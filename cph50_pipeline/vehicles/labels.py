"""Labels by hand, as `session_vehicle_map.json` holds them: which car a person says a session was.

What the classifier wrote into such a file is carried along but is not truth. Nothing is classified here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
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
from cph50_pipeline.vehicles.config import explain

BY_CLASSIFIER = "classifier"


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
    """

    # defer_build: schemas are built where they are used, because import is budgeted.
    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    vehicle_id: str = Field(min_length=1, validation_alias=AliasChoices("vehicle_id", "vehicle"))
    labeled_by: str = Field(
        default="manual", min_length=1, validation_alias=AliasChoices("labeled_by", "source")
    )
    labeled_at: Annotated[Instant | None, BeforeValidator(_aware)] = None
    note: str | None = None

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
        return cls(
            {
                id_: _read_label(entry, f"{name}: session {id_}", vehicle_ids)
                for id_, entry in document.items()
            }
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


def _read_label(entry: object, place: str, vehicle_ids: Collection[str]) -> Label:
    fields = {"vehicle_id": entry} if isinstance(entry, str) else entry
    try:
        label = Label.model_validate(fields)
    except ValidationError as error:
        remedy = 'Write it as {"vehicle_id": "...", "labeled_by": "...", "labeled_at": "..."}'
        raise BadInputError(f"{place}: {explain(error)}", remedy=remedy) from None
    if label.is_truth and label.vehicle_id not in vehicle_ids and label.vehicle_id != UNKNOWN_VEHICLE:
        known = ", ".join(sorted(vehicle_ids)) or "none"
        remedy = f"Name one of vehicle_config.json ({known}), or add it there"
        raise BadInputError(f"{place}: there is no vehicle '{label.vehicle_id}'", remedy=remedy)
    return label
