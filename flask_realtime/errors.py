"""The exceptions of the package, by the side whose fault they report.

::

    RealtimeError
    ├── ConnectError          raised by an application to refuse a client
    ├── AckTimeout            a client did not acknowledge in time
    ├── SocketDisconnected    a client left before it could acknowledge
    ├── ClusterTimeout        another server did not answer in time
    ├── MessageTooLarge       an application emits more than a client may be sent
    ├── PacketError           the peer sent a packet that breaks the protocol
    ├── FrameError            the peer sent a WebSocket frame that breaks RFC 6455
    └── RequestError          the peer sent an HTTP request that is refused
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

__all__ = [
    "AckTimeout",
    "ClusterTimeout",
    "ConnectError",
    "FrameError",
    "MessageTooLarge",
    "PacketError",
    "RealtimeError",
    "RequestError",
    "SlowClient",
    "SocketDisconnected",
    "caused",
]

E = TypeVar("E", bound=BaseException)


class RealtimeError(Exception):
    """Base of every exception that this package raises on purpose."""


class ConnectError(RealtimeError):
    """Raise it in a namespace middleware to refuse a client.

    The client receives a ``connect_error`` event with ``message`` and ``data``
    (Socket.IO documentation, "Middlewares").

    Args:
        message: The text of the client's error; anything else is turned into text.
        data: Anything JSON can carry, which bytes are not; ``None`` leaves it out. What cannot
            be carried is logged, and the client is refused without it.
    """

    def __init__(self, message: object, data: Any = None) -> None:
        super().__init__(message)
        self.message: str = str(message)
        self.data = data


class AckTimeout(RealtimeError, TimeoutError):
    """No acknowledgement, or not all of them, arrived in time.

    Args:
        message: What is said of it.
        responses: See below.

    Attributes:
        responses: What did arrive before the timeout; empty for a single client.
    """

    def __init__(
        self, message: str = "operation has timed out", responses: Sequence[Any] = ()
    ) -> None:
        super().__init__(message)
        self.responses: list[Any] = list(responses)


class SocketDisconnected(RealtimeError, ConnectionError):
    """The client disconnected before it acknowledged.

    Attributes:
        reason: Why it disconnected; one of :class:`flask_realtime.Reason`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the client is disconnected: {reason}")
        self.reason = reason


class ClusterTimeout(RealtimeError, TimeoutError):
    """Another server of the cluster did not answer in time.

    Args:
        message: What is said of it; the others are the attributes.

    Attributes:
        responses: The answers that did arrive.
        missing: How many servers did not answer.
        servers: The ids of those that did not, as far as they have been heard of; the classic
            format of Redis adapters does not name the servers that answer.
    """

    def __init__(
        self,
        message: str,
        responses: Sequence[Any] = (),
        missing: int = 0,
        servers: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.responses: list[Any] = list(responses)
        self.missing = missing
        self.servers: list[str] = list(servers)


class MessageTooLarge(RealtimeError, ValueError):
    """A message to clients is larger than the buffer of one of them may be.

    Args:
        size: Bytes of the message.
        bound: The option ``max_buffered_bytes``.
    """

    def __init__(self, size: int, bound: int) -> None:
        super().__init__(
            f"a message of {size:,} bytes is larger than max_buffered_bytes ({bound:,}): raise "
            "that option, or send the message in parts"
        )


class PacketError(RealtimeError, ValueError):
    """The peer sent an Engine.IO or Socket.IO packet that breaks the protocol."""


class PacketTooLarge(PacketError):
    """The peer sent a packet that exceeds a limit; the message names the option."""


class FrameError(RealtimeError):
    """The peer sent a WebSocket frame that breaks RFC 6455 or exceeds a limit.

    Attributes:
        close_code: The status code that the close frame carries (RFC 6455 §7.4.1).
    """

    def __init__(self, close_code: int, message: str) -> None:
        super().__init__(message)
        self.close_code = close_code


class SlowClient(RealtimeError):
    """More waits for a client than may; the text names the size, the bound and the option."""


def is_over_limit(cause: object) -> bool:
    """Return whether a connection has ended because a message or a buffer exceeds a limit."""
    if isinstance(cause, FrameError):
        return cause.close_code == 1009
    return isinstance(cause, (PacketTooLarge, SlowClient))


class RequestError(RealtimeError):
    """An HTTP request is refused with one of the six documented error codes.

    Attributes:
        code: The number in the JSON body.
        message: The text in the JSON body.
        status: The HTTP status.
        headers: Additional headers of the answer.
        context: Details of the cause, for ``connection_error`` listeners.
    """

    code = 3
    message: str = "Bad request"
    status = 400
    headers: Sequence[tuple[str, str]] = ()

    def __init__(
        self, context: Mapping[str, Any] | None = None, message: str | None = None
    ) -> None:
        super().__init__(message or self.message)
        self.message = message or self.message
        self.context: dict[str, Any] = dict(context or {})


class UnknownTransport(RequestError):
    """The transport is missing, unknown or not enabled."""

    code = 0
    message = "Transport unknown"


class UnknownSession(RequestError):
    """This server does not hold a session with that id."""

    code = 1
    message = "Session ID unknown"


class BadHandshakeMethod(RequestError):
    """A handshake must be a GET request."""

    code = 2
    message = "Bad handshake method"


class BadRequest(RequestError):
    """The request contradicts itself or the session; ``context["name"]`` says how."""


class UnsupportedWebSocketVersion(BadRequest):
    """The WebSocket has another version than 13; the answer names that (RFC 6455 §4.4)."""

    headers = (("Sec-WebSocket-Version", "13"),)


class WriteKept(BadRequest):
    """A middleware around the application buffers what is written: a WebSocket cannot begin."""

    message = "A middleware of this server keeps responses: no WebSocket is possible"

    def __init__(self) -> None:
        error = "a middleware keeps what is written"
        super().__init__({"name": "TRANSPORT_HANDSHAKE_ERROR", "error": error})


class Forbidden(RequestError):
    """The origin, or ``allow_request``, forbids the request."""

    code = 4
    message = "Forbidden"
    status = 403


class UnsupportedProtocol(RequestError):
    """The client uses another revision of the Engine.IO protocol."""

    code = 5
    message = "Unsupported protocol version"


def caused(error: E, by: BaseException | None) -> E:
    """Return an error that has its cause already.

    For ``raise … from …`` in what ``compiling.py`` lists: compiled code forgets the cause.

    Args:
        error: What is about to be raised.
        by: Its cause; ``None`` hides what is being handled.
    """
    error.__cause__ = by
    return error
