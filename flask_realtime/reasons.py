"""Why a Socket.IO client was disconnected: the strings of the reference server."""

from __future__ import annotations

from typing import Final

__all__ = ["Reason"]


class Reason:
    """The values that ``disconnecting`` and ``disconnect`` handlers receive.

    They are plain strings, so ``reason == "ping timeout"`` works as well
    (Socket.IO documentation, "Server API", event ``disconnect``).
    """

    #: The server called ``socket.disconnect()`` or ``disconnect_sockets()``.
    SERVER_NAMESPACE_DISCONNECT: Final = "server namespace disconnect"
    #: The client called ``socket.disconnect()``.
    CLIENT_NAMESPACE_DISCONNECT: Final = "client namespace disconnect"
    #: ``io.close()`` was called.
    SERVER_SHUTTING_DOWN: Final = "server shutting down"
    #: The client did not answer a ping within ``ping_timeout``.
    PING_TIMEOUT: Final = "ping timeout"
    #: The connection was closed by the client.
    TRANSPORT_CLOSE: Final = "transport close"
    #: The connection broke, or the client misused the transport.
    TRANSPORT_ERROR: Final = "transport error"
    #: The client sent an Engine.IO packet that cannot be read.
    PARSE_ERROR: Final = "parse error"
    #: The client sent an invalid Socket.IO packet, or ``conn.close()`` was called.
    FORCED_CLOSE: Final = "forced close"
    #: The client broke the order of the protocol or did not join a namespace in time.
    FORCED_SERVER_CLOSE: Final = "forced server close"
