"""Reads a Redis stream from its end on, and after a loss from where it was.

One greenlet and one connection for each stream.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event

from ..wire.streams import StreamOptions, order_of
from .link import RedisLink
from .read_loop import ReadLoop

__all__ = ["StreamReader"]

logger = logging.getLogger(__name__)

#: Seconds beyond its waiting time after which a read is given up.
PATIENCE = 30.0
#: What was read last of a stream that has no entries yet.
_BEGINNING = "0-0"

Fields = dict[bytes, bytes]


class StreamReader:
    """Passes the entries of a stream on, in order.

    Args:
        link: The way to Redis.
        stream: Its name.
        options: How it is read.
        on_entry: ``fn(id, fields)``, called in the reading greenlet. It may block for as long
            as reading is to be held up; what it raises is logged.
        patience: Seconds beyond its waiting time after which a read is given up.

    Attributes:
        position: The id of the last entry that was read, or of the last one before the reader
            began; empty until the stream has been reached.
        ready: Set while the stream is being read.
        received: How many entries were read.
        gaps: How many times entries were trimmed before they were read.
    """

    def __init__(
        self,
        link: RedisLink,
        stream: str,
        options: StreamOptions,
        on_entry: Callable[[str, Fields], None],
        patience: float = PATIENCE,
    ) -> None:
        self._link = link
        self._stream = stream
        self._options = options
        self._on_entry = on_entry
        self._patience = patience
        self._loop = ReadLoop(link, self._read_on, link.refresh, f"reading the stream {stream}")
        self.position: str = ""
        self.ready: Event = Event()
        self.received: int = 0
        self.gaps: int = 0

    @property
    def reconnects(self) -> int:
        """How many connections were made after the first one."""
        return self._loop.reconnects

    def start(self) -> None:
        """Begin to read; harmless when called again."""
        self._loop.start()

    def close(self) -> None:
        """Stop reading."""
        self._loop.close()

    def _read_on(self) -> None:
        patience = self._options.block_time + self._patience
        connection = self._link.connect(self._link.node_of(self._stream), patience)
        try:
            # Asked for on each connection: a server that is still loading refuses here.
            end = self._end_of(connection)
            self.position = self.position or end
            self._link.works()
            self._loop.connected()
            self.ready.set()
            # A reply of this many entries may mean that the reader is far behind, and that
            # others were trimmed before them; on a new connection a single one may.
            whole = 1
            while True:
                before = self.position
                if self._take(self._read(connection)) >= whole:
                    self._look_back(connection, before)
                whole = self._options.read_count
                self._loop.works()
                # There may be more to read for as long as it goes on.
                gevent.sleep(0)
        finally:
            self.ready.clear()
            connection.disconnect()

    def _end_of(self, connection: Any) -> str:
        # XREAD's "$" means the end at the time of each read: entries in between would be missed.
        connection.send_command("XREVRANGE", self._stream, "+", "-", "COUNT", 1)
        last = connection.read_response(disable_decoding=True)
        return last[0][0].decode() if last else _BEGINNING

    def _read(self, connection: Any) -> Any:
        options = self._options
        wait = max(round(options.block_time * 1000), 1)  # 0 would be for ever
        connection.send_command(
            *("XREAD", "BLOCK", wait, "COUNT", options.read_count),
            *("STREAMS", self._stream, self.position),
        )
        return connection.read_response(disable_decoding=True)

    def _look_back(self, connection: Any, before: str) -> None:
        # The stream is trimmed at its front. If it now begins between what was read before and
        # what was read last, entries in between are missing; later losses show at later reads.
        connection.send_command("XRANGE", self._stream, "-", "+", "COUNT", 1)
        first = connection.read_response(disable_decoding=True)
        if not first or before == _BEGINNING:
            return
        if order_of(before) < order_of(first[0][0]) <= order_of(self.position):
            self.gaps += 1
            logger.warning(
                "! entries of the stream %s after %s were gone before they were read",
                self._stream,
                before,
            )

    def _take(self, reply: Any) -> int:
        count = 0
        for _, entries in reply or ():
            count += len(entries)
            for entry_id, values in entries:
                self.position = entry_id.decode()
                self.received += 1
                try:
                    self._on_entry(self.position, fields_of(values))
                except Exception:
                    logger.exception("! an entry of the stream could not be handled")
        return count


def fields_of(values: list[bytes] | None) -> Fields:
    """Return the fields of an entry as Redis lists them."""
    values = values or []
    return dict(zip(values[::2], values[1::2], strict=True))
