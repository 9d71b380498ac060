"""The options of a server: their values, their defaults and the checks of what is given."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .functions import require_function
from .hints import unknown_option
from .numeric import whole, whole_values

__all__ = [
    "MAX_WINDOW_BITS",
    "MIN_WINDOW_BITS",
    "DeflateSettings",
    "Options",
    "RecoveryOptions",
]

_COOKIE_KEYS = frozenset({"name", "path", "domain", "max_age", "secure", "httponly", "samesite"})

#: The windows that RFC 7692 §7.1.2 knows, as powers of two.
MIN_WINDOW_BITS, MAX_WINDOW_BITS = 8, 15

#: The name of a cookie: a token (RFC 6265 §4.1.1).
_COOKIE_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_COOKIE_TYPES: dict[str, tuple[type, ...]] = {
    "path": (str,),
    "domain": (str, type(None)),
    "max_age": (int, type(None)),
    "secure": (bool,),
    "httponly": (bool,),
}
_SAME_SITE = ("strict", "lax", "none")

_FLAGS = (
    "add_trailing_slash",
    "allow_upgrades",
    "allow_eio3",
    "cleanup_empty_child_namespaces",
    "concurrent",
)
_POSITIVE = (
    "ping_interval",
    "ping_timeout",
    "upgrade_timeout",
    "connect_timeout",
    "max_http_buffer_size",
    "max_buffered_bytes",
)

#: Whole numbers: two of bytes, then others.
_WHOLE = ("max_http_buffer_size", "max_buffered_bytes", "max_attachments", "max_threads")


@dataclass(frozen=True)
class RecoveryOptions:
    """Connection state recovery (Socket.IO documentation, "Connection state recovery")."""

    #: Seconds that a client may be away.
    max_disconnection_duration: float = 120
    #: Whether middlewares are skipped for a client that comes back.
    skip_middlewares: bool = True
    #: Bytes that the kept packets of a namespace may take in memory; the oldest go first.
    max_log_bytes: int = 64 * 1024 * 1024

    @classmethod
    def build(cls, given: Any) -> RecoveryOptions | None:
        """Return the value of the option: ``None`` when it is off.

        Raises:
            TypeError: A name is unknown, or the value is not a mapping.
            ValueError: A number is out of range.
        """
        if given is None or given is False:
            return None
        if given is not True and not isinstance(given, Mapping):
            raise TypeError("connection_state_recovery must be a mapping of its options")
        names = frozenset(field.name for field in dataclasses.fields(cls))
        values = {} if given is True else whole_values(given, ("max_log_bytes",))
        _check_keys("connection_state_recovery", values, names)
        options = cls(**values)
        for name in ("max_disconnection_duration", "max_log_bytes"):
            _check_positive(f"connection_state_recovery: {name}", getattr(options, name))
        if not isinstance(options.max_log_bytes, int):
            raise ValueError("connection_state_recovery: max_log_bytes must be a whole number")
        _check_flag("connection_state_recovery: skip_middlewares", options.skip_middlewares)
        return options


@dataclass(frozen=True)
class DeflateSettings:
    """The settings of ``per_message_deflate`` (``ws`` documentation, "WebSocket compression").

    The defaults keep nothing between two messages: contexts take a quarter of a megabyte for each
    connection, a broadcast would have to be compressed for each member, and the length of a
    message would tell something about those before it. See ``docs/compression.md``.
    """

    #: Bytes from which a message is compressed.
    threshold: int = 1024
    #: Whether each message of the server is compressed on its own.
    server_no_context_takeover: bool = True
    #: Whether each message of clients is.
    client_no_context_takeover: bool = True
    #: The window of the server, and the largest one of clients, as powers of two.
    server_max_window_bits: int = MAX_WINDOW_BITS
    client_max_window_bits: int = MAX_WINDOW_BITS
    #: zlib's compression level, 0 to 9; -1 is zlib's choice.
    level: int = -1
    #: zlib's memory for compression, 1 to 9.
    mem_level: int = 8

    @classmethod
    def build(cls, option: bool | Mapping[str, Any] | None) -> DeflateSettings | None:
        """Check the option and return the settings; ``None`` when it is off.

        Raises:
            TypeError: It is neither a boolean nor a mapping, or a key is unknown.
            ValueError: A value is out of range.
        """
        if not isinstance(option, (bool, Mapping, type(None))):
            raise TypeError(f"per_message_deflate must be a boolean or a mapping, not {option!r}")
        if option is None or option is False:
            return None
        given = {} if option is True else option
        known = frozenset(field.name for field in dataclasses.fields(cls))
        _check_keys("per_message_deflate", given, known)
        settings = cls(**whole_values(given, ("threshold",)))
        settings.check()
        return settings

    def check(self) -> None:
        """Raise ``ValueError`` for a value that is out of range."""
        for name in ("server_no_context_takeover", "client_no_context_takeover"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"per_message_deflate: {name} must be True or False")
        for name, (low, high) in _DEFLATE_RANGES.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise ValueError(
                    f"per_message_deflate: {name} must be from {low} to {high}, not {value!r}"
                )


_DEFLATE_RANGES: dict[str, tuple[int, float]] = {
    "threshold": (0, math.inf),
    "server_max_window_bits": (MIN_WINDOW_BITS, MAX_WINDOW_BITS),
    "client_max_window_bits": (MIN_WINDOW_BITS, MAX_WINDOW_BITS),
    "level": (-1, 9),
    "mem_level": (1, 9),
}


@dataclass(frozen=True)
class Options:
    """The options of a server (Socket.IO documentation, "Server options").

    Durations are seconds, sizes are bytes. ``help(flask_realtime.Server)`` lists them as well.
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
    #: Bytes that may wait for a client that has stopped reading, and of the largest message to
    #: clients: what is larger raises ``ValueError`` where it is emitted. Up to four times as many
    #: may wait for a client that reads. One that has taken nearly nothing for 10 s while more
    #: than this waits, or for whom more than four times this would wait, is disconnected.
    max_buffered_bytes: int = 32 * 1024 * 1024
    #: Whether clients of Engine.IO protocol 3, such as ``socket.io-client`` 2, may connect. See
    #: ``docs/old-clients.md``.
    allow_eio3: bool = False
    #: ``fn(environ)`` decides about handshakes: a false result or an exception refuses, and the
    #: text of a ``ConnectError`` is for the client.
    allow_request: Callable[[Mapping[str, Any]], Any] | None = None
    #: Other origins that may connect; ``None`` is same origin only. See ``docs/hosts.md``.
    cors: Any = None
    #: A cookie for sticky sessions: ``True``, a name, or a mapping of its attributes.
    cookie: bool | str | Mapping[str, Any] | None = None
    #: Compression of polling responses: ``True``, ``False`` or ``{"threshold": bytes}``.
    http_compression: bool | Mapping[str, Any] | None = True
    #: Compression of WebSocket messages: ``True``, ``False`` or a mapping of
    #: :class:`DeflateSettings`.
    per_message_deflate: bool | Mapping[str, Any] | None = False
    #: A message that follows the handshake in the same response.
    initial_packet: str | bytes | None = None
    #: Whether, or from which directory, the JavaScript client is served.
    serve_client: bool | str | os.PathLike[str] = True
    #: Whether a child of a dynamic namespace is removed when its last socket has left.
    cleanup_empty_child_namespaces: bool = False
    #: Makes the adapter of a namespace: ``fn(namespace)``, or the URL of a Redis server; in
    #: memory by default.
    adapter: Callable[[Any], Any] | str | None = None
    #: A parser, or its class; the format of ``socket.io-parser`` by default.
    parser: Any = None
    #: A module with ``dumps`` and ``loads`` for the default parser.
    json: Any = None
    #: State for clients that come back: a mapping of :class:`RecoveryOptions`.
    connection_state_recovery: bool | Mapping[str, Any] | None = None
    #: ``fn(environ)`` makes session ids; 20 random characters by default.
    generate_id: Callable[[Mapping[str, Any]], str] | None = None
    #: Seconds over which the clients are closed, one after the other, when the process is told to
    #: stop; 0 closes all at once. See ``docs/deployment.md``.
    drain_seconds: float = 0
    #: Whether handlers of clients' events have a greenlet for each call; each registration may say
    #: otherwise.
    concurrent: bool = False
    #: How many handlers with ``thread=True`` run at a time.
    max_threads: int = 10
    #: ``"together"`` lets the workers of one gunicorn be one server, ``"alone"`` does not. See
    #: ``docs/workers.md``.
    workers: str = "together"

    @property
    def recovery(self) -> RecoveryOptions | None:
        """``connection_state_recovery``, complete; ``None`` when it is off."""
        return RecoveryOptions.build(self.connection_state_recovery)

    @property
    def compression_threshold(self) -> int | None:
        """Bytes from which a polling response is compressed; ``None`` for never."""
        setting = self.http_compression
        if isinstance(setting, Mapping):
            threshold: int = whole(setting.get("threshold", 1024))
            return threshold
        return 1024 if setting else None

    @classmethod
    def names(cls) -> frozenset[str]:
        """Return the names of all options."""
        return frozenset(field.name for field in dataclasses.fields(cls))

    @classmethod
    def build(cls, given: Mapping[str, Any]) -> Options:
        """Check what was given and return the options.

        Raises:
            TypeError: An option is unknown; the message names the nearest one. Or a value is of
                a type that it cannot have.
            ValueError: A value is out of range.
        """
        values = dict(given)
        for name in values:
            if name not in cls.names():
                raise TypeError(unknown_option(name, cls.names()))
        options = cls(**whole_values(values, _WHOLE))
        options.check()
        return options

    def check(self) -> None:
        """Raise ``TypeError`` or ``ValueError`` for a value that cannot work."""
        self._check_numbers()
        self._check_types()
        for transport in self.transports:
            if transport not in ("polling", "websocket"):
                raise ValueError(f"unknown transport {transport!r}")
        if not self.path.startswith("/"):
            raise ValueError(f"path must start with a slash: write {'/' + self.path!r}")
        if not {"?", "#"}.isdisjoint(self.path):
            raise ValueError(f"path is a path only, without a query or a fragment: {self.path!r}")
        if self.parser is not None and self.json is not None:
            raise ValueError(
                "json is for the default parser: give the module to your own parser instead"
            )

    def _check_numbers(self) -> None:
        for name in _POSITIVE:
            _check_positive(name, getattr(self, name))
        _check_not_negative("drain_seconds", self.drain_seconds)
        for name in _WHOLE[:2]:
            if not isinstance(getattr(self, name), int):
                raise ValueError(f"{name} must be a whole number of bytes")
        for name, least in (("max_attachments", 0), ("max_threads", 1)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise ValueError(f"{name} must be a whole number, {least} or more, not {value!r}")

    def _check_types(self) -> None:
        for name in _FLAGS:
            _check_flag(name, getattr(self, name))
        if not isinstance(self.path, str):
            raise TypeError(f"path must be a string, not {self.path!r}")
        names = self.transports
        if not isinstance(names, Collection) or isinstance(names, str) or not names:
            raise ValueError("transports must be a list of names")
        if not isinstance(self.serve_client, (bool, str, os.PathLike)):
            raise TypeError(
                f"serve_client must be True, False or a directory, not {self.serve_client!r}"
            )
        if self.adapter is not None and not isinstance(self.adapter, str):
            require_function(self.adapter, "adapter")
        for name in ("allow_request", "generate_id"):
            if getattr(self, name) is not None:
                require_function(getattr(self, name), name)
        if self.workers not in ("together", "alone"):
            raise ValueError(f'workers is "together" or "alone", not {self.workers!r}')
        if not isinstance(self.initial_packet, (str, bytes, type(None))):
            raise TypeError("initial_packet must be text or bytes")
        RecoveryOptions.build(self.connection_state_recovery)
        _check_cookie(self.cookie)
        _check_http_compression(self.http_compression)
        DeflateSettings.build(self.per_message_deflate)


def _check_flag(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r}")


def _check_http_compression(option: Any) -> None:
    if not isinstance(option, (bool, Mapping, type(None))):
        raise TypeError(f"http_compression must be a boolean or a mapping, not {option!r}")
    _check_keys("http_compression", option, frozenset({"threshold"}))
    threshold = whole(option.get("threshold", 0)) if isinstance(option, Mapping) else 0
    if type(threshold) is not int or threshold < 0:
        raise ValueError(f"http_compression: threshold must be bytes, not {threshold!r}")


def _check_cookie(option: Any) -> None:
    if not isinstance(option, (bool, str, Mapping, type(None))):
        raise TypeError(f"cookie must be True, a name or a mapping, not {option!r}")
    _check_keys("cookie", option, _COOKIE_KEYS)
    given = option if isinstance(option, Mapping) else {}
    name = option if isinstance(option, str) else given.get("name", "io")
    if not isinstance(name, str) or not _COOKIE_NAME.fullmatch(name):
        raise ValueError(f"cookie: {name!r} cannot be the name of a cookie")
    for key, types in _COOKIE_TYPES.items():
        value = whole(given.get(key, types[0]()))
        if not isinstance(value, types) or (key == "max_age" and isinstance(value, bool)):
            raise TypeError(f"cookie: {key} cannot be {value!r}")
    same_site = given.get("samesite")
    if not (same_site is None or (isinstance(same_site, str) and same_site.lower() in _SAME_SITE)):
        raise ValueError(f'cookie: samesite is "Strict", "Lax" or "None", not {same_site!r}')


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} must be a number, not {value!r}")


def _check_positive(name: str, value: Any) -> None:
    _check_number(name, value)
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} must be above 0 and finite, not {value!r}")


def _check_not_negative(name: str, value: Any) -> None:
    _check_number(name, value)
    if not (value >= 0 and math.isfinite(value)):
        raise ValueError(f"{name} must be 0 or more, and finite, not {value!r}")


def _check_keys(option: str, value: Any, known: frozenset[str]) -> None:
    if isinstance(value, Mapping):
        for name in value:
            if name not in known:
                raise TypeError(f"{option}: " + unknown_option(name, known))
