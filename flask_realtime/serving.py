"""The public server, and the embedded gevent server behind ``run()``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

import click
from gevent import get_hub
from gevent.event import Event

from .engine.shutdown import GRACE
from .engine.state import Life
from .hosts.embedded import EmbeddedServer, QuietHandler, RealtimeHandler
from .hosts.finder import SocketFinder
from .hosts.forked import in_children
from .hosts.gevent_check import refuse_eventlet
from .hosts.run_options import DEFAULT_HOST, DEFAULT_PORT, RunOptions, why_not
from .hosts.stop_signals import StopSignals
from .loop.patching import warn_if_unpatched
from .loop.scheduler import Scheduler
from .server.server import BaseServer
from .wsgi import Middleware, WSGIApp

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .hosts.fleet import Lifeline
    from .hosts.workers.embedded_worker import EmbeddedWorker
    from .server.option_types import ServerOptions
    from .testing import TestClient

__all__ = ["Server"]

logger = logging.getLogger(__name__)


class Server(BaseServer):
    """A Socket.IO server for any WSGI application.

    Put it in front of one with :class:`~flask_realtime.Middleware`, or call :meth:`run`.
    """

    def __init__(
        self, *, scheduler: Scheduler | None = None, **options: Unpack[ServerOptions]
    ) -> None:
        """Make a server; durations are seconds and sizes are bytes.

        The options are those of the Socket.IO documentation, "Server options", in snake_case:

        ``path="/socket.io"``
            The path that belongs to the server, below the mount point of the application.
        ``add_trailing_slash=True``
            Whether a slash follows the path in requests.
        ``transports=("polling", "websocket")``
            The transports that clients may use.
        ``allow_upgrades=True``
            Whether a polling client may upgrade to WebSocket.
        ``ping_interval=25``
            Seconds between a pong and the next ping.
        ``ping_timeout=20``
            Seconds that a client has to answer a ping.
        ``upgrade_timeout=10``
            Seconds that an upgrade may take.
        ``connect_timeout=45``
            Seconds that a client has to join a namespace.
        ``max_http_buffer_size=1_000_000``
            Bytes of the largest message, and of the largest body of a POST request.
        ``max_attachments=10``
            How many attachments a received packet may have.
        ``max_buffered_bytes=33_554_432``
            Bytes that may wait for a client that has stopped reading, and of the largest message
            to clients: a larger one raises ``ValueError`` where it is emitted.
        ``allow_eio3=False``
            Whether clients of Engine.IO protocol 3, such as ``socket.io-client`` 2, may connect.
        ``allow_request=None``
            ``fn(environ)`` decides about handshakes: a false result or an exception refuses.
        ``cors=None``
            Other origins that may connect: ``"*"``, an origin, a pattern, a list of them,
            ``fn(origin, environ)`` or a mapping of settings; ``None`` is the same origin only.
        ``cookie=None``
            A cookie for sticky sessions: ``True``, a name, or a mapping of its attributes.
        ``http_compression=True``
            Compression of polling responses: ``True``, ``False`` or ``{"threshold": bytes}``;
            the threshold is 1024 bytes.
        ``per_message_deflate=False``
            Compression of WebSocket messages: ``True``, ``False`` or a mapping of settings.
        ``initial_packet=None``
            A message that follows the handshake in the same response.
        ``serve_client=True``
            Whether, or from which directory, the JavaScript client is served.
        ``cleanup_empty_child_namespaces=False``
            Whether a child of a dynamic namespace is removed when its last socket has left.
        ``adapter=None``
            Makes the adapter of a namespace: ``fn(namespace)``, or the URL of a Redis server;
            ``None`` is :class:`MemoryAdapter`.
        ``parser=None``
            A parser or its class; ``None`` is the format of ``socket.io-parser``.
        ``json=None``
            A module with ``dumps`` and ``loads`` for the default parser.
        ``connection_state_recovery=None``
            Whether the state of clients that come back is restored: ``True``, or a mapping of
            ``max_disconnection_duration`` (120 seconds), ``skip_middlewares`` (``True``) and
            ``max_log_bytes`` (67108864 bytes).
        ``generate_id=None``
            ``fn(environ)`` makes session ids; ``None`` is 20 random characters.
        ``workers="together"``
            Whether the workers of one gunicorn are one server; ``"alone"`` keeps them apart.

        Args:
            scheduler: Runs the deadlines; tests bring their own clock.
            options: See above.

        Raises:
            TypeError: An option is unknown; the message names the nearest one. Or a value is of
                a type that it cannot have.
            ValueError: A value is out of range.
            RuntimeError: eventlet has patched the process.
        """
        refuse_eventlet()
        super().__init__(host=SocketFinder(), scheduler=scheduler, **options)
        # Each ends one call of `run` that is under way.
        self._stops: list[Callable[[], None]] = []

    def run(
        self,
        wsgi_app: WSGIApp | None = None,
        host: str | None = DEFAULT_HOST,
        port: int | str | None = DEFAULT_PORT,
        *,
        debug: bool | None = None,
        use_reloader: bool | None = None,
        reloader_options: Mapping[str, Any] | None = None,
        extra_files: Sequence[str] | None = None,
        log: Any = None,
        workers: int | None = None,
        **keywords: Any,
    ) -> None:
        """Serve with gevent's ``pywsgi`` until SIGTERM, SIGINT or :meth:`Server.stop`.

        Then it closes gracefully, and is closed for good. Another SIGINT ends the process at
        once. Handlers of these signals that the application has set are called as well.

        With several workers this process only watches over them. In each of them ``run()`` ends
        with ``SystemExit``: what follows it is for the parent alone.

        Args:
            wsgi_app: Answers all other requests.
            host: The address to listen on; ``None`` is the default.
            port: The port, a number or text; 0 takes a free one, which the banner names.
            debug: Not there yet, nor are the next three: a true value is a warning in the log.
            use_reloader: See ``debug``.
            reloader_options: See ``debug``.
            extra_files: See ``debug``.
            log: The access log: ``"default"`` for stderr, a file or a logger.
            workers: How many processes serve, as one server; ``None`` is this one alone.
            keywords: ``certfile`` and ``keyfile``, or ``ssl_context``, for TLS; ``backlog``,
                ``spawn`` and others of ``gevent.pywsgi.WSGIServer``.

        Raises:
            TypeError: A keyword is unknown; the message names the nearest one. Or keywords do
                not go together.
            RuntimeError: The server has been closed.
            SystemExit: The port cannot be used, or workers end as soon as they begin; lines on
                stderr say why.
        """
        keywords.update(debug=debug, use_reloader=use_reloader, extra_files=extra_files)
        keywords.update(reloader_options=reloader_options, log=log, workers=workers)
        self.serve(Middleware(self, wsgi_app), RunOptions.build(host, port, keywords))

    def stop(self) -> None:
        """End :meth:`run`, which closes the server gracefully and returns.

        It may be called from any greenlet and any thread, and returns at once. Calling it
        again, or when nothing runs, is harmless.
        """
        for stop in list(self._stops):
            stop()

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

    def serve(self, application: Any, options: RunOptions) -> None:
        """Serve an application that contains this server; what :meth:`run` does."""
        refuse_eventlet()
        if self.engine.is_closed:
            raise RuntimeError("this server has been closed: make a new one to serve again")
        http_server = _made(application, options)
        if options.workers > 1:
            self._serve_by_workers(http_server, options)
            return
        with _reasons_why_not(options):
            http_server.start()
        warn_if_unpatched()
        self._serve(http_server, options)

    def _serve_by_workers(self, http_server: EmbeddedServer, options: RunOptions) -> None:
        if self.options.workers == "alone":
            raise ValueError(f'run(workers={options.workers}) needs the option workers="together"')
        from .hosts.fleet import Fleet
        from .hosts.workers.embedded_worker import EmbeddedWorker, listen

        with _reasons_why_not(options):
            listener = listen(http_server)
        warn_if_unpatched()

        def work(lifeline: Lifeline) -> None:
            worker = EmbeddedWorker(http_server, listener, lifeline)
            worker.siblings = [join(worker) for join in self.joiners]
            http_server.start()
            self._serve(http_server, options, worker)

        fleet = Fleet(options.workers, listener)
        self._stops.append(fleet.stop)
        url = options.url(http_server.server_port or 0)
        click.echo(f" * Running on {url} with {options.workers} workers", err=True)
        fleet.run(work)
        # In the parent, which has opened nothing; a server that has run is closed for good.
        self._stops.remove(fleet.stop)
        self.engine.enter(Life.CLOSING)
        self.close_adapters()

    def _serve(
        self, http_server: EmbeddedServer, options: RunOptions, worker: EmbeddedWorker | None = None
    ) -> None:
        in_children(http_server.forget)
        in_children(self.engine.forget_clients)
        self.start()
        asked, loop = Event(), get_hub().loop

        def stop() -> None:
            loop.run_callback_threadsafe(asked.set)

        self._stops.append(stop)
        signals = StopSignals(stop)
        signals.install()
        if worker is not None:
            worker.lifeline.watch(asked.set)
        else:
            click.echo(f" * Running on {options.url(http_server.server_port or 0)}", err=True)
        try:
            asked.wait()
        except KeyboardInterrupt:
            pass
        finally:
            self._stops.remove(stop)
            try:
                self._shut_down(http_server, worker)
            finally:
                signals.restore()
                self.hub.release()
        if signals.raised is not None:
            raise signals.raised

    def _shut_down(self, http_server: EmbeddedServer, worker: EmbeddedWorker | None) -> None:
        logger.info("= shutting down")
        deadline = monotonic() + GRACE
        # It goes on accepting meanwhile: a client that polls may need a new connection for
        # what is left to it, and a handshake gets an answer.
        self.drain(GRACE)
        if worker is not None:
            worker.wait_for_siblings(deadline - monotonic())
        http_server.stop(timeout=max(deadline - monotonic(), 0.0))
        self.end(deadline - monotonic())


def _made(application: Any, options: RunOptions) -> EmbeddedServer:
    keywords = dict(options.server)
    keywords.setdefault("handler_class", RealtimeHandler if keywords["log"] else QuietHandler)
    if options.workers > 1:
        keywords["environ"] = {"wsgi.multiprocess": True, **(keywords.get("environ") or {})}
    return EmbeddedServer(options.address, application, **keywords)


@contextmanager
def _reasons_why_not(options: RunOptions) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # As Flask's own server: a program that cannot listen has nothing to go on with.
        for line in why_not(options, error):
            click.echo(line, err=True)
        raise SystemExit(1) from None
