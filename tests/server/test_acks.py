"""Acknowledgements that clients owe, and who waits for them."""

from __future__ import annotations

import io
from typing import Any

import gevent
import pytest

from flask_realtime.errors import AckTimeout, SocketDisconnected
from flask_realtime.server.acks import AckTable, BroadcastAcks, CallbackAck, WaitingAck
from tests.fakes import DEADLINE, settle, wait_until

pytestmark = pytest.mark.usefixtures("quiet_hub")


class Recorder:
    """Somebody who waits."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def respond(self, *args: Any) -> None:
        self.heard.append(args)

    def disconnected(self, reason: str) -> None:
        self.heard.append(reason)


def test_an_answer_settles_its_entry_once() -> None:
    table, one, two = AckTable(), Recorder(), Recorder()
    table.add(1, one)
    table.add(2, two)
    table.settle(1, ["a", 2])
    table.settle(1, ["again"])
    assert (one.heard, two.heard) == ([("a", 2)], [])


@pytest.mark.parametrize("ack_id", [7, None])
def test_an_unknown_answer_is_ignored(ack_id: int | None) -> None:
    table, one = AckTable(), Recorder()
    table.settle(ack_id, [])
    table.add(1, one)
    table.settle(ack_id, [])
    assert one.heard == []


def test_a_discarded_entry_hears_nothing() -> None:
    table, one = AckTable(), Recorder()
    table.discard(1)
    table.add(1, one)
    table.discard(1)
    table.settle(1, [])
    table.disconnected("transport close")
    assert one.heard == []


def test_everybody_who_waits_hears_that_the_client_is_gone_once() -> None:
    table, one, two = AckTable(), Recorder(), Recorder()
    table.add(1, one)
    table.add(2, two)
    table.disconnected("transport close")
    table.disconnected("transport close")
    table.settle(1, [])
    assert (one.heard, two.heard) == (["transport close"], ["transport close"])


# --- a greenlet that waits


@pytest.mark.parametrize(
    ("args", "result"),
    [((), None), (("a",), "a"), ((None,), None), (("a", 2), ("a", 2)), (([],), [])],
)
def test_a_waiting_greenlet_gets_the_answer(args: tuple[Any, ...], result: Any) -> None:
    ack = WaitingAck()
    waiter = gevent.spawn(ack.wait, DEADLINE)
    gevent.sleep(0)
    ack.respond(*args)
    assert waiter.get(timeout=1) == result


def test_an_answer_before_the_wait_is_not_missed() -> None:
    ack = WaitingAck()
    ack.respond("early")
    assert ack.wait(1) == "early"


def test_a_waiting_greenlet_hears_of_the_deadline() -> None:
    with pytest.raises(AckTimeout, match="operation has timed out") as caught:
        WaitingAck().wait(0.001)
    assert caught.value.responses == []
    assert isinstance(caught.value, TimeoutError)


def test_a_waiting_greenlet_hears_at_once_that_the_client_is_gone() -> None:
    ack = WaitingAck()
    gevent.spawn(ack.disconnected, "ping timeout")
    with pytest.raises(SocketDisconnected, match="ping timeout") as caught:
        ack.wait(DEADLINE)
    assert caught.value.reason == "ping timeout"
    assert isinstance(caught.value, ConnectionError)


# --- a callback


def callback(timeout: float | None) -> tuple[CallbackAck, list[Any], list[str]]:
    heard: list[Any] = []
    forgotten: list[str] = []
    ack = CallbackAck(
        lambda *args: heard.append(args), timeout, lambda: forgotten.append("forgotten")
    )
    return ack, heard, forgotten


def test_a_callback_without_a_timeout_gets_the_answer_alone() -> None:
    ack, heard, _ = callback(None)
    ack.respond("a", 2)
    assert heard == [("a", 2)]


def test_a_callback_with_a_timeout_gets_no_error_first() -> None:
    ack, heard, forgotten = callback(0.001)
    ack.respond("a")
    gevent.sleep(0.003)
    assert heard == [(None, "a")]
    assert forgotten == []


def test_a_callback_hears_of_its_deadline_and_its_entry_is_forgotten() -> None:
    _, heard, forgotten = callback(0.001)
    wait_until(lambda: heard)
    ((error,),) = heard
    assert isinstance(error, AckTimeout)
    assert forgotten == ["forgotten"]


def test_only_a_callback_with_a_timeout_hears_that_the_client_is_gone() -> None:
    (timed, heard, _), (plain, silence, _) = callback(5), callback(None)
    timed.disconnected("transport close")
    plain.disconnected("transport close")
    ((error,),) = heard
    assert isinstance(error, SocketDisconnected)
    assert silence == []


# --- a broadcast


class Broadcast:
    def __init__(self, timeout: float = 5) -> None:
        self.outcomes: list[tuple[Any, list[Any]]] = []
        self.forgotten = 0
        self.acks = BroadcastAcks(
            lambda error, responses: self.outcomes.append((error, responses)), timeout
        )
        self.acks.on_end(self._forget)

    def _forget(self) -> None:
        self.forgotten += 1


def test_a_broadcast_is_done_with_the_last_answer(quiet_hub: io.StringIO) -> None:
    broadcast = Broadcast()
    broadcast.acks.expect(2)
    broadcast.acks.start()
    broadcast.acks.respond("a", "ignored")
    assert broadcast.outcomes == []
    broadcast.acks.respond()
    assert broadcast.outcomes == [(None, ["a", None])]
    assert broadcast.forgotten == 1


def test_answers_that_come_before_everybody_was_asked_count() -> None:
    broadcast = Broadcast()
    broadcast.acks.expect(1)
    broadcast.acks.respond("early")
    assert broadcast.outcomes == []
    broadcast.acks.expect(1)
    broadcast.acks.start()
    broadcast.acks.respond("late")
    assert broadcast.outcomes == [(None, ["early", "late"])]


def test_a_broadcast_to_nobody_is_done_at_once() -> None:
    broadcast = Broadcast()
    broadcast.acks.start()
    assert broadcast.outcomes == [(None, [])]


def test_clients_that_leave_are_not_waited_for() -> None:
    broadcast = Broadcast()
    broadcast.acks.expect(2)
    broadcast.acks.start()
    broadcast.acks.disconnected("transport close")
    broadcast.acks.respond("a")
    assert broadcast.outcomes == [(None, ["a"])]


def test_a_broadcast_ends_at_its_deadline_with_what_has_arrived() -> None:
    broadcast = Broadcast(0.001)
    broadcast.acks.expect(2)
    broadcast.acks.start()
    broadcast.acks.respond("a")
    wait_until(lambda: broadcast.outcomes)
    ((error, responses),) = broadcast.outcomes
    assert isinstance(error, AckTimeout)
    assert error.responses == responses == ["a"]
    assert broadcast.forgotten == 1
    broadcast.acks.respond("late")
    assert len(broadcast.outcomes) == 1


def test_a_broadcast_that_is_held_is_not_done_though_all_have_answered() -> None:
    broadcast = Broadcast()
    broadcast.acks.hold()
    broadcast.acks.hold()
    broadcast.acks.expect(1)
    broadcast.acks.start()
    broadcast.acks.respond("a")
    broadcast.acks.release()
    assert broadcast.outcomes == []
    broadcast.acks.expect(1)  # another server has asked one more
    broadcast.acks.release()
    assert broadcast.outcomes == []
    broadcast.acks.respond("b")
    assert broadcast.outcomes == [(None, ["a", "b"])]
    assert broadcast.forgotten == 1


def test_a_broadcast_that_is_let_go_is_done_when_nobody_is_missing() -> None:
    broadcast = Broadcast()
    broadcast.acks.hold()
    broadcast.acks.start()
    broadcast.acks.release()
    assert broadcast.outcomes == [(None, [])]


def test_answers_may_come_before_it_is_known_how_many_there_will_be() -> None:
    """The server that passes them on may count after the first one."""
    broadcast = Broadcast()
    broadcast.acks.hold()
    broadcast.acks.start()
    broadcast.acks.respond("early")
    broadcast.acks.expect(2)
    broadcast.acks.release()
    assert broadcast.outcomes == []
    broadcast.acks.respond("late")
    assert broadcast.outcomes == [(None, ["early", "late"])]


def test_a_broadcast_that_is_held_ends_at_its_deadline_and_once() -> None:
    broadcast = Broadcast(0.01)
    broadcast.acks.hold()
    broadcast.acks.expect(1)
    broadcast.acks.start()
    broadcast.acks.respond("a")
    wait_until(lambda: broadcast.outcomes)
    broadcast.acks.release()
    broadcast.acks.respond("late")
    ((error, responses),) = broadcast.outcomes
    assert (type(error), responses, broadcast.forgotten) == (AckTimeout, ["a"], 1)


def test_a_broadcast_that_failed_is_never_done() -> None:
    broadcast = Broadcast(0.001)
    broadcast.acks.cancel()
    gevent.sleep(0.003)
    settle()
    assert broadcast.outcomes == []


def test_what_was_noted_for_a_broadcast_that_failed_is_forgotten_once() -> None:
    broadcast = Broadcast()
    broadcast.acks.cancel()
    broadcast.acks.cancel()
    assert broadcast.forgotten == 1
