"""Emits from processes without a server: the commands, and the bytes of Node's emitter.

The vectors are what @socket.io/redis-emitter 5.1.0 published.
"""

from __future__ import annotations

import math
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis, RedisError

from flask_realtime import Emitter
from flask_realtime.adapters.values import Flags, Target
from flask_realtime.adapters.wire.classic import decode_broadcast
from flask_realtime.adapters.wire.messages import (
    Broadcast,
    DisconnectSockets,
    JoinRooms,
    LeaveRooms,
    Request,
    ServerSideEmit,
)
from flask_realtime.adapters.wire.node import decode
from flask_realtime.adapters.wire.streams import decode_entry
from flask_realtime.adapters.wire.values import load, unpack
from flask_realtime.testing.pytest.adapter_contract import event, to
from tests.ids import case
from tests.processes import free_port
from tests.server.test_room_selectors import refused


class Client:
    """Keeps the commands."""

    def __init__(self) -> None:
        self.commands: list[tuple[Any, ...]] = []

    def execute_command(self, *words: Any) -> int:
        self.commands.append(words)
        return 0


@pytest.fixture
def client() -> Client:
    return Client()


#: What is said in Python, and what the same words in JavaScript published.
NODE: list[tuple[Callable[[Emitter], Any], str, str]] = [
    (
        lambda io: io.emit("hello"),
        "socket.io#/#",
        "93a7656d697474657283a47479706502a46461746191a568656c6c6fa36e7370a12f"
        "83a5726f6f6d7390a5666c61677380a665786365707490",
    ),
    (
        lambda io: io.to("r1").emit("news", 1, "two", {"three": [3.5, None, True]}),
        "socket.io#/#r1#",
        "93a7656d697474657283a47479706502a46461746194a46e65777301a374776f81a5746872656593"
        "cb400c000000000000c0c3a36e7370a12f83a5726f6f6d7391a27231a5666c61677380a665786365707490",
    ),
    (
        lambda io: io.to("r1").except_("x").volatile.compress(False).emit("b", b"\x01\x02\x03"),
        "socket.io#/#r1#",
        "93a7656d697474657283a47479706502a46461746192a162c403010203a36e7370a12f83a5726f6f6d73"
        "91a27231a5666c61677382a8766f6c6174696c65c3a8636f6d7072657373c2a665786365707491a178",
    ),
    (
        lambda io: io.of("admin").in_("r1").emit("a"),
        "socket.io#/admin#r1#",
        "93a7656d697474657283a47479706502a46461746191a161a36e7370a62f61646d696e"
        "83a5726f6f6d7391a27231a5666c61677380a665786365707490",
    ),
]

NODE_REQUESTS: list[tuple[Callable[[Emitter], Any], str]] = [
    (
        lambda io: io.to("r1").sockets_join("r2"),
        '{"type":2,"opts":{"rooms":["r1"],"except":[]},"rooms":["r2"]}',
    ),
    (
        lambda io: io.in_(["r1"]).except_("r3").sockets_leave(["r4", "r5"]),
        '{"type":3,"opts":{"rooms":["r1"],"except":["r3"]},"rooms":["r4","r5"]}',
    ),
    (
        lambda io: io.disconnect_sockets(),
        '{"type":4,"opts":{"rooms":[],"except":[]},"close":false}',
    ),
    (
        lambda io: io.to("r1").disconnect_sockets(True),
        '{"type":4,"opts":{"rooms":["r1"],"except":[]},"close":true}',
    ),
    (
        lambda io: io.server_side_emit("ping", 1, {"a": "b"}),
        '{"uid":"emitter","type":6,"data":["ping",1,{"a":"b"}]}',
    ),
]


@pytest.mark.parametrize(("say", "channel", "text"), NODE)
def test_broadcasts_are_those_of_nodes_emitter(
    client: Client, say: Callable[[Emitter], Any], channel: str, text: str
) -> None:
    say(Emitter(client))
    ((word, where, payload),) = client.commands
    assert (word, where) == ("PUBLISH", channel)
    assert unpack(payload) == unpack(bytes.fromhex(text))
    assert len(payload) == len(text) // 2  # the keys of opts are in another order, no more


@pytest.mark.parametrize(("say", "text"), NODE_REQUESTS)
def test_requests_have_the_bytes_of_nodes_emitter(
    client: Client, say: Callable[[Emitter], Any], text: str
) -> None:
    say(Emitter(client))
    assert client.commands == [("PUBLISH", "socket.io-request#/#", text.encode())]


def test_the_channels_begin_with_the_key(client: Client) -> None:
    io = Emitter(client, key="app")
    io.emit("a")
    io.sockets_join("r")
    assert [words[1] for words in client.commands] == ["app#/#", "app-request#/#"]


# --- the same words for every family


def classic(words: tuple[Any, ...], namespace: str) -> Any:
    found = decode_broadcast(words[2], namespace)
    return found and found[1]


def sharded(words: tuple[Any, ...], namespace: str) -> Any:
    found = decode(load(words[2]), namespace)
    assert found is None or found[0] == "emitter"
    return found and found[1]


