"""The requests of a polling session."""

from __future__ import annotations

import gzip
import io
from typing import Any

import pytest
from gevent.event import AsyncResult

from flask_realtime.codec.message import Message
from tests.fakes import settle
from tests.worlds import EngineWorld, MakeEngine


def test_a_get_brings_packets_as_text_that_is_not_stored(engine: EngineWorld) -> None:
    line = engine.network.polling()
    engine.handler.last[0].send_message(Message('2["é"]'.encode()))
    answer = line.get()
    assert (answer.status, answer.text) == (200, '42["é"]')
    assert answer.headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_post_is_answered_with_ok(engine: EngineWorld) -> None:
    line = engine.network.polling()
    answer = line.post("4a", b"\x00", "4b")
    assert (answer.status, answer.text) == (200, "ok")
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.headers["Cache-Control"] == "no-store"
    assert engine.handler.last[1].messages == ["a", b"\x00", "b"]


@pytest.mark.parametrize(
    ("agent", "protected"),
    [("Mozilla/4.0 (MSIE 8.0)", True), ("Trident/7.0; rv:11.0", True), ("Firefox", False)],
)
def test_old_browsers_are_kept_from_guessing(
    engine: EngineWorld, agent: str, protected: bool
) -> None:
    line = engine.network.polling()
    answer = line.post("4a", headers={"User-Agent": agent})
    assert ("X-XSS-Protection" in answer.headers) is protected


def test_a_chunked_post_is_read(engine: EngineWorld) -> None:
    line = engine.network.polling()
    answer = line.request(
        "POST", body=b"4a", headers={"Transfer-Encoding": "chunked"}, CONTENT_LENGTH=""
    )
    assert answer.text == "ok"
    assert engine.handler.last[1].messages == ["a"]


@pytest.mark.parametrize("transfer", [{}, {"Transfer-Encoding": "chunked"}])
def test_a_body_above_the_limit_gets_413(make_engine: MakeEngine, transfer: dict[str, str]) -> None:
    engine = make_engine(max_http_buffer_size=100)
    line = engine.network.polling()
    assert line.handshake["maxPayload"] == 100
    assert line.request("POST", body=b"4" + b"x" * 99, headers=transfer).status == 200
    answer = line.request("POST", body=b"4" + b"x" * 100, headers=transfer)
    assert (answer.status, answer.body) == (413, b"")
    # What the client still sends must not be read as its next request.
    assert answer.headers["Connection"] == "close"
    session, receiver = engine.handler.last
    assert len(receiver.messages) == 1
    assert session.ready_state == "open"


@pytest.mark.parametrize("body", [b"", b"abc", b"4a\x1e", b"\xff"])
def test_a_broken_payload_gets_400_and_ends_the_session(engine: EngineWorld, body: bytes) -> None:
    line = engine.network.polling()
    get = line.start_get()
    answer = line.request("POST", body=body)
    if body != b"abc":  # its packets can be read, but one has no type
        assert answer.status == 400
    assert get.get(timeout=1).text == "1"
    assert line.get().json == {"code": 1, "message": "Session ID unknown"}
    assert engine.handler.last[1].reasons == ["parse error"]


def test_a_packet_without_a_type_gets_400(engine: EngineWorld) -> None:
    assert engine.network.polling().request("POST", body=b"abc").status == 400


def test_a_post_of_binary_content_gets_400_and_ends_the_session(engine: EngineWorld) -> None:
    line = engine.network.polling()
    answer = line.post("4a", headers={"Content-Type": "application/octet-stream"})
    assert answer.status == 400
    assert engine.handler.last[1].reasons == ["transport error"]


@pytest.mark.parametrize("content_type", ["", "text/plain", "text/html; charset=latin-1", "x"])
def test_any_other_content_type_is_answered(engine: EngineWorld, content_type: str) -> None:
    line = engine.network.polling()
    assert line.post("4a", headers={"Content-Type": content_type}).text == "ok"


class Slow(io.RawIOBase):
    """A body of which half has arrived."""

    def __init__(self) -> None:
        self.more: AsyncResult[bytes] = AsyncResult()
        self._first = True

    def read(self, size: int = -1) -> bytes:
        if self._first:
            self._first = False
            return b"4a"
        return self.more.get() or b""


def test_two_posts_at_once_end_the_session(engine: EngineWorld) -> None:
    line = engine.network.polling()
    body = Slow()
    first = line.start("POST", body=b"4abc", wsgi={"wsgi.input": body})
    settle()
    assert line.post("4b").status == 400
    body.more.set(b"bc")
    first.get(timeout=1)
    _session, receiver = engine.handler.last
    assert receiver.ends == [("transport error", "data request overlap from client")]
    assert receiver.messages == []


