"""Commits of the simulated GitHub as values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.simulator.github.commits import CommitContent, Person, commit_bytes, parse_commit

ZONES = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=ZONES)
WORDS = st.text("abc äß", min_size=1, max_size=8).map(str.strip).filter(bool)
PEOPLE = st.builds(
    lambda name, at: Person(name, "wren@household.example", at.replace(microsecond=0)), WORDS, MOMENTS
)
IDS = st.text("0123456789abcdef", min_size=40, max_size=40)
COMMITS = st.builds(
    CommitContent, IDS, st.lists(IDS, max_size=3).map(tuple), PEOPLE, PEOPLE, st.text("ab\n ä")
)


@given(COMMITS)
def test_what_is_written_of_a_commit_is_read_again(commit: CommitContent) -> None:
    assert parse_commit(commit_bytes(commit)) == commit


def test_a_signature_is_passed_over() -> None:
    lines = [
        f"tree {'1' * 40}",
        "author Wren <wren@household.example> 1767225600 -0330",
        "committer  <> 0 +0000",
        "gpgsig -----BEGIN PGP SIGNATURE-----",
        " parent of nothing",
        " -----END PGP SIGNATURE-----",
        "",
        "Message",
    ]
    commit = parse_commit("\n".join(lines).encode())
    assert commit.parents == ()
    assert commit.message == "Message"
    assert commit.author.at == datetime(2026, 1, 1, tzinfo=UTC)
    assert commit.author.at.utcoffset() == -timedelta(hours=3, minutes=30)
    assert commit.committer == Person("", "", datetime(1970, 1, 1, tzinfo=UTC))
