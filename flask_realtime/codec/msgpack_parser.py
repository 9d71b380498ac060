"""The format of the ``socket.io-msgpack-parser`` package: each packet is one binary message.

A packet is a MessagePack map of ``type``, ``nsp`` and, where there are any, ``data`` and
``id``. Bytes travel in it as they are. JavaScript's ``Date``, ``undefined`` and typed arrays
are extension values of notepack.io 2; its version 3 writes dates as MessagePack timestamps.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from ..errors import PacketError
from ..extras import optional
from .carried import MSGPACK, unsendable
from .message import Message
from .plain_values import NOT_FINITE, plain_default, plain_key
from .socket_packet import Packet, PacketType, check_packet

__all__ = ["MsgpackDecoder", "MsgpackParser"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
#: The extension type of notepack.io.
_NOTEPACK = 0
_TEXT = frozenset({str})
_SCALARS = frozenset({str, int, float, bool, type(None), bytes, bytearray, memoryview})
_TYPES = {int(member): member for member in PacketType if member <= PacketType.CONNECT_ERROR}
#: A float of 64 bits without a value; the same bytes in other values are no harm.
_NOT_FINITE = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")
#: As in the default format: JavaScript counts exactly up to sixteen digits.
_MAX_ID = 10**16
#: A lone surrogate is three bytes, as @msgpack/msgpack writes it and browsers read it.
_SURROGATES = "surrogatepass"
_INVALID = (ValueError, OverflowError, TypeError, RecursionError)


class MsgpackParser:
    """A parser for clients with ``parser: require("socket.io-msgpack-parser")``.

    All clients of the server need that parser. Aware ``datetime`` values become ``Date``;
    everything else is as with the default parser.

    Raises:
        ImportError: The ``msgpack`` package is missing.
    """

    def __init__(self) -> None:
        msgpack = optional("msgpack", "msgpack")
        self._pack: Callable[..., bytes] = msgpack.packb
        self._unpack: Callable[..., Any] = msgpack.unpackb
        self._extension: Callable[[int, bytes], Any] = msgpack.ExtType

    def encode(self, packet: Packet, compress: bool = True) -> Message:
        """Return the packet as a message.

        Raises:
            TypeError: The data holds something that cannot be carried.
            ValueError: It holds NaN, an infinity, an integer beyond 64 bits or a circle.
        """
        packet_type, namespace, data, ack_id = packet
        fields: dict[str, Any] = {"type": int(packet_type), "nsp": namespace}
        try:
            if data is not None:
                fields["data"] = data if _is_plain(data) else self._plain(data)
            if ack_id is not None:
                fields["id"] = ack_id
            try:
                packed = self._pack(fields)
            except UnicodeEncodeError:
                packed = self._pack(fields, unicode_errors=_SURROGATES)
            if _NOT_FINITE.search(packed):
                self._plain(data)  # refuses
            return Message(None, [packed], compress)
        except (OverflowError, RecursionError, TypeError, ValueError) as error:
            raise unsendable(_mapped(error), packet, MSGPACK) from None

    def decoder(self, max_size: int) -> MsgpackDecoder:
        """Return the decoder of a new client; transports limit its messages."""
        return MsgpackDecoder(self._unpack)

    def _plain(self, value: Any) -> Any:
        """Return a copy that MessagePack can carry, with the conversions of JSON."""
        if isinstance(value, (str, int, type(None), bytes, bytearray, memoryview)):
            return value
        if isinstance(value, float):
            if not math.isfinite(value):
                raise ValueError(NOT_FINITE)
            return value
        if isinstance(value, dict):
            return {plain_key(key): self._plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._plain(item) for item in value]
        if isinstance(value, datetime) and value.tzinfo is not None:
            milliseconds = (value - _EPOCH) // _MILLISECOND
            return self._extension(_NOTEPACK, milliseconds.to_bytes(8, "big", signed=True))
        return self._plain(plain_default(value))


def _is_plain(value: Any) -> bool:
    """Say whether MessagePack carries the value as it is, but for NaN; quick for what is usual."""
    kind = value.__class__
    if kind is dict:
        if not _TEXT.issuperset(map(type, value)):
            return False
        value = value.values()
    elif kind is not list and kind is not tuple:
        return kind in _SCALARS
    return _SCALARS.issuperset(map(type, value)) or all(map(_is_plain, value))


def _mapped(error: Exception) -> Exception:
    if isinstance(error, OverflowError):
        return ValueError(MSGPACK.beyond)
    if isinstance(error, RecursionError):
        return ValueError("the value is nested too deeply")
    return error


class MsgpackDecoder:
    """Decodes the messages of one client.

    Args:
        unpack: ``msgpack.unpackb``: by default it admits no length above that of the message.
    """

    __slots__ = ("_unpack",)

    def __init__(self, unpack: Callable[..., Any]) -> None:
        self._unpack = unpack

    def add(self, data: str | bytes) -> Packet:
        """Take one message; return its packet.

        Raises:
            PacketError: The client broke the protocol.
        """
        if isinstance(data, str):
            raise PacketError("text arrived instead of MessagePack: the client uses another parser")
        try:
            fields = self._unpack(data, timestamp=3, ext_hook=_Extensions(data).value)
        except UnicodeDecodeError:
            fields = self._with_surrogates(data)
        except _INVALID as error:
            raise PacketError("invalid MessagePack") from error
        if not isinstance(fields, dict):
            raise PacketError("a packet must be a map")
        number, namespace, ack_id = fields.get("type"), fields.get("nsp"), fields.get("id")
        packet_type = _TYPES.get(number) if type(number) is int else None
        if packet_type is None:
            raise PacketError("unknown packet type")
        if type(namespace) is not str or namespace[:1] != "/":
            raise PacketError("invalid namespace")
        if ack_id is not None and not (type(ack_id) is int and 0 <= ack_id < _MAX_ID):
            raise PacketError("invalid acknowledgement id")
        payload = fields.get("data")
        check_packet(packet_type, payload)
        return Packet(packet_type, namespace, payload, ack_id)

    def _with_surrogates(self, data: bytes) -> Any:
        hook = _Extensions(data).value
        try:
            fields = self._unpack(data, timestamp=3, ext_hook=hook, unicode_errors=_SURROGATES)
            # Namespaces are the names of channels and of headers: there it has no form.
            str(fields["nsp"]).encode()
        except (*_INVALID, LookupError) as error:
            raise PacketError("invalid MessagePack") from error
        return fields


class _Extensions:
    """The extension values of one message."""

    __slots__ = ("_kinds", "_message")

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._kinds: Iterator[bool] | None = None

    def value(self, code: int, data: bytes) -> Any:
        """Return what an extension value stands for."""
        if code != _NOTEPACK:
            raise ValueError(f"unknown extension type {code}")
        if len(data) in (1, 8):
            # `undefined` and Date, or a typed array of that length: the header tells, which
            # the library does not show.
            if self._kinds is None:
                self._kinds = _fixed_extensions(self._message)
            if next(self._kinds):
                return None if len(data) == 1 else _date(data)
        return data


def _date(data: bytes) -> datetime:
    return _EPOCH + int.from_bytes(data, "big", signed=True) * _MILLISECOND


# The sizes of MessagePack values by their first byte: what is fixed, and of how many bytes the
# length is that follows. Arrays and maps are a head; their items follow as values.
_SIZE = [1] * 256
_LENGTH = [0] * 256
for _first in range(0xA0, 0xC0):
    _SIZE[_first] = 1 + _first - 0xA0
for _first, _size in {
    0xCA: 5,
    0xCB: 9,
    0xCC: 2,
    0xCD: 3,
    0xCE: 5,
    0xCF: 9,
    0xD0: 2,
    0xD1: 3,
    0xD2: 5,
    0xD3: 9,
    0xD4: 3,
    0xD5: 4,
    0xD6: 6,
    0xD7: 10,
    0xD8: 18,
    0xDC: 3,
    0xDD: 5,
    0xDE: 3,
    0xDF: 5,
    0xC4: 2,
    0xC5: 3,
    0xC6: 5,
    0xC7: 3,
    0xC8: 4,
    0xC9: 6,
    0xD9: 2,
    0xDA: 3,
    0xDB: 5,
}.items():
    _SIZE[_first] = _size
for _first, _width in zip(
    (0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xD9, 0xDA, 0xDB), (1, 2, 4) * 3, strict=True
):
    _LENGTH[_first] = _width


def _fixed_extensions(message: bytes) -> Iterator[bool]:
    """Yield for each extension value of 1 or 8 bytes whether its length is in its type."""
    position, end = 0, len(message)
    while position < end:
        first = message[position]
        width = _LENGTH[first]
        size = _SIZE[first]
        if width:
            length = int.from_bytes(message[position + 1 : position + 1 + width], "big")
            size += length
            is_extension = 0xC7 <= first <= 0xC9 and message[position + 1 + width] == _NOTEPACK
            if is_extension and length in (1, 8):
                yield False
        elif first in (0xD4, 0xD7) and message[position + 1] == _NOTEPACK:
            yield True
        position += size