def streams(words: tuple[Any, ...], namespace: str) -> Any:
    values = [item.encode() if isinstance(item, str) else item for item in words[6:]]
    found = decode_entry(dict(zip(values[::2], values[1::2], strict=True)), namespace)
    assert found is None or found[0] == "emitter"
    return found and found[1]


WORDS: list[tuple[Callable[[Emitter], Any], Request]] = [
    (lambda io: io.emit("a", 1, b"x"), Broadcast(event("a", 1, b"x"), Target())),
    (lambda io: io.send("hi"), Broadcast(event("message", "hi"), Target())),
    (lambda io: io.write("hi"), Broadcast(event("message", "hi"), Target())),
    (lambda io: io.to("r").emit("a"), Broadcast(event("a"), to("r"))),
    (lambda io: io.to("r", ["s"]).in_("t").emit("a"), Broadcast(event("a"), to("r", "s", "t"))),
    (lambda io: io.except_("r", "s").emit("a"), Broadcast(event("a"), to(but=("r", "s")))),
    (lambda io: io.volatile.emit("a"), Broadcast(event("a"), to(flags=Flags(volatile=True)))),
    (lambda io: io.compress(False).emit("a"), Broadcast(event("a"), to(flags=Flags(False, False)))),
    (lambda io: io.compress(True).emit("a"), Broadcast(event("a"), Target())),
    (lambda io: io.to("r").sockets_join("s", "t"), JoinRooms(to("r"), ["s", "t"])),
    (lambda io: io.volatile.sockets_leave(["s"]), LeaveRooms(Target(), ["s"])),
    (lambda io: io.to("r").disconnect_sockets(), DisconnectSockets(to("r"), False)),
    (lambda io: io.server_side_emit("a", {"b": [1]}), ServerSideEmit(["a", {"b": [1]}])),
]


@pytest.mark.parametrize(("say", "expected"), WORDS)
@pytest.mark.parametrize(("family", "read"), [("sharded", sharded), ("streams", streams)])
def test_every_family_reads_what_was_said(
    client: Client, family: Any, read: Any, say: Callable[[Emitter], Any], expected: Request
) -> None:
    say(Emitter(client, adapter=family))
    (words,) = client.commands
    assert read(words, "/") == expected
    assert read(words, "/chat") is None


@pytest.mark.parametrize(("say", "expected"), [item for item in WORDS if len(item[1]) == 3])
def test_the_classic_family_reads_what_was_said(
    client: Client, say: Callable[[Emitter], Any], expected: Request
) -> None:
    say(Emitter(client))
    (words,) = client.commands
    assert classic(words, "/") == expected


@pytest.mark.parametrize(("mode", "channel"), [("dynamic", "p#/#r#"), ("static", "p#/#")])
def test_sharded_channels_are_those_of_the_servers(client: Client, mode: Any, channel: str) -> None:
    Emitter(client, adapter="sharded", key="p", subscription_mode=mode).to("r").emit("a")
    assert client.commands[0][:2] == ("SPUBLISH", channel)


def test_streams_are_those_of_the_servers(client: Client) -> None:
    io = Emitter(client, adapter="streams", stream_name="s", stream_count=4, max_len=50)
    io.emit("a")
    io.of("/日本").emit("a")
    assert [words[:6] for words in client.commands] == [
        ("XADD", f"s-{number}", "MAXLEN", "~", 50, "*") for number in (3, 2)
    ]


# --- operators


def test_words_make_new_operators_and_leave_the_old_ones(client: Client) -> None:
    io = Emitter(client)
    room = io.to("r")
    room.to("s").except_("x").volatile.compress(False).of("chat")
    io.of("chat").to("t")
    room.emit("a")
    io.emit("b")
    assert [classic(words, "/") for words in client.commands] == [
        Broadcast(event("a"), to("r")), Broadcast(event("b"), Target())
    ]  # fmt: skip
    assert repr(room) == "<EmitterOperator / ['r']>"


def test_a_namespace_keeps_the_rooms_that_were_said_before(client: Client) -> None:
    Emitter(client).to("r").of("chat").emit("a")
    assert client.commands[0][1] == "socket.io#/chat#r#"


# --- mistakes


@pytest.mark.parametrize("name", ["connect", "disconnect", "disconnecting", "newListener"])
def test_reserved_names_are_refused(client: Client, name: str) -> None:
    with pytest.raises(ValueError, match="reserved"):
        Emitter(client).emit(name)


@pytest.mark.parametrize("name", ["connection", "connect", "new_namespace"])
def test_names_of_the_server_are_refused(client: Client, name: str) -> None:
    with pytest.raises(ValueError, match="reserved"):
        Emitter(client).server_side_emit(name)


@pytest.mark.parametrize("name", [None, 1, b"a", ["a"]])
def test_a_name_is_a_string(client: Client, name: Any) -> None:
    for say in (Emitter(client).emit, Emitter(client).server_side_emit):
        with pytest.raises(TypeError, match="must be a string"):
            say(name)


