"""One event to its handlers, and their results to the acknowledgement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from .handlers import CAUGHT, FAILED, Handler, HandlerTable, Runner

__all__ = ["Responder", "ack_arguments", "ask_middlewares", "dispatch"]


class Answering(Protocol):
    """A socket, as far as its handlers' results are concerned."""

    handlers: HandlerTable

    @property
    def runner(self) -> Runner:
        """Calls handlers."""

    def answer(self, ack_id: int, *args: Any) -> None:
        """Answer an acknowledgement that the client has asked for."""


class Responder:
    """What a handler with a parameter ``ack`` gets: the first call answers, the others do nothing.

    Args:
        socket: The socket that the event came from.
        ack_id: The client's id; ``None`` when it did not ask for an acknowledgement.
    """

    __slots__ = ("_ack_id", "_socket")

    def __init__(self, socket: Answering, ack_id: int | None) -> None:
        self._socket = socket
        self._ack_id = ack_id

    def __call__(self, *args: Any) -> None:
        """Answer the client; raises what :meth:`Socket.emit` raises for values."""
        if self._ack_id is not None:
            self._socket.answer(self._ack_id, *args)
            self._ack_id = None


def ack_arguments(result: Any) -> tuple[Any, ...]:
    """Return the arguments of an acknowledgement for what a handler returned."""
    if result is None:
        return ()
    return result if type(result) is tuple else (result,)


def ask_middlewares(
    socket: Answering, event: str, middlewares: Sequence[Callable[..., Any]], args: list[Any]
) -> bool:
    """Call the middlewares of a socket in order; say whether all have let the event pass.

    The ``error`` handlers of the socket get what the first that raises has raised.
    """
    runner = socket.runner
    for middleware in middlewares:
        try:
            middleware(event, args)
        except CAUGHT as error:
            runner.fail(error)
            for handler in socket.handlers.take("error"):
                runner.call(socket, "error", handler.function, error)
            return False
    return True


def dispatch(
    socket: Answering, event: str, handlers: Sequence[Handler], args: list[Any], ack_id: int | None
) -> None:
    """Call the handlers in order and answer the client.

    The first result that is not ``None`` is the answer; without one it has no arguments. An
    event that nobody handles, or whose handlers all fail or answer by themselves, is not
    answered here.
    """
    runner = socket.runner
    respond: Responder | None = None
    answer: Any = FAILED
    for handler in handlers:
        function = handler.function
        given = [socket, *args] if handler.with_socket else args
        try:
            if handler.wants_ack:
                respond = respond or Responder(socket, ack_id)
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
            socket.answer(ack_id, *ack_arguments(answer))
        else:
            respond(*ack_arguments(answer))
    except CAUGHT as error:
        # What cannot be encoded is the handler's mistake, and reported like one.
        runner.report(error, socket, event)
