"""Groups of sessions that nobody named: what charged alike comes together, whatever else there is."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.charging.answers import ChargingStatus
from cph50_pipeline.charging.model import Reading
from cph50_pipeline.civil_time import from_epoch_ms
from cph50_pipeline.vehicles.features import fingerprint
from cph50_pipeline.vehicles.groups import ENOUGH_LABELS, SMALLEST_GROUP, Unnamed, propose_groups
from cph50_pipeline_tests.unit.vehicles.labelled import EMBER, FIRST_DAY, seen


def unnamed(
    power_kw: float,
    day: float,
    *,
    limit: float | None = None,
    offset: float = 0.0,
    guess: str | None = None,
) -> Unnamed:
    start = FIRST_DAY + timedelta(days=day)
    return Unnamed(f"{day:05.1f}-{power_kw:.3f}", start, seen(power_kw, limit), offset, guess)


def level(power_kw: float, count: int, *, spread: float = 0.006, seed: int = 1) -> list[Unnamed]:
    draw = random.Random(f"{seed}:{power_kw}")
    return [unnamed(power_kw * (1 + draw.gauss(0, spread)), day) for day in range(count)]


def sizes(sessions: Sequence[Unnamed]) -> list[int]:
    return [len(group.session_ids) for group in propose_groups(sessions).groups]


def test_without_sessions_nothing_is_proposed() -> None:
    proposal = propose_groups([])
    assert (proposal.groups, proposal.singles) == ((), ())


def test_two_cars_four_percent_apart_are_two_groups_and_the_odd_sessions_stay_alone() -> None:
    odd = [unnamed(7.4, 90), unnamed(8.0, 91)]
    proposal = propose_groups([*level(8.55, 12), *level(8.9, 9), *odd])
    assert [(len(group.session_ids), round(group.power_kw, 1)) for group in proposal.groups] == [
        (12, 8.6),
        (9, 8.9),
    ]
    assert proposal.singles == tuple(one.session_id for one in odd)


def test_one_car_is_one_group_however_many_sessions_it_has() -> None:
    for count in (3, 10, 100, 400):
        assert sizes(level(9.0, count, spread=0.01)) == [count]


def test_among_hundreds_of_sessions_an_odd_one_does_not_join_two_cars() -> None:
    between = [unnamed(power_kw, 500 + place) for place, power_kw in enumerate((8.68, 8.72, 8.76))]
    first, second, *_ = sizes([*level(8.55, 300), *level(8.9, 200), *between])
    assert (first >= 300, second >= 200) == (True, True)


def test_sessions_under_different_limits_are_different_groups_and_the_question_says_which() -> None:
    at_40 = [unnamed(9.06, day, limit=40) for day in range(12)]
    at_32 = [unnamed(7.25, day, limit=32) for day in range(20, 24)]
    assert [group.question for group in propose_groups([*at_40, *at_32]).groups] == [
        "12 sessions near 9.06 kW at 40 A: which car?",
        "4 sessions near 7.25 kW at 32 A: which car?",
    ]


def test_sessions_whose_limit_nobody_saw_lie_with_those_of_their_power() -> None:
    group = propose_groups([*level(9.06, 5), *(unnamed(9.06, 30 + day, limit=40) for day in range(3))]).groups
    assert [(len(one.session_ids), one.amperage_limits) for one in group] == [(8, (40.0,))]


def test_what_the_supply_is_known_to_have_done_does_not_part_a_car() -> None:
    before = [unnamed(9.0, day) for day in range(5)]
    risen = [unnamed(9.0 * 1.05, 60 + day, offset=0.0488) for day in range(5)]
    assert sizes([*before, *risen]) == [10]


def test_two_alike_are_no_group() -> None:
    proposal = propose_groups(level(9.0, SMALLEST_GROUP - 1))
    assert proposal.groups == ()
    assert len(proposal.singles) == SMALLEST_GROUP - 1


def test_the_examples_are_the_most_typical_sessions_the_newest_first() -> None:
    typical = [unnamed(9.0, day) for day in range(6)]
    [group] = propose_groups([*typical, unnamed(8.9, 10), unnamed(9.1, 11)]).groups
    assert group.examples == tuple(one.session_id for one in reversed(typical[3:]))


def test_five_labels_suffice_and_fewer_where_the_car_has_some_or_the_group_is_small() -> None:
    def wanted(sessions: Sequence[Unnamed]) -> list[int]:
        return [group.labels_wanted for group in propose_groups(sessions, {EMBER: 3, "tide": 9}).groups]

    assert wanted(level(9.0, 12)) == [ENOUGH_LABELS]
    assert wanted(level(9.0, 4)) == [4]
    assert wanted([unnamed(9.0, day, guess=EMBER) for day in range(12)]) == [2]
    assert wanted([unnamed(9.0, day, guess="tide") for day in range(12)]) == [1]


def test_a_group_says_what_most_of_it_was_taken_for() -> None:
    mixed = [unnamed(9.0, day, guess=EMBER if day < 4 else None) for day in range(6)]
    [group] = propose_groups(mixed).groups
    assert group.guess == EMBER
    assert group.question.endswith("which car? Perhaps ember.")
    assert propose_groups(mixed[3:]).groups[0].guess is None


@given(
    st.lists(
        st.tuples(st.floats(1.5, 12), st.sampled_from([None, 32.0, 40.0]), st.floats(-0.05, 0.05)),
        max_size=25,
    ),
    st.randoms(use_true_random=False),
)
def test_every_session_is_in_one_group_or_alone_in_whatever_order_they_come(
    drawn: list[tuple[float, float | None, float]], order: random.Random
) -> None:
    sessions = [
        unnamed(power, day, limit=limit, offset=offset) for day, (power, limit, offset) in enumerate(drawn)
    ]
    proposal = propose_groups(sessions)
    placed = [*proposal.singles, *(id_ for group in proposal.groups for id_ in group.session_ids)]
    assert sorted(placed) == sorted(one.session_id for one in sessions)
    for group in proposal.groups:
        assert len(group.session_ids) >= SMALLEST_GROUP
        assert set(group.examples) <= set(group.session_ids)
        assert 1 <= group.labels_wanted <= len(group.session_ids)
    shuffled = list(sessions)
    order.shuffle(shuffled)
    assert propose_groups(shuffled) == proposal


def test_of_the_recorded_household_the_two_plateaus_come_out_as_two_groups(real_answers: Path) -> None:
    sessions = []
    for file in sorted(real_answers.glob("status/*.json")):
        status = ChargingStatus.model_validate(json.loads(file.read_text())["charging_status"])
        readings = [
            Reading(from_epoch_ms(p.timestamp), p.energy_kwh, p.power_kw, "curve") for p in status.update_data
        ]
        seen_ = fingerprint(readings) if status.is_home_charger else None
        if seen_ is not None:
            sessions.append(Unnamed(status.session_id, from_epoch_ms(status.start_time), seen_))
    proposal = propose_groups(sessions)
    lower, upper = sorted(group.power_kw for group in proposal.groups)
    assert upper - lower > 0.4
    assert proposal.singles == ()
    assert all(len(group.session_ids) > ENOUGH_LABELS for group in proposal.groups)
