"""What the revision of the Engine.IO protocol decides, once, when a session opens.

After that it is not asked for again: a session has the heartbeat, the payloads and the frames of
its revision.
"""

from __future__ import annotations

from ...codec.payload import Payload
from ...codec.payload3 import Payload3
from ...loop.scheduler import Scheduler
from ...options import Options
from ..heartbeat import ClientHeartbeat, Heartbeat, SessionHeartbeat
from ..transports.polling import PayloadCodec
from ..transports.revision3 import WebSocketTransport3
from ..transports.transport import SocketTransport
from .request import Request

__all__ = ["framed", "heartbeats", "payload_codec"]


def heartbeats(options: Options, scheduler: Scheduler) -> dict[int, SessionHeartbeat]:
    """Return the heartbeats of the revisions that the options allow."""
    interval, timeout = options.ping_interval, options.ping_timeout
    found: dict[int, SessionHeartbeat] = {4: Heartbeat(scheduler, interval, timeout)}
    if options.allow_eio3:
        found[3] = ClientHeartbeat(scheduler, interval + timeout)
    return found


def payload_codec(protocol: int, request: Request) -> PayloadCodec:
    """Return the form of the payloads of a new polling session."""
    return Payload3(_takes_binary(request)) if protocol == 3 else Payload()


def framed(transport: SocketTransport, protocol: int, request: Request) -> SocketTransport:
    """Return the transport that a session of this revision has over a new WebSocket."""
    if protocol == 3:
        return WebSocketTransport3(transport, _takes_binary(request))
    return transport


def _takes_binary(request: Request) -> bool:
    # Clients without binary XMLHttpRequests or WebSockets ask for base64.
    return not request.query.get("b64")
