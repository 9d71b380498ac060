"""The messages of Node's ``ClusterAdapter``.

The vectors are what ``createShardedAdapter`` of @socket.io/redis-adapter 8.3.0 and
@socket.io/redis-streams-adapter 0.3.1 published.
"""

from __future__ import annotations

import json
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.adapters.values import Flags, RemoteState, Target
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
from flask_realtime.adapters.wire.node import (
    MessageType,
    decode,
    encode,
    encode_as,
    envelope,
    message_of,
    own_beginnings,
)
from flask_realtime.adapters.wire.values import load, pack
from flask_realtime.testing.pytest.adapter_contract import event, to
from tests.adapters.strange import anything, message
from tests.codec.values import Point
from tests.ids import case

UID = "0123456789abcdef"
TAIL = ',"uid":"0123456789abcdef","nsp":"/"}'
MIXED = to("r1", but=("x",), flags=Flags(volatile=True, compress=False))

#: As sharded pub/sub carries them.
NODE: list[tuple[Request | Response, bytes]] = [
    (
        Broadcast(event("hello"), Target()),
        b'{"type":3,"data":{"packet":{"type":2,"data":["hello"]},'
        b'"opts":{"rooms":[],"except":[],"flags":{}}}',
    ),
    (
        Broadcast(event("news", b"\x01\x02\x03"), MIXED),
        bytes.fromhex(
            "84a47479706503a46461746182a67061636b657482a47479706502a46461746192a46e657773c403010203"
            "a46f70747383a5726f6f6d7391a27231a665786365707491a178"
            "a5666c61677382a8766f6c6174696c65c3a8636f6d7072657373c2"
            "a3756964b030313233343536373839616263646566a36e7370a12f"
        ),
    ),
    (
        Broadcast(event("q", 1), to("r1", flags=Flags(timeout=1)), "843108ec56c381cf"),
        b'{"type":3,"data":{"packet":{"type":2,"data":["q",1]},"requestId":"843108ec56c381cf",'
        b'"opts":{"rooms":["r1"],"except":[],"flags":{"timeout":1000}}}',
    ),
    (
        JoinRooms(to("r1"), ["r2"]),
        b'{"type":4,"data":{"opts":{"rooms":["r1"],"except":[],"flags":{}},"rooms":["r2"]}',
    ),
    (
        LeaveRooms(to(but=("r1",)), ["r3", "r4"]),
        b'{"type":5,"data":{"opts":{"rooms":[],"except":["r1"],"flags":{}},"rooms":["r3","r4"]}',
    ),
    (
        DisconnectSockets(to("r1"), True),
        b'{"type":6,"data":{"opts":{"rooms":["r1"],"except":[],"flags":{}},"close":true}',
    ),
    (
        FetchSockets(to("r1"), "430d60c3f50655af"),
        b'{"type":7,"data":{"opts":{"rooms":["r1"],"except":[],"flags":{}},'
        b'"requestId":"430d60c3f50655af"}',
    ),
    (ServerSideEmit(["ping", 1, "two"]), b'{"type":9,"data":{"packet":["ping",1,"two"]}'),
    (
        ServerSideEmit(["ask"], "39b648715ab87ab0"),
        b'{"type":9,"data":{"requestId":"39b648715ab87ab0","packet":["ask"]}',
    ),
    (
        SocketsFound(
            "aa", [RemoteState("s1", {"url": "/", "auth": {"a": 1}}, ["s1", "r1"], {"n": 1})]
        ),
        b'{"type":8,"data":{"requestId":"aa","sockets":[{"id":"s1","handshake":'
        b'{"url":"/","auth":{"a":1}},"rooms":["s1","r1"],"data":{"n":1}}]}',
    ),
    (
        ServerAnswer("aa", {"answer": [1]}),
        b'{"type":10,"data":{"requestId":"aa","packet":{"answer":[1]}}',
    ),
    (ClientCount("aa", 2), b'{"type":11,"data":{"requestId":"aa","clientCount":2}'),
    (
        ClientAnswer("aa", b"\t"),
        bytes.fromhex(
            "84a4747970650ca46461746182a9726571756573744964a26161a67061636b6574c40109"
            "a3756964b030313233343536373839616263646566a36e7370a12f"
        ),
    ),
]
NODE = [(found, data + (TAIL.encode() if data[:1] == b"{" else b"")) for found, data in NODE]

