"""Entries of the streams of ``@socket.io/redis-streams-adapter``, and the ids of entries.

No gevent here: emitters use it from any process.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .messages import Broadcast, FetchSockets, Request, Response, ServerSideEmit
from .node import decode, encode_as, message_of
from .values import dump_json, load, unpack

__all__ = [
    "StreamOptions",
    "decode_entry",
    "entry_command",
    "entry_fields",
    "id_after",
    "is_ephemeral",
    "is_offset",
    "order_of",
    "stream_of",
]

_OFFSET = re.compile(r"[0-9]{1,20}-[0-9]{1,20}", re.ASCII)
#: Both halves of an id are numbers of 64 bits; Redis refuses others.
_LARGEST = 2**64 - 1


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What all servers of a cluster have to agree on, and how the streams are read.

    Attributes:
        name: The stream, or the beginning of the names of several.
        count: How many streams there are; each namespace belongs to one.
        max_len: How many entries a stream keeps, approximately.
        read_count: How many entries are read at once.
        block_time: Seconds that a read waits.
        only_plaintext: Refuse bytes: entries are JSON throughout.
    """

    name: str = "socket.io"
    count: int = 1
    max_len: int = 10_000
    read_count: int = 100
    block_time: float = 5
    only_plaintext: bool = False


def stream_of(options: StreamOptions, namespace: str) -> str:
    """Return the name of the stream of a namespace."""
    if options.count == 1:
        return options.name
    return f"{options.name}-{hash_of(namespace) % options.count}"


def hash_of(text: str) -> int:
    """Return the hash by which Node distributes namespaces: 31 times the one before, 32 bits.

    It may be negative. Node's remainder is negative then as well, and the entry goes to a
    stream that is never read; :func:`stream_of` returns one that is.
    """
    found = 0
    encoded = text.encode("utf-16-le", "surrogatepass")
    for place in range(0, len(encoded), 2):
        unit = int.from_bytes(encoded[place : place + 2], "little")
        found = (31 * found + unit) & 0xFFFFFFFF
    return found - (1 << 32) if found >= 1 << 31 else found


def is_ephemeral(message: Request | Response) -> bool:
    """Return whether a message goes by pub/sub: it is of use now or not at all."""
    if isinstance(message, Broadcast):
        return message.request_id is not None
    return isinstance(message, (FetchSockets, ServerSideEmit, Response))


def entry_fields(
    uid: str, namespace: str, request: Request, only_plaintext: bool = False
) -> list[str | bytes]:
    """Return the fields of an entry, names and values in turn.

    Raises:
        TypeError, ValueError: The request holds something that cannot be carried.
    """
    kind, data = message_of(request)
    text = dump_json(data) if only_plaintext else encode_as(kind, data)
    if text[:1] != b"{":
        text = base64.b64encode(text)
    return ["uid", uid, "nsp", namespace, "type", str(int(kind)), "data", text]


def entry_command(stream: str, max_len: int, fields: Sequence[str | bytes]) -> tuple[Any, ...]:
    """Return the command that adds an entry."""
    return ("XADD", stream, "MAXLEN", "~", max_len, "*", *fields)


def decode_entry(
    fields: Mapping[bytes, bytes], namespace: str
) -> tuple[str, Request | Response] | None:
    """Return the id of the sender and the message of an entry.

    Returns:
        ``None`` for another namespace, and for what servers of Node say among themselves.

    Raises:
        ValueError: It is malformed.
    """
    text = fields.get(b"data")
    data: Any = None
    if text:
        try:
            data = load(text) if text[:1] == b"{" else unpack(base64.b64decode(text, validate=True))
        except binascii.Error as error:
            raise ValueError(f"malformed base64: {error}") from None
    message = {
        "uid": fields.get(b"uid", b"").decode("utf-8", "replace"),
        "nsp": fields.get(b"nsp", b"").decode("utf-8", "replace"),
        "type": int(fields.get(b"type", b"")),
        "data": data,
    }
    return decode(message, namespace)


# Ids


def is_offset(text: str) -> bool:
    """Return whether a text has the form of the id of an entry."""
    return _OFFSET.fullmatch(text) is not None and max(order_of(text)) <= _LARGEST


def order_of(offset: str | bytes) -> tuple[int, int]:
    """Return an id as the pair of numbers by which ids are ordered."""
    text = offset.decode() if isinstance(offset, bytes) else offset
    time, _, sequence = text.partition("-")
    return int(time), int(sequence)


def id_after(offset: str) -> str:
    """Return the smallest id beyond another."""
    time, sequence = order_of(offset)
    return f"{time}-{sequence + 1}" if sequence < _LARGEST else f"{time + 1}-0"
