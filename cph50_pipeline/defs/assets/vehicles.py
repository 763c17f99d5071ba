"""Vehicles: which car each session charged, and the model that says so."""

import dagster as dg

from cph50_pipeline.charging.activity import ActivityMonth
from cph50_pipeline.charging.model import Reading
from cph50_pipeline.defs import summaries
from cph50_pipeline.defs.assets.common import GROUP_VEHICLES, OWNERS, Materialized, per_month
from cph50_pipeline.defs.attribution import classify_months
from cph50_pipeline.defs.attribution_inputs import attach_inputs, readable_inputs
from cph50_pipeline.defs.failures import as_dagster_failure
from cph50_pipeline.defs.store import Store
from cph50_pipeline.defs.training_inputs import TrainingConfig
from cph50_pipeline.defs.training_record import last_training, metadata_of

RELEASE_GATE = "release_gate"


def build_vehicle_assets(partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The vehicle assets; classifications on the shared monthly partitions, the model without partitions."""

    @dg.asset(
        group_name=GROUP_VEHICLES,
        kinds={"json", "html"},
        owners=OWNERS,
        code_version="2",
        deps=["session_samples", "vehicle_labels"],
        description="The model that tells the cars apart, learned from the labels made by hand; what passes the "
        "release gate is put in force.",
    )
    def vehicle_classifier(
        context: dg.AssetExecutionContext, config: TrainingConfig, store: dg.ResourceParam[Store]
    ) -> Materialized:
        from cph50_pipeline.defs.training import run_training

        with as_dagster_failure():
            training = run_training(store, config, context.log)
        return dg.MaterializeResult(value=training.files, metadata=metadata_of(training))

    @dg.asset(
        **per_month(partitions),
        group_name=GROUP_VEHICLES,
        kinds={"json"},
        owners=OWNERS,
        code_version="1",
        deps=["vehicle_classifier", "vehicle_labels"],
        description="Which car each session charged: a person's label, else the classifier's, else unknown.",
    )
    def vehicle_classifications(
        context: dg.AssetExecutionContext,
        store: dg.ResourceParam[Store],
        chargepoint_activity: dict[str, ActivityMonth],
        session_samples: dict[str, dict[str, list[Reading]]],
    ) -> Materialized:
        with as_dagster_failure():
            inputs = readable_inputs(store)
            classified = classify_months(store, list(chargepoint_activity), session_samples, context.log)
        attach_inputs(context, inputs, {m: [c.session_id for c in named] for m, named in classified.items()})
        summaries.describe_classifications(context, classified)
        return dg.MaterializeResult(value=classified)

    return [vehicle_classifier, vehicle_classifications]


def build_release_gate() -> dg.AssetChecksDefinition:
    """The check of what was learned last. A refused candidate is a warning: the model in force goes on naming."""

    @dg.asset_check(
        name=RELEASE_GATE,
        asset="vehicle_classifier",
        description="What was learned last was good enough to be put in force.",
    )
    def release_gate(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        noted = last_training(context.instance)
        objections = list(noted.objections)
        return dg.AssetCheckResult(
            passed=not objections,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(objections) or None,
            metadata={"reasons": objections} if objections else {},
        )

    return release_gate
