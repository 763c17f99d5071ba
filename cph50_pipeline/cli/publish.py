"""`cph50 publish`: bring what differs to the data repository now, or set that repository up."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from cph50_pipeline.cli import FAILED, output
from cph50_pipeline.cli.options import AsJson
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import PublishMode, Settings, load_settings

if TYPE_CHECKING:
    from cph50_pipeline.defs.publishing import Published
    from cph50_pipeline.storage.publisher import Publication

_PATIENCE_SECONDS = 600.0


def publish(
    everything: Annotated[
        bool,
        typer.Option("--all", help="Read and compare every file, not only those that were written since."),
    ] = False,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Also over what another data root published, and remove what is gone here; the history keeps it.",
        ),
    ] = False,
    init: Annotated[
        bool,
        typer.Option("--init", help="Write the GitHub workflows that deploy the pages and run the pipeline."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="With --init: also over workflows that somebody has edited.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Commit and upload what differs from the data repository, now."""
    settings = load_settings()
    if init:
        _initialise(settings, replace_edited=force, as_json=as_json)
        return
    if force:
        raise BadInputError(
            "--force goes with --init; to publish over another data root's files say --replace"
        )
    if settings.publish_mode is PublishMode.OFF:
        raise BadInputError("CPH50_PUBLISH is off", remedy="Set it to local, push or github")
    done = _publish(settings, compares_all=everything, may_replace=replace)
    _show(done, settings, as_json)
    if done.withheld:
        raise typer.Exit(FAILED)


def _publish(settings: Settings, *, compares_all: bool, may_replace: bool) -> Published:
    from cph50_pipeline.defs.instance import open_instance
    from cph50_pipeline.defs.publishing import publish as publish_what_differs
    from cph50_pipeline.defs.reference_files import ensure_reference_files
    from cph50_pipeline.defs.store import Store
    from cph50_pipeline.storage.messages import RunInfo
    from cph50_pipeline.storage.publisher import Insistence

    insistence = Insistence(_PATIENCE_SECONDS, True, compares_all, may_replace)
    run = RunInfo(str(uuid4()), "cph50 publish")
    store = Store.of(settings)
    with open_instance(settings) as instance, store.open():
        ensure_reference_files(store)
        return publish_what_differs(settings, store, instance, run, insistence, _silent())


def _silent() -> logging.Logger:
    """What is published is shown by the command itself."""
    log = logging.getLogger("cph50.publish")
    log.propagate = False
    log.addHandler(logging.NullHandler())
    return log


def _show(done: Published, settings: Settings, as_json: bool) -> None:
    shown = [(name, one) for name, one in (("committed", done.committed), ("uploaded", done.uploaded)) if one]
    if as_json:
        document: dict[str, Any] = {
            "committed": None,
            "uploaded": None,
            "withheld": dict(done.withheld),
            "told": [*done.told],
        }
        output.show_document(document | {name: asdict(one) for name, one in shown})
        return
    for name, publication in shown:
        print(f"{name.capitalize()}: {_in_words(publication)}")
    if not shown:
        print(f"Nothing to publish: {_place(settings)} holds what the data root holds")
    for line in done.told:
        print(line)
    for path, why in done.withheld.items():
        output.progress(f"{path} is not published: it {why}")


def _in_words(publication: Publication) -> str:
    commits = "" if publication.commits == 1 else f", {publication.commits} commits"
    words = f"{len(publication.files)} file(s), {publication.bytes / 1e6:.1f} MB{commits}, up to "
    where = f"\n  {publication.link}" if publication.link else ""
    return f"{words}{publication.commit[:10]} on {publication.branch}{where}"


def _place(settings: Settings) -> str:
    named = {
        PublishMode.LOCAL: settings.data_root,
        PublishMode.PUSH: settings.remote_url,
        PublishMode.GITHUB: settings.github_repository,
    }
    return named[settings.publish_mode]


def _initialise(settings: Settings, *, replace_edited: bool, as_json: bool) -> None:
    from cph50_pipeline.cli.publish_init import show_workflows, upload_workflows, write_workflows

    found = write_workflows(settings, replace_edited=replace_edited)
    link = upload_workflows(settings, replace_edited=replace_edited)
    show_workflows(settings, found, link, as_json)
