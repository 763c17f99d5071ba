"""An object store's failures, which its library words in its own way."""

from __future__ import annotations

import uuid

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from cph50_pipeline.errors import BadInputError, PermanentError, TransientError
from cph50_pipeline.storage.object_store import ObjectStore


@pytest.fixture
def store() -> ObjectStore:
    return ObjectStore(f"memory://{uuid.uuid4()}")


def fail_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    for call in ("cat_file", "pipe_file", "find", "exists"):
        monkeypatch.setattr(MemoryFileSystem, call, fail)


def test_a_store_that_does_not_answer_is_not_an_absent_file(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(ConnectionError("reset"), monkeypatch)
    with pytest.raises(TransientError, match=r"runs\.json could not be read"):
        store.read("runs.json")
    with pytest.raises(TransientError, match="could not be listed"):
        list(store.walk("", private=False))
    with pytest.raises(TransientError, match=r"runs\.json could not be removed"):
        store.remove("runs.json")


def test_missing_rights_need_a_person(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(PermissionError("AccessDenied"), monkeypatch)
    with pytest.raises(PermanentError, match="Check the store's credentials"):
        store.read("runs.json")


def test_an_unknown_scheme_names_the_setting_and_never_the_key_in_the_url() -> None:
    with pytest.raises(BadInputError, match="CPH50_DATA_DIR") as caught:
        ObjectStore("nosuchstore://key:canary@bucket/data")
    assert "canary" not in str(caught.value)


def test_an_object_of_equal_bytes_is_not_uploaded_again(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write("runs.json", b"x")
    monkeypatch.setattr(MemoryFileSystem, "pipe_file", None)
    assert not store.write("runs.json", b"x")
