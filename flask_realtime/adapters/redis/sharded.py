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
from ..wire.sharded import SubscriptionMode, channel_of, channel_of_room, has_channel
from ..wire.values import load
from .participant import Decoded, Dialect, SharedConnections

__all__ = ["ShardedRedisAdapter"]

_MODES = ("dynamic", "static", "dynamic-private")


class ShardedRedisAdapter:
    """Factory of adapters that speak through sharded pub/sub.

    ``Server(adapter=ShardedRedisAdapter(url))`` calls it for each namespace, and gets a
    :class:`ClusterAdapter`; the adapters of one factory share its connections.

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
        TypeError: ``client`` is neither a URL nor a client.
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
        self._shared = SharedConnections(client, sharded=True)
        self._prefix = channel_prefix
        self._mode = subscription_mode
        self._timeout = requests_timeout

    def __call__(self, namespace: LocalSockets) -> ClusterAdapter:
        """Return the adapter of a namespace."""
        main = f"{self._prefix}#{namespace.name}#"
        bus = ShardedBus(self._shared, main, namespace.name, self._mode)
        return ClusterAdapter(namespace, bus, self._timeout)


class ShardedBus:
    """One namespace on the channels of a :class:`ShardedRedisAdapter`.

    Args:
        shared: The connections of the server.
        main: The channel of the namespace.
        namespace: Its name.
        mode: Which rooms have channels of their own.
    """

    def __init__(self, shared: SharedConnections, main: str, namespace: str, mode: str) -> None:
        self._channels = shared.channels
        self._main = main
        self._namespace = namespace
        self._mode = mode
        self._rooms: set[str] = set()
        self._participant = shared.participant(
            Dialect(
                common=main,
                answers=main,
                beginnings=own_beginnings,
                encode=self._encode,
                decode=self._decode,
            )
        )

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
                self._listen_to_rooms(room)

    def deleted(self, room: str) -> None:
        """Stop listening to the channel of a room."""
        if room in self._rooms:
            self._rooms.discard(room)
            channel = channel_of_room(self._main, room)
            if "\ufffd" not in channel or channel not in self._room_channels():
                self._participant.ignore(channel)

    def _room_channels(self) -> list[str]:
        return [channel_of_room(self._main, room) for room in self._rooms]

    def _listen_to_rooms(self, *rooms: str) -> None:
        channels = [channel_of_room(self._main, room) for room in rooms]
        self._participant.listen(self._participant.hear, *channels, awaited=False)

    def start(self, receiver: Receiver) -> None:
        """Begin to listen."""
        self._participant.join(receiver)
        self._listen_to_rooms(*self._rooms)

    def publish(self, request: Request) -> None:
        """Send a request to every other server."""
        channel = channel_of(self._main, request, self._mode)
        self._channels.publish(channel, self._encode(self.uid, request))

    def respond(self, origin: str, response: Response) -> None:
        """Send a response to the server that has asked."""
        self._participant.respond(self._participant.channel_of(origin), response)

    @property
    def is_connected(self) -> bool:
        """Whether the connections to Redis work, as far as is known."""
        return self._channels.is_connected

    def server_count(self) -> int:
        """Return how many servers listen, this one included."""
        return self._participant.server_count()

    def recover(self, options: RecoveryOptions) -> None:
        """Return ``None``: pub/sub keeps no packets."""

    def stats(self) -> dict[str, int]:
        """Return the counters of all namespaces."""
        return self._channels.stats()

    def close(self) -> None:
        """Stop listening; harmless when called again."""
        self._participant.leave()

    def _encode(self, uid: str, message: Request | Response) -> bytes:
        return encode(envelope(uid, self._namespace, message))

    def _decode(self, channel: str, payload: bytes) -> Decoded | None:
        return decode(load(payload), self._namespace)
