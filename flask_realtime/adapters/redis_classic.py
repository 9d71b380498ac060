"""The classic Redis adapter: pub/sub, wire compatible with ``@socket.io/redis-adapter``.

What is published while a server is not connected is lost for it, as with the Node adapter.
"""

from __future__ import annotations

import logging
import secrets
from typing import Any

from ..options import RecoveryOptions
from .base import LocalSockets
from .bus import Receiver
from .cluster import ClusterAdapter
from .messages import Broadcast, Request, Response
from .redis_channels import RedisChannels
from .redis_classic_format import (
    Channels,
    decode_broadcast,
    decode_request,
    decode_response,
    encode_broadcast,
    encode_request,
    encode_response,
    own_beginning,
)
from .redis_link import RedisLink

__all__ = ["RedisAdapter"]

logger = logging.getLogger(__name__)


class RedisAdapter:
    """Makes adapters that speak through Redis pub/sub: ``Server(adapter=RedisAdapter(url))``.

    Args:
        client: A URL, or a client of redis-py: plain, of a Sentinel or of a Redis Cluster.
        key: The prefix of all channels.
        requests_timeout: Seconds that other servers have to answer.
        publish_on_specific_response_channel: Answer on the channel of the server that asks
            instead of the common one. All servers listen to both.

    Raises:
        ImportError: The extra ``redis`` is not installed.
        RuntimeError: Sockets are not gevent's.
    """

    def __init__(
        self,
        client: Any,
        *,
        key: str = "socket.io",
        requests_timeout: float = 5,
        publish_on_specific_response_channel: bool = False,
    ) -> None:
        self._link = RedisLink(client)
        self._channels = RedisChannels(self._link)
        self._key = key
        self._timeout = requests_timeout
        self._specific = publish_on_specific_response_channel
        self._count = 0

    def __call__(self, namespace: LocalSockets) -> ClusterAdapter:
        """Return the adapter of a namespace."""
        names = Channels.of(self._key, namespace.name)
        bus = ClassicBus(self, self._channels, names, namespace, self._specific)
        self._count += 1
        return ClusterAdapter(namespace, bus, self._timeout)

    def leave(self) -> None:
        """An adapter is closed: with the last of them the connections are."""
        self._count -= 1
        if self._count == 0:
            self._channels.close()
            self._link.close()


class ClassicBus:
    """One namespace on the channels of :class:`RedisAdapter`."""

    room_watcher = None

    def __init__(
        self,
        owner: RedisAdapter,
        channels: RedisChannels,
        names: Channels,
        namespace: LocalSockets,
        specific: bool,
    ) -> None:
        self._owner = owner
        self._channels = channels
        self._names = names
        self._namespace = namespace
        self._specific = specific
        self._receiver: Receiver | None = None
        self._is_closed = False
        self._identify()

    def _identify(self) -> None:
        self.uid = secrets.token_hex(8)
        self._own_beginning = own_beginning(self.uid)
        self._own_responses = f"{self._names.response}{self.uid}#"

    def start(self, receiver: Receiver) -> None:
        """Begin to listen."""
        # Here, after a fork: each process is a server of its own.
        self._identify()
        self._receiver = receiver
        self._channels.listen_below(self._on_broadcast, self._names.broadcast)
        self._channels.listen(self._on_request, self._names.request)
        self._channels.listen(self._on_response, self._names.response, self._own_responses)

    def publish(self, request: Request) -> None:
        """Send a request to every other server."""
        if isinstance(request, Broadcast) and request.request_id is None:
            payload = encode_broadcast(self.uid, request.packet, request.target)
            self._channels.publish(self._names.of_target(request.target), payload)
        else:
            self._channels.publish(self._names.request, encode_request(self.uid, request))

    def respond(self, origin: str, response: Response) -> None:
        """Send a response to the server that has asked."""
        channel = self._names.response
        if self._specific and origin:
            channel = f"{channel}{origin}#"
        try:
            self._channels.publish(channel, encode_response(response))
        except (TypeError, ValueError) as error:
            logger.error("! an answer to another server cannot be sent: %s", error)

    def server_count(self) -> int:
        """Return how many servers listen, this one included."""
        return self._channels.count(self._names.request)

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
            self._channels.ignore_below(self._names.broadcast)
            self._channels.ignore(self._on_request, self._names.request)
            self._channels.ignore(self._on_response, self._names.response, self._own_responses)
        self._owner.leave()

    def _on_broadcast(self, channel: str, payload: bytes) -> None:
        room = channel[len(self._names.broadcast) : -1]
        # Before it is decoded: what is for a room that has no member here costs nothing, and
        # Redis gives back what this server has sent.
        if self._receiver is None or (room and not self._receiver.has_room(room)):
            return
        if payload.startswith(self._own_beginning):
            return
        found = decode_broadcast(payload, self._namespace.name)
        if found is not None and found[0] != self.uid:
            self._receiver.on_request(found[1], found[0])

    def _on_request(self, channel: str, payload: bytes) -> None:
        origin, request = decode_request(payload, self._namespace.name)
        if self._receiver is not None and origin != self.uid:
            self._receiver.on_request(request, origin)

    def _on_response(self, channel: str, payload: bytes) -> None:
        response = decode_response(payload)
        if self._receiver is not None and response is not None:
            self._receiver.on_response(response, "")
