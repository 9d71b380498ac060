"""The server: options, namespaces, and its end."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from flask_realtime import MemoryAdapter, Namespace
from flask_realtime.parsers import DefaultParser, MsgpackParser
from flask_realtime.server.server import BaseServer
from tests.clients import Closed
from tests.fakes import settle, wait_until
from tests.worlds import MakeServer, ServerWorld


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("ping_intervall", "ping_interval"),
        ("pingInterval", "ping_interval"),
        ("cors_allowed_origins", None),
        ("max_http_buffersize", "max_http_buffer_size"),
    ],
)
def test_an_unknown_option_names_the_nearest(name: str, nearest: str | None) -> None:
    options: dict[str, Any] = {name: 1}
    with pytest.raises(TypeError, match=f"unknown option '{name}'") as caught:
        BaseServer(**options)
    if nearest is not None:
        assert f"did you mean '{nearest}'?" in str(caught.value)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("ping_interval", 0),
        ("ping_timeout", -1),
        ("connect_timeout", "5"),
        ("upgrade_timeout", None),
        ("max_http_buffer_size", True),
        ("max_buffered_bytes", 0),
        ("transports", "polling"),
        ("transports", []),
        ("transports", ["polling", "smoke"]),
        ("path", "socket.io"),
    ],
)
def test_an_option_out_of_range_is_refused(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=option.rstrip("s")):
        BaseServer(**{option: value})


def test_the_time_to_join_is_an_option(make_server: MakeServer) -> None:
    server = make_server(connect_timeout=0.5)
    server.network.websocket()
    server.time.advance(0.5)
    assert server.io.engine.clients_count == 1  # it says goodbye
    server.time.advance(30)
    assert server.io.engine.clients_count == 0


# --- namespaces


def test_the_main_namespace_is_there(server: ServerWorld) -> None:
    assert server.io.sockets is server.io.of("/")
    assert server.io.sockets.name == "/"
    assert server.io.namespaces == {"/": server.io.sockets}


def test_a_namespace_is_made_once(server: ServerWorld) -> None:
    made: list[Namespace] = []
    server.io.on("new_namespace", made.append)
    chat = server.io.of("/chat")
    assert server.io.of("chat") is chat
    assert made == [chat]
    assert set(server.io.namespaces) == {"/", "/chat"}
    server.io.namespaces.clear()  # a copy
    assert server.io.of("/chat") is chat


@pytest.mark.parametrize("name", [None, 5, b"/chat"])
def test_a_namespace_is_named_by_a_string(server: ServerWorld, name: Any) -> None:
    with pytest.raises(TypeError):
        server.io.of(name)


def test_the_methods_of_the_server_speak_of_the_main_namespace(server: ServerWorld) -> None:
    def listener(socket: Any) -> None: ...

    server.io.on("connection", listener)
    assert server.io.listeners("connection") == [listener]
    assert server.io.sockets.listeners("connection") == [listener]
    server.io.off("connection", listener)
    assert server.io.listeners("connection") == []


def test_an_adapter_may_be_replaced(make_server: MakeServer) -> None:
    made: list[str] = []

    class Counting(MemoryAdapter):
        def __init__(self, namespace: Any) -> None:
            super().__init__(namespace)
            made.append(namespace.name)

    server = make_server(adapter=Counting)
    server.io.of("/chat")
    assert made == ["/", "/chat"]
    assert isinstance(server.io.of("/chat").adapter, Counting)


def test_a_parser_may_be_replaced(make_server: MakeServer) -> None:
    parser = DefaultParser()
    server = make_server(parser=parser)
    assert server.io.of("/chat").adapter.namespace.parser is parser
    with pytest.raises(ValueError, match="json"):
        make_server(parser=parser, json=__import__("json"))


def test_json_may_be_replaced(make_server: MakeServer) -> None:
    class Shouting:
        @staticmethod
        def dumps(value: Any, **options: Any) -> str:
            import json

            return json.dumps(value, **options).upper()

        loads = staticmethod(__import__("json").loads)

    server = make_server(json=Shouting)
    client = server.network.client()
    client.send("0")
    client.receive()
    server.io.emit("hello")
    assert client.receive() == '2["HELLO"]'


def test_the_limit_of_attachments_is_an_option(make_server: MakeServer) -> None:
    server = make_server(max_attachments=1)
    client = server.network.joined()
    client.send('52-["a"]')
    with pytest.raises(Closed):
        client.receive()


def test_an_exception_of_a_handler_leaves_the_connection_open(
    server: ServerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Any] = []

    @server.io.on_error
    def tell(error: Exception, socket: Any, event: str) -> None:
        told.append((repr(error), socket.id, event))

    @server.io.event
    def broken(socket: Any) -> None:
        raise KeyError("cause")

    server.io.event("well")(lambda socket: "well")
    client = server.network.client()
    sid = client.connect()
    client.emit("broken")
    assert client.call("well") == ["well"]
    assert told == [("KeyError('cause')", sid, "broken")]
    assert "Traceback" in caplog.text


# --- the end


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_server_that_closes_tells_its_sockets_and_delivers_the_rest(
    server: ServerWorld, transport: str
) -> None:
    reasons: list[str] = []
    server.io.on("connection", lambda socket: socket.on("disconnect", reasons.append))
    client = server.network.joined(transport)
    settle()
    server.io.emit("last words")
    server.io.close()
    server.io.close()
    settle()
    assert reasons == ["server shutting down"]
    assert client.event() == ["last words"]
    with pytest.raises(Closed):
        client.receive()  # and no DISCONNECT packet: clients reconnect
    assert server.io.sockets.sockets == {}
    answer = server.network.request("GET", "EIO=4&transport=polling")
    assert answer.status == 503


@pytest.mark.parametrize("parser", [5, "msgpack", [], dict], ids=repr)
def test_what_is_no_parser_is_refused(make_server: MakeServer, parser: Any) -> None:
    with pytest.raises(TypeError, match="a parser has encode\\(\\) and decoder\\(\\)"):
        make_server(parser=parser)


@pytest.mark.parametrize("parser", [MsgpackParser, MsgpackParser()])
def test_a_parser_may_be_given_as_its_class(make_server: MakeServer, parser: Any) -> None:
    assert isinstance(make_server(parser=parser).io.parser, MsgpackParser)


def test_the_class_of_the_default_parser_keeps_the_options(make_server: MakeServer) -> None:
    server = make_server(parser=DefaultParser, max_attachments=1)
    client = server.network.joined()
    client.send('52-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    with pytest.raises(Closed):
        client.receive()


def test_a_message_that_is_no_packet_of_the_parser_closes_its_connection_only(
    make_server: MakeServer,
) -> None:
    server = make_server(parser=MsgpackParser())
    good = server.network.client()
    for data in (b"\xc1", "0"):
        bad = server.network.client()
        bad.line.send(data if isinstance(data, bytes) else "4" + data)
        with pytest.raises(Closed):
            bad.receive()
    good.line.send(msgpack.packb({"type": 0, "nsp": "/"}))
    assert msgpack.unpackb(good.receive())["data"]["sid"] in server.io.sockets.sockets


def test_adapters_are_closed_once_after_the_handlers(make_server: MakeServer) -> None:
    closed: list[str] = []

    class Closing(MemoryAdapter):
        def close(self) -> None:
            closed.append(self.namespace.name)

    server = make_server(adapter=Closing)
    server.io.of("/chat")
    server.io.close()
    assert closed == []  # handlers of the end may still broadcast
    server.io.close_adapters()
    server.io.close_adapters()
    assert closed == ["/", "/chat"]


def refuses(server: ServerWorld) -> None:
    answer = server.network.request("GET", "EIO=4&transport=polling")
    assert (answer.status, answer.text) == (503, "server shutting down")
    line = server.network.dial()
    line.ended()
    assert line.answer.status == 503


def test_a_server_may_be_closed_before_its_first_client(server: ServerWorld) -> None:
    server.io.close()
    refuses(server)


def test_a_host_that_has_sent_the_101_refuses_by_a_close_frame(server: ServerWorld) -> None:
    server.host.upgrades_first = True
    server.io.close()
    line = server.network.dial().open()
    assert line.wait_closed() == 1001
    assert server.io.engine.clients_count == 0


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_handler_may_close_the_server(server: ServerWorld, transport: str) -> None:
    seen: list[str] = []

    @server.io.event("close")
    def close(socket: Any) -> None:
        socket.emit("last words")
        server.io.close()
        seen.append(f"connected: {socket.connected}")

    server.io.event("disconnect")(lambda socket, reason: seen.append(reason))
    client = server.network.joined(transport)
    client.emit("close")
    assert client.event() == ["last words"]
    with pytest.raises(Closed):
        client.receive()
    assert seen == ["server shutting down", "connected: False"]
    refuses(server)


def test_another_thread_may_close_the_server(server: ServerWorld) -> None:
    from gevent.monkey import get_original

    seen: list[str] = []
    server.io.event("disconnect")(lambda socket, reason: seen.append(reason))
    client = server.network.joined()
    for _ in range(2):
        get_original("_thread", "start_new_thread")(server.io.close, ())
    with pytest.raises(Closed):
        client.receive()
    wait_until(lambda: seen == ["server shutting down"])
    refuses(server)


def test_a_client_in_the_middle_of_joining_is_closed_with_the_server(
    server: ServerWorld,
) -> None:
    from gevent.event import Event

    release = Event()
    server.io.use(lambda socket: release.wait())
    client = server.network.client()
    client.send("0")
    settle()
    server.io.close()
    release.set()
    with pytest.raises(Closed):
        client.receive()
    client.line.leave()
    wait_until(lambda: server.io.engine.clients_count == 0)


def test_two_servers_in_one_process_know_nothing_of_each_other(make_server: MakeServer) -> None:
    one, two = make_server(), make_server()
    first, second = one.network.joined(), two.network.joined()
    one.io.emit("to the first")
    two.io.emit("to the second")
    assert (first.event(), second.event()) == (["to the first"], ["to the second"])
