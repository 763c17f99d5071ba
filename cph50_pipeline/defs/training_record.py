"""What a training notes of itself in Dagster's records, where check, sensor and command read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import dagster as dg

if TYPE_CHECKING:
    from cph50_pipeline.defs.training import Training

CLASSIFIER = dg.AssetKey("vehicle_classifier")


@dataclass(frozen=True)
class Noted:
    """One training, or rollback.

    Attributes:
        outcome: See `Training.outcome`; empty when nobody knows, as of a file that was found on disk.
        said: The same in a sentence.
        version: The model that was in force afterwards.
        reasons: What speaks against the candidate, also when a person released it.
        inputs: What was learned from, as a digest; None when it could not be read.
        waiting: Labelled sessions that it could not learn from yet.
    """

    outcome: str = ""
    said: str = ""
    version: str = ""
    reasons: tuple[str, ...] = ()
    inputs: str | None = None
    waiting: tuple[str, ...] = ()

    @property
    def objections(self) -> tuple[str, ...]:
        """Why no new model is in force; nothing when one is, or none was due."""
        return self.reasons if self.outcome in ("refused", "not trained") else ()

    @classmethod
    def of(cls, training: Training) -> Self:
        """What a training is to note."""
        report = training.report
        return cls(
            outcome=training.outcome,
            said=training.problem if report is None else report.headline,
            version=training.in_force.version,
            reasons=(training.problem,) if report is None else report.reasons,
            inputs=training.inputs,
            waiting=training.gathered.waiting,
        )

    @classmethod
    def read(cls, metadata: Mapping[str, dg.MetadataValue[Any]]) -> Self:
        """What a materialization notes."""

        def text(name: str) -> str:
            return str(metadata[name].value) if name in metadata else ""

        def texts(name: str) -> tuple[str, ...]:
            return tuple(map(str, metadata[name].value)) if name in metadata else ()

        return cls(
            text("outcome"),
            text("said"),
            text("version"),
            texts("reasons"),
            text("inputs") or None,
            texts("waiting"),
        )

    def metadata(self) -> dict[str, Any]:
        """The same as metadata of a materialization."""
        found = {"outcome": self.outcome, "said": self.said, "version": self.version}
        inputs = {} if self.inputs is None else {"inputs": self.inputs}
        return {**found, **inputs, "reasons": list(self.reasons), "waiting": list(self.waiting)}


def metadata_of(training: Training) -> dict[str, Any]:
    """What the Dagster UI shows of a training: what became of it, with tables and pictures."""
    from cph50_pipeline.reports.classifier import markdown

    pictures = {} if training.report is None else markdown(training.report)
    return {
        **Noted.of(training).metadata(),
        "vehicles": len(training.in_force.vehicles),
        **{name: dg.MetadataValue.md(text) for name, text in pictures.items()},
    }


def last_training(instance: dg.DagsterInstance) -> Noted:
    """What the newest training notes; nothing when there was none."""
    event = instance.get_latest_materialization_event(CLASSIFIER)
    known = event.asset_materialization if event is not None else None
    return Noted() if known is None else Noted.read(known.metadata)


def training_of_run(instance: dg.DagsterInstance, run_id: str) -> Noted | None:
    """What the training of one run notes; None when it came to none."""
    records = instance.fetch_materializations(dg.AssetRecordsFilter(CLASSIFIER), limit=20).records
    found = (r.asset_materialization for r in records if r.run_id == run_id)
    return next((Noted.read(known.metadata) for known in found if known is not None), None)
