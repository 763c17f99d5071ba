"""The store: locks that last as long as a run, and what it says of files that are missing or damaged."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from cph50_pipeline.charging.activity import ActivityMonth
from cph50_pipeline.defs.month_files import ACTIVITY, CACHE, ROLLUPS, SLOTS
from cph50_pipeline.defs.store import LABELS_FILE, VEHICLES_FILE, Store
from cph50_pipeline.errors import BadInputError, PermanentError, TransientError
from cph50_pipeline.storage.locks import MODEL, month_lock_name
from cph50_pipeline_tests.dagster.homes import EMBER, MONTHS, Home

JANUARY = "2026-01"
LOCK = month_lock_name(JANUARY)


def _held(store: Store) -> list[str]:
    """A month, once the store holds it."""
    store.hold_months([JANUARY])
    assert store.locks.is_held(LOCK)
    return [JANUARY]


def test_a_month_is_held_from_the_first_write_until_the_store_closes(collected: Home) -> None:
    with collected.store().open() as store:
        value = store.need_month(CACHE, JANUARY)
        assert not store.locks.is_held(LOCK)
        store.write_months(CACHE, {JANUARY: value})
        assert store.locks.is_held(LOCK)
    assert not store.locks.is_held(LOCK)


def test_locks_are_given_back_when_the_work_fails(home: Home) -> None:
    store = home.store()
    with pytest.raises(PermanentError), store.open():
        store.read_frame(SLOTS, _held(store))
    assert not store.locks.is_held(LOCK)


def test_holding_months_again_and_more_of_them_costs_no_wait(home: Home) -> None:
    with home.store().open() as store:
        store.hold_months([JANUARY])
        store.hold_months([JANUARY])
        store.hold_months(MONTHS)
        assert all(store.locks.is_held(month_lock_name(month)) for month in MONTHS)


def test_the_model_is_held_until_the_store_closes_and_holding_it_again_costs_no_wait(home: Home) -> None:
    with home.store().open() as store:
        store.hold_model()
        store.hold_model()
        assert store.locks.is_held(MODEL)
    assert not store.locks.is_held(MODEL)


def test_two_stores_exclude_each_other_on_a_month_but_not_on_different_ones(home: Home) -> None:
    with home.store().open() as first, home.store().open() as second:
        first.hold_months([JANUARY])
        second.hold_months(["2025-12"])
        with (
            pytest.raises(TransientError, match=JANUARY),
            second.locks.month([JANUARY], timeout_seconds=0.05),
        ):
            raise AssertionError("both hold the month")


def test_a_second_store_goes_on_when_the_first_has_closed(home: Home) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def work() -> None:
        with home.store().open() as second:
            waiting.set()
            second.hold_months([JANUARY])
            order.append("second has it")

    with home.store().open() as first:
        first.hold_months([JANUARY])
        thread = threading.Thread(target=work)
        thread.start()
        assert waiting.wait(10)
        order.append("first gives it back")
    thread.join(20)
    assert order == ["first gives it back", "second has it"]


def test_a_runs_months_are_still_held_while_git_commits(
    collected: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("flock") is None:
        pytest.skip("the command flock is not installed")
    seen, lock = tmp_path / "seen", collected.settings.private_dir / "locks" / f"{LOCK}.lock"
    watcher = tmp_path / "bin" / "git"
    watcher.parent.mkdir()
    watcher.write_text(
        "#!/bin/sh\n"
        f'case " $* " in *" commit "*) flock --nonblock {lock} echo free >> {seen} || echo held >> {seen};; esac\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    watcher.chmod(0o755)
    monkeypatch.setenv("PATH", f"{watcher.parent}{os.pathsep}{os.environ['PATH']}")
    (collected.folder / CACHE.path(JANUARY)).unlink()
    collected.git("commit", "--quiet", "--all", "--message=Lost")
    seen.unlink()
    assert collected.run([JANUARY], only=["session_cache"]).success
    assert seen.read_text().split() == ["held"]


def test_a_month_that_is_needed_and_not_there_names_the_command_that_makes_it(home: Home) -> None:
    with pytest.raises(PermanentError, match="cph50 backfill --from 2026-01 --to 2026-01") as caught:
        home.store().need_month(SLOTS, JANUARY)
    assert SLOTS.path(JANUARY) in caught.value.message


def test_a_month_of_power_that_is_missing_names_the_job_that_makes_it(home: Home) -> None:
    with pytest.raises(PermanentError, match="Run `power_job` for 2026-01"):
        home.store().need_month(ROLLUPS, JANUARY)


def test_a_month_never_stored_is_empty_and_one_damaged_is_not(collected: Home) -> None:
    assert collected.store().activity("2025-10") == ActivityMonth(month="2025-10", sessions={})
    (collected.folder / ACTIVITY.path(JANUARY)).write_text("[]")
    with pytest.raises(BadInputError, match=ACTIVITY.path(JANUARY)):
        collected.store().activity(JANUARY)


def test_a_damaged_session_file_is_an_error_or_none_as_its_reader_wants(home: Home) -> None:
    path = "sessions/2026/01/20/501.json"
    home.store().write_document(path, {"session_id": "501"})
    assert home.store().collection_if_whole(path) is None
    assert home.store().collection_if_whole("sessions/2026/01/20/502.json") is None
    with pytest.raises(BadInputError, match=path):
        home.store().collection_at(path)


def test_what_is_read_again_is_what_lies_on_disk_now(collected: Home) -> None:
    store = collected.store()
    assert not store.activity(JANUARY).closed
    closed = store.activity(JANUARY).model_copy(update={"closed": True})
    (collected.folder / ACTIVITY.path(JANUARY)).write_bytes(ACTIVITY.dump(closed))
    assert store.activity(JANUARY).closed


def test_only_paths_whose_content_changed_count_as_written(collected: Home) -> None:
    with collected.store().open() as store:
        store.write_months(CACHE, {month: store.need_month(CACHE, month) for month in MONTHS})
        assert store.written == []
        store.write_document("tariffs.json", {})
        assert store.written == ["tariffs.json"]


def test_a_label_that_names_no_car_is_refused_by_session(collected: Home) -> None:
    label = {"4711": {"vehicle_id": "nobodys", "labeled_by": "ann"}}
    (collected.folder / LABELS_FILE).write_text(json.dumps(label))
    with pytest.raises(BadInputError, match="4711"):
        collected.store().labels()


def test_without_hand_edited_files_there_are_no_cars_and_no_labels(home: Home) -> None:
    assert home.store().vehicles().vehicles == {}
    assert home.store().labels().truths() == {}


def test_a_run_makes_the_hand_edited_files_from_the_examples_and_never_touches_them_again(
    home: Home,
) -> None:
    home.folder.mkdir()
    (home.folder / LABELS_FILE).write_text("{}")
    assert home.run([JANUARY], only=["chargepoint_activity"]).success
    assert (home.folder / LABELS_FILE).read_text() == "{}"
    assert len(home.json(VEHICLES_FILE)["vehicles"]) == 2


def test_an_edit_starts_from_what_is_there_or_from_nothing(home: Home) -> None:
    assert home.store().edit_document(LABELS_FILE, lambda document: {**document, "41": EMBER})
    assert home.store().edit_document(LABELS_FILE, lambda document: {**document, "40": EMBER})
    assert home.json(LABELS_FILE) == {"40": EMBER, "41": EMBER}


def test_an_edit_that_changes_nothing_leaves_the_files_form_alone(home: Home) -> None:
    home.folder.mkdir()
    (home.folder / LABELS_FILE).write_text('{"41" : "ember"}')
    assert not home.store().edit_document(LABELS_FILE, dict)
    assert (home.folder / LABELS_FILE).read_text() == '{"41" : "ember"}'


def test_an_edit_that_fails_changes_nothing_and_lets_the_next_one_in(home: Home) -> None:
    def fail(document: object) -> object:
        raise BadInputError("no")

    with pytest.raises(BadInputError):
        home.store().edit_document(LABELS_FILE, fail)
    assert home.store().root.read(LABELS_FILE) is None
    assert home.store().edit_document(LABELS_FILE, lambda document: {"41": EMBER})


def test_one_file_is_read_as_what_is_asked_for_each_time(collected: Home) -> None:
    store = collected.store()
    assert set(store.vehicles().vehicles) == set(store.read_document(VEHICLES_FILE)["vehicles"])
