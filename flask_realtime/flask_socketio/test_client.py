"""The test client of Flask-SocketIO: synchronous, with several namespaces on one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask

from ..engine.session import Session
from ..testing.bench import Bench
from ..testing.browser import Browser
from ..testing.connection import Connection
from ..testing.member import Member
from ..testing.waiting import settle

if TYPE_CHECKING:
    from .extension import SocketIO

__all__ = ["SocketIOTestClient"]

#: Seconds that the handlers of one step may take.
PATIENCE = 60.0

_PLAIN = ("message", "json")


class SocketIOTestClient:
    """A client that lives in the process of a test and speaks the protocol with the application.

    Each call returns when no handler is at work any more, and raises what one has raised.

    Args:
        app: The application.
        socketio: Its extension.
        namespace: The namespace to join, ``/`` by default.
        query_string: The query of the handshake, as handlers see it.
        headers: Headers of the handshake.
        auth: What ``connect`` handlers get.
        flask_test_client: ``app.test_client()``, whose cookies are used.

    Attributes:
        eio_sid: The id of the connection.
        connected: Whether each namespace that was joined is.
    """

    __test__ = False  # pytest: this is not a class of tests

    def __init__(
        self,
        app: Flask,
        socketio: SocketIO,
        namespace: str | None = None,
        query_string: str | None = None,
        headers: Any = None,
        auth: Any = None,
        flask_test_client: Any = None,
    ) -> None:
        self.app = app
        self.socketio = socketio
        self.flask_test_client = flask_test_client
        self.eio_sid = ""
        self._realtime = socketio.realtime
        self._bench = Bench.of(self._realtime)
        self._members: dict[str, Member] = {}
        self._connection: Connection | None = None
        self.connect(namespace, query_string, headers, auth)

    @property
    def connected(self) -> dict[str, bool]:
        """Whether each namespace is connected."""
        return {name: member.is_connected for name, member in self._members.items()}

    def is_connected(self, namespace: str | None = None) -> bool:
        """Whether the client is in a namespace."""
        settle()
        member = self._members.get(namespace or "/")
        return member is not None and member.is_connected

    def connect(
        self,
        namespace: str | None = None,
        query_string: str | None = None,
        headers: Any = None,
        auth: Any = None,
    ) -> None:
        """Join a namespace; one that refuses leaves the client outside.

        Args:
            namespace: Its name.
            query_string: As for the constructor; a new connection is opened for it.
            headers: The same.
            auth: What the ``connect`` handler gets.
        """
        name = namespace or "/"
        connection = self._connection
        if connection is None or connection.is_closed or query_string or headers:
            connection = self._connection = self._open(query_string or "", headers)
        member = self._members[name] = Member(name, self._bench)
        member.join(connection, auth)
        self._bench.wait_until(lambda: member.is_decided, PATIENCE)
        self._finish("connect()")

    def _open(self, query_string: str, headers: Any) -> Connection:
        path = self._realtime.options.path.rstrip("/") + "/"
        browser = Browser(self.app, path, None, headers, None, self.flask_test_client)
        connection = Connection(self._bench, browser, "polling")

        def opened(session: Session) -> None:
            self.eio_sid = session.id
            # Handlers of a test find the query that the test gave, and nothing of the protocol.
            environ: Any = session.request
            environ["QUERY_STRING"] = query_string.removeprefix("?")

        self._realtime.engine.once("connection", opened)
        connection.open(PATIENCE)
        return connection

    def disconnect(self, namespace: str | None = None) -> None:
        """Leave a namespace."""
        self._member(namespace).leave()
        self._finish("disconnect()")

    def emit(self, event: str, *args: Any, **keywords: Any) -> Any:
        """Send an event.

        Args:
            event: Its name.
            args: Its arguments.
            keywords: ``namespace``; ``callback=True`` returns the answer: one value, or a list.

        Raises:
            RuntimeError: The client is not in the namespace.
            Exception: What a handler has raised.
        """
        member = self._member(keywords.get("namespace"))
        if not keywords.get("callback"):
            member.send(event, args)
            self._finish(f"emit({event!r})")
            return None
        answer = member.ask(event, args)
        self._finish(f"emit({event!r})")
        if not answer.ready() or not answer.successful():
            return None
        value = answer.get()
        return list(value) if isinstance(value, tuple) else [] if value is None else value

    def send(
        self,
        data: Any,
        json: bool = False,
        callback: bool = False,
        namespace: str | None = None,
    ) -> Any:
        """Send a ``message`` event, or a ``json`` one; see :meth:`emit`."""
        return self.emit(
            "json" if json else "message", data, callback=callback, namespace=namespace
        )

    def get_received(self, namespace: str | None = None) -> list[dict[str, Any]]:
        """Return the events that have come to a namespace since the last call.

        Each has ``name``, ``args`` and ``namespace``; the arguments of ``message`` and ``json``
        are the value itself.
        """
        settle()
        member = self._member(namespace)
        received = list(member.received)
        member.clear()
        return [_shown(event, member.namespace) for event in received]

    def _member(self, namespace: str | None) -> Member:
        member = self._members.get(namespace or "/")
        if member is None or not member.is_connected:
            raise RuntimeError("not connected")
        return member

    def _finish(self, what: str) -> None:
        self._bench.settle(PATIENCE, what)
        errors = self._bench.take_errors()
        if errors:
            raise errors[0]


def _shown(event: tuple[Any, ...], namespace: str) -> dict[str, Any]:
    name, *args = event
    shown: Any = args[0] if name in _PLAIN and args else args
    return {"name": name, "args": shown, "namespace": namespace}
