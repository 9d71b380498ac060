"""The public server, and the embedded gevent server behind ``run()``."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from typing import Any

import click
import gevent
from gevent.event import Event

from .engine.scheduler import Scheduler
from .hosts import SocketFinder
from .pywsgi import EmbeddedServer, QuietHandler, RealtimeHandler
from .server.server import BaseServer
from .wsgi import Middleware, WSGIApp

__all__ = ["Server"]

logger = logging.getLogger(__name__)

#: Seconds that connections have to end after SIGTERM or SIGINT.
GRACE = 5.0


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

        Args:
            wsgi_app: What answers all other requests.
            host: The address to listen on.
            port: The port; 0 takes a free one, which the banner names.
            pywsgi_options: For ``gevent.pywsgi.WSGIServer``: ``keyfile`` and ``certfile`` for
                TLS, ``log="default"`` for an access log on stderr.
        """
        self.serve(Middleware(self, wsgi_app), host, port, **pywsgi_options)

    def serve(self, application: Any, host: str, port: int, **pywsgi_options: Any) -> None:
        """Serve an application that contains this server; what :meth:`run` does."""
        options = {"log": None, **pywsgi_options}
        options.setdefault("handler_class", RealtimeHandler if options["log"] else QuietHandler)
        http_server = EmbeddedServer((host, port), application, **options)
        http_server.start()
        self.start()
        stop = Event()
        handlers = _on_signals(stop.set)
        scheme = "https" if {"keyfile", "ssl_context"} & options.keys() else "http"
        click.echo(f" * Running on {scheme}://{host}:{http_server.server_port}", err=True)
        try:
            stop.wait()
        except KeyboardInterrupt:
            pass
        finally:
            for handler in handlers:
                handler.cancel()
            self._shut_down(http_server)

    def _shut_down(self, http_server: Any) -> None:
        logger.info("= shutting down")
        http_server.stop_accepting()
        self.close()
        self.engine.wait_until_empty(GRACE)
        http_server.stop(timeout=1)


def _on_signals(stop: Callable[[], Any]) -> list[Any]:
    # Only the main thread may have signal handlers; elsewhere whoever started it stops it.
    if threading.current_thread() is not threading.main_thread():
        return []
    return [gevent.signal_handler(number, stop) for number in (signal.SIGTERM, signal.SIGINT)]
