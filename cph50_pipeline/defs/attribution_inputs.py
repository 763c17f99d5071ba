"""What the sessions of a month are named by besides their readings: labels, cars, the released model; as one digest.

A materialization of `vehicle_classifications` carries its month's digest. Where it differs from that of the files, the
month is to be named again: a label concerns the month of its session, a car or another model all months.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from cph50_pipeline.defs.store import CLASSIFIER_FILE, VEHICLES_FILE, Store
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.storage.documents import dump_json
from cph50_pipeline.vehicles.labels import Label, LabelMap

INPUTS = "inputs"
"""The name of the digest among a materialization's metadata."""


@dataclass(frozen=True)
class AttributionInputs:
    """The three files as they are at one moment.

    Attributes:
        labels: What people said.
        vehicles: The cars, as written.
        model: A digest of the released model's file, damaged or not: labels need none. None when there is none.
    """

    labels: LabelMap
    vehicles: Mapping[str, Any]
    model: str | None

    @classmethod
    def of(cls, store: Store) -> AttributionInputs:
        """Read the files.

        Raises:
            BadInputError: labels or cars cannot be used; says where.
        """
        labels = store.labels()
        vehicles = store.read_document(VEHICLES_FILE) or {}
        model = store.root.read(CLASSIFIER_FILE)
        return cls(labels, vehicles.get("vehicles", {}), None if model is None else digest_of(model))

    def digest(self, session_ids: Iterable[str]) -> str:
        """What a month with these sessions is named by; it changes when, and only when, that does."""
        labels = ((id_, self.labels.truth(id_)) for id_ in session_ids)
        said = {id_: _said(label) for id_, label in labels if label}
        return digest_of(dump_json({"labels": said, "vehicles": self.vehicles, "model": self.model}))


def _said(label: Label) -> list[str]:
    """What a session is named by; a month without confirmations keeps the digest that it was given before."""
    said = [label.vehicle_id, label.labeled_by, str(label.labeled_at)]
    return [*said, "confirmed"] if label.confirmed else said


def readable_inputs(store: Store) -> AttributionInputs | None:
    """The files before they are used; None when they cannot be, so that the month counts as not named by them."""
    try:
        return AttributionInputs.of(store)
    except BadInputError:
        return None


def attach_inputs(
    context: dg.AssetExecutionContext, inputs: AttributionInputs | None, sessions: Mapping[str, Iterable[str]]
) -> None:
    """Note with each month what it was named by.

    Args:
        inputs: As they were before the months were named; what changed meanwhile is news to the sensor.
        sessions: The ids of each month's sessions.
    """
    if inputs is None:
        return
    for month, session_ids in sessions.items():
        context.add_asset_metadata({INPUTS: inputs.digest(session_ids)}, partition_key=month)


def digest_of(data: bytes) -> str:
    """A short hash of bytes."""
    return hashlib.sha256(data).hexdigest()[:16]
