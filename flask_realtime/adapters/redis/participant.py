"""A namespace's part in a cluster on Redis channels: by what name, and from when until when.

What messages look like and which channels carry them is its bus's business.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable

from ..cluster.bus import Receiver
from ..cluster.request_queue import RequestQueue
from ..wire.messages import Request, Response
from .channels import Handler, RedisChannels

__all__ = ["Participant", "Participants"]

logger = logging.getLogger(__name__)

#: Returns what the messages of the server with an id begin with.
Beginnings = Callable[[str], tuple[bytes, ...]]


class Participants:
    """Those of the namespaces of one server: with the last of them the connections are closed.

    Args:
        channels: What they share.
        close: Closes the connections.
    """

    def __init__(self, channels: RedisChannels, close: Callable[[], None]) -> None:
        self._channels = channels
        self._close = close
        self._count = 0

    def add(self, common: str, answers: str, beginnings: Beginnings) -> Participant:
        """Return that of one more namespace; see :class:`Participant`."""
        self._count += 1
        return Participant(self._channels, common, answers, beginnings, self._left)

    def _left(self) -> None:
        self._count -= 1
        if self._count == 0:
            self._close()


class Participant:
    """A namespace of this server on the channels.

    Args:
        channels: The channels of the server.
        common: The channel to which every server of the namespace listens, and no one else.
        answers: What the channels of single servers begin with; an id and ``#`` follow.
        beginnings: Returns what the messages of a server begin with.
        left: Called once, when it has left.

    Attributes:
        uid: The id of this server; one of its own in each process that takes part.
        receiver: Who takes what the others send; ``None`` while it does not take part.
        requests: What the others ask for waits here for its turn.
    """

    def __init__(
        self,
        channels: RedisChannels,
        common: str,
        answers: str,
        beginnings: Beginnings,
        left: Callable[[], None],
    ) -> None:
        self._channels = channels
        self._common = common
        self._answers = answers
        self._beginnings = beginnings
        self._left = left
        self._has_left = False
        self._heard: dict[str, Handler] = {}
        self.receiver: Receiver | None = None
        self.requests: RequestQueue = RequestQueue(channels.on_malformed)
        self._identify()

    def _identify(self) -> None:
        self.uid: str = secrets.token_hex(8)
        self._own = self._beginnings(self.uid)

    def join(self, receiver: Receiver, on_answer: Handler) -> None:
        """Take part from now on, and listen to what is sent to this server alone."""
        # The name is chosen here, after a fork: each process is a server of its own.
        self._identify()
        self.receiver = receiver
        self.listen(on_answer, self.channel_of(self.uid))

    def listen(self, handler: Handler, *channels: str, awaited: bool = True) -> None:
        """Listen to channels until it leaves; see :meth:`RedisChannels.listen`."""
        self._heard.update(dict.fromkeys(channels, handler))
        self._channels.listen(handler, *channels, awaited=awaited)

    def ignore(self, channel: str) -> None:
        """Listen to a channel no longer; harmless when it does not."""
        handler = self._heard.pop(channel, None)
        if handler is not None:
            self._channels.ignore(handler, channel)

    def channel_of(self, uid: str) -> str:
        """Return the channel of what is sent to one server alone."""
        return f"{self._answers}{uid}#"

    def receiver_of(self, payload: bytes) -> Receiver | None:
        """Return who takes a message: nobody what this server has sent, and Redis gives back."""
        return None if payload.startswith(self._own) else self.receiver

    def deliver(self, origin: str, message: Request | Response, size: int) -> None:
        """Pass a response on, and a request when it has its turn.

        Args:
            origin: The id of the server that has sent it.
            message: What it has sent.
            size: The bytes of it.
        """
        if self.receiver is None:
            return
        if isinstance(message, Response):
            self.receiver.on_response(message, origin)
        else:
            self.requests.put(self._on_request, message, origin, size=size)

    def _on_request(self, request: Request, origin: str) -> None:
        if self.receiver is not None:
            self.receiver.on_request(request, origin)

    def answer(self, channel: str, encode: Callable[[Response], bytes], response: Response) -> None:
        """Publish a response; one that cannot be carried is logged: nobody here waits for it."""
        try:
            payload = encode(response)
        except (TypeError, ValueError) as error:
            logger.error("! an answer to another server cannot be sent: %s", error)
        else:
            self._channels.publish(channel, payload)

    def server_count(self) -> int:
        """Return how many servers take part, this one included if it does; may block.

        Raises:
            OSError: Redis is out of reach.
        """
        return self._channels.count(self._common)

    def leave(self, below: str | None = None) -> None:
        """Take part no longer; harmless when called again.

        Args:
            below: The prefix of more channels to which it has listened.
        """
        if self._has_left:
            return
        self._has_left = True
        if self.receiver is not None:
            self.receiver = None
            if below is not None:
                self._channels.ignore_below(below)
            for channel in list(self._heard):
                self.ignore(channel)
            self.requests.close()
        self._left()
