"""Functions for handlers, which speak to the client of the event and in its namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flask

from .outgoing import arguments_of

if TYPE_CHECKING:
    from .extension import SocketIO

__all__ = [
    "call",
    "close_room",
    "disconnect",
    "emit",
    "join_room",
    "leave_room",
    "rooms",
    "send",
]


def _socketio() -> SocketIO:
    found: SocketIO = flask.current_app.extensions["socketio"]
    return found


def _here(sid: str | None = None, namespace: str | None = None) -> tuple[str, str]:
    request: Any = flask.request
    return sid or request.sid, namespace or request.namespace


def emit(event: str, data: Any = None, **keywords: Any) -> None:
    """Send an event to the client of the event that is being handled, or to others.

    Args:
        event: Its name.
        data: What JSON can carry, and bytes; a tuple is several arguments.
        keywords: ``namespace``, that of the event by default; ``broadcast=True`` for all of it;
            ``to``, or ``room``: a room, an id, or a list of them; ``include_self=False`` and
            ``skip_sid`` leave out clients; ``callback`` gets what a client acknowledges;
            ``ignore_queue=True`` stays on this server.
    """
    request: Any = flask.request
    namespace = keywords.pop("namespace", None) or request.namespace
    socketio = _socketio()
    if not keywords:
        socket = socketio.outgoing.socket(request.sid, namespace)
        if socket is not None:
            socket.emit(event, *arguments_of(data))
        return
    to, room = keywords.pop("to", None), keywords.pop("room", None)
    target = room if to is None else to
    if target is None and not keywords.get("broadcast"):
        target = request.sid
    socketio.emit(event, data, namespace=namespace, to=target, **keywords)


def send(message: Any, json: bool = False, **keywords: Any) -> None:
    """Send a ``message`` event, or a ``json`` one; keywords as for :func:`emit`."""
    emit("json" if json else "message", message, **keywords)


def call(event: str, data: Any = None, **keywords: Any) -> Any:
    """Send an event to the client of the event that is being handled; return its answer.

    Args:
        event: Its name.
        data: As for :func:`emit`.
        keywords: ``namespace``; ``to``, or ``room``: another client; ``timeout``, 60 s by
            default; ``ignore_queue``.

    Raises:
        TimeoutError: There is no answer, or the client is gone.
    """
    to, room = keywords.pop("to", None), keywords.pop("room", None)
    sid, namespace = _here(room if to is None else to, keywords.pop("namespace", None))
    return _socketio().call(event, data, namespace=namespace, to=sid, **keywords)


def join_room(room: Any, sid: str | None = None, namespace: str | None = None) -> None:
    """Put the client of the event, or another, into a room.

    Args:
        room: The room; text or a number.
        sid: The id of another client.
        namespace: Another namespace than that of the event.
    """
    client, where = _here(sid, namespace)
    _socketio().outgoing.join(client, room, where)


def leave_room(room: Any, sid: str | None = None, namespace: str | None = None) -> None:
    """Take the client of the event, or another, out of a room.

    Args:
        room: The room; text or a number.
        sid: The id of another client.
        namespace: Another namespace than that of the event.
    """
    client, where = _here(sid, namespace)
    _socketio().outgoing.leave(client, room, where)


def close_room(room: Any, namespace: str | None = None) -> None:
    """Take all clients out of a room of the namespace."""
    request: Any = flask.request
    _socketio().close_room(room, namespace or request.namespace)


def rooms(sid: str | None = None, namespace: str | None = None) -> list[Any]:
    """Return the rooms of the client of the event, or of another on this server.

    Args:
        sid: The id of another client.
        namespace: Another namespace than that of the event.
    """
    client, where = _here(sid, namespace)
    return _socketio().outgoing.rooms(client, where)


def disconnect(sid: str | None = None, namespace: str | None = None, silent: bool = False) -> None:
    """Disconnect the client of the event, or another, from the namespace.

    Args:
        sid: The id of another client.
        namespace: Another namespace than that of the event.
        silent: Accepted, and without a meaning.
    """
    client, where = _here(sid, namespace)
    socketio = _socketio()
    socketio.outgoing.disconnect(client, where, socketio.dispatcher.leave)
