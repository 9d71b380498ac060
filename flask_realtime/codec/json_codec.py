"""JSON for packets: the same results with orjson and with the standard library.

``NaN``, infinities and integers beyond all doubles are refused on the way out, keys become
strings, lone surrogates are written as escapes, as ``JSON.stringify`` does, and ``bytes`` are
taken out as attachments in the same pass that encodes the rest.

Types beyond JSON's own: ``datetime``, ``date`` and ``time`` as ISO 8601, ``UUID`` and
``Decimal`` as text, enumerations as their value, dataclasses as objects, named tuples as
arrays.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from .carried import JSON, Carrier
from .plain_values import LARGEST, NOT_FINITE, TOO_LARGE, plain_default, plain_key, plain_value

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]

__all__ = ["JSONCodec", "JSONModule", "StandardCodec", "best_codec", "wrap_module"]

_TOO_DEEP = "the value is nested too deeply"
#: Keys that every JSON module turns into text.
_OWN_KEYS = (str, int, float, type(None))

Default = Callable[[Any], Any]


class JSONModule(Protocol):
    """The value of the server's ``json`` option: a module or object with these two functions."""

    def dumps(self, value: Any, /) -> str | bytes:
        """Return ``value`` as JSON."""

    def loads(self, text: str, /) -> Any:
        """Return the value of a JSON text; raises ``ValueError`` when it is invalid."""


class JSONCodec(Protocol):
    """JSON as the parser uses it.

    Attributes:
        quick_decode: Like :meth:`decode`, but may refuse what ``decode`` accepts.
        carrier: The bounds of what it carries; ``None`` when they are unknown.
    """

    quick_decode: Callable[[str], Any]
    carrier: Carrier | None

    def encode(self, value: Any) -> tuple[bytes, list[bytes]]:
        """Return UTF-8 JSON with placeholders, and the attachments they stand for."""

    def decode(self, text: str) -> Any:
        """Return the value of a JSON text; raises ``ValueError`` when it is invalid."""


class _BinaryFound(Exception):
    """The value holds bytes: it has to be encoded with attachments."""


def _detecting_default(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise _BinaryFound
    return plain_default(value)


def _collecting_default(attachments: list[bytes]) -> Default:
    # A buffer that is named many times is copied once; it is kept, so that its id stays its own.
    copies: dict[int, tuple[Any, bytes]] = {}

    def default(value: Any) -> Any:
        if isinstance(value, bytes):
            attachments.append(bytes(value))
        elif isinstance(value, (bytearray, memoryview)):
            copy = copies.get(id(value))
            if copy is None:
                copy = copies[id(value)] = (value, bytes(value))
            attachments.append(copy[1])
        else:
            return plain_default(value)
        return {"_placeholder": True, "num": len(attachments) - 1}

    return default


class StandardCodec:
    """The standard library's ``json``."""

    carrier: Carrier | None = JSON

    def __init__(self) -> None:
        self._encode_plain = _standard_encoder(_detecting_default)
        self.quick_decode: Callable[[str], Any] = self.decode

    def encode(self, value: Any) -> tuple[bytes, list[bytes]]:
        """Return UTF-8 JSON with placeholders, and the attachments they stand for.

        Raises:
            TypeError: The value holds something that JSON cannot carry.
            ValueError: It holds NaN, an infinity, an integer beyond all doubles or a circle.
        """
        try:
            text = self._encode_plain(value)
            if len(text) >= _HUGE and _may_hold_huge(text):
                plain_value(value)  # refuses
            return text.encode(), []
        except (TypeError, UnicodeEncodeError, _BinaryFound):
            pass
        except RecursionError:
            raise ValueError(_TOO_DEEP) from None
        return self._encode_other(value)

    def _encode_other(self, value: Any) -> tuple[bytes, list[bytes]]:
        """Encode a value with bytes, lone surrogates, or keys that json does not support."""
        attachments: list[bytes] = []
        try:
            try:
                text = _standard_encoder(_collecting_default(attachments))(value)
            except TypeError:
                value = plain_value(value)  # refuses what nothing can carry
                attachments.clear()
                text = _standard_encoder(_collecting_default(attachments))(value)
            if _may_hold_huge(text):
                plain_value(value)
        except RecursionError:
            raise ValueError(_TOO_DEEP) from None
        return _escaped(text), attachments

    def decode(self, text: str) -> Any:
        """Return the value of a JSON text; raises ``ValueError`` when it is invalid."""
        try:
            return _standard_decoder.decode(text)
        except RecursionError:
            raise ValueError(_TOO_DEEP) from None


def _standard_encoder(default: Default) -> Callable[[Any], str]:
    return json.JSONEncoder(
        separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=default
    ).encode


def _escaped(text: str) -> bytes:
    # Lone surrogates occur in strings alone, and Python's escapes are those of JSON.
    return text.encode("utf-8", "backslashreplace")


#: Digits of the first integer that no double holds.
_HUGE: Final = 309
# Of so many digits in a row, five at least are among every sixty-first character.
_STRIDE, _SAMPLES = 61, re.compile(r"[0-9]{5}")


def _may_hold_huge(text: str) -> bool:
    """Say whether a text may hold an integer of ``_HUGE`` digits; quick where it does not."""
    return _SAMPLES.search(text[::_STRIDE]) is not None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


#: Digits of an integer from a peer, at most: Python's own bound for text. Longer ones become
#: infinities, so that the time to parse them does not grow with the square of their length.
_MAX_DIGITS: Final = 4300


def _parse_int(digits: str) -> int | float:
    # A peer's integers beyond 64 bits are floats, as in JavaScript, and orjson agrees; those
    # that no double holds, which orjson refuses, are integers again, as json makes them.
    if len(digits) < 19:
        return int(digits)
    if len(digits) < 21:
        value = int(digits)
        return value if -(2**63) <= value < 2**64 else float(value)
    number = float(digits)
    if math.isfinite(number) or len(digits) > _MAX_DIGITS + (number < 0):
        return number
    try:
        return int(digits)
    except ValueError:
        return number  # the application set a lower bound


_standard_decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_parse_int)


