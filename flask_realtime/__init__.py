"""A Socket.IO 4 server for synchronous Python: Flask, any WSGI application, gevent.

Names are imported when they are used, so that an :class:`Emitter` needs neither gevent nor
Flask, and the packages of Redis are needed by its adapters alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .adapters.base import Adapter
    from .adapters.memory import MemoryAdapter
    from .adapters.redis.classic import RedisAdapter
    from .adapters.redis.sharded import ShardedRedisAdapter
    from .adapters.redis.streams import RedisStreamsAdapter
    from .emitter import Emitter
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
    from .server.observer import Observer
    from .server.parent import ParentNamespace
    from .server.remote_socket import RemoteSocket
    from .server.socket import Socket
    from .serving import Server
    from .wsgi import Middleware

#: The version of the package; its metadata is read from here.
__version__ = "0.1.0"

__all__ = [
    # Servers
    "Realtime",
    "Server",
    "Middleware",
    # For handlers
    "BroadcastOperator",
    "Namespace",
    "Observer",
    "ParentNamespace",
    "RemoteSocket",
    "Socket",
    "Reason",
    # Adapters
    "Adapter",
    "MemoryAdapter",
    "RedisAdapter",
    "RedisStreamsAdapter",
    "ShardedRedisAdapter",
    # From other processes
    "Emitter",
    # Errors
    "AckTimeout",
    "ClusterTimeout",
    "ConnectError",
    "RealtimeError",
    "SocketDisconnected",
]

_HOMES = {
    "AckTimeout": "errors",
    "Adapter": "adapters.base",
    "BroadcastOperator": "server.broadcast",
    "ClusterTimeout": "errors",
    "ConnectError": "errors",
    "Emitter": "emitter",
    "MemoryAdapter": "adapters.memory",
    "Middleware": "wsgi",
    "Namespace": "server.namespace",
    "Observer": "server.observer",
    "ParentNamespace": "server.parent",
    "RealtimeError": "errors",
    "Realtime": "extension",
    "Reason": "reasons",
    "RedisAdapter": "adapters.redis.classic",
    "RedisStreamsAdapter": "adapters.redis.streams",
    "RemoteSocket": "server.remote_socket",
    "Server": "serving",
    "ShardedRedisAdapter": "adapters.redis.sharded",
    "Socket": "server.socket",
    "SocketDisconnected": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
