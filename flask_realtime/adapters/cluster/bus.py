"""What carries messages between the servers of a cluster: one bus for each namespace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ...codec.message import Message
from ...codec.socket_packet import Packet
from ...options import RecoveryOptions
from ..values import SavedSocket, Target
from ..wire.messages import Broadcast, Request, Response
from .request_queue import RequestQueue

__all__ = ["Bus", "BusRecovery", "Receiver", "RoomWatcher", "deliver"]


class RoomWatcher(Protocol):
    """Subscribes to what is sent to single rooms.

    It is told of the rooms of this server, the ids of its sockets among them, and must not
    block: sockets join and leave meanwhile.
    """

    def created(self, room: str) -> None:
        """Note that a room has got its first socket."""

    def deleted(self, room: str) -> None:
        """Note that a room has lost its last socket."""


class Receiver(Protocol):
    """The adapter of a namespace, as the bus sees it: takes what other servers send."""

    def has_room(self, room: str) -> bool:
        """Whether a socket of this server is in a room."""

    def on_request(self, request: Request, origin: str, offset: str | None = None) -> None:
        """Carry out a request of another server; blocks for as long as the application does.

        Args:
            request: The request.
            origin: The id of that server, for responses.
            offset: The position of a broadcast, where the bus keeps packets.

        Raises:
            ValueError: It cannot be carried out: the request is malformed.
        """

    def on_response(self, response: Response, origin: str) -> None:
        """Take a response of another server; never blocks.

        Args:
            response: The response.
            origin: The id of that server; empty where the format does not tell.
        """


class BusRecovery(Protocol):
    """Connection state recovery of a bus that keeps packets."""

    @property
    def may_wait_here(self) -> bool:
        """Whether :meth:`publish` may be called on the current greenlet."""

    def publish(self, request: Broadcast) -> str | None:
        """Publish a broadcast and return its offset; may block, for a bounded time.

        Args:
            request: The broadcast.

        Returns:
            ``None`` when the offset is not known in time; the broadcast is on its way then.
        """

    def delivering(self, offset: str, packet: Packet, target: Target) -> Target:
        """Note that a broadcast is delivered now; return the sockets that it is still for.

        Sockets that were recovered beyond it have it already.

        Args:
            offset: Its position.
            packet: What is sent.
            target: The sockets that it was sent to.
        """

    def current_offset(self) -> str:
        """Return the offset of the newest packet."""

    def persist(self, saved: SavedSocket) -> None:
        """Keep the state of a socket; never blocks.

        Args:
            saved: Its ids, rooms and data.
        """

    def restore(self, pid: str, offset: str | None) -> SavedSocket | None:
        """Return the state that was kept under ``pid`` and forget it; may block.

        Args:
            pid: The private id.
            offset: The offset that the client says it has reached, if any.
        """

    def missed(
        self, saved: SavedSocket, encode: Callable[[Packet], Message]
    ) -> list[Message] | None:
        """Return what was sent to a socket after its offset; may block.

        Args:
            saved: What :meth:`restore` has returned.
            encode: Makes the message of a packet.

        Returns:
            The messages in order; ``None`` when some of them are lost.
        """


class Bus(Protocol):
    """Carries the messages of one namespace between the servers of a cluster.

    A :class:`ClusterAdapter` calls :meth:`start` once in each process that serves clients, and
    :meth:`close` once at the end. It publishes before it starts as well. What other servers
    send goes to the receiver with :func:`deliver`: every message once, those of one server in
    the order in which it sent them, and none of this server's own.

    The guide to clusters ("A bus of your own") has a complete example.
    """

    @property
    def uid(self) -> str:
        """The id of this server on the bus."""

    def start(self, receiver: Receiver) -> None:
        """Begin to listen and to be counted; called again in a process that was forked.

        Args:
            receiver: Takes what other servers send.
        """

    def publish(self, request: Request) -> None:
        """Send a request to every other server; never blocks.

        Raises:
            TypeError, ValueError: The request holds what cannot be carried.
        """

    def respond(self, origin: str, response: Response) -> None:
        """Send a response to the server that has asked; never blocks.

        A response that cannot be carried is logged: that server has a deadline.

        Args:
            origin: The id of that server, as its request came with it.
            response: The response.
        """

    @property
    def is_connected(self) -> bool:
        """Whether it reaches the other servers, as far as it knows without asking them."""

    def server_count(self) -> int:
        """Return how many servers listen, this one included if it does; may block.

        Raises:
            OSError: The number is not known now.
        """

    def recover(self, options: RecoveryOptions) -> BusRecovery | None:
        """Keep packets from now on; return ``None`` when the bus cannot.

        Args:
            options: For how long, and how much.
        """

    @property
    def room_watcher(self) -> RoomWatcher | None:
        """What is told of the rooms of this server, if anything is."""

    def stats(self) -> dict[str, int]:
        """Return counters of the traffic with other servers."""

    def close(self) -> None:
        """Stop listening; harmless when called again."""


def deliver(
    receiver: Receiver,
    origin: str,
    message: Request | Response,
    offset: str | None = None,
    *,
    requests: RequestQueue | None = None,
    size: int = 0,
) -> None:
    """Pass a message on as what it is: a response at once, a request in its turn.

    Args:
        receiver: Takes it.
        origin: The id of the server that has sent it; empty where the format does not tell.
        message: The request or response.
        offset: The position of a broadcast, where the bus keeps packets.
        requests: Where a request waits for its turn. A bus that reads on a greenlet of its
            own needs one, since a request may block; without one it is served here and now.
        size: The bytes of the message, for the bound of ``requests``.
    """
    if isinstance(message, Response):
        receiver.on_response(message, origin)
    elif requests is None:
        receiver.on_request(message, origin, offset)
    else:
        requests.put(receiver.on_request, message, origin, offset, size=size)
