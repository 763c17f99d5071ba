"""Both ways of publishing to a remote repository, as wholes, on a stand-in for GitHub: the same rules in each."""

from __future__ import annotations

import gc
import json
import os
import shutil
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx
import pytest

from cph50_pipeline.errors import Cph50Error, PermanentError, TransientError
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.simulator.github import RunningGitHub
from cph50_pipeline.storage.locks import HAND_EDITED, month_lock_name
from cph50_pipeline.storage.publisher import Insistence
from cph50_pipeline_tests.integration.github_branches import TOKEN
from cph50_pipeline_tests.integration.github_contract import checked_github
from cph50_pipeline_tests.integration.households import NOW, RUN, git
from cph50_pipeline_tests.integration.kill_points import is_killed_at, join, start
from cph50_pipeline_tests.integration.publishing import (
    ASKED,
    AT_A_RUNS_END,
    COMPARING,
    GITHUB,
    IMPATIENT,
    PUSH,
    REPLACING,
    VARIABLE,
    Hub,
    PublishingHousehold,
    publish_in_a_process,
)

OPEN, OTHER_OPEN = "sessions/2026/01/05/1.json", "sessions/2026/01/06/2.json"
CLOSED = "session_cache/2025-12.json"
CACHE = "session_cache/2026-01.json"
POWER = "power/monthly.json"
NIGHTLY = "power/events/2026-01.json"
REPORT = "reports/2026-01.json"
CONFIG = "vehicle_config.json"
STATE = "last_session.json"
RUNS = "runs.json"
README = "README.md"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SLOW = "sessions=15,power=60,reports=60,site=60"
STEPS_AT_A_TIME = 13
_numbers = count(1)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGitHub]:
    """A stand-in whose every exchange is held against GitHub's own description."""
    with checked_github(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


@pytest.fixture
def hub(running: RunningGitHub) -> Iterator[Hub]:
    """An empty repository of the test's own."""
    yield Hub.of(running, f"household/data-{next(_numbers)}")
    running.faults.clear()
    running.add_token(TOKEN)


@pytest.fixture(params=[PUSH, GITHUB])
def household(
    tmp_path: Path, hub: Hub, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> PublishingHousehold:
    """An empty household whose uploads have no rhythm."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv(VARIABLE, TOKEN)
    return PublishingHousehold(tmp_path / "data", hub, request.param)


@pytest.fixture
def slow(household: PublishingHousehold) -> PublishingHousehold:
    """A household with the usual rhythm, that has published just now."""
    household.rhythm = SLOW
    household.publish({OPEN: "[1]\n", POWER: "[1]\n"})
    return household


def another(household: PublishingHousehold, tmp_path: Path) -> PublishingHousehold:
    """Another data root that publishes to the same repository."""
    return PublishingHousehold(tmp_path / "another", household.hub, household.mode)


def state(*, connected: bool, minutes: int = 0) -> str:
    """What `last_session.json` says."""
    at = (NOW + minutes * MINUTE).isoformat()
    return json.dumps({"timestamp": at, "connected": connected, "charging": False, "vehicle_id": None})


# --- what a run wrote ---


def test_what_a_run_wrote_is_one_commit_on_the_remote_that_says_so(household: PublishingHousehold) -> None:
    household.publish({CACHE: "[]\n"})
    published = household.publish({OPEN: "[1]\n", CLOSED: "[2]\n", "notes.txt": "Mine\n"})
    hub = household.hub
    assert published is not None
    assert hub.files() == {CACHE: "[]\n", OPEN: "[1]\n", CLOSED: "[2]\n"}
    assert published.commit == hub.git("rev-parse", "main")
    assert (published.files, published.bytes, published.branch) == ((CLOSED, OPEN), 8, "main")
    assert (published.commits, published.retries, household.told) == (1, 0, ())
    assert published.link.endswith(f"/{hub.repository}/commit/{published.commit}")
    assert hub.git("log", "-1", "--format=%B") == published.message.strip()
    assert published.message.startswith("Add session_cache, sessions: 2025-12..2026-01 (2 files)\n")
    assert hub.git("log", "-1", "--format=%(trailers:key=Run,valueonly)") == "run-2"
    assert hub.commits() == 2


def test_a_second_publication_commits_and_uploads_nothing(
    household: PublishingHousehold, running: RunningGitHub
) -> None:
    household.publish({OPEN: "[1]\n"})
    asked_before = len(running.requests)
    assert household.publish() is None
    assert len(running.requests) == asked_before
    assert not household.waiting().is_due
    assert household.publish(insistence=COMPARING) is None
    assert household.hub.commits() == 1


def test_an_edit_in_place_in_a_day_long_past_goes_when_everything_is_compared(
    household: PublishingHousehold,
) -> None:
    household.publish({OPEN: "[1]\n"})
    edited = household.data_root / OPEN
    os.utime(edited.parent, (1, 1))
    household.publish({CONFIG: "{}\n"})
    edited.write_text("[2]\n")
    household.publish(insistence=COMPARING)
    assert household.hub.files() == {OPEN: "[2]\n", CONFIG: "{}\n"}


def test_what_earlier_runs_wrote_goes_along_and_each_run_is_named(household: PublishingHousehold) -> None:
    household.publish({CACHE: "[]\n"})
    household.run({OPEN: "[1]\n"})
    household.run({OTHER_OPEN: "[2]\n"})
    published = household.upload()
    assert published is not None
    assert published.files == (OPEN, OTHER_OPEN)
    assert published.commits == {PUSH: 2, GITHUB: 1}[household.mode]
    trailers = household.hub.git("log", "--format=%(trailers:key=Run,valueonly)").split()
    assert sorted(trailers) == ["run-1", "run-2", "run-3"]


def test_a_file_that_was_published_from_here_and_is_gone_is_removed_there(
    household: PublishingHousehold,
) -> None:
    household.publish({OPEN: "[1]\n", OTHER_OPEN: "[2]\n"})
    household.hub.by_hand({CLOSED: "[3]\n"})
    household.publish({OPEN: None})
    assert household.hub.files() == {OTHER_OPEN: "[2]\n", CLOSED: "[3]\n"}


# --- how soon ---


def test_an_open_months_session_waits_for_the_upload_before(slow: PublishingHousehold) -> None:
    assert slow.publish({OPEN: "[2]\n", RUNS: "[]\n"}, 14 * MINUTE) is None
    assert slow.waiting(14 * MINUTE).due_at == NOW + 15 * MINUTE
    assert slow.hub.files()[OPEN] == "[1]\n"
    assert slow.waiting(15 * MINUTE).is_due
    assert slow.upload(15 * MINUTE) is not None
    assert slow.hub.files()[OPEN] == "[2]\n"


def test_a_closed_month_goes_at_once_and_takes_along_what_waits(slow: PublishingHousehold) -> None:
    assert slow.publish({OPEN: "[2]\n", POWER: "[2]\n"}, MINUTE) is None
    assert slow.publish({CLOSED: "[3]\n"}, 2 * MINUTE) is not None
    assert slow.hub.files() == {OPEN: "[2]\n", POWER: "[2]\n", CLOSED: "[3]\n"}


def test_power_waits_an_hour(slow: PublishingHousehold) -> None:
    assert slow.publish({POWER: "[2]\n"}, 59 * MINUTE) is None
    assert slow.waiting(59 * MINUTE).due_at == NOW + HOUR
    assert slow.upload(HOUR) is not None
    assert slow.hub.files()[POWER] == "[2]\n"


def test_a_group_that_is_off_is_never_uploaded(household: PublishingHousehold) -> None:
    household.rhythm = "power=off"
    household.publish({OPEN: "[1]\n", POWER: "[1]\n"})
    household.publish({POWER: "[2]\n"}, DAY, ASKED)
    assert household.hub.files() == {OPEN: "[1]\n"}
    assert not household.waiting(DAY).changes


def test_who_asks_for_an_upload_does_not_wait(slow: PublishingHousehold) -> None:
    assert slow.publish({OPEN: "[2]\n"}, MINUTE, ASKED) is not None
    assert slow.hub.files()[OPEN] == "[2]\n"


def test_a_repository_is_looked_at_once_a_day_though_nothing_changed_here(
    household: PublishingHousehold, running: RunningGitHub
) -> None:
    household.publish({CONFIG: "{}\n"})
    household.hub.by_hand({CONFIG: '{"edited": 1}\n'})
    asked_before = len(running.requests)
    household.upload(DAY - MINUTE)
    assert len(running.requests) == asked_before
    assert household.waiting(DAY).is_due
    household.upload(DAY)
    assert household.here(CONFIG) == '{"edited": 1}\n'
    assert not household.waiting(DAY + MINUTE).is_due
    assert household.hub.commits() == 2


# --- whether somebody is home ---


def test_whether_somebody_is_home_is_never_published_without_a_delay(household: PublishingHousehold) -> None:
    household.publish({OPEN: "[1]\n", STATE: state(connected=True)}, insistence=ASKED)
    household.publish({OTHER_OPEN: "[1]\n"}, DAY, COMPARING)
    assert household.hub.files() == {OPEN: "[1]\n", OTHER_OPEN: "[1]\n"}
    assert state(connected=True) not in household.hub.git("log", "--patch")


def test_whether_somebody_is_home_is_published_when_the_delay_is_over(household: PublishingHousehold) -> None:
    household.publish_delay_minutes = 30
    household.publish({OPEN: "[1]\n", STATE: state(connected=True)})
    household.publish({OTHER_OPEN: "[1]\n"}, 29 * MINUTE, ASKED)
    assert STATE not in household.hub.files()
    household.publish(after=30 * MINUTE)
    assert household.hub.files()[STATE] == state(connected=True)


def test_what_is_published_of_who_is_home_is_what_was_judged_though_it_changes_meanwhile(
    household: PublishingHousehold,
) -> None:
    household.publish_delay_minutes = 30
    home, away = state(connected=True), state(connected=False, minutes=30)
    household.publish({OPEN: "[1]\n", STATE: home})
    household.overtaken_by = away
    household.publish({OTHER_OPEN: "[1]\n"}, 30 * MINUTE, ASKED)
    household.overtaken_by = None
    assert household.here(STATE) == away
    assert household.hub.files() == {OPEN: "[1]\n", OTHER_OPEN: "[1]\n", STATE: home}
    household.publish({OPEN: "[2]\n"}, 59 * MINUTE, ASKED)
    assert household.hub.files()[STATE] == home
    household.publish(after=HOUR, insistence=ASKED)
    assert household.hub.files()[STATE] == away


def test_a_look_at_what_waits_opens_no_connection_and_an_upload_leaves_none_open(
    household: PublishingHousehold,
) -> None:
    household.run({OPEN: "[1]\n"})
    before = open_clients()
    publisher = household.publisher()
    assert publisher.waiting(NOW).is_due
    assert open_clients() == before
    publisher.upload(RUN, NOW, ASKED)
    assert open_clients() == before
    assert household.hub.files() == {OPEN: "[1]\n"}


def open_clients() -> int:
    """How many HTTP clients of this process are open."""
    return sum(type(one) is httpx.Client and not one.is_closed for one in gc.get_objects())


def test_a_refreshed_state_goes_along_and_makes_no_upload_due(household: PublishingHousehold) -> None:
    household.publish_delay_minutes = 0
    household.rhythm = SLOW
    household.publish({OPEN: "[1]\n", STATE: state(connected=True)})
    household.publish({OPEN: "[2]\n", STATE: state(connected=True, minutes=5)}, 5 * MINUTE)
    assert household.hub.files()[OPEN] == "[1]\n"
    household.publish({STATE: state(connected=False, minutes=6)}, 6 * MINUTE)
    assert household.hub.files() == {OPEN: "[2]\n", STATE: state(connected=False, minutes=6)}


# --- other people ---


def test_a_persons_edit_of_a_reference_file_is_taken_over_and_told(household: PublishingHousehold) -> None:
    household.publish({CONFIG: "{}\n", OPEN: "[1]\n"})
    household.hub.by_hand({CONFIG: '{"edited": 1}\n', README: "Mine\n"})
    published = household.publish({OPEN: "[2]\n"})
    assert published is not None
    assert household.told == (f"{CONFIG} was changed in the repository and taken over",)
    assert household.here(CONFIG) == '{"edited": 1}\n'
    assert household.hub.files() == {CONFIG: '{"edited": 1}\n', OPEN: "[2]\n", README: "Mine\n"}
    assert not (household.data_root / README).exists()
    commits = household.hub.commits()
    household.publish()
    assert household.hub.commits() == commits


def test_nobody_waits_for_the_network_to_edit_a_file(
    household: PublishingHousehold, running: RunningGitHub
) -> None:
    household.publish({CONFIG: "{}\n", OPEN: "[1]\n"})
    household.hub.by_hand({CONFIG: '{"edited": 1}\n'})
    held = []
    running.on_request = lambda _: held.append(household.locks.is_held(HAND_EDITED))
    household.publish({OPEN: "[2]\n"})
    running.on_request = None
    assert household.here(CONFIG) == '{"edited": 1}\n'
    assert len(held) > 1
    assert not any(held)


def test_a_persons_edit_of_a_file_that_the_pipeline_makes_is_published_over_and_told(
    household: PublishingHousehold,
) -> None:
    household.publish({CACHE: "[1]\n", OPEN: "[1]\n"})
    by_hand = household.hub.by_hand({CACHE: "[9]\n"})
    published = household.publish({OPEN: "[2]\n"})
    assert published is not None
    [told] = household.told
    assert CACHE in told
    assert "stays in the history" in told
    household.publish()
    assert household.here(CACHE) == "[1]\n"
    assert household.hub.files() == {CACHE: "[1]\n", OPEN: "[2]\n"}
    assert household.hub.git("show", f"{by_hand}:{CACHE}") == "[9]"
    assert household.hub.git("merge-base", "--is-ancestor", by_hand, "main") == ""


def test_of_a_file_that_was_edited_here_and_there_ours_is_published_and_told(
    household: PublishingHousehold,
) -> None:
    household.publish({CONFIG: "{}\n"})
    by_hand = household.hub.by_hand({CONFIG: '{"theirs": 1}\n'})
    published = household.publish({CONFIG: '{"ours": 1}\n'})
    assert published is not None
    [told] = household.told
    assert told.startswith(f"{CONFIG} was changed here and in the repository")
    assert household.here(CONFIG) == '{"ours": 1}\n'
    assert household.hub.files() == {CONFIG: '{"ours": 1}\n'}
    assert household.hub.git("show", f"{by_hand}:{CONFIG}") == '{"theirs": 1}'


def test_an_edit_between_a_publication_and_its_lost_answer_is_taken_over(
    household: PublishingHousehold, running: RunningGitHub
) -> None:
    household.publish({CONFIG: "{}\n", OPEN: "[1]\n"})
    commits = household.hub.commits()

    def edit(_: int) -> None:
        if household.hub.commits() == commits + 1:
            household.hub.by_hand({CONFIG: '{"edited": 1}\n'})

    running.on_request = edit
    running.faults.add(*(Fault(kind="unanswered", operation=name) for name in ("update_ref", "git_push")))
    household.publish({OPEN: "[2]\n"})
    running.on_request = None
    household.publish({OPEN: "[3]\n"})
    assert household.here(CONFIG) == '{"edited": 1}\n'
    assert household.hub.files() == {CONFIG: '{"edited": 1}\n', OPEN: "[3]\n"}
    assert household.hub.commits() == commits + 3


# --- other data roots ---


def refusal(household: PublishingHousehold, files: dict[str, str | None]) -> str:
    """The one line in which a publication is refused; the repository stays as it is."""
    before = household.hub.git("rev-parse", "main")
    with pytest.raises(PermanentError) as caught:
        household.publish(files)
    assert household.hub.git("rev-parse", "main") == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_fresh_data_root_replaces_nothing_of_another_ones_repository_unless_it_may(
    household: PublishingHousehold, tmp_path: Path
) -> None:
    household.publish({CACHE: "[1]\n", CONFIG: "{}\n", OPEN: "[1]\n"})
    fresh = another(household, tmp_path)
    files: dict[str, str | None] = {CACHE: "[]\n", CONFIG: "{}\n", OTHER_OPEN: "[2]\n"}
    told = refusal(fresh, files)
    assert f"another data root published and that say something else here: {CACHE}." in told
    assert "cph50 publish --replace" in told
    assert "cph50 restore" in told
    assert fresh.here(CACHE) == "[]\n"
    assert fresh.publish(insistence=REPLACING) is not None
    assert fresh.hub.files() == {CACHE: "[]\n", CONFIG: "{}\n", OPEN: "[1]\n", OTHER_OPEN: "[2]\n"}


def test_data_roots_with_files_of_their_own_share_a_repository(
    household: PublishingHousehold, tmp_path: Path
) -> None:
    household.publish({OPEN: "[1]\n"})
    fresh = another(household, tmp_path)
    fresh.publish({OTHER_OPEN: "[2]\n"})
    fresh.publish({OTHER_OPEN: None, CLOSED: "[3]\n"})
    household.publish({OPEN: "[4]\n"})
    assert household.hub.files() == {OPEN: "[4]\n", CLOSED: "[3]\n"}


def test_a_data_root_that_was_checked_out_of_the_repository_goes_on(
    household: PublishingHousehold, tmp_path: Path
) -> None:
    if household.mode == PUSH:
        pytest.skip("a checkout is gone on from through the API")
    household.publish({CACHE: "[1]\n", OPEN: "[1]\n"})
    git(tmp_path, "clone", "--quiet", str(household.hub.git_dir), "another")
    household.hub.by_hand({README: "Mine\n"})
    checkout = another(household, tmp_path)
    checkout.publish({CACHE: "[2]\n", OPEN: None})
    assert household.hub.files() == {CACHE: "[2]\n", README: "Mine\n"}


def test_nothing_is_removed_or_published_twice_when_all_memory_is_lost(
    household: PublishingHousehold,
) -> None:
    household.publish({OPEN: "[1]\n", OTHER_OPEN: "[2]\n"})
    commits = household.hub.commits()
    shutil.rmtree(household.data_root / "private")
    assert household.publish() is None
    assert household.hub.commits() == commits
    household.publish({OPEN: "[3]\n"})
    assert household.hub.files() == {OPEN: "[3]\n", OTHER_OPEN: "[2]\n"}
    household.publish({OPEN: None})
    assert household.hub.files() == {OTHER_OPEN: "[2]\n"}
    assert household.hub.commits() == commits + 2


def test_a_file_that_went_while_the_memory_was_lost_stays_in_the_repository(
    household: PublishingHousehold,
) -> None:
    household.publish({OPEN: "[1]\n", OTHER_OPEN: "[2]\n"})
    shutil.rmtree(household.data_root / "private")
    household.publish({OPEN: None, CLOSED: "[3]\n"})
    assert household.hub.files() == {OPEN: "[1]\n", OTHER_OPEN: "[2]\n", CLOSED: "[3]\n"}


def test_what_was_written_again_while_it_was_uploaded_is_no_other_data_roots(
    household: PublishingHousehold, running: RunningGitHub
) -> None:
    household.run({OPEN: "[1]\n", NIGHTLY: "[1]\n"})
    running.on_request = lambda _: household.write({NIGHTLY: "[2]\n"})
    household.upload()
    running.on_request = None
    household.publish({OPEN: "[2]\n", "power/yearly.json": "[2]\n"})
    assert household.waiting().withheld == {}
    assert household.hub.files() == {OPEN: "[2]\n", NIGHTLY: "[2]\n", "power/yearly.json": "[2]\n"}


def test_what_was_withheld_as_another_data_roots_goes_when_it_may(household: PublishingHousehold) -> None:
    household.publish({OPEN: "[1]\n"})
    for name in ("publication.json", "publication_github.json"):
        (household.locks.private_dir / name).unlink(missing_ok=True)
    with suppress(PermanentError):
        household.publish({OPEN: "[2]\n"})
    assert household.hub.files() == {OPEN: "[1]\n"}
    household.publish(insistence=REPLACING)
    assert household.hub.files() == {OPEN: "[2]\n"}
    assert household.waiting().withheld == {}


def test_a_data_root_that_was_emptied_empties_no_repository_unless_it_may(
    household: PublishingHousehold,
) -> None:
    files = {OPEN: "[1]\n", OTHER_OPEN: "[1]\n", CLOSED: "[1]\n", POWER: "[1]\n", CONFIG: "{}\n"}
    household.publish(files)
    household.publish({OPEN: None, OTHER_OPEN: None, CLOSED: None, POWER: None, CACHE: "[2]\n"})
    assert household.hub.files() == {**files, CACHE: "[2]\n"}
    [told] = household.waiting().withheld.values()
    assert told.startswith("is gone here with 3 others, more than are left")
    assert "`cph50 restore`" in told
    household.publish(insistence=REPLACING)
    assert household.hub.files() == {CACHE: "[2]\n", CONFIG: "{}\n"}
    assert household.waiting().withheld == {}


def test_a_repository_that_was_renamed_is_gone_on_with(
    household: PublishingHousehold, running: RunningGitHub
) -> None:
    household.publish({CACHE: "[1]\n", OPEN: "[1]\n", OTHER_OPEN: "[1]\n"})
    renamed = f"{household.hub.repository}-renamed"
    household.hub.git_dir.rename(running.git_dir(household.hub.repository).with_name(f"{renamed[10:]}.git"))
    household.hub = Hub.of(running, renamed)
    household.publish({OPEN: "[2]\n", OTHER_OPEN: None})
    assert household.hub.files() == {CACHE: "[1]\n", OPEN: "[2]\n"}
    assert household.told == ()


# --- failures ---


def fail(
    household: PublishingHousehold,
    after: timedelta,
    kind: type[Cph50Error] = Cph50Error,
    insistence: Insistence = AT_A_RUNS_END,
) -> Cph50Error:
    """An upload that fails."""
    with pytest.raises(kind) as caught:
        household.upload(after, insistence)
    return caught.value


def test_after_a_failure_an_upload_waits_longer_each_time_unless_asked_for(
    household: PublishingHousehold, running: RunningGitHub
) -> None:
    household.publish({OPEN: "[1]\n"})
    household.run({OPEN: "[2]\n"}, MINUTE)
    running.faults.fail(503, times=None)
    fail(household, HOUR, TransientError, IMPATIENT)
    assert household.known().retry_at == NOW + HOUR + MINUTE
    assert not household.waiting(HOUR).is_due
    assert household.upload(HOUR) is None
    fail(household, HOUR + MINUTE, TransientError, IMPATIENT)
    assert household.known().retry_at == NOW + HOUR + 3 * MINUTE
    running.faults.clear()
    assert household.upload(HOUR + 2 * MINUTE) is None
    assert household.upload(HOUR + 2 * MINUTE, ASKED) is not None
    assert household.hub.files() == {OPEN: "[2]\n"}
    assert (household.known().failures, household.known().retry_at) == (0, None)


def test_a_failed_upload_waits_though_more_was_written_since(
    household: PublishingHousehold, running: RunningGitHub
) -> None:
    household.publish({OPEN: "[1]\n"})
    household.run({OPEN: "[2]\n"}, MINUTE)
    running.revoke_token(TOKEN)
    fail(household, MINUTE, PermanentError)
    running.add_token(TOKEN)
    household.write({OTHER_OPEN: "[1]\n"})
    assert household.upload(MINUTE) is None
    assert household.hub.files() == {OPEN: "[1]\n"}


def test_what_a_limit_asks_for_is_waited_for(household: PublishingHousehold, running: RunningGitHub) -> None:
    if household.mode == PUSH:
        pytest.skip("git says nothing of how long to wait")
    household.publish({OPEN: "[1]\n"})
    household.run({OPEN: "[2]\n"})
    running.faults.fail(
        429, headers={"Retry-After": "1200"}, body='{"message": "You have exceeded a secondary rate limit."}'
    )
    assert fail(household, MINUTE, TransientError)
    assert household.known().retry_at == NOW + 21 * MINUTE


def test_a_failed_upload_loses_nothing_and_the_next_one_makes_up_for_it(
    household: PublishingHousehold, running: RunningGitHub
) -> None:
    household.publish({OPEN: "[1]\n"})
    running.revoke_token(TOKEN)
    household.run({OPEN: "[2]\n"}, MINUTE)
    fail(household, MINUTE, PermanentError)
    household.run({OTHER_OPEN: "[2]\n"}, 2 * MINUTE)
    assert household.upload(MINUTE + 30 * timedelta(seconds=1)) is None
    running.add_token(TOKEN)
    published = household.upload(HOUR)
    assert published is not None
    assert household.hub.files() == {OPEN: "[2]\n", OTHER_OPEN: "[2]\n"}
    assert "run-3" in household.hub.git("log", "--format=%B")
    assert "run-2" in household.hub.git("log", "--format=%B")


# --- what is withheld ---


def test_a_damaged_file_is_withheld_with_the_reason_until_it_is_mended(
    household: PublishingHousehold,
) -> None:
    household.publish({CACHE: "[1]\n"})
    household.publish({CACHE: "[1", OPEN: "[2]\n"})
    assert household.hub.files() == {CACHE: "[1]\n", OPEN: "[2]\n"}
    assert household.waiting().withheld == {CACHE: "is damaged; the repository keeps the last good version"}
    household.publish({CACHE: "[3]\n"})
    assert household.hub.files() == {CACHE: "[3]\n", OPEN: "[2]\n"}
    assert not household.waiting().withheld


def test_a_file_that_is_too_large_is_withheld_with_the_reason_until_it_is_smaller(
    household: PublishingHousehold,
) -> None:
    household.largest_bytes = 1000
    household.publish({CACHE: f'["{"x" * 1000}"]\n', OPEN: "[2]\n"})
    assert household.hub.files() == {OPEN: "[2]\n"}
    assert "GitHub takes no file above" in household.waiting().withheld[CACHE]
    household.publish({CACHE: "[1]\n"})
    assert household.hub.files() == {CACHE: "[1]\n", OPEN: "[2]\n"}


def test_the_files_of_a_month_that_another_run_holds_wait_for_it(household: PublishingHousehold) -> None:
    with household.locks.month(["2025-12"]):
        household.publish({CLOSED: "[1]\n", OPEN: "[1]\n"})
        assert household.hub.files() == {OPEN: "[1]\n"}
    household.publish()
    assert household.hub.files() == {CLOSED: "[1]\n", OPEN: "[1]\n"}


def test_the_files_of_ones_own_months_go_while_they_are_held(household: PublishingHousehold) -> None:
    household.own_months = ["2025-12"]
    with household.locks.month(["2025-12"]):
        household.publish({CLOSED: "[1]\n"})
        assert household.locks.is_held(month_lock_name("2025-12"))
    assert household.hub.files() == {CLOSED: "[1]\n"}


# --- kills ---


def assert_completed(household: PublishingHousehold, commits_before: int) -> None:
    """The next publication leaves what was to be published there, once."""
    household.publish(insistence=ASKED)
    assert household.hub.files() == {CONFIG: "{}\n", OPEN: "[2]\n", CLOSED: "[3]\n"}
    household.publish(insistence=COMPARING)
    assert household.hub.commits() == commits_before + 1
    assert household.known().failures == 0


def prepare(household: PublishingHousehold) -> int:
    """Publish something, and leave the files of a next run; returns the number of commits."""
    household.publish({CONFIG: "{}\n", OPEN: "[1]\n", OTHER_OPEN: "[1]\n"})
    household.write({OPEN: "[2]\n", OTHER_OPEN: None, CLOSED: "[3]\n"})
    return household.hub.commits()


def test_a_publication_killed_after_any_request_is_completed_by_the_next(
    household: PublishingHousehold, running: RunningGitHub, tmp_path: Path
) -> None:
    for killed_after in count(1):
        hub = Hub.of(running, f"household/killed-{next(_numbers)}")
        killed = PublishingHousehold(tmp_path / str(killed_after), hub, household.mode)
        commits = prepare(killed)
        process = start(publish_in_a_process, str(killed.data_root), hub, household.mode)
        running.on_request = killer(process, killed_after)
        join(process)
        running.on_request = None
        assert_completed(killed, commits)
        if process.exitcode == 0:
            break
    assert killed_after > 4


def test_what_changed_since_a_publication_was_killed_at_its_end_is_no_other_data_roots(
    household: PublishingHousehold, running: RunningGitHub
) -> None:
    commits = prepare(household)
    process = start(publish_in_a_process, str(household.data_root), household.hub, household.mode)
    running.on_request = lambda _: process.kill() if household.hub.commits() > commits else None
    join(process)
    running.on_request = None
    household.publish({CLOSED: "[4]\n"})
    assert process.exitcode != 0
    assert household.told == ()
    assert household.hub.files() == {CONFIG: "{}\n", OPEN: "[2]\n", CLOSED: "[4]\n"}


def killer(process: BaseProcess, killed_after: int) -> Callable[[int], None]:
    """A hook that kills a process when so many requests were carried out."""
    carried_out = count(1)

    def kill(_: int) -> None:
        if next(carried_out) == killed_after:
            process.kill()

    return kill


def test_a_publication_killed_at_any_step_is_completed_by_the_next(
    household: PublishingHousehold, running: RunningGitHub, tmp_path: Path
) -> None:
    commits = prepare(household)
    for folder in (household.data_root, household.hub.git_dir):
        shutil.copytree(folder, tmp_path / "before" / folder.name)
    for step in count(1, STEPS_AT_A_TIME):
        for folder in (household.data_root, household.hub.git_dir):
            shutil.rmtree(folder)
            shutil.copytree(tmp_path / "before" / folder.name, folder)
        running.create_repository(household.hub.repository)
        data_root = str(household.data_root)
        is_killed = is_killed_at(step, publish_in_a_process, data_root, household.hub, household.mode)
        assert_completed(household, commits)
        if not is_killed:
            break
    assert step > 40


# --- secrets ---


def test_the_token_shows_nowhere(household: PublishingHousehold, running: RunningGitHub) -> None:
    household.publish({OPEN: "[1]\n", CONFIG: "{}\n"})
    household.run({OPEN: "[2]\n"})
    running.faults.fail(500, times=None)
    texts = [told(fail(household, MINUTE, insistence=IMPATIENT))]
    running.faults.clear()
    running.faults.add(Fault(kind="hang_up", times=None))
    texts.append(told(fail(household, HOUR, insistence=IMPATIENT)))
    running.faults.clear()
    running.revoke_token(TOKEN)
    texts.append(told(fail(household, DAY)))
    running.add_token(TOKEN)
    household.upload(2 * DAY)
    publisher = household.publisher()
    texts += [repr(publisher), repr(vars(publisher)), repr(household.waiting())]
    texts += [household.hub.git("log", "--format=fuller", "--patch")]
    assert not [text for text in texts if TOKEN in text]
    assert not [file for file in household.data_root.rglob("*") if file.is_file() and holds_token(file)]
    clone = household.data_root / "private" / "publication.git"
    if clone.exists():
        history = git(clone, f"--git-dir={clone}", "log", "--all", "--patch", "--format=fuller")
        assert "run-2" in history
        assert TOKEN not in history


def told(error: Cph50Error) -> str:
    """All that a log could show of an error."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


def holds_token(file: Path) -> bool:
    return TOKEN.encode() in file.read_bytes()
