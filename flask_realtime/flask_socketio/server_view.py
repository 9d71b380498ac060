"""``socketio.server``: what applications reach for below the extension, by client id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import gevent

from ..extension import Realtime
from ..options import Options
from .dispatch import Dispatcher
from .outgoing import Outgoing
from .reasons import Reason

if TYPE_CHECKING:
    from .extension import SocketIO

__all__ = ["ServerView"]


class ServerView:
    """The server of an application as python-socketio's ``Server`` shows it.

    Args:
        socketio: The extension.
        realtime: The server.
        outgoing: Reaches the clients.
        dispatcher: Calls the handlers.

    Attributes:
        eio: The options of the engine, as attributes.
    """

    async_mode = "gevent"
    reason = Reason

    def __init__(
        self, socketio: SocketIO, realtime: Realtime, outgoing: Outgoing, dispatcher: Dispatcher
    ) -> None:
        self._socketio = socketio
        self._realtime = realtime
        self._outgoing = outgoing
        self._dispatcher = dispatcher
        self.eio: Options = realtime.options

    @property
    def manager(self) -> ServerView:
        """What asks about clients and rooms."""
        return self

    @property
    def environ(self) -> dict[str, Mapping[str, Any]]:
        """The WSGI environs of the connections, by their ids."""
        clients = self._realtime.engine.clients
        return {sid: session.request for sid, session in clients.items()}

    def get_environ(self, sid: str, namespace: str | None = None) -> Mapping[str, Any] | None:
        """Return the WSGI environ of a client, or ``None``."""
        socket = self._outgoing.socket(sid, namespace or "/")
        return None if socket is None else socket.request

    def is_connected(self, sid: str, namespace: str) -> bool:
        """Whether a client of this server is in a namespace."""
        socket = self._outgoing.socket(sid, namespace)
        return socket is not None and socket.connected

    def get_namespaces(self) -> list[str]:
        """Return the names of the namespaces."""
        return list(self._dispatcher.namespaces)

    def transport(self, sid: str, namespace: str | None = None) -> str:
        """Return the name of the transport of a client; ``KeyError`` when it is not here."""
        socket = self._outgoing.socket(sid, namespace or "/")
        if socket is None:
            raise KeyError(sid)
        name: str = socket.conn.transport.name
        return name

    def emit(self, event: str, data: Any = None, *args: Any, **keywords: Any) -> None:
        """Send an event; see :meth:`SocketIO.emit`. The third argument is the room."""
        if args:
            keywords["to"] = args[0]
        self._socketio.emit(event, data, **keywords)

    def send(self, data: Any, to: Any = None, **keywords: Any) -> None:
        """Send a ``message`` event."""
        self._socketio.emit("message", data, to=to, **keywords)

    def call(self, event: str, data: Any = None, to: Any = None, **keywords: Any) -> Any:
        """Send an event to one client and return its answer."""
        return self._socketio.call(event, data, to=to, **keywords)

    def enter_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Put a client into a room."""
        self._outgoing.join(sid, room, namespace or "/")

    def leave_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Take a client out of a room."""
        self._outgoing.leave(sid, room, namespace or "/")

    def close_room(self, room: Any, namespace: str | None = None) -> None:
        """Take all clients out of a room."""
        self._outgoing.close_room(room, namespace or "/")

    def rooms(self, sid: str, namespace: str | None = None) -> list[Any]:
        """Return the rooms of a client of this server."""
        return self._outgoing.rooms(sid, namespace or "/")

    def disconnect(self, sid: str, namespace: str | None = None, **_: Any) -> None:
        """Disconnect a client from a namespace."""
        self._outgoing.disconnect(sid, namespace or "/", self._dispatcher.leave)

    def shutdown(self) -> None:
        """Close all connections and refuse new ones."""
        self._realtime.close()

    def start_background_task(self, target: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        """Start a function beside the handlers; it has ``join()``."""
        return self._socketio.start_background_task(target, *args, **keywords)

    def sleep(self, seconds: float = 0) -> None:
        """Wait, and let others run."""
        gevent.sleep(seconds)
