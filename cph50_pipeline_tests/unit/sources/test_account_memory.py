"""What is remembered of an account."""

from __future__ import annotations

from pathlib import Path

from cph50_pipeline.charging.answers import Discovery, read_answer
from cph50_pipeline.sources.account_memory import KEPT_SECONDS, AccountMemory

DISCOVERY = read_answer(
    Discovery,
    {"region": "NA-US", "endPoints": {"sso_endpoint": {"value": "https://sso.example/"}}},
    "the addresses",
)


class FakeTime:
    seconds = 1_700_000_000.0

    def now(self) -> float:
        return self.seconds


def remembering(folder: Path, clock: FakeTime, account: str = "home") -> AccountMemory:
    return AccountMemory(folder, account=account, now=clock.now)


def full(folder: Path, clock: FakeTime) -> AccountMemory:
    memory = remembering(folder, clock)
    memory.learn_discovery(DISCOVERY)
    memory.learn_user("7")
    memory.learn_chargers(["1", "2"])
    return memory


def test_what_one_process_learned_another_knows(tmp_path: Path) -> None:
    clock = FakeTime()
    full(tmp_path, clock)
    other = remembering(tmp_path, clock)
    assert other.discovery is not None
    assert other.discovery.address("sso_endpoint") == "https://sso.example/"
    assert (other.user_id, other.charger_ids) == ("7", ["1", "2"])


def test_it_lasts_a_day_also_in_the_process_that_learned_it(tmp_path: Path) -> None:
    clock = FakeTime()
    memory = full(tmp_path, clock)
    clock.seconds += KEPT_SECONDS - 1
    assert memory.user_id == "7"
    clock.seconds += 1
    assert (memory.discovery, memory.user_id, memory.charger_ids) == (None, None, [])


def test_another_account_knows_nothing_of_it(tmp_path: Path) -> None:
    clock = FakeTime()
    full(tmp_path, clock)
    assert remembering(tmp_path, clock, "other").discovery is None


def test_what_is_forgotten_is_forgotten_for_all(tmp_path: Path) -> None:
    clock = FakeTime()
    memory = full(tmp_path, clock)
    memory.forget()
    assert memory.discovery is None
    assert remembering(tmp_path, clock).discovery is None


def test_it_is_as_private_as_the_token(tmp_path: Path) -> None:
    full(tmp_path, FakeTime())
    assert (tmp_path / "chargepoint_account.json").stat().st_mode & 0o777 == 0o600
