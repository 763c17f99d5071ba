"""The Git Data API: references, commits, trees and blobs, one object a request."""

from __future__ import annotations

import base64
import binascii

from starlette.responses import JSONResponse, Response

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.simulator.github.asked import Asked
from cph50_pipeline.simulator.github.bodies import (
    NewBlob,
    NewCommit,
    NewReference,
    NewTree,
    ReferenceMove,
    TreeItem,
    parse_body,
)
from cph50_pipeline.simulator.github.commits import CommitContent, commit_bytes
from cph50_pipeline.simulator.github.problems import (
    NO_FAST_FORWARD,
    PROTECTED,
    ApiProblem,
    not_found,
    unprocessable,
)
from cph50_pipeline.simulator.github.repository import BRANCHES, Reference
from cph50_pipeline.simulator.github.trees import Entry, write_changed

WORKFLOWS = ".github/workflows/"


def get_ref(asked: Asked) -> Response:
    """One reference, by its full name."""
    asked.require_commits()
    name = f"refs/{asked.parameter('ref')}"
    info = asked.repository.objects.info(name)
    if info is None:
        raise not_found()
    return JSONResponse(asked.answers.reference(Reference(name, info.id, info.kind)))


def match_refs(asked: Asked) -> Response:
    """All references whose names begin so."""
    asked.require_commits()
    found = asked.repository.references(f"refs/{asked.parameter('ref')}")
    return JSONResponse([asked.answers.reference(reference) for reference in found])


def create_ref(asked: Asked) -> Response:
    """A new branch."""
    asked.require_commits()
    body = parse_body(NewReference, asked.body)
    branch = _branch(body.ref)
    _require_commit(asked, body.sha)
    if asked.repository.branch_head(branch) is not None:
        raise unprocessable("Reference already exists")
    if not asked.repository.move_branch(branch, body.sha, expected=None):
        raise unprocessable("Reference update failed")
    return JSONResponse(asked.answers.reference(Reference(body.ref, body.sha, "commit")), 201)


def update_ref(asked: Asked) -> Response:
    """Let a branch stand elsewhere: of two who move it from the same commit, one succeeds."""
    asked.require_commits()
    body = parse_body(ReferenceMove, asked.body)
    name = f"refs/{asked.parameter('ref')}"
    branch = _branch(name)
    head = asked.repository.branch_head(branch)
    if head is None:
        raise unprocessable("Reference does not exist")
    _require_commit(asked, body.sha)
    if branch in asked.repository.protected:
        raise unprocessable(PROTECTED)
    if not body.force and not asked.repository.is_descendant(body.sha, head):
        raise unprocessable(NO_FAST_FORWARD)
    if not asked.repository.move_branch(branch, body.sha, expected=head):
        raise unprocessable(NO_FAST_FORWARD)
    return JSONResponse(asked.answers.reference(Reference(name, body.sha, "commit")))


def get_git_commit(asked: Asked) -> Response:
    """One commit object."""
    asked.require_commits()
    found = asked.repository.commit(asked.parameter("sha"))
    if found is None:
        raise not_found()
    return JSONResponse(asked.answers.git_commit(*found))


def create_commit(asked: Asked) -> Response:
    """A commit object, at which no branch stands yet."""
    asked.require_commits()
    body = parse_body(NewCommit, asked.body)
    objects = asked.repository.objects
    if _kind(asked, body.tree) != "tree":
        raise unprocessable("Tree SHA does not exist")
    if any(_kind(asked, parent) != "commit" for parent in body.parents):
        raise unprocessable("Parent SHA does not exist or is not a commit object")
    author = asked.person(body.author)
    commit = CommitContent(
        tree=body.tree,
        parents=tuple(body.parents),
        author=author,
        committer=asked.person(body.committer) if body.committer else author,
        message=body.message,
    )
    commit_id = objects.write("commit", commit_bytes(commit))
    return JSONResponse(asked.answers.git_commit(commit_id, commit), 201)


