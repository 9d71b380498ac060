"""Messages between the workers of one host: JSON, followed by the bytes that stand in it.

In front of it are the type, and the one room that the message is for, if it is for one: a worker
without members need not decode the rest. Broadcasts that recovery keeps have a number, and
sessions move to the worker to which their client has come back.
"""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

from ...codec.attachments import fill_placeholders
from ...codec.json_codec import best_codec
from ...codec.message import Message
from ...errors import PacketError
from ..values import SavedSocket
from .messages import Broadcast, Request, Response
from .node import decode, message_of

__all__ = [
    "FindSession",
    "FoundSession",
    "HostMessage",
    "SessionFound",
    "decode_host",
    "encode_host",
]

_JSON: Final = best_codec()
_HEAD = struct.Struct("!BQHIH")
_LENGTH = struct.Struct("!I")
_MAX_ROOM = _MAX_ATTACHMENTS = 0xFFFF


_FIND_SESSION, _SESSION_FOUND = 101, 102


class FindSession(NamedTuple):
    """A client has come back with a private id, and an offset if it has one."""

    pid: str
    offset: str | None
    request_id: str


class FoundSession(NamedTuple):
    """The state of a client, and what it has missed."""

    session: SavedSocket
    missed: list[Message]
    #: The number of the newest broadcast of each worker that is in ``missed``, or before it.
    seen: dict[str, int]


class SessionFound(NamedTuple):
    """The answer to :class:`FindSession`."""

    request_id: str
    found: FoundSession | None


AnyMessage = Request | Response | FindSession | SessionFound


class HostMessage(NamedTuple):
    """A message that is not decoded yet."""

    kind: int
    #: Of a broadcast that is kept, counted by its sender; 0 for others.
    number: int
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

    def message(self, origin: str, namespace: str) -> AnyMessage | None:
        """Return the message; ``None`` when it is of no concern.

        Raises:
            ValueError: It is malformed.
        """
        data = self.data()
        try:
            if self.kind == _FIND_SESSION:
                return FindSession(*data)
            if self.kind == _SESSION_FOUND:
                request_id, found = data
                return SessionFound(request_id, None if found is None else _found_from(found))
        except (TypeError, KeyError) as error:
            raise ValueError(f"malformed: {error}") from None
        envelope = {"uid": origin, "nsp": namespace, "type": self.kind, "data": data}
        decoded = decode(envelope, namespace)
        return None if decoded is None else decoded[1]


def encode_host(message: AnyMessage, number: int = 0) -> bytes:
    """Return a message as bytes.

    Args:
        message: The message.
        number: Of a broadcast that is kept.

    Raises:
        TypeError, ValueError: It holds something that cannot be carried.
    """
    kind, data = _parts_of(message)
    text, attachments = _JSON.encode(data)
    if len(attachments) > _MAX_ATTACHMENTS:
        raise ValueError("too many attachments")
    room = _only_room(message)
    parts = [_HEAD.pack(kind, number, len(room), len(text), len(attachments)), room, text]
    for attachment in attachments:
        parts += [_LENGTH.pack(len(attachment)), attachment]
    return b"".join(parts)


def decode_host(message: bytes) -> HostMessage:
    """Return the head of a message.

    Raises:
        ValueError: It is malformed.
    """
    try:
        kind, number, room_length, text_length, attachments = _HEAD.unpack_from(message)
    except struct.error as error:
        raise ValueError(str(error)) from None
    end = _HEAD.size + room_length
    room = message[_HEAD.size : end].decode("utf-8", "surrogatepass")
    return HostMessage(kind, number, room, memoryview(message)[end:], text_length, attachments)


def _parts_of(message: AnyMessage) -> tuple[int, Any]:
    if isinstance(message, FindSession):
        return _FIND_SESSION, list(message)
    if isinstance(message, SessionFound):
        found = message.found
        return _SESSION_FOUND, [message.request_id, None if found is None else _found_map(found)]
    return message_of(message)


def _found_map(found: FoundSession) -> dict[str, Any]:
    session = found.session
    missed = [
        [None if message.text is None else message.text.decode(), *message.attachments]
        for message in found.missed
    ]
    return {
        "pid": session.pid,
        "sid": session.sid,
        "rooms": sorted(session.rooms),
        "data": session.data,
        "missed": missed,
        "compress": [message.compress for message in found.missed],
        "seen": found.seen,
    }


def _found_from(value: Any) -> FoundSession:
    rooms = frozenset(value["rooms"])
    session = SavedSocket(value["pid"], value["sid"], rooms, value["data"], "")
    missed = [
        Message(None if text is None else text.encode(), attachments, compress)
        for (text, *attachments), compress in zip(value["missed"], value["compress"], strict=True)
    ]
    return FoundSession(session, missed, value["seen"])


def _only_room(message: AnyMessage) -> bytes:
    # With an id every worker has to answer.
    if isinstance(message, Broadcast) and message.request_id is None:
        rooms = message.target.rooms
        if len(rooms) == 1:
            (room,) = rooms
            name = room.encode("utf-8", "surrogatepass")
            return name if len(name) <= _MAX_ROOM else b""
    return b""
