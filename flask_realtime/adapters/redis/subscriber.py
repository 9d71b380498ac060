"""A connection to Redis that listens: subscribes again after every loss, and notices silence.

What is wanted is remembered here, so a new connection begins where the old one ended. One
greenlet reads, another writes: nobody who joins a room waits for Redis.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event

from ...extras import optional
from .link import RedisLink, redis_errors
from .read_loop import ReadLoop

__all__ = ["Subscriber"]

logger = logging.getLogger(__name__)

#: Seconds of silence after which Redis is asked for a sign of life.
PULSE = 10.0
#: How many times, before the connection is given up: a pause of Redis is no loss.
_MISSED = 3
#: Messages after which others get a chance to run.
_TURN = 100
_UNDO = {
    "SUBSCRIBE": "UNSUBSCRIBE",
    "PSUBSCRIBE": "PUNSUBSCRIBE",
    "SSUBSCRIBE": "SUNSUBSCRIBE",
}
_MESSAGES = {b"message", b"smessage"}
_CONFIRMATIONS = {b"subscribe": "SUBSCRIBE", b"psubscribe": "PSUBSCRIBE"}
_CONFIRMATIONS |= {b"ssubscribe": "SSUBSCRIBE"}

Handler = Callable[[bytes, bytes, "bytes | None"], None]
Topic = tuple[str, bytes]


class Subscriber:
    """Reads what is published on channels.

    Args:
        link: The way to Redis.
        on_message: ``fn(channel, payload, pattern)``, called in the reading greenlet; it must
            not block. What it raises is logged. Without ``PSUBSCRIBE`` there is no pattern.
        node: The node of a Redis Cluster to listen to.
        on_loss: Called when the connection is lost or refused, before the next one is made;
            it may block.
        pulse: Seconds of silence after which Redis is asked for a sign of life.

    Attributes:
        ready: Set while everything that is awaited is subscribed.
        is_lost: Whether the last attempt to listen has failed.
        received: Messages.
    """

    def __init__(
        self,
        link: RedisLink,
        on_message: Handler,
        node: Any = None,
        on_loss: Callable[[], None] = lambda: None,
        pulse: float = PULSE,
    ) -> None:
        self._link = link
        self._on_message = on_message
        self._node = node
        self._pulse = pulse
        # What is wanted, and whether it is awaited; what was asked for on this connection; what
        # is awaited and not confirmed yet; and where the first two may differ.
        self._wanted: dict[Topic, bool] = {}
        self._asked: set[Topic] = set()
        self._unconfirmed: set[Topic] = set()
        self._changed: dict[Topic, None] = {}
        self._ping = False
        self._wake = Event()
        self._loop = ReadLoop(link, self._listen, on_loss, "listening to Redis")
        self._is_connected = False
        self._known = Event()
        self.ready: Event = Event()
        self.is_lost: bool = False
        self.received: int = 0

    @property
    def reconnects(self) -> int:
        """How many connections were made after the first one."""
        return self._loop.reconnects

    def start(self) -> None:
        """Begin to listen; harmless when called again."""
        self._loop.start()

    def close(self) -> None:
        """Stop listening."""
        self._loop.close()

    def subscribe(self, word: str, *channels: str, awaited: bool = True) -> None:
        """Listen to channels; never blocks.

        Args:
            word: ``"SUBSCRIBE"``, ``"PSUBSCRIBE"`` or ``"SSUBSCRIBE"``.
            channels: Their names.
            awaited: Whether :attr:`ready` waits for them.
        """
        for channel in channels:
            topic = (word, channel.encode())
            if topic not in self._wanted:
                self._wanted[topic] = awaited
                self._changed[topic] = None
                if awaited:
                    self._await(topic)
        self._wake.set()

    def _await(self, topic: Topic) -> None:
        self._unconfirmed.add(topic)
        self.ready.clear()
        if not self.is_lost:
            self._known.clear()

    def wait_ready(self, timeout: float) -> bool:
        """Block until everything that is awaited is subscribed, or cannot be now, and say which.

        Args:
            timeout: Seconds.
        """
        self._known.wait(timeout)
        return self.ready.is_set()

    def unsubscribe(self, word: str, *channels: str) -> None:
        """Listen to channels no longer; never blocks."""
        for channel in channels:
            topic = (word, channel.encode())
            if topic in self._wanted:
                del self._wanted[topic]
                self._changed[topic] = None
                self._confirmed(topic)
        self._wake.set()

    def _listen(self) -> None:
        try:
            self._read_on(self._link.connect(self._node, self._pulse))
        finally:
            self.ready.clear()
            self.is_lost = True
            self._known.set()

    def _read_on(self, connection: Any) -> None:
        writer = None
        try:
            self._loop.connected()
            self._is_connected = True
            self._asked.clear()
            self._unconfirmed = {topic for topic, awaited in self._wanted.items() if awaited}
            self._changed = dict.fromkeys(self._wanted)
            self._ping = False
            self._wake.set()
            writer = gevent.spawn(self._write, connection)
            self._settle()
            self._read(connection)
        finally:
            self._is_connected = False
            if writer is not None:
                writer.kill()
            connection.disconnect()

    # Reading

    def _read(self, connection: Any) -> None:
        late, silent, turn = optional("redis", "redis").TimeoutError, 0, 0
        while True:
            try:
                reply = connection.read_response(disable_decoding=True, disconnect_on_error=False)
            except late:
                silent += 1
                if silent > _MISSED:
                    raise
                self._ping = True
                self._wake.set()
                continue
            silent = 0
            kind = reply[0] if isinstance(reply, list) else None
            if kind in _MESSAGES:
                self._take(reply[1], reply[2], None)
            elif kind == b"pmessage":
                self._take(reply[2], reply[3], reply[1])
            else:
                self._on_reply(reply)
                continue
            turn += 1
            if turn % _TURN == 0:
                # There may be more to read for as long as it goes on.
                gevent.sleep(0)

    def _on_reply(self, reply: Any) -> None:
        if not isinstance(reply, list):
            return
        if reply[0] in _CONFIRMATIONS:
            self._confirmed((_CONFIRMATIONS[reply[0]], reply[1]))
        elif reply[0] == b"sunsubscribe" and ("SSUBSCRIBE", reply[1]) in self._asked:
            # Nobody has asked for that: the slot has moved.
            raise ConnectionError("the slot of a channel has moved")

    def _confirmed(self, topic: Topic) -> None:
        self._unconfirmed.discard(topic)
        self._settle()

    def _settle(self) -> None:
        if self._is_connected and not self._unconfirmed:
            self._link.works()
            self._loop.works()
            self.is_lost = False
            self.ready.set()
            self._known.set()

    def _take(self, channel: bytes, payload: bytes, pattern: bytes | None) -> None:
        self.received += 1
        try:
            self._on_message(channel, payload, pattern)
        except Exception:
            logger.exception("! a message of another server could not be handled")

    # Writing

    def _write(self, connection: Any) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            commands = self._commands()
            try:
                if commands:
                    packed = connection.pack_commands(commands)
                    connection.send_packed_command(packed, check_health=False)
            except redis_errors():
                # The connection is closed then, and the reader learns it.
                return

    def _commands(self) -> list[tuple[Any, ...]]:
        changed, self._changed = self._changed, {}
        groups: dict[str, list[bytes]] = {}
        for topic in changed:
            word, channel = topic
            is_wanted, is_asked = topic in self._wanted, topic in self._asked
            if is_wanted and not is_asked:
                self._asked.add(topic)
                groups.setdefault(word, []).append(channel)
            elif is_asked and not is_wanted:
                self._asked.discard(topic)
                groups.setdefault(_UNDO[word], []).append(channel)
            elif is_wanted:
                # Left and joined again before Redis was told.
                self._confirmed(topic)
        commands: list[tuple[Any, ...]] = []
        for word, channels in groups.items():
            # In a Redis Cluster the channels of one command must share a slot.
            single = word in ("SSUBSCRIBE", "SUNSUBSCRIBE")
            commands += [(word, name) for name in channels] if single else [(word, *channels)]
        if self._ping:
            self._ping = False
            commands.append(("PING",))
        return commands
