"""The public server, and the embedded gevent server behind ``run()``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .hosts.development import debugged
from .hosts.finder import SocketFinder
from .hosts.gevent_check import refuse_eventlet
from .hosts.run_options import DEFAULT_HOST, DEFAULT_PORT, RunOptions
from .loop.scheduler import Scheduler
from .running import Run
from .server.health import Health, health_of
from .server.observer import Observer
from .server.server import BaseServer
from .wsgi import Middleware, WSGIApp

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .server.option_types import ServerOptions
    from .testing import TestClient

__all__ = ["Server"]


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
        ``drain_seconds=0``
            Seconds over which the clients are closed, one after the other, when the process is
            told to stop; 0 closes all at once.
        ``concurrent=False``
            Whether handlers of clients' events have a greenlet for each call, out of order; the
            ``concurrent`` of a registration wins.
        ``max_threads=10``
            How many handlers with ``thread=True`` run at a time.
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

    def observe(self, observer: Observer) -> None:
        """Tell an observer what happens from now on.

        Raises:
            TypeError: It is not an :class:`~flask_realtime.Observer`.
        """
        if not isinstance(observer, Observer):
            raise TypeError(f"observe() takes an Observer, not {observer!r}")
        self.runner.observers.append(observer)

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
        """Serve with gevent's server until SIGTERM, SIGINT or :meth:`Server.stop`.

        Then it closes gracefully, and is closed for good. Another SIGINT ends the process at
        once. Handlers of these signals that the application has set are called as well.

        With several workers this process only watches over them. In each of them ``run()`` ends
        with ``SystemExit``: what follows it is for the parent alone.

        Args:
            wsgi_app: Answers all other requests.
            host: The address to listen on; ``None`` is the default.
            port: The port, a number or text; 0 takes a free one, which the banner names.
            debug: Show exceptions of the application in the browser, with Werkzeug's debugger.
                Not for production: the debugger runs code that a browser sends.
            use_reloader: Start the program again when a file of it changes; as ``debug`` by
                default.
            reloader_options: ``interval`` (1 second between two looks at the files),
                ``exclude_patterns`` and ``reloader_type``, as Werkzeug has them.
            extra_files: Other files, and folders, whose change starts the program again.
            log: The access log: ``"default"`` for stderr, a file or a logger; ``False`` for
                none. By default there is one in debug mode.
            workers: How many processes serve, as one server; ``None`` is this one alone.
            keywords: ``certfile`` and ``keyfile``, or ``ssl_context``, for TLS; ``backlog``,
                ``spawn`` and others of ``gevent.pywsgi.WSGIServer``.

        Raises:
            TypeError: A keyword is unknown; the message names the nearest one. Or keywords do
                not go together.
            ValueError: The port, the number of workers or an option is out of range.
            RuntimeError: The server has been closed, or the reloader is used outside the main
                thread or with several workers.
            SystemExit: The port cannot be used, or workers end as soon as they begin; lines on
                stderr say why. With the reloader, in the process that starts the others: the
                server has ended.
        """
        keywords.update(debug=debug, use_reloader=use_reloader, extra_files=extra_files)
        keywords.update(reloader_options=reloader_options, log=log, workers=workers)
        options = RunOptions.build(host, port, keywords)
        if wsgi_app is not None:
            wsgi_app = debugged(wsgi_app, options.development, options.host)
        self.serve(Middleware(self, wsgi_app), options)

    def stop(self) -> None:
        """End :meth:`run`, which closes the server gracefully and returns.

        It may be called from any greenlet and any thread, and returns at once. Calling it
        again, or when nothing runs, is harmless; a second call ends the wait of
        ``drain_seconds``.
        """
        for stop in list(self._stops):
            stop()

    def health(self) -> Health:
        """Return whether clients should come here, for the probes of a load balancer.

        It asks no other server and never blocks: a view may return it, with the status 503
        unless it is ``ready``.

        Returns:
            ``accepting`` (whether handshakes are accepted, which ends with the signal to stop),
            ``connected`` (whether the adapter reaches the other servers, as far as it knows),
            ``ready`` (both of them) and ``clients`` (the open sessions).
        """
        return health_of(self)

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
        """Serve an application that contains this server; what :meth:`run` does.

        Args:
            application: The WSGI application.
            options: Where to listen, and how.

        Raises:
            RuntimeError: The server has been closed.
            ValueError, SystemExit: As for :meth:`run`.
        """
        refuse_eventlet()
        if self.engine.is_closed:
            raise RuntimeError("this server has been closed: make a new one to serve again")
        Run(self, application, options, self._stops).begin()
