"""The classic Redis adapter: pub/sub, wire compatible with ``@socket.io/redis-adapter``.

What is published while a server is not connected is lost for it, as with the Node adapter.
"""

from __future__ import annotations

from typing import Any

from ...options import RecoveryOptions
from ..base import LocalSockets
from ..cluster.adapter import ClusterAdapter
from ..cluster.bus import Receiver
from ..wire.classic import (
    Channels,
    decode_broadcast,
    decode_request,
    decode_response,
    encode_broadcast,
    encode_request,
    encode_response,
    own_beginnings,
)
from ..wire.messages import Broadcast, Request, Response
from .participant import Decoded, Dialect, SharedConnections

__all__ = ["RedisAdapter"]


class RedisAdapter:
    """Factory of adapters that speak through Redis pub/sub.

    ``Server(adapter=RedisAdapter(url))`` calls it for each namespace, and gets a
    :class:`ClusterAdapter`; the adapters of one factory share its connections.

    Args:
        client: A URL, or a client of redis-py: plain, of a Sentinel or of a Redis Cluster.
        key: The prefix of all channels.
        requests_timeout: Seconds that other servers have to answer.
        publish_on_specific_response_channel: Answer on the channel of the server that asks
            instead of the common one. All servers listen to both.

    Raises:
        ImportError: The extra ``redis`` is not installed.
        RuntimeError: Sockets are not gevent's.
        TypeError: ``client`` is neither a URL nor a client.
    """

    def __init__(
        self,
        client: Any,
        *,
        key: str = "socket.io",
        requests_timeout: float = 5,
        publish_on_specific_response_channel: bool = False,
    ) -> None:
        self._shared = SharedConnections(client)
        self._key = key
        self._timeout = requests_timeout
        self._specific = publish_on_specific_response_channel

    def __call__(self, namespace: LocalSockets) -> ClusterAdapter:
        """Return the adapter of a namespace."""
        names = Channels.of(self._key, namespace.name)
        bus = ClassicBus(self._shared, names, namespace.name, self._specific)
        return ClusterAdapter(namespace, bus, self._timeout)


class ClassicBus:
    """One namespace on the channels of a :class:`RedisAdapter`.

    Args:
        shared: The connections of the server.
        names: The channels of the namespace.
        namespace: Its name.
        specific: Whether to answer on the channel of the server that asks.
    """

    room_watcher = None

    def __init__(
        self, shared: SharedConnections, names: Channels, namespace: str, specific: bool
    ) -> None:
        self._channels = shared.channels
        self._names = names
        self._namespace = namespace
        self._specific = specific
        self._participant = shared.participant(
            Dialect(
                common=names.request,
                answers=names.response,
                beginnings=own_beginnings,
                encode=lambda uid, response: encode_response(response),
                decode=self._decode,
            )
        )

    @property
    def uid(self) -> str:
        """The id of this server."""
        return self._participant.uid

    def start(self, receiver: Receiver) -> None:
        """Begin to listen."""
        self._participant.join(receiver)
        self._participant.listen(self._participant.hear, self._names.response)
        self._participant.listen_below(self._on_broadcast, self._names.broadcast)

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
            channel = self._participant.channel_of(origin)
        self._participant.respond(channel, response)

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

    def _decode(self, channel: str, payload: bytes) -> Decoded | None:
        if channel == self._names.request:
            return decode_request(payload, self._namespace)
        response = decode_response(payload)
        # The format does not say who responds.
        return None if response is None else ("", response)

    def _on_broadcast(self, channel: str, payload: bytes) -> None:
        receiver = self._participant.receiver_of(payload)
        if receiver is None:
            return
        room = self._names.room_of(channel)
        requests = self._participant.requests
        # Before it is decoded: what is for a room without members here costs nothing. But a
        # request that waits may make a socket join the room.
        if not room or receiver.has_room(room) or not requests.is_empty:
            requests.put(self._take_broadcast, room, payload, size=len(payload))

    def _take_broadcast(self, room: str, payload: bytes) -> None:
        receiver = self._participant.receiver
        if receiver is None or (room and not receiver.has_room(room)):
            return
        found = decode_broadcast(payload, self._namespace)
        if found is not None:
            receiver.on_request(found[1], found[0])
