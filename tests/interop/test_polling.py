"""HTTP long-polling as raw requests."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.interop.wire import PATH, SEPARATOR, Wire, packets_of
from tests.processes import eventually


class Later(threading.Thread):
    """A call that goes on in the background; its result is waited for."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._result: Any = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._call()
        except requests.RequestException as error:
            self._result = error

    def result(self) -> Any:
        self.join(8)
        assert not self.is_alive(), "still waiting for the answer"
        return self._result


def pending_get(wire: Wire, sid: str) -> Later:
    """A GET the server holds on to."""
    url = f"{wire.server.url}{PATH}?{wire.query('polling', sid)}"
    later = Later(lambda: requests.get(url, timeout=5))
    later.join(0.1)  # it has to reach the server; nothing tells when it did
    assert later.is_alive()
    return later


def event(*args: Any) -> str:
    return "42" + json.dumps(args)


def assert_gone(wire: Wire, sid: str) -> None:
    answer = wire.get(sid)
    assert answer.status_code == 400
    assert answer.json()["code"] == 1


def test_a_post_is_answered_with_ok(wire: Wire) -> None:
    answer = wire.post(wire.enter(), event("record", 1))
    assert (answer.status_code, answer.content) == (200, b"ok")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["Cache-Control"] == "no-store"
    assert wire.saw("recorded")["args"] == [1]


def test_a_get_waits_for_the_next_event(wire: Wire) -> None:
    sid = wire.enter()
    later = pending_get(wire, sid)
    wire.post(sid, event("echo", "ü"))
    answer = later.result()
    assert answer.content.decode() == '42["echo","ü"]'
    assert answer.headers["Content-Type"] == "text/plain; charset=UTF-8"


def test_events_that_wait_come_together_and_in_order(wire: Wire) -> None:
    sid = wire.enter()
    wire.post(sid, event("burst", 500))
    received: list[str] = []
    while len(received) < 500:
        received.extend(wire.poll(sid))
    assert received == [f'42["burst",{number}]' for number in range(500)]


@pytest.mark.parametrize("count", [1, 16, 17, 1000, 20_000])
def test_one_post_carries_any_number_of_packets(wire: Wire, count: int) -> None:
    sid = wire.enter()
    packets = [event("count", number) for number in range(count)]
    assert wire.post(sid, SEPARATOR.join(packets)).text == "ok"
    wire.post(sid, '427["counted"]')
    [answer] = wire.poll(sid)
    assert answer.startswith("437[")
    assert json.loads(answer[3:]) == [list(range(count))]


def test_binary_travels_as_base64(wire: Wire) -> None:
    sid = wire.enter()
    blob = base64.b64encode(bytes(range(256))).decode()
    head = '451-["echo",{"_placeholder":true,"num":0}]'
    assert wire.post(sid, f"{head}{SEPARATOR}b{blob}").text == "ok"
    received = wire.poll(sid)
    if len(received) == 1:
        received += wire.poll(sid)
    assert received == [head, f"b{blob}"]


def test_a_chunked_body_is_read(wire: Wire) -> None:
    sid = wire.enter()
    body = event("record", "ünï" * 100).encode()

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), 7):
            yield body[start : start + 7]

    assert wire.post(sid, pieces()).text == "ok"
    assert wire.saw("recorded")["args"] == ["ünï" * 100]


def test_a_second_get_closes_the_session(wire: Wire) -> None:
    sid = wire.enter()
    first = pending_get(wire, sid)
    assert wire.get(sid).status_code == 400
    answer = first.result()
    assert (answer.status_code, answer.text) == (200, "1")
    assert wire.saw("disconnect")["reason"] == "transport error"
    assert_gone(wire, sid)


def test_a_second_post_closes_the_session(wire: Wire) -> None:
    sid = wire.enter()
    with wire.tcp() as slow:
        target = f"{PATH}?{wire.query('polling', sid)}"
        head = f"POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
        slow.sendall(head.encode() + b"42[")
        status = eventually(
            lambda: wire.post(sid, "3").status_code != 200, what="a refused second POST"
        )
        assert status
        assert wire.saw("disconnect")["reason"] == "transport error"
    assert_gone(wire, sid)


@pytest.mark.parametrize(
    "body",
    ["", "abc", "9", SEPARATOR, f"3{SEPARATOR}", f"{SEPARATOR}3", "x42[]"],
    ids=repr,
)
def test_an_invalid_payload_closes_the_session(wire: Wire, body: str) -> None:
    sid = wire.enter()
    assert wire.post(sid, body).status_code == 400
    assert wire.saw("disconnect")["reason"] == "parse error"
    assert_gone(wire, sid)


def test_a_payload_that_is_no_utf_8_closes_the_session(wire: Wire) -> None:
    sid = wire.enter()
    assert wire.post(sid, b'42["echo","\xff\xfe"]').status_code == 400
    wire.saw("disconnect")
    assert_gone(wire, sid)


def test_a_binary_content_type_closes_the_session(wire: Wire) -> None:
    sid = wire.enter()
    headers = {"Content-Type": "application/octet-stream"}
    assert wire.post(sid, event("echo"), headers=headers).status_code == 400
    wire.saw("disconnect")
    assert_gone(wire, sid)


@pytest.mark.parametrize("body", ["b!", "bA", "bäöü"])
def test_binary_that_is_no_base64_closes_the_session(wire: Wire, body: str) -> None:
    sid = wire.enter()
    wire.post(sid, body)
    eventually(lambda: wire.get(sid).status_code == 400, what="the end of the session")
    assert wire.saw("disconnect")["reason"] in ("parse error", "forced close")


