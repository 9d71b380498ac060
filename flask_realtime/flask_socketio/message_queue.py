"""What ``message_queue=`` names: an adapter once serving begins, an emitter before.

Nothing connects, and nothing asks for gevent's sockets, until it is needed: a program may be
imported by tests and by the workers of a task queue, which are not patched.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from gevent import monkey

from ..adapters.memory import MemoryAdapter
from ..emitter import Emitter, EmitterOperator
from .seam import replace_adapter

__all__ = ["MessageQueue"]

_SCHEMES = ("redis", "rediss", "unix")


class _Family(NamedTuple):
    """A format of messages between servers: who speaks it, and its word for a channel."""

    emitter: Literal["redis", "sharded", "streams"]
    module: str
    adapter: str
    adapter_channel: str
    emitter_channel: str


_FAMILIES = {
    "": _Family("redis", "classic", "RedisAdapter", "key", "key"),
    "sharded": _Family("sharded", "sharded", "ShardedRedisAdapter", "channel_prefix", "key"),
    "streams": _Family("streams", "streams", "RedisStreamsAdapter", "stream_name", "stream_name"),
}


class MessageQueue:
    """Where the servers of an application meet, and those that only emit.

    Args:
        url: ``redis://…``, ``rediss://…`` or ``unix://…``; ``redis+sharded://…`` and
            ``redis+streams://…`` for the other two formats.
        channel: What keeps apart the applications that share a Redis server; ``socket.io`` by
            default, where native servers and emitters are.
        write_only: Whether this process never serves.

    Raises:
        ValueError: There is no adapter for the address.
    """

    def __init__(self, url: str, channel: str | None = None, write_only: bool = False) -> None:
        scheme = url.partition("://")[0]
        base, _, variant = scheme.partition("+")
        if "://" not in url or base not in _SCHEMES or variant not in _FAMILIES:
            raise ValueError(
                f"message_queue: no adapter for {scheme}: Redis is what connects servers here, "
                "as redis://, redis+sharded:// or redis+streams://; another broker takes "
                "adapter=fn(namespace)"
            )
        self.write_only = write_only
        self._url = base + url[len(scheme) :]
        self._family = _FAMILIES[variant]
        self._channel = channel
        self._emitter: Emitter | None = None
        self._factory: Callable[[Any], Any] | None = None
        if not write_only and monkey.is_module_patched("socket"):
            # Where it can be made it is: what is wrong with it is found out at once.
            self._factory = self._new_factory()
        self._serves_in = 0  # the process

    @property
    def is_serving(self) -> bool:
        """Whether this process serves clients by now."""
        return self._serves_in == os.getpid()

    def emitter(self) -> EmitterOperator:
        """Return what publishes from a process that serves no clients."""
        if self._emitter is None:
            family = self._family
            named: dict[str, Any] = self._named(family.emitter_channel)
            self._emitter = Emitter(self._url, adapter=family.emitter, **named)
        return self._emitter

    def waiting_adapter(self, namespace: Any) -> MemoryAdapter:
        """Return the adapter of a namespace; it becomes the real one when serving begins."""
        return _WaitingAdapter(namespace, self._make)

    def _make(self, namespace: Any) -> Any:
        if self._factory is None:
            self._factory = self._new_factory()
        adapter = self._factory(namespace)
        self._serves_in = os.getpid()
        return adapter

    def _new_factory(self) -> Callable[[Any], Any]:
        family = self._family
        module = importlib.import_module(f"flask_realtime.adapters.redis.{family.module}")
        named = self._named(family.adapter_channel)
        factory: Callable[[Any], Any] = getattr(module, family.adapter)(self._url, **named)
        return factory

    def _named(self, word: str) -> dict[str, Any]:
        return {} if self._channel is None else {word: self._channel}


class _WaitingAdapter(MemoryAdapter):
    """Rooms in memory until the server listens to others: then a new adapter takes its place."""

    def __init__(self, namespace: Any, make: Callable[[Any], Any]) -> None:
        super().__init__(namespace)
        self._make = make

    def start(self) -> None:
        """Put the real adapter in this one's place, and start that."""
        replace_adapter(self.namespace, self._make(self.namespace))
