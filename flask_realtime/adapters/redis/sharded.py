"""The sharded Redis adapter: sharded pub/sub of Redis 7, as Node's ``createShardedAdapter``.

Each namespace has a channel, and rooms may have channels of their own, to which only the
servers with a member listen.
"""

from __future__ import annotations

from typing import Any

from ...options import RecoveryOptions
from ..base import LocalSockets
from ..cluster.adapter import ClusterAdapter
from ..cluster.bus import Receiver
from ..wire.messages import Request, Response
from ..wire.node import decode, encode, envelope, own_beginnings
from ..wire.sharded import SubscriptionMode, channel_of, has_channel
from ..wire.values import load
from .channels import RedisChannels
from .link import RedisLink
from .participant import Participants

__all__ = ["ShardedRedisAdapter"]

_MODES = ("dynamic", "static", "dynamic-private")


class ShardedRedisAdapter:
    """Makes adapters that speak through sharded pub/sub.

    Args:
        client: A URL, or a client of redis-py: plain, of a Sentinel or of a Redis Cluster.
        channel_prefix: The prefix of all channels.
        subscription_mode: ``"dynamic"``: rooms have channels, those of single sockets do not;
            ``"dynamic-private"``: these as well; ``"static"``: none has. The same on all
            servers.
        requests_timeout: Seconds that other servers have to answer.

    Raises:
        ImportError: The extra ``redis`` is not installed.
        RuntimeError: Sockets are not gevent's.
        ValueError: The mode is unknown.
    """

    def __init__(
        self,
        client: Any,
        *,
        channel_prefix: str = "socket.io",
        subscription_mode: SubscriptionMode = "dynamic",
        requests_timeout: float = 5,
    ) -> None:
        if subscription_mode not in _MODES:
            raise ValueError(f"subscription_mode must be one of {', '.join(_MODES)}")
        self._link = RedisLink(client)
        self._channels = RedisChannels(self._link, sharded=True)
        self._prefix = channel_prefix
        self._mode = subscription_mode
        self._timeout = requests_timeout
        self._participants = Participants(self._channels, self._close)

    def __call__(self, namespace: LocalSockets) -> ClusterAdapter:
        """Return the adapter of a namespace."""
        main = f"{self._prefix}#{namespace.name}#"
        bus = ShardedBus(self._participants, self._channels, main, namespace, self._mode)
        return ClusterAdapter(namespace, bus, self._timeout)

    def _close(self) -> None:
        self._channels.close()
        self._link.close()


class ShardedBus:
    """One namespace on the channels of :class:`ShardedRedisAdapter`."""

    def __init__(
        self,
        participants: Participants,
        channels: RedisChannels,
        main: str,
        namespace: LocalSockets,
        mode: str,
    ) -> None:
        self._channels = channels
        self._main = main
        self._namespace = namespace
        self._mode = mode
        self._rooms: set[str] = set()
        self._participant = participants.add(main, main, own_beginnings)

    @property
    def uid(self) -> str:
        """The id of this server."""
        return self._participant.uid

    @property
    def room_watcher(self) -> ShardedBus | None:
        """This bus, unless no room has a channel."""
        return None if self._mode == "static" else self

    def created(self, room: str) -> None:
        """Listen to the channel of a room, from a moment later on.

        What others send to the room alone until then is lost, as with Node servers.
        """
        if has_channel(room, self._mode):
            self._rooms.add(room)
            if self._participant.receiver is not None:
                channel = f"{self._main}{room}#"
                self._participant.listen(self._on_message, channel, awaited=False)

    def deleted(self, room: str) -> None:
        """Listen to the channel of a room no longer."""
        if room in self._rooms:
            self._rooms.discard(room)
            self._participant.ignore(f"{self._main}{room}#")

    def start(self, receiver: Receiver) -> None:
        """Begin to listen."""
        self._participant.join(receiver, self._on_message)
        self._participant.listen(self._on_message, self._main)
        rooms = [f"{self._main}{room}#" for room in self._rooms]
        self._participant.listen(self._on_message, *rooms, awaited=False)

    def publish(self, request: Request) -> None:
        """Send a request to every other server."""
        channel = channel_of(self._main, request, self._mode)
        self._channels.publish(channel, self._encode(request))

    def respond(self, origin: str, response: Response) -> None:
        """Send a response to the server that has asked."""
        channel = self._participant.channel_of(origin)
        self._participant.answer(channel, self._encode, response)

    def _encode(self, message: Request | Response) -> bytes:
        return encode(envelope(self.uid, self._namespace.name, message))

    def server_count(self) -> int:
        """Return how many servers listen, this one included."""
        return self._participant.server_count()

    def recover(self, options: RecoveryOptions) -> None:
        """Pub/sub keeps nothing."""

    def stats(self) -> dict[str, int]:
        """Return the counters of all namespaces."""
        return self._channels.stats()

    def close(self) -> None:
        """Stop listening; harmless when called again."""
        self._participant.leave()

    def _on_message(self, channel: str, payload: bytes) -> None:
        if self._participant.receiver_of(payload) is not None:
            found = decode(load(payload), self._namespace.name)
            if found is not None:
                self._participant.deliver(*found, len(payload))
