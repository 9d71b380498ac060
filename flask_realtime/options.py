"""The options of a server: each with its default and its unit, checked when they are given."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .functions import require_function

__all__ = ["Options"]

#: Options of later releases: only the value that switches them off is accepted until then.
_NOT_YET = {
    "allow_eio3": False,
    "cleanup_empty_child_namespaces": False,
    "connection_state_recovery": None,
    "per_message_deflate": False,
}

_COOKIE_KEYS = frozenset({"name", "path", "domain", "max_age", "secure", "httponly", "samesite"})

_POSITIVE = (
    "ping_interval",
    "ping_timeout",
    "upgrade_timeout",
    "connect_timeout",
    "max_http_buffer_size",
    "max_buffered_bytes",
)


@dataclass(frozen=True)
class Options:
    """What a server can be told (Socket.IO documentation, "Server options").

    Durations are seconds, sizes are bytes.
    """

    #: The path that belongs to the server, below the mount point of the application.
    path: str = "/socket.io"
    #: Whether a slash follows the path in requests.
    add_trailing_slash: bool = True
    #: The transports that clients may use.
    transports: Sequence[str] = ("polling", "websocket")
    #: Whether a polling client may upgrade to WebSocket.
    allow_upgrades: bool = True
    #: Seconds between a pong and the next ping.
    ping_interval: float = 25
    #: Seconds that a client has to answer a ping.
    ping_timeout: float = 20
    #: Seconds that an upgrade may take.
    upgrade_timeout: float = 10
    #: Seconds that a client has to join a namespace.
    connect_timeout: float = 45
    #: Bytes of the largest message, and of the largest body of a POST request.
    max_http_buffer_size: int = 1_000_000
    #: How many attachments a received packet may have.
    max_attachments: int = 10
    #: Bytes that may wait for a slow client before it is disconnected.
    max_buffered_bytes: int = 8 * 1024 * 1024
    #: ``fn(environ)`` decides about handshakes: a false result or an exception refuses, and the
    #: text of a ``ConnectError`` is for the client.
    allow_request: Callable[[Mapping[str, Any]], Any] | None = None
    #: Other origins that may connect; ``None`` is same origin only. See ``docs/hosts.md``.
    cors: Any = None
    #: A cookie for sticky sessions: ``True``, a name, or a mapping of its attributes.
    cookie: bool | str | Mapping[str, Any] | None = None
    #: Compression of polling responses: ``True``, ``False`` or ``{"threshold": bytes}``.
    http_compression: bool | Mapping[str, Any] = True
    #: A message that follows the handshake in the same response.
    initial_packet: str | bytes | None = None
    #: Whether, or from which directory, the JavaScript client is served.
    serve_client: bool | str = True
    #: Makes the adapter of a namespace: ``fn(namespace)``; in memory by default.
    adapter: Callable[[Any], Any] | None = None
    #: A parser, or its class; the format of ``socket.io-parser`` by default.
    parser: Any = None
    #: A module with ``dumps`` and ``loads`` for the default parser.
    json: Any = None
    #: ``fn(environ)`` makes session ids; 20 random characters by default.
    generate_id: Callable[[Mapping[str, Any]], str] | None = None

    @classmethod
    def names(cls) -> frozenset[str]:
        """Return the names of all options."""
        return frozenset(field.name for field in dataclasses.fields(cls)) | _NOT_YET.keys()

    @classmethod
    def build(cls, given: Mapping[str, Any]) -> Options:
        """Check what was given and return the options.

        Raises:
            TypeError: An option is unknown; the message names the nearest one.
            ValueError: A value is out of range.
            NotImplementedError: An option of a later release is switched on.
        """
        values = dict(given)
        for name in values:
            if name not in cls.names():
                raise TypeError(unknown_option(name, cls.names()))
        for name, off in _NOT_YET.items():
            if values.pop(name, off) not in (off, None):
                raise NotImplementedError(f"{name} is not part of this release yet")
        options = cls(**values)
        options.check()
        return options

    def check(self) -> None:
        """Raise ``ValueError`` for a value that cannot work."""
        self._check_numbers()
        self._check_types()
        unknown = set(self.transports) - {"polling", "websocket"}
        if unknown:
            raise ValueError(f"unknown transport {sorted(unknown)[0]!r}")
        if not self.path.startswith("/"):
            raise ValueError(f"path must start with a slash, not {self.path!r}")
        if self.parser is not None and self.json is not None:
            raise ValueError("json belongs to the default parser: give it to the parser instead")

    def _check_numbers(self) -> None:
        for name in _POSITIVE:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ValueError(f"{name} must be a number, not {value!r}")
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} must be above 0 and finite, not {value!r}")
        for name in ("max_http_buffer_size", "max_buffered_bytes"):
            if not isinstance(getattr(self, name), int):
                raise ValueError(f"{name} must be a whole number of bytes")
        if type(self.max_attachments) is not int or self.max_attachments < 0:
            raise ValueError(f"max_attachments must be a count, not {self.max_attachments!r}")

    def _check_types(self) -> None:
        if isinstance(self.transports, str) or not self.transports:
            raise ValueError("transports must be a list of names")
        for name in ("allow_request", "generate_id"):
            if getattr(self, name) is not None:
                require_function(getattr(self, name), name)
        if not isinstance(self.initial_packet, (str, bytes, type(None))):
            raise TypeError("initial_packet must be text or bytes")
        _check_keys("cookie", self.cookie, _COOKIE_KEYS)
        _check_keys("http_compression", self.http_compression, frozenset({"threshold"}))


def _check_keys(option: str, value: Any, known: frozenset[str]) -> None:
    if isinstance(value, Mapping):
        for name in value:
            if name not in known:
                raise TypeError(f"{option}: " + unknown_option(name, known))


def unknown_option(name: str, known: frozenset[str]) -> str:
    """Return the text of the error for an unknown option."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"unknown option {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