def test_nothing_after_an_invalid_packet_is_handled(wire: Wire) -> None:
    sid = wire.enter()
    assert wire.post(sid, "abc" + SEPARATOR + event("record", "after")).status_code == 400
    wire.saw("disconnect")
    assert wire.server.records(kind="recorded", tag=wire.tag) == []


def test_a_ping_from_the_client_closes_the_session(wire: Wire) -> None:
    sid = wire.enter()
    wire.post(sid, "2")
    assert wire.saw("disconnect")["reason"] == "transport error"
    assert_gone(wire, sid)


def test_a_body_of_the_maximal_size_is_taken(wire: Wire) -> None:
    sid = wire.enter()
    body = event("record", "").replace('""', '"' + "x" * (1_000_000 - 16) + '"')
    assert len(body) == 1_000_000
    assert wire.post(sid, body).text == "ok"
    assert len(wire.saw("recorded")["args"][0]) == 1_000_000 - 16


def test_a_body_over_the_maximal_size_is_answered_with_413(wire: Wire) -> None:
    sid = wire.enter()
    assert wire.post(sid, "4" * 1_000_001).status_code == 413
    assert wire.post(sid, (b"4" * 100_000 for _ in range(11))).status_code == 413
    assert wire.post(sid, event("record", "goes on")).text == "ok"
    assert wire.saw("recorded")["args"] == ["goes on"]


def test_a_huge_announced_body_is_refused_before_it_is_sent(wire: Wire) -> None:
    sid = wire.enter()
    with wire.tcp() as raw:
        target = f"{PATH}?{wire.query('polling', sid)}"
        head = f"POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n"
        raw.sendall(head.encode() + b"4" * 100)
        assert raw.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_close_packet_ends_the_session_and_the_pending_get(wire: Wire) -> None:
    sid = wire.enter()
    pending = pending_get(wire, sid)
    assert wire.post(sid, "1" + SEPARATOR + event("record", "after")).text == "ok"
    assert pending.result().text == "6"
    assert wire.saw("disconnect")["reason"] == "transport close"
    assert wire.server.records(kind="recorded", tag=wire.tag) == []
    assert_gone(wire, sid)


def test_a_session_closed_by_the_server_tells_the_next_get(wire: Wire) -> None:
    sid = wire.enter()
    wire.post(sid, event("disconnect me", True))
    assert wire.saw("disconnect")["reason"] == "server namespace disconnect"
    received = packets_of(wire.get(sid))
    if "1" not in received:
        received += packets_of(wire.get(sid))
    assert [packet for packet in received if packet != "6"] == ["41", "1"]
    assert_gone(wire, sid)


def test_the_end_comes_in_an_answer_of_its_own(wire: Wire) -> None:
    """The official client acts on `1` before it acts on the packets of the same payload."""
    sid = wire.enter()
    wire.join(sid, "/chat")
    pending = pending_get(wire, sid)
    wire.post(sid, event("disconnect me", True))
    received = [packets_of(pending.result())]
    while received[-1][-1] != "1":
        received.append(packets_of(wire.get(sid)))
    assert received.pop() in (["1"], ["6", "1"])
    assert sorted(packet for packets in received for packet in packets) == ["41", "41/chat,"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_another_method_is_an_error_and_the_session_goes_on(wire: Wire, method: str) -> None:
    sid = wire.enter()
    assert wire.request(method, sid).status_code >= 400
    assert wire.post(sid, event("record", "goes on")).text == "ok"
    wire.saw("recorded")


def test_a_large_answer_is_compressed_for_those_who_accept_it(wire: Wire) -> None:
    sid = wire.enter()
    for accepted, text in (("gzip", "x" * 5000), ("gzip", "small"), ("identity", "x" * 5000)):
        wire.post(sid, event("echo", text))
        target = f"{PATH}?{wire.query('polling', sid)}"
        connection = wire.connection()
        connection.request("GET", target, headers={"Accept-Encoding": accepted})
        answer = connection.getresponse()
        body = answer.read()
        compressed = accepted == "gzip" and len(text) > 1024
        assert answer.headers.get("Content-Encoding") == ("gzip" if compressed else None)
        plain = gzip.decompress(body) if compressed else body
        assert plain.decode() == f'42["echo","{text}"]'
        connection.close()


def test_connection_close_is_echoed(wire: Wire) -> None:
    connection = wire.connection()
    target = f"{PATH}?{wire.query('polling', None)}"
    connection.request("GET", target, headers={"Connection": "close"})
    answer = connection.getresponse()
    answer.read()
    assert str(answer.headers["Connection"]).lower() == "close"
    connection.close()


def test_requests_without_it_share_a_connection(wire: Wire) -> None:
    sid = wire.enter()
    connection = wire.connection()
    connection.connect()
    used = connection.sock
    for _ in range(3):
        connection.request("POST", f"{PATH}?{wire.query('polling', sid)}", body="3")
        answer = connection.getresponse()
        assert answer.read() == b"ok"
        assert str(answer.headers.get("Connection", "")).lower() != "close"
        assert connection.sock is used
    connection.close()


def test_a_volatile_event_is_dropped_while_nobody_polls(wire: Wire) -> None:
    sid = wire.enter()
    dropped = '42["chain","socket","volatile",["emit","weather","sun"]]'
    kept = '42["chain","socket",["emit","weather","rain"]]'
    body = SEPARATOR.join([dropped, kept, event("record", "handled")])
    assert wire.post(sid, body).text == "ok"
    wire.saw("recorded")  # a POST is answered when its packets are accepted
    assert wire.poll(sid) == ['42["weather","rain"]']
    pending = pending_get(wire, sid)
    wire.post(sid, dropped)
    assert pending.result().text == '42["weather","sun"]'
