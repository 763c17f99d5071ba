from __future__ import annotations

from datetime import date
from random import Random

import pytest

from cph50_pipeline.simulator.cars import EMBER, TIDE
from cph50_pipeline.simulator.days import DayKind, draw_plug_ins

DAY = date(2025, 10, 10)


@pytest.mark.parametrize("kind", list(DayKind))
def test_a_car_plugged_in_from_the_evening_before_leaves_no_room_at_night(kind: DayKind) -> None:
    draws = draw_plug_ins(kind, DAY, EMBER, TIDE, Random(1), night_is_free=False)
    assert all(draw.start_hour > 6 for draw in draws)


def test_the_first_car_charges_at_night_and_the_second_one_takes_its_place() -> None:
    draws = draw_plug_ins(DayKind.SWAP, DAY, EMBER, TIDE, Random(1), night_is_free=True)
    assert [draw.car for draw in draws] == [EMBER, TIDE]
