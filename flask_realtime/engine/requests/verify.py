"""Whether a request may be served: the checks of a handshake, in their documented order.

Pure functions; what fails is raised as the :exc:`~flask_realtime.errors.RequestError` that
carries its answer (Socket.IO documentation, "Server API", event ``connection_error``).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl

from werkzeug.wrappers import Response

from ...codec.websocket_handshake import is_upgrade
from ...errors import (
    BadHandshakeMethod,
    BadRequest,
    ConnectError,
    Forbidden,
    RequestError,
    UnknownSession,
    UnknownTransport,
    UnsupportedProtocol,
)
from .cors import CorsPolicy, is_same_origin

__all__ = [
    "ask_middleware",
    "parse_query",
    "verify_handshake",
    "verify_protocol",
    "verify_session",
    "verify_transport",
]

logger = logging.getLogger(__name__)

Environ = Mapping[str, Any]
S = TypeVar("S", bound="HasTransport")

#: More parameters than any client sends.
_MAX_PARAMETERS = 64
# What a header value may hold (RFC 9110 §5.5). The pattern has one character class and no
# choice: it cannot backtrack.
_LEGAL_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class HasTransport(Protocol):
    """A session, as the checks see it."""

    @property
    def transport_name(self) -> str:
        """The name of its present transport."""


def parse_query(environ: Environ) -> dict[str, str]:
    """Return the parameters of the query string; the last of two with one name counts."""
    text = environ.get("QUERY_STRING", "")
    if text.count("&") >= _MAX_PARAMETERS:
        return {}
    if "%" in text or "+" in text:
        return dict(parse_qsl(text, keep_blank_values=True))
    # What clients send needs no unquoting: this is on the way of every poll (1 µs against 16).
    pairs = (pair.partition("=") for pair in text.split("&") if pair)
    return {name: value for name, _, value in pairs}


def verify_transport(query: Mapping[str, str], environ: Environ, enabled: frozenset[str]) -> str:
    """Return the transport that a request names.

    Raises:
        RequestError: It is unknown or not enabled, or the Origin header is not a header value.
    """
    transport = query.get("transport")
    if transport not in enabled:
        raise UnknownTransport({"transport": transport})
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and not _LEGAL_VALUE.fullmatch(origin):
        raise BadRequest({"name": "INVALID_ORIGIN", "origin": origin})
    return transport


def verify_session(
    sid: str, transport: str, environ: Environ, session: S | None, cors: CorsPolicy | None
) -> S:
    """Return the session that a request belongs to.

    Raises:
        RequestError: It is unknown, uses another transport, or the origin is foreign.
    """
    if session is None:
        raise UnknownSession({"sid": sid})
    previous = session.transport_name
    if not is_upgrade(environ) and (transport != previous or previous == "websocket"):
        raise BadRequest(
            {
                "name": "TRANSPORT_MISMATCH",
                "transport": transport,
                "previousTransport": previous,
            }
        )
    _check_origin(environ, cors)
    return session


def verify_protocol(query: Mapping[str, str], previous: int) -> None:
    """Check that a request of a session speaks the session's revision of the protocol.

    Raises:
        BadRequest: It speaks another one.
    """
    protocol = _protocol(query)
    if protocol != previous:
        raise BadRequest(
            {"name": "PROTOCOL_MISMATCH", "protocol": protocol, "previousProtocol": previous}
        )


def _protocol(query: Mapping[str, str]) -> int:
    # The revision before 4 is what the reference server takes everything else for.
    return 4 if query.get("EIO") == "4" else 3


def verify_handshake(
    query: Mapping[str, str],
    transport: str,
    environ: Environ,
    cors: CorsPolicy | None,
    allow_request: Callable[[Environ], Any] | None,
    allow_eio3: bool = False,
) -> int:
    """Check a request that opens a session, and return its revision of the protocol.

    Raises:
        RequestError: The method, the transport, the origin, the application's decision or the
            protocol revision is against it.
    """
    method = environ.get("REQUEST_METHOD")
    if method != "GET":
        raise BadHandshakeMethod({"method": method})
    if transport == "websocket" and not is_upgrade(environ):
        raise BadRequest({"name": "TRANSPORT_HANDSHAKE_ERROR"})
    _check_origin(environ, cors)
    if allow_request is not None:
        _ask_application(allow_request, environ)
    protocol = _protocol(query)
    if protocol == 3:
        if not allow_eio3:
            raise UnsupportedProtocol({"protocol": 3})
        if "j" in query:
            # Only clients of protocol 3 have it; there is no page that would need it today.
            raise UnknownTransport({"transport": "polling-jsonp"})
    return protocol


def _check_origin(environ: Environ, cors: CorsPolicy | None) -> None:
    origin = environ.get("HTTP_ORIGIN")
    if origin is None or is_same_origin(origin, environ):
        return
    if cors is None or not cors.allows(origin, environ):
        raise Forbidden({"message": "Forbidden", "origin": origin})


def _ask_application(allow_request: Callable[[Environ], Any], environ: Environ) -> None:
    try:
        allowed = allow_request(environ)
    except RequestError:
        raise
    except ConnectError as error:
        raise Forbidden({"message": error.message}, error.message) from error
    except Exception:
        # A defect of the application is not for the client to read.
        logger.exception("! allow_request failed")
        allowed = False
    if not allowed:
        raise Forbidden({"message": "Forbidden"})


def ask_middleware(
    middleware: Callable[[dict[str, Any]], Response | None], environ: dict[str, Any]
) -> Response | None:
    """Return the response with which an engine middleware ends the request, or nothing.

    Raises:
        RequestError: The middleware raised, or returned something else.
    """
    try:
        response = middleware(environ)
        if response is not None and not isinstance(response, Response):
            raise TypeError(
                "an engine middleware returns None to go on, or a werkzeug Response, "
                f"not {response!r}"
            )
    except RequestError:
        raise
    except Exception as error:
        logger.exception("! an engine middleware failed")
        raise BadRequest({"name": "MIDDLEWARE_FAILURE"}) from error
    return response
