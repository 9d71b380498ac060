"""Class-based namespaces: ``on_<event>`` methods handle the events of clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .table import Entry, takes

if TYPE_CHECKING:
    from .extension import SocketIO

__all__ = ["Namespace"]


class Namespace:
    """The handlers of one namespace as methods; ``socketio.on_namespace(Chat("/chat"))``.

    ``on_connect(self)`` or ``on_connect(self, auth)``, ``on_disconnect(self)`` or
    ``on_disconnect(self, reason)``, ``on_<event>(self, *args)``. A method ``error(self,
    exception)`` handles what they raise; its value answers.

    Args:
        namespace: The name; ``/`` by default.

    Attributes:
        namespace: The name.
        socketio: The extension, once it is registered.
    """

    def __init__(self, namespace: str | None = None) -> None:
        name = namespace or "/"
        self.namespace: str = name if name.startswith(("/", "*")) else "/" + name
        self.socketio: SocketIO = None  # type: ignore[assignment]

    def trigger_event(self, event: str, *args: Any) -> Any:
        """Call the method of an event; subclasses override it to dispatch by themselves.

        Args:
            event: The name.
            args: The id of the client, and the arguments; ``connect`` has the WSGI environ and
                what the client has sent as ``auth``, ``disconnect`` the reason.
        """
        method = getattr(self, f"on_{event or ''}", None)
        if method is None:
            return None
        sid, *rest = args
        try:
            entry = Entry(method, event, takes(method) if event in _SHORT else 0)
            return self.socketio.call_handler(entry, sid, tuple(rest))
        except Exception as error:
            handle = getattr(self, "error", None)
            if handle is None:
                raise
            return handle(error)

    def emit(
        self,
        event: str,
        data: Any = None,
        room: Any = None,
        include_self: bool = True,
        namespace: str | None = None,
        callback: Any = None,
        **keywords: Any,
    ) -> None:
        """Emit to the clients of the namespace; see :meth:`SocketIO.emit`."""
        self.socketio.emit(
            event,
            data,
            room=room,
            include_self=include_self,
            namespace=namespace or self.namespace,
            callback=callback,
            **keywords,
        )

    def send(
        self,
        data: Any,
        room: Any = None,
        include_self: bool = True,
        namespace: str | None = None,
        callback: Any = None,
        **keywords: Any,
    ) -> None:
        """Send a ``message`` event to the clients of the namespace; see :meth:`emit`."""
        self.emit("message", data, room, include_self, namespace, callback, **keywords)

    def call(
        self,
        event: str,
        data: Any = None,
        to: Any = None,
        namespace: str | None = None,
        **more: Any,
    ) -> Any:
        """Send an event to one client and return its answer; see :meth:`SocketIO.call`."""
        where = namespace or self.namespace
        return self.socketio.call(event, data, to=to, namespace=where, **more)

    def enter_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Put a client into a room.

        Args:
            sid: The id of the client.
            room: The room; text or a number.
            namespace: Another namespace than this one.
        """
        self.socketio.outgoing.join(sid, room, namespace or self.namespace)

    def leave_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Take a client out of a room; see :meth:`enter_room`."""
        self.socketio.outgoing.leave(sid, room, namespace or self.namespace)

    def close_room(self, room: Any, namespace: str | None = None) -> None:
        """Take all clients out of a room; see :meth:`SocketIO.close_room`."""
        self.socketio.close_room(room, namespace or self.namespace)

    def rooms(self, sid: str, namespace: str | None = None) -> list[Any]:
        """Return the rooms of a client of this server; see :meth:`enter_room`."""
        return self.socketio.outgoing.rooms(sid, namespace or self.namespace)

    def disconnect(self, sid: str, namespace: str | None = None) -> None:
        """Disconnect a client from the namespace; see :meth:`enter_room`."""
        leave = self.socketio.dispatcher.leave
        self.socketio.outgoing.disconnect(sid, namespace or self.namespace, leave)


#: Events whose last argument a method may leave out.
_SHORT = frozenset({"connect", "disconnect"})
