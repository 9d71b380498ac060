"""The hooks by which metrics, spans, an admin page or another module observe a server.

``io.observe()`` adds an observer; without any, a message costs one look at an empty list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..adapters.values import Target

if TYPE_CHECKING:
    from .client import Client
    from .namespace import Namespace
    from .socket import Socket

__all__ = ["Observer"]


class Observer:
    """Each method is called when something has happened; derive, override, ``io.observe()``.

    They are called in the hub, on the greenlet of a handler, or where the application emits, and
    must not block. What they raise is logged and changes nothing.
    """

    def connected(self, client: Client) -> None:
        """A session is open; its client has joined no namespace yet."""

    def joined(self, socket: Socket) -> None:
        """A client has been let into a namespace; its connection handlers have not run yet.

        Args:
            socket: The client in the namespace.
        """

    def event_received(self, socket: Socket, event: str, args: list[Any], is_known: bool) -> None:
        """A client has sent an event; its handlers run next, on the same greenlet.

        Args:
            socket: The socket.
            event: The name of the event; the client has chosen it.
            args: Its arguments.
            is_known: Whether a handler is registered for that name. Of other names there is no
                end: an observer must not keep them.
        """

    def event_handled(self, socket: Socket, event: str, seconds: float) -> None:
        """The handlers of an event have run, and the client has its acknowledgement.

        It follows :meth:`event_received`, on the same greenlet.

        Args:
            socket: The socket.
            event: The name of the event.
            seconds: How long that took.
        """

    def emitted(
        self, namespace: Namespace, target: Target, event: str, args: tuple[Any, ...]
    ) -> None:
        """The application of this server has sent an event; once, however many clients get it.

        Args:
            namespace: Where.
            target: The rooms; the id of one socket for an event to that client alone.
            event: The name of the event.
            args: Its arguments.
        """

    def left(self, socket: Socket, reason: str) -> None:
        """A socket has left its namespace; ``disconnect`` handlers have not run yet.

        Args:
            socket: The socket.
            reason: Why it has; one of :class:`flask_realtime.Reason`.
        """

    def closed(self, client: Client) -> None:
        """A session is over; its sockets leave next.

        Args:
            client: The connection.
        """

    def failed(self, error: BaseException, socket: Socket | None, event: str) -> None:
        """A handler has raised; ``on_error`` is called next.

        Args:
            error: What it has raised.
            socket: The socket, if the event has one.
            event: The name of the event.
        """
