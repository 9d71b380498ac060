"""Which sockets are in which room, and how a broadcast reaches them, here and on other servers.

This module is the public face of what applications extend: an adapter of their own derives
from :class:`Adapter` or :class:`MemoryAdapter`; another broker needs a :class:`Bus`, which
:class:`ClusterAdapter` turns into an adapter. Import from here: the modules below may move.

Names are imported when they are used, so that an emitter needs neither gevent nor redis.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import AckCollector, Adapter, AdapterFactory, LocalSocket, LocalSockets, ServerAck
    from .cluster.adapter import ClusterAdapter
    from .cluster.bus import Bus, BusRecovery, Receiver, RoomWatcher, deliver
    from .cluster.loopback import LoopbackBus, LoopbackHub
    from .cluster.request_queue import RequestQueue
    from .memory import MemoryAdapter
    from .redis.classic import RedisAdapter
    from .redis.sharded import ShardedRedisAdapter
    from .redis.streams import RedisStreamsAdapter
    from .values import Flags, RemoteState, SavedSocket, Target, with_offset
    from .wire.messages import (
        AllRooms,
        AllSockets,
        Broadcast,
        ClientAnswer,
        ClientCount,
        DisconnectSockets,
        FetchSockets,
        IdsFound,
        JoinRooms,
        LeaveRooms,
        Request,
        Response,
        RoomsFound,
        ServerAnswer,
        ServerSideEmit,
        SocketsFound,
    )
    from .wire.node import decode, encode, envelope
    from .wire.values import load

__all__ = [
    # Adapters, and factories of adapters
    "Adapter",
    "AdapterFactory",
    "ClusterAdapter",
    "MemoryAdapter",
    "RedisAdapter",
    "RedisStreamsAdapter",
    "ShardedRedisAdapter",
    # What an adapter is given, and what it returns
    "AckCollector",
    "Flags",
    "LocalSocket",
    "LocalSockets",
    "RemoteState",
    "SavedSocket",
    "ServerAck",
    "Target",
    "with_offset",
    # Buses
    "Bus",
    "BusRecovery",
    "LoopbackBus",
    "LoopbackHub",
    "Receiver",
    "RequestQueue",
    "RoomWatcher",
    "deliver",
    # What buses carry
    "AllRooms",
    "AllSockets",
    "Broadcast",
    "ClientAnswer",
    "ClientCount",
    "DisconnectSockets",
    "FetchSockets",
    "IdsFound",
    "JoinRooms",
    "LeaveRooms",
    "Request",
    "Response",
    "RoomsFound",
    "ServerAnswer",
    "ServerSideEmit",
    "SocketsFound",
    # The envelope of Node's adapters, as bytes
    "decode",
    "encode",
    "envelope",
    "load",
]

_NAMES = {
    "base": (
        "AckCollector", "Adapter", "AdapterFactory", "LocalSocket", "LocalSockets", "ServerAck"
    ),
    "cluster.adapter": ("ClusterAdapter",),
    "cluster.bus": ("Bus", "BusRecovery", "Receiver", "RoomWatcher", "deliver"),
    "cluster.loopback": ("LoopbackBus", "LoopbackHub"),
    "cluster.request_queue": ("RequestQueue",),
    "memory": ("MemoryAdapter",),
    "redis.classic": ("RedisAdapter",),
    "redis.sharded": ("ShardedRedisAdapter",),
    "redis.streams": ("RedisStreamsAdapter",),
    "values": ("Flags", "RemoteState", "SavedSocket", "Target", "with_offset"),
    "wire.messages": (
        "AllRooms", "AllSockets", "Broadcast", "ClientAnswer", "ClientCount", "DisconnectSockets",
        "FetchSockets", "IdsFound", "JoinRooms", "LeaveRooms", "Request", "Response",
        "RoomsFound", "ServerAnswer", "ServerSideEmit", "SocketsFound",
    ),
    "wire.node": ("decode", "encode", "envelope"),
    "wire.values": ("load",),
}  # fmt: skip
_HOMES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