@pytest.mark.parametrize("family", ["redis", "sharded", "streams"])
@pytest.mark.parametrize("value", [object(), math.nan, {b"key": 1}], ids=case)
def test_what_cannot_be_carried_raises_and_is_not_published(
    client: Client, family: Any, value: Any
) -> None:
    io = Emitter(client, adapter=family)
    for say in (io.emit, io.server_side_emit):
        with pytest.raises((TypeError, ValueError)):
            say("a", value)
    assert client.commands == []


@pytest.mark.parametrize("family", ["redis", "sharded", "streams"])
def test_the_error_names_the_path_in_one_traceback(client: Client, family: Any) -> None:
    io = Emitter(client, adapter=family)
    for say in (io.emit, io.server_side_emit):
        with pytest.raises(TypeError) as caught:
            say("a", 1, {"user": [object()]})
        assert str(caught.value).endswith("'object' (args[1][\"user\"][0])")
        assert "".join(traceback.format_exception(caught.value)).count("Traceback") == 1


@pytest.mark.parametrize("family", ["redis", "sharded", "streams"])
def test_half_an_emoji_is_published(client: Client, family: Any) -> None:
    Emitter(client, adapter=family).to("\ud83d").emit("\ud83d", "\ud83d")
    assert all(isinstance(word, (int, bytes)) or word.encode() for word in client.commands[0])


def test_a_room_is_a_string(client: Client) -> None:
    for say in (Emitter(client).to, Emitter(client).except_, Emitter(client).sockets_join):
        with pytest.raises(TypeError, match="a room must be a string"):
            say(7)


def test_an_unknown_family_is_refused(client: Client) -> None:
    with pytest.raises(ValueError, match="redis, sharded, streams, not 'kafka'"):
        Emitter(client, adapter="kafka")  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [None, 7, object(), ["redis://localhost"]])
def test_a_client_is_an_address_or_a_client(given: Any) -> None:
    with pytest.raises(TypeError, match="URL or client"):
        Emitter(given)


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="redis://"):
        Emitter("localhost")


@pytest.mark.parametrize("make", [str, str.encode, Redis.from_url])
def test_who_publishes_nothing_hears_of_it(make: Callable[[str], Any]) -> None:
    io = Emitter(make(f"redis://127.0.0.1:{free_port()}"))
    with pytest.raises(RedisError, match="refused"):
        io.emit("a")


# --- threads


def test_threads_may_share_one(client: Client) -> None:
    io = Emitter(client)
    threads = [threading.Thread(target=lambda n=n: io.to(str(n)).emit("a", n)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(words[1] for words in client.commands) == sorted(
        f"socket.io#/#{number}#" for number in range(20)
    )


# --- an empty list of rooms


@pytest.mark.parametrize("adapter", ["redis", "sharded", "streams"])
def test_an_empty_list_of_rooms_selects_no_client(client: Client, adapter: Any) -> None:
    io = Emitter(client, adapter=adapter)
    for nothing in (
        io.to([]), io.in_(()), io.to(set()).volatile, io.to([]).except_("a"), io.to([]).of("/a"),
        io.except_("a").to([]), io.to([]).compress(False).to([]),
    ):  # fmt: skip
        nothing.emit("news")
        nothing.send("news")
        nothing.sockets_join("a")
        nothing.sockets_leave("a")
        nothing.disconnect_sockets()
    io.sockets_join([])
    io.sockets_leave([])
    assert client.commands == []


def test_rooms_add_up_whatever_is_empty_among_them(client: Client) -> None:
    io = Emitter(client)
    for chosen in (io.to("a").to([]), io.to([]).to("a"), io.to("a").except_([]), io.to([], "a")):
        chosen.emit("news")
    io.to("a").emit("news")
    assert len(set(client.commands)) == 1
    assert len(client.commands) == 5
    io.except_([]).emit("news")
    assert client.commands[-1][1] == "socket.io#/#"


def test_events_to_servers_have_no_rooms_to_be_empty(client: Client) -> None:
    Emitter(client).to([]).server_side_emit("news")
    assert len(client.commands) == 1


@pytest.mark.parametrize("word", ["to", "in_", "except_", "sockets_join", "sockets_leave"])
def test_a_word_without_any_room_is_a_mistake(client: Client, word: str) -> None:
    with pytest.raises(TypeError, match=rf"{word}\(\) needs a room"):
        getattr(Emitter(client), word)()
    assert client.commands == []


def test_what_cannot_be_sent_raises_also_without_clients(client: Client) -> None:
    with pytest.raises(TypeError):
        Emitter(client).to([]).emit("news", {1, 2})


# --- keywords of other servers


@pytest.mark.parametrize(
    "words", [("emit", "a"), ("send",), ("disconnect_sockets",)], ids=lambda words: words[0]
)
def test_a_keyword_of_another_server_is_explained(client: Client, words: Any) -> None:
    word, *args = words
    refused(getattr(Emitter(client), word), word, *args)
    refused(getattr(Emitter(client).to("room"), word), word, *args)
