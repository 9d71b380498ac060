"""A WebSocket of the embedded server goes on when its request has returned."""

from __future__ import annotations

import gc
import io
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, cast

import gevent
import pytest
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer

from flask_realtime import Middleware, Server
from flask_realtime.hosts.embedded import EmbeddedServer, QuietHandler, RealtimeHandler
from flask_realtime.hosts.open_websocket import OpenWebSocket
from flask_realtime.testing.frames import text_frame
from tests.fakes import deadline, settle, wait_until
from tests.hosts.test_embedded import HELLO, Connection

JOIN = text_frame("40")
EVENT = text_frame('420["event","hi"]')


class Host:
    """A server on a port of this process, with clients and what has happened to them."""

    def __init__(self, size: int | None = None, handler: type = QuietHandler) -> None:
        self.io = Server(serve_client=False)
        self.reasons: list[str] = []
        self.log = io.StringIO()
        self.release = Event()
        self.returned = 0
        self.pool = Pool(size)
        self.http = EmbeddedServer(
            ("127.0.0.1", 0), self._app, handler_class=handler, log=self.log, spawn=self.pool
        )
        self._inner = Middleware(self.io)

        @self.io.on("connection")
        def connected(socket: Any) -> None:
            socket.on("event", lambda word: word + "!")
            socket.on("block", self.release.wait)
            socket.on("disconnect", self.reasons.append)

        self.http.start()

    def _app(self, environ: Any, start_response: Any) -> Any:
        try:
            return self._inner(environ, start_response)
        finally:
            self.returned += 1

    def websocket(self) -> Connection:
        connection = Connection(int(self.http.server_port or 0))
        connection.send(HELLO + JOIN)
        connection.until(b"\r\n\r\n")
        return connection


@pytest.fixture
def host(quiet_hub: io.StringIO) -> Iterator[Callable[..., Host]]:
    made: list[Host] = []

    def make(*args: Any) -> Host:
        made.append(Host(*args))
        return made[-1]

    yield make
    for one in made:
        one.release.set()
        one.http.stop(timeout=1)
        one.io.close()


def members(host: Host) -> list[type]:
    return [type(member) for member in host.pool]


def test_an_idle_websocket_has_no_greenlet(host: Callable[..., Host]) -> None:
    here = host()
    with here.websocket() as connection:
        connection.talk()
        assert members(here) == [OpenWebSocket]
        assert here.returned == 1
        connection.send(EVENT)
        assert connection.frames(1) == [b'430["hi!"]']
    wait_until(lambda: members(here) == [])
    assert here.reasons == ["transport close"]
    assert here.http.websockets == set()
    assert here.http.connections == set()


def test_it_counts_against_the_limit_of_connections(host: Callable[..., Host]) -> None:
    here = host(1)
    with here.websocket() as first:
        first.talk()
        assert here.pool.free_count() == 0
        late = gevent.spawn(here.websocket)
        settle()
        assert not late.ready()
    with deadline("the second"), late.get() as second:
        second.talk()


def test_a_server_that_stops_waits_for_it_and_then_cuts_it(host: Callable[..., Host]) -> None:
    here = host()
    with here.websocket() as patient, here.websocket() as busy:
        patient.talk()
        busy.talk()
        busy.send(text_frame('42["block"]'))
        wait_until(lambda: any(not one.inbox.is_idle for one in here.io.engine.clients.values()))
        here.http.stop(timeout=0.1)
        assert here.reasons == ["transport close"] * 2
        assert patient.rest() == b""
        assert members(here) == [OpenWebSocket]  # of a handler that goes on
        here.release.set()
        wait_until(lambda: members(here) == [])


def test_a_server_that_stops_does_not_wait_longer_than_it_lasts(host: Callable[..., Host]) -> None:
    here = host()
    with here.websocket() as connection:
        connection.talk()
        stopping = gevent.spawn(here.http.stop, 30)
        settle()
        assert not stopping.ready()
    with deadline("the stop"):
        stopping.get()
    assert here.reasons == ["transport close"]


