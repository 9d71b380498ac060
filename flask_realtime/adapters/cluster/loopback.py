"""A bus inside one process, for tests of applications and of adapters."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from ...options import RecoveryOptions
from ...quoting import shown
from ..wire.messages import Request, Response
from ..wire.node import decode, message_of
from ..wire.values import plain
from .bus import BusRecovery, Receiver, deliver

__all__ = ["LoopbackBus", "LoopbackHub"]

logger = logging.getLogger(__name__)


class LoopbackHub:
    """Joins adapters of one process into a cluster.

    Messages arrive at once, on the greenlet that sends, and as they would from another machine:
    copied, and refused where they could not be carried.
    """

    def __init__(self) -> None:
        self._listening: dict[LoopbackBus, Receiver] = {}

    def bus(self, namespace: str = "/") -> LoopbackBus:
        """Return the bus of one more server for the namespace with that name."""
        return LoopbackBus(self, namespace)

    def count(self, namespace: str) -> int:
        """Return how many servers listen in a namespace."""
        return sum(bus.namespace == namespace for bus in self._listening)

    def join(self, bus: LoopbackBus, receiver: Receiver) -> None:
        """Begin to pass messages to a server; called by its bus.

        Args:
            bus: The bus.
            receiver: Takes what the other servers send.
        """
        self._listening[bus] = receiver

    def leave(self, bus: LoopbackBus) -> None:
        """Pass no more messages to a server; called by its bus."""
        self._listening.pop(bus, None)

    def publish(self, sender: LoopbackBus, request: Request) -> None:
        """Pass a request to all servers but its sender.

        Raises:
            TypeError, ValueError: It holds what cannot be carried.
        """
        kind, data = message_of(request)
        data = plain(data, finite=True)
        for bus in list(self._listening):
            if bus is not sender:
                self._pass(sender, bus, kind, data)

    def respond(self, sender: LoopbackBus, origin: str, response: Response) -> None:
        """Pass a response to the server that has asked.

        Args:
            sender: The bus of the server that answers.
            origin: The id of the server that has asked.
            response: The answer.

        Raises:
            TypeError, ValueError: It holds what cannot be carried.
        """
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
            logger.debug("! a malformed message: %s", shown(error))


class LoopbackBus:
    """The bus of one server of a :class:`LoopbackHub`; see :class:`Bus`.

    Args:
        hub: Joins the servers.
        namespace: The name of the namespace.

    Attributes:
        uid: The id of the server.
        namespace: As given.
        malformed: How many messages could not be read.
    """

    def __init__(self, hub: LoopbackHub, namespace: str) -> None:
        self.uid: str = secrets.token_hex(8)
        self.namespace = namespace
        self.malformed = 0
        self._hub = hub

    def start(self, receiver: Receiver) -> None:
        """Begin to listen; see :meth:`Bus.start`."""
        self._hub.join(self, receiver)

    def publish(self, request: Request) -> None:
        """Pass a request on, at once."""
        self._hub.publish(self, request)

    def respond(self, origin: str, response: Response) -> None:
        """Pass a response on, at once; see :meth:`Bus.respond`."""
        try:
            self._hub.respond(self, origin, response)
        except (TypeError, ValueError) as error:
            logger.error("! an answer to another server cannot be sent: %s", shown(error))

    @property
    def is_connected(self) -> bool:
        """Always."""
        return True

    def server_count(self) -> int:
        """Return how many servers listen."""
        return self._hub.count(self.namespace)

    def recover(self, options: RecoveryOptions) -> BusRecovery | None:
        """Return ``None``: packets are not kept; see :meth:`Bus.recover`."""
        return None

    @property
    def room_watcher(self) -> None:
        """``None``: every server gets every message."""

    def stats(self) -> dict[str, int]:
        """Return counters."""
        return {"malformed": self.malformed}

    def close(self) -> None:
        """Stop listening; harmless when called again."""
        self._hub.leave(self)
