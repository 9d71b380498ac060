"""The bus between the workers of one host.

The host provides the network. Without another worker that listens nothing is encoded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from ...options import RecoveryOptions
from ..base import LocalSockets
from ..wire.host import decode_host, encode_host
from ..wire.messages import Request, Response
from ..wire.node import decode
from .adapter import ClusterAdapter
from .bus import BusRecovery, Receiver, deliver
from .request_queue import RequestQueue

__all__ = ["SiblingBus", "SiblingNetwork", "sibling_adapters"]

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


def sibling_adapters(network: SiblingNetwork) -> Callable[[LocalSockets], ClusterAdapter]:
    """Return what makes the adapter of a namespace.

    Args:
        network: Reaches the other workers.
    """
    return lambda namespace: ClusterAdapter(namespace, SiblingBus(network, namespace.name))


class SiblingBus:
    """See :class:`~flask_realtime.adapters.cluster.bus.Bus`."""

    def __init__(self, network: SiblingNetwork, namespace: str) -> None:
        self._network = network
        self._namespace = namespace
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

    def publish(self, request: Request) -> None:
        """Send a request to the other workers; nothing is encoded when there is none.

        Raises:
            TypeError, ValueError: The request holds what cannot be carried.
        """
        tags = self._network.listeners(self._namespace)
        if tags:
            self._network.send(tags, self._namespace, encode_host(request))

    def respond(self, origin: str, response: Response) -> None:
        """Send a response to the worker that has asked."""
        try:
            message = encode_host(response)
        except (TypeError, ValueError) as error:
            logger.error("! an answer to another worker cannot be sent: %s", error)
            return
        self._network.send([origin], self._namespace, message)

    def server_count(self) -> int:
        """Return how many workers listen, this one included."""
        return len(self._network.listeners(self._namespace)) + (self._receiver is not None)

    def recover(self, options: RecoveryOptions) -> BusRecovery | None:
        """Return nothing: packets are not kept."""
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
            # What waits here may put a socket into the room.
            if arrived.room and self._queue.is_empty and not receiver.has_room(arrived.room):
                return
            envelope = {
                "uid": origin,
                "nsp": self._namespace,
                "type": arrived.kind,
                "data": arrived.data(),
            }
            found = decode(envelope, self._namespace)
        except ValueError as error:
            self._on_malformed(error)
            return
        if found is None:
            return
        if isinstance(found[1], Response):
            deliver(receiver, *found)
        else:
            self._queue.put(deliver, receiver, *found, size=len(message))

    def _on_malformed(self, error: ValueError) -> None:
        self._malformed += 1
        logger.debug("! a malformed message: %s", error)
