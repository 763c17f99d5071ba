"""`cph50 restore`: bring back what was published into an empty data root, or list what changed when."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cph50_pipeline.civil_time import format_instant, format_local
from cph50_pipeline.cli import FAILED, output
from cph50_pipeline.cli.options import AsJson, Source
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import PublishMode, Settings, load_settings

if TYPE_CHECKING:
    from cph50_pipeline.defs.restoring import RestoredHousehold
    from cph50_pipeline.storage.published import Commit

_LISTED = 20


def restore(
    at: Annotated[
        str | None, typer.Option(help="A commit, a date (its end), or a time. Default: the newest commit.")
    ] = None,
    list_commits: Annotated[
        bool, typer.Option("--list", help="List what changed when; nothing is restored.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many commits --list shows.")] = _LISTED,
    file: Annotated[str | None, typer.Option(help="List only commits that changed this file.")] = None,
    source: Source = None,
    as_json: AsJson = False,
) -> None:
    """Fill an empty data root with what was published and tell Dagster; interrupted, it is completed by the next."""
    settings = load_settings()
    if list_commits:
        if at is not None:
            raise BadInputError("--list shows all commits: say it without --at", kept="Nothing was changed")
        _list(settings, source, file, limit, as_json)
        return
    if file is not None:
        raise BadInputError(
            "A restore brings all files back, not one",
            kept="Nothing was changed",
            remedy=f"`cph50 history {file}` shows its versions; --file goes with --list",
        )
    _restore(settings, source, at, as_json)


def _list(settings: Settings, source: str | None, file: str | None, limit: int, as_json: bool) -> None:
    from cph50_pipeline.storage.published_source import published_of

    with published_of(settings, source, fresh=True) as published:
        commits = [*islice(published.commits(file), limit)]
    if as_json:
        output.show_document([_fields(commit) for commit in commits])
        return
    for commit in commits:
        print(_line(commit, settings))


def _fields(commit: Commit) -> dict[str, Any]:
    from cph50_pipeline.storage.messages import read_message

    told = read_message(commit.message)
    return {
        "at": format_instant(commit.at),
        "commit": commit.id,
        "run": told.run_id,
        "job": told.job_name,
        "months": told.months,
        "files": told.file_count,
        "subject": told.subject,
    }


def _line(commit: Commit, settings: Settings) -> str:
    """A commit as people read it; months and files are in its subject."""
    from cph50_pipeline.storage.messages import read_message

    told = read_message(commit.message)
    by = f"{told.job_name} {told.run_id[:8]}" if told.run_id else "by hand"
    return f"{commit.id[:10]}  {format_local(commit.at, settings.zone)}  {by}  {told.subject}"


def _restore(settings: Settings, source: str | None, at: str | None, as_json: bool) -> None:
    from cph50_pipeline.defs.restoring import restore_household

    done = restore_household(settings, source, at, output.progress)
    if as_json:
        output.show_document(_document(done))
    else:
        print(_in_words(done, settings))
    for path in done.restored.damaged:
        output.progress(
            f"{path} is damaged in the repository, too; `cph50 history {path}` shows its versions"
        )
    for line in done.reconciled.damaged:
        output.progress(line)
    if done.restored.damaged or done.reconciled.damaged:
        raise typer.Exit(FAILED)


def _document(done: RestoredHousehold) -> dict[str, Any]:
    restored = done.restored
    return {
        "source": done.source,
        "commit": restored.commit.id,
        "at": format_instant(restored.commit.at),
        "is_newest": done.is_newest,
        "files": len(restored.files),
        "bytes": restored.bytes,
        "kept": list(restored.kept),
        "left": list(restored.left),
        "damaged": list(restored.damaged),
        "reported": done.reconciled.reported,
    }


def _what_becomes_of_newer(settings: Settings) -> str:
    if settings.publish_mode is PublishMode.LOCAL:
        return "The next commit makes it as it is here; what is newer stays in its history."
    return (
        "What is published from now on replaces their versions of these files; files that only they have stay there "
        "until somebody removes them in the repository."
    )


def _in_words(done: RestoredHousehold, settings: Settings) -> str:
    restored = done.restored
    sentences = [
        f"Restored {len(restored.files)} file(s), {restored.bytes / 1e6:.1f} MB, as they were published on "
        f"{format_local(restored.commit.at, settings.zone)} (commit {restored.commit.id[:10]} of {done.source}).",
        f"Dagster was told of {len(done.reconciled.reported)} of them.",
    ]
    if restored.kept:
        sentences.append(f"Runs had written {', '.join(restored.kept)} here already: kept as they are.")
    if restored.left:
        sentences.append(f"{len(restored.left)} other file(s) of the repository stay there.")
    if done.is_published_to and not done.is_newest:
        sentences.append(f"The repository has newer commits. {_what_becomes_of_newer(settings)}")
    sentences.append(
        "Start the pipeline as before: `cph50 tick`, or Dagster's daemon. What happened since is made up for; "
        "`cph50 update current` does it now."
    )
    return " ".join(sentences)
