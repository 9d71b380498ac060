"""What other servers ask for, served in order beside the greenlet that reads it."""

from __future__ import annotations

import logging
from typing import Any

import gevent
import pytest
from gevent.event import Event

from flask_realtime.adapters.cluster import request_queue
from flask_realtime.adapters.cluster.request_queue import RequestQueue

Served = list[object]


@pytest.fixture
def served() -> Served:
    return []


@pytest.fixture
def malformed() -> list[ValueError]:
    return []


@pytest.fixture
def queue(malformed: list[ValueError]) -> RequestQueue:
    return RequestQueue(malformed.append, limit=10_000)


def idle(queue: RequestQueue) -> None:
    """Let everything be served."""
    with gevent.Timeout(5):
        while not queue.is_empty:
            gevent.sleep(0)


def test_calls_are_made_in_order_on_another_greenlet(queue: RequestQueue, served: Served) -> None:
    here, greenlets = gevent.getcurrent(), Served()

    def serve(number: int) -> None:
        served.append(number)
        greenlets.append(gevent.getcurrent())

    for number in range(3):
        queue.put(serve, number)
    assert served == []
    idle(queue)
    assert served == [0, 1, 2]
    assert here not in greenlets


def test_a_call_that_blocks_holds_up_the_next_but_not_the_reader(
    queue: RequestQueue, served: Served
) -> None:
    event = Event()
    queue.put(event.wait)
    queue.put(served.append, "after")
    gevent.sleep(0)
    assert served == []
    event.set()
    idle(queue)
    assert served == ["after"]


def test_a_call_can_put_another_one(queue: RequestQueue, served: Served) -> None:
    queue.put(lambda: queue.put(served.append, "later"))
    idle(queue)
    assert served == ["later"]


def test_it_is_known_where_calls_are_made(queue: RequestQueue, served: Served) -> None:
    queue.put(lambda: served.append(queue.is_serving_here))
    idle(queue)
    assert served == [True]
    assert not queue.is_serving_here


def test_what_cannot_be_done_is_counted_and_the_rest_goes_on(
    queue: RequestQueue, served: Served, malformed: list[ValueError]
) -> None:
    queue.put(int, "x")
    queue.put(served.append, 1)
    idle(queue)
    assert served == [1]
    assert "invalid literal" in str(malformed[0])


@pytest.mark.parametrize("error", [KeyError("a defect"), gevent.Timeout(3)])
def test_what_fails_is_logged_and_the_rest_goes_on(
    queue: RequestQueue, served: Served, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def fail() -> None:
        raise error

    queue.put(fail)
    queue.put(served.append, 1)
    idle(queue)
    assert served == [1]
    assert caplog.records[0].exc_info is not None


def test_a_kill_costs_only_the_call_that_it_hits(queue: RequestQueue, served: Served) -> None:
    def killed() -> None:
        raise gevent.GreenletExit

    queue.put(killed)
    queue.put(served.append, 1)
    idle(queue)
    assert served == [1]


def test_at_the_bound_the_reader_waits_until_half_of_it_is_free(
    queue: RequestQueue, served: Served
) -> None:
    gates = [Event() for _ in range(4)]

    def serve(number: int) -> None:
        gates[number].wait()
        served.append(number)

    def read() -> None:
        for number in range(4):
            queue.put(serve, number, size=4_000)
        served.append("read")

    reader = gevent.spawn(read)
    gevent.sleep(0)
    gevent.sleep(0)
    assert not reader.ready()
    gates[0].set()
    gates[1].set()
    with gevent.Timeout(5):
        reader.join()
    assert served == [0, 1, "read"]
    gates[2].set()
    gates[3].set()
    idle(queue)
    assert served == [0, 1, "read", 2, 3]


def test_a_call_that_puts_another_one_does_not_wait_for_itself(
    queue: RequestQueue, served: Served
) -> None:
    def serve() -> None:
        queue.put(served.append, "large", size=20_000)
        queue.put(served.append, "after")
        served.append("call")

    queue.put(serve)
    idle(queue)
    assert served == ["call", "large", "after"]


def test_a_long_wait_is_announced(
    queue: RequestQueue, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_queue, "_PATIENCE", 0.01)
    event = Event()
    queue.put(event.wait)
    gevent.sleep(0)
    reader = gevent.spawn(queue.put, str, "", size=20_000)
    with gevent.Timeout(5):
        while not caplog.records:
            gevent.sleep(0.01)
    assert caplog.records[0].levelno == logging.WARNING
    assert not reader.ready()
    event.set()
    idle(queue)
    with gevent.Timeout(5):
        reader.join()


@pytest.mark.parametrize("size", [0, 20_000])
def test_closing_forgets_what_waits_and_lets_the_reader_go(
    queue: RequestQueue, served: Served, size: int
) -> None:
    event = Event()
    queue.put(event.wait)
    gevent.sleep(0)
    reader = gevent.spawn(queue.put, served.append, 1, size=size)
    gevent.sleep(0)
    queue.close()
    with gevent.Timeout(5):
        reader.join()
    event.set()
    idle(queue)
    queue.put(served.append, 2)
    gevent.sleep(0)
    assert served == []


def test_the_greenlet_stays_and_ends_with_the_queue(queue: RequestQueue) -> None:
    greenlets: list[Any] = []
    for _ in range(3):
        queue.put(lambda: greenlets.append(gevent.getcurrent()))
        idle(queue)
    assert len(set(greenlets)) == 1
    assert not greenlets[0].ready()
    queue.close()
    queue.close()
    with gevent.Timeout(5):
        greenlets[0].join()


def test_a_queue_that_is_killed_while_it_is_idle_starts_again(
    queue: RequestQueue, served: Served
) -> None:
    greenlets: list[Any] = []
    queue.put(lambda: greenlets.append(gevent.getcurrent()))
    idle(queue)
    greenlets[0].kill()
    queue.put(served.append, 1)
    idle(queue)
    assert served == [1]
