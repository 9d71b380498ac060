"""The methods of a server by which applications register handlers and start background tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

import gevent

from ..functions import require_function
from .event_names import check_handler
from .handlers import Runner
from .namespace_methods import NamespaceMethods
from .parent import Matcher
from .tasks import Tasks

if TYPE_CHECKING:
    from gevent import Greenlet

__all__ = ["ServerMethods"]

F = TypeVar("F", bound=Callable[..., Any])
H = TypeVar("H", bound=Callable[[Exception, Any, str], Any])


class ServerMethods(NamespaceMethods):
    """Handlers as functions of a module, for any namespace; error handler; background tasks."""

    runner: Runner
    _tasks: Tasks

    def of(self, name: Any) -> Any:
        """Return the namespace of that name."""
        raise NotImplementedError

    @overload
    def event(self, name: F) -> F: ...
    @overload
    def event(
        self,
        name: str | None = None,
        *,
        namespace: str | Matcher = "/",
        concurrent: bool | None = None,
        thread: bool = False,
    ) -> Callable[[F], F]: ...
    def event(
        self,
        name: Any = None,
        *,
        namespace: str | Matcher = "/",
        concurrent: bool | None = None,
        thread: bool = False,
    ) -> Any:
        """Register ``function(socket, *args)`` for an event of every socket; a decorator.

        Used bare, the function's name is the event: ``connection`` and ``disconnect`` work
        as well.

        Args:
            name: The event.
            namespace: The namespace whose sockets are meant; what :meth:`of` takes.
            concurrent: Give each call a greenlet of its own, out of order; the option
                ``concurrent`` of the server by default.
            thread: Call it in a native thread, for what blocks in C.

        Raises:
            TypeError: The name is not text, or the function cannot be called.
            ValueError: No client can send an event of that name.
        """
        if name is not None and not isinstance(name, str):
            require_function(name, "a handler")
            return self.of(namespace).event(name.__name__, name, concurrent, thread)
        if name is not None:
            check_handler(name)

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            event = name or function.__name__
            registered: Callable[..., Any] = self.of(namespace).event(
                event, function, concurrent, thread
            )
            return registered

        return decorate

    @overload
    def fallback(self, function: F) -> F: ...
    @overload
    def fallback(
        self,
        *,
        namespace: str | Matcher = "/",
        concurrent: bool | None = None,
        thread: bool = False,
    ) -> Callable[[F], F]: ...
    def fallback(
        self,
        function: Any = None,
        *,
        namespace: str | Matcher = "/",
        concurrent: bool | None = None,
        thread: bool = False,
    ) -> Any:
        """Register ``function(socket, event, *args)`` for events that have no handler.

        A decorator, with or without brackets. What the function returns answers the client.
        Several are called in the order of registration, and the first result that is not ``None``
        is the answer.

        Args:
            function: The handler.
            namespace: The namespace whose events are meant; what :meth:`of` takes.
            concurrent: As for :meth:`event`.
            thread: As for :meth:`event`.

        Raises:
            TypeError: The function cannot be called.
        """
        if isinstance(function, str):
            raise TypeError(f"fallback() takes no name: write @io.fallback(namespace={function!r})")
        return self.of(namespace).fallback(function, concurrent=concurrent, thread=thread)

    def on_error(self, function: H) -> H:
        """Call ``function(exception, socket, event)`` for what handlers raise; a decorator.

        Raises:
            TypeError: It cannot be called.
        """
        require_function(function, "an error handler")
        self.runner.on_error = function
        return function

    def start_background_task(
        self, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Greenlet[..., Any]:
        """Start ``function(*args, **kwargs)`` beside the handlers, in a greenlet.

        With Flask it has an app context of its own: that of the application that is current
        here, or of the only one. What it raises is logged and goes to the error handler, with
        ``None`` as the socket and ``"background task"`` as the event. It is killed when the server
        is closed; nothing waits for it.

        Args:
            function: The function itself, and not its result.
            args: Its arguments.
            kwargs: Its keywords.

        Returns:
            The greenlet, which has ``join()``, ``kill()`` and ``dead``; its ``value`` is what the
            function has returned, ``None`` when it has raised.

        Raises:
            TypeError: It cannot be called, or is a coroutine function.
            RuntimeError: The server is closed, or there is no application, or more than one and
                none is current.
        """
        return self._tasks.start(function, args, kwargs)

    @staticmethod
    def sleep(seconds: float = 0) -> None:
        """Wait, and let others run; no patching is needed.

        Args:
            seconds: How long; 0 lets others run that are ready.
        """
        gevent.sleep(seconds)
