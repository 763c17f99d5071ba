"""What every way of publishing has in common."""

from __future__ import annotations

import pytest

from cph50_pipeline.storage.publisher import one_line


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b", "c"], "a, b, c"),
        (["a", "b", "c", "d"], "a, b, c and 1 more"),
        (list("abcdefg"), "a, b, c and 4 more"),
    ],
)
def test_some_files_are_named_and_the_rest_is_counted(files: list[str], words: str) -> None:
    assert one_line(files) == words
