"""A namespace, as applications hold it: what they register, broadcast and ask for.

They get one from ``io.of("/name")``, or derive a class from :class:`Namespace` and register it
(Socket.IO documentation, "Namespaces").
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..adapters.base import Adapter, ServerAck
from .broadcast import BroadcastOperator, check_timeout
from .namespace_core import NamespaceCore, SocketsById
from .registrations import Registering, Registrations
from .room_selectors import Broadcaster
from .server_side import SERVER_TIMEOUT, ask_servers, for_servers

if TYPE_CHECKING:
    from .server import BaseServer

__all__ = ["Namespace", "ServerAck", "with_slash"]


def with_slash(name: str) -> str:
    """Return the name of a namespace, with a slash in front."""
    return name if name.startswith("/") else "/" + name


class Namespace(Registering, Broadcaster):
    """The sockets under one name, and what happens to them.

    A class-based namespace derives from it: ``on_connection(self, socket)``,
    ``on_disconnect(self, socket, reason)`` and ``on_<event>(self, socket, *args)`` are its
    handlers; ``io.register(Chat("/chat"))`` puts it to work.

    Args:
        name: It begins with a slash; one is added when it does not.

    Raises:
        TypeError: It is not a string.

    Attributes:
        name: The name.
        sockets: The sockets of this server by id; a mapping that is always current.
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(
                f"the name of a namespace must be a string, not {type(name).__name__}; "
                "a class for many names derives from ParentNamespace"
            )
        self.name = with_slash(name)
        self._core = self._make_core()
        self.sockets = SocketsById(self._core.sockets)
        self._register_methods()

    def _make_core(self) -> NamespaceCore:
        return NamespaceCore(self.name, self)

    def _register_methods(self) -> None:
        if type(self) is Namespace:
            return
        for name in dir(self):
            if name.startswith("on_") and not hasattr(Namespace, name):
                method = getattr(self, name)
                if inspect.ismethod(method):
                    self.event(name[3:], method)

    def bind(self, server: BaseServer) -> NamespaceCore:
        """Put the namespace to work on a server; ``io.register`` calls it, once.

        Returns:
            What the server's own parts use of it.

        Raises:
            RuntimeError: It works on a server already.
        """
        self._core.bind(server)
        return self._core

    @property
    def server(self) -> BaseServer:
        """The server that the namespace is registered with.

        Raises:
            RuntimeError: It is not registered yet.
        """
        server = self._core.server
        if server is None:
            raise RuntimeError(f"the namespace {self.name!r} is not registered with a server yet")
        return server

    @property
    def adapter(self) -> Adapter:
        """What looks after rooms and carries broadcasts."""
        return self._core.adapter

    # What applications register

    @property
    def _registrations(self) -> Registrations:
        return self._core.registrations

    def event(
        self, name: str, function: Callable[..., Any], concurrent: bool = False
    ) -> Callable[..., Any]:
        """Register ``function(socket, *args)`` for an event of all sockets.

        Args:
            name: The event.
            function: The handler.
            concurrent: Give each call a greenlet of its own, out of order.

        Returns:
            The function.

        Raises:
            TypeError: The name is not text, or the function cannot be called.
            ValueError: No client can send an event of that name.
        """
        self._registrations.handle(name, function, concurrent)
        return function

    # Broadcasting

    def _operator(self) -> BroadcastOperator:
        return BroadcastOperator(self._core)

    def server_side_emit(self, event: str, *args: Any, ack: ServerAck | None = None) -> None:
        """Send an event to the other servers of the cluster.

        Args:
            event: Its name.
            args: What JSON can carry.
            ack: ``fn(error, responses)`` is called with what the others answered within 5 s;
                with an empty list where there is no other server, and with
                :exc:`ClusterTimeout` when some did not answer.

        Raises:
            ValueError: The name belongs to the server, or a value is NaN or infinite.
            TypeError: A value cannot be carried.
            RuntimeError: With ``ack``: this server listens to no other yet.
        """
        core = self._core
        done = None if ack is None else core.callback(ack)
        values = for_servers(core, event, args)
        core.hub.run(core.adapter.server_side_emit, values, done, SERVER_TIMEOUT)

    def server_side_emit_with_ack(self, event: str, *args: Any, timeout: float = 5) -> list[Any]:
        """Send an event to the other servers and return what they answered.

        A server without a listener for the event does not answer, and neither does one whose
        first listener raises.

        Args:
            event: Its name.
            args: What JSON can carry.
            timeout: Seconds that they have.

        Returns:
            One value for each other server.

        Raises:
            ClusterTimeout: Some did not answer; ``responses`` holds the others' answers.
            TypeError, ValueError: As for :meth:`server_side_emit`.
            RuntimeError: This server listens to no other yet.
        """
        core, timeout = self._core, check_timeout(timeout)
        return core.hub.ask(ask_servers, core.adapter, for_servers(core, event, args), timeout)

    def __repr__(self) -> str:
        return f"<Namespace {self.name}>"
