"""The Redis streams adapter, wire compatible with ``@socket.io/redis-streams-adapter``.

Broadcasts and what is done to sockets are entries of a stream, so that a server which was
cut off reads on where it was; questions and their answers go by pub/sub.
"""

from __future__ import annotations

import logging
from typing import Any

from ...options import RecoveryOptions
from ..base import LocalSockets
from ..cluster.adapter import ClusterAdapter
from ..cluster.bus import Receiver, deliver
from ..wire.messages import Broadcast, Request, Response
from ..wire.node import decode, envelope, own_beginnings
from ..wire.streams import (
    StreamOptions,
    decode_entry,
    entry_command,
    entry_fields,
    hash_of,
    is_ephemeral,
    stream_of,
)
from ..wire.values import pack, unpack
from .channels import RedisChannels
from .link import RedisLink
from .participant import Participants
from .publisher import Command, Publisher
from .stream_history import StreamHistory
from .stream_reader import Fields, StreamReader
from .stream_recovery import StreamRecovery

__all__ = ["RedisStreamsAdapter"]

logger = logging.getLogger(__name__)


class RedisStreamsAdapter:
    """Makes adapters that speak through a Redis stream.

    Args:
        client: A URL, or a client of redis-py: plain, of a Sentinel or of a Redis Cluster.
        stream_name: The stream, or the beginning of the names of several.
        stream_count: How many streams there are; each namespace belongs to one.
        channel_prefix: The prefix of the pub/sub channels.
        use_sharded_pubsub: Use sharded pub/sub (Redis 7).
        max_len: How many entries a stream keeps, about.
        read_count: How many entries are read at once.
        block_time: Seconds that a read waits.
        session_key_prefix: What the keys of sessions that may be recovered begin with.
        only_plaintext: Refuse bytes: entries are JSON throughout.
        requests_timeout: Seconds that other servers have to answer.

    Raises:
        ImportError: The extra ``redis`` is not installed.
        RuntimeError: Sockets are not gevent's.
        ValueError: A number is out of range.
    """

    def __init__(
        self,
        client: Any,
        *,
        stream_name: str = "socket.io",
        stream_count: int = 1,
        channel_prefix: str = "socket.io",
        use_sharded_pubsub: bool = False,
        max_len: int = 10_000,
        read_count: int = 100,
        block_time: float = 5,
        session_key_prefix: str = "sio:session:",
        only_plaintext: bool = False,
        requests_timeout: float = 5,
    ) -> None:
        for name in ("stream_count", "max_len", "read_count", "block_time"):
            if not locals()[name] > 0:
                raise ValueError(f"{name} must be above 0")
        self.link: RedisLink = RedisLink(client)
        self.options: StreamOptions = StreamOptions(
            stream_name, stream_count, max_len, read_count, block_time, only_plaintext
        )
        self.channels: RedisChannels = RedisChannels(self.link, use_sharded_pubsub)
        self.session_key_prefix = session_key_prefix
        self._prefix = channel_prefix
        self._timeout = requests_timeout
        self._participants = Participants(self.channels, self._close)
        self._buses: dict[str, StreamsBus] = {}
        self._readers: dict[str, StreamReader] = {}
        self._publishers: dict[str, Publisher] = {}

    def __call__(self, namespace: LocalSockets) -> ClusterAdapter:
        """Return the adapter of a namespace."""
        if self.options.count > 1 and hash_of(namespace.name) < 0:
            logger.warning(
                "! Node servers cannot read what is sent to %s with %d streams: its hash is "
                "negative, and theirs go to a stream that nobody reads",
                namespace.name,
                self.options.count,
            )
        main = f"{self._prefix}#{namespace.name}#"
        bus = StreamsBus(self, self._participants, namespace, main)
        self._buses[namespace.name] = bus
        return ClusterAdapter(namespace, bus, self._timeout)

    def reader(self, stream: str) -> StreamReader:
        """Return the reader of a stream."""
        found = self._readers.get(stream)
        if found is None:
            found = StreamReader(self.link, stream, self.options, self._on_entry)
            self._readers[stream] = found
        return found

    def publisher(self, stream: str) -> Publisher:
        """Return what adds entries to a stream."""
        found = self._publishers.get(stream)
        if found is None:
            found = Publisher(self.link, StreamHistory(self.link, stream))
            self._publishers[stream] = found
        return found

    def stats(self) -> dict[str, int]:
        """Return counters."""
        found = {**self.channels.stats(), "gaps": 0}
        for publisher in self._publishers.values():
            found["published"] += publisher.published
            found["unsent"] += publisher.unsent
            found["queued_bytes"] += publisher.queued
        for reader in self._readers.values():
            found["received"] += reader.received
            found["reconnects"] += reader.reconnects
            found["gaps"] += reader.gaps
        return found

    def forget(self, name: str) -> None:
        """The adapter of a namespace is closed: what is sent to it concerns nobody."""
        self._buses.pop(name, None)

    def _close(self) -> None:
        for publisher in self._publishers.values():
            publisher.close()
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()
        self._publishers.clear()
        self.channels.close()
        self.link.close()

    def _on_entry(self, entry_id: str, fields: Fields) -> None:
        bus = self._buses.get(fields.get(b"nsp", b"").decode("utf-8", "replace"))
        if bus is not None:
            bus.on_entry(entry_id, fields)


