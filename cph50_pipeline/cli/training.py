"""`cph50 train`: learn the cars from the labels, release what was learned, or go back to the model before."""

from __future__ import annotations

from typing import Annotated

import typer

from cph50_pipeline.cli import FAILED, output
from cph50_pipeline.cli.options import AsJson
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings, load_settings


def train(
    release: Annotated[
        bool, typer.Option("--release", help="Put in force what is learned, also what the gate would refuse.")
    ] = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Put the model before in force again, instead of learning.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Learn the cars from all labels; what passes the gate is put in force, and then every month is named again."""
    from cph50_pipeline.defs.instance import open_instance
    from cph50_pipeline.defs.jobs import TRAINING_JOB, training_run_config
    from cph50_pipeline.defs.launch import Launch, launch
    from cph50_pipeline.defs.training_inputs import TrainingConfig
    from cph50_pipeline.defs.training_record import training_of_run

    settings = load_settings()
    _refuse_what_cannot_be(settings, release, rollback)
    run_config = training_run_config(TrainingConfig(release=release, rollback=rollback))
    with open_instance(settings) as instance:
        outcome = launch(instance, settings, Launch(TRAINING_JOB, run_config=run_config), output.progress)
        noted = training_of_run(instance, outcome.run_id)
    output.show_training(noted, outcome, as_json)
    if not outcome.succeeded or (release and noted is not None and noted.objections):
        raise typer.Exit(FAILED)


def _refuse_what_cannot_be(settings: Settings, release: bool, rollback: bool) -> None:
    """Say what is wrong before a run is started for it."""
    from cph50_pipeline.defs.store import Store
    from cph50_pipeline.defs.training import previous_model
    from cph50_pipeline.defs.training_inputs import TrainingInputs

    if release and rollback:
        raise BadInputError("Say either --release or --rollback", kept="The model in force stays in force")
    store = Store.of(settings)
    if rollback:
        previous_model(store)
    else:
        TrainingInputs.of(store)
