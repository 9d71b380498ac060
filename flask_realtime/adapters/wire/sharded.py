"""Which sharded channel carries what. No gevent here: emitters use it from any process."""

from __future__ import annotations

from typing import Literal

from .messages import Broadcast, Request

__all__ = ["SubscriptionMode", "channel_of", "has_channel"]

SubscriptionMode = Literal["dynamic", "static", "dynamic-private"]
#: The length by which Node recognises a socket id.
_ID_LENGTH = 20


def channel_of(main: str, request: Request, mode: str) -> str:
    """Return the channel of a request.

    Args:
        main: The channel of the namespace.
        request: The request; a broadcast to one room may have the room's channel.
        mode: The subscription mode, as :class:`ShardedRedisAdapter` takes it.
    """
    if isinstance(request, Broadcast) and request.request_id is None:
        rooms = request.target.rooms
        if len(rooms) == 1:
            (room,) = rooms
            if has_channel(room, mode):
                return f"{main}{room}#"
    return main


def has_channel(room: str, mode: str) -> bool:
    """Return whether broadcasts to a room alone have a channel of their own.

    In the mode ``"dynamic"`` those to the id of a socket have none. Senders do not know the
    sockets of other servers: a name of the same length is taken for an id.
    """
    # JavaScript's length: the units of UTF-16.
    looks_like_an_id = len(room.encode("utf-16-le", "surrogatepass")) == 2 * _ID_LENGTH
    return mode == "dynamic-private" or (mode == "dynamic" and not looks_like_an_id)
