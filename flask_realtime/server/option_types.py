"""The types of the server's options, for editors and type checkers.

The values and their checks are :class:`~flask_realtime.options.Options`; here each option has
the type that a caller may pass. Nothing of this is used when a program runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from re import Pattern
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from ..codec.json_codec import JSONModule
from ..codec.parser import Parser

if TYPE_CHECKING:
    from ..adapters.base import Adapter, LocalSockets

__all__ = [
    "CookieOptions",
    "CorsOptions",
    "DeflateOptions",
    "HTTPCompressionOptions",
    "RecoverySettings",
    "ServerOptions",
]

Environ = Mapping[str, Any]
#: ``"*"``, one origin, a pattern, or several of them.
Origins = str | Pattern[str] | bool | Iterable[str | Pattern[str]]
#: ``fn(origin, environ)`` says whether an origin may connect.
OriginCheck = Callable[[str, Environ], Any]


class CorsOptions(TypedDict, total=False):
    """The settings of ``cors``; see the guide to hosts."""

    origin: Origins | OriginCheck | None
    methods: str | Sequence[str]
    allowed_headers: str | Sequence[str]
    exposed_headers: str | Sequence[str]
    credentials: bool
    max_age: int


class CookieOptions(TypedDict, total=False):
    """The attributes of the affinity cookie (RFC 6265 §4.1)."""

    name: str
    path: str
    domain: str | None
    max_age: int | None
    secure: bool
    httponly: bool
    samesite: str | None


class HTTPCompressionOptions(TypedDict, total=False):
    """The settings of ``http_compression``: bytes from which a response is compressed."""

    threshold: int


class DeflateOptions(TypedDict, total=False):
    """The settings of ``per_message_deflate`` (RFC 7692 §7.1)."""

    threshold: int
    server_no_context_takeover: bool
    client_no_context_takeover: bool
    server_max_window_bits: int
    client_max_window_bits: int
    level: int
    mem_level: int


class RecoverySettings(TypedDict, total=False):
    """The settings of ``connection_state_recovery``; durations are seconds."""

    max_disconnection_duration: float
    skip_middlewares: bool
    max_log_bytes: int


class ServerOptions(TypedDict, total=False):
    """The options of :class:`~flask_realtime.Server` (Socket.IO documentation, "Server options").

    Durations are seconds, sizes are bytes.
    """

    path: str
    add_trailing_slash: bool
    transports: Sequence[Literal["polling", "websocket"]]
    allow_upgrades: bool
    ping_interval: float
    ping_timeout: float
    upgrade_timeout: float
    connect_timeout: float
    max_http_buffer_size: int
    max_attachments: int
    max_buffered_bytes: int
    allow_eio3: bool
    allow_request: Callable[[Environ], Any] | None
    cors: Origins | OriginCheck | CorsOptions | None
    cookie: bool | str | CookieOptions | None
    http_compression: bool | HTTPCompressionOptions | None
    per_message_deflate: bool | DeflateOptions | None
    initial_packet: str | bytes | None
    serve_client: bool | str | os.PathLike[str]
    cleanup_empty_child_namespaces: bool
    adapter: Callable[[LocalSockets], Adapter] | str | None
    parser: Parser | type[Parser] | None
    json: JSONModule | None
    connection_state_recovery: bool | RecoverySettings | None
    generate_id: Callable[[Environ], str] | None
    drain_seconds: float
    concurrent: bool
    max_threads: int
    workers: Literal["together", "alone"]
