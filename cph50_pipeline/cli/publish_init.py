"""`cph50 publish --init`: the workflows for the data repository, and what is to be set there for them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum

from cph50_pipeline.cli import output
from cph50_pipeline.errors import BadInputError, NotFoundError
from cph50_pipeline.settings import PublishMode, Settings, is_object_store
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.storage.workflows import workflow_edits, workflow_files

_TO_SET = """\
In {settings}, for the pages:
  Pages: as source choose "GitHub Actions". Without Pages set the variable CPH50_PAGES to off
And for running the pipeline there:
  General: {branch} is the default branch
  Secrets and variables, Actions:
    variable CPH50_PIPELINE: what pip installs the pipeline from, such as git+https://github.com/OWNER/NAME@v1
    variables CPH50_TIMEZONE, CPH50_HISTORY_START and every other setting that you use
    secrets CPH50_CHARGEPOINT_TOKEN, or CPH50_CHARGEPOINT_USERNAME and CPH50_CHARGEPOINT_PASSWORD;
    secrets CPH50_HOME_ASSISTANT_URL and CPH50_HOME_ASSISTANT_TOKEN if you have Home Assistant
Whoever uploads these two files needs a token that may write workflows: the scope `workflow`, or Workflows read and
write of a fine-grained one. Routine publications leave them alone"""

_MAY_WRITE = "Workflows need the scope `workflow`, or Workflows: read and write, besides"


class Became(StrEnum):
    """What became of one file."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    KEPT = "kept"


@dataclass(frozen=True)
class WorkflowFile:
    """One workflow in the data root.

    Attributes:
        path: Relative to the data root.
    """

    path: str
    became: Became


def write_workflows(settings: Settings, *, replace_edited: bool = False) -> list[WorkflowFile]:
    """Write the workflows into the data root; what a person has edited stays, unless it is to be replaced.

    Raises:
        BadInputError: the data root is an object store, which no repository can be published from.
        PermanentError, TransientError: a file could not be read or written; it is whole.
    """
    if is_object_store(settings.data_root):
        raise BadInputError(
            f"CPH50_DATA_DIR={settings.data_root} is an object store: it has no repository",
            remedy="Set CPH50_DATA_DIR to a local folder",
        )
    root = DataRoot(settings.data_root)
    paths = sorted(workflow_files(settings.github_branch))
    present = {path: data for path in paths if (data := root.read(path)) is not None}
    changes = workflow_edits(settings.github_branch, present, replace_edited=replace_edited)
    found = []
    for path in paths:
        if path in changes.edits:
            root.write(path, changes.edits[path])
            found.append(WorkflowFile(path, Became.WRITTEN))
        else:
            found.append(WorkflowFile(path, Became.KEPT if path in changes.kept else Became.UNCHANGED))
    return found


def upload_workflows(settings: Settings, *, replace_edited: bool = False) -> str | None:
    """Put the workflows of the data root into the data repository, where there is one on GitHub and a token for it.

    Returns:
        Where the commit can be looked at; empty when the repository had them; None when nothing can be uploaded.

    Raises:
        PermanentError: GitHub refuses, for example because the token may not write workflows.
        TransientError: GitHub did not answer.
    """
    is_uploading = settings.publish_mode in (PublishMode.PUSH, PublishMode.GITHUB)
    if not is_uploading or not settings.github_repository or settings.github_token is None:
        return None
    from cph50_pipeline.storage.github.committing import GitHubRepository
    from cph50_pipeline.storage.github.model import Edit, Snapshot

    root = DataRoot(settings.data_root)
    here = {path: root.read(path) for path in sorted(workflow_files(settings.github_branch))}
    with GitHubRepository.of(
        str(settings.github_api_url),
        settings.github_repository,
        settings.github_branch,
        settings.github_token.get_secret_value(),
    ) as repository:

        def decide(snapshot: Snapshot) -> list[Edit]:
            """The workflows that are here, except over one that somebody has edited there."""
            there = {path: snapshot.files[path] for path in here if path in snapshot.files}
            contents = zip(there, repository.read([blob.id for blob in there.values()]), strict=True)
            kept = workflow_edits(settings.github_branch, dict(contents), replace_edited=replace_edited).kept
            return [Edit(path, data) for path, data in here.items() if path not in kept]

        try:
            made = repository.commit(decide, lambda _: "Add the workflows of cph50\n", datetime.now(UTC))
        except NotFoundError as error:  # GitHub's answer also to a token that may not write workflows
            raise NotFoundError(
                error.message, kept=error.kept, remedy=f"{error.remedy.rstrip('.')}. {_MAY_WRITE}"
            ) from error
    return "" if made is None else made.link


def show_workflows(settings: Settings, found: list[WorkflowFile], link: str | None, as_json: bool) -> None:
    """What was written and uploaded, and what is to be set in the repository."""
    if as_json:
        output.show_document({"files": [asdict(file) for file in found], "commit": link})
        return
    for file in found:
        print(f"{file.path}: {_IN_WORDS[file.became]}")
    if link is None:
        print("Commit them to the data repository and push them, with a git or a browser of your own")
    else:
        print(f"Committed to {settings.github_repository}: {link}" if link else "The repository has them")
    print(_TO_SET.format(settings=_settings_page(settings), branch=settings.github_branch))


_IN_WORDS = {
    Became.WRITTEN: "written",
    Became.UNCHANGED: "is there as it should be",
    Became.KEPT: "was edited by somebody and is left alone; --force replaces it",
}


def _settings_page(settings: Settings) -> str:
    if not settings.github_repository:
        return "the settings of the data repository"
    return f"the settings of {settings.github_repository}"
