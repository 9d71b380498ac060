"""Which sharded channel carries what. No gevent here: emitters use it from any process."""

from __future__ import annotations

from typing import Literal

from .messages import Broadcast, Request

__all__ = ["SubscriptionMode", "channel_of", "has_channel"]

SubscriptionMode = Literal["dynamic", "static", "dynamic-private"]
#: What Node takes for a socket id: such a room has no channel in the mode "dynamic".
_ID_LENGTH = 20


def channel_of(main: str, request: Request, mode: str) -> str:
    """Return the channel of a request.

    Args:
        main: That of the namespace.
        request: A broadcast to one room may have that room's.
        mode: See :class:`ShardedRedisAdapter`.
    """
    if isinstance(request, Broadcast) and request.request_id is None:
        rooms = request.target.rooms
        if len(rooms) == 1:
            (room,) = rooms
            if has_channel(room, mode):
                return f"{main}{room}#"
    return main


def has_channel(room: str, mode: str) -> bool:
    """Say whether what is sent to a room alone has a channel of its own.

    In the mode ``"dynamic"`` rooms of single sockets have none, and those whose names could be
    taken for one of them: senders do not know the sockets of other servers.
    """
    # JavaScript's length: the units of UTF-16.
    looks_like_an_id = len(room.encode("utf-16-le", "surrogatepass")) == 2 * _ID_LENGTH
    return mode == "dynamic-private" or (mode == "dynamic" and not looks_like_an_id)
