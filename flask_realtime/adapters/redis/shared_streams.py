"""The streams of one server: a reader and a publisher for each, shared by its namespaces."""

from __future__ import annotations

from collections.abc import Callable

from ..wire.streams import StreamOptions
from .link import RedisLink
from .publisher import Publisher
from .stream_history import StreamHistory
from .stream_reader import Fields, StreamReader

__all__ = ["SharedStreams"]

EntryHandler = Callable[[str, Fields], None]


class SharedStreams:
    """Passes the entries of the streams to the namespaces that they are for.

    Args:
        link: The way to Redis.
        options: Which streams there are, and how they are read.

    Attributes:
        options: The same.
    """

    def __init__(self, link: RedisLink, options: StreamOptions) -> None:
        self.options = options
        self._link = link
        self._handlers: dict[str, EntryHandler] = {}
        self._readers: dict[str, StreamReader] = {}
        self._publishers: dict[str, Publisher] = {}

    def listen(self, namespace: str, handler: EntryHandler) -> None:
        """Pass the entries of a namespace to ``handler(id, fields)``.

        It is called in the greenlet that reads the stream, and holds reading up if it blocks.
        """
        self._handlers[namespace] = handler

    def ignore(self, namespace: str) -> None:
        """Drop the entries of a namespace from now on; silent when it is not listened to."""
        self._handlers.pop(namespace, None)

    def reader(self, stream: str) -> StreamReader:
        """Return the reader of a stream; it is not started here."""
        found = self._readers.get(stream)
        if found is None:
            found = StreamReader(self._link, stream, self.options, self._on_entry)
            self._readers[stream] = found
        return found

    def publisher(self, stream: str) -> Publisher:
        """Return what adds entries to a stream."""
        found = self._publishers.get(stream)
        if found is None:
            found = Publisher(self._link, StreamHistory(self._link, stream))
            self._publishers[stream] = found
        return found

    @property
    def is_connected(self) -> bool:
        """Whether the streams are read, and take entries, as far as is known."""
        readers = self._readers.values()
        return all(item.ready.is_set() for item in readers) and all(
            item.is_up for item in self._publishers.values()
        )

    def stats(self) -> dict[str, int]:
        """Return counters, by the names that :meth:`RedisChannels.stats` has, and ``gaps``."""
        publishers, readers = self._publishers.values(), self._readers.values()
        return {
            "published": sum(item.published for item in publishers),
            "unsent": sum(item.unsent for item in publishers),
            "queued_bytes": sum(item.queued for item in publishers),
            "received": sum(item.received for item in readers),
            "reconnects": sum(item.reconnects for item in readers),
            "gaps": sum(item.gaps for item in readers),
        }

    def close(self) -> None:
        """Send what is queued, for a bounded time, and stop reading."""
        for publisher in self._publishers.values():
            publisher.close()
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()
        self._publishers.clear()

    def _on_entry(self, entry_id: str, fields: Fields) -> None:
        handler = self._handlers.get(fields.get(b"nsp", b"").decode("utf-8", "replace"))
        if handler is not None:
            handler(entry_id, fields)
