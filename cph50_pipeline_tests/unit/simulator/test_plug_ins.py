from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.simulator.cars import EMBER, TIDE
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.plug_ins import LiveHousehold, PlugInBook

SEEN = datetime(2025, 5, 1, tzinfo=UTC)
MONTH = (SEEN, SEEN + timedelta(days=30))


def live(path: Path | None = None) -> LiveHousehold:
    return LiveHousehold(Household(), PlugInBook(path))


def month(household: LiveHousehold) -> list[int]:
    days = [(SEEN + timedelta(days=number)).date() for number in range(30)]
    return [session.session_id for day in days for session in household.sessions_on(day)]


def test_a_car_plugged_in_charges_for_its_minutes() -> None:
    household = live()
    session = household.plug_in(SEEN, "tide", 45)
    assert (session.start, session.end) == (SEEN, SEEN + timedelta(minutes=45))
    assert session.energy_kwh == pytest.approx(9.05 * 0.75, rel=0.03)
    assert household.session(session.session_id) == session
    assert household.true_vehicle(session.session_id) == "tide_suv_2024"


def test_a_plug_in_survives_a_restart(tmp_path: Path) -> None:
    session = live(tmp_path / "plug_ins.json").plug_in(SEEN, "guest_van_2022", 30)
    assert live(tmp_path / "plug_ins.json").session(session.session_id) == session


def test_a_running_server_sees_what_another_noted(tmp_path: Path) -> None:
    watching = live(tmp_path / "plug_ins.json")
    session = live(tmp_path / "plug_ins.json").plug_in(SEEN, "ember", 30)
    assert watching.session(session.session_id) == session


def test_without_plug_ins_the_plan_stands() -> None:
    assert month(live()) == [
        one.session_id
        for one in Household().sessions_between(
            datetime(2025, 5, 1, 7, tzinfo=UTC), datetime(2025, 5, 31, 7, tzinfo=UTC)
        )
    ]


def test_a_car_on_the_charger_is_cut_off_by_the_next() -> None:
    household = live()
    planned = next(one for one in household.plan.sessions_between(*MONTH) if one.kind == "scheduled")
    taken = planned.start + timedelta(hours=1)
    household.plug_in(taken, "ember", 30)
    cut = household.session(planned.session_id)
    assert cut is not None
    assert cut.end == cut.reported_end == taken
    assert cut.energy_kwh == planned.energy_kwh_by(taken)


def test_what_was_planned_during_a_plug_in_does_not_happen() -> None:
    household = live()
    planned = next(one for one in household.plan.sessions_between(*MONTH) if one.kind == "scheduled")
    household.plug_in(planned.start - timedelta(minutes=10), "ember", 60)
    assert household.session(planned.session_id) is None


def test_a_public_session_is_left_alone() -> None:
    household = live()
    year = household.plan.sessions_between(SEEN, SEEN + timedelta(days=200))
    public = next(one for one in year if not one.is_home)
    household.plug_in(public.start + timedelta(minutes=10), "ember", 60)
    assert household.session(public.session_id) == public


def test_a_second_plug_in_cuts_the_first() -> None:
    household = live()
    first = household.plug_in(SEEN, "ember", 60)
    household.plug_in(SEEN + timedelta(minutes=20), "tide", 60)
    cut = household.session(first.session_id)
    assert cut is not None
    assert cut.end == SEEN + timedelta(minutes=20)


def test_plug_ins_of_one_second_get_their_own_ids(tmp_path: Path) -> None:
    path = tmp_path / "plug_ins.json"
    with ThreadPoolExecutor(8) as pool:
        noted = list(pool.map(lambda _: PlugInBook(path).add(SEEN, TIDE, 5), range(16)))
    assert len({entry.at for entry in noted}) == 16
    assert len(PlugInBook(path).entries()) == 16


@pytest.mark.parametrize("minutes", [0, -5, 0.5, 1441, float("nan")])
def test_an_impossible_length_is_refused(minutes: float) -> None:
    with pytest.raises(BadInputError, match="minutes"):
        PlugInBook().add(SEEN, EMBER, minutes)


def test_a_time_without_offset_is_refused() -> None:
    with pytest.raises(BadInputError, match="no UTC offset"):
        PlugInBook().add(datetime(2025, 5, 1), EMBER, 10)


def test_an_unknown_car_is_refused_by_naming_the_known() -> None:
    with pytest.raises(BadInputError, match="ember_hatch_2023"):
        live().plug_in(SEEN, "lorry", 10)


@pytest.mark.parametrize("text", ["", "[]", '{"plug_ins": [{"at": "soon"}]}', '{"plug_ins": 3}'])
def test_a_file_of_something_else_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plug_ins.json"
    path.write_text(text)
    with pytest.raises(BadInputError, match=r"plug_ins\.json"):
        PlugInBook(path)


def test_sessions_follow_the_limit_in_force_when_they_start() -> None:
    changed, planned = live(), Household()
    middle = SEEN + timedelta(days=15)
    changed.set_amperage_limit(middle, 24)
    homely = [one for one in planned.sessions_between(*MONTH) if one.kind in ("scheduled", "evening")]
    for before in homely:
        after = changed.session(before.session_id)
        assert after is not None
        share = after.power_kw_at(after.start + timedelta(minutes=10)) / before.power_kw_at(
            before.start + timedelta(minutes=10)
        )
        assert share == pytest.approx(24 / 40 if before.start >= middle else 1.0, rel=0.01)
    assert {one.start >= middle for one in homely} == {True, False}
    assert month(changed) == month(live())


def test_a_car_plugged_in_follows_the_limit_and_a_later_change_leaves_it_alone() -> None:
    household = live()
    household.set_amperage_limit(SEEN, 32)
    session = household.plug_in(SEEN, "tide", 45)
    household.set_amperage_limit(SEEN + timedelta(minutes=20), 16)
    assert household.session(session.session_id) == session
    assert session.power_kw_at(SEEN + timedelta(minutes=30)) == pytest.approx(9.05 * 32 / 40, rel=0.03)
    assert household.charger_at(SEEN + timedelta(minutes=19)).amperage_limit == 32
    assert household.charger_at(SEEN + timedelta(minutes=20)).amperage_limit == 16
    assert household.charger_at(SEEN - timedelta(seconds=1)).amperage_limit == 40


def test_a_limit_survives_a_restart_beside_the_plug_ins(tmp_path: Path) -> None:
    path = tmp_path / "plug_ins.json"
    watching = live(path)
    session = live(path).plug_in(SEEN, "ember", 30)
    live(path).set_amperage_limit(SEEN + timedelta(hours=1), 20)
    for household in (watching, live(path)):
        assert household.charger_at(SEEN + timedelta(hours=2)).amperage_limit == 20
        assert household.session(session.session_id) == session


def test_of_two_limits_in_one_second_the_later_noted_stands() -> None:
    household = live()
    household.set_amperage_limit(SEEN, 20)
    household.set_amperage_limit(SEEN, 28)
    assert household.charger_at(SEEN).amperage_limit == 28


def test_a_limit_that_the_charger_does_not_offer_is_refused_and_not_noted() -> None:
    household = live()
    with pytest.raises(BadInputError, match="17 A"):
        household.set_amperage_limit(SEEN, 17)
    assert household.book.limits() == ()


def test_a_file_from_before_limits_were_noted_is_read(tmp_path: Path) -> None:
    path = tmp_path / "plug_ins.json"
    path.write_text('{"plug_ins": []}')
    assert live(path).charger_at(SEEN).amperage_limit == 40
