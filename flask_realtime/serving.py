"""The public server, and the embedded gevent server behind ``run()``."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

import click
from gevent import get_hub
from gevent.event import Event

from .engine.shutdown import GRACE
from .hosts.embedded import EmbeddedServer, QuietHandler, RealtimeHandler
from .hosts.finder import SocketFinder
from .loop.scheduler import Scheduler
from .server.server import BaseServer
from .wsgi import Middleware, WSGIApp

if TYPE_CHECKING:
    from .testing import TestClient

__all__ = ["Server"]

logger = logging.getLogger(__name__)


class Server(BaseServer):
    """A Socket.IO server for any WSGI application.

    Put it in front of one with :class:`~flask_realtime.Middleware`, or call :meth:`run`.

    Args:
        options: The options of the documentation in snake_case; durations are seconds. See
            ``flask_realtime.options.Options``.

    Raises:
        TypeError: An option is unknown; the message names the nearest one.
        ValueError: An option is out of range.
    """

    def __init__(self, *, scheduler: Scheduler | None = None, **options: Any) -> None:
        super().__init__(host=SocketFinder(), scheduler=scheduler, **options)

    def run(
        self,
        wsgi_app: WSGIApp | None = None,
        host: str = "127.0.0.1",
        port: int = 5000,
        **pywsgi_options: Any,
    ) -> None:
        """Serve with gevent's ``pywsgi`` until SIGTERM or SIGINT, then close gracefully.

        Another SIGINT ends the process at once.

        Args:
            wsgi_app: What answers all other requests.
            host: The address to listen on.
            port: The port; 0 takes a free one, which the banner names.
            pywsgi_options: For ``gevent.pywsgi.WSGIServer``: ``keyfile`` and ``certfile`` for
                TLS, ``log="default"`` for an access log on stderr.
        """
        self.serve(Middleware(self, wsgi_app), host, port, **pywsgi_options)

    def application(self) -> WSGIApp:
        """Return a WSGI application that contains this server."""
        return Middleware(self)

    def test_client(self, namespace: str = "/", **options: Any) -> TestClient:
        """Return a client inside this process, for tests: see ``flask_realtime.testing``.

        Args:
            namespace: The namespace that it joins.
            options: The keywords of :class:`~flask_realtime.testing.TestClient`.
        """
        from .testing import TestClient

        return TestClient(self, namespace, **options)

    def serve(self, application: Any, host: str, port: int, **pywsgi_options: Any) -> None:
        """Serve an application that contains this server; what :meth:`run` does."""
        options = {"log": None, **pywsgi_options}
        options.setdefault("handler_class", RealtimeHandler if options["log"] else QuietHandler)
        http_server = EmbeddedServer((host, port), application, **options)
        http_server.start()
        self.start()
        stop = Event()
        restore_signals = _on_signals(stop)
        scheme = "https" if {"keyfile", "ssl_context"} & options.keys() else "http"
        click.echo(f" * Running on {scheme}://{host}:{http_server.server_port}", err=True)
        try:
            stop.wait()
        except KeyboardInterrupt:
            pass
        finally:
            try:
                self._shut_down(http_server)
            finally:
                restore_signals()

    def _shut_down(self, http_server: EmbeddedServer) -> None:
        logger.info("= shutting down")
        deadline = monotonic() + GRACE
        self.close()
        # It goes on accepting meanwhile: a client that polls may need a new connection for
        # what is left to it, and a handshake gets an answer.
        self.engine.see_off(GRACE)
        http_server.stop(timeout=max(deadline - monotonic(), 0.0))
        self.engine.wait_for_handlers(deadline - monotonic())
        self.close_adapters()


def _on_signals(stop: Event) -> Callable[[], None]:
    """Set ``stop`` on SIGTERM and SIGINT; return what restores the handlers before."""
    # Only the main thread may have signal handlers; elsewhere whoever started it stops it.
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    loop = get_hub().loop
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    stop_waking = _wake_on_signals()

    def on_signal(number: int, frame: Any) -> None:
        # The next SIGINT ends the process at once, also while a handler blocks the hub. One
        # more SIGTERM changes nothing: process managers send it to a group and to each member.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        loop.run_callback_threadsafe(stop.set)

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        stop_waking()

    for number in before:
        signal.signal(number, on_signal)
    return restore


def _wake_on_signals() -> Callable[[], None]:
    """Let signals wake the hub; return what ends that.

    A signal that comes after the hub has looked for signals and before it waits for events
    would lie there until the next event: an idle server may have none for a long time.
    """
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    watcher = get_hub().loop.io(ours.fileno(), 1, ref=False)
    watcher.start(ours.recv, 4096)

    def stop() -> None:
        signal.set_wakeup_fd(before)
        watcher.stop()
        watcher.close()
        ours.close()
        theirs.close()

    return stop