class StreamsBus:
    """One namespace on the stream and the channels of :class:`RedisStreamsAdapter`."""

    room_watcher = None

    def __init__(
        self,
        owner: RedisStreamsAdapter,
        participants: Participants,
        namespace: LocalSockets,
        main: str,
    ) -> None:
        self._owner = owner
        self._namespace = namespace
        self._main = main
        self._stream = stream_of(owner.options, namespace.name)
        self._recovery: StreamRecovery | None = None
        self._participant = participants.add(main, main, own_beginnings)

    @property
    def uid(self) -> str:
        """The id of this server."""
        return self._participant.uid

    def start(self, receiver: Receiver) -> None:
        """Begin to listen."""
        self._participant.join(receiver, self._on_message)
        self._participant.listen(self._on_message, self._main)
        self._owner.reader(self._stream).start()

    def publish(self, request: Request) -> None:
        """Send a request to every other server."""
        if is_ephemeral(request):
            self._owner.channels.publish(self._main, self._pack(request))
        else:
            self._owner.publisher(self._stream).send(Command(self._command(request)))

    def _command(self, request: Request) -> tuple[Any, ...]:
        options = self._owner.options
        fields = entry_fields(self.uid, self._namespace.name, request, options.only_plaintext)
        return entry_command(self._stream, options.max_len, fields)

    def respond(self, origin: str, response: Response) -> None:
        """Send a response to the server that has asked."""
        channel = self._participant.channel_of(origin)
        self._participant.answer(channel, self._pack, response)

    def _pack(self, message: Request | Response) -> bytes:
        return pack(envelope(self.uid, self._namespace.name, message))

    def server_count(self) -> int:
        """Return how many servers listen, this one included."""
        return self._participant.server_count()

    def recover(self, options: RecoveryOptions) -> StreamRecovery:
        """Recover from the stream."""
        self._recovery = StreamRecovery(
            self._owner.link,
            self._owner.publisher(self._stream),
            self._owner.reader(self._stream),
            self._stream,
            self._namespace.name,
            self._owner.session_key_prefix,
            self._command,
            self._participant.requests,
            options,
        )
        return self._recovery

    def stats(self) -> dict[str, int]:
        """Return the counters of all namespaces."""
        return self._owner.stats()

    def close(self) -> None:
        """Stop listening."""
        self._owner.forget(self._namespace.name)
        self._participant.leave()

    def on_entry(self, entry_id: str, fields: Fields) -> None:
        """Take an entry of the stream, when it has its turn."""
        data = fields.get(b"data", b"")
        requests = self._participant.requests
        if fields.get(b"uid") != self.uid.encode():
            requests.put(self._take_entry, entry_id, fields, size=len(data))
        elif self._recovery is not None:
            requests.put(self._recovery.own_entry, entry_id, data, size=len(data))

    def _take_entry(self, entry_id: str, fields: Fields) -> None:
        receiver, found = self._participant.receiver, decode_entry(fields, self._namespace.name)
        if receiver is None or found is None:
            return
        origin, message = found
        if self._recovery is not None and isinstance(message, Broadcast):
            target = self._recovery.applying(entry_id, message.packet, message.target)
            message = message._replace(target=target)
        deliver(receiver, origin, message, entry_id)

    def _on_message(self, channel: str, payload: bytes) -> None:
        if self._participant.receiver_of(payload) is not None:
            found = decode(unpack(payload), self._namespace.name)
            if found is not None:
                self._participant.deliver(*found, len(payload))
