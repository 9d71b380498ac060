"""A connection to Redis that listens: subscribes again after every loss, and notices silence."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final

import gevent
from gevent.event import Event

from ...extras import optional
from ...transitions import check_move
from .link import RedisLink, redis_errors
from .read_loop import ReadLoop
from .subscriptions import Subscriptions

__all__ = ["Subscriber", "SubscriberState"]

logger = logging.getLogger(__name__)

# How it listens
#
# Two greenlets share one connection. The reader, which ReadLoop runs, connects, reads and calls
# the handler. The writer lives as long as the connection and sends SUBSCRIBE, UNSUBSCRIBE and
# PING. They are apart because a write blocks while Redis does not read: a socket that joins a
# room while Redis is paused must not wait, and messages that arrive meanwhile must be read, or
# Redis and this process would wait for each other.
#
# subscribe() and unsubscribe() may be called on any greenlet, in the hub too. They change what
# is wanted and wake the writer; nothing blocks. The writer sends the difference between what is
# wanted and what this connection was asked for, so a channel that was left and joined again in
# one turn costs no command, and the order of many changes does not matter.
#
# The handler runs in the reader. What may block, the requests of other servers, it hands to a
# RequestQueue; at the bound of that queue it blocks on purpose, so that Redis keeps the rest.
#
# Messages arrive in the order in which Redis received them, per channel and publisher. What is
# published between a loss and the confirmation of the new subscription is lost: pub/sub keeps
# nothing, and the adapters say so.
#
# When the connection breaks, the reader leaves LOST behind, ends the writer, waits (ReadLoop,
# with growing pauses), calls on_loss and connects anew. Everything that is wanted is asked for
# again. Two losses are not errors of the socket and are detected here: silence (after `pulse`
# seconds a PING is sent; without any answer to _MISSED of them the connection is given up, so a
# pause of Redis shorter than that costs nothing) and a slot of a Redis Cluster that has moved
# (Redis unsubscribes a sharded channel without being asked).
#
# Callers that count servers wait until the state is known: READY, or a failure. Only the topics
# that are awaited count: a room whose subscription is late holds up no count.


class SubscriberState(Enum):
    """What the connection is worth."""

    CONNECTING = auto()  # the first attempt is under way
    SUBSCRIBING = auto()  # connected; something that is awaited has not been confirmed
    READY = auto()  # connected; all that is awaited has been confirmed
    LOST = auto()  # the last attempt has failed; the next one follows
    RESUBSCRIBING = auto()  # connected after a loss, and not READY yet


_CONNECTING, _SUBSCRIBING, _READY, _LOST, _RESUBSCRIBING = SubscriberState
_NEXT: Final[dict[SubscriberState, tuple[SubscriberState, ...]]] = {
    _CONNECTING: (_SUBSCRIBING, _LOST),
    _SUBSCRIBING: (_READY, _LOST),
    _READY: (_SUBSCRIBING, _LOST),
    _LOST: (_RESUBSCRIBING,),
    _RESUBSCRIBING: (_READY, _LOST),
}
#: Where it is known whether messages arrive: after a loss they do not until it is READY again.
_KNOWN = (_READY, _LOST, _RESUBSCRIBING)

#: Seconds of silence after which Redis is asked for a sign of life.
PULSE = 10.0
#: How many times before the connection is given up: Redis may pause for that long.
_MISSED = 3
#: Messages after which other greenlets get a chance to run.
_TURN = 100
_MESSAGES = {b"message", b"smessage"}
_CONFIRMATIONS = {b"subscribe": "SUBSCRIBE", b"psubscribe": "PSUBSCRIBE"}
_CONFIRMATIONS |= {b"ssubscribe": "SSUBSCRIBE"}

Handler = Callable[[bytes, bytes, "bytes | None"], None]


class Subscriber:
    """Reads what is published on channels.

    Args:
        link: The way to Redis.
        on_message: ``fn(channel, payload, pattern)``, called in the reading greenlet, which it
            holds up if it blocks. What it raises is logged. The pattern is ``None`` for a
            channel that was subscribed by its name.
        node: The node of a Redis Cluster to listen to.
        on_loss: Called when the connection is lost or refused, before the next one is made;
            it may block.
        pulse: Seconds of silence after which Redis is asked for a sign of life.

    Attributes:
        state: What the connection is worth.
        ready: Set while everything that is awaited is subscribed.
        received: How many messages have arrived.
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
        self._subscriptions = Subscriptions()
        self._ping = False
        self._wake = Event()
        self._loop = ReadLoop(link, self._listen, on_loss, "listening to Redis")
        self.state: SubscriberState = _CONNECTING
        self._known = Event()
        self.ready: Event = Event()
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
            self._subscriptions.want((word, channel.encode()), awaited)
        self._settle()
        self._wake.set()

    def unsubscribe(self, word: str, *channels: str) -> None:
        """Stop listening to channels; never blocks."""
        for channel in channels:
            self._subscriptions.unwant((word, channel.encode()))
        self._settle()
        self._wake.set()

    def wait_ready(self, timeout: float) -> bool:
        """Block until it is known whether everything that is awaited is subscribed.

        Args:
            timeout: Seconds.

        Returns:
            Whether it is; ``False`` as well when it is not known in time.
        """
        self._known.wait(timeout)
        return self.ready.is_set()

    # State

    def _enter(self, state: SubscriberState) -> None:
        if state is self.state:
            return
        check_move(_NEXT, self.state, state)
        self.state = state
        for event, is_set in ((self.ready, state is _READY), (self._known, state in _KNOWN)):
            if is_set:
                event.set()
            else:
                event.clear()

    def _settle(self) -> None:
        # What is awaited has changed, or was confirmed.
        is_complete = self._subscriptions.is_complete
        if self.state is _READY and not is_complete:
            self._enter(_SUBSCRIBING)
        elif self.state in (_SUBSCRIBING, _RESUBSCRIBING) and is_complete:
            self._link.works()
            self._loop.works()
            self._enter(_READY)

    # Reading

    def _listen(self) -> None:
        connection = writer = None
        try:
            connection = self._link.connect(self._node, self._pulse)
            self._loop.connected()
            self._subscriptions.restart()
            self._enter(_RESUBSCRIBING if self.state is _LOST else _SUBSCRIBING)
            self._ping = False
            self._wake.set()
            writer = gevent.spawn(self._write, connection)
            self._settle()
            self._read(connection)
        finally:
            self._enter(_LOST)
            if writer is not None:
                writer.kill()
            if connection is not None:
                connection.disconnect()

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
            self._subscriptions.confirm((_CONFIRMATIONS[reply[0]], reply[1]))
            self._settle()
        elif reply[0] == b"sunsubscribe" and self._subscriptions.is_asked(("SSUBSCRIBE", reply[1])):
            # Redis was not asked for that: the slot has moved.
            raise ConnectionError("the slot of a channel has moved")

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
            commands = self._subscriptions.commands()
            self._settle()
            if self._ping:
                self._ping = False
                commands.append(("PING",))
            try:
                if commands:
                    packed = connection.pack_commands(commands)
                    connection.send_packed_command(packed, check_health=False)
            except redis_errors():
                # The connection is closed then, and the reader learns it.
                return
