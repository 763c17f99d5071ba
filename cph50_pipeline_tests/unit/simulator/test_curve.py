from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.simulator.curve import Curve, Wave, charge

WAVES = st.tuples(
    st.builds(Wave, st.floats(0, 0.01), st.floats(120, 90_000), st.floats(0, math.tau)),
    st.builds(Wave, st.floats(0, 0.01), st.floats(120, 90_000), st.floats(0, math.tau)),
)
BURSTS = st.builds(
    charge,
    st.floats(0, 600),
    st.floats(30, 40_000),
    st.floats(0.3, 12),
    WAVES,
    ramp=st.floats(0, 120),
    taper=st.floats(0, 1800),
)


@given(BURSTS, st.lists(st.floats(0, 50_000), min_size=2, max_size=20))
def test_the_counter_never_falls(burst: object, seconds: list[float]) -> None:
    curve = Curve((burst,))  # type: ignore[arg-type]
    readings = [curve.energy_kwh(second) for second in sorted(seconds)]
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(readings))


def test_the_counter_is_the_integral_of_power() -> None:
    waves = (Wave(0.004, 86_400, 1.0), Wave(0.0025, 3000, 0.3))
    curve = Curve((charge(5, 7200, 8.55, waves, ramp=40, taper=900),))
    summed = sum(curve.power_kw(second + 0.5) for second in range(7300)) / 3600
    assert curve.energy_kwh(7300) == pytest.approx(summed, rel=1e-5)


def test_power_ramps_holds_and_tapers() -> None:
    curve = Curve((charge(0, 7200, 9.0, (), ramp=60, taper=900),))
    assert curve.power_kw(0) == 0
    assert curve.power_kw(30) == pytest.approx(4.5)
    assert curve.power_kw(3600) == pytest.approx(9.0)
    assert 2.7 < curve.power_kw(7100) < 4.0
    assert curve.power_kw(7200) == 0


def test_a_cut_charge_keeps_its_plateau_to_the_end() -> None:
    curve = Curve((charge(0, 3600, 9.0, (), ramp=60, taper=0),))
    assert curve.power_kw(3599) == pytest.approx(9.0)


def test_nothing_is_counted_after_the_charge() -> None:
    curve = Curve((charge(0, 3600, 9.0, (), ramp=60, taper=600),))
    assert curve.energy_kwh(90_000) == curve.energy_kwh(3600)
    assert curve.drawing_seconds(90_000) == 3600


def test_a_charge_shorter_than_ramp_and_taper_still_has_all_three_parts() -> None:
    burst = charge(0, 40, 9.0, (), ramp=60, taper=900)
    assert burst.begin < burst.ramp < burst.plateau < burst.end == 40