def test_a_post_that_is_cut_off_ends_the_session(engine: EngineWorld) -> None:
    line = engine.network.polling()
    body = Slow()
    post = line.start("POST", body=b"4abc", wsgi={"wsgi.input": body})
    body.more.set(b"")
    assert post.get(timeout=1).status == 400
    assert engine.handler.last[1].ends == [
        ("transport error", "data request connection closed prematurely")
    ]


def test_a_get_and_a_post_at_once_are_fine(engine: EngineWorld) -> None:
    line = engine.network.polling()
    get = line.start_get()
    assert line.post("4a").text == "ok"
    assert not get.ready()
    engine.handler.last[0].send_message(Message(b"b"))
    assert get.get(timeout=1).text == "4b"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_not_allowed(engine: EngineWorld, method: str) -> None:
    line = engine.network.polling()
    answer = line.request(method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, POST"
    assert engine.handler.last[0].ready_state == "open"


def test_a_pipelined_request_does_not_end_a_waiting_get(engine: EngineWorld) -> None:
    line = engine.network.polling()
    get = line.start_get()
    line.client_end.sendall(b"POST /socket.io/ HTTP/1.1\r\n")
    settle()
    assert not get.ready()
    engine.handler.last[0].send_message(Message(b"a"))
    assert get.get(timeout=1).text == "4a"
    assert line.server_end.recv(4) == b"POST"  # it was only looked at


def test_a_get_leaves_the_connection_as_it_found_it(engine: EngineWorld) -> None:
    line = engine.network.polling()
    line.server_end.settimeout(7)
    get = line.start_get()
    engine.handler.last[0].send_message(Message(b"a"))
    get.get(timeout=1)
    assert line.server_end.gettimeout() == 7


@pytest.mark.parametrize("how", ["no socket"])
def test_without_a_socket_a_get_still_waits(engine: EngineWorld, how: str) -> None:
    line = engine.network.polling(connection=None)
    get = line.start(connection=None)
    settle()
    engine.handler.last[0].send_message(Message(b"a"))
    assert get.get(timeout=1).text == "4a"


# --- compression

TEXT = b"x" * 2000


def polled(engine: EngineWorld, *messages: Message, accept: str = "gzip") -> Any:
    line = engine.network.polling()
    for message in messages:
        engine.handler.last[0].send_message(message)
    return line.request("GET", headers={"Accept-Encoding": accept})


def test_a_large_response_is_compressed(engine: EngineWorld) -> None:
    answer = polled(engine, Message(TEXT))
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert gzip.decompress(answer.body) == b"4" + TEXT


@pytest.mark.parametrize(("size", "compressed"), [(1022, False), (1023, True)])
def test_a_response_below_the_threshold_is_not_compressed(
    engine: EngineWorld, size: int, compressed: bool
) -> None:
    answer = polled(engine, Message(b"x" * size))
    assert ("Content-Encoding" in answer.headers) is compressed


def test_a_message_that_must_not_be_compressed_is_not(engine: EngineWorld) -> None:
    answer = polled(engine, Message(TEXT, compress=False))
    assert "Content-Encoding" not in answer.headers
    assert answer.body == b"4" + TEXT


def test_one_message_that_may_be_compressed_is_enough(engine: EngineWorld) -> None:
    answer = polled(engine, Message(TEXT, compress=False), Message(b"y"))
    assert answer.headers["Content-Encoding"] == "gzip"


def test_a_client_that_accepts_no_compression_gets_none(engine: EngineWorld) -> None:
    assert "Content-Encoding" not in polled(engine, Message(TEXT), accept="br").headers


@pytest.mark.parametrize(
    ("option", "size", "compressed"),
    [
        (False, 5000, False),
        ({"threshold": 10}, 9, True),
        ({"threshold": 10}, 8, False),
        (True, 1023, True),
    ],
)
def test_compression_is_an_option(
    make_engine: MakeEngine, option: Any, size: int, compressed: bool
) -> None:
    answer = polled(make_engine(http_compression=option), Message(b"x" * size))
    assert ("Content-Encoding" in answer.headers) is compressed


def test_answers_to_posts_are_not_compressed(make_engine: MakeEngine) -> None:
    engine = make_engine(http_compression={"threshold": 1})
    answer = engine.network.polling().post("4a", headers={"Accept-Encoding": "gzip"})
    assert answer.body == b"ok"
    assert "Content-Encoding" not in answer.headers