def test_its_line_of_the_access_log_is_written_at_its_end(host: Callable[..., Host]) -> None:
    here = host(None, RealtimeHandler)
    with here.websocket() as connection:
        connection.talk()
        gevent.sleep(0.05)
        assert here.log.getvalue() == ""
    wait_until(lambda: here.log.getvalue().endswith("\n"))
    (line,) = here.log.getvalue().splitlines()
    assert '"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1" 101 ' in line
    assert 0.05 <= float(line.rpartition(" ")[2]) < 10


def test_an_upgrade_returns_as_well(host: Callable[..., Host]) -> None:
    here = host()
    port = int(here.http.server_port or 0)
    with Connection(port) as polling, Connection(port) as upgrade:
        polling.send(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n")
        sid = polling.until(b'","upgrades"').rpartition(b'"sid":"')[2]
        upgrade.send(HELLO.replace(b"transport=websocket", b"transport=websocket&sid=" + sid))
        upgrade.until(b"\r\n\r\n")
        upgrade.send(text_frame("2probe"))
        assert upgrade.frames(1) == [b"3probe"]
        upgrade.send(text_frame("5") + JOIN)
        assert upgrade.frames(1)[0].startswith(b'40{"sid"')
        upgrade.send(EVENT)
        assert upgrade.frames(1) == [b'430["hi!"]']
        wait_until(lambda: OpenWebSocket in members(here))
        assert len(here.http.websockets) == 1
    wait_until(lambda: members(here) == [])


def test_another_server_around_the_handler_keeps_the_greenlet(quiet_hub: io.StringIO) -> None:
    server = Server()
    seen: list[Any] = []

    @server.on("connection")
    def connected(socket: Any) -> None:
        socket.on("event", lambda word: word + "!")
        socket.on("disconnect", seen.append)

    pool, handler = Pool(), cast(Any, QuietHandler)
    http = WSGIServer(
        ("127.0.0.1", 0), Middleware(server), handler_class=handler, spawn=pool, log=None
    )
    http.start()
    with Connection(int(http.server_port or 0)) as connection:
        connection.send(HELLO + JOIN)
        connection.until(b"\r\n\r\n")
        connection.talk()
        (member,) = pool
        assert isinstance(member, gevent.Greenlet)
    wait_until(lambda: seen == ["transport close"])
    http.stop(timeout=1)


def test_a_link_that_comes_too_late_is_called_soon(host: Callable[..., Host]) -> None:
    here = host()
    with here.websocket() as connection:
        connection.talk()
        (websocket,) = here.http.websockets
        called: list[Any] = []
        websocket.rawlink(called.append)
        websocket.unlink(called.append)
        websocket.unlink(called.append)
    wait_until(lambda: members(here) == [])
    assert called == []
    websocket.rawlink(called.append)
    settle()
    assert called == [websocket]


def garbage(visit: Callable[[], None], visits: int) -> Counter[str]:
    """What visits leave of this package to the collector of garbage, by the names of types."""
    gc.collect()
    gc.disable()
    try:
        for _ in range(visits):
            visit()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found = map(type, gc.garbage)
        return Counter(kind.__name__ for kind in found if "flask_realtime" in kind.__module__)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_a_websocket_that_is_over_leaves_little_to_the_collector(host: Callable[..., Host]) -> None:
    here = host()

    def visit() -> None:
        with here.websocket() as connection:
            connection.talk()
        wait_until(lambda: members(here) == [])
        gevent.sleep(0)

    visit()
    visits = 5
    left = garbage(visit, visits)
    # A socket and its core, which refer to each other, and what they hold: no more.
    assert left["Socket"] <= visits
    assert not left.keys() & {"QuietHandler", "Environs", "Handler", "OpenWebSocket"}
    assert sum(left.values()) <= visits * 12, left


def test_a_websocket_that_never_joined_leaves_nothing_to_it(host: Callable[..., Host]) -> None:
    here = host()

    def visit() -> None:
        with Connection(int(here.http.server_port or 0)) as connection:
            connection.send(HELLO)
            connection.until(b"\r\n\r\n")
        wait_until(lambda: members(here) == [])
        gevent.sleep(0)

    visit()
    assert not garbage(visit, 1)
