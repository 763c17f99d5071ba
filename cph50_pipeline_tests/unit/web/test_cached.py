"""Answers kept ready: hits, one builder, old answers while a new one is made and after it failed, bounds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from cph50_pipeline.errors import TransientError
from cph50_pipeline.web.cached import BEING_REBUILT, RETRY_SECONDS, AnswerCache, Body


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def body(text: str) -> Callable[[], Body]:
    return lambda: Body(text.encode(), "text/plain")


def broken() -> Body:
    raise TransientError("The disk is away")


def test_what_did_not_change_is_built_once() -> None:
    cache, built = AnswerCache(), []

    def build() -> Body:
        built.append(1)
        return Body(b"one", "text/plain")

    answers = [cache.get("key", "v1", build) for _ in range(5)]

    assert built == [1]
    assert {answer.body.data for answer in answers} == {b"one"}
    assert (cache.counts().misses, cache.counts().hits, cache.counts().hit_rate) == (1, 4, 0.8)


def test_the_same_bytes_have_the_same_etag_and_others_another() -> None:
    one, same, other = body("a")(), body("a")(), body("b")()
    assert one.etag == same.etag != other.etag
    assert one.etag.startswith('"')


def test_many_that_ask_at_once_wait_for_one_builder() -> None:
    cache, built = AnswerCache(), []
    asking, release = threading.Barrier(8), threading.Event()

    def build() -> Body:
        built.append(threading.get_ident())
        release.wait(30)
        return Body(b"made", "text/plain")

    def ask() -> bytes:
        asking.wait(30)
        return cache.get("key", "v1", build).body.data

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(ask) for _ in range(8)]
        while not built:
            pass
        release.set()
        assert {answer.result(30) for answer in answers} == {b"made"}
    assert len(built) == 1


def test_the_old_answer_is_served_at_once_while_one_thread_makes_the_new_one() -> None:
    cache = AnswerCache(clock=Clock())
    cache.get("key", "v1", body("old"))
    begun, release = threading.Event(), threading.Event()

    def build() -> Body:
        begun.set()
        release.wait(30)
        return Body(b"new", "text/plain")

    first = cache.get("key", "v2", build)
    assert begun.wait(30)
    second = cache.get("key", "v2", build)
    release.set()
    cache.close()  # waits for the background

    assert [first.body.data, second.body.data] == [b"old", b"old"]
    assert first.stale == second.stale == BEING_REBUILT
    after = cache.get("key", "v2", broken)
    assert (after.body.data, after.stale) == (b"new", None)
    assert cache.counts().stale == 2


def test_after_the_time_for_old_answers_the_new_one_is_waited_for() -> None:
    clock = Clock()
    cache = AnswerCache(revalidate_seconds=60, clock=clock)
    cache.get("key", "v1", body("old"))
    clock.now += 61
    assert cache.get("key", "v2", body("new")).body.data == b"new"


def test_what_was_changed_on_purpose_is_not_served_old() -> None:
    cache = AnswerCache(clock=Clock())
    cache.get("key", "v1", body("old"))
    cache.expire()
    assert cache.get("key", "v2", body("new")).body.data == b"new"


def test_when_making_it_fails_the_last_good_one_is_served_and_says_why() -> None:
    clock = Clock()
    cache = AnswerCache(revalidate_seconds=60, clock=clock)
    cache.get("key", "v1", body("good"))
    clock.now += 3600

    served = cache.get("key", "v2", broken)
    again = cache.get("key", "v2", body("not asked so soon"))

    assert (served.body.data, again.body.data) == (b"good", b"good")
    assert served.stale == again.stale == "The disk is away."
    clock.now += RETRY_SECONDS
    healed = cache.get("key", "v2", body("healed"))
    assert (healed.body.data, healed.stale) == (b"healed", None)


def test_without_a_good_one_the_error_is_told_to_all_who_wait() -> None:
    cache = AnswerCache()
    with pytest.raises(TransientError, match="The disk is away"):
        cache.get("key", "v1", broken)
    assert cache.get("key", "v1", body("later")).body.data == b"later"


def test_a_fault_of_a_builder_does_not_leave_others_waiting() -> None:
    cache = AnswerCache()

    def faulty() -> Body:
        raise ZeroDivisionError

    with pytest.raises(TransientError, match="a fault of this program"):
        cache.get("key", "v1", faulty)
    assert cache.get("key", "v1", body("well")).body.data == b"well"


def test_what_was_not_asked_for_longest_goes_first() -> None:
    cache = AnswerCache(max_bytes=3 * 2000)
    for key in ("a", "b", "c"):
        cache.get(key, 1, body(key * 900))
    cache.get("a", 1, broken)
    cache.get("d", 1, body("d" * 900))

    assert cache.counts().size_bytes <= 6000
    assert cache.get("a", 1, broken).body.data == b"a" * 900
    with pytest.raises(TransientError):
        cache.get("b", 1, broken)


def test_what_is_larger_than_all_room_is_served_and_not_kept() -> None:
    cache = AnswerCache(max_bytes=2000)
    assert cache.get("key", 1, body("x" * 3000)).body.data == b"x" * 3000
    assert (cache.counts().entries, cache.counts().size_bytes) == (0, 0)
