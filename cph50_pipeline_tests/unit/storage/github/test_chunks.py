"""How edits travel."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.storage.github import chunks
from cph50_pipeline.storage.github.chunks import PlannedEdit, after, first_portion, in_chunks, plan, to_upload
from cph50_pipeline.storage.github.model import Edit
from cph50_pipeline.storage.published import Blob, blob_id

PARQUET = b"PAR1\x00\xff"
PATHS = st.sampled_from([f"sessions/{number}.json" for number in range(8)])
CONTENTS = st.one_of(st.none(), st.binary(max_size=20), st.text(max_size=20).map(str.encode))
FILES = st.dictionaries(PATHS, st.binary(max_size=20)).map(
    lambda files: {path: Blob(blob_id(data), len(data)) for path, data in files.items()}
)


def planned(path: str, data: bytes | None) -> PlannedEdit:
    return PlannedEdit(path, None if data is None else Blob(blob_id(data), len(data)), data)


@given(edits=st.dictionaries(PATHS, CONTENTS), files=FILES)
def test_what_is_planned_leads_to_what_was_asked_for_and_nothing_of_it_is_so_already(
    edits: dict[str, bytes | None], files: dict[str, Blob]
) -> None:
    chosen = plan([Edit(path, data) for path, data in edits.items()], files)
    then = after(files, chosen)
    for path, data in edits.items():
        assert (then[path].id if path in then else None) == (None if data is None else blob_id(data))
    assert {path: then.get(path) for path in files if path not in edits} == {
        path: blob for path, blob in files.items() if path not in edits
    }
    assert plan([Edit(path, data) for path, data in edits.items()], then) == []
    assert [edit.path for edit in chosen] == sorted(edit.path for edit in chosen)


def test_removing_what_is_not_there_is_no_edit() -> None:
    assert plan([Edit("a.json", None)], {}) == []


def test_text_goes_along_and_all_else_travels_by_itself() -> None:
    text, binary, zero = planned("a", b"{}\n"), planned("b", PARQUET), planned("c", b"a\0b")
    large = planned("d", b"x" * (chunks.LONGEST_INLINE_BYTES + 1))
    assert to_upload([text, binary, zero, large, planned("e", None)], set()) == [binary, zero, large]
    assert text.entry(set())["content"] == "{}\n"
    assert "content" not in binary.entry(set())


def test_a_content_travels_once_and_not_when_it_is_stored_already() -> None:
    one, same = planned("a", PARQUET), planned("b", PARQUET)
    assert len(to_upload([one, same], set())) == 1
    assert to_upload([one, same], {blob_id(PARQUET)}) == []


def test_text_that_is_stored_already_goes_by_its_id() -> None:
    assert planned("a", b"{}\n").entry({blob_id(b"{}\n")})["sha"] == blob_id(b"{}\n")


def test_a_removal_names_no_content() -> None:
    assert planned("a", None).entry(set())["sha"] is None


@given(sizes=st.lists(st.sampled_from([0, 10, 900_000]), max_size=250))
def test_portions_are_small_and_hold_everything_in_order(sizes: list[int]) -> None:
    edits = [
        PlannedEdit(f"{number:03}", Blob("0" * 40, size), b"x" * size) for number, size in enumerate(sizes)
    ]
    portions = list(in_chunks(edits))
    assert [edit.path for portion in portions for edit in portion] == [edit.path for edit in edits]
    for portion in portions:
        assert 0 < len(portion) <= chunks.ENTRIES_PER_TREE
        assert sum(len(edit.data or b"") for edit in portion) <= chunks.BYTES_PER_TREE


def test_no_edit_shows_its_content() -> None:
    assert "secret" not in repr(Edit("a", b"secret")) + repr(planned("a", b"secret"))


@given(
    contents=st.lists(st.sampled_from([b"{}\n", PARQUET, PARQUET + b"2", PARQUET + b"3"]), max_size=40),
    writes=st.integers(1, 6),
)
def test_a_portion_is_the_longest_beginning_that_the_limit_lets_pass(
    contents: list[bytes], writes: int
) -> None:
    edits = [planned(f"{number:02}", data) for number, data in enumerate(contents)]

    def requests(some: Sequence[PlannedEdit]) -> int:
        return len(to_upload(some, set())) + len(list(in_chunks(some)))

    portion = first_portion(edits, set(), writes)
    assert list(portion) == edits[: len(portion)]
    assert portion or not edits
    assert requests(portion) <= writes or len(portion) == 1
    assert len(portion) == len(edits) or requests(edits[: len(portion) + 1]) > writes
