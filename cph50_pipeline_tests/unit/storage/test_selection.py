"""Which of the differences are published now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cph50_pipeline.storage.layout import KINDS, NIGHTLY, Cause, Group, kind_of
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline.storage.messages import Change
from cph50_pipeline.storage.presence import Presence
from cph50_pipeline.storage.rhythm import DEFAULT_RHYTHM, parse_rhythm
from cph50_pipeline.storage.selection import Chosen, Selection

NOW = datetime(2026, 1, 7, 6, 0, tzinfo=UTC)
SESSION, OTHER = "sessions/2026/01/05/1.json", "sessions/2025/12/05/2.json"
CACHE = "session_cache/2026-01.json"
READINGS, DAILY, YEARLY = "power/readings/2026-01-07.ndjson", "power/daily.json", "power/yearly.json"
STATE, RUNS = "last_session.json", "runs.json"
HOME = json.dumps({"timestamp": "2026-01-07T05:00:00+00:00", "connected": True})
PATHS = sorted(path for path in {kind.example for kind in KINDS} if not path.endswith(".parquet"))


def differing(*entries: str) -> list[Change]:
    """Differences from lines such as "A runs.json"."""
    found = []
    for entry in entries:
        status, _, path = entry.partition(" ")
        kind = kind_of(path)
        assert kind is not None, path
        found.append(Change(path, status, kind))
    return found


@pytest.fixture
def local(tmp_path: Path) -> Selection:
    """The rules of a data root whose commits stay here."""
    return Selection(tmp_path, Locks(tmp_path / "private"), Presence(tmp_path / "private", None))


@pytest.fixture
def uploading(local: Selection) -> Selection:
    """The rules of a data root that is uploaded."""
    return replace(local, rhythm=DEFAULT_RHYTHM)


def write(selection: Selection, files: Mapping[str, str]) -> None:
    for path, content in files.items():
        (selection.data_root / path).parent.mkdir(parents=True, exist_ok=True)
        (selection.data_root / path).write_text(content)


def choose(
    selection: Selection, *entries: str, seen: set[str] | None = None, published: str | None = None
) -> Chosen:
    """What is chosen of differences between files that are whole, unless they were written before."""
    changes = differing(*entries)
    for change in changes:
        if change.status != "D" and not (selection.data_root / change.path).exists():
            write(selection, {change.path: "[]"})
    return selection.choose(changes, lambda _: published.encode() if published else None, NOW, seen)


def paths_of(changes: tuple[Change, ...]) -> list[str]:
    return [change.path for change in changes]


# --- causes and what travels ---


def test_the_run_log_travels_and_never_causes_anything(local: Selection) -> None:
    assert choose(local, f"M {RUNS}") == Chosen()
    chosen = choose(local, f"M {RUNS}", f"A {SESSION}")
    assert paths_of(chosen.changes) == [RUNS, SESSION]
    assert paths_of(chosen.causes) == [SESSION]


def test_what_changes_with_every_reading_waits_for_the_end_of_a_day(local: Selection) -> None:
    assert paths_of(choose(local, f"M {DAILY}", f"M {READINGS}", f"A {SESSION}").changes) == [SESSION]
    night = choose(local, f"M {DAILY}", f"M {READINGS}", f"M {YEARLY}")
    assert paths_of(night.changes) == [DAILY, READINGS, YEARLY]
    assert paths_of(night.causes) == [YEARLY]


def test_a_days_end_that_is_withheld_takes_nothing_along(local: Selection) -> None:
    write(local, {YEARLY: "{"})
    chosen = choose(local, f"M {DAILY}", f"M {YEARLY}", f"A {SESSION}")
    assert paths_of(chosen.changes) == [SESSION]


def test_whether_somebody_is_home_is_for_the_rule_of_presence(local: Selection) -> None:
    write(local, {STATE: HOME})
    assert choose(local, f"M {STATE}", f"A {SESSION}").changes == tuple(differing(f"A {SESSION}"))
    at_once = replace(local, presence=Presence(local.locks.private_dir, 0))
    assert paths_of(choose(at_once, f"M {STATE}").causes) == [STATE]
    assert choose(at_once, f"M {STATE}", published=HOME).causes == ()
    assert paths_of(choose(at_once, f"M {STATE}", f"A {SESSION}", published=HOME).changes) == [STATE, SESSION]


# --- withheld ---


def test_a_damaged_file_is_withheld_and_the_rest_goes(local: Selection) -> None:
    write(local, {CACHE: '{"month": '})
    chosen = choose(local, f"M {CACHE}", f"A {SESSION}")
    assert paths_of(chosen.changes) == [SESSION]
    assert chosen.withheld == {CACHE: "is damaged; the repository keeps the last good version"}


def test_a_file_that_github_does_not_take_is_withheld_where_it_would_go_there(
    local: Selection, uploading: Selection
) -> None:
    write(local, {CACHE: json.dumps(["x" * 2_000_000])})
    assert choose(replace(uploading, largest_bytes=1_000_000), f"M {CACHE}").withheld == {
        CACHE: "has 2 MB, and GitHub takes no file above 1 MB"
    }
    assert paths_of(choose(replace(local, largest_bytes=1_000_000), f"M {CACHE}").changes) == [CACHE]


def test_what_has_exactly_the_largest_size_goes(uploading: Selection) -> None:
    write(uploading, {CACHE: "[1]"})
    assert choose(replace(uploading, largest_bytes=3), f"M {CACHE}").changes
    assert choose(replace(uploading, largest_bytes=2), f"M {CACHE}").withheld


def test_what_is_never_uploaded_is_neither_chosen_nor_complained_of(local: Selection) -> None:
    write(local, {YEARLY: "{"})
    off = replace(local, rhythm=parse_rhythm("power=off"))
    assert choose(off, f"M {YEARLY}", f"M {DAILY}") == Chosen()
    assert choose(local, f"M {YEARLY}").withheld


# --- what other data roots published ---


def test_nothing_is_removed_that_was_not_in_this_data_root(uploading: Selection) -> None:
    assert choose(uploading, f"D {SESSION}", seen={OTHER}) == Chosen()
    assert paths_of(choose(uploading, f"D {SESSION}", seen={SESSION}).changes) == [SESSION]


def test_another_data_roots_version_is_replaced_only_by_who_may(uploading: Selection) -> None:
    chosen = choose(uploading, f"M {CACHE}", f"A {SESSION}", seen=set())
    assert paths_of(chosen.changes) == [SESSION]
    assert list(chosen.withheld) == [CACHE]
    assert "another data root" in chosen.withheld[CACHE]
    replacing = replace(uploading, may_replace=True)
    assert paths_of(choose(replacing, f"M {CACHE}", f"A {SESSION}", seen=set()).changes) == [CACHE, SESSION]


def test_what_is_rewritten_all_the_time_belongs_to_no_data_root(uploading: Selection) -> None:
    assert RUNS in paths_of(choose(uploading, f"M {RUNS}", f"A {SESSION}", seen=set()).changes)


def test_even_who_may_replace_removes_nothing_that_was_never_here(uploading: Selection) -> None:
    assert choose(replace(uploading, may_replace=True), f"D {SESSION}", seen=set()) == Chosen()


# --- what other runs hold ---


def test_files_of_a_month_that_another_run_holds_wait_and_ones_own_go(local: Selection) -> None:
    with local.locks.month(["2026-01"]):
        chosen = choose(local, f"M {CACHE}", f"A {OTHER}")
        assert paths_of(chosen.changes) == [OTHER]
        assert chosen.withheld == {}
        own = replace(local, own_months=("2026-01",))
        assert paths_of(choose(own, f"M {CACHE}", f"A {OTHER}").changes) == [CACHE, OTHER]


def test_power_waits_for_the_run_that_holds_it_whatever_the_month(local: Selection) -> None:
    with local.locks.power():
        assert choose(local, f"M {YEARLY}", "M power/events/2025-12.json") == Chosen()
        assert choose(replace(local, owns_power=True), f"M {YEARLY}").changes
    with local.locks.month(["2025-12"]):
        assert choose(local, f"M {YEARLY}", "M power/events/2025-12.json").changes


def test_a_session_that_is_being_sampled_waits_and_its_month_does_not(local: Selection) -> None:
    with local.locks.session("1"):
        assert paths_of(choose(local, f"M {CACHE}", f"A {SESSION}").changes) == [CACHE]


# --- whatever differs ---


@settings(max_examples=60)
@given(
    statuses=st.dictionaries(st.sampled_from(PATHS), st.sampled_from("AMD"), max_size=8),
    damaged=st.sets(st.sampled_from(PATHS), max_size=2),
    seen=st.none() | st.sets(st.sampled_from(PATHS)),
    held=st.sets(st.sampled_from(["2026-01", "2025-12"])),
    off=st.sampled_from([None, "", "power=off", "sessions=off,reports=off,site=off"]),
    may_replace=st.booleans(),
)
def test_the_rules_hold_together(
    tmp_path_factory: pytest.TempPathFactory,
    statuses: dict[str, str],
    damaged: set[str],
    seen: set[str] | None,
    held: set[str],
    off: str | None,
    may_replace: bool,
) -> None:
    root = tmp_path_factory.mktemp("data")
    locks = Locks(root / "private")
    rhythm = None if off is None else parse_rhythm(off)
    selection = Selection(
        root, locks, Presence(root / "private", None), rhythm=rhythm, may_replace=may_replace
    )
    changes = [change for path in sorted(statuses) for change in differing(f"{statuses[path]} {path}")]
    with ExitStack() as holding:
        if held:
            holding.enter_context(locks.month(held))
        write(selection, {c.path: "{" if c.path in damaged else "[]" for c in changes if c.status != "D"})
        chosen = selection.choose(changes, lambda _: None, NOW, seen)
    going = paths_of(chosen.changes)
    assert going == sorted(going)
    assert set(going) <= statuses.keys()
    assert bool(going) == bool(chosen.causes)
    assert set(paths_of(chosen.causes)) <= set(going)
    assert not set(going) & chosen.withheld.keys()
    assert all(rhythm is None or rhythm.takes(change.kind.group) for change in chosen.changes)
    assert all(change.kind.group is not Group.STATE for change in chosen.changes)
    assert all(change.month not in held or change.kind.group is Group.POWER for change in chosen.changes)
    assert all(change.kind.cause is Cause.CHANGE for change in chosen.causes)
    is_night = any(change.kind.name == NIGHTLY for change in chosen.changes)
    assert is_night or all(change.kind.cause is not Cause.NIGHT for change in chosen.changes)
    if seen is not None:
        assert {change.path for change in chosen.changes if change.status == "D"} <= seen
        foreign = {c.path for c in chosen.changes if c.status == "M" and c.path not in seen} - {RUNS}
        assert may_replace or not foreign
