"""Why a client was disconnected, in the five texts that applications compare with."""

from __future__ import annotations

from ..reasons import Reason as _Reason

__all__ = ["Reason", "reason_of"]


class Reason:
    """The values that ``disconnect`` handlers get; ``SocketIO.reason``."""

    CLIENT_DISCONNECT = "client disconnect"
    SERVER_DISCONNECT = "server disconnect"
    PING_TIMEOUT = "ping timeout"
    TRANSPORT_CLOSE = "transport close"
    TRANSPORT_ERROR = "transport error"


_REASONS = {
    _Reason.CLIENT_NAMESPACE_DISCONNECT: Reason.CLIENT_DISCONNECT,
    _Reason.SERVER_NAMESPACE_DISCONNECT: Reason.SERVER_DISCONNECT,
    _Reason.SERVER_SHUTTING_DOWN: Reason.SERVER_DISCONNECT,
    _Reason.FORCED_CLOSE: Reason.SERVER_DISCONNECT,
    _Reason.FORCED_SERVER_CLOSE: Reason.SERVER_DISCONNECT,
    _Reason.PING_TIMEOUT: Reason.PING_TIMEOUT,
    _Reason.TRANSPORT_CLOSE: Reason.TRANSPORT_CLOSE,
    _Reason.TRANSPORT_ERROR: Reason.TRANSPORT_ERROR,
    _Reason.PARSE_ERROR: Reason.TRANSPORT_ERROR,
}


def reason_of(reason: str) -> str:
    """Return the text for one of the engine's reasons."""
    return _REASONS.get(reason, reason)
