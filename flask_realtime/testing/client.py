"""The test client of Socket.IO: one client in one namespace, inside the process of the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TypeVar, overload

from flask import Flask

from ..errors import AckTimeout, SocketDisconnected
from ..functions import require_event, require_function
from ..server.event_names import check_event
from ..server.server import BaseServer
from ..wsgi import Middleware
from .bench import Bench
from .browser import Browser
from .connection import Connection
from .member import Member
from .transports import TRANSPORTS
from .waiting import DEADLINE, Late, settle

__all__ = ["TestClient"]

F = TypeVar("F", bound=Callable[..., Any])


class TestClient:
    """A Socket.IO client that speaks the protocol with an application of this process.

    Nothing is replaced: each request goes through the whole WSGI application, a WebSocket runs
    over a pair of sockets, and the server is the one that production runs. There is no port,
    no thread, and no need for monkey patching. A client belongs to the thread that made it::

        with TestClient(app, auth={"token": "secret"}) as client:
            assert client.call("add", 1, 2) == 3

    What is done is done: :meth:`connect`, :meth:`emit` and :meth:`disconnect` return when
    nothing is under way on the server any more (``testing/bench.py`` defines it); whatever
    handlers have sent by then has arrived. What a handler has raised is raised there.

    Args:
        app: The Flask application, its :class:`~flask_realtime.Realtime`, a
            :class:`~flask_realtime.Server`, a :class:`~flask_realtime.Middleware`; or another
            test client, whose connection this one shares: see :meth:`of`.
        namespace: The namespace to join.
        transport: ``"polling"`` or ``"websocket"``.
        auth: The payload that ``socket.handshake.auth`` shows.
        query: Parameters of the URL; ``socket.handshake.query`` shows them.
        headers: Headers of all requests.
        cookies: Cookies by name; those that the server sets are kept.
        flask_test_client: ``app.test_client()``, whose cookies are used instead: a user
            who has logged in there is logged in here. Its ``environ_base`` is used as well.
        timeout: Seconds that each step may take.
        raise_errors: Whether what handlers raise is raised where the test waits. It is
            logged and reported to ``io.on_error`` either way.
        wait: Whether connecting, emitting and disconnecting wait for handlers. With ``False``
            they return when what was sent has arrived, and ``wait_for`` waits.
        auto_connect: Whether to connect at once; :meth:`connect` does it otherwise.

    Raises:
        ConnectError: The server has refused the client; ``message`` and ``data`` say why.
        TypeError: ``app`` is none of these, or ``auth`` is not a dictionary.
        ValueError: There is no such transport, or cookies come from more than one place.
    """

    __test__ = False  # pytest must not collect it

    def __init__(
        self,
        app: Flask | BaseServer | Middleware | TestClient,
        namespace: str = "/",
        *,
        transport: str = "polling",
        auth: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        flask_test_client: Any = None,
        timeout: float = DEADLINE,
        raise_errors: bool = True,
        wait: bool = True,
        auto_connect: bool = True,
    ) -> None:
        if transport not in TRANSPORTS:
            raise ValueError(f"transport is 'polling' or 'websocket', not {transport!r}")
        if auth is not None and not isinstance(auth, Mapping):
            raise TypeError(f"auth is a dictionary, not {auth!r}")
        self.auth = auth
        self.timeout = timeout
        self.raise_errors = raise_errors
        self.wait = wait
        self._new_connection: Callable[[], Connection]
        if isinstance(app, TestClient):
            self._bench = app.bench
            self._new_connection = lambda: app.connection
        else:
            server, application = _server_of(app)
            self._bench = Bench.of(server)
            path = server.options.path.rstrip("/")
            path += "/" if server.options.add_trailing_slash else ""
            browser = Browser(application, path, query, headers, cookies, flask_test_client)
            self._new_connection = lambda: Connection(self._bench, browser, transport)
        namespace = namespace if namespace.startswith("/") else "/" + namespace
        self._member = Member(namespace, self._bench)
        if auto_connect:
            self.connect()

    # Connecting

    @property
    def bench(self) -> Bench:
        """What the clients of the server share."""
        return self._bench

    @property
    def connection(self) -> Connection:
        """The connection; raises :exc:`SocketDisconnected` when it is over."""
        return self._member.connection

    @property
    def namespace(self) -> str:
        """The name of the namespace."""
        return self._member.namespace

    @property
    def connected(self) -> bool:
        """Whether the client is in its namespace, once what was sent has arrived."""
        settle()
        return self._member.is_connected

    @property
    def id(self) -> str:
        """The id of the socket; empty before the first connection."""
        return self._member.id

    @property
    def disconnect_reason(self) -> str:
        """Why it is not connected, in the client's words; empty while it is."""
        settle()
        return self._member.reason

    def connect(self) -> TestClient:
        """Connect, anew after a disconnect; nothing happens while it is connected.

        Returns:
            The client itself.

        Raises:
            ConnectError: The server refuses the handshake, or a middleware the client.
            Late: There is no answer in time, or a handler is still at work then.
            Exception: What a handler has raised; the client is disconnected then.
        """
        if self._member.is_connected:
            return self
        try:
            self._join()
            self._finish("connect()", self.wait)
        except BaseException:
            self._member.leave()
            settle()
            raise
        return self

    def _join(self) -> None:
        member = self._member
        connection = self._new_connection()
        connection.open(self.timeout)
        member.join(connection, self.auth)
        self._bench.wait_until(lambda: member.is_decided, self.timeout)
        if not member.is_connected:
            # A defect of a middleware is a refusal to clients, and more than that to a test.
            self._raise_errors()
            if member.refusal is not None:
                raise member.refusal
            if connection.is_closed:
                raise SocketDisconnected("the server has closed the connection")
            raise Late(f"{member.namespace} has not answered within {self.timeout:g} s")

    def of(self, namespace: str, *, auth: Mapping[str, Any] | None = None) -> TestClient:
        """Join another namespace on the same connection.

        Args:
            namespace: Its name.
            auth: The payload for it.

        Returns:
            The client there, with the timeout and the switches of this one.
        """
        return TestClient(
            self,
            namespace,
            auth=auth,
            timeout=self.timeout,
            raise_errors=self.raise_errors,
            wait=self.wait,
        )

    def disconnect(self) -> None:
        """Leave the namespace; the last client of a connection closes it.

        The reason on the server is ``client namespace disconnect``. Nothing happens when it is
        not connected.

        Raises:
            Late: A handler is still at work after the timeout.
            Exception: What a handler has raised.
        """
        if self._member.is_connected:
            self._member.leave()
            self._finish("disconnect()", self.wait)

    def drop(self) -> None:
        """Break the connection without a word, as a network does that fails.

        The reason on the server is ``transport close``, with long-polling ``transport error``.
        All clients that share the connection lose it.
        """
        self.connection.drop()
        self._finish("drop()", self.wait)

    def __enter__(self) -> TestClient:
        return self.connect()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.disconnect()
        else:
            # What the test has raised is what matters.
            self._member.leave()
            settle()
            self._bench.take_errors()

    # Events

    def emit(self, event: str, *args: Any, wait: bool | None = None) -> None:
        """Send an event; return when its handlers are done and what they sent has arrived.

        Args:
            event: Its name.
            args: What JSON can carry, and bytes.
            wait: Whether to wait for handlers; what the constructor was given by default.

        Raises:
            SocketDisconnected: The client is not connected.
            TypeError, ValueError: A value cannot be carried, or the name is reserved.
            Late: A handler is still at work after the timeout.
            Exception: What a handler has raised.
        """
        check_event(event)
        self._member.send(event, args)
        self._finish(f"emit({event!r})", self.wait if wait is None else wait)

    def call(self, event: str, *args: Any, timeout: float | None = None) -> Any:
        """Send an event and return what its handler answers.

        Args:
            event: Its name.
            args: What JSON can carry, and bytes.
            timeout: Seconds; those of the constructor by default.

        Returns:
            The answer; one value, a tuple of several, ``None`` for none.

        Raises:
            AckTimeout: There is no answer in time: perhaps no handler of that name.
            SocketDisconnected: The client is not connected, or no longer.
            TypeError, ValueError: A value cannot be carried, or the name is reserved.
            Exception: What a handler has raised.
        """
        check_event(event)
        seconds = self.timeout if timeout is None else timeout
        answer = self._member.ask(event, args)
        self._bench.wait_until(lambda: answer.ready() or self._fails(), seconds)
        settle()
        self._raise_errors()
        if not answer.ready():
            raise AckTimeout(f"no handler has answered {event!r} within {seconds:g} s")
        return answer.get()

    def wait_for(self, event: str, timeout: float | None = None) -> tuple[Any, ...]:
        """Return the arguments of an event from the server; wait for it if it has not come.

        Each call returns the next event of that name, those that have come before the call
        included.

        Args:
            event: Its name.
            timeout: Seconds; those of the constructor by default.

        Raises:
            Late: It has not come in time; the message says what has.
            Exception: What a handler has raised meanwhile.
        """
        seconds = self.timeout if timeout is None else timeout
        member = self._member
        self._bench.wait_until(lambda: member.first(event) or self._fails(), seconds)
        settle()
        self._raise_errors()
        found = member.first(event)
        if found is None:
            when = f"within {seconds:g} s" if member.is_connected else "before the connection ended"
            raise Late(f"{event!r} has not come {when}; received: {member.received!r}")
        member.claim(found)
        return found[1:]

    @property
    def received(self) -> list[tuple[Any, ...]]:
        """All events from the server as ``(event, *args)``, once what was sent has arrived."""
        settle()
        return list(self._member.received)

    def clear(self) -> None:
        """Forget the events that were received."""
        settle()
        self._member.clear()

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, function: F) -> F: ...
    def on(self, event: str, function: Any = None) -> Any:
        """Call ``function(*args)`` for each event of that name; also a decorator.

        What it returns answers a server that has asked for an acknowledgement: ``None`` no
        arguments, a tuple several, anything else one. What it raises is raised in the test. It
        runs in a greenlet of its own and may block.

        Args:
            event: The name of the event.
            function: It takes the place of the one before.
        """
        require_event(event)
        if function is None:
            return lambda given: self.on(event, given)
        require_function(function, "a handler")
        self._member.handlers[event] = function
        return function

    def _finish(self, what: str, wait: bool) -> None:
        __tracebackhide__ = True  # of pytest
        if wait:
            self._bench.settle(self.timeout, what)
        else:
            settle()
        self._raise_errors()

    def _fails(self) -> bool:
        return not self._member.is_connected or (self.raise_errors and self._bench.has_errors)

    def _raise_errors(self) -> None:
        __tracebackhide__ = True
        errors = self._bench.take_errors()
        if errors and self.raise_errors:
            raise errors[0]

    def __repr__(self) -> str:
        state = self.id if self._member.is_connected else "disconnected"
        return f"<TestClient {state} in {self.namespace}>"


def _server_of(app: Any) -> tuple[BaseServer, Callable[..., Any]]:
    """Return the server of an application, and the WSGI application that contains it."""
    if isinstance(app, Middleware):
        return app.server, app
    if isinstance(app, Flask):
        server = app.extensions.get("realtime")
        if isinstance(server, BaseServer):
            return server, app
        raise TypeError("this Flask application has no Realtime extension: call init_app first")
    application = getattr(app, "application", None)
    if isinstance(app, BaseServer) and application is not None:
        return app, application()
    raise TypeError(f"TestClient() takes an application or a server, not {app!r}")
