"""The messages of ``@socket.io/redis-adapter``: its own bytes, both ways.

The vectors are what ``createAdapter`` of @socket.io/redis-adapter 8.3.0 published.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.adapters.values import Flags, RemoteState, Target
from flask_realtime.adapters.wire.classic import (
    Channels,
    decode_broadcast,
    decode_request,
    decode_response,
    encode_broadcast,
    encode_request,
    encode_response,
    own_beginnings,
)
from flask_realtime.adapters.wire.messages import (
    AllRooms,
    AllSockets,
    Broadcast,
    ClientAnswer,
    ClientCount,
    DisconnectSockets,
    FetchSockets,
    IdsFound,
    JoinRooms,
    LeaveRooms,
    Request,
    Response,
    RoomsFound,
    ServerAnswer,
    ServerSideEmit,
    SocketsFound,
)
from flask_realtime.adapters.wire.values import dump_json, pack, unpack
from flask_realtime.codec.socket_packet import Packet, PacketType
from flask_realtime.testing.pytest.adapter_contract import event, to
from tests.adapters.strange import anything, message

BROADCASTS: list[tuple[str, Packet, Target, str]] = [
    (
        "socket.io#/#",
        event("hello"),
        Target(),
        "93a661626331323383a47479706502a46461746191a568656c6c6fa36e7370a12f"
        "83a5726f6f6d7390a665786365707490a5666c61677380",
    ),
    (
        "socket.io#/#r1#",
        event("news", b"\x01\x02\x03"),
        to("r1", but=("x",), flags=Flags(volatile=True, compress=False)),
        "93a661626331323383a47479706502a46461746192a46e657773c403010203a36e7370a12f"
        "83a5726f6f6d7391a27231a665786365707491a178"
        "a5666c61677382a8766f6c6174696c65c3a8636f6d7072657373c2",
    ),
]

WITH_ACK = (
    "85a3756964a6616263313233a9726571756573744964a63157654e746da47479706507"
    "a67061636b657483a47479706502a46461746192a17101a36e7370a12f"
    "a46f70747383a5726f6f6d7392a27231a27232a665786365707490a5666c61677381a774696d656f7574cd03e8"
)

REQUESTS: list[tuple[Request, str]] = [
    (
        JoinRooms(to("r1"), ["r2"]),
        '{"uid":"abc123","type":2,"opts":{"rooms":["r1"],"except":[]},"rooms":["r2"]}',
    ),
    (
        LeaveRooms(to(but=("r1",)), ["r3", "r4"]),
        '{"uid":"abc123","type":3,"opts":{"rooms":[],"except":["r1"]},"rooms":["r3","r4"]}',
    ),
    (
        DisconnectSockets(to("r1"), True),
        '{"uid":"abc123","type":4,"opts":{"rooms":["r1"],"except":[]},"close":true}',
    ),
    (
        FetchSockets(to("r1"), "SNC9xy"),
        '{"uid":"abc123","requestId":"SNC9xy","type":5,"opts":{"rooms":["r1"],"except":[]}}',
    ),
    (ServerSideEmit(["ping", 1, "two"]), '{"uid":"abc123","type":6,"data":["ping",1,"two"]}'),
    (
        ServerSideEmit(["ask"], "nERwGY"),
        '{"uid":"abc123","requestId":"nERwGY","type":6,"data":["ask"]}',
    ),
]

RESPONSES: list[tuple[Response, bytes]] = [
    (
        SocketsFound(
            "abcdef", [RemoteState("s1", {"url": "/", "auth": {"a": 1}}, ["s1", "r1"], {"n": 1})]
        ),
        b'{"requestId":"abcdef","sockets":[{"id":"s1","handshake":{"url":"/","auth":{"a":1}},'
        b'"rooms":["s1","r1"],"data":{"n":1}}]}',
    ),
    (
        ServerAnswer("abcdef", {"answer": [1]}),
        b'{"type":6,"requestId":"abcdef","data":{"answer":[1]}}',
    ),
    (ClientCount("abcdef", 2), b'{"type":8,"requestId":"abcdef","clientCount":2}'),
    (
        ClientAnswer("abcdef", {"ok": b"\t"}),
        bytes.fromhex(
            "83a47479706509a9726571756573744964a6616263646566a67061636b657481a26f6bc40109"
        ),
    ),
]


# --- channels


def test_the_channels_of_a_namespace() -> None:
    assert Channels.of("app", "/chat") == (
        "app#/chat#", "app-request#/chat#", "app-response#/chat#"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("target", "channel"),
    [
        (Target(), "k#/#"),
        (to("red"), "k#/#red#"),
        (to("red", but=("x",)), "k#/#red#"),
        (to("red", "blue"), "k#/#"),
        (to(but=("red",)), "k#/#"),
        (to("a#b*"), "k#/#a#b*#"),
    ],
)
def test_a_broadcast_to_one_room_has_a_channel_of_its_own(target: Target, channel: str) -> None:
    assert Channels.of("k", "/").of_target(target) == channel


# --- the bytes of Node


@pytest.mark.parametrize(("channel", "packet", "target", "text"), BROADCASTS)
def test_broadcasts_have_the_bytes_of_node(
    channel: str, packet: Packet, target: Target, text: str
) -> None:
    assert encode_broadcast("abc123", packet, target).hex() == text
    assert decode_broadcast(bytes.fromhex(text), "/") == ("abc123", Broadcast(packet, target))
    assert Channels.of("socket.io", "/").of_target(target) == channel


def test_a_broadcast_with_acknowledgements_is_that_of_node() -> None:
    expected = Broadcast(event("q", 1), to("r1", "r2", flags=Flags(timeout=1)), "1WeNtm")
    assert decode_request(bytes.fromhex(WITH_ACK), "/") == ("abc123", expected)
    ours, theirs = unpack(encode_request("abc123", expected)), unpack(bytes.fromhex(WITH_ACK))
    assert list(ours) == list(theirs)
    ours["opts"]["rooms"].sort()  # a set
    assert ours == theirs


@pytest.mark.parametrize(("request_", "text"), REQUESTS)
def test_requests_have_the_bytes_of_node(request_: Request, text: str) -> None:
    assert encode_request("abc123", request_) == text.encode()
    assert decode_request(text.encode(), "/") == ("abc123", request_)


@pytest.mark.parametrize(("response", "data"), RESPONSES)
def test_responses_have_the_bytes_of_node(response: Response, data: bytes) -> None:
    assert encode_response(response) == data
    assert decode_response(data) == response


def test_older_servers_are_answered_in_their_words() -> None:
    assert encode_response(IdsFound("1", ["a"])) == b'{"requestId":"1","sockets":["a"]}'
    assert encode_response(RoomsFound("1", ["a"])) == b'{"requestId":"1","rooms":["a"]}'


# --- what else may come


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"uid":"x","requestId":"1","type":0,"rooms":["a"]}', AllSockets(["a"], "1")),
        ('{"requestId":"1","type":0}', AllSockets([], "1")),
        ('{"uid":"x","requestId":"1","type":1}', AllRooms("1")),
        ('{"requestId":"1","type":2,"sid":"s","room":"r"}', JoinRooms(to("s"), ["r"])),
        ('{"requestId":"1","type":3,"sid":"s","room":7}', LeaveRooms(to("s"), ["7"])),
        ('{"requestId":"1","type":4,"sid":"s","close":true}', DisconnectSockets(to("s"), True)),
        ('{"type":4,"opts":{"rooms":[]}}', DisconnectSockets(Target(), False)),
        ('{"type":6,"data":["a"],"requestId":null}', ServerSideEmit(["a"])),
        ('{"type":2.0,"opts":{},"rooms":[]}', JoinRooms(Target(), [])),
    ],
)
def test_older_and_other_forms_of_requests_are_read(text: str, expected: Request) -> None:
    assert decode_request(text.encode(), "/")[1] == expected


def test_a_request_may_be_messagepack() -> None:
    data = pack({"uid": "x", "type": 6, "data": ["ping", b"\x01"]})
    assert decode_request(data, "/") == ("x", ServerSideEmit(["ping", b"\x01"]))


@pytest.mark.parametrize("uid", [None, 5, ["x"]])
def test_a_sender_without_an_id_is_unknown(uid: Any) -> None:
    assert decode_request(dump_json({"uid": uid, "type": 6, "data": ["a"]}), "/")[0] == ""
    found = decode_broadcast(pack([uid, {"type": 2, "data": ["a"], "nsp": "/"}, {}]), "/")
    assert found == ("", Broadcast(event("a"), Target()))


def test_what_is_not_answered_may_go_without_a_sender() -> None:
    request = DisconnectSockets(Target(), False)
    assert (
        encode_request("", request) == b'{"type":4,"opts":{"rooms":[],"except":[]},"close":false}'
    )
    assert decode_request(encode_request("", request), "/") == ("", request)


@pytest.mark.parametrize(
    ("namespace", "expected"), [("/chat", True), (None, False), ("/", False), (7, False)]
)
def test_a_broadcast_belongs_to_its_namespace(namespace: Any, expected: bool) -> None:
    data = pack(["x", {"type": 2, "data": ["a"], "nsp": namespace}, {"rooms": []}])
    assert (decode_broadcast(data, "/chat") is not None) is expected


def test_a_broadcast_without_a_namespace_is_for_the_main_one() -> None:
    data = pack(["x", {"type": 2, "data": ["a"]}, {"rooms": [], "except": []}])
    assert decode_broadcast(data, "/") == ("x", Broadcast(event("a"), Target()))
    assert decode_broadcast(data, "/chat") is None


@pytest.mark.parametrize("options", [0, False, "", [], "red", {"rooms": "red"}])
def test_malformed_options_do_not_mean_every_socket(options: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        decode_broadcast(pack(["x", {"type": 2, "data": ["a"], "nsp": "/"}, options]), "/")


@pytest.mark.parametrize(
    "response",
    [{"requestId": "1"}, {"requestId": "1", "sockets": ["a"]}, {"requestId": "1", "rooms": ["a"]},
     {"requestId": "1", "type": [6]}],
    ids=str,
)  # fmt: skip
def test_responses_that_this_server_never_asks_for_are_nothing(response: Any) -> None:
    assert decode_response(dump_json(response)) is None


def test_an_answer_without_a_value_is_none() -> None:
    assert decode_response(b'{"type":6,"requestId":"1"}') == ServerAnswer("1", None)
    assert decode_response(pack({"type": 9, "requestId": "1"})) == ClientAnswer("1", None)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"null", b"[]", b"{", b"{}", b'{"type":99}', b'{"type":[]}', b'{"type":{}}',
        b'{"type":"2"}', b'{"type":5,"opts":{}}', b'{"type":5,"requestId":7,"opts":{}}',
        b'{"type":2}', b'{"type":2,"opts":{},"rooms":"a"}', b'{"type":2,"opts":{}}',
        b'{"type":6,"data":[]}', b'{"type":6,"data":"ab"}', b'{"type":6}',
        b'{"type":6,"data":["a"],"requestId":7}', b'{"type":0,"requestId":"1","rooms":5}',
        b'{"type":7,"requestId":"1","opts":{},"packet":{}}', b'{"type":7}',
    ],
)  # fmt: skip
def test_malformed_requests_are_value_errors(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        decode_request(data, "/")


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{", b"{}", b'{"requestId":7}', b'{"requestId":"1","type":8}',
     b'{"requestId":"1","type":8,"clientCount":-1}',
     b'{"requestId":"1","type":8,"clientCount":true}',
     b'{"requestId":"1","sockets":[{}]}', b'{"requestId":"1","sockets":[{"id":"a","rooms":7}]}'],
)  # fmt: skip
def test_malformed_responses_are_value_errors(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        decode_response(data)


NAMES = ("uid", "requestId", "rooms", "opts", "packet", "data", "clientCount", "sockets", "sid")


@given(message(*NAMES, "room", "close", kinds=st.integers(-1, 10)))
def test_any_map_is_a_message_or_a_value_error(found: dict[str, Any]) -> None:
    packed = pack_anyhow(found)
    for decode in (
        lambda: decode_request(packed, "/"),
        lambda: decode_response(packed),
        lambda: decode_broadcast(packed, "/"),
    ):
        try:
            decode()
        except ValueError:
            pass


@given(st.lists(anything | message("data", "nsp", kinds=st.just(2)), max_size=4))
def test_any_list_is_a_broadcast_or_a_value_error(found: list[Any]) -> None:
    try:
        decode_broadcast(pack_anyhow(found), "/")
    except ValueError:
        pass


def pack_anyhow(value: Any) -> bytes:
    """MessagePack with NaN and all, as other servers may write it."""
    packed: bytes = msgpack.packb(value)
    return packed


# --- what cannot be carried


@pytest.mark.parametrize(
    "request_", [ServerSideEmit(["a", b"x"]), ServerSideEmit(["a", object()]), AllRooms("1")]
)
def test_requests_that_cannot_be_carried_are_refused(request_: Request) -> None:
    with pytest.raises(TypeError):
        encode_request("x", request_)


def test_bytes_in_the_data_of_a_socket_stay_with_it() -> None:
    state = RemoteState("a", {}, [], {"key": b"x", "name": "a"})
    found = json.loads(encode_response(SocketsFound("1", [state])))
    assert found["sockets"][0]["data"] == {"name": "a"}


def test_the_packet_of_a_broadcast_is_an_event_in_its_namespace() -> None:
    packet = Packet(PacketType.EVENT, "/chat", ("a", 1))
    assert unpack(encode_broadcast("x", packet, Target()))[1] == {
        "type": 2, "data": ["a", 1], "nsp": "/chat"
    }  # fmt: skip


@pytest.mark.parametrize(
    "encoded",
    [
        lambda uid: encode_broadcast(uid, event("a", {"b": b"c"}), to("room")),
        lambda uid: encode_request(uid, Broadcast(event("a"), to("room"), "id")),
        *(partial(lambda found, uid: encode_request(uid, found), found) for found, _ in REQUESTS),
    ],
)
def test_what_a_server_has_sent_itself_is_told_from_the_first_bytes(encoded: Any) -> None:
    mine = encoded("0123456789abcdef")
    assert mine.startswith(own_beginnings("0123456789abcdef"))
    assert not mine.startswith(own_beginnings("0123456789abcdee"))
    assert not mine.startswith(own_beginnings("0123456789abcde"))


# --- acknowledgements with several values, of which Node reads the first


@pytest.mark.parametrize("more", [(), (2,), (None, {"a": b"1"})])
def test_all_values_of_an_acknowledgement_arrive(more: tuple[Any, ...]) -> None:
    sent = ClientAnswer("1", "first", more)
    encoded = encode_response(sent)
    assert unpack(encoded)["packet"] == "first"
    assert ("more" in unpack(encoded)) is bool(more)
    assert decode_response(encoded) == sent


@pytest.mark.parametrize("more", [None, 1, "two", {"a": 1}])
def test_what_is_no_list_adds_no_values(more: Any) -> None:
    data = pack({"type": 9, "requestId": "1", "packet": "first", "more": more})
    assert decode_response(data) == ClientAnswer("1", "first")
