"""Messages between the workers of one host: JSON, followed by the bytes that stand in it.

In front of it are the type, and the one room that the message is for, if it is for one: a worker
without members need not decode the rest.
"""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

from ...codec.attachments import fill_placeholders
from ...codec.json_codec import best_codec
from ...errors import PacketError
from .messages import Broadcast, Request, Response
from .node import message_of

__all__ = ["HostMessage", "decode_host", "encode_host"]

_JSON: Final = best_codec()
_HEAD = struct.Struct("!BHIH")
_LENGTH = struct.Struct("!I")
_MAX_ROOM = _MAX_ATTACHMENTS = 0xFFFF


class HostMessage(NamedTuple):
    """A message that is not decoded yet."""

    kind: int
    #: The only room that it is for; empty when it is for others as well.
    room: str
    body: memoryview
    text_length: int
    attachments: int

    def data(self) -> Any:
        """Return what it holds.

        Raises:
            ValueError: It is malformed.
        """
        text = self.body[: self.text_length]
        data = _JSON.decode(bytes(text).decode())
        if not self.attachments:
            return data
        found = []
        position = self.text_length
        for _ in range(self.attachments):
            start = position + _LENGTH.size
            if start > len(self.body):
                raise ValueError("a message is cut off")
            (size,) = _LENGTH.unpack(self.body[position:start])
            position = start + size
            if position > len(self.body):
                raise ValueError("a message is cut off")
            found.append(bytes(self.body[start:position]))
        try:
            return fill_placeholders(data, found)
        except (PacketError, RecursionError) as error:
            raise ValueError(str(error)) from None


def encode_host(message: Request | Response) -> bytes:
    """Return a message as bytes.

    Raises:
        TypeError, ValueError: It holds something that cannot be carried.
    """
    kind, data = message_of(message)
    text, attachments = _JSON.encode(data)
    if len(attachments) > _MAX_ATTACHMENTS:
        raise ValueError("too many attachments")
    room = _only_room(message)
    parts = [_HEAD.pack(kind, len(room), len(text), len(attachments)), room, text]
    for attachment in attachments:
        parts += [_LENGTH.pack(len(attachment)), attachment]
    return b"".join(parts)


def decode_host(message: bytes) -> HostMessage:
    """Return the head of a message.

    Raises:
        ValueError: It is malformed.
    """
    try:
        kind, room_length, text_length, attachments = _HEAD.unpack_from(message)
    except struct.error as error:
        raise ValueError(str(error)) from None
    end = _HEAD.size + room_length
    room = message[_HEAD.size : end].decode()
    return HostMessage(kind, room, memoryview(message)[end:], text_length, attachments)


def _only_room(message: Request | Response) -> bytes:
    # With an id every worker has to answer.
    if isinstance(message, Broadcast) and message.request_id is None:
        rooms = message.target.rooms
        if len(rooms) == 1:
            (room,) = rooms
            name = room.encode()
            return name if len(name) <= _MAX_ROOM else b""
    return b""
