"""A namespace, as applications hold it: what they register, broadcast and ask for.

They get one from ``io.of("/name")``, or derive a class from :class:`Namespace` and register it
(Socket.IO documentation, "Namespaces").
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..adapters.base import Adapter, ServerAck
from .broadcast import BroadcastOperator
from .namespace_core import NamespaceCore, SocketsById
from .namespace_methods import NamespaceMethods

if TYPE_CHECKING:
    from .server import BaseServer

__all__ = ["Namespace", "ServerAck", "with_slash"]

F = TypeVar("F", bound="Callable[..., Any]")


def with_slash(name: str) -> str:
    """Return the name of a namespace, with a slash in front."""
    return name if name.startswith("/") else "/" + name


class Namespace(NamespaceMethods):
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
        self.name: str = with_slash(name)
        self._core = self._make_core()
        self.sockets: SocketsById = SocketsById(self._core.sockets)
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
        """The adapter, which keeps rooms and carries broadcasts."""
        return self._core.adapter

    @property
    def _home(self) -> NamespaceCore:
        return self._core

    def _operator(self) -> BroadcastOperator:
        return BroadcastOperator(self._core)

    def event(
        self,
        name: str,
        function: Callable[..., Any],
        concurrent: bool | None = None,
        thread: bool = False,
    ) -> Callable[..., Any]:
        """Register ``function(socket, *args)`` for an event of all sockets.

        Args:
            name: The event.
            function: The handler.
            concurrent: Give each call a greenlet of its own, out of order; the option
                ``concurrent`` of the server by default.
            thread: Call it in a native thread, for what blocks in C.

        Returns:
            The function.

        Raises:
            TypeError: The name is not text, or the function cannot be called.
            ValueError: No client can send an event of that name.
        """
        self._core.registrations.handle(name, function, concurrent, thread)
        return function

    @overload
    def fallback(self, function: F) -> F: ...
    @overload
    def fallback(
        self, *, concurrent: bool | None = None, thread: bool = False
    ) -> Callable[[F], F]: ...
    def fallback(
        self, function: Any = None, *, concurrent: bool | None = None, thread: bool = False
    ) -> Any:
        """Register ``function(socket, event, *args)`` for events that have no handler.

        What it returns answers the client. Several are called in the order of registration, and
        the first result that is not ``None`` is the answer.

        Args:
            function: The handler; left out, the method returns a decorator.
            concurrent: As for :meth:`event`.
            thread: As for :meth:`event`.

        Raises:
            TypeError: The function cannot be called.
        """

        def register(given: Callable[..., Any]) -> Callable[..., Any]:
            self._core.registrations.handle_others(given, concurrent, thread)
            return given

        return register if function is None else register(function)

    def __repr__(self) -> str:
        return f"<Namespace {self.name}>"
