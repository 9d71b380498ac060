"""MessagePack as JavaScript's packages write and read it: notepack.io 2 and 3, @msgpack/msgpack.

They agree about JSON's values. Beyond those, and as versions 2.2, 3.0 and 2.8 write them:

==============  ============================  ====================  ====================
JavaScript      notepack.io 2                 notepack.io 3         @msgpack/msgpack
==============  ============================  ====================  ====================
``Date``        extension 0, fixed 8 bytes:   timestamp             timestamp
                milliseconds since 1970
``undefined``   extension 0, fixed 1 byte     nil                   nil
typed array     extension 0, length given     bytes                 bytes
lone surrogate  another character             another character     three bytes
==============  ============================  ====================  ====================

All of these forms are read. A date and a typed array of eight bytes differ in their headers
alone, which the ``msgpack`` package does not show: see :func:`_fixed_extensions`. Lone surrogates
are written as three bytes, which browsers read.

Other keys than text, and values beyond JSON's, become what they become in JSON; what JSON
refuses is refused here: NaN, infinities, circles.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from ..extras import optional
from .plain_values import NOT_FINITE, plain_default, plain_key

__all__ = ["JavaScriptMsgpack"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
#: The extension type of notepack.io.
_NOTEPACK = 0
#: Types that MessagePack carries as they are.
_AS_IS = frozenset({str, int, bool, bytes, type(None)})
_TEXT = frozenset({str})
_FLOATS = frozenset({float})
#: Items from which on a list is worth a look at all of their types at once.
_LONG: Final = 32
_SURROGATES: Final = "surrogatepass"
_TOO_LARGE: Final = "a number is too large for MessagePack, which carries 64 bits"
_TOO_DEEP: Final = "the value is nested too deeply"
_INVALID = (ValueError, OverflowError, TypeError, RecursionError)


class JavaScriptMsgpack:
    """Packs and unpacks values.

    Args:
        extra: The extra of this distribution that installs the ``msgpack`` package.
        packs_dates: Aware ``datetime`` values are packed as the ``Date`` of notepack.io 2;
            otherwise they are text, as in JSON.
        is_lenient: Maps may have other keys than text, as servers in other languages write
            them, and a date beyond the year 9999 is unpacked as its bytes; otherwise both are
            malformed.

    Raises:
        ImportError: The ``msgpack`` package is missing.
    """

    __slots__ = ("_extension", "_is_lenient", "_options", "_pack", "_packs_dates", "_unpack")

    def __init__(self, extra: str, packs_dates: bool = False, is_lenient: bool = False) -> None:
        msgpack = optional("msgpack", extra)
        self._pack: Callable[..., bytes] = msgpack.packb
        # By default it admits no length above that of the message.
        self._unpack: Callable[..., Any] = msgpack.unpackb
        self._extension: Callable[[int, bytes], Any] = msgpack.ExtType
        self._packs_dates = packs_dates
        self._is_lenient = is_lenient

    def pack(self, value: Any) -> bytes:
        """Return a value as MessagePack.

        Raises:
            TypeError: It holds something that cannot be carried.
            ValueError: It holds NaN, an infinity, an integer beyond 64 bits or a circle.
        """
        return self.pack_plain(self.plain(value))

    def plain(self, value: Any) -> Any:
        """Return a value that :meth:`pack_plain` takes: itself, or a copy with JSON's conversions.

        Raises:
            TypeError: It holds something that cannot be carried.
            ValueError: It holds NaN, an infinity or a circle.
        """
        try:
            return value if _is_plain(value) else self._copy(value)
        except RecursionError:
            raise ValueError(_TOO_DEEP) from None

    def pack_plain(self, value: Any) -> bytes:
        """Return a value as MessagePack that holds nothing but what MessagePack carries.

        Raises:
            ValueError: It holds an integer beyond 64 bits, or is nested too deeply.
        """
        try:
            return self._pack(value)
        except UnicodeEncodeError:
            return self._pack(value, unicode_errors=_SURROGATES)
        except OverflowError:
            raise ValueError(_TOO_LARGE) from None
        except RecursionError:
            raise ValueError(_TOO_DEEP) from None

    def _copy(self, value: Any) -> Any:
        if isinstance(value, (str, int, type(None), bytes, bytearray, memoryview)):
            return value
        if isinstance(value, float):
            if not math.isfinite(value):
                raise ValueError(NOT_FINITE)
            return value
        if isinstance(value, dict):
            return {plain_key(key): self._copy(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._copy(item) for item in value]
        if self._packs_dates and isinstance(value, datetime) and value.tzinfo is not None:
            milliseconds = (value - _EPOCH) // _MILLISECOND
            return self._extension(_NOTEPACK, milliseconds.to_bytes(8, "big", signed=True))
        return self._copy(plain_default(value))

    def unpack(self, data: bytes) -> Any:
        """Return the value of a message.

        Raises:
            ValueError: It is malformed.
        """
        strict = not self._is_lenient
        try:
            return self._unpack(data, timestamp=3, strict_map_key=strict, ext_hook=_stop)
        except (_HasExtensions, UnicodeDecodeError):
            pass
        except _INVALID as error:
            raise ValueError(f"malformed MessagePack: {error}") from error
        try:
            return self._unpack(
                data,
                timestamp=3,
                strict_map_key=strict,
                ext_hook=_Extensions(data, self._is_lenient).value,
                unicode_errors=_SURROGATES,
            )
        except _INVALID as error:
            raise ValueError(f"malformed MessagePack: {error}") from error


def _is_plain(value: Any) -> bool:
    """Say whether MessagePack carries a value as it is; raise for a number that JSON refuses."""
    kind = type(value)
    if kind is dict:
        if not _TEXT.issuperset(map(type, value)):
            return False
        value = value.values()
    elif kind is not list and kind is not tuple:
        if kind is float and not math.isfinite(value):
            raise ValueError(NOT_FINITE)
        return kind in _AS_IS or kind is float
    if len(value) > _LONG and _is_flat(value):
        return True
    for item in value:
        # Most items are scalars, which cost no call.
        kind = type(item)
        if kind is float:
            if item - item:  # NaN, for NaN and infinities
                raise ValueError(NOT_FINITE)
        elif kind not in _AS_IS and not _is_plain(item):
            return False
    return True


def _is_flat(items: Collection[Any]) -> bool:
    kinds = set(map(type, items))
    return kinds <= _AS_IS or (kinds == _FLOATS and all(map(math.isfinite, items)))


class _HasExtensions(Exception):
    """A message holds extension values, which are told apart with the whole message at hand."""


def _stop(code: int, data: bytes) -> Any:
    raise _HasExtensions


class _Extensions:
    """The extension values of one message.

    Args:
        message: All of it.
        is_lenient: See :class:`JavaScriptMsgpack`.
    """

    __slots__ = ("_is_lenient", "_kinds")

    def __init__(self, message: bytes, is_lenient: bool) -> None:
        self._kinds = _fixed_extensions(message)
        self._is_lenient = is_lenient

    def value(self, code: int, data: bytes) -> Any:
        """Return what an extension value stands for."""
        if code != _NOTEPACK:
            raise ValueError(f"unknown extension type {code}")
        if len(data) in (1, 8) and next(self._kinds):
            return None if len(data) == 1 else self._date(data)
        return data

    def _date(self, data: bytes) -> datetime | bytes:
        try:
            return _EPOCH + int.from_bytes(data, "big", signed=True) * _MILLISECOND
        except OverflowError:
            if self._is_lenient:
                return data
            raise


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
