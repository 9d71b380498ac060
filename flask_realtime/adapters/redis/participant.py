"""A namespace's membership in a cluster on Redis channels: its server id and lifetime.

The buses of the three adapters differ in their messages and channels; a :class:`Dialect` says
how. The rest is done here, in one order:

1. join: choose a server id; listen to the channel of that id and to the common one;
2. hear: drop what this server has sent itself, which Redis returns to it as well;
3. decode;
4. deliver: responses at once, requests when their turn comes;
5. leave: stop listening; the last namespace of a server closes the connections.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...quoting import shown
from ..cluster.bus import Receiver, deliver
from ..cluster.request_queue import RequestQueue
from ..wire.messages import Request, Response
from .channels import Handler, RedisChannels
from .link import RedisLink

__all__ = ["Dialect", "Participant", "SharedConnections"]

logger = logging.getLogger(__name__)

Decoded = tuple[str, Request | Response]


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the messages of a namespace look like, and which channels carry them.

    Attributes:
        common: The channel that the servers of the namespace listen to, and nothing else does:
            its subscribers are the servers.
        answers: What the channels of single servers begin with; a server id and ``#`` follow.
        beginnings: ``fn(uid)`` returns what the bytes sent by a server begin with.
        encode: ``fn(uid, response)`` returns the bytes of a response.
        decode: ``fn(channel, payload)`` returns the id of the sender and the message, ``None``
            for what this server ignores, and raises ``ValueError`` for what is malformed.
    """

    common: str
    answers: str
    beginnings: Callable[[str], tuple[bytes, ...]]
    encode: Callable[[str, Response], bytes]
    decode: Callable[[str, bytes], Decoded | None]


class SharedConnections:
    """The connections to Redis that the namespaces of one server share.

    Nothing is opened before it is used; with the last namespace that leaves all are closed.

    Args:
        client: A URL, or a client of redis-py.
        sharded: Whether the channels are those of sharded pub/sub (Redis 7).
        on_close: Called before the connections are closed, for those that are kept elsewhere.

    Attributes:
        link: The way to Redis.
        channels: Publishes and listens.

    Raises:
        ImportError: The extra ``redis`` is not installed.
        RuntimeError: Sockets are not gevent's.
        TypeError, ValueError: It is neither, or the URL is malformed.
    """

    def __init__(
        self, client: Any, sharded: bool = False, on_close: Callable[[], None] = lambda: None
    ) -> None:
        self.link: RedisLink = RedisLink(client)
        self.channels: RedisChannels = RedisChannels(self.link, sharded)
        self._on_close = on_close
        self._count = 0

    def participant(self, dialect: Dialect) -> Participant:
        """Return the membership of one more namespace."""
        self._count += 1
        return Participant(self.channels, dialect, self._left)

    def _left(self) -> None:
        self._count -= 1
        if self._count == 0:
            self._on_close()
            self.channels.close()
            self.link.close()


class Participant:
    """The membership of one namespace of this server.

    Args:
        channels: The channels of the server.
        dialect: What is said on them.
        left: Called once, when the namespace has left.

    Attributes:
        uid: The id of this server; another one each time it joins.
        receiver: Takes what other servers send; ``None`` before joining and after leaving.
        requests: The requests of other servers that wait for their turn.
    """

    def __init__(self, channels: RedisChannels, dialect: Dialect, left: Callable[[], None]) -> None:
        self._channels = channels
        self._dialect = dialect
        self._left = left
        self._has_left = False
        self._handlers: dict[str, Handler] = {}
        self._prefixes: set[str] = set()
        self.receiver: Receiver | None = None
        self.requests: RequestQueue = RequestQueue(channels.on_malformed)
        self._identify()

    def _identify(self) -> None:
        self.uid: str = secrets.token_hex(8)
        self._own = self._dialect.beginnings(self.uid)

    def join(self, receiver: Receiver) -> None:
        """Take part from now on: other servers count this one and reach it.

        Args:
            receiver: Takes what they send.
        """
        # A server may be made before a fork: each process that joins is a server of its own.
        self._identify()
        self.receiver = receiver
        self.listen(self.hear, self.channel_of(self.uid), self._dialect.common)

    def listen(self, handler: Handler, *channels: str, awaited: bool = True) -> None:
        """Listen to channels until the namespace leaves; see :meth:`RedisChannels.listen`."""
        self._handlers.update(dict.fromkeys(channels, handler))
        self._channels.listen(handler, *channels, awaited=awaited)

    def listen_below(self, handler: Handler, prefix: str) -> None:
        """Listen to all channels that begin with ``prefix`` until the namespace leaves."""
        self._prefixes.add(prefix)
        self._channels.listen_below(handler, prefix)

    def ignore(self, channel: str) -> None:
        """Stop listening to a channel; silent when it is not listened to."""
        handler = self._handlers.pop(channel, None)
        if handler is not None:
            self._channels.ignore(handler, channel)

    def channel_of(self, uid: str) -> str:
        """Return the channel of one server."""
        return f"{self._dialect.answers}{uid}#"

    def receiver_of(self, payload: bytes) -> Receiver | None:
        """Return the receiver, but ``None`` for what this server has sent itself."""
        return None if payload.startswith(self._own) else self.receiver

    def hear(self, channel: str, payload: bytes) -> None:
        """Decode and deliver what has arrived on a channel.

        Raises:
            ValueError: It is malformed.
        """
        receiver = self.receiver_of(payload)
        if receiver is None:
            return
        found = self._dialect.decode(channel, payload)
        if found is not None:
            deliver(receiver, *found, requests=self.requests, size=len(payload))

    def respond(self, channel: str, response: Response) -> None:
        """Publish a response; one that cannot be carried is logged.

        The server that waits for it is elsewhere and has a deadline: an error raised here
        would not reach it.
        """
        try:
            payload = self._dialect.encode(self.uid, response)
        except (TypeError, ValueError) as error:
            logger.error("! an answer to another server cannot be sent: %s", shown(error))
        else:
            self._channels.publish(channel, payload)

    def server_count(self) -> int:
        """Return how many servers take part, this one included if it does; may block.

        Raises:
            OSError: Redis is out of reach.
        """
        return self._channels.count(self._dialect.common)

    def leave(self) -> None:
        """Stop taking part; drop the requests that wait. Harmless when called again."""
        if self._has_left:
            return
        self._has_left = True
        if self.receiver is not None:
            self.receiver = None
            for prefix in self._prefixes:
                self._channels.ignore_below(prefix)
            for channel in list(self._handlers):
                self.ignore(channel)
            self.requests.close()
        self._left()
