"""What the scenario server does with the events of the tests.

The same handlers serve ``/`` and ``/chat``; the other namespaces have their own.
``chain`` lets a test write a call on ``io`` or its socket as data, for example
``chain("io", ["to", "room"], ["emit", "news", 1])``.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event

from flask_realtime import AckTimeout, ConnectError, Namespace, Server, Socket, SocketDisconnected
from tests.interop.journal import Journal, tag_of_request, tag_of_socket

Handlers = Callable[[Server, Journal, Socket], None]

#: Namespaces that clients may make up; the second part of the name is the tag of the test.
DYNAMIC = re.compile(r"^/dynamic/[\w-]+/[a-z0-9]+\Z", re.ASCII)


def install(io: Server, journal: Journal) -> None:
    groups: tuple[Handlers, ...] = (
        on_plain_events,
        on_questions,
        on_callbacks,
        on_bursts,
        on_rooms,
        on_blocking,
        on_leaving,
    )

    def connected(socket: Socket) -> None:
        journal.add("connection", tag_of_socket(socket), id=socket.id, nsp=socket.nsp.name)
        for group in groups:
            group(io, journal, socket)

    @io.use
    def admit(socket: Socket) -> None:
        if "refuse" in socket.handshake.query:
            raise ConnectError("not here")

    io.on("connection", connected)
    io.of("/chat").on("connection", connected)
    install_namespaces(io, journal)
    install_dynamic(io, journal, connected)
    install_declared(io)

    @io.on_error
    def failed(error: BaseException, socket: Socket | None, event: str) -> None:
        tag = socket and tag_of_socket(socket)
        journal.add("error", tag, error=repr(error), event=event)

    watch_engine(io, journal)


def watch_engine(io: Server, journal: Journal) -> None:
    @io.engine.on("connection_error")
    def refused(error: Any) -> None:
        journal.add(
            "connection_error",
            tag_of_request(error.environ),
            code=error.code,
            message=error.message,
            context=error.context,
        )

    @io.engine.on("initial_headers")
    def first(headers: Any, environ: Any) -> None:
        journal.add("initial_headers", tag_of_request(environ))
        headers["X-First"] = "1"

    @io.engine.on("headers")
    def each(headers: Any, environ: Any) -> None:
        headers["X-Each"] = "1"


def describe(value: Any) -> Any:
    """Something to send as an answer for what a call returned."""
    if isinstance(value, list):
        return [describe(item) for item in value]
    if hasattr(value, "rooms") and hasattr(value, "handshake"):
        auth = value.handshake.auth
        return {
            "id": value.id,
            "rooms": sorted(value.rooms),
            "data": value.data,
            "name": auth.get("name"),
        }
    return value


def on_plain_events(io: Server, journal: Journal, socket: Socket) -> None:
    tag = tag_of_socket(socket)

    @socket.on("echo")
    def echo(*args: Any) -> None:
        socket.emit("echo", *args)

    @socket.on("message")
    def message(*args: Any) -> None:
        socket.send(*args)

    @socket.on("record")
    def record(*args: Any) -> None:
        journal.add("recorded", tag, args=list(args))

    @socket.on("handshake")
    def handshake() -> dict[str, Any]:
        found = socket.handshake
        names = ("address", "auth", "issued", "secure", "time", "url", "xdomain")
        told = {name: getattr(found, name) for name in names}
        told["headers"] = {str(name).lower(): value for name, value in found.headers.items()}
        told["query"] = dict(found.query.items())
        told["engine"] = socket.conn.id
        told["transport"] = socket.conn.transport.name
        told["recovered"] = socket.recovered
        return told

    @socket.on("fail")
    def fail() -> None:
        raise ValueError("this handler fails")

    @socket.on("thread")
    def thread(count: int) -> None:
        def work() -> None:
            for number in range(count):
                socket.emit("from a thread", number)

        threading.Thread(target=work).start()


def on_questions(io: Server, journal: Journal, socket: Socket) -> None:
    """Acknowledgements, in both directions."""
    tag = tag_of_socket(socket)
    socket.on("none", lambda *args: None)
    socket.on("one", lambda value: value)
    socket.on("several", lambda *args: args)
    socket.on("list", lambda *args: list(args))

    @socket.on("later")
    def later(value: Any, *, ack: Any) -> str:
        def answer() -> None:
            ack("later", value)
            ack("a second time")

        gevent.spawn_later(0.05, answer)
        return "what this returns is no answer"

    @socket.on("ask")
    def ask(*args: Any) -> Any:
        answer = socket.emit_with_ack("question", *args)
        return [type(answer).__name__, answer]

    @socket.on("ask for")
    def ask_for(seconds: float, *args: Any) -> Any:
        began = time.monotonic()
        outcome = "answered"
        try:
            socket.timeout(seconds).emit_with_ack("question", *args)
        except (AckTimeout, SocketDisconnected) as error:
            outcome = type(error).__name__
        took = time.monotonic() - began
        journal.add("asked", tag, outcome=outcome, took=took)
        return [outcome, took]


def on_callbacks(io: Server, journal: Journal, socket: Socket) -> None:
    """What the server asks with a function, and what it asks a room."""

    @socket.on("call back")
    def call_back(*args: Any) -> None:
        socket.emit("question", *args, ack=lambda *got: socket.emit("called back", *got))

    @socket.on("call back within")
    def call_back_within(seconds: float, *args: Any) -> None:
        def got(error: Any, *answer: Any) -> None:
            socket.emit("called back", error and type(error).__name__, *answer)

        socket.timeout(seconds).emit("question", *args, ack=got)

    @socket.on("ask room")
    def ask_room(room: str, seconds: float, *args: Any) -> Any:
        try:
            return ["all", *io.to(room).timeout(seconds).emit_with_ack("question", *args)]
        except AckTimeout as error:
            return ["some", *error.responses]


def on_bursts(io: Server, journal: Journal, socket: Socket) -> None:
    counted: list[Any] = []
    stop = Event()
    socket.on("count", lambda *args: counted.append(args[0]))
    socket.on("counted", lambda: counted)

    @socket.on("burst")
    def burst(count: int) -> None:
        for number in range(count):
            socket.emit("burst", number)

    @socket.on("flood")
    def flood(count: int, size: int) -> None:
        # In one turn: nothing is read from or written to other sockets meanwhile.
        text = "x" * size
        for number in range(count):
            socket.emit("flood", number, text)

    @socket.on("stream")
    def stream(pause: float) -> None:
        def flow() -> None:
            number = 0
            while not stop.is_set() and socket.connected:
                blob = [bytes([number % 256])] if number % 5 == 0 else []
                socket.emit("stream", number, *blob)
                number += 1
                gevent.sleep(pause)
            socket.emit("stream end", number)

        gevent.spawn(flow)

    @socket.on("stop")
    def end() -> None:
        stop.set()


def on_rooms(io: Server, journal: Journal, socket: Socket) -> None:
    socket.on("join", lambda rooms: socket.join(rooms))
    socket.on("leave", lambda room: socket.leave(room))
    socket.on("rooms", lambda: sorted(socket.rooms))
    socket.on("remember", lambda values: socket.data.update(values))

    @socket.on("chain")
    def chain(start: str, *steps: Any) -> Any:
        starts = {"io": io, "nsp": socket.nsp, "parent": io.of(DYNAMIC)}
        value: Any = starts.get(start, socket)
        for step in steps:
            if isinstance(step, str):
                value = getattr(value, step)
            else:
                name, *args = step
                value = getattr(value, name)(*args)
        return describe(value)


def on_blocking(io: Server, journal: Journal, socket: Socket) -> None:
    tag = tag_of_socket(socket)

    @socket.on("block")
    def block(seconds: float) -> str:
        journal.add("blocking", tag)
        gevent.sleep(seconds)
        return "awake"


def on_leaving(io: Server, journal: Journal, socket: Socket) -> None:
    """Who ends what, and the reasons the server gives."""
    tag = tag_of_socket(socket)
    socket.on("disconnect me", lambda close=False: socket.disconnect(close))
    socket.on("close my connection", lambda: socket.conn.close())

    @socket.on("see me off")
    def see_off(way: str, seconds: float) -> None:
        ends: dict[str, Callable[[], Any]] = {
            "disconnect": lambda: socket.disconnect(close=True),
            "disconnect_sockets": lambda: io.in_(socket.id).disconnect_sockets(close=True),
            "conn.close": socket.conn.close,
        }

        def end() -> None:
            socket.emit("last", round(seconds * 1000))
            ends[way]()

        gevent.spawn_later(seconds, end)

    @socket.on("disconnecting")
    def disconnecting(reason: str) -> None:
        journal.add(
            "disconnecting",
            tag,
            id=socket.id,
            reason=reason,
            connected=socket.connected,
            rooms=sorted(socket.rooms),
        )

    @socket.on("disconnect")
    def disconnect(reason: str, description: Any) -> None:
        journal.add(
            "disconnect",
            tag,
            id=socket.id,
            nsp=socket.nsp.name,
            reason=reason,
            connected=socket.connected,
            rooms=sorted(socket.rooms),
        )


def install_namespaces(io: Server, journal: Journal) -> None:
    secret = io.of("/secret")

    @secret.use
    def check(socket: Socket) -> None:
        if socket.handshake.auth.get("token") != "right":
            raise ConnectError("not authorized", {"code": 42, "hint": ["ask", "nicely"]})

    @secret.use
    def second(socket: Socket) -> None:
        socket.data["checked"] = True
        socket.join("checked")

    def welcome(socket: Socket) -> None:
        socket.emit("welcome", socket.nsp.name, socket.data, sorted(socket.rooms - {socket.id}))

    secret.on("connection", welcome)

    @io.of("/plain-refusal").use
    def refuse(socket: Socket) -> None:
        raise ConnectError("closed today")


def install_dynamic(io: Server, journal: Journal, connected: Callable[[Socket], None]) -> None:
    """Namespaces that a pattern or a function allows."""

    @io.on("new_namespace")
    def made(namespace: Namespace) -> None:
        _, tag, *_ = [*namespace.name[1:].split("/"), ""]
        journal.add("new_namespace", tag, name=namespace.name)

    parent = io.of(DYNAMIC)

    @parent.use
    def check(socket: Socket) -> None:
        if socket.handshake.auth.get("refuse"):
            raise ConnectError("not in this one", {"name": socket.nsp.name})

    parent.on("connection", connected)

    def is_member(name: str, auth: dict[str, Any]) -> bool:
        if auth.get("fail"):
            raise KeyError("the members cannot be read")
        gevent.sleep(auth.get("wait", 0))
        return name.startswith("/members/") and auth.get("member") is True

    io.of(is_member).on("connection", connected)


class ClassBased(Namespace):
    def on_connection(self, socket: Socket) -> None:
        socket.emit("welcome", "class")

    def on_add(self, socket: Socket, left: int, right: int) -> int:
        return left + right


def install_declared(io: Server) -> None:
    """Handlers that are declared once, and not for each socket."""
    io.register(ClassBased("/class"))
    released: dict[str, Event] = {}

    @io.event("add", namespace="/declared")
    def add(socket: Socket, left: int, right: int) -> int:
        return left + right

    @io.event("wait", namespace="/declared", concurrent=True)
    def wait(socket: Socket) -> str:
        event = released.setdefault(socket.id, Event())
        return "released" if event.wait(5) else "never released"

    @io.event("ask back", namespace="/declared", thread=True)
    def ask_back(socket: Socket, value: int) -> Any:
        return socket.timeout(5).emit_with_ack("question", value)

    @io.fallback(namespace="/declared")
    def unknown(socket: Socket, event: str, *args: Any) -> list[Any]:
        return [event, *args]

    @io.event("release", namespace="/declared")
    def release(socket: Socket) -> None:
        released.setdefault(socket.id, Event()).set()
