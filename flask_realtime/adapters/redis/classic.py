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
from .channels import RedisChannels
from .link import RedisLink
from .participant import Participants

__all__ = ["RedisAdapter"]


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
        self._participants = Participants(self._channels, self._close)

    def __call__(self, namespace: LocalSockets) -> ClusterAdapter:
        """Return the adapter of a namespace."""
        names = Channels.of(self._key, namespace.name)
        bus = ClassicBus(self._participants, self._channels, names, namespace, self._specific)
        return ClusterAdapter(namespace, bus, self._timeout)

    def _close(self) -> None:
        self._channels.close()
        self._link.close()


class ClassicBus:
    """One namespace on the channels of :class:`RedisAdapter`."""

    room_watcher = None

    def __init__(
        self,
        participants: Participants,
        channels: RedisChannels,
        names: Channels,
        namespace: LocalSockets,
        specific: bool,
    ) -> None:
        self._channels = channels
        self._names = names
        self._namespace = namespace
        self._specific = specific
        self._participant = participants.add(names.request, names.response, own_beginnings)

    @property
    def uid(self) -> str:
        """The id of this server."""
        return self._participant.uid

    def start(self, receiver: Receiver) -> None:
        """Begin to listen."""
        self._participant.join(receiver, self._on_response)
        self._channels.listen_below(self._on_broadcast, self._names.broadcast)
        self._participant.listen(self._on_request, self._names.request)
        self._participant.listen(self._on_response, self._names.response)

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
        self._participant.answer(channel, encode_response, response)

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
        self._participant.leave(below=self._names.broadcast)

    def _on_broadcast(self, channel: str, payload: bytes) -> None:
        receiver = self._participant.receiver_of(payload)
        room = channel[len(self._names.broadcast) : -1]
        if receiver is None:
            return
        requests = self._participant.requests
        # Before it is decoded: what is for a room that has no member here costs nothing. But
        # what waits may make somebody join it.
        if not room or receiver.has_room(room) or not requests.is_empty:
            requests.put(self._take_broadcast, room, payload, size=len(payload))

    def _take_broadcast(self, room: str, payload: bytes) -> None:
        receiver = self._participant.receiver
        if receiver is None or (room and not receiver.has_room(room)):
            return
        found = decode_broadcast(payload, self._namespace.name)
        if found is not None:
            receiver.on_request(found[1], found[0])

    def _on_request(self, channel: str, payload: bytes) -> None:
        if self._participant.receiver_of(payload) is not None:
            origin, request = decode_request(payload, self._namespace.name)
            self._participant.deliver(origin, request, len(payload))

    def _on_response(self, channel: str, payload: bytes) -> None:
        response = decode_response(payload)
        if response is not None:
            self._participant.deliver("", response, len(payload))
