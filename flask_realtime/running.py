"""What ``run()`` does: it serves in this process, in workers, or in children of a reloader.

Whichever process serves waits until it is asked to stop. Then it closes the clients, over
``drain_seconds``, and after them the connections, the handlers and the adapters.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn

import click
from gevent import get_hub
from gevent.event import Event

from .engine.state import Life
from .hosts.embedded import EmbeddedServer, QuietHandler, RealtimeHandler
from .hosts.reloader import inherited_listener, is_parent, listen, serve_in_children
from .hosts.run_options import RunOptions, why_not
from .hosts.stop_signals import StopSignals
from .loop.children import in_children
from .loop.patching import warn_if_unpatched

if TYPE_CHECKING:
    from .hosts.fleet import Lifeline
    from .hosts.watched_files import WatchedFiles
    from .hosts.workers.embedded_worker import EmbeddedWorker
    from .serving import Server

__all__ = ["Run"]

logger = logging.getLogger(__name__)


class Run:
    """One call of ``run()``.

    Args:
        server: What is served.
        application: The WSGI application that contains it.
        options: Where to listen, and how.
        stops: Where the call that ends this run is kept while it is under way; it may be made
            from any thread.
    """

    def __init__(
        self,
        server: Server,
        application: Any,
        options: RunOptions,
        stops: list[Callable[[], None]],
    ) -> None:
        self._server = server
        self._application = application
        self._options = options
        self._stops = stops

    def begin(self) -> None:
        """Serve until it is asked to stop.

        Raises:
            ValueError: Workers are asked for, and the server keeps to itself.
            SystemExit: The port cannot be used; or this is a worker, at its end, or the parent
                of others that have ended.
        """
        options = self._options
        if options.development.files is not None and is_parent():
            # It raises: the children serve.
            self._watch(options.development.files)
        listener = inherited_listener(options.port, self._server.stop)
        http_server = self._made(listener)
        if options.workers > 1:
            self._serve_by_workers(http_server)
            return
        with _explained(options):
            http_server.start()
        warn_if_unpatched()
        self._serve(http_server, banner="" if listener else self._banner(http_server.server_port))

    def _made(self, listener: Any) -> EmbeddedServer:
        keywords = dict(self._options.server)
        keywords.setdefault("handler_class", RealtimeHandler if keywords["log"] else QuietHandler)
        if listener is not None:
            keywords.pop("backlog", None)
        if self._options.workers > 1:
            keywords["environ"] = {"wsgi.multiprocess": True, **(keywords.get("environ") or {})}
        return EmbeddedServer(listener or self._options.address, self._application, **keywords)

    def _banner(self, port: int | None) -> str:
        return f" * Running on {self._options.url(port or 0)}"

    # In other processes

    def _watch(self, files: WatchedFiles) -> NoReturn:
        options = self._options
        with _explained(options):
            backlog = options.server.get("backlog") or EmbeddedServer.backlog
            listener = listen(options.address, backlog)
        banner = self._banner(listener.getsockname()[1])
        serve_in_children(listener, files, options.development.interval, banner)

    def _serve_by_workers(self, http_server: EmbeddedServer) -> None:
        server, count = self._server, self._options.workers
        if server.options.workers == "alone":
            raise ValueError(f'run(workers={count}) needs the option workers="together"')
        # Here: not every system has what they need.
        from .hosts.fleet import PATIENCE, Fleet
        from .hosts.workers.embedded_worker import EmbeddedWorker, listen

        with _explained(self._options):
            listener = listen(http_server)
        warn_if_unpatched()

        def work(lifeline: Lifeline) -> None:
            worker = EmbeddedWorker(http_server, listener, lifeline)
            worker.siblings = [join(worker) for join in server.joiners]
            http_server.start()
            self._serve(http_server, worker=worker)

        fleet = Fleet(count, listener, PATIENCE + server.options.drain_seconds)
        self._stops.append(fleet.stop)
        click.echo(f"{self._banner(http_server.server_port)} with {count} workers", err=True)
        fleet.run(work)
        # In the parent, which has opened nothing; a server that has run is closed for good.
        self._stops.remove(fleet.stop)
        server.engine.enter(Life.CLOSING)
        server.close_adapters()

    # In this process

    def _serve(
        self, http_server: EmbeddedServer, banner: str = "", worker: EmbeddedWorker | None = None
    ) -> None:
        server = self._server
        in_children(http_server.forget)
        in_children(server.engine.forget_clients)
        server.start()
        asked, hurry, loop = Event(), Event(), get_hub().loop

        def soon(event: Event) -> None:
            loop.run_callback_threadsafe(event.set)

        def stop() -> None:
            soon(hurry if asked.is_set() else asked)

        self._stops.append(stop)
        signals = StopSignals(partial(soon, asked), partial(soon, hurry))
        signals.install()
        if worker is not None:
            worker.lifeline.watch(asked.set)
        if banner:
            click.echo(banner, err=True)
        try:
            asked.wait()
        except KeyboardInterrupt:
            hurry.set()
        finally:
            try:
                self._shut_down(http_server, worker, hurry)
            finally:
                self._stops.remove(stop)
                signals.restore()
                server.hub.release()
        if signals.raised is not None:
            raise signals.raised

    def _shut_down(
        self, http_server: EmbeddedServer, worker: EmbeddedWorker | None, hurry: Event
    ) -> None:
        logger.info("= shutting down")
        server, development = self._server, self._options.development
        # A change of the program is to be seen at once: its clients come back by themselves.
        server.spread(0 if development.is_on else server.options.drain_seconds, hurry)
        grace = development.grace
        deadline = monotonic() + grace
        # It goes on accepting meanwhile: a client that polls may need a new connection for
        # what is left to it, and a handshake gets an answer.
        server.drain(grace)
        if worker is not None:
            worker.wait_for_siblings(deadline - monotonic())
        http_server.stop(timeout=max(deadline - monotonic(), 0.0))
        server.end(deadline - monotonic())


@contextmanager
def _explained(options: RunOptions) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # As Flask's own server: a program that cannot listen has nothing to go on with.
        for line in why_not(options, error):
            click.echo(line, err=True)
        raise SystemExit(1) from None
