"""The event that a stack works for, named in the log when a handler blocks the hub."""

from __future__ import annotations

from collections.abc import Mapping
from types import FrameType
from typing import Any

from ..loop.stacks import Work, callers_of
from .dispatch import ask_middlewares, dispatch
from .handlers import Runner
from .socket import Socket
from .tasks import run_task

__all__ = ["work_of"]

#: The functions that call the application for an event. Each has a variable ``event``, and a
#: socket where there is one.
_CALLERS = {
    dispatch.__code__,
    ask_middlewares.__code__,
    run_task.__code__,
    *(call.__code__ for call in (Runner.call, Runner.within, Runner.visit, Runner.apart)),
}


def work_of(frame: FrameType) -> Work | None:
    """Return the event that a stack works for, the innermost of several."""
    for found in callers_of(frame):
        if found.f_code in _CALLERS:
            variables = found.f_locals
            return Work(_describe(variables), found)
    return None


def _describe(variables: Mapping[str, Any]) -> str:
    socket = variables.get("socket")
    where = f" in {socket.nsp.name!r}" if isinstance(socket, Socket) else ""
    return f"the handler of {variables.get('event')!r}{where}"
