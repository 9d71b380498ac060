"""What applications send and do to clients: by namespace, room and id, on any server.

A process that serves clients hands it to its server; one that does not publishes it on the
message queue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..adapters.values import Flags, Target
from ..errors import AckTimeout, SocketDisconnected
from ..server.event_names import check_event
from ..server.namespace import Namespace as EngineNamespace
from ..server.socket import Socket
from .message_queue import MessageQueue
from .room_names import is_several, name_of, names_of, room_of
from .seam import ask_each, remote_socket

__all__ = ["Outgoing", "arguments_of"]

Callback = Callable[..., Any]

_NO_SOCKET = "it is on no server"


def arguments_of(data: Any) -> tuple[Any, ...]:
    """Return the arguments of an event: a tuple is several, ``None`` none."""
    if data is None:
        return ()
    return data if isinstance(data, tuple) else (data,)


class Outgoing:
    """Reaches the clients of an application.

    Args:
        namespaces: Those of this server, by name.
        queue: Where other servers are, if there are any.
    """

    def __init__(
        self, namespaces: Mapping[str, EngineNamespace], queue: MessageQueue | None
    ) -> None:
        self._namespaces = namespaces
        self._queue = queue

    def socket(self, sid: str, namespace: str) -> Socket | None:
        """Return a client of this server."""
        found = self._namespaces.get(namespace)
        return None if found is None else found.sockets.get(sid)

    def _place(self, namespace: str) -> Any:
        """Return what speaks to a namespace; ``None`` when it has no clients anywhere."""
        if self._queue is not None and not self._queue.is_serving:
            return self._queue.emitter().of(namespace)
        return self._namespaces.get(namespace)

    # Emitting

    def emit(
        self,
        event: str,
        data: Any,
        namespace: str,
        to: Any = None,
        skip: Any = None,
        callback: Callback | None = None,
        ignore_queue: bool = False,
    ) -> None:
        """Send an event.

        Args:
            event: Its name.
            data: One argument; several as a tuple.
            namespace: Where to.
            to: A room or an id, or a list of them; ``None`` for all clients.
            skip: An id, or a list of them, to leave out.
            callback: Called with the values of each client that answers.
            ignore_queue: Whether only clients of this server are meant.
        """
        check_event(event)
        args = arguments_of(data)
        place = self._place(namespace)
        if place is None:
            return
        if callback is not None:
            self._emit_with_callback(place, event, args, to, skip, callback, ignore_queue)
            return
        operator = place if to is None else place.to(names_of(to))
        if skip is not None:
            operator = operator.except_(names_of(skip))
        if ignore_queue and isinstance(place, EngineNamespace):
            operator = operator.local
        operator.emit(event, *args)

    def _emit_with_callback(
        self,
        place: Any,
        event: str,
        args: tuple[Any, ...],
        to: Any,
        skip: Any,
        callback: Callback,
        ignore_queue: bool,
    ) -> None:
        if not isinstance(place, EngineNamespace):
            raise RuntimeError("a process that does not serve clients cannot have a callback")
        if to is not None and is_several(to) and not to:
            return
        socket = None if is_several(to) else place.sockets.get(to)
        if socket is not None and skip is None:
            socket.emit(event, *args, ack=callback)
            return
        rooms = frozenset(() if to is None else names_of(to))
        skipped = frozenset(() if skip is None else names_of(skip))
        target = Target(rooms, skipped, Flags(local=ignore_queue))
        ask_each(place, event, args, target, callback)

    def call(
        self, event: str, data: Any, namespace: str, to: str, timeout: float, ignore_queue: bool
    ) -> Any:
        """Send an event to one client and wait for its answer.

        Returns:
            The answer: one value, a tuple of several, ``None`` for none.

        Raises:
            TimeoutError: There is none within ``timeout`` seconds, or the client is gone.
            ValueError: No client is named.
        """
        if to is None or is_several(to):
            raise ValueError("call() needs to=, the id of one client")
        place = self._place(namespace)
        if not isinstance(place, EngineNamespace):
            raise RuntimeError("call() needs a process that serves the clients of the namespace")
        socket: Any = place.sockets.get(to)
        if socket is None and ignore_queue:
            raise AckTimeout(_NO_SOCKET)
        if socket is None:
            socket = remote_socket(place, name_of(to))
        try:
            return socket.timeout(timeout).emit_with_ack(event, *arguments_of(data))
        except SocketDisconnected as error:
            raise AckTimeout(str(error)) from None

    # Rooms

    def join(self, sid: str, room: Any, namespace: str) -> None:
        """Put a client into a room."""
        socket = self.socket(sid, namespace)
        if socket is not None:
            socket.join(name_of(room))
        else:
            self._others(namespace, sid, "sockets_join", room)

    def leave(self, sid: str, room: Any, namespace: str) -> None:
        """Take a client out of a room."""
        socket = self.socket(sid, namespace)
        if socket is not None:
            socket.leave(name_of(room))
        else:
            self._others(namespace, sid, "sockets_leave", room)

    def _others(self, namespace: str, sid: str, action: str, *rooms: Any) -> None:
        place = self._place(namespace)
        if place is not None:
            getattr(place.in_(sid), action)(*(name_of(room) for room in rooms))

    def close_room(self, room: Any, namespace: str) -> None:
        """Take all clients out of a room."""
        place, name = self._place(namespace), name_of(room)
        if place is not None:
            place.in_(name).sockets_leave(name)

    def rooms(self, sid: str, namespace: str) -> list[Any]:
        """Return the rooms of a client of this server, its id among them."""
        socket = self.socket(sid, namespace)
        return [] if socket is None else [room_of(name) for name in sorted(socket.rooms)]

    def disconnect(self, sid: str, namespace: str, leave: Callable[[Socket], None]) -> None:
        """Disconnect a client from a namespace; ``leave`` does it to one of this server."""
        socket = self.socket(sid, namespace)
        if socket is not None:
            leave(socket)
        else:
            self._others(namespace, sid, "disconnect_sockets")
