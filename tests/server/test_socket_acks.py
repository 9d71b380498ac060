"""What one client answers, and emitting from other threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from flask_realtime import AckTimeout, SocketDisconnected
from tests.clients import Later
from tests.fakes import deadline, settle, wait_until
from tests.loop.test_hub import Outcome
from tests.server.pair import Pair
from tests.worlds import ServerWorld

BOTH = pytest.mark.parametrize("transport", ["polling", "websocket"])


# --- emit_with_ack


@BOTH
def test_the_answer_of_the_client_is_returned(server: ServerWorld, transport: str) -> None:
    pair = Pair(server, transport)
    for args, result in (((), None), (("a",), "a"), (("a", 2), ("a", 2))):
        asking = Later(pair.socket.emit_with_ack, "question", 1)
        ack_id, event = pair.client.question()
        assert event == ["question", 1]
        pair.client.answer(ack_id, *args)
        assert asking.wait() == result


def test_a_handler_may_wait_for_an_answer(each: Pair) -> None:
    each.socket.on("event", lambda: each.socket.emit_with_ack("question") + "!")
    each.client.emit("event", ack_id=5)
    ack_id, _ = each.client.question()
    each.client.answer(ack_id, "yes")
    assert each.client.receive() == '35["yes!"]'


def test_a_connection_handler_may_wait_for_an_answer(server: ServerWorld) -> None:
    seen: list[Any] = []
    server.io.on("connection", lambda socket: seen.append(socket.emit_with_ack("who")))
    client = server.network.joined("polling")
    ack_id, _ = client.question()
    client.answer(ack_id, "me")
    wait_until(lambda: seen)
    assert seen == ["me"]


def test_pongs_are_read_while_a_handler_blocks(pair: Pair) -> None:
    release = pair.block_on("slow")
    pair.client.emit("slow")
    for _ in range(3):
        pair.server.time.advance(44)
        pair.client.line.send("3")
        settle()
    assert pair.socket.connected
    release.set()


def test_no_answer_in_time_is_an_error(pair: Pair) -> None:
    with pytest.raises(AckTimeout):
        pair.socket.timeout(0.01).emit_with_ack("question")
    ack_id, _ = pair.client.question()
    pair.client.answer(ack_id, "late")  # ignored
    settle()
    assert pair.socket.connected


def test_a_client_that_leaves_is_an_error_at_once(each: Pair) -> None:
    asking = Later(each.socket.emit_with_ack, "question")
    settle()
    each.client.line.leave()
    with pytest.raises(SocketDisconnected, match="transport close"):
        asking.wait()


def test_a_client_that_is_gone_is_an_error_at_once(each: Pair) -> None:
    each.client.disconnect()
    settle()
    with deadline(seconds=1), pytest.raises(SocketDisconnected, match="client namespace"):
        each.socket.emit_with_ack("question")


def test_a_handler_that_waits_hears_of_the_end(each: Pair) -> None:
    def handler() -> None:
        try:
            each.socket.emit_with_ack("question")
        except SocketDisconnected as error:
            each.seen.append(error.reason)

    each.socket.on("event", handler)
    each.client.emit("event")
    settle()
    each.client.line.leave()
    wait_until(lambda: each.seen)
    assert each.seen == ["transport close"]


def test_a_client_that_is_kicked_is_an_error_at_once(pair: Pair) -> None:
    asking = Later(pair.socket.emit_with_ack, "question")
    pair.socket.disconnect()
    with pytest.raises(SocketDisconnected, match="server namespace disconnect"):
        asking.wait()


def test_a_volatile_question_that_is_dropped_times_out(server: ServerWorld) -> None:
    pair = Pair(server, "polling")
    with pytest.raises(AckTimeout):
        pair.socket.volatile.timeout(0.01).emit_with_ack("question")


@pytest.mark.parametrize("ack_id", [999, 10**12])
def test_an_answer_to_nothing_is_ignored(pair: Pair, ack_id: int) -> None:
    pair.client.answer(ack_id, "what?")
    settle()
    assert pair.socket.connected


def test_a_callback_gets_the_answer(each: Pair) -> None:
    each.socket.emit("question", 1, ack=lambda *args: each.seen.append(args))
    ack_id, _ = each.client.question()
    each.client.answer(ack_id, "a", 2)
    each.client.answer(ack_id, "again")
    wait_until(lambda: each.seen)
    settle()
    assert each.seen == [("a", 2)]


def test_a_callback_with_a_timeout_gets_an_error_first(pair: Pair) -> None:
    pair.socket.timeout(5).emit("question", ack=lambda *args: pair.seen.append(args))
    ack_id, _ = pair.client.question()
    pair.client.answer(ack_id, "a")
    wait_until(lambda: pair.seen)
    pair.socket.timeout(0.02).emit("question", ack=lambda *args: pair.seen.append(args))
    wait_until(lambda: len(pair.seen) == 2)
    assert pair.seen[0] == (None, "a")
    assert isinstance(pair.seen[1][0], AckTimeout)


def test_a_callback_with_a_timeout_hears_at_once_that_the_client_is_gone(pair: Pair) -> None:
    pair.socket.timeout(60).emit("question", ack=lambda *args: pair.seen.append(args))
    pair.client.line.leave()
    wait_until(lambda: pair.seen)
    assert isinstance(pair.seen[0][0], SocketDisconnected)


def test_a_callback_that_fails_is_reported(pair: Pair) -> None:
    pair.server.io.on_error(lambda error, socket, event: pair.seen.append(repr(error)))
    pair.socket.emit("question", ack=lambda: 1 // 0)
    pair.client.answer(pair.client.question()[0])
    wait_until(lambda: pair.seen)
    assert "ZeroDivisionError" in pair.seen[0]


# --- other threads


def real_thread(function: Callable[[], Any]) -> Outcome:
    return Outcome(function)


def test_another_thread_may_emit(each: Pair) -> None:
    def emit() -> None:
        for number in range(50):
            each.socket.emit("event", number)

    real_thread(emit).wait()
    assert [each.client.event()[1] for _ in range(50)] == list(range(50))


def test_a_thread_of_the_standard_library_may_emit(pair: Pair) -> None:
    thread = threading.Thread(target=pair.socket.emit, args=("event", 1))
    thread.start()
    assert pair.client.event() == ["event", 1]
    thread.join()


def test_another_thread_may_wait_for_an_answer(each: Pair) -> None:
    asking = real_thread(lambda: each.socket.emit_with_ack("question"))
    each.client.answer(each.client.question()[0], "yes")
    assert asking.wait() == "yes"


def test_another_thread_hears_of_the_end_and_of_its_mistakes(pair: Pair) -> None:
    with pytest.raises(AckTimeout):
        real_thread(lambda: pair.socket.timeout(0.01).emit_with_ack("question")).wait()
    with pytest.raises(ValueError, match="reserved"):
        real_thread(lambda: pair.socket.emit("disconnect")).wait()
    asking = real_thread(lambda: pair.socket.emit_with_ack("question"))
    settle()
    pair.client.line.leave()
    with pytest.raises(SocketDisconnected):
        asking.wait()


def test_another_thread_may_answer(pair: Pair) -> None:
    given: list[Any] = []

    def handler(*, ack: Any) -> None:
        given.append(ack)

    pair.socket.on("event", handler)
    pair.client.emit("event", ack_id=3)
    wait_until(lambda: given)
    real_thread(lambda: given[0]("from afar")).wait()
    assert pair.client.receive() == '33["from afar"]'


def test_another_thread_may_join_leave_and_disconnect(pair: Pair) -> None:
    real_thread(lambda: pair.socket.join(["a", "b"])).wait()
    real_thread(lambda: pair.socket.leave("b")).wait()
    wait_until(lambda: pair.socket.rooms == {pair.socket.id, "a"})
    real_thread(pair.socket.disconnect).wait()
    assert pair.client.receive() == "1"


@pytest.mark.parametrize("words", [lambda socket: socket, lambda socket: socket.timeout(1)])
def test_what_cannot_be_called_back_is_refused_at_once(pair: Pair, words: Any) -> None:
    with pytest.raises(TypeError, match="an acknowledgement callback must be callable, not int"):
        words(pair.socket).emit("question", ack=5)
    with pytest.raises(TypeError, match="an acknowledgement callback must be callable, not str"):
        pair.server.io.to("room").emit("question", ack="answer")  # type: ignore[arg-type]
    pair.socket.emit("nothing came before")
    assert pair.client.event() == ["nothing came before"]
