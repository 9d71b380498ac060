"""Whether a request may be served: the checks of a handshake, in their documented order.

Pure functions; what fails is raised as the :exc:`~flask_realtime.errors.RequestError` that
carries its answer (Socket.IO documentation, "Server API", event ``connection_error``).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Response

from ...errors import (
    BadHandshakeMethod,
    BadRequest,
    ConnectError,
    Forbidden,
    RequestError,
    UnknownSession,
    UnknownTransport,
    UnsupportedProtocol,
    caused,
)
from .cors import CorsPolicy, is_same_origin
from .request import Request

if TYPE_CHECKING:
    from ..session import Session

__all__ = [
    "ask_middleware",
    "verify_handshake",
    "verify_protocol",
    "verify_session",
    "verify_transport",
]

logger = logging.getLogger(__name__)

Environ = Mapping[str, Any]

# What a header value may hold (RFC 9110 §5.5). The pattern has one character class and no
# choice: it cannot backtrack.
_LEGAL_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def verify_transport(request: Request, enabled: frozenset[str]) -> str:
    """Return the transport that a request names.

    Args:
        request: The request.
        enabled: The transports that the options allow.

    Raises:
        RequestError: The query cannot be read, the transport is unknown or not enabled, or the
            Origin header is not a header value.
    """
    if request.problem is not None:
        raise request.problem
    transport = request.transport
    if transport not in enabled:
        raise UnknownTransport({"transport": transport})
    origin = request.origin
    if origin is not None and not _LEGAL_VALUE.fullmatch(origin):
        raise BadRequest({"name": "INVALID_ORIGIN", "origin": origin})
    return transport


def verify_session(request: Request, session: Session | None, cors: CorsPolicy | None) -> Session:
    """Return the session that a request belongs to.

    Args:
        request: The request, whose transport is verified.
        session: The session of the id that it names, if there is one.
        cors: Which foreign origins are allowed; ``None`` for none.

    Raises:
        RequestError: The session is unknown or uses another transport, or the origin is foreign.
    """
    if session is None:
        raise UnknownSession({"sid": request.sid})
    if not request.is_upgrade:
        transport, previous = request.transport, session.transport.name
        if transport != previous or previous == "websocket":
            raise BadRequest(
                {
                    "name": "TRANSPORT_MISMATCH",
                    "transport": transport,
                    "previousTransport": previous,
                }
            )
    if request.origin is not None:
        _check_origin(request, cors)
    return session


def verify_protocol(request: Request, previous: int) -> None:
    """Check that a request of a session speaks the session's revision of the protocol.

    Args:
        request: The request.
        previous: The revision of the session.

    Raises:
        BadRequest: The request speaks another one.
    """
    protocol = _protocol(request)
    if protocol != previous:
        raise BadRequest(
            {"name": "PROTOCOL_MISMATCH", "protocol": protocol, "previousProtocol": previous}
        )


def _protocol(request: Request) -> int:
    # The revision before 4 is what the reference server takes everything else for.
    return 4 if request.query.get("EIO") == "4" else 3


def verify_handshake(
    request: Request,
    cors: CorsPolicy | None,
    allow_request: Callable[[Environ], Any] | None,
    allow_eio3: bool = False,
) -> int:
    """Check a request that opens a session, and return its revision of the protocol.

    Args:
        request: The request, whose transport is verified.
        cors: Which foreign origins are allowed; ``None`` for none.
        allow_request: The decision of the application, an option.
        allow_eio3: Whether revision 3 is served.

    Raises:
        RequestError: The method, the transport, the origin, the application's decision or the
            protocol revision is against it.
    """
    if request.method != "GET":
        raise BadHandshakeMethod({"method": request.method})
    if request.transport == "websocket" and not request.is_upgrade:
        raise BadRequest({"name": "TRANSPORT_HANDSHAKE_ERROR"})
    if request.origin is not None:
        _check_origin(request, cors)
    if allow_request is not None:
        _ask_application(allow_request, request.environ)
    protocol = _protocol(request)
    if protocol == 3:
        if not allow_eio3:
            raise UnsupportedProtocol({"protocol": 3})
        if "j" in request.query:
            # JSONP: only clients of protocol 3 have it, and no page needs it today.
            raise UnknownTransport({"transport": "polling-jsonp"})
    return protocol


def _check_origin(request: Request, cors: CorsPolicy | None) -> None:
    if not is_same_origin(request) and (cors is None or not cors.allows(request)):
        raise Forbidden({"message": "Forbidden", "origin": request.origin})


def _ask_application(allow_request: Callable[[Environ], Any], environ: Environ) -> None:
    try:
        allowed = allow_request(environ)
    except RequestError:
        raise
    except ConnectError as error:
        raise caused(Forbidden({"message": error.message}, error.message), error) from error
    except Exception:
        # The client does not get to read about a defect of the application.
        logger.exception("! allow_request failed")
        allowed = False
    if not allowed:
        raise Forbidden({"message": "Forbidden"})


def ask_middleware(
    middleware: Callable[[dict[str, Any]], Response | None], environ: dict[str, Any]
) -> Response | None:
    """Return the response with which an engine middleware ends the request, or nothing.

    Args:
        middleware: ``fn(environ)``.
        environ: The WSGI environ, which it may change.

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
        raise caused(BadRequest({"name": "MIDDLEWARE_FAILURE"}), error) from error
    return response
