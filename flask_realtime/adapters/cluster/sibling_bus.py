"""The bus between the workers of one host.

The host provides the network. Without another worker that listens nothing is encoded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from ...options import RecoveryOptions
from ...quoting import shown
from ..wire.host import FindSession, HostMessage, SessionFound, decode_host, encode_host
from ..wire.messages import Request, Response
from .bus import BusRecovery, Receiver
from .request_queue import RequestQueue

__all__ = ["SiblingBus", "SiblingNetwork", "SiblingReceiver"]

logger = logging.getLogger(__name__)


class SiblingNetwork(Protocol):
    """Reaches the other workers of this host."""

    @property
    def tag(self) -> str:
        """The name of this worker."""

    def listen(self, namespace: str, listener: Callable[[str, bytes], None]) -> None:
        """Call ``listener(tag, message)`` for what the others send; it may block them."""

    def listen_no_more(self, namespace: str) -> None:
        """Take no more messages of a namespace."""

    def listeners(self, namespace: str) -> list[str]:
        """Return the names of the others that listen."""

    def send(self, tags: list[str], namespace: str, message: bytes) -> None:
        """Send a message to others; never blocks."""


class SiblingReceiver(Protocol):
    """What else the adapter takes from the bus."""

    @property
    def keeps_packets(self) -> bool:
        """Whether broadcasts matter to sockets that are not here at the moment."""

    def on_kept(self, request: Request, origin: str, number: int) -> None:
        """Another worker has sent a broadcast that is kept; may block."""

    def on_find_session(self, request: FindSession, origin: str) -> None:
        """Another worker looks for a session; may block."""

    def on_session_found(self, answer: SessionFound, origin: str) -> None:
        """Another worker has looked for a session; never blocks."""


class SiblingBus:
    """See :class:`~flask_realtime.adapters.cluster.bus.Bus`.

    Args:
        network: Reaches the other workers.
        namespace: The name of the namespace.
        adapter: Takes what belongs to recovery.
    """

    def __init__(self, network: SiblingNetwork, namespace: str, adapter: SiblingReceiver) -> None:
        self._network = network
        self._namespace = namespace
        self._adapter = adapter
        self._receiver: Receiver | None = None
        self._queue = RequestQueue(self._on_malformed)
        self._malformed = 0

    @property
    def uid(self) -> str:
        """The tag of this worker."""
        return self._network.tag

    def start(self, receiver: Receiver) -> None:
        """Begin to listen."""
        self._receiver = receiver
        self._network.listen(self._namespace, self._on_message)

    def others(self) -> list[str]:
        """Return the tags of the other workers that listen."""
        return self._network.listeners(self._namespace)

    def publish(self, request: Request | FindSession, number: int = 0) -> None:
        """Send a request to the other workers; nothing is encoded when there is none.

        Args:
            request: The request.
            number: Of a broadcast that is kept.

        Raises:
            TypeError, ValueError: The request holds what cannot be carried.
        """
        tags = self.others()
        if tags:
            self._network.send(tags, self._namespace, encode_host(request, number))

    def respond(self, origin: str, response: Response | SessionFound) -> None:
        """Send a response to the worker that has asked."""
        try:
            message = encode_host(response)
        except (TypeError, ValueError) as error:
            logger.error("! an answer to another worker cannot be sent: %s", shown(error))
            return
        self._network.send([origin], self._namespace, message)

    @property
    def is_connected(self) -> bool:
        """Always: workers that cannot be reached are not there."""
        return True

    def server_count(self) -> int:
        """Return how many workers listen, this one included."""
        return len(self.others()) + (self._receiver is not None)

    def recover(self, options: RecoveryOptions) -> BusRecovery | None:
        """Return nothing: it is the adapter that keeps packets."""
        return None

    @property
    def room_watcher(self) -> None:
        """Nothing: rooms stand in the messages."""

    def stats(self) -> dict[str, int]:
        """Return counters."""
        return {"malformed": self._malformed}

    def close(self) -> None:
        """Stop listening."""
        if self._receiver is not None:
            self._receiver = None
            self._network.listen_no_more(self._namespace)
        self._queue.close()

    def _on_message(self, origin: str, message: bytes) -> None:
        receiver = self._receiver
        if receiver is None:
            return
        try:
            arrived = decode_host(message)
            if not self._concerns(arrived, receiver):
                return
            found = arrived.message(origin, self._namespace)
        except ValueError as error:
            self._on_malformed(error)
            return
        if isinstance(found, Response):
            receiver.on_response(found, origin)
        elif isinstance(found, SessionFound):
            self._adapter.on_session_found(found, origin)
        elif isinstance(found, FindSession):
            self._queue.put(self._adapter.on_find_session, found, origin, size=len(message))
        elif found is not None and arrived.number:
            call = self._adapter.on_kept
            self._queue.put(call, found, origin, arrived.number, size=len(message))
        elif found is not None:
            self._queue.put(receiver.on_request, found, origin, size=len(message))

    def _concerns(self, arrived: HostMessage, receiver: Receiver) -> bool:
        if not arrived.room or (arrived.number and self._adapter.keeps_packets):
            return True
        # What waits here may put a socket into the room.
        return not self._queue.is_empty or receiver.has_room(arrived.room)

    def _on_malformed(self, error: ValueError) -> None:
        self._malformed += 1
        logger.debug("! a malformed message: %s", shown(error))
