"""Git trees as values: read, changed along paths, written. Only the folders on the way are touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.simulator.github.objects import Kind, ObjectStore

FOLDER = "040000"
FILE = "100644"
_KINDS: dict[str, Kind] = {FOLDER: "tree", "160000": "commit"}


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands under one name of a tree.

    Attributes:
        mode: Six octal digits, as GitHub writes them.
    """

    mode: str
    id: str

    @property
    def kind(self) -> Kind:
        """What the id is the id of."""
        return _KINDS.get(self.mode, "blob")


Tree = dict[str, Entry]


def parse_tree(data: bytes) -> Tree:
    """The entries of a tree object, in git's order."""
    entries: Tree = {}
    at = 0
    while at < len(data):
        space, zero = data.index(b" ", at), data.index(b"\0", at)
        mode = data[at:space].decode().rjust(6, "0")
        entries[data[space + 1 : zero].decode()] = Entry(mode, data[zero + 1 : zero + 21].hex())
        at = zero + 21
    return entries


def tree_bytes(entries: Tree) -> bytes:
    """The tree object of these entries."""
    return b"".join(
        f"{entry.mode.lstrip('0')} {name}\0".encode() + bytes.fromhex(entry.id)
        for name, entry in sorted(entries.items(), key=_git_order)
    )


def write_changed(store: ObjectStore, base: str | None, changes: Mapping[str, Entry | None]) -> str:
    """Write a tree that differs from another one, and return its id. Folders that became empty vanish.

    Args:
        base: The id of the tree that is changed; None for an empty one.
        changes: By path; None removes what is there.

    Raises:
        BadInputError: when something is removed that is not there, or a path is none.
    """
    entries = parse_tree(store.read(base, "tree") or b"") if base else {}
    inner: dict[str, dict[str, Entry | None]] = {}
    for path, entry in changes.items():
        name, slash, rest = path.partition("/")
        if name in ("", ".", "..", ".git") or (slash and not rest):
            raise BadInputError("tree.path contains a malformed path component")
        if slash:
            inner.setdefault(name, {})[rest] = entry
        elif entry is not None:
            entries[name] = entry
        elif entries.pop(name, None) is None:
            raise BadInputError("GitRPC::BadObjectState")
    for name, its_changes in inner.items():
        _change_folder(store, entries, name, its_changes)
    return store.write("tree", tree_bytes(entries))


def find_entry(store: ObjectStore, tree: str, path: str) -> Entry | None:
    """What stands at a path below a tree, given by id; the tree itself for the empty path."""
    found = Entry(FOLDER, tree)
    for name in filter(None, path.split("/")):
        if found.kind != "tree":
            return None
        inner = parse_tree(store.read(found.id, "tree") or b"").get(name)
        if inner is None:
            return None
        found = inner
    return found


def _change_folder(store: ObjectStore, entries: Tree, name: str, changes: Mapping[str, Entry | None]) -> None:
    there = entries.get(name)
    base = there.id if there is not None and there.kind == "tree" else None
    folder = write_changed(store, base, changes)
    if store.read(folder, "tree"):
        entries[name] = Entry(FOLDER, folder)
    else:
        entries.pop(name, None)


def _git_order(item: tuple[str, Entry]) -> bytes:
    """Git sorts folders as if their names ended in a slash."""
    name, entry = item
    return name.encode() + (b"/" if entry.kind == "tree" else b"")
