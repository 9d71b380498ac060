"""Pub/sub for the namespaces of one server: one publisher, one subscriber, many channels.

With a Redis Cluster and sharded channels there is a subscriber for each node that serves
one of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ...quoting import shown
from .link import RedisLink, redis_errors
from .publisher import Command, Publisher
from .subscriber import Subscriber

__all__ = ["Handler", "RedisChannels"]

logger = logging.getLogger(__name__)

#: Seconds that a count of servers waits for subscriptions that are not confirmed yet.
_READY_TIMEOUT = 5.0
#: Seconds that Redis has to say how many servers listen.
_COUNT_TIMEOUT = 2.0

Handler = Callable[[str, bytes], None]


class RedisChannels:
    """Publishes, and passes what arrives to the handlers of its channel.

    Args:
        link: The way to Redis.
        sharded: Whether channels belong to slots (Redis 7, ``SPUBLISH``).
    """

    def __init__(self, link: RedisLink, sharded: bool = False) -> None:
        self._link = link
        self._sharded = sharded
        self._publisher = Publisher(link)
        self._subscribers: dict[Any, Subscriber] = {}
        # Several: the namespace "/a#b" has the same channel as the room "b" of "/a".
        self._handlers: dict[str, tuple[Handler, ...]] = {}
        # The node of each sharded channel.
        self._nodes: dict[str, Any] = {}
        self._patterns: dict[str, Handler] = {}
        self.malformed: int = 0

    def publish(self, channel: str, payload: bytes) -> None:
        """Publish a message; never blocks."""
        word = "SPUBLISH" if self._sharded else "PUBLISH"
        self._publisher.send(Command((word, channel, payload)))

    def listen(self, handler: Handler, *channels: str, awaited: bool = True) -> None:
        """Pass the messages of channels to ``handler(channel, payload)``; never blocks.

        Args:
            handler: Called in the greenlet that reads, which it holds up if it blocks. A
                ``ValueError`` that it raises means that the message is malformed: it is counted.
            channels: Their names.
            awaited: Whether :meth:`count` waits for the subscription.
        """
        for channel in channels:
            self._handlers[channel] = (*self._others(channel, handler), handler)
        if self._sharded:
            for channel in channels:
                self._subscribe_at_node(channel, awaited)
        else:
            self._subscriber(None).subscribe("SUBSCRIBE", *channels, awaited=awaited)

    def listen_below(self, handler: Handler, prefix: str) -> None:
        """Pass the messages of all channels that begin with ``prefix``; see :meth:`listen`."""
        pattern = _escape(prefix) + "*"
        self._patterns[pattern] = handler
        self._subscriber(None).subscribe("PSUBSCRIBE", pattern)

    def ignore(self, handler: Handler, *channels: str) -> None:
        """Stop passing the messages of channels to ``handler``; never blocks."""
        word = "SSUBSCRIBE" if self._sharded else "SUBSCRIBE"
        for channel in channels:
            others = self._others(channel, handler)
            if others:
                self._handlers[channel] = others
            elif self._handlers.pop(channel, None) is not None:
                node = self._nodes.pop(channel, None)
                self._subscriber(node).unsubscribe(word, channel)

    def _others(self, channel: str, handler: Handler) -> tuple[Handler, ...]:
        return tuple(item for item in self._handlers.get(channel, ()) if item != handler)

    def ignore_below(self, prefix: str) -> None:
        """Stop listening to the channels below a prefix; never blocks."""
        pattern = _escape(prefix) + "*"
        if self._patterns.pop(pattern, None) is not None:
            self._subscriber(None).unsubscribe("PSUBSCRIBE", pattern)

    def count(self, channel: str) -> int:
        """Return how many servers listen to a channel; may block.

        Raises:
            OSError: Redis is out of reach.
        """
        for subscriber in list(self._subscribers.values()):
            if not subscriber.wait_ready(_READY_TIMEOUT):
                raise OSError("this server is not connected to Redis")
        try:
            return self._link.count_subscribers(channel, self._sharded, _COUNT_TIMEOUT)
        except redis_errors() as error:
            raise OSError(str(error)) from error

    @property
    def is_connected(self) -> bool:
        """Whether Redis takes messages and all awaited channels are listened to; never asks it."""
        subscribers = self._subscribers.values()
        return self._publisher.is_up and all(item.ready.is_set() for item in subscribers)

    def stats(self) -> dict[str, int]:
        """Return counters of both directions."""
        subscribers = self._subscribers.values()
        return {
            "published": self._publisher.published,
            "unsent": self._publisher.unsent,
            "queued_bytes": self._publisher.queued,
            "received": sum(item.received for item in subscribers),
            "malformed": self.malformed,
            "reconnects": sum(item.reconnects for item in subscribers),
        }

    def close(self) -> None:
        """Send what is queued, for a bounded time, and close the connections."""
        self._publisher.close()
        for subscriber in self._subscribers.values():
            subscriber.close()
        self._subscribers.clear()
        self._handlers.clear()
        self._patterns.clear()

    def _subscribe_at_node(self, channel: str, awaited: bool = False) -> None:
        node = self._nodes[channel] = self._link.node_of(channel)
        self._subscriber(node).subscribe("SSUBSCRIBE", channel, awaited=awaited)

    def _follow_slots(self) -> None:
        # Slots may have moved to another node of a Redis Cluster, or to a new one.
        self._link.refresh()
        for channel, node in list(self._nodes.items()):
            if self._link.node_of(channel) != node:
                self._subscriber(node).unsubscribe("SSUBSCRIBE", channel)
                self._subscribe_at_node(channel)

    def _subscriber(self, node: Any) -> Subscriber:
        found = self._subscribers.get(node)
        if found is None:
            found = Subscriber(self._link, self._on_message, node, self._follow_slots)
            self._subscribers[node] = found
            found.start()
        return found

    def _on_message(self, name: bytes, payload: bytes, pattern: bytes | None) -> None:
        channel = name.decode("utf-8", "replace")
        if pattern is None:
            handlers = self._handlers.get(channel, ())
        else:
            # A channel below two prefixes arrives once for each.
            found = self._patterns.get(pattern.decode())
            handlers = () if found is None else (found,)
        for handler in handlers:
            try:
                handler(channel, payload)
            except ValueError as error:
                self.on_malformed(error)

    def on_malformed(self, error: ValueError) -> None:
        """Count a message that was malformed."""
        self.malformed += 1
        logger.debug("! a malformed message: %s", shown(error))


def _escape(text: str) -> str:
    return "".join("\\" + char if char in "*?[]\\" else char for char in text)
