"""The stream of what is shown now: what changed is sent, a part that is not made is not vouched for, and it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.web.live_part import MOST_LISTENERS, MOST_OF_ONE_CLIENT, LivePart, Pace

QUICK = Pace(look_seconds=0.01, longest_rest_seconds=0.02, beat_seconds=0.02, trusted_seconds=0.1)


def part(**sections: str) -> str:
    """A live part with these sections."""
    every = "\n".join(
        f'<section class="x" id="{name}"><p>{said}</p></section>' for name, said in sections.items()
    )
    return f'<div id="live" data-title="{len(every)}">\n{every}\n</div>'


def always(text: str) -> Callable[[], Awaitable[str]]:
    """What makes this part each time."""

    async def made() -> str:
        return text

    return made


def name_of(event: bytes) -> str:
    return next((line[7:] for line in event.decode().split("\n") if line.startswith("event: ")), "retry")


async def names(stream: AsyncIterator[bytes], count: int) -> list[str]:
    """The names of the next events."""
    return [name_of(await asyncio.wait_for(anext(stream), 5)) for _ in range(count)]


def test_who_heard_what_was_told_before_is_sent_only_the_sections_that_became_others() -> None:
    said = ["one"]

    async def made() -> str:
        return part(house="a" * 1000, charger=said[0], period="b")

    async def heard() -> tuple[list[str], str]:
        live = LivePart(made, QUICK)
        stream = live.listen("a")
        first = await names(stream, 2)
        said[0] = "two"
        async for event in stream:
            if name_of(event) != "beat":
                return [*first, name_of(event)], event.decode()
        raise AssertionError("the stream ended")

    got, change = asyncio.run(heard())
    assert got == ["retry", "now", "change"]
    assert 'id="charger"' in change
    assert "two" in change
    assert "data-title" in change
    assert 'id="house"' not in change
    assert 'id="period"' not in change


def test_other_sections_than_before_are_told_whole() -> None:
    said = [part(house="a")]

    async def made() -> str:
        return said[0]

    async def heard() -> list[str]:
        stream = LivePart(made, QUICK).listen("a")
        first = await names(stream, 2)
        said[0] = part(charger="b", house="a")
        return [*first, *[name for name in await names(stream, 20) if name != "beat"]]

    assert asyncio.run(heard()) == ["retry", "now", "now"]


def test_a_part_that_is_not_made_any_more_is_not_vouched_for_by_beats() -> None:
    async def heard() -> list[str]:
        calls: list[int] = []

        async def made() -> str:
            if calls:
                await asyncio.Event().wait()
            calls.append(1)
            return part(house="a")

        pace = Pace(look_seconds=0.01, beat_seconds=0.01, trusted_seconds=0.1, stream_seconds=0.5)
        return [name_of(event) async for event in LivePart(made, pace).listen("a")]

    got = asyncio.run(heard())
    assert (got[:3], got[-1]) == (["retry", "now", "beat"], "over")
    assert got.count("beat") <= 10  # in half a second there was time for fifty


def test_a_stream_ends_after_a_while_and_says_so() -> None:
    async def heard() -> list[str]:
        pace = Pace(look_seconds=0.01, beat_seconds=0.01, stream_seconds=0.05)
        return [name_of(event) async for event in LivePart(always(part(house="a")), pace).listen("a")]

    got = asyncio.run(heard())
    assert (got[:2], got[-1]) == (["retry", "now"], "over")


def test_one_client_cannot_take_the_places_of_others() -> None:
    async def filled() -> None:
        live = LivePart(always(part(house="a")), QUICK)
        own = [live.listen("greedy") for _ in range(MOST_OF_ONE_CLIENT)]
        for stream in own:
            await anext(stream)
        assert (live.has_room("greedy"), live.has_room("modest")) == (False, True)
        others = [live.listen(f"client {number}") for number in range(MOST_LISTENERS - MOST_OF_ONE_CLIENT)]
        for stream in others:
            await anext(stream)
        assert not live.has_room("modest")
        for stream in own + others:
            await stream.aclose()  # type: ignore[attr-defined]
        assert live.has_room("greedy")

    asyncio.run(filled())


@given(st.floats(0, 100))
def test_a_rest_is_five_times_the_look_within_its_bounds(took_seconds: float) -> None:
    pace = Pace()
    rest = pace.rest_seconds(took_seconds)
    assert pace.look_seconds <= rest <= pace.longest_rest_seconds
    assert rest >= min(5 * took_seconds, pace.longest_rest_seconds)
    assert rest + pace.beat_seconds < pace.trusted_seconds
