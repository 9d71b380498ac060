"""The methods of a namespace; a server has them for its main namespace.

(Socket.IO documentation, "Server API".)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, overload

from ..adapters.base import ServerAck
from ..events import ListenerMethods
from ..hints import LISTENER_KEYWORDS, SERVER_KEYWORDS, refuse_keywords
from .broadcast import check_timeout
from .event_names import check_listener
from .registrations import NamespaceListeners
from .room_selectors import Broadcaster
from .server_side import SERVER_TIMEOUT, ask_servers, for_servers

if TYPE_CHECKING:
    from .namespace_core import NamespaceCore
    from .socket import Socket

__all__ = ["NamespaceMethods"]

F = TypeVar("F", bound=Callable[..., Any])
M = TypeVar("M", bound="Callable[[Socket], Any]")


class NamespaceMethods(ListenerMethods, Broadcaster):
    """Register, broadcast, and send events to other servers."""

    @property
    def _home(self) -> NamespaceCore:
        """The namespace that the methods act on."""
        raise NotImplementedError

    @property
    def _table(self) -> NamespaceListeners:
        return self._home.registrations.listeners

    def _register(
        self, event: str, function: Any, *, once: bool = False, first: bool = False
    ) -> Any:
        check_listener(event)
        if function is None:
            return lambda decorated: self._register(event, decorated, once=once, first=first)
        self._home.registrations.listen(event, function, once=once, first=first)
        return function

    @overload
    def on(self, event: str, **wrong: NoReturn) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, function: F, **wrong: NoReturn) -> F: ...
    def on(self, event: str, function: Any = None, **wrong: NoReturn) -> Any:
        """Call ``function`` for each ``event`` of the server; also as a decorator.

        Args:
            event: ``connection`` or ``connect``, whose listeners get the socket;
                ``new_namespace``; or an event of other servers.
            function: Left out, the method returns a decorator.

        Returns:
            The function, or the decorator.

        Raises:
            TypeError: The name is not a string, or the function cannot be called.
            ValueError: No other server, and nothing here, ever sends it.
        """
        if wrong:
            refuse_keywords("on", wrong, LISTENER_KEYWORDS)
        return self._register(event, function)

    def use(self, middleware: M) -> M:
        """Call a function for each client that wants to connect; several are called in order.

        It refuses the client by raising :exc:`~flask_realtime.ConnectError`.

        Args:
            middleware: ``fn(socket)``; it may block.

        Raises:
            TypeError: It cannot be called.
        """
        self._home.registrations.guard(middleware)
        return middleware

    def server_side_emit(
        self, event: str, *args: Any, ack: ServerAck | None = None, **wrong: NoReturn
    ) -> None:
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
        if wrong:
            refuse_keywords("server_side_emit", wrong, SERVER_KEYWORDS)
        core = self._home
        done = None if ack is None else core.callback(ack)
        values = for_servers(core, event, args)
        core.hub.run(core.adapter.server_side_emit, values, done, SERVER_TIMEOUT)

    def server_side_emit_with_ack(
        self, event: str, *args: Any, timeout: float = 5, **wrong: NoReturn
    ) -> list[Any]:
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
        if wrong:
            refuse_keywords("server_side_emit_with_ack", wrong, SERVER_KEYWORDS)
        core, timeout = self._home, check_timeout(timeout)
        return core.hub.ask(ask_servers, core.adapter, for_servers(core, event, args), timeout)