#: As the streams adapter publishes them: MessagePack throughout.
EPHEMERAL: list[tuple[Request | Response, str]] = [
    (
        Broadcast(event("q", 1), to("r1", "r2", flags=Flags(timeout=1)), "0d520872f2c8c84d"),
        "84a47479706503a46461746183a67061636b657482a47479706502a46461746192a17101"
        "a9726571756573744964b030643532303837326632633863383464"
        "a46f70747383a5726f6f6d7392a27231a27232a665786365707490a5666c61677381a774696d656f7574cd03e8"
        "a3756964b030313233343536373839616263646566a36e7370a12f",
    ),
    (
        ServerSideEmit(["ping", 1, "two"]),
        "84a47479706509a46461746181a67061636b657493a470696e6701a374776f"
        "a3756964b030313233343536373839616263646566a36e7370a12f",
    ),
]


def without_namespace(value: dict[str, Any]) -> dict[str, Any]:
    """A message without the namespace that its packet repeats; Node's packets have none."""
    packet = value["data"].get("packet")
    if isinstance(packet, dict) and "type" in packet:
        assert packet.pop("nsp") == "/"
    return value


@pytest.mark.parametrize(("found", "data"), NODE)
def test_messages_are_those_of_node(found: Request | Response, data: bytes) -> None:
    assert decode(load(data), "/") == (UID, found)
    ours = encode(envelope(UID, "/", found))
    assert ours[:1] == data[:1] or (ours[0] & 0xF0) == 0x80  # the same dialect
    assert without_namespace(load(ours)) == load(data)


@pytest.mark.parametrize(("found", "text"), EPHEMERAL)
def test_messages_in_messagepack_are_those_of_node(found: Request | Response, text: str) -> None:
    assert decode(load(bytes.fromhex(text)), "/") == (UID, found)


@pytest.mark.parametrize("found", [found for found, _ in NODE])
def test_what_is_encoded_is_decoded(found: Request | Response) -> None:
    assert decode(load(encode(envelope("me", "/", found))), "/") == ("me", found)


@pytest.mark.parametrize(
    "found",
    [
        Broadcast(event("a", b"x"), Target()),
        Broadcast(event("a", {"deep": [Point(1, b"x")]}), Target()),
        ServerSideEmit(["a", bytearray(b"x")]),
        ServerAnswer("1", b"x"),
        ClientAnswer("1", [memoryview(b"x")]),
        SocketsFound("1", [RemoteState("a", {}, [], {"key": b"x"})]),
    ],
)
def test_only_messagepack_carries_bytes(found: Request | Response) -> None:
    data = encode(envelope("me", "/", found))
    assert data[:1] != b"{"
    assert decode(load(data), "/") is not None


def test_a_message_that_never_holds_bytes_is_json_or_refused() -> None:
    assert encode_as(MessageType.SOCKETS_JOIN, {"rooms": ["a"]}) == b'{"rooms":["a"]}'
    with pytest.raises(TypeError, match="bytes"):
        encode_as(MessageType.SOCKETS_JOIN, {"rooms": [b"a"]})


@pytest.mark.parametrize(
    "value", [object(), float("nan"), {b"k": 1}, [b"x", float("inf")]], ids=case
)
def test_what_cannot_be_carried_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode(envelope("me", "/", ServerSideEmit(["a", value])))


@pytest.mark.parametrize(
    "found", [AllSockets([], "1"), AllRooms("1"), IdsFound("1", []), RoomsFound("1", [])]
)
def test_the_words_of_the_classic_adapter_are_not_known_here(found: Request | Response) -> None:
    with pytest.raises(TypeError, match="never sent"):
        message_of(found)


def test_data_that_cannot_be_carried_stays_with_its_socket() -> None:
    state = RemoteState("a", {}, [], {"user": object(), "key": b"x"})
    found = decode(load(encode(envelope("me", "/", SocketsFound("1", [state])))), "/")
    assert found == ("me", SocketsFound("1", [RemoteState("a", {}, [], {"key": b"x"})]))


@pytest.mark.parametrize(
    "kind", [MessageType.INITIAL_HEARTBEAT, MessageType.HEARTBEAT, MessageType.ADAPTER_CLOSE]
)
def test_signs_of_life_are_of_no_concern(kind: MessageType) -> None:
    assert decode({"uid": "x", "nsp": "/", "type": int(kind)}, "/") is None


@pytest.mark.parametrize("namespace", ["/chat", None, 7, []])
def test_other_namespaces_are_of_no_concern(namespace: Any) -> None:
    assert decode({"uid": "x", "nsp": namespace, "type": 9, "data": {}}, "/") is None


