"""One event to its handlers, and their results to the acknowledgement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .handlers import FAILED, Handler, Runner

__all__ = ["ack_arguments", "dispatch"]


def ack_arguments(result: Any) -> tuple[Any, ...]:
    """Return the arguments of an acknowledgement for what a handler returned."""
    if result is None:
        return ()
    return result if type(result) is tuple else (result,)


def dispatch(
    runner: Runner,
    socket: Any,
    event: str,
    handlers: Sequence[Handler],
    args: list[Any],
    respond: Callable[..., None] | None,
) -> None:
    """Call the handlers in order and answer the client.

    The first result that is not ``None`` is the answer; without one it has no arguments. An
    event that nobody handles, or whose handlers all fail or answer by themselves, is not
    answered here.
    """
    if respond is None:
        for handler in handlers:
            _call(runner, socket, event, handler, args, _nobody_listens)
        return
    results = [
        result
        for handler in handlers
        if (result := _call(runner, socket, event, handler, args, respond)) is not FAILED
        and not handler.wants_ack
    ]
    if results:
        answer = next((result for result in results if result is not None), None)
        # What cannot be encoded is the handler's mistake, and reported like one.
        runner.call(socket, event, respond, *ack_arguments(answer))


def _call(
    runner: Runner,
    socket: Any,
    event: str,
    handler: Handler,
    args: list[Any],
    respond: Callable[..., None],
) -> Any:
    if handler.with_socket:
        args = [socket, *args]
    if handler.wants_ack:
        return runner.call(socket, event, handler.function, *args, ack=respond)
    return runner.call(socket, event, handler.function, *args)


def _nobody_listens(*args: Any) -> None:
    """The client did not ask for an acknowledgement."""
