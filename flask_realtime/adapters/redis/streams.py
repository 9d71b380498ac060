"""The Redis streams adapter, wire compatible with ``@socket.io/redis-streams-adapter``.

Broadcasts and what is done to sockets are entries of a stream, so that a server which was
cut off reads on where it was; questions and their answers go by pub/sub.
"""

from __future__ import annotations

import logging
from typing import Any

from ...options import RecoveryOptions
from ...quoting import named
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
from .participant import Decoded, Dialect, SharedConnections
from .publisher import Command
from .shared_streams import SharedStreams
from .stream_reader import Fields
from .stream_recovery import StreamRecovery

__all__ = ["RedisStreamsAdapter"]

logger = logging.getLogger(__name__)


class RedisStreamsAdapter:
    """Factory of adapters that speak through a Redis stream.

    ``Server(adapter=RedisStreamsAdapter(url))`` calls it for each namespace, and gets a
    :class:`ClusterAdapter`; the adapters of one factory share its connections.

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
        TypeError: ``client`` is neither a URL nor a client.
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
        options = StreamOptions(
            stream_name, stream_count, max_len, read_count, block_time, only_plaintext
        )
        self._shared = SharedConnections(client, use_sharded_pubsub, on_close=self._close_streams)
        self._streams = SharedStreams(self._shared.link, options)
        self._prefix = channel_prefix
        self._session_key_prefix = session_key_prefix
        self._timeout = requests_timeout

    def __call__(self, namespace: LocalSockets) -> ClusterAdapter:
        """Return the adapter of a namespace."""
        count = self._streams.options.count
        if count > 1 and hash_of(namespace.name) < 0:
            logger.warning(
                "! Node servers cannot read what is sent to %s with %d streams: its hash is "
                "negative, and theirs go to a stream that no server reads",
                named(namespace.name),
                count,
            )
        main = f"{self._prefix}#{namespace.name}#"
        bus = StreamsBus(
            self._shared, self._streams, main, namespace.name, self._session_key_prefix
        )
        return ClusterAdapter(namespace, bus, self._timeout)

    def _close_streams(self) -> None:
        self._streams.close()


class StreamsBus:
    """One namespace on the stream and the channels of a :class:`RedisStreamsAdapter`.

    Args:
        shared: The connections of the server.
        streams: Its streams.
        main: The channel of the namespace.
        namespace: Its name.
        session_key_prefix: What the keys of saved sockets begin with.
    """

    room_watcher = None

    def __init__(
        self,
        shared: SharedConnections,
        streams: SharedStreams,
        main: str,
        namespace: str,
        session_key_prefix: str,
    ) -> None:
        self._link = shared.link
        self._channels = shared.channels
        self._streams = streams
        self._main = main
        self._namespace = namespace
        self._session_key_prefix = session_key_prefix
        self._stream = stream_of(streams.options, namespace)
        self._recovery: StreamRecovery | None = None
        self._participant = shared.participant(
            Dialect(
                common=main,
                answers=main,
                beginnings=own_beginnings,
                encode=self._encode,
                decode=self._decode,
            )
        )
        # Before it starts already: its own entries tell an emit their offset.
        streams.listen(namespace, self._on_entry)

    @property
    def uid(self) -> str:
        """The id of this server."""
        return self._participant.uid

    def start(self, receiver: Receiver) -> None:
        """Begin to listen, and to read."""
        self._participant.join(receiver)
        self._streams.reader(self._stream).start()

    def publish(self, request: Request) -> None:
        """Send a request to every other server."""
        if is_ephemeral(request):
            self._channels.publish(self._main, self._encode(self.uid, request))
        else:
            self._streams.publisher(self._stream).send(Command(self._command(request)))

    def _command(self, request: Request) -> tuple[Any, ...]:
        options = self._streams.options
        fields = entry_fields(self.uid, self._namespace, request, options.only_plaintext)
        return entry_command(self._stream, options.max_len, fields)

    def respond(self, origin: str, response: Response) -> None:
        """Send a response to the server that has asked."""
        self._participant.respond(self._participant.channel_of(origin), response)

    @property
    def is_connected(self) -> bool:
        """Whether the connections to Redis work, as far as is known."""
        return self._channels.is_connected and self._streams.is_connected

    def server_count(self) -> int:
        """Return how many servers listen, this one included."""
        return self._participant.server_count()

    def recover(self, options: RecoveryOptions) -> StreamRecovery:
        """Recover from the stream."""
        self._recovery = StreamRecovery(
            self._link,
            self._streams.publisher(self._stream),
            self._streams.reader(self._stream),
            self._stream,
            self._namespace,
            self._session_key_prefix,
            self._command,
            self._participant.requests,
            options,
        )
        return self._recovery

    def stats(self) -> dict[str, int]:
        """Return the counters of all namespaces."""
        found = self._channels.stats()
        for name, count in self._streams.stats().items():
            found[name] = found.get(name, 0) + count
        return found

    def close(self) -> None:
        """Stop listening; harmless when called again."""
        self._streams.ignore(self._namespace)
        self._participant.leave()

    def _encode(self, uid: str, message: Request | Response) -> bytes:
        return pack(envelope(uid, self._namespace, message))

    def _decode(self, channel: str, payload: bytes) -> Decoded | None:
        return decode(unpack(payload), self._namespace)

    def _on_entry(self, entry_id: str, fields: Fields) -> None:
        # In the greenlet that reads: entries are decoded when their turn comes.
        data = fields.get(b"data", b"")
        requests = self._participant.requests
        if fields.get(b"uid") != self.uid.encode():
            requests.put(self._take_entry, entry_id, fields, size=len(data))
        elif self._recovery is not None:
            requests.put(self._recovery.on_own_entry, entry_id, data, size=len(data))

    def _take_entry(self, entry_id: str, fields: Fields) -> None:
        receiver, found = self._participant.receiver, decode_entry(fields, self._namespace)
        if receiver is None or found is None:
            return
        origin, message = found
        if self._recovery is not None and isinstance(message, Broadcast):
            target = self._recovery.delivering(entry_id, message.packet, message.target)
            message = message._replace(target=target)
        deliver(receiver, origin, message, entry_id)