def get_tree(asked: Asked) -> Response:
    """What a tree holds, given by its id, a commit or a branch; cut off beyond GitHub's limit."""
    asked.require_commits()
    name = asked.parameter("sha")
    tree = _tree_of(asked, name) or _tree_of(asked, BRANCHES + name)
    if tree is None:
        raise not_found()
    entries = asked.repository.listing(tree, recursive=asked.query("recursive") is not None)
    limit = asked.limits.tree_entries
    return JSONResponse(asked.answers.tree(tree, entries[:limit], truncated=len(entries) > limit))


def create_tree(asked: Asked) -> Response:
    """A tree that differs from another one."""
    asked.require_commits()
    body = parse_body(NewTree, asked.body)
    touches_workflows = any(item.path.startswith(WORKFLOWS) for item in body.tree)
    if touches_workflows and not asked.access.may_change_workflows:
        raise not_found()  # GitHub does not say more
    if body.base_tree is not None and _tree_of(asked, body.base_tree) is None:
        raise unprocessable("base_tree is not a valid tree oid")
    changes = {item.path: _entry(asked, item) for item in body.tree}
    try:
        base = None if body.base_tree is None else _tree_of(asked, body.base_tree)
        tree = write_changed(asked.repository.objects, base, changes)
    except BadInputError as error:
        raise unprocessable(error.message) from error
    listed = asked.repository.listing(tree, recursive=False)
    return JSONResponse(asked.answers.tree(tree, listed, truncated=False), 201)


def get_blob(asked: Asked) -> Response:
    """A file's content."""
    asked.require_commits()
    blob_id = asked.parameter("sha")
    data = asked.repository.objects.read(blob_id, "blob")
    if data is None:
        raise not_found()
    return JSONResponse(asked.answers.blob(blob_id, data))


def create_blob(asked: Asked) -> Response:
    """A file's content, not in any folder yet."""
    asked.require_commits()
    body = parse_body(NewBlob, asked.body)
    data = decoded(body.content) if body.encoding == "base64" else body.content.encode()
    require_size(asked, data)
    blob_id = asked.repository.objects.write("blob", data)
    return JSONResponse(asked.answers.blob_link(blob_id), 201)


def decoded(content: str) -> bytes:
    """Content in base64. Raises ApiProblem for what is none."""
    try:
        return base64.b64decode("".join(content.split()), validate=True)
    except binascii.Error as error:
        raise unprocessable("content is not valid Base64") from error


def require_size(asked: Asked, data: bytes) -> None:
    """Raises ApiProblem for a file that is too large for GitHub."""
    if len(data) > asked.limits.file_bytes:
        message = (
            "Sorry, your input was too large to process. Consider creating the blob in a local clone of the"
            " repository and then pushing it to GitHub."
        )
        raise unprocessable(message, errors=[{"resource": "Blob", "field": "data", "code": "too_large"}])


def _entry(asked: Asked, item: TreeItem) -> Entry | None:
    if item.sha is not None:
        entry = Entry(item.mode, item.sha)
        if _kind(asked, item.sha) != entry.kind:
            raise unprocessable(f"tree.sha {item.sha} is not a valid {entry.kind}")
        return entry
    if item.content is not None:
        data = item.content.encode()
        require_size(asked, data)
        return Entry(item.mode, asked.repository.objects.write("blob", data))
    if "sha" in item.model_fields_set:
        return None
    raise unprocessable("Must supply either tree.sha or tree.content")


def _tree_of(asked: Asked, name: str) -> str | None:
    """The tree that a tree's or commit's id, or a reference's name stands for."""
    info = asked.repository.objects.info(name)
    if info is None or info.kind == "tree":
        return None if info is None else info.id
    found = asked.repository.commit(info.id)
    return None if found is None else found[1].tree


def _kind(asked: Asked, object_id: str) -> str | None:
    info = asked.repository.objects.info(object_id)
    return info.kind if info is not None and info.id == object_id else None


def _require_commit(asked: Asked, commit: str) -> None:
    if _kind(asked, commit) != "commit":
        raise unprocessable("Object does not exist")


def _branch(ref: str) -> str:
    if not ref.startswith(BRANCHES) or ref == BRANCHES:
        raise ApiProblem(422, "Reference name must start with 'refs/heads/'.")
    return ref.removeprefix(BRANCHES)
