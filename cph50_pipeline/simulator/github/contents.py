"""The Contents API: one file, read or committed at once."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from cph50_pipeline.simulator.github.asked import Asked
from cph50_pipeline.simulator.github.bodies import FileWrite, parse_body
from cph50_pipeline.simulator.github.commits import CommitContent, commit_bytes
from cph50_pipeline.simulator.github.git_data import WORKFLOWS, decoded, require_size
from cph50_pipeline.simulator.github.problems import PROTECTED, ApiProblem, not_found, unprocessable
from cph50_pipeline.simulator.github.repository import BRANCHES
from cph50_pipeline.simulator.github.trees import FILE, Entry, find_entry, write_changed

_RAW = "application/vnd.github.raw"


def get_contents(asked: Asked) -> Response:
    """A file, or what is in a folder, at a branch or commit."""
    if asked.repository.is_empty:
        raise ApiProblem(404, "This repository is empty.")
    ref = asked.query("ref") or asked.repository.default_branch
    path = asked.parameter("path").strip("/")
    objects = asked.repository.objects
    commit = asked.repository.commit(BRANCHES + ref) or asked.repository.commit(ref)
    entry = None if commit is None else find_entry(objects, commit[1].tree, path)
    if entry is None:
        raise not_found()
    if entry.kind == "tree":
        entries = asked.repository.listing(entry.id, recursive=False)
        return JSONResponse(asked.answers.folder(path, ref, entries))
    data = objects.read(entry.id, "blob") or b""
    if asked.request.headers.get("accept", "").startswith(_RAW):
        return Response(data, media_type=f"{_RAW}; charset=utf-8")
    return JSONResponse(asked.answers.file(path, ref, entry.id, data))


def put_contents(asked: Asked) -> Response:
    """Commit one file: a new one, or a change of the content that the request names. Makes the first commit, too."""
    body = parse_body(FileWrite, asked.body)
    path = asked.parameter("path").strip("/")
    if path.startswith(WORKFLOWS) and not asked.access.may_change_workflows:
        raise not_found()  # GitHub does not say more
    data = decoded(body.content)
    require_size(asked, data)
    branch = body.branch or asked.repository.default_branch
    head = asked.repository.commit(BRANCHES + branch)
    if head is None and not asked.repository.is_empty:
        raise ApiProblem(404, f"Branch {branch} not found")
    replaced = None if head is None else find_entry(asked.repository.objects, head[1].tree, path)
    _require_same(path, body.sha, replaced)
    if branch in asked.repository.protected:
        raise ApiProblem(409, f"Repository rule violations found\n\n{PROTECTED}\n\n")
    blob_id = asked.repository.objects.write("blob", data)
    commit_id, commit = _write_commit(asked, body, path, blob_id, head)
    expected = None if head is None else head[0]
    if not asked.repository.move_branch(branch, commit_id, expected):
        moved_to = asked.repository.branch_head(branch)
        raise ApiProblem(409, f"is at {moved_to} but expected {expected or ''}")
    answer = asked.answers.file_commit(path, branch, blob_id, len(data), commit_id, commit)
    return JSONResponse(answer, 201 if replaced is None else 200)


def _require_same(path: str, given: str | None, replaced: Entry | None) -> None:
    if replaced is None:
        return
    if given is None:
        raise unprocessable('Invalid request.\n\n"sha" wasn\'t supplied.')
    if given != replaced.id:
        raise ApiProblem(409, f"{path} does not match {given}")


def _write_commit(
    asked: Asked, body: FileWrite, path: str, blob_id: str, head: tuple[str, CommitContent] | None
) -> tuple[str, CommitContent]:
    objects = asked.repository.objects
    base = None if head is None else head[1].tree
    committer = asked.person(body.committer)
    commit = CommitContent(
        tree=write_changed(objects, base, {path: Entry(FILE, blob_id)}),
        parents=() if head is None else (head[0],),
        author=asked.person(body.author) if body.author else committer,
        committer=committer,
        message=body.message,
    )
    return objects.write("commit", commit_bytes(commit)), commit
