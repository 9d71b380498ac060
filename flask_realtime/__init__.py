"""A Socket.IO 4 server for synchronous Python: Flask, any WSGI application, gevent."""

from .adapters.base import Adapter
from .adapters.memory import MemoryAdapter
from .errors import (
    AckTimeout,
    ClusterTimeout,
    ConnectError,
    RealtimeError,
    SocketDisconnected,
)
from .extension import Realtime
from .reasons import Reason
from .server.broadcast import BroadcastOperator
from .server.namespace import Namespace
from .server.parent import ParentNamespace
from .server.socket import Socket
from .serving import Server
from .wsgi import Middleware

__all__ = [
    # Servers
    "Realtime",
    "Server",
    "Middleware",
    # What handlers hold
    "BroadcastOperator",
    "Namespace",
    "ParentNamespace",
    "Socket",
    "Reason",
    # Adapters
    "Adapter",
    "MemoryAdapter",
    # Errors
    "AckTimeout",
    "ClusterTimeout",
    "ConnectError",
    "RealtimeError",
    "SocketDisconnected",
]
