"""What a connection to Redis is to listen to, and what it still has to be told.

Bookkeeping only: no connection, no greenlet, no time.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Subscriptions", "Topic"]

#: A command that subscribes, and the channel or pattern.
Topic = tuple[str, bytes]

_UNDO = {
    "SUBSCRIBE": "UNSUBSCRIBE",
    "PSUBSCRIBE": "PUNSUBSCRIBE",
    "SSUBSCRIBE": "SUNSUBSCRIBE",
}
#: In a Redis Cluster the channels of one of these commands must share a slot.
_ONE_EACH = ("SSUBSCRIBE", "SUNSUBSCRIBE")


class Subscriptions:
    """The difference between what is wanted and what a connection has been asked for."""

    def __init__(self) -> None:
        # What is wanted, and whether it is awaited; what was asked for on this connection; what
        # is awaited and not confirmed yet; and where the first two may differ.
        self._wanted: dict[Topic, bool] = {}
        self._asked: set[Topic] = set()
        self._unconfirmed: set[Topic] = set()
        self._changed: dict[Topic, None] = {}

    @property
    def is_complete(self) -> bool:
        """Whether everything that is awaited has been confirmed."""
        return not self._unconfirmed

    def want(self, topic: Topic, awaited: bool) -> None:
        """Listen to a topic; no change if it is wanted already."""
        if topic not in self._wanted:
            self._wanted[topic] = awaited
            self._changed[topic] = None
            if awaited:
                self._unconfirmed.add(topic)

    def unwant(self, topic: Topic) -> None:
        """Stop listening to a topic; silent if it is not wanted."""
        if topic in self._wanted:
            del self._wanted[topic]
            self._changed[topic] = None
            self._unconfirmed.discard(topic)

    def is_asked(self, topic: Topic) -> bool:
        """Return whether the connection has been asked for a topic."""
        return topic in self._asked

    def confirm(self, topic: Topic) -> None:
        """Note that Redis has confirmed a topic."""
        self._unconfirmed.discard(topic)

    def restart(self) -> None:
        """Begin a new connection, which has been asked for nothing."""
        self._asked.clear()
        self._unconfirmed = {topic for topic, awaited in self._wanted.items() if awaited}
        self._changed = dict.fromkeys(self._wanted)

    def commands(self) -> list[tuple[Any, ...]]:
        """Return the commands that make the connection listen to what is wanted."""
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
                self._unconfirmed.discard(topic)
        commands: list[tuple[Any, ...]] = []
        for word, channels in groups.items():
            single = word in _ONE_EACH
            commands += [(word, name) for name in channels] if single else [(word, *channels)]
        return commands
