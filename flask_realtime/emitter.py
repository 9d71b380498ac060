"""Emits from a process that serves nobody: a task queue's worker, a cron job, a script.

It publishes on Redis what the adapters of a cluster read, Python's and Node's, and never
listens. There is no gevent here: it works in threads and after a fork.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

from .adapters.redis.client import redis_client
from .adapters.values import Flags, Target
from .adapters.wire.classic import Channels, encode_broadcast, encode_request
from .adapters.wire.messages import (
    Broadcast,
    DisconnectSockets,
    JoinRooms,
    LeaveRooms,
    Request,
    ServerSideEmit,
)
from .adapters.wire.node import encode, envelope
from .adapters.wire.sharded import SubscriptionMode, channel_of
from .adapters.wire.streams import StreamOptions, entry_command, entry_fields, stream_of
from .codec.socket_packet import RESERVED_EVENTS, Packet, PacketType
from .extras import optional
from .rooms import room_set

__all__ = ["Emitter", "EmitterOperator"]

#: How servers recognise a sender that does not listen.
_UID = "emitter"
_FAMILIES = ("redis", "sharded", "streams")
_NOT_FOR_SERVERS = frozenset({"connection", "connect", "new_namespace"})

Words = tuple[Any, ...]


class _Family(Protocol):
    """What the servers of a cluster read."""

    def words(self, namespace: str, request: Request) -> Words:
        """Return the Redis command that publishes a request."""


class _Classic:
    def __init__(self, key: str) -> None:
        self._key = key

    def words(self, namespace: str, request: Request) -> Words:
        channels = Channels.of(self._key, namespace)
        if isinstance(request, Broadcast):
            payload = encode_broadcast(_UID, request.packet, request.target)
            return ("PUBLISH", channels.of_target(request.target), payload)
        # As @socket.io/redis-emitter: what is done to sockets does not say by whom.
        uid = _UID if isinstance(request, ServerSideEmit) else ""
        return ("PUBLISH", channels.request, encode_request(uid, request))


class _Sharded:
    def __init__(self, prefix: str, mode: SubscriptionMode) -> None:
        self._prefix = prefix
        self._mode = mode

    def words(self, namespace: str, request: Request) -> Words:
        channel = channel_of(f"{self._prefix}#{namespace}#", request, self._mode)
        return ("SPUBLISH", channel, encode(envelope(_UID, namespace, request)))


class _Streams:
    def __init__(self, options: StreamOptions) -> None:
        self._options = options

    def words(self, namespace: str, request: Request) -> Words:
        fields = entry_fields(_UID, namespace, request, self._options.only_plaintext)
        stream = stream_of(self._options, namespace)
        return entry_command(stream, self._options.max_len, fields)


def _check_name(event: Any, reserved: frozenset[str]) -> None:
    if not isinstance(event, str):
        raise TypeError(f"an event name must be a string, not {type(event).__name__}")
    if event in reserved:
        raise ValueError(f'"{event}" is a reserved event name')


class EmitterOperator:
    """An emit, or another action, for some clients of a cluster; see :class:`Emitter`."""

    def __init__(
        self, send: Callable[[str, Request], None], namespace: str, target: Target
    ) -> None:
        self._send = send
        self._namespace = namespace
        self._target = target

    # Whom it is for; each returns a new emitter

    def of(self, namespace: str) -> EmitterOperator:
        """Speak to another namespace; a slash is put in front when it has none."""
        name = namespace if namespace.startswith("/") else "/" + namespace
        return self._with(name, self._target)

    def to(self, *rooms: Any) -> EmitterOperator:
        """Add rooms: a string, several strings or a list."""
        return self._to(rooms=self._target.rooms | room_set(rooms))

    def in_(self, *rooms: Any) -> EmitterOperator:
        """The same as :meth:`to`."""
        return self.to(*rooms)

    def except_(self, *rooms: Any) -> EmitterOperator:
        """Leave out the sockets of these rooms."""
        return self._to(except_=self._target.except_ | room_set(rooms))

    @property
    def volatile(self) -> EmitterOperator:
        """Drop the packet for clients that cannot take it."""
        return self._to(flags=self._target.flags._replace(volatile=True))

    def compress(self, compress: bool) -> EmitterOperator:
        """Say whether the packet may be compressed."""
        return self._to(flags=self._target.flags._replace(compress=bool(compress)))

    # What happens

    def emit(self, event: str, *args: Any) -> None:
        """Send an event to the clients.

        Args:
            event: Its name.
            args: What JSON can carry, and bytes.

        Raises:
            ValueError: The name is reserved, or a value is NaN or infinite.
            TypeError: A value cannot be carried.
            redis.RedisError: Nothing was published.
        """
        _check_name(event, RESERVED_EVENTS)
        packet = Packet(PacketType.EVENT, self._namespace, (event, *args))
        self._publish(Broadcast(packet, self._target))

    def send(self, *args: Any) -> None:
        """Send a ``message`` event."""
        self.emit("message", *args)

    write = send

    def sockets_join(self, *rooms: Any) -> None:
        """Make the sockets join a room or a list of rooms."""
        self._publish(JoinRooms(self._plain, sorted(room_set(rooms))))

    def sockets_leave(self, *rooms: Any) -> None:
        """Make the sockets leave a room or a list of rooms."""
        self._publish(LeaveRooms(self._plain, sorted(room_set(rooms))))

    def disconnect_sockets(self, close: bool = False) -> None:
        """Disconnect the sockets.

        Args:
            close: Whether their connections, with all their namespaces, are closed.
        """
        self._publish(DisconnectSockets(self._plain, bool(close)))

    def server_side_emit(self, event: str, *args: Any) -> None:
        """Send an event to the servers of the cluster; they cannot answer.

        Raises:
            ValueError: The name belongs to the server, or a value is NaN or infinite.
            TypeError: A value cannot be carried.
            redis.RedisError: Nothing was published.
        """
        _check_name(event, _NOT_FOR_SERVERS)
        self._publish(ServerSideEmit([event, *args]))

    def _publish(self, request: Request) -> None:
        self._send(self._namespace, request)

    @property
    def _plain(self) -> Target:
        return self._target._replace(flags=Flags())

    def _to(self, **changes: Any) -> EmitterOperator:
        return self._with(self._namespace, self._target._replace(**changes))

    def _with(self, namespace: str, target: Target) -> EmitterOperator:
        return EmitterOperator(self._send, namespace, target)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._namespace} {sorted(self._target.rooms)}>"


class Emitter(EmitterOperator):
    """Reaches the clients of a cluster from anywhere.

    Each method returns when Redis has taken the message.

    Args:
        client: A Redis URL, or a client of redis-py.
        adapter: What the servers use: ``"redis"`` for :class:`RedisAdapter` and
            ``@socket.io/redis-adapter``, ``"sharded"`` for :class:`ShardedRedisAdapter`,
            ``"streams"`` for :class:`RedisStreamsAdapter`.
        key: The servers' ``key`` (``"redis"``) or ``channel_prefix`` (``"sharded"``).
        subscription_mode: The servers' (``"sharded"``).
        stream_name: The servers' (``"streams"``).
        stream_count: The servers' (``"streams"``).
        max_len: How many entries the stream keeps, about (``"streams"``).

    Raises:
        ImportError: The extra ``redis`` is not installed.
        ValueError: The adapter is unknown.
    """

    def __init__(
        self,
        client: Any,
        *,
        adapter: Literal["redis", "sharded", "streams"] = "redis",
        key: str = "socket.io",
        subscription_mode: SubscriptionMode = "dynamic",
        stream_name: str = "socket.io",
        stream_count: int = 1,
        max_len: int = 10_000,
    ) -> None:
        if adapter not in _FAMILIES:
            raise ValueError(f"adapter must be one of {', '.join(_FAMILIES)}, not {adapter!r}")
        redis = _client(client)
        family: _Family
        if adapter == "redis":
            family = _Classic(key)
        elif adapter == "sharded":
            family = _Sharded(key, subscription_mode)
        else:
            family = _Streams(StreamOptions(stream_name, stream_count, max_len))

        def send(namespace: str, request: Request) -> None:
            redis.execute_command(*family.words(namespace, request))

        super().__init__(send, "/", Target())


def _client(given: Any) -> Any:
    if not isinstance(given, (str, bytes)):
        return redis_client(given)
    # No retries: what failed may have been done, and the caller decides about a second time.
    no_backoff = optional("redis.backoff", "redis").NoBackoff()
    retry = optional("redis.retry", "redis").Retry(no_backoff, 0)
    return redis_client(given, socket_connect_timeout=5, socket_timeout=15, retry=retry, protocol=2)
