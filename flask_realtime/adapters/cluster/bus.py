"""What carries messages between the servers of a cluster: one bus for each namespace.

:class:`LoopbackHub` is a bus inside one process, for tests of applications and of adapters.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import Any, Protocol

from ...codec.message import Message
from ...codec.socket_packet import Packet
from ...options import RecoveryOptions
from ..base import Target
from ..memory_log import SavedSession
from ..wire.messages import Broadcast, Request, Response
from ..wire.node import decode, message_of
from ..wire.values import plain

__all__ = ["Bus", "BusRecovery", "LoopbackBus", "LoopbackHub", "Receiver", "RoomWatcher", "deliver"]

logger = logging.getLogger(__name__)


class RoomWatcher(Protocol):
    """Subscribes to what is sent to single rooms; the id of a socket is a room as well."""

    def created(self, room: str) -> None:
        """The first socket has joined a room."""

    def deleted(self, room: str) -> None:
        """The last socket has left a room."""


class Receiver(Protocol):
    """Who takes what other servers send: the adapter of the namespace."""

    def has_room(self, room: str) -> bool:
        """Whether a socket of this server is in a room."""

    def on_request(self, request: Request, origin: str, offset: str | None = None) -> None:
        """Another server asks for something; may block, for as long as the application does.

        Args:
            request: What it asks for.
            origin: The id of that server, for responses.
            offset: The position of a broadcast, where the bus keeps packets.
        """

    def on_response(self, response: Response, origin: str) -> None:
        """Another server has answered; never blocks.

        Args:
            response: The answer.
            origin: Its id; empty where the format does not tell.
        """


class BusRecovery(Protocol):
    """Connection state recovery of a bus that keeps packets."""

    @property
    def may_wait_here(self) -> bool:
        """Whether :meth:`publish` may be called on the current greenlet."""

    def publish(self, request: Broadcast) -> str | None:
        """Publish a broadcast and return its offset; may block, for a bounded time.

        Returns:
            ``None`` when the offset is not known in time; the broadcast is on its way then.
        """

    def applying(self, offset: str, packet: Packet, target: Target) -> Target:
        """Note that a broadcast is delivered now; return whom it is for.

        Sockets that were recovered beyond it have it already.
        """

    def current_offset(self) -> str:
        """Return the offset of the newest packet."""

    def persist(self, session: SavedSession) -> None:
        """Keep the state of a socket."""

    def restore(self, pid: str, offset: str | None) -> SavedSession | None:
        """Return the state that was kept under ``pid`` and forget it; may block."""

    def missed(
        self, session: SavedSession, encode: Callable[[Packet], Message]
    ) -> list[Message] | None:
        """Return what was sent to the session after its offset; may block."""


class Bus(Protocol):
    """Carries the messages of one namespace, in the order of each sender."""

    @property
    def uid(self) -> str:
        """The id of this server on the bus."""

    def start(self, receiver: Receiver) -> None:
        """Begin to listen: from now on the server counts."""

    def publish(self, request: Request) -> None:
        """Send a request to every other server; never blocks.

        Raises:
            TypeError, ValueError: The request holds what cannot be carried.
        """

    def respond(self, origin: str, response: Response) -> None:
        """Send a response to the server that has asked; never blocks."""

    def server_count(self) -> int:
        """Return how many servers listen, this one included if it does; may block.

        Raises:
            OSError: It cannot be known now.
        """

    def recover(self, options: RecoveryOptions) -> BusRecovery | None:
        """Keep packets from now on; ``None`` when the bus cannot."""

    @property
    def room_watcher(self) -> RoomWatcher | None:
        """Who wants to know of rooms that appear and disappear on this server."""

    def stats(self) -> dict[str, int]:
        """Return counters."""

    def close(self) -> None:
        """Stop listening."""


def deliver(
    receiver: Receiver, origin: str, message: Request | Response, offset: str | None = None
) -> None:
    """Pass a message on as what it is."""
    if isinstance(message, Response):
        receiver.on_response(message, origin)
    else:
        receiver.on_request(message, origin, offset)


class LoopbackHub:
    """Joins adapters of one process into a cluster.

    What they say to each other arrives at once, and as it would from elsewhere: copied, and
    refused where it could not be carried.
    """

    def __init__(self) -> None:
        self._listening: dict[LoopbackBus, Receiver] = {}

    def bus(self, namespace: str = "/") -> LoopbackBus:
        """Return the bus of one more server for a namespace."""
        return LoopbackBus(self, namespace)

    def count(self, namespace: str) -> int:
        """Return how many servers listen."""
        return sum(bus.namespace == namespace for bus in self._listening)

    def join(self, bus: LoopbackBus, receiver: Receiver) -> None:
        """Begin to pass messages to a server."""
        self._listening[bus] = receiver

    def leave(self, bus: LoopbackBus) -> None:
        """Pass no more messages to a server."""
        self._listening.pop(bus, None)

    def publish(self, sender: LoopbackBus, request: Request) -> None:
        """Pass a request to all servers but its sender."""
        kind, data = message_of(request)
        data = plain(data, finite=True)
        for bus in list(self._listening):
            if bus is not sender:
                self._pass(sender, bus, kind, data)

    def respond(self, sender: LoopbackBus, origin: str, response: Response) -> None:
        """Pass a response to the server that has asked."""
        kind, data = message_of(response)
        data = plain(data, finite=True)
        for bus in list(self._listening):
            if bus.uid == origin:
                self._pass(sender, bus, kind, data)

    def _pass(self, sender: LoopbackBus, bus: LoopbackBus, kind: int, data: Any) -> None:
        message = {
            "uid": sender.uid,
            "nsp": sender.namespace,
            "type": kind,
            "data": plain(data),
        }
        receiver = self._listening.get(bus)
        if receiver is None:
            return  # it has left meanwhile
        try:
            found = decode(message, bus.namespace)
            if found is not None:
                deliver(receiver, *found)
        except ValueError as error:
            bus.malformed += 1
            logger.debug("! a malformed message: %s", error)


class LoopbackBus:
    """See :class:`Bus`."""

    def __init__(self, hub: LoopbackHub, namespace: str) -> None:
        self.uid: str = secrets.token_hex(8)
        self.namespace = namespace
        self.malformed = 0
        self._hub = hub

    def start(self, receiver: Receiver) -> None:
        """Begin to listen."""
        self._hub.join(self, receiver)

    def publish(self, request: Request) -> None:
        """Pass a request on, at once."""
        self._hub.publish(self, request)

    def respond(self, origin: str, response: Response) -> None:
        """Pass a response on, at once."""
        try:
            self._hub.respond(self, origin, response)
        except (TypeError, ValueError) as error:
            logger.error("! an answer to another server cannot be sent: %s", error)

    def server_count(self) -> int:
        """Return how many servers listen."""
        return self._hub.count(self.namespace)

    def recover(self, options: RecoveryOptions) -> BusRecovery | None:
        """Return nothing: packets are not kept."""
        return None

    @property
    def room_watcher(self) -> None:
        """Nobody."""

    def stats(self) -> dict[str, int]:
        """Return counters."""
        return {"malformed": self.malformed}

    def close(self) -> None:
        """Stop listening."""
        self._hub.leave(self)
