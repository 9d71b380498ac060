"""The sharded Redis adapter: sharded pub/sub of Redis 7, as Node's ``createShardedAdapter``.

Each namespace has a channel, and rooms may have channels of their own, to which only the
servers with a member listen.
"""

from __future__ import annotations

import logging
import secrets
from typing import Any

from ..options import RecoveryOptions
from .base import LocalSockets
from .bus import Receiver, deliver
from .cluster import ClusterAdapter
from .cluster_format import decode, encode, envelope, own_beginnings
from .messages import Request, Response
from .redis_channels import RedisChannels
from .redis_link import RedisLink
from .sharded_channels import SubscriptionMode, channel_of, has_channel
from .wire_values import load

__all__ = ["ShardedRedisAdapter"]

logger = logging.getLogger(__name__)

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
        self._count = 0

    def __call__(self, namespace: LocalSockets) -> ClusterAdapter:
        """Return the adapter of a namespace."""
        main = f"{self._prefix}#{namespace.name}#"
        bus = ShardedBus(self, self._channels, main, namespace, self._mode)
        self._count += 1
        return ClusterAdapter(namespace, bus, self._timeout)

    def leave(self) -> None:
        """An adapter is closed: with the last of them the connections are."""
        self._count -= 1
        if self._count == 0:
            self._channels.close()
            self._link.close()


class ShardedBus:
    """One namespace on the channels of :class:`ShardedRedisAdapter`."""

    def __init__(
        self,
        owner: ShardedRedisAdapter,
        channels: RedisChannels,
        main: str,
        namespace: LocalSockets,
        mode: str,
    ) -> None:
        self._owner = owner
        self._channels = channels
        self._main = main
        self._namespace = namespace
        self._mode = mode
        self._rooms: set[str] = set()
        self._receiver: Receiver | None = None
        self._is_closed = False
        self._identify()

    def _identify(self) -> None:
        self.uid = secrets.token_hex(8)
        self._own_beginnings = own_beginnings(self.uid)
        self._own = f"{self._main}{self.uid}#"

    @property
    def room_watcher(self) -> ShardedBus | None:
        """This bus, unless no room has a channel."""
        return None if self._mode == "static" else self

    def created(self, room: str, private: bool) -> None:
        """Listen to the channel of a room, from a moment later on.

        What others send to the room alone until then is lost, as with Node servers.
        """
        if has_channel(room, self._mode):
            self._rooms.add(room)
            if self._receiver is not None:
                channel = f"{self._main}{room}#"
                self._channels.listen(self._on_message, channel, awaited=False)

    def deleted(self, room: str) -> None:
        """Listen to the channel of a room no longer."""
        if room in self._rooms:
            self._rooms.discard(room)
            if self._receiver is not None:
                self._channels.ignore(self._on_message, f"{self._main}{room}#")

    def start(self, receiver: Receiver) -> None:
        """Begin to listen."""
        # Here, after a fork: each process is a server of its own.
        self._identify()
        self._receiver = receiver
        rooms = [f"{self._main}{room}#" for room in self._rooms]
        self._channels.listen(self._on_message, self._main, self._own)
        self._channels.listen(self._on_message, *rooms, awaited=False)

    def publish(self, request: Request) -> None:
        """Send a request to every other server."""
        payload = encode(envelope(self.uid, self._namespace.name, request))
        self._channels.publish(channel_of(self._main, request, self._mode), payload)

    def respond(self, origin: str, response: Response) -> None:
        """Send a response to the server that has asked."""
        try:
            payload = encode(envelope(self.uid, self._namespace.name, response))
        except (TypeError, ValueError) as error:
            logger.error("! an answer to another server cannot be sent: %s", error)
        else:
            self._channels.publish(f"{self._main}{origin}#", payload)

    def server_count(self) -> int:
        """Return how many servers listen, this one included."""
        return self._channels.count(self._main)

    def recover(self, options: RecoveryOptions) -> None:
        """Pub/sub keeps nothing."""

    def stats(self) -> dict[str, int]:
        """Return the counters of all namespaces."""
        return self._channels.stats()

    def close(self) -> None:
        """Stop listening; harmless when called again."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._receiver is not None:
            self._receiver = None
            rooms = [f"{self._main}{room}#" for room in self._rooms]
            self._channels.ignore(self._on_message, self._main, self._own, *rooms)
        self._owner.leave()

    def _on_message(self, channel: str, payload: bytes) -> None:
        # Redis gives back what this server has sent.
        if self._receiver is None or payload.startswith(self._own_beginnings):
            return
        found = decode(load(payload), self._namespace.name)
        if found is not None and found[0] != self.uid:
            deliver(self._receiver, *found)