def test_a_packet_is_in_the_namespace_of_its_message() -> None:
    data = {"packet": {"type": 2, "data": ["a"], "nsp": "/other"}, "opts": {}}
    found = decode({"uid": "x", "nsp": "/", "type": 3, "data": data}, "/")
    assert found == ("x", Broadcast(event("a"), Target()))


def test_an_id_that_is_null_is_none() -> None:
    data = {"packet": ["a"], "requestId": None}
    found = decode({"uid": "x", "nsp": "/", "type": 9, "data": data}, "/")
    assert found == ("x", ServerSideEmit(["a"]))


KINDS: list[Any] = [0, 14, "3", None, [], {}]


@pytest.mark.parametrize(
    "found",
    [
        None, [], {}, {"uid": 7, "nsp": "/"}, {"uid": "x", "nsp": "/"},
        *[{"uid": "x", "nsp": "/", "type": kind, "data": {}} for kind in KINDS],
        *[{"uid": "x", "nsp": "/", "type": kind} for kind in range(3, 13)],
        *[{"uid": "x", "nsp": "/", "type": kind, "data": {}} for kind in range(3, 13)],
        {"uid": "x", "nsp": "/", "type": 11, "data": {"requestId": "1", "clientCount": -1}},
        {"uid": "x", "nsp": "/", "type": 8, "data": {"requestId": "1", "sockets": ["a"]}},
        {"uid": "x", "nsp": "/", "type": 7, "data": {"requestId": 1, "opts": {}}},
        {"uid": "x", "nsp": "/", "type": 4, "data": {"opts": {}, "rooms": None}},
    ],
    ids=str,
)  # fmt: skip
def test_malformed_messages_are_value_errors(found: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        decode(found, "/")


DATA = message(
    "requestId", "rooms", "opts", "packet", "clientCount", "sockets", "close", kinds=anything
)


@given(st.integers(-1, 14) | anything, DATA | anything)
def test_any_message_is_one_or_a_value_error(kind: Any, data: Any) -> None:
    packed = msgpack.packb({"uid": "x", "nsp": "/", "type": kind, "data": data})
    try:
        decode(load(packed), "/")
    except ValueError:
        pass


def test_the_numbers_are_those_of_node() -> None:
    assert json.dumps({kind.name: int(kind) for kind in MessageType}) == json.dumps(
        {
            "INITIAL_HEARTBEAT": 1, "HEARTBEAT": 2, "BROADCAST": 3, "SOCKETS_JOIN": 4,
            "SOCKETS_LEAVE": 5, "DISCONNECT_SOCKETS": 6, "FETCH_SOCKETS": 7,
            "FETCH_SOCKETS_RESPONSE": 8, "SERVER_SIDE_EMIT": 9, "SERVER_SIDE_EMIT_RESPONSE": 10,
            "BROADCAST_CLIENT_COUNT": 11, "BROADCAST_ACK": 12, "ADAPTER_CLOSE": 13,
        }
    )  # fmt: skip


@pytest.mark.parametrize("found", [found for found, _ in NODE])
@pytest.mark.parametrize("form", [encode, pack], ids=["sharded", "streams"])
def test_what_a_server_has_sent_itself_is_told_from_the_first_bytes(
    found: Request | Response, form: Any
) -> None:
    mine = form(envelope("0123456789abcdef", "/", found))
    assert mine.startswith(own_beginnings("0123456789abcdef"))
    assert not mine.startswith(own_beginnings("0123456789abcdee"))
    assert not mine.startswith(own_beginnings("0123456789abcde"))


# --- acknowledgements with several values, of which Node reads the first


@pytest.mark.parametrize("more", [(), (2,), (None, {"a": b"1"})])
def test_all_values_of_an_acknowledgement_arrive(more: tuple[Any, ...]) -> None:
    sent = ClientAnswer("1", "first", more)
    data = message_of(sent)[1]
    assert data["packet"] == "first"
    assert set(data) == ({"requestId", "packet", "more"} if more else {"requestId", "packet"})
    encoded = encode(envelope("a", "/", sent))
    assert decode(load(encoded), "/") == ("a", sent)


@pytest.mark.parametrize("more", [None, 1, "two", {"a": 1}])
def test_what_is_no_list_adds_no_values(more: Any) -> None:
    data = {"requestId": "1", "packet": "first", "more": more}
    message = {"uid": "a", "nsp": "/", "type": 12, "data": data}
    assert decode(message, "/") == ("a", ClientAnswer("1", "first"))
