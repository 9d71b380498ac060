"""Passes an event to its handlers, and their results to the acknowledgement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .handlers import CAUGHT, FAILED, Handler

if TYPE_CHECKING:
    from .socket_core import SocketCore

__all__ = ["Responder", "ack_arguments", "ask_middlewares", "dispatch"]


class Responder:
    """What a handler with a parameter ``ack`` gets: the first call answers, the others do nothing.

    Args:
        core: The socket that the event came from.
        ack_id: The client's id; ``None`` when it did not ask for an acknowledgement.
    """

    __slots__ = ("_ack_id", "_core")

    def __init__(self, core: SocketCore, ack_id: int | None) -> None:
        self._core = core
        self._ack_id = ack_id

    def __call__(self, *args: Any) -> None:
        """Answer the client; raises what :meth:`Socket.emit` raises for values."""
        if self._ack_id is not None:
            self._core.answer(self._ack_id, *args)
            self._ack_id = None


def ack_arguments(result: Any) -> tuple[Any, ...]:
    """Return the arguments of an acknowledgement for what a handler returned."""
    if result is None:
        return ()
    return result if type(result) is tuple else (result,)


def ask_middlewares(
    core: SocketCore, event: str, middlewares: Sequence[Callable[..., Any]], args: list[Any]
) -> bool:
    """Call the middlewares of a socket in order; return whether all have let the event pass.

    The ``error`` handlers of the socket get what the first that raises has raised.
    """
    socket, runner = core.socket, core.namespace.runner
    for middleware in middlewares:
        try:
            middleware(event, args)
        except CAUGHT as error:
            runner.fail(error)
            for handler in core.handlers.take("error"):
                runner.call(socket, "error", handler.function, error)
            return False
    return True


def dispatch(
    core: SocketCore,
    event: str,
    handlers: Sequence[Handler],
    args: list[Any],
    ack_id: int | None,
) -> None:
    """Call the handlers in order and answer the client.

    The first result that is not ``None`` is the answer; without one it has no arguments. An
    event without handlers, or whose handlers all fail or answer by themselves, is not answered
    here.
    """
    socket, runner = core.socket, core.namespace.runner
    respond: Responder | None = None
    answer: Any = FAILED
    for handler in handlers:
        function = handler.function
        given = [socket, *args] if handler.with_socket else args
        try:
            if handler.wants_ack:
                respond = respond or Responder(core, ack_id)
                function(*given, ack=respond)
                continue
            result = function(*given)
        except CAUGHT as error:
            runner.report(error, socket, event)
            continue
        if answer is FAILED or answer is None:
            answer = result
    if ack_id is None or answer is FAILED:
        return
    try:
        if respond is None:
            core.answer(ack_id, *ack_arguments(answer))
        else:
            respond(*ack_arguments(answer))
    except CAUGHT as error:
        # A result that cannot be encoded is reported as a failure of the handler.
        runner.report(error, socket, event)
