"""What a training is asked to do, and what people say that it learns from. The learning itself is in `training`."""

from dataclasses import dataclass

import dagster as dg
from pydantic import Field

from cph50_pipeline.defs.attribution_inputs import digest_of
from cph50_pipeline.defs.store import Store
from cph50_pipeline.storage.documents import dump_json
from cph50_pipeline.vehicles.config import VehicleConfig
from cph50_pipeline.vehicles.labels import LabelMap


class TrainingConfig(dg.Config):
    """What a training may do. With nothing set: release what passes the gate."""

    release: bool = Field(default=False, description="A person wants the model, whatever speaks against it")
    rollback: bool = Field(default=False, description="Put the previous model back instead of training")


@dataclass(frozen=True)
class TrainingInputs:
    """What people say that the cars are learned from: labels, and when each car was in the household."""

    labels: LabelMap
    vehicles: VehicleConfig

    @classmethod
    def of(cls, store: Store) -> "TrainingInputs":
        """Read the two files.

        Raises:
            BadInputError: one of them cannot be used; says where.
        """
        return cls(store.labels(), store.vehicles())

    @property
    def digest(self) -> str:
        """It changes when, and only when, other cars or days are said, not with notes and names."""
        said = {id_: label.vehicle_id for id_, label in self.labels.truths().items()}
        days = {id_: vehicle.days() for id_, vehicle in self.vehicles.vehicles.items()}
        return digest_of(dump_json({"labels": said, "vehicles": days}))
