"""Emits from processes without clients: a task queue's worker, a cron job, a script.

The emitter publishes on Redis what the adapters of a cluster read, in Python and in Node, and
never listens. It does not use gevent: it works in threads and after a fork.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NoReturn, Protocol

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
from .codec.carried import JSON, MSGPACK, explain
from .codec.socket_packet import Packet, PacketType
from .extras import optional
from .hints import refuse_keywords
from .rooms import no_room, room_set
from .server.event_names import check_event, check_server_event

__all__ = ["Emitter", "EmitterOperator"]

#: The server id of a sender that does not listen.
_UID = "emitter"
_FAMILIES = ("redis", "sharded", "streams")

Command = tuple[Any, ...]
#: Publishes a request in a namespace, or only checks it when it selects no client.
Send = Callable[[str, Request, bool], None]


class _Family(Protocol):
    """The format that the servers of a cluster read."""

    def command(self, namespace: str, request: Request) -> Command:
        """Return the Redis command that publishes a request."""


class _Classic:
    def __init__(self, key: str) -> None:
        self._key = key

    def command(self, namespace: str, request: Request) -> Command:
        channels = Channels.of(self._key, namespace)
        if isinstance(request, Broadcast):
            payload = encode_broadcast(_UID, request.packet, request.target)
            return ("PUBLISH", channels.of_target(request.target), payload)
        # As @socket.io/redis-emitter: requests that act on sockets have no sender.
        uid = _UID if isinstance(request, ServerSideEmit) else ""
        return ("PUBLISH", channels.request, encode_request(uid, request))


class _Sharded:
    def __init__(self, prefix: str, mode: SubscriptionMode) -> None:
        self._prefix = prefix
        self._mode = mode

    def command(self, namespace: str, request: Request) -> Command:
        channel = channel_of(f"{self._prefix}#{namespace}#", request, self._mode)
        return ("SPUBLISH", channel, encode(envelope(_UID, namespace, request)))


class _Streams:
    def __init__(self, options: StreamOptions) -> None:
        self._options = options

    def command(self, namespace: str, request: Request) -> Command:
        fields = entry_fields(_UID, namespace, request, self._options.only_plaintext)
        stream = stream_of(self._options, namespace)
        return entry_command(stream, self._options.max_len, fields)


class EmitterOperator:
    """An emit, or another action, for some clients of a cluster; see :class:`Emitter`."""

    def __init__(self, send: Send, namespace: str, target: Target, is_empty: bool = False) -> None:
        self._send = send
        self._namespace = namespace
        self._target = target
        # On the wire a target without rooms is every client; here it may be none.
        self._is_empty = is_empty

    # Selectors and modifiers; each returns a new operator

    def of(self, namespace: str) -> EmitterOperator:
        """Select another namespace; a slash is put in front when it has none."""
        name = namespace if namespace.startswith("/") else "/" + namespace
        return EmitterOperator(self._send, name, self._target, self._is_empty)

    def to(self, *rooms: Any) -> EmitterOperator:
        """Add rooms: a string, several strings or a list.

        An empty list adds none: ``emitter.to([])`` selects no client.

        Raises:
            TypeError: No argument was given, or something that is not a room.
        """
        chosen = self._target.rooms | (room_set(rooms) if rooms else no_room("to"))
        target = self._target._replace(rooms=chosen)
        return EmitterOperator(self._send, self._namespace, target, not chosen)

    def in_(self, *rooms: Any) -> EmitterOperator:
        """The same as :meth:`to`."""
        return self.to(*rooms) if rooms else no_room("in_")

    def except_(self, *rooms: Any) -> EmitterOperator:
        """Leave out the sockets of these rooms; an empty list leaves out none.

        Raises:
            TypeError: No argument was given, or something that is not a room.
        """
        left_out = room_set(rooms) if rooms else no_room("except_")
        return self._to(except_=self._target.except_ | left_out)

    @property
    def volatile(self) -> EmitterOperator:
        """Drop the packet for clients that cannot take it."""
        return self._to(flags=self._target.flags._replace(volatile=True))

    def compress(self, compress: bool) -> EmitterOperator:
        """Set whether the packet may be compressed.

        Args:
            compress: False sends it as it is.
        """
        return self._to(flags=self._target.flags._replace(compress=bool(compress)))

    # Calls that publish

    def emit(self, event: str, *args: Any, **wrong: NoReturn) -> None:
        """Send an event to the clients.

        Args:
            event: Its name.
            args: What JSON can carry, and bytes.

        Raises:
            ValueError: The name is reserved, or a value is NaN or infinite.
            TypeError: A value cannot be carried.
            redis.RedisError: Nothing was published.
        """
        if wrong:
            refuse_keywords("emit", wrong)
        check_event(event)
        packet = Packet(PacketType.EVENT, self._namespace, (event, *args))
        self._publish(Broadcast(packet, self._target))

    def send(self, *args: Any, **wrong: NoReturn) -> None:
        """Send a ``message`` event with the arguments ``args``; see :meth:`emit`."""
        if wrong:
            refuse_keywords("send", wrong)
        self.emit("message", *args)

    write = send

    def sockets_join(self, *rooms: Any) -> None:
        """Make the sockets join a room or a list of rooms; raises ``TypeError`` without any."""
        names = room_set(rooms) if rooms else no_room("sockets_join")
        if names:
            self._publish(JoinRooms(self._plain, sorted(names)))

    def sockets_leave(self, *rooms: Any) -> None:
        """Make the sockets leave a room or a list of rooms; raises ``TypeError`` without any."""
        names = room_set(rooms) if rooms else no_room("sockets_leave")
        if names:
            self._publish(LeaveRooms(self._plain, sorted(names)))

    def disconnect_sockets(self, close: bool = False, **wrong: NoReturn) -> None:
        """Disconnect the sockets.

        Args:
            close: Whether their connections, with all their namespaces, are closed.
        """
        if wrong:
            refuse_keywords("disconnect_sockets", wrong)
        self._publish(DisconnectSockets(self._plain, bool(close)))

    def server_side_emit(self, event: str, *args: Any) -> None:
        """Send an event to the servers of the cluster; they cannot answer.

        Args:
            event: Its name.
            args: What JSON can carry, and bytes.

        Raises:
            ValueError: The name belongs to the server, or a value is NaN or infinite.
            TypeError: A value cannot be carried.
            redis.RedisError: Nothing was published.
        """
        check_server_event(event)
        self._publish(ServerSideEmit([event, *args]))

    def _publish(self, request: Request) -> None:
        # Events for servers do not depend on rooms.
        is_for_some = not self._is_empty or isinstance(request, ServerSideEmit)
        self._send(self._namespace, request, is_for_some)

    @property
    def _plain(self) -> Target:
        return self._target._replace(flags=Flags())

    def _to(self, **changes: Any) -> EmitterOperator:
        target = self._target._replace(**changes)
        return EmitterOperator(self._send, self._namespace, target, self._is_empty)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._namespace} {sorted(self._target.rooms)}>"


class Emitter(EmitterOperator):
    """Emits to the clients of a cluster, from any process.

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
        max_len: How many entries the stream keeps, approximately (``"streams"``).

    Raises:
        ImportError: The extra ``redis`` is not installed.
        ValueError: The adapter is unknown.
        TypeError: ``client`` is neither a URL nor a client.
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

        def send(namespace: str, request: Request, is_for_some: bool) -> None:
            # What cannot be carried raises even where no client is selected.
            try:
                command = family.command(namespace, request)
            except (TypeError, ValueError) as error:
                raise _explained(error, request) from None
            if is_for_some:
                redis.execute_command(*command)

        super().__init__(send, "/", Target())


def _explained(error: Exception, request: Request) -> Exception:
    match request:
        case Broadcast(packet):
            args = packet.data[1:]
        case ServerSideEmit([_, *args]):
            pass
        case _:
            return error
    named = explain(error, args, JSON, "args")
    # An integer beyond 64 bits cannot be carried by MessagePack alone.
    return explain(error, args, MSGPACK, "args") if named is error else named


def _client(given: Any) -> Any:
    if not isinstance(given, (str, bytes)):
        return redis_client(given)
    # No retries: what failed may have been done, and the caller decides about a second time.
    no_backoff = optional("redis.backoff", "redis").NoBackoff()
    retry = optional("redis.retry", "redis").Retry(no_backoff, 0)
    return redis_client(given, socket_connect_timeout=5, socket_timeout=15, retry=retry, protocol=2)