_NO_ATTACHMENTS: list[bytes] = []

if orjson is not None:
    _orjson_dumps = orjson.dumps
    _ORJSON_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


class OrjsonCodec:
    """orjson, with the standard library for what orjson refuses or would change."""

    carrier: Carrier | None = JSON

    def __init__(self) -> None:
        self._fallback = StandardCodec()
        self.quick_decode: Callable[[str], Any] = orjson.loads

    def encode(self, value: Any) -> tuple[bytes, list[bytes]]:
        """Return UTF-8 JSON with placeholders, and the attachments they stand for.

        Raises:
            TypeError: The value holds something that JSON cannot carry.
            ValueError: It holds NaN, an infinity, an integer beyond all doubles or a circle.
        """
        try:
            encoded = _orjson_dumps(value, _detecting_default, _ORJSON_OPTIONS)
        except TypeError as error:
            if isinstance(error.__cause__, _BinaryFound):
                return self._encode_binary(value)
            return self._fallback.encode(value)
        if b"null" in encoded and not _is_finite(value):
            return self._fallback.encode(value)
        return encoded, _NO_ATTACHMENTS

    def _encode_binary(self, value: Any) -> tuple[bytes, list[bytes]]:
        attachments: list[bytes] = []
        try:
            encoded = _orjson_dumps(value, _collecting_default(attachments), _ORJSON_OPTIONS)
        except TypeError:
            return self._fallback.encode(value)
        if b"null" in encoded and not _is_finite(value):
            return self._fallback.encode(value)
        return encoded, attachments

    def decode(self, text: str) -> Any:
        """Return the value of a JSON text; raises ``ValueError`` when it is invalid."""
        try:
            return orjson.loads(text)
        except ValueError:
            # Lone surrogates, and numbers beyond all doubles, are JSON all the same.
            return self._fallback.decode(text)


def _is_finite(value: Any) -> bool:
    """Say whether ``value`` certainly holds no NaN: orjson writes ``null`` for it."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_finite, value))
    return value is None or isinstance(value, (str, int, bytes, bytearray, memoryview))


class _ModuleCodec:
    """A user's ``dumps`` and ``loads``; attachments are taken out before they are called."""

    # The module may carry more types.
    carrier: Carrier | None = None

    def __init__(self, module: JSONModule) -> None:
        self._module = module
        self.quick_decode: Callable[[str], Any] = self.decode

    def encode(self, value: Any) -> tuple[bytes, list[bytes]]:
        attachments: list[bytes] = []
        try:
            encoded = self._module.dumps(_take_binary(value, _collecting_default(attachments)))
        except RecursionError:
            raise ValueError(_TOO_DEEP) from None
        return _escaped(encoded) if isinstance(encoded, str) else encoded, attachments

    def decode(self, text: str) -> Any:
        try:
            return self._module.loads(text)
        except Exception as error:
            raise ValueError(f"the text cannot be decoded: {error}") from error


def _take_binary(value: Any, default: Default) -> Any:
    if value.__class__ is str:
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return default(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(NOT_FINITE)
    if isinstance(value, int) and not -LARGEST < value < LARGEST:
        raise ValueError(TOO_LARGE)
    if isinstance(value, dict):
        return {
            key if key.__class__ is str else _text_key(key): _take_binary(item, default)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_take_binary(item, default) for item in value]
    return value


def _text_key(key: Any) -> Any:
    try:
        return key if isinstance(key, _OWN_KEYS) else plain_key(key)
    except TypeError:
        return key  # the module may support it


def best_codec() -> JSONCodec:
    """Return orjson's codec when it is installed, the standard library's otherwise."""
    return StandardCodec() if orjson is None else OrjsonCodec()


def wrap_module(module: Any) -> JSONCodec:
    """Return a codec around a module with ``dumps`` and ``loads``.

    Raises:
        TypeError: It does not have both.
    """
    if not (callable(getattr(module, "dumps", None)) and callable(getattr(module, "loads", None))):
        raise TypeError("json must be a module or object with dumps() and loads()")
    return _ModuleCodec(cast(JSONModule, module))
