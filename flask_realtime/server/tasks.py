"""Background tasks of an application: greenlets that a server owns, from their start to its end.

A task has a context of its own, whatever it was started in, and what it raises is reported like
an exception of a handler. Nothing waits for tasks: they go on while a server that is told to stop
lets clients and handlers end, and are stopped before the adapters are closed, or at the end of a
process that does not close its server.

A forked process has copies of the greenlets, which would do everything a second time, over
connections that both processes have. They are stopped there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import Any, Final

import gevent
from gevent import Greenlet, getcurrent
from gevent.pool import Group

from ..engine.shutdown import stop
from ..functions import require_function
from ..loop.children import in_children
from ..loop.exit_hooks import at_exit
from ..loop.hub import HubThread
from .handlers import CAUGHT, Runner

__all__ = ["TASK", "Tasks", "run_task"]

logger = logging.getLogger(__name__)

#: The name of the event that error handlers get.
TASK: Final = "background task"


class Tasks:
    """The background tasks of one server.

    Args:
        runner: Knows the contexts of the application, and reports what tasks raise.
        hub: The thread that they run in.
    """

    def __init__(self, runner: Runner, hub: HubThread) -> None:
        self._runner = runner
        self._hub = hub
        self._greenlets: Group | None = None
        self._inherited = 0
        self._is_closed = False
        self._unhook: Callable[[], None] = _nothing

    def start(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Greenlet[..., Any]:
        """Start ``function(*args, **kwargs)`` in a greenlet; see ``start_background_task``."""
        if not callable(function):
            raise TypeError(
                f"a background task must be callable, not {type(function).__name__}: pass the "
                "function and its arguments, start_background_task(fn, *args)"
            )
        require_function(function, "a background task")
        if self._is_closed:
            raise RuntimeError("this server has been closed: it starts no background task")
        context = self._runner.context
        within = None if context is None else context.for_task()
        call = (self._runner, TASK, within, function, args, kwargs)
        return self._hub.ask(self._spawn, *call)

    def _spawn(self, *call: Any) -> Greenlet[..., Any]:
        if self._greenlets is None:
            self._greenlets = Group()
            in_children(self.forget)
            self._unhook = at_exit(self._stop_at_exit)
        # Without the context variables of the handler that starts it.
        return self._greenlets.spawn(Context().run, run_task, *call)

    def forget(self) -> None:
        """Stop the copies of tasks that this process, a forked one, has."""
        greenlets, self._greenlets = self._greenlets, Group()
        if greenlets:
            self._inherited = len(greenlets)
            # In the next turn of the hub, if it has one: the child may become another program.
            gevent.killall(list(greenlets), block=False)

    def note_inherited(self) -> None:
        """Log that tasks of the parent do not run here; the server begins to serve."""
        if self._inherited:
            logger.warning(
                "! %d background tasks were started before this process was forked, and run in "
                "its parent only: start them in the process that serves, in a handler of "
                "'connection' for instance, or in a process of their own with an Emitter",
                self._inherited,
            )
            self._inherited = 0

    def stop(self) -> None:
        """Stop all tasks, and block until they have ended, for a moment at most."""
        self._is_closed = True
        self._unhook()
        current = getcurrent()
        running = [task for task in self._greenlets or () if task is not current]
        if running:
            logger.info("- %d background tasks are stopped", len(running))
            stop(running)

    def _stop_at_exit(self) -> None:
        # Another thread than theirs cannot stop them.
        if not self._hub.is_foreign:
            self.stop()


def _nothing() -> None:
    pass


def run_task(
    runner: Runner,
    event: str,
    within: Callable[..., Any] | None,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Any:
    """Call the function of a task.

    Args:
        runner: Reports what it raises.
        event: What it is called in reports.
        within: Calls a function in the context of the application.
        function: The function.
        args: Its arguments.
        kwargs: Its keywords.

    Returns:
        Its result; ``None`` when it has raised.
    """

    def call() -> Any:
        try:
            return function(*args, **kwargs)
        except CAUGHT as error:
            runner.report(error, None, event)
            return None

    if within is None:
        return call()
    try:
        return within(call, ())
    except CAUGHT as error:
        # The context itself failed: a teardown function of the application.
        runner.report(error, None, event)
        return None
