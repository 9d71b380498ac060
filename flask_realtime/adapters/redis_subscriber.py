"""A connection to Redis that listens: subscribes again after every loss, and notices silence.

One greenlet reads, another asks for a sign of life. What is wanted is remembered here, so a
new connection begins where the old one ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event
from gevent.lock import RLock

from .backoff import Backoff
from .redis_link import RedisLink, redis_errors

__all__ = ["Subscriber"]

logger = logging.getLogger(__name__)

#: Seconds between two signs of life.
PULSE = 10.0
#: Intervals without any before the connection is given up: a pause of Redis is none.
_MISSED = 3
_UNDO = {
    "SUBSCRIBE": "UNSUBSCRIBE",
    "PSUBSCRIBE": "PUNSUBSCRIBE",
    "SSUBSCRIBE": "SUNSUBSCRIBE",
}
#: The replies that carry a message, with the place of its channel.
_MESSAGES = {b"message": 1, b"smessage": 1, b"pmessage": 2}

Handler = Callable[[bytes, bytes], None]


class _GivenUp(OSError):
    """The connection is of no use any more."""


class Subscriber:
    """Reads what is published on channels.

    Args:
        link: The way to Redis.
        on_message: ``fn(channel, payload)``, called in the reading greenlet; it must not
            block. What it raises is logged.
        node: The node of a Redis Cluster to listen to.
    """

    def __init__(self, link: RedisLink, on_message: Handler, node: Any = None) -> None:
        self._link = link
        self._on_message = on_message
        self._node = node
        self._wanted: dict[tuple[str, str], None] = {}
        self._unconfirmed = 0
        self._connection: Any = None
        self._lock = RLock()
        self._backoff = Backoff()
        self._reader: gevent.Greenlet[..., Any] | None = None
        self._watcher: gevent.Greenlet[..., Any] | None = None
        self._heard = True
        #: Set while everything that is wanted is subscribed.
        self.ready = Event()
        self.received = 0
        self.reconnects = 0

    def start(self) -> None:
        """Begin to listen; harmless when called again."""
        if self._reader is None:
            self._reader = gevent.spawn(self._run)
            self._watcher = gevent.spawn(self._watch)

    def close(self) -> None:
        """Stop listening."""
        gevent.killall([item for item in (self._reader, self._watcher) if item], block=False)
        self._reader = self._watcher = None

    def subscribe(self, word: str, *channels: str) -> None:
        """Listen to channels.

        Args:
            word: ``"SUBSCRIBE"``, ``"PSUBSCRIBE"`` or ``"SSUBSCRIBE"``.
            channels: Their names.
        """
        new = [channel for channel in channels if (word, channel) not in self._wanted]
        self._wanted.update(dict.fromkeys((word, channel) for channel in new))
        if new:
            self._command(word, new, confirmed=True)

    def unsubscribe(self, word: str, *channels: str) -> None:
        """Listen to channels no longer."""
        old = [channel for channel in channels if (word, channel) in self._wanted]
        for channel in old:
            del self._wanted[word, channel]
        if old:
            self._command(_UNDO[word], old, confirmed=False)

    def _command(self, word: str, channels: list[str], confirmed: bool) -> None:
        # Without a connection the next one does it.
        if self._connection is None:
            return
        with self._lock:
            if confirmed:
                self._unconfirmed += len(channels)
                self.ready.clear()
            # In a Redis Cluster the channels of one command must share a slot.
            groups = [[channel] for channel in channels] if word[0] == "S" else [channels]
            groups = [channels] if word in ("SUBSCRIBE", "UNSUBSCRIBE") else groups
            try:
                for group in groups:
                    self._connection.send_command(word, *group)
            except redis_errors() as error:
                self._give_up(str(error))

    def _run(self) -> None:
        while True:
            try:
                self._listen()
            except redis_errors() as error:
                if self.ready.is_set():
                    logger.warning("! lost the connection to Redis: %s", error)
            except Exception:
                logger.exception("! the connection to Redis failed")
            self.ready.clear()
            self.reconnects += 1
            gevent.sleep(self._backoff.wait())

    def _listen(self) -> None:
        connection = self._link.listening_connection(self._node)
        try:
            connection.connect()
            self._connection = connection
            self._unconfirmed = 0
            self._subscribe_all()
            self._read(connection)
        finally:
            self._connection = None
            connection.disconnect()

    def _subscribe_all(self) -> None:
        by_word: dict[str, list[str]] = {}
        for word, channel in self._wanted:
            by_word.setdefault(word, []).append(channel)
        for word, channels in by_word.items():
            self._command(word, channels, confirmed=True)

    def _read(self, connection: Any) -> None:
        while True:
            reply = connection.read_response(disable_decoding=True)
            self._heard = True
            place = _MESSAGES.get(reply[0]) if isinstance(reply, list) else None
            if place is None:
                self._on_reply(reply)
            else:
                self._take(reply[place], reply[place + 1])

    def _on_reply(self, reply: Any) -> None:
        if isinstance(reply, list) and reply[0] in (b"subscribe", b"psubscribe", b"ssubscribe"):
            self._unconfirmed -= 1
            if self._unconfirmed <= 0:
                self._backoff.reset()
                self.ready.set()

    def _take(self, channel: bytes, payload: bytes) -> None:
        self.received += 1
        try:
            self._on_message(channel, payload)
        except Exception:
            logger.exception("! a message of another server could not be handled")

    def _watch(self) -> None:
        silent = 0
        while True:
            gevent.sleep(PULSE)
            silent = 0 if self._heard else silent + 1
            self._heard = False
            if self._connection is None:
                silent = 0
            elif silent >= _MISSED:
                silent = 0
                self._give_up("Redis is silent")
            else:
                self._command("PING", [], confirmed=False)

    def _give_up(self, why: str) -> None:
        # The reader alone closes the connection: it may be in the middle of reading from it.
        if self._connection is not None and self._reader is not None:
            self._connection = None
            self._reader.kill(_GivenUp(why), block=False)
