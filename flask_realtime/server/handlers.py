"""Functions of the application: their signatures, and the runner that calls them.

A signature is read once, when the function is registered; nothing is inspected at a call.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Hashable
from types import FunctionType, MethodType
from typing import Any, Final, NamedTuple, Protocol

import gevent

from ..events import ListenerTable
from ..functions import require_function
from ..loop.hub import HubThread
from ..loop.native_threads import NativeThreads
from ..quoting import named, quoted
from .observer import Observer

__all__ = [
    "CAUGHT",
    "FAILED",
    "Context",
    "Handler",
    "HandlerTable",
    "Runner",
    "Visitor",
    "describe",
]

logger = logging.getLogger(__name__)

Function = Callable[..., Any]

#: What handlers may raise: ``gevent.Timeout`` does not derive from ``Exception``.
CAUGHT: Final = (Exception, gevent.Timeout)

#: What :meth:`Runner.call` returns when the function raised.
FAILED: Final = object()

#: What is logged when a handler fails.
FAILURE: Final = "! handler of %s failed (socket %s)"

_UNBOUNDED = 1_000
_VARARGS = inspect.CO_VARARGS


class Handler(NamedTuple):
    """A registered function.

    Attributes:
        function: The function.
        max_args: How many positional arguments it takes.
        wants_ack: Whether it has a keyword-only parameter ``ack``.
        once: Whether it is called once only.
        concurrent: Whether each call gets a greenlet of its own; ``None`` is the default of the
            server.
        with_socket: Whether the socket is its first argument.
        thread: Whether it runs in a native thread.
    """

    function: Function
    max_args: int
    wants_ack: bool
    once: bool = False
    concurrent: bool | None = None
    with_socket: bool = False
    thread: bool = False


def describe(
    function: Function,
    *,
    once: bool = False,
    concurrent: bool | None = None,
    with_socket: bool = False,
    thread: bool = False,
) -> Handler:
    """Read the signature of a function.

    Raises:
        TypeError: It is not callable, or a coroutine function: this server is synchronous.
    """
    require_function(function, "a handler")
    max_args, wants_ack = _signature(function)
    return Handler(function, max_args, wants_ack, once, concurrent, with_socket, thread)


def _signature(function: Function) -> tuple[int, bool]:
    # Handlers are usually closures made for each connection: their code object is quicker to
    # read than `inspect.signature` (0.3 µs against 15 µs).
    if type(function) is FunctionType and not hasattr(function, "__wrapped__"):
        return _code_signature(function)
    if type(function) is MethodType and type(function.__func__) is FunctionType:
        max_args, wants_ack = _code_signature(function.__func__)
        return max_args - 1, wants_ack
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return _UNBOUNDED, False
    if any(item.kind is item.VAR_POSITIONAL for item in parameters):
        max_args = _UNBOUNDED
    else:
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        max_args = sum(item.kind in positional for item in parameters)
    return max_args, any(
        item.kind is item.KEYWORD_ONLY and item.name == "ack" for item in parameters
    )


def _code_signature(function: FunctionType) -> tuple[int, bool]:
    code = function.__code__
    count = code.co_argcount
    keyword_only = code.co_varnames[count : count + code.co_kwonlyargcount]
    return (_UNBOUNDED if code.co_flags & _VARARGS else count), "ack" in keyword_only


class HandlerTable(ListenerTable[Handler]):
    """Handlers by event name, in order of registration.

    Attributes:
        fallbacks: The handlers of events that have none here.
        has_apart: Whether the calls of some handler have, or may have, a greenlet or a thread of
            their own.
    """

    __slots__ = ("fallbacks", "has_apart")

    def __init__(self) -> None:
        super().__init__()
        self.fallbacks: tuple[Handler, ...] = ()
        self.has_apart: bool = False

    def add(self, event: Hashable, entry: Handler, first: bool = False) -> None:
        """Add a handler after the present ones, or before them."""
        super().add(event, entry, first)
        if entry.concurrent or entry.thread:
            self.has_apart = True

    def add_fallback(self, entry: Handler) -> None:
        """Add a handler of events that have none, after the present ones."""
        self.fallbacks = (*self.fallbacks, entry)
        if entry.concurrent or entry.thread:
            self.has_apart = True

    def copy_to(self, other: HandlerTable) -> None:
        """Add all handlers to another table as well."""
        for event, handlers in self.items():
            for handler in handlers:
                other.add(event, handler)
        for handler in self.fallbacks:
            other.add_fallback(handler)


class Visitor(NamedTuple):
    """A client that is in no namespace yet; a context gets it in place of a socket."""

    client: Any


class Context(Protocol):
    """What handlers of an application are called in; ``server.runner.context`` has it."""

    def call(self, socket: Any, event: str, function: Function, args: tuple[Any, ...]) -> Any:
        """Call ``function(*args)`` as one event of a socket.

        Args:
            socket: The :class:`Socket`, or a :class:`Visitor`; both have a ``client``.
            event: The name of the event: the client's, or ``connection``, ``disconnect``,
                ``middleware``, ``acknowledgement``, ``namespace`` …
            function: Calls the handlers of the event; what they raise does not leave it.
            args: Its arguments.

        Returns:
            The result of the function.
        """

    def call_apart(self, event: str, function: Function, args: tuple[Any, ...]) -> Any:
        """Call ``function(*args)`` for an event that has no client; return its result."""

    def for_task(self) -> Callable[[Function, tuple[Any, ...]], Any]:
        """Return ``call(function, args)`` for a background task that is started here.

        Raises:
            RuntimeError: Which application it belongs to cannot be told.
        """

    def failed(self, error: BaseException) -> None:
        """Take what a handler of the event on this greenlet has raised; it is caught."""


class Runner:
    """Calls functions of the application, each inside the application's context.

    Attributes:
        context: What functions are called in, a :class:`Context`; ``None`` costs nothing.
        observers: Told of what happens; see :class:`~.observer.Observer`. None cost nothing.
        on_error: ``fn(exception, socket, event)``, called with what handlers raise.
        errors: How many exceptions handlers have raised.
        threads: Where handlers that block in C are called.

    Args:
        hub: The thread that owns the sessions.
    """

    def __init__(self, hub: HubThread | None = None) -> None:
        self.threads: NativeThreads = NativeThreads(hub or HubThread())
        self.context: Context | None = None
        self.observers: list[Observer] = []
        self.on_error: Callable[[Any, Any, str], Any] | None = None
        self.errors: int = 0

    def within(self, socket: Any, event: str, function: Function, *args: Any) -> Any:
        """Call a function of this package that calls handlers, inside the context.

        Returns:
            Its result, or ``FAILED`` when the context has failed.
        """
        if self.context is None:
            return function(*args)
        try:
            return self.context.call(socket, event, function, args)
        except CAUGHT as error:
            # The context itself failed: a teardown function of the application.
            self.report(error, socket, event)
            return FAILED

    def visit(self, client: Any, event: str, function: Function, *args: Any) -> Any:
        """Like :meth:`within`, for a client that is in no namespace yet."""
        if self.context is None:
            return function(*args)
        try:
            return self.context.call(Visitor(client), event, function, args)
        except CAUGHT as error:
            self.report(error, None, event)
            return FAILED

    def apart(self, event: str, function: Function, *args: Any) -> Any:
        """Like :meth:`within`, for an event without a client; in a greenlet of its own."""
        if self.context is None:
            return function(*args)
        try:
            return self.context.call_apart(event, function, args)
        except CAUGHT as error:
            self.report(error, None, event)
            return FAILED

    def call(self, socket: Any, event: str, function: Function, *args: Any, **kwargs: Any) -> Any:
        """Call a handler; return its result, or ``FAILED`` when it raised."""
        try:
            return function(*args, **kwargs)
        except CAUGHT as error:
            self.report(error, socket, event)
            return FAILED

    def report(self, error: BaseException, socket: Any, event: str, text: str = FAILURE) -> None:
        """Log an exception of a handler, count it and call ``on_error``.

        Args:
            error: The exception.
            socket: The socket of the handler, if it has one.
            event: The name of the event.
            text: The log line, with places for the event and the id of the socket.
        """
        self.errors += 1
        self.fail(error)
        sid = "none" if socket is None else named(socket.id)
        logger.error(text, quoted(event), sid, exc_info=error)
        if self.observers:
            self.observe("failed", error, socket, event)
        if self.on_error is not None:
            try:
                self.on_error(error, socket, event)
            except CAUGHT:
                logger.exception("! the error handler failed")

    def observe(self, hook: str, *args: Any) -> None:
        """Call a method of all observers; what it raises is logged.

        Args:
            hook: The name of the method.
            args: Its arguments.
        """
        for observer in tuple(self.observers):
            try:
                getattr(observer, hook)(*args)
            except CAUGHT:
                logger.exception("! an observer failed at %s", named(hook))

    def fail(self, error: BaseException) -> None:
        """Tell the context that the event on this greenlet has failed."""
        if self.context is not None:
            self.context.failed(error)
