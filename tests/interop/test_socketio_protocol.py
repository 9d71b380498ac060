"""The Socket.IO protocol, packet by packet, over both transports."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.interop.line import Line
from tests.interop.running import Servers
from tests.interop.wire import Wire

# For a packet that is out of place; Node's servers give the second over WebSocket.
VIOLATION = ("forced server close", "forced close")
BINARY_ECHO = '51-["echo",{"_placeholder":true,"num":0}]'


@pytest.fixture(params=["polling", "websocket"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def fresh(wire: Wire, transport: str) -> Line:
    """A session without a namespace."""
    return Line(wire, transport)


@pytest.fixture
def line(fresh: Line) -> Line:
    """A session in the main namespace."""
    fresh.connect()
    return fresh


def assert_alive(line: Line) -> None:
    line.send('2["echo","alive"]')
    assert line.receive() == '2["echo","alive"]'


class TestConnect:
    @pytest.mark.parametrize("packet", ["0", "0{}", '0{"token":"123"}', "0/,", "0/,{}"])
    def test_the_main_namespace_is_joined(self, fresh: Line, packet: str) -> None:
        fresh.send(packet)
        answer = str(fresh.receive())
        assert answer.startswith("0{")
        assert list(json.loads(answer[1:])) == ["sid"]
        assert_alive(fresh)

    @pytest.mark.parametrize("packet", ["0/chat", "0/chat,", '0/chat,{"token":"123"}'])
    def test_another_namespace_is_joined(self, fresh: Line, packet: str) -> None:
        fresh.send(packet)
        answer = str(fresh.receive())
        assert answer.startswith("0/chat,{")
        fresh.send('2/chat,["echo",1]')
        assert fresh.receive() == '2/chat,["echo",1]'

    def test_the_credentials_arrive(self, fresh: Line) -> None:
        fresh.send('0{"token":"123","list":[1]}')
        fresh.receive()
        fresh.send('20["handshake"]')
        answer = str(fresh.receive())
        assert json.loads(answer[2:])[0]["auth"] == {"token": "123", "list": [1]}

    def test_an_unknown_namespace_is_refused(self, fresh: Line) -> None:
        fresh.send("0/random")
        assert fresh.receive() == '4/random,{"message":"Invalid namespace"}'
        fresh.connect()
        assert_alive(fresh)

    def test_a_middleware_refuses_with_data(self, fresh: Line) -> None:
        fresh.send("0/secret,{}")
        answer = str(fresh.receive())
        assert json.loads(answer.removeprefix("4/secret,")) == {
            "message": "not authorized",
            "data": {"code": 42, "hint": ["ask", "nicely"]},
        }
        fresh.send("0/plain-refusal,")
        assert fresh.receive() == '4/plain-refusal,{"message":"closed today"}'

    @pytest.mark.parametrize("packet", ["0[]", "0null", '0"text"', "0{", "0/chat,[]"])
    def test_a_wrong_payload_closes(self, fresh: Line, packet: str) -> None:
        fresh.send(packet)
        fresh.wait_closed()

    def test_a_second_connect_closes(self, line: Line) -> None:
        line.send("0")
        line.wait_closed()
        assert line.wire.saw("disconnect")["reason"] in VIOLATION

    @pytest.mark.parametrize("packet", ['2["echo",1]', "30[]", "1", "4{}", '2/chat,["echo"]'])
    def test_anything_but_connect_closes(self, fresh: Line, packet: str) -> None:
        fresh.send(packet)
        fresh.wait_closed()


class TestEvents:
    def test_an_event_is_answered_with_an_event(self, line: Line) -> None:
        line.send('2["echo",1,"2",{"3":[true]},null]')
        assert line.receive() == '2["echo",1,"2",{"3":[true]},null]'

    def test_spaces_in_the_json_do_no_harm(self, line: Line) -> None:
        line.send('2[ "echo" , { "a" : 1 } ]\n')
        assert line.receive() == '2["echo",{"a":1}]'

    def test_an_event_of_a_number_is_no_error(self, line: Line) -> None:
        line.send("2[1,2]")
        assert_alive(line)

    def test_an_acknowledgement_repeats_the_number(self, line: Line) -> None:
        for number in ("0", "1", "456", "9007199254740991"):
            line.send(f'2{number}["several",1,"2",{{"3":[false]}}]')
            assert line.receive() == f'3{number}[1,"2",{{"3":[false]}}]'
        line.send('27["none"]')
        assert line.receive() == "37[]"

    def test_an_acknowledgement_names_the_namespace(self, line: Line) -> None:
        line.connect("/chat")
        line.send('2/chat,12["one","ä"]')
        assert line.receive() == '3/chat,12["ä"]'

    def test_the_server_asks_for_an_acknowledgement(self, line: Line) -> None:
        line.send('21["ask","really"]')
        question = str(line.receive())
        number = question[1 : question.index("[")]
        assert question == f'2{number}["question","really"]'
        line.send(f"3{number}[true,2]")
        assert line.receive() == '31[["tuple",[true,2]]]'

    def test_an_acknowledgement_nobody_asked_for_is_ignored(self, line: Line) -> None:
        line.send("399999[1]")
        assert_alive(line)

    def test_an_acknowledgement_counts_once(self, line: Line) -> None:
        line.send('21["ask","?"]')
        question = str(line.receive())
        number = question[1 : question.index("[")]
        line.send(f"3{number}[1]", f"3{number}[2]")
        assert line.receive() == '31[["int",1]]'
        assert_alive(line)


class TestBinary:
    def test_an_event_with_attachments(self, line: Line) -> None:
        head = '52-["echo",{"_placeholder":true,"num":0},{"a":{"_placeholder":true,"num":1}}]'
        line.send(head, b"\x01\x02\x03", b"\x04")
        assert [line.receive() for _ in range(3)] == [head, b"\x01\x02\x03", b"\x04"]

    def test_an_acknowledgement_with_attachments(self, line: Line) -> None:
        line.send('51-789["several",{"_placeholder":true,"num":0},"x"]', b"\x05")
        assert line.receive() == '61-789[{"_placeholder":true,"num":0},"x"]'
        assert line.receive() == b"\x05"

    def test_in_another_namespace(self, line: Line) -> None:
        line.connect("/chat")
        line.send('51-/chat,["echo",{"_placeholder":true,"num":0}]', b"")
        assert line.receive() == '51-/chat,["echo",{"_placeholder":true,"num":0}]'
        assert line.receive() == b""

    def test_the_client_acknowledges_with_binary(self, line: Line) -> None:
        line.send('21["ask","?"]')
        question = str(line.receive())
        number = question[1 : question.index("[")]
        line.send(f'61-{number}[{{"_placeholder":true,"num":0}}]', b"\x09")
        assert line.receive() == '61-1[["bytes",{"_placeholder":true,"num":0}]]'
        assert line.receive() == b"\x09"

    def test_no_attachments_are_no_harm(self, line: Line) -> None:
        line.send('50-["echo",1]')
        assert line.receive() == '2["echo",1]'
        assert_alive(line)

    @pytest.mark.parametrize("number", ["-1", "1", "1.5", '"0"', "true", "null", "{}", "1e9"])
    def test_a_placeholder_without_attachment_closes(self, line: Line, number: str) -> None:
        line.send(f'51-["echo",{{"_placeholder":true,"num":{number}}}]', b"\x01")
        line.wait_closed()
        assert line.wire.saw("disconnect")["reason"] == "forced close"

    def test_text_in_place_of_an_attachment_closes(self, line: Line) -> None:
        line.send(BINARY_ECHO, '2["echo"]')
        line.wait_closed()
        assert line.wire.saw("disconnect")["reason"] == "forced close"

    def test_an_attachment_without_a_packet_closes(self, line: Line) -> None:
        line.send(b"\x01")
        line.wait_closed()
        assert line.wire.saw("disconnect")["reason"] == "forced close"


class TestDisconnect:
    def test_the_client_leaves_a_namespace(self, line: Line) -> None:
        line.connect("/chat")
        line.send("1/chat,")
        record = line.wire.saw("disconnect")
        assert (record["nsp"], record["reason"]) == ("/chat", "client namespace disconnect")
        assert_alive(line)
        line.connect("/chat")

    def test_the_client_leaves_the_main_namespace(self, line: Line) -> None:
        line.connect("/chat")
        line.send("1")
        assert line.wire.saw("disconnect")["nsp"] == "/"
        line.send('2/chat,["echo",1]')
        assert line.receive() == '2/chat,["echo",1]'

    def test_the_server_ends_a_namespace(self, line: Line) -> None:
        line.connect("/chat")
        line.send('2/chat,["disconnect me"]')
        assert line.receive() == "1/chat,"
        assert_alive(line)

    def test_an_event_for_a_namespace_that_was_left_closes(self, line: Line) -> None:
        line.connect("/chat")
        line.send("1/chat,")
        line.wire.saw("disconnect", nsp="/chat")
        line.send('2/chat,["echo",1]')
        line.wait_closed()
        assert line.wire.saw("disconnect", nsp="/")["reason"] in VIOLATION


INVALID = [
    "",
    "abc",
    "7",
    "9[]",
    "2",
    "2{}",
    "2[]",
    '2"echo"',
    "2[{}]",
    '2[["echo"]]',
    "2[null]",
    "2[true]",
    '2["echo"',
    '2["echo"]]',
    '2["echo",NaN]',
    '2["echo",Infinity]',
    '2["connect"]',
    '2["connect_error"]',
    '2["disconnect"]',
    '2["disconnecting"]',
    '2["newListener"]',
    '2["removeListener"]',
    "3",
    "31{}",
    '1{"a":1}',
    '5["echo"]',
    '5x-["echo"]',
    '5-["echo"]',
    '5-1-["echo"]',
    '51["echo"]',
    '511-["echo"]',
    '59999999999-["echo"]',
    "2" + "1" * 1000 + '["echo"]',
    "2[" + "[" * 100_000,
]


@pytest.mark.parametrize("packet", INVALID, ids=lambda packet: packet[:30] or "empty")
def test_an_invalid_packet_closes_the_connection(line: Line, packet: str) -> None:
    line.send(packet)
    line.wait_closed()
    assert line.wire.saw("disconnect")["reason"] == "forced close"


def test_an_error_from_the_client_closes_the_connection(line: Line) -> None:
    line.send('4{"message":"no"}')
    line.wait_closed()
    assert line.wire.saw("disconnect")["reason"] in VIOLATION


@pytest.mark.parametrize("packet", ["0", '2/nowhere,["echo"]', "abc"])
def test_a_polling_client_is_told_of_the_end(wire: Wire, packet: str) -> None:
    sid = wire.enter()
    wire.post(sid, "4" + packet)
    assert wire.get(sid).text == "6\x1e1"
    assert wire.get(sid).json()["code"] == 1


class TestConnectTimeout:
    @pytest.fixture
    def impatient(self, servers: Servers, tag: str, transport: str) -> Iterator[Line]:
        with Wire(servers.get(connect_timeout=0.4), tag) as wire:
            yield Line(wire, transport)

    def test_a_client_that_joins_nothing_is_closed(self, impatient: Line) -> None:
        impatient.wait_closed(2)

    def test_a_refused_client_is_closed(self, impatient: Line) -> None:
        impatient.send("0/nowhere")
        assert "Invalid namespace" in str(impatient.receive())
        impatient.wait_closed(2)

    def test_a_client_that_joined_in_time_stays(self, impatient: Line) -> None:
        idle = Line(impatient.wire, "websocket")
        impatient.connect()
        idle.wait_closed(2)  # it came later than the one that has to stay
        assert_alive(impatient)
