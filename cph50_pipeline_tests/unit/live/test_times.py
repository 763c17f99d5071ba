from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.live.times import microseconds, moment_of

zones = st.sampled_from([UTC, timezone(timedelta(hours=-8)), timezone(timedelta(hours=5, minutes=45))])


@given(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=zones))
def test_a_moment_is_kept_to_the_microsecond_whatever_its_offset(moment: datetime) -> None:
    assert moment_of(microseconds(moment)) == moment


def test_the_count_begins_with_1970() -> None:
    assert microseconds(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC)) == 1_000_005
